//! A payment: what a customer is asked for, what the gateway says became of it, and what that does to the balance.
//!
//! # How it decides
//! Notifications of gateways are hints that anybody could forge, repeat, delay or reorder. What counts is the answer to a
//! status call. Each answer is joined into the [`Facts`], a set that only grows; what the balance should have of the
//! payment follows from the set alone; and the effects are the difference to what was posted before. So **the sum of the
//! effects depends on what was seen, and neither on its order nor on how often**:
//!
//! - Paid with what was asked: credited, once. Late, after `expired` or after a denied first try, as well. What the gateway
//!   added for itself ([`Sums::fees`]) passes the utility by and is written down beside it.
//! - Paid with more: what was asked is credited; the rest is kept with a [`Note::Surplus`] for a person.
//! - Paid with less: nothing is credited; the payment stays pending with a [`Note::Short`] for a person.
//! - Suspected by the gateway: pending, with a [`Note::Challenged`] for the person who decides there.
//! - Settled and then denied, cancelled or charged back: what is left of the credit is reversed. **A transaction that was
//!   taken back is never credited again**, whatever is heard of it later; a `paid` of it that comes afterwards is old.
//!   The payment is credited again only for *another* transaction of the gateway (the customer tried again and
//!   paid again), or when an administrator confirms it.
//! - Refunds count by their total, so one that is noticed twice is refunded once. They come out of what is on no balance
//!   first, then out of the credit. What went back beyond all that came (by hand, and by the gateway as well) is
//!   kept with a [`Note::OverRefunded`]; [`Sums`] shows everything that moved, cut by nothing (P1).
//! - Two transactions of one payment that both have the money credit once, with a [`Note::PaidTwice`] for a person.
//!
//! # Vouchers
//!
//! What the customer paid is credited at once. What the voucher adds is credited when the voucher service says that it
//! granted the redemption, for it alone knows whether the place still holds: a payment that expired gave it back, and a
//! late payment asks for it again. A refund takes the same share of the discount back, rounded down, and a full one all.
//!
//! A voucher may pay all of it. Then nobody is asked for anything: the voucher is redeemed at once, and the payment is paid when it
//! is granted, or failed if it is not.
//!
//! # What the caller promises
//!
//! The new state and its effects are stored in one transaction, conditional on the state that they were computed from.

mod effect;
mod elsewhere;
mod facts;
#[cfg(test)]
mod properties;
mod rupiah;
mod status;
mod sums;
#[cfg(test)]
mod tests;

pub use effect::{Effect, What};
pub use facts::{Facts, Finding, Observation, Seen, Times};
pub use rupiah::{NotRupiah, Rupiah};
pub use status::Status;
pub use sums::Sums;

use serde::{Deserialize, Serialize};

use elsewhere::Elsewhere;

/// What a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A transaction was paid with less than was asked. Nothing is credited.
    Short {
        /// The gateway's id.
        transaction: String,
        /// What was paid.
        paid: Rupiah,
    },
    /// More came than was asked; what was asked is credited.
    Surplus {
        /// What is left of the rest.
        amount: Rupiah,
    },
    /// More than one transaction has the money; one is credited.
    PaidTwice {
        /// What is left of the others.
        amount: Rupiah,
    },
    /// The gateway suspects a fraud and waits for somebody to accept or deny it there.
    Challenged {
        /// The gateway's id.
        transaction: String,
    },
    /// More went back than came, by hand and by the gateway together.
    OverRefunded {
        /// How much more.
        amount: Rupiah,
    },
    /// A payment of another system is credited here, and the voucher's part of it is not: that system granted it, or nobody did.
    DiscountElsewhere {
        /// The voucher's part.
        amount: Rupiah,
    },
}

/// Why a person cannot do something with a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is credited already.
    #[error("The payment is credited already.")]
    AlreadyPaid,
    /// There is nothing to refund.
    #[error("The payment is not credited.")]
    NotPaid,
    /// More than what was paid.
    #[error("More would be refunded than was paid.")]
    TooMuch,
}

/// The state of a voucher's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// No voucher.
    #[default]
    None,
    Held,
    Released,
    /// The voucher service was asked to redeem.
    Asked,
    Granted,
    Refused,
}

