//! Payments against the ledger: what the topic of payments says that each did, and what was posted.
//!
//! A payment's record holds every movement that it ever made, so the newest one is enough. The system may run while it is
//! audited: what was told before the ledger had caught up must be posted, what came later may be.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context as _, Result};
use indowater_proto::billing::v1::{EntryKind, LedgerEntry, Leg, Movement, Payment};
use indowater_proto::topics::PAYMENTS;
use prost::Message as _;

use crate::kafka::Reader;
use crate::report::Finding;

/// What the topic says of payments.
#[derive(Default)]
pub struct Payments {
    /// The newest revision of each.
    payments: BTreeMap<String, Payment>,
    /// Movements that are in the ledger for certain.
    due: HashSet<String>,
}

/// Reads the topic. `posted` is what of it is in the ledger for certain. It blocks.
///
/// # Errors
/// The broker does not answer, or a record makes no sense.
pub fn topic(reader: &Reader, prefix: &str, posted: &BTreeMap<i32, i64>) -> Result<Payments> {
    let (mut known, payments) = (Payments::default(), PAYMENTS.name(prefix));
    reader.read(&payments, &reader.extent(&payments)?, |record| {
        let payment = Payment::decode(record.value);
        let payment = payment.with_context(|| format!("{payments} holds what is no payment"))?;
        let is_due = posted.get(&record.partition).is_some_and(|committed| record.offset < *committed);
        known.take(payment, is_due);
        Ok(())
    })?;
    Ok(known)
}

impl Payments {
    fn take(&mut self, payment: Payment, is_due: bool) {
        if is_due {
            // A movement without legs moves nothing and needs no entry.
            let moving = payment.movements.iter().filter(|movement| change(&movement.legs) != 0);
            self.due.extend(moving.map(|movement| movement.id.clone()));
        }
        let known = self.payments.get(&payment.id).map_or(0, |known| known.revision);
        if payment.revision >= known {
            self.payments.insert(payment.id.clone(), payment);
        }
    }

    /// Every movement of a payment is posted once and as it is, nothing else is posted for payments, and what the balance
    /// has of a payment is what its record says, and never more than its amount.
    pub fn b2<'a>(&self, entries: impl Iterator<Item = &'a LedgerEntry>) -> Finding {
        let mut b2 = Finding::new("B2", "payments are posted once for each movement", "movements");
        let mut posted: HashMap<&str, Vec<&LedgerEntry>> = HashMap::new();
        for entry in entries.filter(|entry| is_of_payment(entry)) {
            posted.entry(&entry.id).or_default().push(entry);
        }
        for (id, payment) in &self.payments {
            if let Some(wrong) = wrong_sum(payment) {
                b2.breaks(|| format!("{id}: {wrong}"));
            }
            for movement in &payment.movements {
                b2.checked += 1;
                let entries = posted.remove(movement.id.as_str()).unwrap_or_default();
                match (movement.payment_id == *id, entries.as_slice()) {
                    (false, _) => b2.breaks(|| {
                        format!("{id}: its movement {} is of {:?}", movement.id, movement.payment_id)
                    }),
                    (true, []) if self.due.contains(&movement.id) => {
                        b2.breaks(|| format!("{}: is not posted", movement.id));
                    }
                    (true, []) => {}
                    (true, [entry]) => {
                        if let Some(wrong) = difference(payment, movement, entry) {
                            b2.breaks(|| format!("{}: {wrong}", movement.id));
                        }
                    }
                    (true, [..]) => {
                        b2.breaks(|| format!("{}: is posted {} times", movement.id, entries.len()));
                    }
                }
            }
        }
        let mut strange: Vec<&str> = posted.into_keys().collect();
        strange.sort_unstable();
        for id in strange {
            b2.breaks(|| format!("{id}: is posted, and no payment says so"));
        }
        b2.notes.push(format!("{} payments", self.payments.len()));
        b2
    }
}

/// Whether an entry is one that only a payment may cause.
fn is_of_payment(entry: &LedgerEntry) -> bool {
    let kind = matches!(entry.kind(), EntryKind::Payment | EntryKind::Reversal | EntryKind::Refund);
    kind || !entry.payment_id.is_empty()
}

/// What legs that are not the customer's do to the customer's balance.
fn change(legs: &[Leg]) -> i128 {
    -legs.iter().map(|leg| i128::from(leg.amount)).sum::<i128>()
}

