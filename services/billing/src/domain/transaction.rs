//! A payment with all that stands around it, as `payment_transactions` has it: whose it is, where it is paid, what it did to
//! the ledger, and what is left to do for it.

use std::time::Duration;

use jiff::Timestamp;

use super::ledger::{Account, Draft, Kind, Leg};
use super::payment::{Effect, Note, Payment, Rupiah, Status, Times, What};
use super::purchase::Method;

/// What has to be done for a payment at the voucher service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Ask it to redeem.
    Commit,
    /// Tell it that the place is free.
    Release,
}

impl Errand {
    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Release => "release",
        }
    }

    /// The errand of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Commit, Self::Release].into_iter().find(|errand| errand.name() == name)
    }
}

/// Something that the payment did to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// What it was, and its id.
    pub effect: Effect,
    /// When, by the clock of whoever moved the money: the gateway's, if it says so.
    pub at: Timestamp,
    /// When we learned of it.
    pub noticed_at: Timestamp,
    /// `users.id` of whoever answers for it, if it was a person.
    pub made_by: Option<String>,
}

/// A refund that an administrator asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The caller's, unique in the payment.
    pub key: String,
    /// How much.
    pub amount: Rupiah,
    /// Why.
    pub reason: String,
    /// `users.id`.
    pub made_by: String,
    /// The money went back outside the gateway.
    pub by_hand: bool,
    /// The gateway's transaction out of which it is given; of none, out of the order as a whole.
    pub transaction: Option<String>,
    /// Whether all that was left was asked for, whatever that was; none if it was not kept.
    pub all: Option<bool>,
}

/// What a payment brought to a bill that was covered without it. It stays on the balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillSurplus {
    /// How much of the bill's surplus came with this payment.
    pub amount: Rupiah,
    /// The payment that came for the bill before it, if one did.
    pub paid_before_by: Option<String>,
}

/// Something about a payment that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    /// What it is, in one word of the list in the README.
    pub reason: &'static str,
    /// How much money it is about; nothing where it is about none.
    pub amount: Rupiah,
    /// What happened and what there is to do, for a person.
    pub text: String,
}

impl Attention {
    fn new(reason: &'static str, amount: Rupiah, text: String) -> Self {
        Self { reason, amount, text }
    }
}

/// A payment and all around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// How it stands.
    pub payment: Payment,
    /// `users.id`.
    pub customer_id: String,
    /// For the voucher service and receipts.
    pub customer_email: String,
    /// Through whom the money comes.
    pub method: Method,
    /// What its first order is called at the gateway: as the payment, but for one of another system.
    pub reference: String,
    /// Whether it pays for a bill, rather than ahead.
    pub pays_bill: bool,
    /// The bill it pays; none if that is another system's.
    pub bill_id: Option<String>,
    /// The voucher's code, as it was written.
    pub voucher_code: Option<String>,
    /// Where the customer pays.
    pub payment_url: Option<String>,
    /// What the gateway calls that page or invoice.
    pub page: Option<String>,
    /// Where the gateway sends the customer afterwards.
    pub return_url: Option<String>,
    /// How many orders were made for it at the gateway: more than one if the page of an order was lost with the answer.
    pub orders: u32,
    /// The gateway's words, if it did not take the order.
    pub refused: Option<String>,
    /// Why the gateway's last answer was not understood, if it was not.
    pub unclear: Option<String>,
    /// What it brought beyond what its bill asks for, if it did.
    pub bill_surplus: Option<BillSurplus>,
    /// When somebody wanted it.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When the money came that was credited first, by the gateway's clock if it says so.
    pub paid_at: Option<Timestamp>,
    /// When we learned of it.
    pub noticed_at: Option<Timestamp>,
    /// Until when the customer is asked to pay.
    pub expires_at: Option<Timestamp>,
    /// `users.id` of whoever made, confirmed or cancelled it, if it was staff.
    pub made_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Tells the wish it was made for from another with the same key.
    pub fingerprint: String,
    /// Everything it did to the ledger, oldest first.
    pub movements: Vec<Movement>,
    /// Refunds that were asked for, oldest first.
    pub refunds: Vec<Refund>,
    /// What is left to do at the voucher service.
    pub errand: Option<Errand>,
    /// Counts changes, from 1.
    pub revision: i64,
}

/// What stands between a payment's id and the number of a further order of it.
const AGAIN: char = '~';

impl Transaction {
    /// The name of its order with that number, from 1.
    pub fn order(&self, number: u32) -> String {
        if number <= 1 { self.reference.clone() } else { format!("{}{AGAIN}{number}", self.payment.id()) }
    }

    /// The names of all orders that were made for it.
    pub fn all_orders(&self) -> Vec<String> {
        (1..=self.orders.max(1)).map(|number| self.order(number)).collect()
    }