/// What the balance has of the payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Posted {
    /// The transaction it was credited for; none if a person confirmed it.
    transaction: Option<String>,
    /// Refunded so far.
    refunded: Rupiah,
    /// Whether the discount was credited too.
    discounted: bool,
}

/// What a person confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Confirmed {
    /// How many transactions were known to have had the money then. Once there is one more, the gateway's word counts.
    settled: usize,
}

/// A payment. Stored as it serialises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    id: String,
    asked: Rupiah,
    discount: Rupiah,
    facts: Facts,
    confirmed: Option<Confirmed>,
    /// Everything refunded outside the gateway.
    refunded_by_hand: Rupiah,
    lapsed: bool,
    /// Ended by the customer or by us; the page may still be open.
    #[serde(default)]
    withdrawn: bool,
    place: Place,
    posted: Option<Posted>,
    /// How many credits were reversed.
    reversals: u32,
    /// What another system made of it, if it came from one that had settled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    elsewhere: Option<Elsewhere>,
}

impl Payment {
    /// A payment that asks the customer for `asked`, without a voucher.
    pub fn new(id: impl Into<String>, asked: Rupiah) -> Self {
        Self {
            id: id.into(),
            asked,
            discount: Rupiah::ZERO,
            facts: Facts::default(),
            confirmed: None,
            refunded_by_hand: Rupiah::ZERO,
            lapsed: false,
            withdrawn: false,
            place: Place::None,
            posted: None,
            reversals: 0,
            elsewhere: None,
        }
    }

    /// A payment for which a voucher's place is held that adds `discount` to what the customer pays.
    #[must_use]
    pub fn with_voucher(self, discount: Rupiah) -> Self {
        Self { discount, place: Place::Held, ..self }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the gateway has to collect.
    pub fn asked(&self) -> Rupiah {
        self.asked
    }

    /// What the voucher adds, if it is granted.
    pub fn discount(&self) -> Rupiah {
        self.discount
    }

    /// What the balance is to get: both together.
    pub fn amount(&self) -> Rupiah {
        self.asked.and(self.discount)
    }

    /// What became of the voucher's place; none without a voucher.
    pub fn voucher_state(&self) -> Option<&'static str> {
        match self.place {
            Place::None => None,
            Place::Held => Some("held"),
            Place::Released => Some("released"),
            Place::Asked => Some("asked"),
            Place::Granted => Some("granted"),
            Place::Refused => Some("refused"),
        }
    }

    /// The gateway's transaction that it is credited for; none if it is not credited, or a person confirmed it.
    pub fn credited_for(&self) -> Option<&str> {
        self.posted.as_ref()?.transaction.as_deref()
    }

    /// Everything that went back to the customer.
    pub fn refunded(&self) -> Rupiah {
        self.sums().refunded
    }

    /// What the gateway gave back of what it has.
    pub fn refunded_by_gateway(&self) -> Rupiah {
        self.facts.held(self.asked).refunded
    }

    /// Whether the gateway ever told of a transaction: the customer has, or had, a page.
    pub fn is_begun(&self) -> bool {
        !self.facts.is_empty()
    }

    /// The gateway's transaction out of which money is best given back; none if it has none.
    pub fn to_refund_from(&self) -> Option<&str> {
        self.facts.fullest(self.asked)
    }

    /// What moved.
    pub fn sums(&self) -> Sums {
        let held = self.facts.held(self.asked);
        let refunded = held.refunded.and(self.refunded_by_hand);
        Sums::of(self.asked, self.source().is_some(), held.gross, held.fees, refunded)
    }

    /// What the balance has of the payment now: the sum of its effects.
    pub fn balance(&self) -> Rupiah {
        self.posted.as_ref().map_or(Rupiah::ZERO, |posted| {
            let (cash, discount) = self.left(posted);
            cash.and(discount)
        })
    }

