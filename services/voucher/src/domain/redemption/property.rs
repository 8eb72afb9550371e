//! V1 over random histories, against a witness that keeps no counters but only what it saw happen.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::voucher::tests::{now, voucher};

const CUSTOMERS: usize = 3;
const PAYMENTS: usize = 8;
const AMOUNT: i64 = 50_000;
const PROMISED: i64 = 5_000;

#[derive(Clone, Copy, Debug)]
enum Call {
    Reserve { payment: usize, seconds: i64 },
    Commit { payment: usize },
    Release { payment: usize },
    Wait { seconds: i64 },
    Deactivate,
}

fn call() -> impl Strategy<Value = Call> {
    let payment = 0..PAYMENTS;
    prop_oneof![
        5 => (payment.clone(), 1..60_i64).prop_map(|(payment, seconds)| Call::Reserve { payment, seconds }),
        3 => payment.clone().prop_map(|payment| Call::Commit { payment }),
        3 => payment.prop_map(|payment| Call::Release { payment }),
        2 => (1..40_i64).prop_map(|seconds| Call::Wait { seconds }),
        1 => Just(Call::Deactivate),
    ]
}

fn draft(payment: usize) -> PurchaseDraft {
    PurchaseDraft {
        payment_id: format!("payment-{payment}"),
        code: "HEMAT-10".into(),
        // Which customer pays follows from the payment.
        customer_id: format!("customer-{}", payment % CUSTOMERS),
        customer_email: "customer@indowater.com".into(),
        purchase_amount: AMOUNT,
    }
}

/// The store of one voucher, as the database does it: load, make room, decide, keep.
struct Store {
    voucher: Voucher,
    reservations: BTreeMap<String, Reservation>,
    now: Timestamp,
}

impl Store {
    fn new(usage_limit: Option<i64>, per_customer_limit: i64) -> Self {
        let voucher = Voucher { usage_limit, per_customer_limit, ..voucher() };
        Self { voucher, reservations: BTreeMap::new(), now: now() }
    }

    fn count(&self, state: State, customer: Option<&str>) -> i64 {
        let counted = self.reservations.values().filter(|reservation| {
            let of_customer = customer.is_none_or(|customer| reservation.purchase.customer_id == customer);
            reservation.state == state && of_customer
        });
        i64::try_from(counted.count()).unwrap()
    }

    fn make_room(&mut self, customer: &str) -> Share {
        let (full, now) = (self.voucher.is_full(), self.now);
        for reservation in self.reservations.values_mut() {
            let own = reservation.purchase.customer_id == customer;
            if reservation.is_overdue(now) && (own || full) {
                release(reservation, &mut self.voucher, now);
            }
        }
        Share {
            used: self.count(State::Committed, Some(customer)),
            reserved: self.count(State::Reserved, Some(customer)),
        }
    }

    fn reserve(&mut self, payment: usize, seconds: i64) -> Result<Reservation, Reason> {
        let purchase = Purchase::admit(draft(payment)).unwrap();
        if let Some(found) = self.reservations.get(&purchase.payment_id) {
            return Ok(found.clone());
        }
        let share = self.make_room(&purchase.customer_id);
        let expires_at = expiry(seconds, self.now).unwrap();
        let reservation =
            reserve(&mut self.voucher, share, purchase, Rupiah::default(), expires_at, self.now)
                .map_err(|refused| refused.reason)?;
        self.reservations.insert(reservation.purchase.payment_id.clone(), reservation.clone());
        Ok(reservation)
    }

    fn commit(&mut self, payment: usize) -> State {
        let settled = Settled::admit(draft(payment), PROMISED).unwrap();
        let purchase = &settled.purchase;
        let found = self.reservations.get(&purchase.payment_id).cloned();
        let share = if needs_place(found.as_ref()) {
            self.make_room(&purchase.customer_id)
        } else {
            Share::default()
        };
        let committed = commit(found, &mut self.voucher, share, &settled, self.now);
        let state = committed.state;
        self.reservations.insert(purchase.payment_id.clone(), committed);
        state
    }

