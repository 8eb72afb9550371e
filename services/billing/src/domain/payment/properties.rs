//! The rules as properties over what gateways do.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tests::{ASKED, DISCOUNT, adds_up, of, paid, paid_with, payment, refunded_of, rp, stored, sum};
use super::*;

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