/// How the movements of a payment do not come to what its record says.
fn wrong_sum(payment: &Payment) -> Option<String> {
    let mut sum = 0;
    for movement in &payment.movements {
        sum += change(&movement.legs);
        if !(0..=i128::from(payment.amount)).contains(&sum) {
            return Some(format!("{} leaves {sum} of {} credited", movement.id, payment.amount));
        }
    }
    let credited = payment.credited_amount;
    if let Some(wrong) = unaccounted(payment) {
        return Some(wrong);
    }
    (sum != i128::from(credited)).then(|| format!("{credited} is credited, and its movements come to {sum}"))
}

/// P1: how what is shown does not agree with what moved. Records from before it was shown say nothing.
fn unaccounted(payment: &Payment) -> Option<String> {
    if payment.received_amount == 0 {
        return None;
    }
    let cash = payment.movements.iter().flat_map(|movement| &movement.legs);
    let cash: i128 =
        -cash.filter(|leg| leg.account != "vouchers").map(|leg| i128::from(leg.amount)).sum::<i128>();
    let in_all = i128::from(payment.received_amount) + i128::from(payment.excess_amount);
    let out = [payment.refunded_amount, payment.uncredited_amount, payment.fee_amount];
    let accounted = cash + out.into_iter().map(i128::from).sum::<i128>();
    (in_all != accounted)
        .then(|| format!("{in_all} came, or went out beyond, and {accounted} are accounted for"))
}