    /// The id of the payment that an order is of.
    pub fn of_order(order: &str) -> &str {
        match order.split_once(AGAIN) {
            Some((id, number)) if number.parse::<u32>().is_ok() => id,
            _ => order,
        }
    }

    /// Takes in what the payment asks to be done; `made_by` answers for it, if it is a person. `times` are the gateway's.
    pub fn take(&mut self, effects: Vec<Effect>, times: Times, now: Timestamp, made_by: Option<&str>) {
        for effect in effects {
            let at = match effect.what {
                What::CommitVoucher => {
                    self.errand = Some(Errand::Commit);
                    continue;
                }
                What::ReleaseVoucher => {
                    self.errand = Some(Errand::Release);
                    continue;
                }
                What::Credit { .. } => self.plausible(times.paid, now),
                What::Refund { .. } => self.plausible(times.returned, now),
                // Gateways do not say when they took a payment back.
                What::Discount { .. } | What::Reverse { .. } => now,
            };
            // What a voucher adds comes after the credit, unless it pays everything.
            if matches!(effect.what, What::Credit { .. } | What::Discount { .. }) && self.paid_at.is_none() {
                (self.paid_at, self.noticed_at) = (Some(at), Some(now));
            }
            let made_by = made_by.map(str::to_owned);
            self.movements.push(Movement { effect, at, noticed_at: now, made_by });
        }
    }

    /// The gateway's time, unless it says none or one at which it cannot have been: before the payment was made, or later
    /// than now.
    fn plausible(&self, at: Option<Timestamp>, now: Timestamp) -> Timestamp {
        at.map_or(now, |at| at.max(self.created_at).min(now))
    }