    /// Whether anything came of it here: money, or a voucher that paid all.
    pub fn has_anything(&self) -> bool {
        self.elsewhere != Some(Elsewhere::Paid) && !self.sums().received.is_zero()
            || !self.balance().is_zero()
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        if let Some(status) = self.settled_elsewhere() {
            return status;
        }
        match &self.posted {
            Some(_) if self.is_free() => match self.place {
                Place::Granted => Status::Paid,
                Place::Refused => Status::Failed,
                Place::None | Place::Held | Place::Released | Place::Asked => Status::Pending,
            },
            Some(posted) if posted.refunded >= self.asked => Status::Refunded,
            Some(_) => Status::Paid,
            None if self.facts.any_taken_back() => Status::Reversed,
            None if self.withdrawn && !self.facts.any_for_a_person() => Status::Failed,
            None if self.facts.any_waiting() => Status::Pending,
            None if self.lapsed || self.facts.any_expired() => Status::Expired,
            None if self.facts.any_denied() || self.facts.any_cancelled() => Status::Failed,
            None => Status::Pending,
        }
    }

    /// Whether a voucher pays all of it: nobody is asked for anything, and no gateway is needed.
    pub fn is_free(&self) -> bool {
        self.asked.is_zero()
    }

    /// What is to be done at once: for a payment that is free, to redeem its voucher.
    pub fn begin(&mut self) -> Vec<Effect> {
        self.settle()
    }

    /// Whether asking the gateway again is worth it only for late payments: it ended, one way or the other.
    pub fn is_closed(&self) -> bool {
        let ended = self.lapsed || self.withdrawn || self.facts.any_expired() || self.facts.any_cancelled();
        match self.status() {
            Status::Pending => false,
            // A page on which a try was denied still takes another one.
            Status::Failed => ended || self.is_free(),
            Status::Paid | Status::Expired | Status::Reversed | Status::Refunded => true,
        }
    }

    /// What a person should look at.
    pub fn notes(&self) -> Vec<Note> {
        let sums = self.sums();
        let challenged = self.facts.challenged();
        let mut notes: Vec<Note> =
            challenged.map(|transaction| Note::Challenged { transaction: transaction.to_owned() }).collect();
        let amount = sums.uncredited;
        if self.source().is_none() {
            let short = self.facts.short();
            notes.extend(
                short.map(|(transaction, paid)| Note::Short { transaction: transaction.to_owned(), paid }),
            );
        } else if !amount.is_zero() {
            let is_twice = self.facts.count_good() > 1;
            notes.push(if is_twice { Note::PaidTwice { amount } } else { Note::Surplus { amount } });
        }
        if !sums.excess.is_zero() {
            notes.push(Note::OverRefunded { amount: sums.excess });
        }
        notes.extend(self.discount_elsewhere().map(|amount| Note::DiscountElsewhere { amount }));
        notes
    }

    /// Takes in what the gateway said.
    pub fn observe(&mut self, observation: Observation) -> Vec<Effect> {
        if let Observation::Transaction { transaction, finding, .. } = observation {
            self.facts.join(transaction, finding, self.asked);
        }
        self.settle()
    }

    /// The time to pay is over, and no notification will tell: a page on which no method was chosen expires in silence.
    pub fn lapse(&mut self) -> Vec<Effect> {
        self.lapsed = true;
        self.settle()
    }

    /// The customer does not want it any more, or the gateway did not take it. A page may be open all the same; what is paid
    /// on it is credited.
    pub fn withdraw(&mut self) -> Vec<Effect> {
        self.withdrawn = true;
        self.settle()
    }

    /// The voucher service answered: whether the discount is granted. The first answer is final.
    pub fn voucher_answered(&mut self, granted: bool) -> Vec<Effect> {
        if self.place == Place::Asked {
            self.place = if granted { Place::Granted } else { Place::Refused };
        }
        self.settle()
    }

    /// An administrator saw the money. It counts until the gateway tells of a transaction that it had not told of then.
    ///
    /// # Errors
    /// The payment is credited.
    pub fn confirm_by_hand(&mut self) -> Result<Vec<Effect>, Refusal> {
        if self.posted.is_some() || self.elsewhere == Some(Elsewhere::Paid) {
            return Err(Refusal::AlreadyPaid);
        }
        self.confirmed = Some(Confirmed { settled: self.facts.count_settled() });
        Ok(self.settle())
    }

