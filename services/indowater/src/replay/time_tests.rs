use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

fn read(text: &str, order: DateOrder) -> Result<String, NoTime> {
    let when = stamp(text, &Reading::default())?.settle(order).ok_or(NoTime::Senseless)?;
    Ok(match when {
        When::Wall(wall) => wall.to_string(),
        When::Moment(at) => at.to_string(),
    })
}

#[test]
fn every_way_of_writing_a_time() {
    for (text, expected) in [
        // RFC 3339.
        ("2016-03-01T00:28:55Z", "2016-03-01T00:28:55Z"),
        ("2016-03-01t00:28:55z", "2016-03-01T00:28:55Z"),
        ("2016-03-01T07:28:55+07:00", "2016-03-01T00:28:55Z"),
        ("2016-03-01T07:28:55.250+0700", "2016-03-01T00:28:55Z"),
        ("2016-03-01 07:28:55 +07", "2016-03-01T00:28:55Z"),
        ("2016-02-29T19:28:55-05:00", "2016-03-01T00:28:55Z"),
        ("2016-03-01 00:28:55 UTC", "2016-03-01T00:28:55Z"),
        // Local.
        ("2016-03-01T00:28:55", "2016-03-01T00:28:55"),
        ("2016-03-01 00:28", "2016-03-01T00:28:00"),
        ("2016/3/1 0:28", "2016-03-01T00:28:00"),
        ("01/03/2016 00:28:55", "2016-03-01T00:28:55"),
        ("1-3-2016 0:28", "2016-03-01T00:28:00"),
        ("01.03.2016 14.30", "2016-03-01T14:30:00"),
        ("01.03.2016, 14.30.15", "2016-03-01T14:30:15"),
        ("01/03/2016 2:30:00 PM", "2016-03-01T14:30:00"),
        ("01/03/2016 12:05 am", "2016-03-01T00:05:00"),
        ("01/03/2016 07:28 +07:00", "2016-03-01T00:28:00Z"),
        // The end of the day.
        ("2016-02-29 24:00", "2016-03-01T00:00:00"),
        ("31/12/2016 24:00:00", "2017-01-01T00:00:00"),
        ("2016-02-29T24:00:00Z", "2016-03-01T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        // Numbers.
        ("1456790400", "2016-03-01T00:00:00Z"),
        ("1456790400.75", "2016-03-01T00:00:00Z"),
        ("1456790400123", "2016-03-01T00:00:00Z"),
        ("42430", "2016-03-01T00:00:00"),
        ("42430.5", "2016-03-01T12:00:00"),
        ("42430,020081", "2016-03-01T00:28:55"),
        ("42430.0416666667", "2016-03-01T01:00:00"),
    ] {
        assert_eq!(read(text, DateOrder::Dmy), Ok(expected.to_owned()), "{text}");
    }
    assert_eq!(read("03/01/2016 00:28", DateOrder::Mdy), Ok("2016-03-01T00:28:00".to_owned()));
}

#[test]
fn what_is_no_time_is_not_guessed() {
    for text in [
        "",
        "soon",
        "Total",
        "3600",
        "0",
        "20160301",
        "2016-02-30 00:00",
        "32/01/2016 00:00",
        "01/13/2016 00:00",
        "2016-03-01 25:00",
        "2016-03-01 24:01",
        "2016-03-01 00:60",
        "2016-03-01 0:0",
        "2016-03-01 00:00 PM",
        "2016-03-01 13:00 PM",
        "2016-03-01T00:00+7",
        "2016-03-01T00:00 WIB",
        "01/03/16 00:28",
        "2016-03 00:00",
        "2016-03-01 00:00:00.",
        "1-2-3-2016 00:00",
        "16777216777216777",
    ] {
        assert_eq!(read(text, DateOrder::Dmy), Err(NoTime::Senseless), "{text}");
    }
    assert_eq!(read("2016-03-01", DateOrder::Dmy), Err(NoTime::DateOnly));
}

#[test]
fn a_date_alone_takes_the_time_of_day_that_is_told() {
    let reading = Reading { read_at: Some(jiff::civil::time(6, 30, 0, 0)), ..Reading::default() };
    for text in ["2016-03-01", "1/3/2016"] {
        let when = stamp(text, &reading).unwrap().settle(DateOrder::Dmy);
        assert_eq!(when, Some(When::Wall("2016-03-01T06:30:00".parse().unwrap())), "{text}");
    }
}

#[test]
fn a_format_that_is_told_is_followed() {
    for (text, format, expected) in [
        ("2016-03-01T01:00:00+0100", "%Y-%m-%dT%H:%M:%S%z", Some("2016-03-01T00:00:00Z")),
        ("1456790400", "%s", Some("2016-03-01T00:00:00Z")),
        ("0", "%s", Some("1970-01-01T00:00:00Z")),
        ("01-Mar-16 00:28", "%d-%b-%y %H:%M", Some("2016-03-01T00:28:00")),
        ("29-Feb-16 24:00", "%d-%b-%y %H:%M", Some("2016-03-01T00:00:00")),
        ("29-Feb-16 24:01", "%d-%b-%y %H:%M", None),
        ("20160301002855", "%Y%m%d%H%M%S", Some("2016-03-01T00:28:55")),
        ("2016-03-01 00:28", "%d-%b-%y %H:%M", None),
    ] {
        let reading = Reading { format: Some(format.to_owned()), ..Reading::default() };
        let when = stamp(text, &reading).ok().and_then(|stamp| stamp.settle(DateOrder::Dmy));
        let when = when.map(|when| match when {
            When::Wall(wall) => wall.to_string(),
            When::Moment(at) => at.to_string(),
        });
        assert_eq!(when.as_deref(), expected, "{text}");
    }
}

#[test]
fn date_and_time_of_two_columns_are_one() {
    for (date, time, expected) in [
        ("01/03/2016", "00:28:55", "2016-03-01T00:28:55"),
        ("2016-02-29", "24:00", "2016-03-01T00:00:00"),
        ("2016-03-01 00:00:00", "14:30", "2016-03-01T14:30:00"),
        ("2016-03-01", "1899-12-30 14:30:00", "2016-03-01T14:30:00"),
        ("2016-03-01", "14:30+07:00", "2016-03-01T07:30:00Z"),
        ("42430", "0.5", "2016-03-01T12:00:00"),
        ("42430", "0,020081", "2016-03-01T00:28:55"),
    ] {
        assert_eq!(read(&joined(date, time), DateOrder::Dmy), Ok(expected.to_owned()), "{date} {time}");
    }
}

fn order(dates: &[&str], given: Option<DateOrder>) -> Result<DateOrder, String> {
    let mut evidence = Evidence::default();
    for (line, date) in (2..).zip(dates) {
        evidence.note(&stamp(&format!("{date} 00:00"), &Reading::default()).unwrap(), line);
    }
    evidence.order(given)
}

#[test]
fn the_order_of_dates_follows_from_the_file_or_is_asked_for() {
    use DateOrder::{Dmy, Mdy};
    assert_eq!(order(&["03/04/2016", "13/04/2016"], None), Ok(Dmy));
    assert_eq!(order(&["03/04/2016", "04/13/2016"], None), Ok(Mdy));
    assert_eq!(order(&["2016-03-04", "05/05/2016"], None), Ok(Dmy));
    let asked = order(&["01/01/2016", "03/04/2016"], None).unwrap_err();
    assert!(asked.contains("line 3") && asked.contains("--date-order"), "{asked}");
    let contradiction = order(&["13/04/2016", "04/14/2016"], None).unwrap_err();
    assert!(contradiction.contains("line 2") && contradiction.contains("line 3"), "{contradiction}");
    assert_eq!(order(&["03/04/2016"], Some(Mdy)), Ok(Mdy));
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(at in 100_000_000_i64..4_000_000_000, style in 0_usize..9) {
        let at = Timestamp::from_second(at).unwrap();
        let zone = TimeZone::get("Asia/Makassar").unwrap();
        let there = at.to_zoned(zone);
        let (format, is_moment) = [
            ("%Y-%m-%dT%H:%M:%S%:z", true),
            ("%Y-%m-%d %H:%M:%S%z", true),
            ("%s", true),
            ("%s500", true),
            ("%d/%m/%Y %H:%M:%S %:z", true),
            ("%Y-%m-%d %H:%M:%S", false),
            ("%d/%m/%Y %H.%M.%S", false),
            ("%d.%m.%Y %I:%M:%S %p", false),
            ("%Y/%-m/%-d %-H:%M:%S", false),
        ][style];
        let text = there.strftime(format).to_string();
        let expected = if is_moment { When::Moment(at) } else { When::Wall(there.datetime()) };
        prop_assert_eq!(stamp(&text, &Reading::default()).unwrap().settle(DateOrder::Dmy), Some(expected), "{}", text);
    }

    #[test]
    fn days_of_a_spreadsheet_are_read_back(seconds in 20_000_i64 * 86_400..80_000 * 86_400) {
        // As many decimals as spreadsheets keep.
        let serial = (Decimal::from(seconds) / Decimal::from(86_400)).round_dp(10);
        let wall = jiff::civil::date(1899, 12, 30).at(0, 0, 0, 0) + Span::new().seconds(seconds);
        let read = stamp(&serial.to_string(), &Reading::default()).unwrap().settle(DateOrder::Dmy);
        prop_assert_eq!(read, Some(When::Wall(wall)));
    }
}
