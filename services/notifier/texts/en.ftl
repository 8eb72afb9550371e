# Messages to people in English. Figures come written for the reader; `…-count` is the bare number, -1 if unknown.

leak_found-title = { $manner ->
    [burst] Water is gushing out
    [while_away] Water runs while you are away
    [drip] Something drips
   *[other] There seems to be a leak
}
leak_found-message = { $manner ->
    [burst] Far more water than ever runs through your meter: about { $rate } since { $since }. Close the main valve if you are not using it.
    [while_away] You said that nobody is there, yet about { $rate } run through your meter since { $since }.
    [drip] About { $rate } run through your meter day and night since { $since }. Often it is a tap or a toilet.
    [cyclic] Again and again about { $rate } run through your meter that nobody seems to use, since { $since }. Often it is a toilet or a float valve.
   *[other] About { $rate } run through your meter without a rest since { $since }.
}{ $cost ->
    [none] { "" }
   *[other] { " " }That is about { $cost } a day.
}

leak_worse-title = { $manner ->
    [burst] The leak became a burst
   *[other] The leak is getting worse
}
leak_worse-message = By now it is about { $rate }; it runs since { $since }.{ $cost ->
    [none] { "" }
   *[other] { " " }That is about { $cost } a day.
}{ $manner ->
    [burst] { " " }Close the main valve if you are not using it.
   *[other] { "" }
}

leak_over-title = The leak has ended
leak_over-message = Your meter rests again. In all about { $lost } were lost, { $cost }.

balance_low-title = Your credit is running low
balance_low-message = You have { $balance } left.{ $days-count ->
    [-1] { "" }
    [0] { " " }That is less than a day at your usual consumption.
    [one] { " " }That is about one more day at your usual consumption.
   *[other] { " " }That is about { $days } more days at your usual consumption.
} You asked to be told at { $threshold }.

balance_short-title = { $days-count ->
    [0] Your credit lasts less than a day
    [one] Your credit lasts one more day
   *[other] Your credit lasts { $days } more days
}
balance_short-message = You have { $balance } left. At your usual consumption { $days-count ->
    [0] that is less than a day.
    [one] that is about one more day.
   *[other] that is about { $days } more days.
} Top up in time.

balance_empty-title = Your credit is used up
balance_empty-message = Your balance is { $balance }. Please top up.

balance_restored-title = Your credit is topped up
balance_restored-message = You have { $balance }.{ $days-count ->
    [-1] { "" }
    [0] { " " }That is less than a day at your usual consumption.
    [one] { " " }That is about one day at your usual consumption.
   *[other] { " " }That is about { $days } days at your usual consumption.
}

usage_high-title = An unusual amount of water
usage_high-message = On { $day } your meter counted { $volume }.{ $usual ->
    [none] { " " }You asked to be told above { $limit }.
   *[other] { " " }Usually it is about { $usual } a day.
} If nobody used it, look for a tap or a hose that was left open.

usage_usual-title = Your consumption is as usual again
usage_usual-message = The latest day is within the usual again.

device_silent-title = Nothing is heard of your meter
device_silent-message = Your meter{ $location ->
    [none] { "" }
   *[other] { " " }({ $location })
} has sent nothing since { $since }. Its water is counted all the same, and shown once it is heard again.

device_back-title = Your meter is heard again
device_back-message = Your meter{ $location ->
    [none] { "" }
   *[other] { " " }({ $location })
} sends again. What it counted meanwhile is taken into account.

payment_received-title = Your payment has arrived
payment_received-message = { $amount } were credited to your balance. Thank you.

payment_refused-title = Your payment did not go through
payment_refused-message = The payment of { $amount } was refused or not made in time, and nothing was credited. Please try again.

payment_returned-title = A payment was returned
payment_returned-message = { $amount } of a payment went back, and your balance is lower by as much as was credited for it.

tampering_seen-title = A meter looks tampered with
tampering_seen-message = { $tampering ->
    [magnetic] A magnet was noticed
    [physical] Signs of opening or moving were noticed
   *[other] Signs that water takes another way were noticed
} at the meter { $device } on { $day }. Please inspect it.

over_budget = You have had several messages of this kind lately; further ones come once a day.

digest-title = { $count-count ->
    [one] One message about your water
   *[other] { $count } messages about your water
}
mail-greeting = { $name ->
    [none] Hello,
   *[other] Hello { $name },
}
mail-more = See more
mail-footer = You get this message because you have water with us and want to be told by e-mail. To stop it, change your preferences or answer "unsubscribe".