/// How an entry is not what the movement says.
fn difference(payment: &Payment, movement: &Movement, entry: &LedgerEntry) -> Option<String> {
    if entry.customer_id != payment.customer_id {
        return Some(format!("is posted to {} and is of {}", entry.customer_id, payment.customer_id));
    }
    if entry.payment_id != payment.id {
        return Some(format!("is posted for the payment {:?}", entry.payment_id));
    }
    let own = format!("customer:{}", payment.customer_id);
    let legs = |legs: &[Leg]| {
        let mut legs: Vec<_> = legs.iter().map(|leg| (leg.account.clone(), leg.amount)).collect();
        legs.sort_unstable();
        legs
    };
    let is = legs(entry.legs.get(1..).unwrap_or_default());
    let due = legs(&movement.legs);
    let own_leg = entry.legs.first().is_some_and(|leg| {
        leg.account == own && i128::from(leg.amount) == change(&movement.legs) && leg.amount == entry.amount
    });
    if !own_leg {
        return Some(format!("gives the customer {} instead of {}", entry.amount, change(&movement.legs)));
    }
    if is != due {
        return Some(format!("has the legs {is:?} instead of {due:?}"));
    }
    (entry.kind != movement.kind).then(|| "is posted as something else".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(account: &str, amount: i64) -> Leg {
        Leg { account: account.to_owned(), amount }
    }

    fn movement(what: &str, kind: EntryKind, legs: Vec<Leg>) -> Movement {
        Movement {
            id: format!("payment:p:{what}"),
            kind: kind.into(),
            legs,
            payment_id: "p".to_owned(),
            ..Movement::default()
        }
    }

    /// Paid 90,000, 10,000 from a voucher, half of it refunded.
    fn payment() -> Payment {
        Payment {
            id: "p".to_owned(),
            customer_id: "c".to_owned(),
            amount: 100_000,
            credited_amount: 50_000,
            received_amount: 95_350,
            fee_amount: 350,
            uncredited_amount: 5_000,
            refunded_amount: 45_000,
            revision: 3,
            movements: vec![
                movement("credit", EntryKind::Payment, vec![leg("clearing:midtrans", -90_000)]),
                movement("discount", EntryKind::Payment, vec![leg("vouchers", -10_000)]),
                movement(
                    "refund:45000",
                    EntryKind::Refund,
                    vec![leg("refunds", 45_000), leg("vouchers", 5_000)],
                ),
            ],
            ..Payment::default()
        }
    }

    fn entries(payment: &Payment) -> Vec<LedgerEntry> {
        let entry = |(movement, sequence): (&Movement, i64)| {
            let amount = i64::try_from(change(&movement.legs)).unwrap();
            LedgerEntry {
                id: movement.id.clone(),
                customer_id: payment.customer_id.clone(),
                kind: movement.kind,
                legs: std::iter::once(leg("customer:c", amount)).chain(movement.legs.clone()).collect(),
                amount,
                sequence,
                payment_id: movement.payment_id.clone(),
                ..LedgerEntry::default()
            }
        };
        payment.movements.iter().zip(1..).map(entry).collect()
    }

    fn broken(payment: Payment, is_due: bool, entries: &[LedgerEntry]) -> u64 {
        let mut known = Payments::default();
        known.take(payment, is_due);
        known.b2(entries.iter()).broken
    }

    #[test]
    fn a_payment_that_is_posted_holds() {
        let mut known = Payments::default();
        known.take(payment(), true);
        // Payments out of order, as never happens within a partition.
        known.take(Payment { revision: 1, movements: Vec::new(), ..payment() }, true);
        let usage = LedgerEntry { id: "usage:1".to_owned(), ..LedgerEntry::default() };
        let posted = [entries(&payment()), vec![usage]].concat();
        let b2 = known.b2(posted.iter());
        assert_eq!((b2.broken, b2.checked), (0, 3), "{:?}", b2.first);
    }

    #[test]
    fn what_is_not_posted_is_found_unless_it_may_still_come() {
        let posted = entries(&payment());
        assert_eq!(broken(payment(), true, &posted[..2]), 1);
        assert_eq!(broken(payment(), false, &posted[..2]), 0);
    }

    #[test]
    fn what_is_posted_twice_or_for_nothing_is_found() {
        let posted = entries(&payment());
        let again = LedgerEntry { sequence: 9, ..posted[0].clone() };
        assert_eq!(broken(payment(), true, &[posted.clone(), vec![again]].concat()), 1);
        let invented = LedgerEntry { id: "payment:p:credit:2".to_owned(), ..posted[0].clone() };
        assert_eq!(broken(payment(), true, &[posted.clone(), vec![invented]].concat()), 1);
        assert_eq!(Payments::default().b2(posted.iter()).broken, 3);
        let nobodys = LedgerEntry { payment_id: String::new(), ..posted[0].clone() };
        assert_eq!(Payments::default().b2([nobodys].iter()).broken, 1);
    }

    #[test]
    fn an_entry_that_differs_is_found() {
        let change: [fn(&mut LedgerEntry); 6] = [
            |entry| entry.customer_id = "other".to_owned(),
            |entry| entry.payment_id = "other".to_owned(),
            |entry| entry.amount += 1,
            |entry| entry.legs[0].account = "customer:other".to_owned(),
            |entry| entry.legs[1].account = "clearing:xendit".to_owned(),
            |entry| entry.kind = EntryKind::Adjustment.into(),
        ];
        for (number, change) in change.into_iter().enumerate() {
            let mut posted = entries(&payment());
            change(&mut posted[0]);
            assert_eq!(broken(payment(), true, &posted), 1, "{number}");
        }
    }

    #[test]
    fn a_record_that_hides_what_moved_is_found() {
        for wrong in [
            Payment { received_amount: 95_351, ..payment() },
            Payment { excess_amount: 1, ..payment() },
            Payment { refunded_amount: 44_999, ..payment() },
            Payment { uncredited_amount: 0, ..payment() },
            Payment { fee_amount: 0, ..payment() },
        ] {
            assert_eq!(broken(wrong, true, &entries(&payment())), 1);
        }
        let old = Payment { received_amount: 0, fee_amount: 0, uncredited_amount: 0, ..payment() };
        assert_eq!(broken(old, true, &entries(&payment())), 0, "it says nothing of it");
    }

    #[test]
    fn a_record_that_contradicts_itself_is_found() {
        let wrong = Payment { credited_amount: 50_001, ..payment() };
        assert_eq!(broken(wrong, true, &entries(&payment())), 1);

        let mut twice = payment();
        twice.movements[2] =
            movement("credit:2", EntryKind::Payment, vec![leg("clearing:midtrans", -90_000)]);
        twice.credited_amount = 190_000;
        assert_eq!(broken(twice.clone(), true, &entries(&twice)), 1, "more than was asked");

        let mut stolen = payment();
        stolen.movements[0].payment_id = "other".to_owned();
        assert_eq!(broken(stolen, true, &entries(&payment())), 1);
    }
}
