//! What is known of the gateway's transactions of a payment: a set that only grows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rupiah::Rupiah;

/// What the gateway says when it is asked for the state of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// It knows no such order, or the customer has not chosen a method yet.
    Unknown,
    /// The order has this transaction, the latest if there are several.
    Transaction {
        /// The gateway's own id. A customer whose card was denied may try again, which is another transaction.
        transaction: String,
        /// How it stands.
        finding: Finding,
    },
}

/// How a transaction stands at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It waits for the customer, the bank, or a review.
    Pending,
    /// The money came.
    Paid {
        /// What was paid.
        amount: Rupiah,
    },
    /// The bank or the gateway said no; the customer may try again with another transaction.
    Denied,
    /// Somebody ended it.
    Cancelled,
    /// The time to pay ran out. It can still be paid late.
    Expired,
    /// The money came and was taken back: a settlement turned deny, a chargeback.
    Reversed,
    /// The money came, and some or all of it was given back.
    Refunded {
        /// What had been paid.
        amount: Rupiah,
        /// Everything given back so far.
        total: Rupiah,
    },
}

/// Everything ever seen of one transaction. Joining findings is a union and a maximum, so their order and number do not
/// matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    paid: bool,
    denied: bool,
    cancelled: bool,
    expired: bool,
    reversed: bool,
    refunded: Rupiah,
    /// It was paid with another amount than was asked.
    other_amount: Option<Rupiah>,
}

impl Seen {
    fn join(&mut self, finding: Finding, asked: Rupiah) {
        match finding {
            Finding::Pending => {}
            Finding::Paid { amount } => self.pay(amount, asked),
            Finding::Denied => self.denied = true,
            Finding::Cancelled => self.cancelled = true,
            Finding::Expired => self.expired = true,
            Finding::Reversed => self.reversed = true,
            Finding::Refunded { amount, total } => {
                self.pay(amount, asked);
                if amount == asked {
                    self.refunded = self.refunded.max(total.min(asked));
                }
            }
        }
    }

    fn pay(&mut self, amount: Rupiah, asked: Rupiah) {
        if amount == asked {
            self.paid = true;
        } else {
            self.other_amount = Some(self.other_amount.map_or(amount, |known| known.max(amount)));
        }
    }

    /// A transaction that was paid and also denied or cancelled was paid first: gateways end a transaction that way after
    /// a settlement, and never settle one that they denied or cancelled.
    fn is_taken_back(&self) -> bool {
        self.reversed || (self.paid && (self.denied || self.cancelled))
    }

    fn is_good(&self) -> bool {
        self.paid && !self.is_taken_back()
    }

    fn is_open(&self) -> bool {
        !(self.paid || self.denied || self.cancelled || self.expired || self.reversed)
    }

    /// Whether money of a wrong amount lies at the gateway.
    fn is_mismatched(&self) -> bool {
        self.other_amount.is_some() && !(self.paid || self.denied || self.cancelled || self.reversed)
    }

    fn has_money(&self) -> bool {
        self.paid || self.reversed || self.other_amount.is_some()
    }
}

/// All transactions of a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Known>", into = "Vec<Known>")]
pub struct Facts(BTreeMap<String, Seen>);

/// A transaction as it is stored: in a list, for ids of strangers are no good names of fields.
#[derive(Serialize, Deserialize)]
struct Known {
    transaction: String,
    seen: Seen,
}

impl From<Vec<Known>> for Facts {
    fn from(known: Vec<Known>) -> Self {
        Self(known.into_iter().map(|Known { transaction, seen }| (transaction, seen)).collect())
    }
}

impl From<Facts> for Vec<Known> {
    fn from(facts: Facts) -> Self {
        facts.0.into_iter().map(|(transaction, seen)| Known { transaction, seen }).collect()
    }
}

impl Facts {
    /// The most transactions that are kept. Beyond, one that carried no money is forgotten for a new one.
    pub const MOST: usize = 32;

    pub(super) fn join(&mut self, transaction: String, finding: Finding, asked: Rupiah) {
        if self.0.len() >= Self::MOST && !self.0.contains_key(&transaction) {
            let idle = self.0.iter().find(|(_, seen)| !seen.has_money()).map(|(id, _)| id.clone());
            idle.and_then(|id| self.0.remove(&id));
        }
        self.0.entry(transaction).or_default().join(finding, asked);
    }

    /// The transaction whose money the payment has, and what was refunded of it. The first of them if there are several,
    /// so that the choice does not depend on which was seen first.
    pub(super) fn good(&self) -> Option<(&str, Rupiah)> {
        self.0.iter().find(|(_, seen)| seen.is_good()).map(|(id, seen)| (id.as_str(), seen.refunded))
    }

    /// How many transactions have the money.
    pub(super) fn count_good(&self) -> usize {
        self.0.values().filter(|seen| seen.is_good()).count()
    }

    /// How many transactions are known to have had the money, whether they have it still or not.
    pub(super) fn count_settled(&self) -> usize {
        self.0.values().filter(|seen| seen.paid || seen.reversed).count()
    }

    pub(super) fn any_taken_back(&self) -> bool {
        self.0.values().any(Seen::is_taken_back)
    }

    /// Whether one waits: for the customer, or, paid with a wrong amount, for a person.
    pub(super) fn any_waiting(&self) -> bool {
        self.0.values().any(|seen| seen.is_open() || seen.is_mismatched())
    }

    pub(super) fn any_mismatched(&self) -> bool {
        self.0.values().any(Seen::is_mismatched)
    }

    pub(super) fn any_expired(&self) -> bool {
        self.0.values().any(|seen| seen.expired)
    }

    pub(super) fn any_cancelled(&self) -> bool {
        self.0.values().any(|seen| seen.cancelled)
    }

    pub(super) fn any_denied(&self) -> bool {
        self.0.values().any(|seen| seen.denied)
    }

    /// Transactions whose money is of a wrong amount, with what was paid.
    pub(super) fn mismatches(&self) -> impl Iterator<Item = (&str, Rupiah)> {
        self.0.iter().filter_map(|(id, seen)| {
            let paid = seen.other_amount.filter(|_| seen.is_mismatched())?;
            Some((id.as_str(), paid))
        })
    }
}
