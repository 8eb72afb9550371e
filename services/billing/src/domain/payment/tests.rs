//! The rules by name, and as properties over what gateways do.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const ASKED: Rupiah = Rupiah::whole(90_000);
const DISCOUNT: Rupiah = Rupiah::whole(10_000);

fn rp(amount: i64) -> Rupiah {
    Rupiah::new(amount).expect("in bounds")
}

fn of(transaction: &str, finding: Finding) -> Observation {
    Observation::Transaction { transaction: transaction.to_owned(), finding, times: Times::default() }
}

fn paid() -> Finding {
    paid_with(ASKED.get(), 0)
}

fn paid_with(amount: i64, fee: i64) -> Finding {
    Finding::Paid { amount: rp(amount), fee: rp(fee) }
}

fn refunded(total: i64) -> Finding {
    refunded_of(ASKED.get(), 0, total)
}

fn refunded_of(amount: i64, fee: i64, total: i64) -> Finding {
    Finding::Refunded { amount: rp(amount), fee: rp(fee), total: rp(total) }
}

/// P1: what is shown agrees with what moved.
fn adds_up(payment: &Payment) -> bool {
    let sums = payment.sums();
    let kept = sums.received.get() + sums.excess.get() - sums.refunded.get();
    let shown = sums.credited.get() + sums.uncredited.get() + sums.fees.get();
    kept == shown
}

