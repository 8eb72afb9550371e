//! The rules by name.

use super::*;

pub(super) const ASKED: Rupiah = Rupiah::whole(90_000);
pub(super) const DISCOUNT: Rupiah = Rupiah::whole(10_000);

pub(super) fn rp(amount: i64) -> Rupiah {
    Rupiah::new(amount).expect("in bounds")
}

pub(super) fn of(transaction: &str, finding: Finding) -> Observation {
    Observation::Transaction { transaction: transaction.to_owned(), finding, times: Times::default() }
}

pub(super) fn paid() -> Finding {
    paid_with(ASKED.get(), 0)
}

pub(super) fn paid_with(amount: i64, fee: i64) -> Finding {
    Finding::Paid { amount: rp(amount), fee: rp(fee) }
}

fn refunded(total: i64) -> Finding {
    refunded_of(ASKED.get(), 0, total)
}

pub(super) fn refunded_of(amount: i64, fee: i64, total: i64) -> Finding {
    Finding::Refunded { amount: rp(amount), fee: rp(fee), total: rp(total) }
}

/// P1: what is shown agrees with what moved.
pub(super) fn adds_up(payment: &Payment) -> bool {
    let sums = payment.sums();
    let kept = sums.received.get() + sums.excess.get() - sums.refunded.get();
    let shown = sums.credited.get() + sums.uncredited.get() + sums.fees.get();
    kept == shown
}

pub(super) fn payment() -> Payment {
    Payment::new("p", ASKED)
}

/// What the ledger and the voucher service would have after `steps`.
fn after(mut payment: Payment, steps: &[(&str, Finding)]) -> (Payment, Vec<Effect>) {
    let mut effects = Vec::new();
    for (transaction, finding) in steps {
        effects.extend(payment.observe(of(transaction, *finding)));
    }
    (payment, effects)
}

fn ids(effects: &[Effect]) -> Vec<&str> {
    effects.iter().map(|effect| effect.id.as_str()).collect()
}

pub(super) fn sum(effects: &[Effect]) -> i64 {
    effects.iter().map(|effect| effect.what.balance_change()).sum()
}

/// A name, what is observed, and the status and the balance in the end.
type Course<'a> = (&'a str, &'a [(&'a str, Finding)], Status, i64);

#[test]
fn each_course_ends_as_the_gateway_says() {
    use Finding::{Cancelled, Denied, Expired, Pending, Reversed};
    let full = ASKED.get();
    let courses: &[Course<'_>] = &[
        ("nothing", &[], Status::Pending, 0),
        ("chosen", &[("a", Pending)], Status::Pending, 0),
        ("paid", &[("a", Pending), ("a", paid())], Status::Paid, full),
        ("paid, told thrice", &[("a", paid()), ("a", paid()), ("a", paid())], Status::Paid, full),
        ("paid, an old pending follows", &[("a", paid()), ("a", Pending)], Status::Paid, full),
        ("expired", &[("a", Pending), ("a", Expired)], Status::Expired, 0),
        ("paid late", &[("a", Expired), ("a", paid())], Status::Paid, full),
        ("paid late, told in the wrong order", &[("a", paid()), ("a", Expired)], Status::Paid, full),
        ("denied", &[("a", Denied)], Status::Failed, 0),
        ("denied, tries again", &[("a", Denied), ("b", Pending)], Status::Pending, 0),
        ("denied, paid at the second try", &[("a", Denied), ("b", paid())], Status::Paid, full),
        ("the same in the wrong order", &[("b", paid()), ("a", Denied)], Status::Paid, full),
        ("cancelled", &[("a", Pending), ("a", Cancelled)], Status::Failed, 0),
        ("settlement, then deny", &[("a", paid()), ("a", Denied)], Status::Reversed, 0),
        ("a capture that was voided", &[("a", paid()), ("a", Cancelled)], Status::Reversed, 0),
        ("the settlement is heard of too late", &[("a", Denied), ("a", paid())], Status::Reversed, 0),
        ("chargeback", &[("a", paid()), ("a", Reversed)], Status::Reversed, 0),
        ("chargeback at first sight", &[("a", Reversed)], Status::Reversed, 0),
        (
            "a reversed transaction is not credited again",
            &[("a", paid()), ("a", Reversed), ("a", paid())],
            Status::Reversed,
            0,
        ),
        ("another one is", &[("a", paid()), ("a", Reversed), ("b", paid())], Status::Paid, full),
        ("some refunded", &[("a", paid()), ("a", refunded(30_000))], Status::Paid, full - 30_000),
        ("refunded at first sight", &[("a", refunded(30_000))], Status::Paid, full - 30_000),
        ("twice noticed", &[("a", refunded(30_000)), ("a", refunded(30_000))], Status::Paid, full - 30_000),
        (
            "the smaller total later",
            &[("a", refunded(40_000)), ("a", refunded(10_000))],
            Status::Paid,
            50_000,
        ),
        ("all refunded", &[("a", refunded(30_000)), ("a", refunded(full))], Status::Refunded, 0),
        ("the rest charged back", &[("a", refunded(30_000)), ("a", Reversed)], Status::Reversed, 0),
        ("paid twice", &[("a", paid()), ("b", paid())], Status::Paid, full),
    ];
    end_so(courses);
}