    fn release(&mut self, payment: usize) {
        if let Some(reservation) = self.reservations.get_mut(&draft(payment).payment_id) {
            release(reservation, &mut self.voucher, self.now);
        }
    }
}

proptest! {
    #[test]
    fn limits_hold_and_counters_tell_the_truth_whatever_is_called(
        usage_limit in proptest::option::of(1..5_i64),
        per_customer_limit in 1..4_i64,
        calls in proptest::collection::vec(call(), 0..80),
    ) {
        let mut store = Store::new(usage_limit, per_customer_limit);
        let mut answered: BTreeMap<usize, State> = BTreeMap::new();
        for call in calls {
            match call {
                Call::Reserve { payment, seconds } => {
                    if let Ok(reservation) = store.reserve(payment, seconds) {
                        prop_assert_eq!(reservation.discount.get(), PROMISED);
                        prop_assert_eq!(store.reserve(payment, seconds + 1).unwrap(), reservation);
                    }
                }
                Call::Commit { payment } => {
                    let state = store.commit(payment);
                    prop_assert!(matches!(state, State::Committed | State::Lapsed));
                    prop_assert_eq!(*answered.entry(payment).or_insert(state), state, "the first answer is final");
                }
                Call::Release { payment } => store.release(payment),
                Call::Wait { seconds } => store.now += SignedDuration::from_secs(seconds),
                Call::Deactivate => store.voucher.deactivated = true,
            }
            let (committed, reserved) = (store.count(State::Committed, None), store.count(State::Reserved, None));
            prop_assert_eq!((store.voucher.usage_count, store.voucher.reserved_count), (committed, reserved));
            prop_assert!(usage_limit.is_none_or(|limit| committed + reserved <= limit));
            for customer in 0..CUSTOMERS {
                let customer = format!("customer-{customer}");
                let held = store.count(State::Committed, Some(&customer)) + store.count(State::Reserved, Some(&customer));
                prop_assert!(held <= per_customer_limit, "{} holds {}", customer, held);
            }
        }
        for (payment, state) in answered {
            prop_assert_eq!(store.commit(payment), state);
        }
    }

    #[test]
    fn a_place_that_is_reserved_can_always_be_redeemed(
        usage_limit in 1..5_i64,
        per_customer_limit in 1..4_i64,
        calls in proptest::collection::vec(call(), 0..60),
    ) {
        let mut store = Store::new(Some(usage_limit), per_customer_limit);
        for call in calls {
            match call {
                Call::Reserve { payment, seconds } => _ = store.reserve(payment, seconds),
                Call::Commit { payment } => _ = store.commit(payment),
                Call::Release { payment } => store.release(payment),
                Call::Wait { seconds } => store.now += SignedDuration::from_secs(seconds),
                Call::Deactivate => store.voucher.deactivated = true,
            }
        }
        let open: Vec<usize> = (0..PAYMENTS)
            .filter(|payment| {
                let found = store.reservations.get(&draft(*payment).payment_id);
                found.is_some_and(|reservation| reservation.state == State::Reserved)
            })
            .collect();
        for payment in open {
            prop_assert_eq!(store.commit(payment), State::Committed);
        }
    }

    #[test]
    fn when_all_are_given_back_every_place_is_free(
        usage_limit in 1..5_i64, calls in proptest::collection::vec((0..PAYMENTS, 1..60_i64), 0..30),
    ) {
        let mut store = Store::new(Some(usage_limit), 100);
        for (payment, seconds) in calls {
            let _ = store.reserve(payment, seconds);
        }
        for payment in 0..PAYMENTS {
            store.release(payment);
        }
        prop_assert_eq!((store.voucher.usage_count, store.voucher.reserved_count), (0, 0));
    }
}
