//! A payment with all that stands around it, as `payment_transactions` has it: whose it is, where it is paid, what it did to
//! the ledger, and what is left to do for it.

use std::time::Duration;

use jiff::Timestamp;

use super::ledger::{Account, Draft, Kind, Leg};
use super::payment::{Effect, Note, Payment, Rupiah, Status, What};
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
    /// When.
    pub at: Timestamp,
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
    /// Whether all that was left was asked for, whatever that was; none if it was not kept.
    pub all: Option<bool>,
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
    /// The bill it pays.
    pub bill_id: Option<String>,
    /// The voucher's code, as it was written.
    pub voucher_code: Option<String>,
    /// Where the customer pays.
    pub payment_url: Option<String>,
    /// What the gateway calls that page or invoice.
    pub page: Option<String>,
    /// Where the gateway sends the customer afterwards.
    pub return_url: Option<String>,
    /// The gateway's words, if it did not take the order.
    pub refused: Option<String>,
    /// When somebody wanted it.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When it was credited first.
    pub paid_at: Option<Timestamp>,
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

impl Transaction {
    /// Takes in what the payment asks to be done; `made_by` answers for it, if it is a person.
    pub fn take(&mut self, effects: Vec<Effect>, now: Timestamp, made_by: Option<&str>) {
        for effect in effects {
            match effect.what {
                What::CommitVoucher => self.errand = Some(Errand::Commit),
                What::ReleaseVoucher => self.errand = Some(Errand::Release),
                What::Credit { .. } | What::Discount { .. } | What::Reverse { .. } | What::Refund { .. } => {
                    // What a voucher adds comes after the credit, unless it pays everything.
                    if matches!(effect.what, What::Credit { .. } | What::Discount { .. }) {
                        self.paid_at.get_or_insert(now);
                    }
                    self.movements.push(Movement { effect, at: now, made_by: made_by.map(str::to_owned) });
                }
            }
        }
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
        let asked = self.asked_back(true).and(self.asked_back(false));
        // What the gateway gave back by itself counts too.
        self.payment.asked().less(asked.max(self.payment.refunded()))
    }

    /// What a person should look at, in words.
    pub fn notes(&self) -> Vec<String> {
        let words = |note: Note| match note {
            Note::Mismatch { transaction, paid } => format!(
                "transaction {transaction} was paid with Rp {paid} instead of Rp {}; it is not credited",
                self.payment.asked()
            ),
            Note::PaidTwice => "more than one transaction has the money; one is credited".to_owned(),
        };
        let refused = self.refused.iter().map(|words| format!("the gateway refused: {words}"));
        refused.chain(self.payment.notes().into_iter().map(words)).collect()
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
mod tests {
    use jiff::ToSpan as _;

    use super::super::payment::{Finding, Observation};
    use super::*;

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
            bill_id: None,
            voucher_code: Some("hemat".to_owned()),
            payment_url: None,
            page: None,
            return_url: None,
            refused: None,
            created_at: at(0),
            updated_at: at(0),
            paid_at: None,
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

    fn pay(transaction: &mut Transaction, finding: Finding, now: Timestamp) {
        let effects =
            transaction.payment.observe(Observation::Transaction { transaction: "t".to_owned(), finding });
        transaction.take(effects, now, None);
        transaction.updated_at = now;
    }

    #[test]
    fn the_ledger_shows_gross_discount_and_net() {
        let mut transaction = transaction(Method::Midtrans);
        let asked = transaction.payment.asked();
        pay(&mut transaction, Finding::Paid { amount: asked }, at(60));
        assert_eq!((transaction.errand, transaction.paid_at), (Some(Errand::Commit), Some(at(60))));
        let granted = transaction.payment.voucher_answered(true);
        transaction.take(granted, at(61), None);
        pay(&mut transaction, Finding::Refunded { amount: asked, total: Rupiah::whole(45_000) }, at(70));
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
            all: None,
        };
        assert_eq!(transaction.refundable().get(), 90_000);
        transaction.refunds = vec![refund(40_000, false), refund(30_000, true)];
        assert_eq!(transaction.refundable().get(), 20_000);
        assert_eq!(transaction.refund("30000").map(|refund| refund.by_hand), Some(true));
    }
}