#[test]
fn other_sums_and_suspicions_end_as_they_should() {
    use Finding::{Challenged, Denied};
    let full = ASKED.get();
    let courses: &[Course<'_>] = &[
        ("one of the two given back", &[("a", paid()), ("b", refunded(full))], Status::Paid, full),
        ("whichever of the two it is", &[("a", refunded(full)), ("b", paid())], Status::Paid, full),
        ("both given back", &[("a", refunded(full)), ("b", refunded(full))], Status::Refunded, 0),
        ("with a fee", &[("a", paid_with(full + 350, 350))], Status::Paid, full),
        (
            "the fee is told later",
            &[("a", paid_with(full + 350, 0)), ("a", paid_with(full + 350, 350))],
            Status::Paid,
            full,
        ),
        ("with more", &[("a", paid_with(full + 5_000, 0))], Status::Paid, full),
        ("the rest given back", &[("a", refunded_of(full + 5_000, 0, 5_000))], Status::Paid, full),
        ("more than the rest", &[("a", refunded_of(full + 5_000, 0, 6_000))], Status::Paid, full - 1_000),
        (
            "all with the fee given back",
            &[("a", refunded_of(full + 350, 350, full + 350))],
            Status::Refunded,
            0,
        ),
        ("more given back than came", &[("a", refunded(full + 1))], Status::Refunded, 0),
        ("with less", &[("a", paid_with(full - 1, 0))], Status::Pending, 0),
        ("less the fee it is less", &[("a", paid_with(full + 200, 350))], Status::Pending, 0),
        ("suspected", &[("a", Challenged)], Status::Pending, 0),
        ("suspected and accepted", &[("a", Challenged), ("a", paid())], Status::Paid, full),
        ("suspected and denied", &[("a", Challenged), ("a", Denied)], Status::Failed, 0),
        ("an old suspicion", &[("a", paid()), ("a", Challenged)], Status::Paid, full),
    ];
    end_so(courses);
}