fn payment() -> Payment {
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

fn sum(effects: &[Effect]) -> i64 {
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
fn stored(payment: &Payment) -> Payment {
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

/// What one transaction goes through at a gateway: the findings of its status calls in their true order. It may be
/// suspected first, paid with a fee, with more than was asked and with less, and given back beyond what came.
fn lives() -> impl Strategy<Value = Vec<Finding>> {
    use Finding::{Cancelled, Challenged, Denied, Expired, Pending, Reversed};
    let amounts = prop_oneof![
        4 => Just((ASKED.get(), 0)),
        2 => (1..5_000_i64).prop_map(|fee| (ASKED.get() + fee, fee)),
        2 => (1..90_000_i64).prop_map(|more| (ASKED.get() + more, 0)),
        1 => (1..5_000_i64, 1..90_000_i64).prop_map(|(fee, more)| (ASKED.get() + fee + more, fee)),
    ];
    let refunds = proptest::collection::btree_set(1..=2 * ASKED.get(), 0..4);
    let ends = proptest::option::of(prop_oneof![Just(Denied), Just(Cancelled), Just(Reversed)]);
    let begins = (any::<bool>(), any::<bool>());
    let good =
        (begins, amounts, refunds, ends).prop_map(|((late, suspected), (amount, fee), totals, end)| {
            let mut life = vec![Pending];
            life.extend(suspected.then_some(Challenged));
            life.extend(late.then_some(Expired));
            life.push(paid_with(amount, fee));
            life.extend(totals.into_iter().map(|total| refunded_of(amount, fee, total)));
            life.extend(end);
            life
        });
    let bad = prop_oneof![Just(Denied), Just(Cancelled), Just(Expired), Just(Pending), Just(Challenged)]
        .prop_map(|end| vec![Pending, end]);
    let short = (1..ASKED.get(), 0..=ASKED.get(), any::<bool>()).prop_map(|(amount, total, returned)| {
        let mut life = vec![Pending, paid_with(amount, 0)];
        life.extend(returned.then(|| refunded_of(amount, 0, total.clamp(1, amount))));
        life
    });
    prop_oneof![3 => good, 2 => bad, 1 => short]
}

/// What came of a life and is still there in the end, and what went back of it: gross, fee and refunds.
fn moved(life: &[Finding]) -> Option<(i64, i64, i64)> {
    match life.last() {
        Some(Finding::Paid { amount, fee }) => Some((amount.get(), fee.get(), 0)),
        Some(Finding::Refunded { amount, fee, total }) => Some((amount.get(), fee.get(), total.get())),
        _ => None,
    }
}

/// Whether a life ends with what was asked.
fn is_good(life: &[Finding]) -> bool {
    moved(life).is_some_and(|(amount, fee, _)| amount - fee >= ASKED.get())
}

/// What the balance should have of all lives: computed from the money alone, without transactions or their order.
fn truth(lives: &[Vec<Finding>]) -> i64 {
    let sum = |part: fn((i64, i64, i64)) -> i64| -> i64 {
        lives.iter().filter_map(|life| moved(life)).map(part).sum()
    };
    if !lives.iter().any(|life| is_good(life)) {
        return 0;
    }
    let net = sum(|(amount, fee, _)| amount - fee);
    (net - sum(|(_, _, total)| total)).clamp(0, ASKED.get())
}

/// Lives of up to three transactions of one order; also several that have the money.
fn histories() -> impl Strategy<Value = Vec<Vec<Finding>>> {
    proptest::collection::vec(lives(), 1..4)
}

/// What reaches us of `lives`: every state at least once, any of them again, in any order.
fn deliveries() -> impl Strategy<Value = (Vec<Vec<Finding>>, Vec<(String, Finding)>)> {
    histories().prop_flat_map(|lives| {
        let all: Vec<(String, Finding)> = lives
            .iter()
            .enumerate()
            .flat_map(|(n, life)| life.iter().map(move |finding| (format!("t{n}"), *finding)))
            .collect();
        let again = proptest::collection::vec(proptest::sample::select(all.clone()), 0..20);
        let shuffled = again.prop_flat_map(move |again| {
            Just(all.iter().cloned().chain(again).collect::<Vec<_>>()).prop_shuffle()
        });
        (Just(lives), shuffled)
    })
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

/// Thousands of cases for each property; more of them with `PROPTEST_CASES`, for a longer run.
fn cases() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(4_096), ..asked }
}

proptest! {
    #![proptest_config(cases())]

    /// B2: whatever is delivered, in whatever order, however often, the effects add up to what the gateway finally says.
    #[test]
    fn any_delivery_ends_in_the_right_balance((lives, delivered) in deliveries()) {
        let mut payment = payment();
        let (mut balance, mut seen) = (0, BTreeSet::new());
        for (transaction, finding) in &delivered {
            payment = stored(&payment);
            for effect in payment.observe(of(transaction, *finding)) {
                prop_assert!(seen.insert(effect.id.clone()), "{} twice", effect.id);
                balance += effect.what.balance_change();
                prop_assert!((0..=ASKED.get()).contains(&balance), "{balance} on the way");
            }
        }
        prop_assert_eq!(balance, truth(&lives));
        prop_assert_eq!(balance, payment.balance().get());
        for (transaction, finding) in &delivered {
            prop_assert_eq!(payment.observe(of(transaction, *finding)), vec![], "told again");
        }
    }

    /// The state in the end does not depend on the order either, so neither does the status that people see.
    #[test]
    fn the_order_of_delivery_does_not_show((_, delivered) in deliveries()) {
        let (mut forth, mut back) = (payment(), payment());
        for (transaction, finding) in &delivered {
            forth.observe(of(transaction, *finding));
        }
        for (transaction, finding) in delivered.iter().rev() {
            back.observe(of(transaction, *finding));
        }
        prop_assert_eq!(forth.status(), back.status());
        prop_assert_eq!(forth.balance(), back.balance());
        prop_assert_eq!(forth.notes(), back.notes());
    }

    /// With a voucher the balance has its share too, whenever the voucher service answers.
    #[test]
    fn a_voucher_adds_its_share((lives, delivered) in deliveries(), at in any::<prop::sample::Index>()) {
        let mut payment = payment().with_voucher(DISCOUNT);
        let (mut balance, mut asked, mut answered) = (0, false, false);
        let at = at.index(delivered.len());
        for (n, (transaction, finding)) in delivered.iter().enumerate() {
            let mut effects = payment.observe(of(transaction, *finding));
            asked |= effects.iter().any(|effect| effect.what == What::CommitVoucher);
            if asked && !answered && n >= at {
                answered = true;
                effects.extend(payment.voucher_answered(true));
            }
            balance += sum(&effects);
            prop_assert!(balance >= 0);
        }
        if asked && !answered {
            balance += sum(&payment.voucher_answered(true));
        }
        let cash = truth(&lives);
        let given_back = DISCOUNT.share(rp(ASKED.get() - cash), ASKED).get();
        prop_assert_eq!(balance, cash + DISCOUNT.get() - given_back);
    }

    /// P1: whatever a gateway moves and a person gives back by hand, in whatever order it is heard of, what is shown agrees
    /// with what moved, and what is on no balance, or went out beyond what came, is noted.
    #[test]
    fn what_is_shown_agrees_with_what_moved(
        (lives, delivered) in deliveries(),
        by_hand in proptest::collection::vec((any::<prop::sample::Index>(), 1..ASKED.get()), 0..3),
    ) {
        let (mut payment, mut given) = (payment(), 0);
        for (n, (transaction, finding)) in delivered.iter().enumerate() {
            payment.observe(of(transaction, *finding));
            prop_assert!(adds_up(&payment), "{:?}", payment.sums());
            for (at, amount) in &by_hand {
                let total = rp(given + amount);
                if at.index(delivered.len()) == n && payment.refund_by_hand(total).is_ok() {
                    given += amount;
                }
            }
        }
        let sums = payment.sums();
        prop_assert!(adds_up(&payment), "{sums:?}");
        let moved: Vec<_> = lives.iter().filter_map(|life| moved(life)).collect();
        let came: i64 = moved.iter().map(|(amount, ..)| amount).sum();
        let back: i64 = moved.iter().map(|(.., total)| total).sum();
        prop_assert_eq!((sums.received.get(), sums.refunded.get()), (came, back + given));
        let fees: i64 = moved.iter().map(|(_, fee, _)| fee).sum();
        prop_assert_eq!(sums.excess.get(), (back + given - came).max(0));
        prop_assert!(sums.fees.get() <= fees);
        let is_good = lives.iter().any(|life| is_good(life));
        let balance = if is_good { (came - fees - back - given).clamp(0, ASKED.get()) } else { 0 };
        prop_assert_eq!(payment.balance().get(), balance);
        let noted = |wanted: fn(&Note) -> bool| payment.notes().iter().any(wanted);
        prop_assert_eq!(noted(|note| matches!(note, Note::OverRefunded { .. })), !sums.excess.is_zero());
        let beyond = noted(|note| matches!(note, Note::Surplus { .. } | Note::PaidTwice { .. }));
        prop_assert_eq!(beyond, is_good && !sums.uncredited.is_zero());
    }

    /// Too little, under whatever transaction, credits nothing, and does not keep what was asked from being credited.
    #[test]
    fn too_little_credits_nothing(amounts in proptest::collection::vec((0..5_u8, 0..ASKED.get()), 1..30)) {
        let mut payment = payment();
        for (transaction, amount) in amounts {
            let finding = paid_with(amount, 0);
            prop_assert_eq!(payment.observe(of(&format!("t{transaction}"), finding)), vec![]);
        }
        prop_assert_eq!(sum(&payment.observe(of("true", paid()))), ASKED.get());
    }
}
