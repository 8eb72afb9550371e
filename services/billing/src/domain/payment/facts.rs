//! What is known of the gateway's transactions of a payment: a set that only grows.

use std::collections::BTreeMap;

use jiff::Timestamp;
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
        /// When that happened, by the gateway's clock.
        times: Times,
    },
}

impl Observation {
    /// Its times; none if there is no transaction.
    pub fn times(&self) -> Times {
        match self {
            Self::Unknown => Times::default(),
            Self::Transaction { times, .. } => *times,
        }
    }
}

/// When something happened by the gateway's clock, as far as it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When the money came.
    pub paid: Option<Timestamp>,
    /// When some of it went back last.
    pub returned: Option<Timestamp>,
}

/// How a transaction stands at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It waits for the customer or the bank.
    Pending,
    /// The bank took the money, and the gateway suspects a fraud: a person decides there.
    Challenged,
    /// The money came.
    Paid {
        /// What was paid in all.
        amount: Rupiah,
        /// The part of it that the gateway added for itself.
        fee: Rupiah,
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
        /// What had been paid in all.
        amount: Rupiah,
        /// The part of it that the gateway added for itself.
        fee: Rupiah,
        /// Everything given back so far.
        total: Rupiah,
    },
}

/// Everything ever seen of one transaction. Joining findings is a union and a maximum, so their order and number do not
/// matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// It was paid with what was asked, or more.
    paid: bool,
    denied: bool,
    cancelled: bool,
    expired: bool,
    reversed: bool,
    challenged: bool,
    refunded: Rupiah,
    /// What was paid in all, if that covers what was asked.
    gross: Rupiah,
    /// What the gateway says that it added.
    fee: Rupiah,
    /// What was paid in all, if that is less than what was asked.
    other_amount: Option<Rupiah>,
}

impl Seen {
    fn join(&mut self, finding: Finding, asked: Rupiah) {
        match finding {
            Finding::Pending => {}
            Finding::Challenged => self.challenged = true,
            Finding::Paid { amount, fee } => self.pay(amount, fee, asked),
            Finding::Denied => self.denied = true,
            Finding::Cancelled => self.cancelled = true,
            Finding::Expired => self.expired = true,
            Finding::Reversed => self.reversed = true,
            Finding::Refunded { amount, fee, total } => {
                self.pay(amount, fee, asked);
                // As it is told, even if it is more than came.
                self.refunded = self.refunded.max(total);
            }
        }
    }

    /// What is asked has to be there without what the gateway keeps. Where exactly that was paid, the gateway's share is
    /// none of the customer's business.
    fn pay(&mut self, amount: Rupiah, fee: Rupiah, asked: Rupiah) {
        self.fee = self.fee.max(fee);
        if amount == asked || amount.less(fee) >= asked {
            self.paid = true;
            self.gross = self.gross.max(amount);
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

    fn is_over(&self) -> bool {
        self.denied || self.cancelled || self.reversed
    }

    fn is_open(&self) -> bool {
        !(self.paid || self.other_amount.is_some() || self.expired || self.is_over())
    }

    fn is_challenged(&self) -> bool {
        self.challenged && self.is_open()
    }

    /// Whether less than was asked lies at the gateway.
    fn is_short(&self) -> bool {
        !self.paid && !self.is_over() && self.other_amount.is_some_and(|paid| paid > self.refunded)
    }

    fn has_money(&self) -> bool {
        self.paid || self.reversed || self.other_amount.is_some()
    }

    /// What was paid in all and was not taken back, and the gateway's part of it.
    fn held(&self, asked: Rupiah) -> Option<(Rupiah, Rupiah)> {
        if self.is_taken_back() || self.is_over() {
            return None;
        }
        if self.paid {
            // Payments from before `gross` was written down were paid with what was asked.
            let gross = self.gross.max(asked);
            return Some((gross, self.fee.min(gross.less(asked))));
        }
        self.other_amount.map(|gross| (gross, self.fee.min(gross)))
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

/// What all transactions hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) gross: Rupiah,
    pub(super) fees: Rupiah,
    pub(super) refunded: Rupiah,
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

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The transaction for whose money the payment is credited. The first of them if there are several, so that the choice
    /// does not depend on which was seen first.
    pub(super) fn good(&self) -> Option<&str> {
        self.0.iter().find(|(_, seen)| seen.is_good()).map(|(id, _)| id.as_str())
    }

    /// What lies at the gateway, whether it is credited or not, and what it gave back of that.
    pub(super) fn held(&self, asked: Rupiah) -> Held {
        self.0.values().fold(Held::default(), |sum, seen| {
            let Some((gross, fees)) = seen.held(asked) else { return sum };
            Held {
                gross: sum.gross.and(gross),
                fees: sum.fees.and(fees),
                refunded: sum.refunded.and(seen.refunded),
            }
        })
    }

    /// The transaction of which most is left to give back.
    pub(super) fn fullest(&self, asked: Rupiah) -> Option<&str> {
        let left = |seen: &Seen| Some(seen.held(asked)?.0.less(seen.refunded));
        let left = self.0.iter().filter_map(|(id, seen)| Some((left(seen)?, id.as_str())));
        left.max().map(|(_, id)| id)
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

    /// Whether one waits: for the customer, or for a person.
    pub(super) fn any_waiting(&self) -> bool {
        self.0.values().any(|seen| seen.is_open() || seen.is_short())
    }

    /// Whether a person has to look at one before the payment can end.
    pub(super) fn any_for_a_person(&self) -> bool {
        self.0.values().any(|seen| seen.is_short() || seen.is_challenged())
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

    /// Transactions that a gateway suspects.
    pub(super) fn challenged(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, seen)| seen.is_challenged()).map(|(id, _)| id.as_str())
    }

    /// Transactions that were paid with less than was asked, with what was paid.
    pub(super) fn short(&self) -> impl Iterator<Item = (&str, Rupiah)> {
        self.0.iter().filter_map(|(id, seen)| {
            let paid = seen.other_amount.filter(|_| seen.is_short())?;
            Some((id.as_str(), paid))
        })
    }
}