fn end_so(courses: &[Course<'_>]) {
    for (course, steps, status, balance) in courses {
        let (payment, effects) = after(payment(), steps);
        assert_eq!((payment.status(), sum(&effects)), (*status, *balance), "{course}");
        assert_eq!(payment.balance().get(), *balance, "{course}");
        assert!(adds_up(&payment), "{course}: {:?}", payment.sums());
    }
}

#[test]
fn effects_have_deterministic_ids() {
    let steps = [
        ("a", paid()),
        ("a", refunded(30_000)),
        ("a", Finding::Reversed),
        ("b", paid()),
        ("b", refunded(30_000)),
        ("b", Finding::Reversed),
    ];
    let (_, effects) = after(payment(), &steps);
    assert_eq!(
        ids(&effects),
        [
            "payment:p:credit",
            "payment:p:refund:30000",
            "payment:p:reversal",
            "payment:p:credit:2",
            "payment:p:refund:2:30000",
            "payment:p:reversal:2",
        ]
    );
}

#[test]
fn too_little_waits_for_a_person() {
    for amount in [1, ASKED.get() - 1] {
        let steps = [("a", paid_with(amount, 0))];
        let (mut payment, effects) = after(payment(), &steps);
        assert_eq!((payment.status(), effects), (Status::Pending, vec![]));
        let note = Note::Short { transaction: "a".to_owned(), paid: rp(amount) };
        assert_eq!((payment.notes(), payment.sums().uncredited), (vec![note], rp(amount)));
        assert_eq!(payment.lapse(), [], "money lies there, so it does not expire");
        assert_eq!(payment.status(), Status::Pending);
        assert_eq!(ids(&payment.confirm_by_hand().expect("it is not credited")), ["payment:p:credit"]);
        assert_eq!((payment.status(), payment.notes()), (Status::Paid, vec![]));
        assert_eq!(sum(&payment.observe(of("a", refunded_of(amount, 0, amount)))), -amount, "it is seen");
    }
}

#[test]
fn too_little_that_was_given_back_waits_for_nobody() {
    let mut payment = payment().with_voucher(DISCOUNT);
    payment.observe(of("a", paid_with(70_000, 0)));
    assert_eq!(payment.lapse(), []);
    assert_eq!(ids(&payment.observe(of("a", refunded_of(70_000, 0, 70_000)))), ["payment:p:voucher:release"]);
    assert_eq!((payment.status(), payment.notes()), (Status::Expired, vec![]));
    assert!(adds_up(&payment));
}

#[test]
fn more_than_was_asked_is_kept_for_a_person() {
    let (mut payment, effects) = after(payment(), &[("a", paid_with(95_000, 0))]);
    assert_eq!((ids(&effects), sum(&effects)), (vec!["payment:p:credit"], ASKED.get()));
    assert_eq!(payment.notes(), [Note::Surplus { amount: rp(5_000) }]);
    assert_eq!(payment.sums().left(), rp(95_000));
    assert_eq!(payment.refund_by_hand(rp(5_000)), Ok(vec![]), "it is on no balance");
    assert_eq!((payment.balance(), payment.notes()), (ASKED, vec![]));
    assert_eq!(payment.sums().refunded, rp(5_000));
    assert_eq!(payment.refund_by_hand(rp(95_001)), Err(Refusal::TooMuch));
    assert_eq!(sum(&payment.refund_by_hand(rp(95_000)).expect("all of it")), -ASKED.get());
}

#[test]
fn what_the_gateway_added_is_told_apart() {
    let (payment, effects) = after(payment(), &[("a", paid_with(90_350, 350))]);
    let sums = payment.sums();
    assert_eq!((sum(&effects), payment.notes()), (ASKED.get(), vec![]));
    assert_eq!(
        (sums.received, sums.fees, sums.credited, sums.uncredited),
        (rp(90_350), rp(350), ASKED, rp(0))
    );
    assert_eq!(sums.left(), ASKED, "the fee is not ours to give back");
}

#[test]
fn money_out_twice_is_seen_and_not_cut() {
    let (mut payment, _) = after(payment(), &[("a", paid())]);
    assert_eq!(sum(&payment.refund_by_hand(ASKED).expect("it is there")), -ASKED.get());
    assert_eq!(payment.notes(), []);
    assert_eq!(payment.observe(of("a", refunded(ASKED.get()))), [], "the balance gave all it had");
    assert_eq!(payment.notes(), [Note::OverRefunded { amount: ASKED }]);
    assert_eq!((payment.refunded().get(), payment.sums().excess), (2 * ASKED.get(), ASKED));
    assert!(adds_up(&payment));
}

#[test]
fn money_out_by_hand_before_a_reversal_is_seen() {
    let (mut payment, _) = after(payment(), &[("a", paid())]);
    payment.refund_by_hand(rp(10_000)).expect("it is there");
    assert_eq!(sum(&payment.observe(of("a", Finding::Reversed))), -80_000);
    assert_eq!(
        (payment.balance(), payment.notes()),
        (rp(0), vec![Note::OverRefunded { amount: rp(10_000) }])
    );
    assert!(adds_up(&payment));
}

#[test]
fn two_transactions_with_the_money_credit_once() {
    let (payment, effects) = after(payment(), &[("b", paid()), ("a", paid())]);
    assert_eq!((sum(&effects), payment.notes()), (ASKED.get(), vec![Note::PaidTwice { amount: ASKED }]));
    assert_eq!((payment.sums().received.get(), payment.sums().uncredited), (2 * ASKED.get(), ASKED));
    assert_eq!(payment.to_refund_from(), Some("b"), "not the one that is credited");
}

#[test]
fn a_challenge_is_noted_until_somebody_decides() {
    let mut payment = payment();
    payment.observe(of("a", Finding::Challenged));
    let note = [Note::Challenged { transaction: "a".to_owned() }];
    assert_eq!(payment.notes(), note);
    assert_eq!((payment.withdraw(), payment.status()), (vec![], Status::Pending), "it may yet be accepted");
    assert_eq!((payment.lapse(), payment.notes()), (vec![], note.to_vec()));
    payment.observe(of("a", Finding::Denied));
    assert_eq!((payment.status(), payment.notes()), (Status::Failed, vec![]));
}

#[test]
fn silence_ends_when_the_time_is_over() {
    let mut payment = payment();
    assert_eq!(payment.observe(Observation::Unknown), []);
    assert!(!payment.is_closed());
    payment.lapse();
    assert_eq!((payment.status(), payment.is_closed()), (Status::Expired, true));
    assert_eq!(ids(&payment.observe(of("a", paid()))), ["payment:p:credit"], "late money counts");
}

#[test]
fn a_person_confirms_until_the_gateway_speaks() {
    let mut payment = payment();
    assert_eq!(ids(&payment.confirm_by_hand().expect("not credited")), ["payment:p:credit"]);
    assert_eq!(payment.confirm_by_hand(), Err(Refusal::AlreadyPaid));
    assert_eq!(payment.observe(of("a", paid())), [], "the same money");
    assert_eq!(ids(&payment.observe(of("a", Finding::Reversed))), ["payment:p:reversal"]);
    assert_eq!(ids(&payment.confirm_by_hand().expect("not credited")), ["payment:p:credit:2"]);
    assert_eq!(payment.observe(of("a", paid())), [], "it is old");
    assert_eq!(payment.status(), Status::Paid);
}

#[test]
fn a_person_refunds_no_more_than_was_paid() {
    let mut payment = payment();
    assert_eq!(payment.refund_by_hand(rp(1)), Err(Refusal::NotPaid));
    payment.observe(of("a", refunded(60_000)));
    assert_eq!(payment.refund_by_hand(rp(30_001)), Err(Refusal::TooMuch));
    assert_eq!(ids(&payment.refund_by_hand(rp(10_000)).expect("enough is left")), ["payment:p:refund:70000"]);
    assert_eq!(payment.refund_by_hand(rp(10_000)), Ok(vec![]), "told again");
    assert_eq!(payment.balance(), rp(20_000));
    assert_eq!(sum(&payment.observe(of("a", refunded(80_000)))), -20_000);
    assert_eq!(payment.status(), Status::Refunded);
}

#[test]
fn a_voucher_adds_when_it_is_granted() {
    let (mut payment, effects) = after(payment().with_voucher(DISCOUNT), &[("a", paid())]);
    assert_eq!(ids(&effects), ["payment:p:credit", "payment:p:voucher:commit"]);
    assert_eq!(sum(&effects), ASKED.get());
    let granted = payment.voucher_answered(true);
    assert_eq!((ids(&granted), sum(&granted)), (vec!["payment:p:discount"], DISCOUNT.get()));
    assert_eq!(payment.voucher_answered(true), []);
    assert_eq!(payment.voucher_answered(false), [], "the first answer is final");
    let some = payment.observe(of("a", refunded(30_001)));
    assert_eq!(sum(&some), -(30_001 + 3_333), "a third of the discount goes with a third of the money");
    let all = payment.observe(of("a", refunded(ASKED.get())));
    assert_eq!(sum(&all), -(59_999 + 6_667), "nothing of the discount is left");
}

#[test]
fn a_refused_voucher_adds_nothing() {
    let (mut payment, _) = after(payment().with_voucher(DISCOUNT), &[("a", paid())]);
    assert_eq!(payment.voucher_answered(false), []);
    assert_eq!(payment.balance(), ASKED);
}

#[test]
fn a_place_is_given_back_when_nobody_can_pay_any_more() {
    let place = || payment().with_voucher(DISCOUNT);
    let release = ["payment:p:voucher:release"];
    assert_eq!(ids(&after(place(), &[("a", Finding::Expired), ("a", Finding::Expired)]).1), release);
    assert_eq!(ids(&after(place(), &[("a", Finding::Cancelled)]).1), release);
    assert_eq!(ids(&place().lapse()), release);
    let (mut denied, effects) = after(place(), &[("a", Finding::Denied)]);
    assert_eq!(effects, [], "the page takes another try");
    assert_eq!(ids(&denied.lapse()), release);
    let late = denied.observe(of("b", paid()));
    assert_eq!(ids(&late), ["payment:p:credit", "payment:p:voucher:commit"], "asked for again");
    assert_eq!(sum(&denied.voucher_answered(true)), DISCOUNT.get());
}

#[test]
fn a_reversal_takes_the_discount_along() {
    let (mut payment, _) = after(payment().with_voucher(DISCOUNT), &[("a", paid())]);
    payment.voucher_answered(true);
    let back = payment.observe(of("a", Finding::Denied));
    assert_eq!((ids(&back), sum(&back)), (vec!["payment:p:reversal"], -100_000));
    assert_eq!(
        sum(&payment.observe(of("b", paid()))),
        100_000,
        "the voucher stays redeemed for this payment"
    );
}

#[test]
fn a_grant_after_a_refund_adds_what_is_left_of_it() {
    let (mut payment, _) = after(payment().with_voucher(DISCOUNT), &[("a", refunded(45_000))]);
    assert_eq!(sum(&payment.voucher_answered(true)), 5_000);
    assert_eq!(payment.balance(), rp(50_000));
}

#[test]
fn old_transactions_make_room_but_none_that_had_money() {
    let mut payment = payment();
    payment.observe(of("a", Finding::Reversed));
    for n in 0..100 {
        payment.observe(of(&format!("t{n}"), Finding::Denied));
    }
    assert_eq!(payment.observe(of("a", paid())), []);
    assert_eq!(ids(&payment.observe(of("z", paid()))), ["payment:p:credit"]);
}

/// A payment as it comes back from the database.
pub(super) fn stored(payment: &Payment) -> Payment {
    let text = serde_json::to_string(payment).expect("it serialises");
    serde_json::from_str(&text).expect("it was serialised")
}

#[test]
fn a_payment_survives_being_stored() {
    let (mut payment, _) =
        after(payment().with_voucher(DISCOUNT), &[("a", Finding::Denied), ("b.$c", refunded(10_000))]);
    payment.voucher_answered(true);
    payment.refund_by_hand(rp(5_000)).expect("enough is left");
    assert_eq!(stored(&payment), payment);
    assert_eq!(payment.credited_for(), Some("b.$c"));
}

#[test]
fn statuses_have_the_names_of_the_data_model() {
    for status in Status::ALL {
        assert_eq!(Status::named(status.name()), Some(status));
    }
    assert_eq!(Status::named("settled"), None);
}

#[test]
fn what_was_withdrawn_is_over_and_credited_all_the_same_if_it_is_paid() {
    let mut payment = payment().with_voucher(DISCOUNT);
    payment.observe(of("a", Finding::Pending));
    assert_eq!(ids(&payment.withdraw()), ["payment:p:voucher:release"]);
    assert!(payment.status() == Status::Failed && payment.is_closed());
    assert_eq!(payment.withdraw(), []);
    let effects = payment.observe(of("a", paid()));
    assert_eq!((ids(&effects).len(), sum(&effects), payment.status()), (2, ASKED.get(), Status::Paid));
    // What came of a wrong amount waits for a person, whoever withdrew.
    let mut wrong = Payment::new("p", ASKED);
    wrong.withdraw();
    wrong.observe(of("a", paid_with(1, 0)));
    assert_eq!(wrong.status(), Status::Pending);
}

#[test]
fn what_a_voucher_pays_whole_needs_no_gateway_and_is_paid_when_it_is_granted() {
    let free = || Payment::new("p", Rupiah::ZERO).with_voucher(DISCOUNT);
    let mut granted = free();
    assert_eq!(ids(&granted.begin()), ["payment:p:voucher:commit"]);
    assert_eq!((granted.status(), granted.balance(), granted.is_closed()), (Status::Pending, rp(0), false));
    assert!(granted.begin().is_empty() && granted.lapse().is_empty(), "once, and its time is never over");
    let effects = granted.voucher_answered(true);
    assert_eq!((ids(&effects), sum(&effects)), (vec!["payment:p:discount"], DISCOUNT.get()));
    assert_eq!((granted.status(), granted.balance()), (Status::Paid, DISCOUNT));
    assert_eq!(granted.refund_by_hand(rp(1)), Err(Refusal::TooMuch), "nobody paid anything");
    assert!(granted.observe(Observation::Unknown).is_empty() && granted.withdraw().is_empty());
    assert_eq!(granted.status(), Status::Paid);

    let mut refused = free();
    refused.begin();
    assert!(refused.voucher_answered(false).is_empty());
    assert_eq!((refused.status(), refused.balance(), refused.is_closed()), (Status::Failed, rp(0), true));
    // One that asks for something waits for it.
    assert!(payment().with_voucher(DISCOUNT).begin().is_empty());
}

#[test]
fn what_a_person_confirmed_came_as_far_as_sums_are_concerned() {
    let mut payment = payment();
    payment.confirm_by_hand().unwrap();
    let sums = payment.sums();
    assert_eq!((sums.received, sums.credited, sums.uncredited), (ASKED, ASKED, Rupiah::ZERO));
    assert!(adds_up(&payment));
    let effects = payment.refund_by_hand(rp(20_000)).unwrap();
    assert_eq!((sum(&effects), payment.sums().credited), (-20_000, rp(70_000)));
    assert!(adds_up(&payment));
}

/// That a transaction had the money before it was taken back is no news of it.
#[test]
fn a_late_word_of_a_reversed_transaction_does_not_undo_a_confirmation() {
    let mut payment = payment();
    payment.observe(of("t", Finding::Reversed));
    assert_eq!(sum(&payment.confirm_by_hand().unwrap()), ASKED.get());
    assert_eq!(payment.observe(of("t", paid())), [], "it came, and went, before that");
    assert_eq!(payment.balance(), ASKED);
    // Another one that has the money is the gateway's word.
    payment.observe(of("u", paid()));
    assert_eq!(payment.credited_for(), Some("u"));
}

#[test]
fn a_refund_by_hand_that_comes_again_with_less_takes_nothing_back() {
    let (mut payment, _) = after(payment(), &[("t", paid())]);
    payment.refund_by_hand(rp(20_000)).unwrap();
    assert_eq!(payment.refund_by_hand(rp(10_000)), Ok(Vec::new()), "an older request, late");
    assert_eq!((payment.refunded(), payment.balance()), (rp(20_000), rp(70_000)));
}