    /// An administrator gave money back outside the gateway: `total` so far, over and above what the gateway refunded.
    ///
    /// # Errors
    /// Nothing came, or less is left of it.
    pub fn refund_by_hand(&mut self, total: Rupiah) -> Result<Vec<Effect>, Refusal> {
        if !self.has_anything() {
            return Err(Refusal::NotPaid);
        }
        let sums = self.sums();
        if total.less(self.refunded_by_hand) > sums.left() {
            return Err(Refusal::TooMuch);
        }
        self.refunded_by_hand = self.refunded_by_hand.max(total);
        Ok(self.settle())
    }

    /// Why the payment is to be credited: for the gateway's transaction, or, with none, for a voucher or by a person's word.
    fn source(&self) -> Option<Option<&str>> {
        if self.is_free() {
            return Some(None);
        }
        if let Some(transaction) = self.facts.good() {
            return Some(Some(transaction));
        }
        let holds = self.confirmed.is_some_and(|confirmed| confirmed.settled == self.facts.count_settled());
        holds.then_some(None)
    }

    /// What should be credited: for which transaction, and how much of it is refunded, by whomever.
    fn due(&self) -> Option<(Option<String>, Rupiah)> {
        let transaction = self.source()?.map(str::to_owned);
        Some((transaction, self.sums().refunded_of_credit))
    }

    /// What is left of a credit: cash and discount.
    fn left(&self, posted: &Posted) -> (Rupiah, Rupiah) {
        let discount = if posted.discounted {
            self.discount.less(self.discount.share(posted.refunded, self.asked))
        } else {
            Rupiah::ZERO
        };
        (self.asked.less(posted.refunded), discount)
    }

    /// Brings what was posted to what is due.
    fn settle(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        let due = if self.elsewhere == Some(Elsewhere::Paid) { None } else { self.due() };
        let stands = |posted: &Posted| due.as_ref().is_some_and(|(_, refunded)| *refunded >= posted.refunded);
        if let Some(posted) = self.posted.take_if(|posted| !stands(posted)) {
            let (cash, discount) = self.left(&posted);
            if !cash.and(discount).is_zero() {
                effects.push(self.effect("reversal", None, What::Reverse { cash, discount }));
            }
            self.reversals += 1;
        }
        if let Some((transaction, refunded)) = due {
            self.credit(transaction, refunded, &mut effects);
        } else if self.place == Place::Held && self.is_closed() {
            self.place = Place::Released;
            effects.push(self.voucher("release", What::ReleaseVoucher));
        }
        effects
    }

    fn credit(&mut self, transaction: Option<String>, refunded: Rupiah, effects: &mut Vec<Effect>) {
        let mut posted = self.posted.take().unwrap_or_else(|| {
            if !self.is_free() {
                effects.push(self.effect("credit", None, What::Credit { cash: self.asked }));
            }
            Posted { transaction: None, refunded: Rupiah::ZERO, discounted: false }
        });
        posted.transaction = transaction;
        if matches!(self.place, Place::Held | Place::Released) {
            self.place = Place::Asked;
            effects.push(self.voucher("commit", What::CommitVoucher));
        }
        if self.place == Place::Granted && !posted.discounted {
            posted.discounted = true;
            let (_, discount) = self.left(&posted);
            if !discount.is_zero() {
                effects.push(self.effect("discount", None, What::Discount { discount }));
            }
        }
        if refunded > posted.refunded {
            let (cash_before, discount_before) = self.left(&posted);
            posted.refunded = refunded;
            let (cash, discount) = self.left(&posted);
            let what =
                What::Refund { cash: cash_before.less(cash), discount: discount_before.less(discount) };
            effects.push(self.effect("refund", Some(refunded), what));
        }
        self.posted = Some(posted);
    }

    fn effect(&self, name: &str, total: Option<Rupiah>, what: What) -> Effect {
        let again = if self.reversals == 0 { String::new() } else { format!(":{}", self.reversals + 1) };
        let total = total.map_or(String::new(), |total| format!(":{total}"));
        Effect { id: format!("payment:{}:{name}{again}{total}", self.id), what }
    }

    fn voucher(&self, name: &str, what: What) -> Effect {
        Effect { id: format!("payment:{}:voucher:{name}", self.id), what }
    }
}