    /// The drafts of everything it did to the ledger.
    pub fn drafts(&self) -> impl Iterator<Item = Draft> + '_ {
        self.movements.iter().map(|movement| self.draft(movement))
    }

    /// What a movement says in the ledger: the gateway's clearing account gives what customers paid, `vouchers` what vouchers
    /// add; what goes back to customers is kept apart in `refunds`.
    fn draft(&self, movement: &Movement) -> Draft {
        let clearing = || Account::clearing(self.method.name());
        let (kind, legs, description) = match movement.effect.what {
            What::Credit { cash } => (Kind::Payment, vec![(clearing(), -cash.get())], "Payment"),
            What::Discount { discount } => {
                (Kind::Payment, vec![(Account::vouchers(), -discount.get())], "Voucher")
            }
            What::Reverse { cash, discount } => {
                let legs = vec![(clearing(), cash.get()), (Account::vouchers(), discount.get())];
                (Kind::Reversal, legs, "Payment taken back by the gateway")
            }
            What::Refund { cash, discount } => {
                let legs = vec![(Account::refunds(), cash.get()), (Account::vouchers(), discount.get())];
                (Kind::Refund, legs, "Refund")
            }
            What::CommitVoucher | What::ReleaseVoucher => (Kind::Payment, Vec::new(), ""),
        };
        let legs = legs.into_iter().filter(|(_, amount)| *amount != 0);
        let through = match (&movement.effect.what, &self.voucher_code) {
            (What::Discount { .. }, Some(code)) => code.to_uppercase(),
            _ => self.method.name().to_owned(),
        };
        Draft {
            id: movement.effect.id.clone(),
            kind,
            others: legs.map(|(account, amount)| Leg { account, amount }).collect(),
            description: format!("{description} ({through})"),
            payment_id: Some(self.payment.id().to_owned()),
            occurred_at: movement.at.as_second(),
            made_by: movement.made_by.clone(),
            usage: None,
        }
    }

    /// The refund of that key.
    pub fn refund(&self, key: &str) -> Option<&Refund> {
        self.refunds.iter().find(|refund| refund.key == key)
    }

    /// What was asked to be given back, by hand or by the gateway.
    pub fn asked_back(&self, by_hand: bool) -> Rupiah {
        let those = self.refunds.iter().filter(|refund| refund.by_hand == by_hand);
        those.fold(Rupiah::ZERO, |sum, refund| sum.and(refund.amount))
    }

    /// What may still be asked to be given back.
    pub fn refundable(&self) -> Rupiah {
        // What was asked of the gateway and is not told yet is on its way.
        let on_its_way = self.asked_back(false).less(self.payment.refunded_by_gateway());
        self.payment.sums().left().less(on_its_way)
    }

    /// What a person should look at.
    pub fn attention(&self) -> Vec<Attention> {
        let mut all: Vec<Attention> =
            self.payment.notes().into_iter().map(|note| self.of_note(note)).collect();
        if let Some(words) = &self.unclear {
            let text = format!(
                "the gateway's last answer is not understood ({words}); look the order up there, then confirm or refund by hand"
            );
            all.push(Attention::new("not_understood", Rupiah::ZERO, text));
        }
        if let Some(BillSurplus { amount, paid_before_by }) = &self.bill_surplus {
            let before = paid_before_by.as_ref().map(|other| format!(" after payment {other}"));
            let text = format!(
                "Rp {amount} more came for the bill{} than was owed; the customer has paid twice, or ahead",
                before.unwrap_or_default()
            );
            all.push(Attention::new("bill_paid_twice", *amount, text));
        }
        all
    }

    fn of_note(&self, note: Note) -> Attention {
        let asked = self.payment.asked();
        match note {
            Note::Short { transaction, paid } => Attention::new(
                "short",
                paid,
                format!(
                    "transaction {transaction} was paid with Rp {paid} instead of Rp {asked}; it is not credited: confirm or refund it"
                ),
            ),
            Note::Surplus { amount } => Attention::new(
                "surplus",
                amount,
                format!(
                    "Rp {amount} more came than the Rp {asked} that were asked; it is on no balance: refund it"
                ),
            ),
            Note::PaidTwice { amount } => Attention::new(
                "paid_twice",
                amount,
                format!(
                    "more than one transaction has the money; one is credited, and Rp {amount} are on no balance: refund them"
                ),
            ),
            Note::Challenged { transaction } => Attention::new(
                "challenged",
                asked,
                format!("the gateway suspects transaction {transaction}: accept or deny it there"),
            ),
            Note::OverRefunded { amount } => Attention::new(
                "over_refunded",
                amount,
                format!("Rp {amount} more went back than came, by hand and by the gateway: claim it back"),
            ),
            Note::DiscountElsewhere { amount } => Attention::new(
                "discount_elsewhere",
                amount,
                format!(
                    "a voucher of another system promised Rp {amount} more; they are on no balance here: credit them with a correction, or not"
                ),
            ),
        }
    }

    /// The same in words, and why the gateway refused, if it did.
    pub fn notes(&self) -> Vec<String> {
        let refused = self.refused.iter().map(|words| format!("the gateway refused: {words}"));
        refused.chain(self.attention().into_iter().map(|attention| attention.text)).collect()
    }

    /// Whether its time to pay is over.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// In how long the gateway should be asked again, if at all; `pace` is the shortest time between two questions.
    ///
    /// Notifications come within seconds, if they come. Questions are for those that are lost (Xendit never repeats one that
    /// timed out), so they become rarer with the time since something happened: a payment that waits is asked about until it
    /// ends; one that ended for three days, for virtual accounts are paid late and settlements are reversed.
    pub fn next_question(&self, pace: Duration, now: Timestamp) -> Option<Duration> {
        if self.errand.is_some() {
            return Some(pace);
        }
        if self.method == Method::Manual || self.payment.is_free() {
            return None;
        }
        let since = |moment: Timestamp| now.duration_since(moment).unsigned_abs();
        if !self.payment.is_closed() {
            let wait = (since(self.created_at) / 4).clamp(pace, pace * RAREST);
            let deadline =
                self.expires_at.map_or(Duration::ZERO, |end| end.duration_since(now).unsigned_abs());
            let is_ahead = !self.is_overdue(now);
            return Some(if is_ahead { wait.min(deadline).max(SOON) } else { wait });
        }
        let quiet = since(self.updated_at);
        let watched = pace
            * match self.payment.status() {
                Status::Paid | Status::Refunded => WATCHED_PAID,
                Status::Pending | Status::Failed | Status::Expired | Status::Reversed => WATCHED_ENDED,
            };
        (quiet < watched).then(|| (quiet / 2).max(pace))
    }
}

/// Which payments a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentFilter {
    /// Of this customer.
    pub customer_id: Option<String>,
    /// In this status.
    pub status: Option<Status>,
    /// By this method.
    pub method: Option<Method>,
    /// Bills (true) or top-ups (false).
    pub bills: Option<bool>,
    /// Created from this moment on.
    pub from: Option<Timestamp>,
    /// Created before this moment.
    pub to: Option<Timestamp>,
    /// Those only that a person should look at.
    pub needs_attention: bool,
}

/// The last payment of a page: when it was created, and its id.
pub type After = (Timestamp, String);

/// Questions about what waits are never farther apart than so many paces: half an hour of minutes.
const RAREST: u32 = 30;
/// Paces for which a paid payment is watched: a day of minutes. Settlements are reversed within minutes.
const WATCHED_PAID: u32 = 1_440;
/// Paces for which one that was not paid is watched: three days of minutes.
const WATCHED_ENDED: u32 = 3 * WATCHED_PAID;
/// No question comes sooner, however near the deadline is.
const SOON: Duration = Duration::from_millis(100);

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
