//! What stands around a payment, by name.

use jiff::ToSpan as _;

use super::*;
use crate::domain::payment::{Finding, Observation};

const PACE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn transaction(method: Method) -> Transaction {
    let payment = Payment::new("p", Rupiah::whole(90_000)).with_voucher(Rupiah::whole(10_000));
    Transaction {
        payment,
        customer_id: "customer-001".to_owned(),
        customer_email: String::new(),
        method,
        reference: "p".to_owned(),
        pays_bill: false,
        bill_id: None,
        voucher_code: Some("hemat".to_owned()),
        payment_url: None,
        page: None,
        return_url: None,
        orders: 1,
        refused: None,
        unclear: None,
        bill_surplus: None,
        created_at: at(0),
        updated_at: at(0),
        paid_at: None,
        noticed_at: None,
        expires_at: Some(at(86_400)),
        made_by: None,
        reason: None,
        fingerprint: String::new(),
        movements: Vec::new(),
        refunds: Vec::new(),
        errand: None,
        revision: 1,
    }
}

fn hear(transaction: &mut Transaction, finding: Finding, times: Times, now: Timestamp) {
    let seen = Observation::Transaction { transaction: "t".to_owned(), finding, times };
    let effects = transaction.payment.observe(seen);
    transaction.take(effects, times, now, None);
    transaction.updated_at = now;
}

fn pay(transaction: &mut Transaction, finding: Finding, now: Timestamp) {
    hear(transaction, finding, Times::default(), now);
}

#[test]
fn money_moves_when_the_gateway_says_and_is_noticed_when_we_hear() {
    let heard = |paid: Option<i64>, now: i64| {
        let mut transaction = transaction(Method::Midtrans);
        let times = Times { paid: paid.map(at), returned: None };
        let asked = transaction.payment.asked();
        hear(&mut transaction, Finding::Paid { amount: asked, fee: Rupiah::ZERO }, times, at(now));
        assert_eq!(transaction.movements[0].noticed_at, at(now));
        assert_eq!(
            (transaction.paid_at, transaction.noticed_at),
            (Some(transaction.movements[0].at), Some(at(now)))
        );
        let told: Vec<_> = transaction.drafts().collect();
        assert_eq!(told[0].occurred_at, transaction.movements[0].at.as_second());
        transaction.movements[0].at
    };
    assert_eq!(heard(Some(60), 90_000), at(60));
    assert_eq!(heard(None, 90_000), at(90_000), "it does not say");
    assert_eq!(heard(Some(95_000), 90_000), at(90_000), "not later than now");
    assert_eq!(heard(Some(-3_600), 90_000), at(0), "not before it was made");
}

#[test]
fn what_a_voucher_pays_whole_is_paid_when_it_is_granted_and_asks_nobody() {
    let mut free = transaction(Method::Midtrans);
    free.payment = Payment::new("p", Rupiah::ZERO).with_voucher(Rupiah::whole(10_000));
    let begun = free.payment.begin();
    free.take(begun, Times::default(), at(0), None);
    assert_eq!((free.errand, free.paid_at), (Some(Errand::Commit), None));
    free.errand = None;
    let granted = free.payment.voucher_answered(true);
    free.take(granted, Times::default(), at(5), None);
    assert_eq!((free.paid_at, free.noticed_at), (Some(at(5)), Some(at(5))));
    assert_eq!((free.refundable(), free.attention()), (Rupiah::ZERO, Vec::new()));
    assert_eq!(free.next_question(PACE, at(6)), None);
}

#[test]
fn a_refund_has_its_own_time() {
    let mut transaction = transaction(Method::Xendit);
    let (amount, fee) = (transaction.payment.asked(), Rupiah::ZERO);
    let times = Times { paid: Some(at(60)), returned: Some(at(500)) };
    let finding = Finding::Refunded { amount, fee, total: Rupiah::whole(1_000) };
    hear(&mut transaction, finding, times, at(900));
    let moments: Vec<_> = transaction.movements.iter().map(|movement| movement.at).collect();
    assert_eq!(moments, [at(60), at(500)]);
}

#[test]
fn orders_are_named_after_their_payment() {
    let mut transaction = transaction(Method::Midtrans);
    transaction.orders = 3;
    let orders = transaction.all_orders();
    assert_eq!(orders, ["p", "p~2", "p~3"]);
    for order in &orders {
        assert_eq!(Transaction::of_order(order), "p");
    }
    assert_eq!(Transaction::of_order("p~x"), "p~x");
}

