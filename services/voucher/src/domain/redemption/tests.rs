use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::domain::discount::{Discount, Rate};
use crate::domain::voucher::tests::{now, voucher};

fn rupiah(amount: i64) -> Rupiah {
    Rupiah::new(amount).unwrap()
}

fn draft(payment_id: &str) -> PurchaseDraft {
    PurchaseDraft {
        payment_id: payment_id.into(),
        code: "hemat-10".into(),
        customer_id: "customer-001".into(),
        customer_email: "customer@indowater.com".into(),
        purchase_amount: 50_000,
    }
}

fn purchase(payment_id: &str) -> Purchase {
    Purchase::admit(draft(payment_id)).unwrap()
}

fn settled(payment_id: &str) -> Settled {
    Settled::admit(draft(payment_id), 5_000).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn reserved(voucher: &mut Voucher, payment_id: &str) -> Reservation {
    reserve(voucher, Share::default(), purchase(payment_id), rupiah(10_000), later(60), now()).unwrap()
}

fn counts(voucher: &Voucher) -> (i64, i64) {
    (voucher.usage_count, voucher.reserved_count)
}

#[test]
fn a_reservation_holds_a_place_and_promises_a_discount() {
    let mut voucher = voucher();
    let reservation = reserved(&mut voucher, "payment-1");
    assert_eq!((reservation.state, reservation.discount), (State::Reserved, rupiah(5_000)));
    assert_eq!((reservation.expires_at, reservation.purchase.code.as_str()), (later(60), "HEMAT-10"));
    assert_eq!(counts(&voucher), (0, 1));
}

#[test]
fn a_committed_payment_redeems_its_place() {
    let mut voucher = Voucher { usage_limit: Some(1), ..voucher() };
    let reservation = reserved(&mut voucher, "payment-1");
    let committed =
        commit(Some(reservation), &mut voucher, Share::default(), &settled("payment-1"), later(30));
    assert_eq!(committed.state, State::Committed);
    assert_eq!(counts(&voucher), (1, 0));
    assert_eq!(voucher.status(now()), Status::Depleted);
    let usage = Usage::of(&committed);
    assert_eq!((usage.id.as_str(), usage.used_at), ("usage-payment-1", later(30)));
    assert_eq!((usage.purchase, usage.discount, usage.paid), (rupiah(50_000), rupiah(5_000), rupiah(45_000)));
}

#[test]
fn a_failed_payment_gives_its_place_back() {
    let mut voucher = Voucher { usage_limit: Some(1), ..voucher() };
    let mut reservation = reserved(&mut voucher, "payment-1");
    let full = reserve(&mut voucher, Share::default(), purchase("payment-2"), rupiah(1), later(60), now())
        .unwrap_err();
    assert_eq!(full.reason, Reason::FullyReserved);
    release(&mut reservation, &mut voucher, later(1));
    assert_eq!((reservation.state, counts(&voucher)), (State::Released, (0, 0)));
    release(&mut reservation, &mut voucher, later(2));
    assert_eq!((reservation.updated_at, counts(&voucher)), (later(1), (0, 0)), "twice is once");
    reserved(&mut voucher, "payment-2");
}

#[test]
fn a_payment_that_settles_after_its_release_takes_a_place_again_or_lapses() {
    let mut voucher = Voucher { usage_limit: Some(1), ..voucher() };
    let mut late = reserved(&mut voucher, "payment-1");
    release(&mut late, &mut voucher, later(61));
    let mut taken = voucher.clone();
    let other = reserved(&mut taken, "payment-2");
    let lapsed = commit(Some(late.clone()), &mut taken, Share::default(), &settled("payment-1"), later(62));
    assert_eq!((lapsed.state, counts(&taken)), (State::Lapsed, (0, 1)));
    assert_eq!(other.state, State::Reserved);
    // Validity is not judged a second time.
    let mut free = Voucher { deactivated: true, valid_until: later(2), ..voucher };
    let redeemed = commit(Some(late), &mut free, Share::default(), &settled("payment-1"), later(62));
    assert_eq!((redeemed.state, counts(&free)), (State::Committed, (1, 0)));
}

#[test]
fn a_late_payment_counts_towards_its_customers_limit() {
    let mut voucher = voucher();
    for share in [Share { used: 1, reserved: 0 }, Share { used: 0, reserved: 1 }] {
        assert_eq!(
            commit(None, &mut voucher, share, &settled("payment-1"), now()).state,
            State::Lapsed,
            "{share:?}"
        );
    }
    assert_eq!(counts(&voucher), (0, 0));
}

#[test]
fn a_payment_that_never_reserved_redeems_what_it_was_promised() {
    let mut voucher = voucher();
    let promised = Settled::admit(draft("payment-1"), 7_777).unwrap();
    let committed = commit(None, &mut voucher, Share::default(), &promised, now());
    assert_eq!((committed.state, committed.discount), (State::Committed, rupiah(7_777)));
    assert_eq!(counts(&voucher), (1, 0));
}

#[test]
fn what_is_decided_stays() {
    for state in [State::Committed, State::Lapsed] {
        let mut voucher = voucher();
        let mut decided = reserved(&mut voucher, "payment-1");
        decided.state = state;
        let before = (decided.clone(), voucher.clone());
        release(&mut decided, &mut voucher, later(1));
        let again = commit(Some(decided), &mut voucher, Share::default(), &settled("payment-1"), later(2));
        assert_eq!((again, voucher), before);
    }
}

#[test]
fn a_repeated_call_must_say_the_same() {
    let mut voucher = voucher();
    let reservation = reserved(&mut voucher, "payment-1");
    assert_eq!(reservation.check_same(&purchase("payment-1")), Ok(()));
    assert_eq!(reservation.check_settled(&settled("payment-1")), Ok(()));
    let others = [
        ("code", PurchaseDraft { code: "HEMAT-20".into(), ..draft("payment-1") }),
        ("customer_id", PurchaseDraft { customer_id: "customer-002".into(), ..draft("payment-1") }),
        ("purchase_amount", PurchaseDraft { purchase_amount: 50_001, ..draft("payment-1") }),
    ];
    for (field, other) in others {
        let refusal = reservation.check_same(&Purchase::admit(other).unwrap()).unwrap_err();
        assert!(refusal.to_string().contains(field), "{refusal}");
    }
    let other = Settled::admit(draft("payment-1"), 4_999).unwrap();
    assert!(reservation.check_settled(&other).unwrap_err().to_string().contains("discount_amount"));
}

#[test]
fn each_reason_is_told_and_the_first_of_several() {
    let voucher =
        Voucher { usage_limit: Some(1), min_purchase: rupiah(60_000), valid_until: later(100), ..voucher() };
    let reason = |voucher: &Voucher, share, at| {
        let amount = rupiah(50_000);
        assess(voucher, share, amount, rupiah(45_001), at).map_err(|refused| (refused.reason, refused.detail))
    };
    let (none, used) = (Share::default(), Share { used: 1, reserved: 0 });
    let full = Voucher { reserved_count: 1, ..voucher.clone() };
    let gone = Voucher { usage_count: 1, ..voucher.clone() };
    let off = Voucher { deactivated: true, ..gone.clone() };
    let enough = Voucher { min_purchase: rupiah(50_000), ..voucher.clone() };
    let off_by = |amount| Discount { rate: Rate::Fixed(rupiah(amount)), most: None };
    let expected = [
        (&off, used, later(200), Reason::Inactive, "deactivated"),
        (&gone, used, later(200), Reason::Depleted, "1 times"),
        (&full, used, later(200), Reason::Expired, "until 2026-11-22T10:01:40.123Z"),
        (&full, used, later(-1), Reason::NotYetValid, "from 2026-11-22T10:00:00.123Z"),
        (&full, used, later(0), Reason::FullyReserved, "last 1 of"),
        (&voucher, used, later(0), Reason::CustomerLimit, "1 are allowed"),
        (&voucher, none, later(0), Reason::BelowMinimum, "60000 rupiah, not 50000"),
        (&enough, none, later(0), Reason::LeftTooLittle, "45000 rupiah of 50000"),
    ];
    for (voucher, share, at, wanted, said) in expected {
        let (reason, detail) = reason(voucher, share, at).unwrap_err();
        assert_eq!(reason, wanted, "{detail}");
        assert!(detail.contains(said) && detail.contains("HEMAT-10"), "{detail}");
    }
    let more = Voucher { min_purchase: rupiah(50_000), discount: off_by(4_999), ..voucher };
    assert_eq!(reason(&more, none, later(0)), Ok(rupiah(4_999)));
    let all = Voucher { discount: off_by(50_000), ..more };
    assert_eq!(reason(&all, none, later(0)), Ok(rupiah(50_000)), "nothing is left, which is not too little");
}

#[test]
fn a_discount_may_be_the_whole_purchase() {
    let whole = Discount { rate: Rate::Fixed(rupiah(90_000)), most: None };
    let mut voucher = Voucher { discount: whole, ..voucher() };
    let reservation = reserved(&mut voucher, "payment-1");
    assert_eq!(Usage::of(&reservation).paid, Rupiah::default());
}

#[test]
fn every_wrong_field_of_a_purchase_is_named() {
    let wrong = PurchaseDraft { customer_email: "nobody".into(), ..PurchaseDraft::default() };
    let problems = Purchase::admit(wrong).unwrap_err().to_string();
    for field in ["payment_id", "code is", "customer_id", "customer_email must", "purchase_amount must"] {
        assert!(problems.contains(field), "{field} is missing in: {problems}");
    }
    for discount in [0, -1, 50_001] {
        let problems = Settled::admit(draft("payment-1"), discount).unwrap_err().to_string();
        assert!(problems.contains("discount_amount must"), "{problems}");
    }
    let problems = Question::admit(Some(""), String::new(), 0).unwrap_err().to_string();
    for field in ["code", "customer_id", "purchase_amount"] {
        assert!(problems.contains(field), "{field} is missing in: {problems}");
    }
    assert_eq!(Question::admit(None, "customer-001".into(), 1).unwrap().code, None);
}

#[test]
fn no_voucher_is_for_more_than_can_be_paid_at_once() {
    let terms = Terms { least: rupiah(10_000), most: rupiah(100_000) };
    assert_eq!(terms.check(rupiah(100_000)), Ok(()));
    assert!(terms.check(rupiah(100_001)).unwrap_err().to_string().contains("purchase_amount must"));
}

#[test]
fn a_place_is_held_for_a_bounded_time() {
    let hours = |hours| now() + SignedDuration::from_hours(hours);
    assert_eq!(expiry(0, now()), Ok(hours(24)));
    assert_eq!(expiry(1, now()), Ok(later(1)));
    assert_eq!(expiry(LONGEST.as_secs(), now()), Ok(hours(7 * 24)));
    for seconds in [-1, LONGEST.as_secs() + 1, i64::MAX] {
        assert!(expiry(seconds, now()).unwrap_err().to_string().contains("time_to_live_seconds"));
    }
    let mut voucher = voucher();
    let reservation = reserved(&mut voucher, "payment-1");
    assert!(!reservation.is_overdue(later(59)) && reservation.is_overdue(later(60)));
}