#[test]
fn what_a_person_should_look_at_has_a_word_and_a_sum() {
    let reasons = |transaction: &Transaction| -> Vec<(&'static str, i64)> {
        transaction.attention().iter().map(|one| (one.reason, one.amount.get())).collect()
    };
    let mut more = transaction(Method::Midtrans);
    pay(&mut more, Finding::Paid { amount: Rupiah::whole(95_000), fee: Rupiah::ZERO }, at(1));
    assert_eq!(reasons(&more), [("surplus", 5_000)]);
    assert_eq!(more.refundable().get(), 95_000);
    more.unclear = Some("refunds".to_owned());
    let paid_before_by = Some("payment-0".to_owned());
    more.bill_surplus = Some(BillSurplus { amount: Rupiah::whole(60_000), paid_before_by });
    assert_eq!(reasons(&more), [("surplus", 5_000), ("not_understood", 0), ("bill_paid_twice", 60_000)]);
    let mut less = transaction(Method::Midtrans);
    pay(&mut less, Finding::Paid { amount: Rupiah::whole(85_000), fee: Rupiah::ZERO }, at(1));
    assert_eq!(reasons(&less), [("short", 85_000)]);
    let mut suspected = transaction(Method::Midtrans);
    pay(&mut suspected, Finding::Challenged, at(1));
    assert_eq!(reasons(&suspected), [("challenged", 90_000)]);
}

#[test]
fn the_ledger_shows_gross_discount_and_net() {
    let mut transaction = transaction(Method::Midtrans);
    let asked = transaction.payment.asked();
    pay(&mut transaction, Finding::Paid { amount: asked, fee: Rupiah::ZERO }, at(60));
    assert_eq!((transaction.errand, transaction.paid_at), (Some(Errand::Commit), Some(at(60))));
    let granted = transaction.payment.voucher_answered(true);
    transaction.take(granted, Times::default(), at(61), None);
    let back = Finding::Refunded { amount: asked, fee: Rupiah::ZERO, total: Rupiah::whole(45_000) };
    pay(&mut transaction, back, at(70));
    pay(&mut transaction, Finding::Reversed, at(80));
    let told: Vec<_> = transaction
        .drafts()
        .map(|draft| {
            let legs = draft.others.iter().map(|leg| format!("{} {}", leg.account, leg.amount));
            (draft.description.clone(), legs.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let told: Vec<_> = told.iter().map(|(what, legs)| (what.as_str(), legs.as_str())).collect();
    assert_eq!(
        told,
        [
            ("Payment (midtrans)", "clearing:midtrans -90000"),
            ("Voucher (HEMAT)", "vouchers -10000"),
            ("Refund (midtrans)", "refunds 45000, vouchers 5000"),
            ("Payment taken back by the gateway (midtrans)", "clearing:midtrans 45000, vouchers 5000"),
        ]
    );
    let balance: i64 =
        transaction.drafts().map(|draft| -draft.others.iter().map(|leg| leg.amount).sum::<i64>()).sum();
    assert_eq!(balance, transaction.payment.balance().get());
}

#[test]
fn questions_become_rarer_and_end() {
    let mut waits = transaction(Method::Xendit);
    waits.payment = Payment::new("p", Rupiah::whole(90_000));
    let next = |transaction: &Transaction, now| transaction.next_question(PACE, now);
    assert_eq!(next(&waits, at(0)), Some(PACE));
    assert_eq!(next(&waits, at(3_600)), Some(Duration::from_secs(900)));
    assert_eq!(next(&waits, at(50_000)), Some(PACE * RAREST));
    // It is asked about right when its time is over, and goes on until it is ended.
    assert_eq!(next(&waits, at(86_390)), Some(Duration::from_secs(10)));
    assert!(next(&waits, at(90_000)).is_some());
    let _ = waits.payment.lapse();
    waits.updated_at = at(90_000);
    assert_eq!(next(&waits, at(90_000)), Some(PACE));
    assert_eq!(next(&waits, at(90_000 + 86_400)), Some(Duration::from_secs(43_200)));
    assert_eq!(next(&waits, at(90_000).checked_add(72.hours()).unwrap()), None);

    let mut by_hand = transaction(Method::Manual);
    assert_eq!(next(&by_hand, at(0)), None);
    by_hand.errand = Some(Errand::Commit);
    assert_eq!(next(&by_hand, at(0)), Some(PACE), "an errand is done whoever took the money");
}

#[test]
fn no_more_is_given_back_than_was_paid() {
    let mut transaction = transaction(Method::Midtrans);
    let refund = |amount, by_hand| Refund {
        key: format!("{amount}"),
        amount: Rupiah::whole(amount),
        reason: String::new(),
        made_by: String::new(),
        by_hand,
        transaction: None,
        all: None,
    };
    assert_eq!(transaction.refundable().get(), 0, "nothing came");
    let asked = transaction.payment.asked();
    pay(&mut transaction, Finding::Paid { amount: asked, fee: Rupiah::ZERO }, at(1));
    assert_eq!(transaction.refundable().get(), 90_000);
    transaction.refunds = vec![refund(40_000, false), refund(30_000, true)];
    transaction.payment.refund_by_hand(Rupiah::whole(30_000)).expect("there is enough");
    assert_eq!(transaction.refundable().get(), 20_000);
    assert_eq!(transaction.refund("30000").map(|refund| refund.by_hand), Some(true));
}
