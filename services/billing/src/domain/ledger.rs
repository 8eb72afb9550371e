//! Double entry in whole rupiah: an entry is built balanced, and is never changed afterwards.

use std::collections::BTreeMap;
use std::fmt;

use indowater_common::domain::zone::Day;
use serde::Deserialize;

use super::charge::UsageSource;

/// An account of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account(Box<str>);

/// Where corrections that a person answers for come from and go to.
const ADJUSTMENTS: &str = "adjustments";
const VOUCHERS: &str = "vouchers";
const REVENUE: &str = "revenue:";
/// Stands for the class of water that has none.
const NO_CLASS: &str = "unclassified";
const REFUNDS: &str = "refunds";

impl Account {
    /// What a customer has left.
    pub fn customer(id: &str) -> Self {
        Self(format!("customer:{id}").into())
    }

    /// What the water of a tariff class earned. What was taken over from another system may have no class.
    pub fn revenue(class: &str) -> Self {
        Self(format!("{REVENUE}{}", if class.is_empty() { NO_CLASS } else { class }).into())
    }

    /// The tariff class whose water earned it, if it is such an account.
    pub fn class(&self) -> Option<&str> {
        let class = self.0.strip_prefix(REVENUE)?;
        Some(if class == NO_CLASS { "" } else { class })
    }

    /// What a method of payment has taken and not paid out.
    pub fn clearing(method: &str) -> Self {
        Self(format!("clearing:{method}").into())
    }

    /// What vouchers gave.
    pub fn vouchers() -> Self {
        Self(VOUCHERS.into())
    }

    /// What went back to customers.
    pub fn refunds() -> Self {
        Self(REFUNDS.into())
    }

    /// Corrections by administrators.
    pub fn adjustments() -> Self {
        Self(ADJUSTMENTS.into())
    }

    /// The account of that name.
    ///
    /// # Errors
    /// The ledger has no such account: its first part is none of those known, or a name is missing.
    pub fn named(name: &str) -> Result<Self, UnknownAccount> {
        let known = match name.split_once(':') {
            Some(("customer" | "revenue" | "clearing", of)) => !of.is_empty(),
            None => matches!(name, VOUCHERS | REFUNDS | ADJUSTMENTS),
            Some(_) => false,
        };
        if known { Ok(Self(name.into())) } else { Err(UnknownAccount(name.to_owned())) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A name that is no account's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ledger has no account {0:?}: it has customer:<id>, revenue:<class>, clearing:<gateway>, vouchers, refunds, adjustments"
)]
pub struct UnknownAccount(String);

/// What one account receives (positive) or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Whose.
    pub account: Account,
    /// Whole rupiah.
    pub amount: i64,
}

/// Why an entry is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Water.
    Usage,
    /// A payment came, with what a voucher gave to it.
    Payment,
    /// A payment was taken back by the gateway.
    Reversal,
    /// A payment was given back to the customer.
    Refund,
    /// A correction that a person answers for.
    Adjustment,
}

impl Kind {
    const NAMES: [(Self, &str); 5] = [
        (Self::Usage, "usage"),
        (Self::Payment, "payment"),
        (Self::Reversal, "reversal"),
        (Self::Refund, "refund"),
        (Self::Adjustment, "adjustment"),
    ];

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// What an entry is to say, before it has a place in the customer's statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The same whenever the same is told.
    pub id: String,
    /// Why.
    pub kind: Kind,
    /// The legs besides the customer's.
    pub others: Vec<Leg>,
    /// For people.
    pub description: String,
    /// The payment it belongs to.
    pub payment_id: Option<String>,
    /// When it happened, seconds since the epoch.
    pub occurred_at: i64,
    /// Who answers for it, if a person does.
    pub made_by: Option<String>,
    /// Where it comes from, if it is for water.
    pub usage: Option<UsageSource>,
}

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it says.
    pub draft: Draft,
    /// Whose statement it stands in.
    pub customer_id: Box<str>,
    /// What it did to the customer's balance, whole rupiah: with the draft's legs it adds up to zero.
    pub amount: i64,
    /// What is posted with it.
    pub balance_after: i64,
    /// 1 for the first entry of a customer, and so on without gaps.
    pub sequence: i64,
}

impl Entry {
    /// All legs, the customer's first; they add up to zero.
    pub fn legs(&self) -> impl Iterator<Item = Leg> + '_ {
        let own = Leg { account: Account::customer(&self.customer_id), amount: self.amount };
        std::iter::once(own).chain(self.draft.others.iter().cloned())
    }
}

/// The account that stands for those of all customers where single ones do not matter.
const CUSTOMERS: &str = "customers";

/// What each account receives from `entries`, and in how many legs; those of customers together. The sums add up to zero.
pub fn by_account(entries: &[Entry]) -> BTreeMap<&str, (i64, i64)> {
    let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for entry in entries {
        let others = entry.draft.others.iter().map(|leg| (leg.account.name(), leg.amount));
        for (account, amount) in others.chain([(CUSTOMERS, entry.amount)]) {
            let sum = sums.entry(account).or_default();
            *sum = (sum.0.saturating_add(amount), sum.1 + 1);
        }
    }
    sums
}

/// What one account received on one day.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AccountDay {
    /// `YYYY-MM-DD`, a day of the books.
    pub date: String,
    /// The account; `customers` for those of all customers together.
    pub account: String,
    /// Whole rupiah.
    pub amount: i64,
    /// How many legs.
    pub legs: i64,
}

/// Seconds that Jakarta is ahead of Greenwich.
const JAKARTA: i64 = 7 * 3_600;

/// The day of the books at a moment (seconds since the epoch): Jakarta's, wherever the customer lives.
pub fn book_day(at: i64) -> Day {
    Day(i32::try_from((at.saturating_add(JAKARTA)).div_euclid(86_400)).unwrap_or(i32::MAX))
}

/// More rupiah than can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amounts are beyond what the ledger can count")]
pub struct Overflow;

/// What a customer has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// The sum of the entries, whole rupiah.
    pub posted: i64,
    /// What water of days that are not posted yet costs, whole rupiah, not negative.
    pub accrued: i64,
    /// Sequence of the last entry.
    pub sequence: i64,
}

impl Balance {
    /// What is left, whole rupiah: what is posted less what is accrued. Below zero it is owed.
    pub fn left(&self) -> i64 {
        self.posted.saturating_sub(self.accrued)
    }

    /// Puts an entry at the end of the customer's statement; its own leg is what balances the others.
    ///
    /// # Errors
    /// Amounts beyond any money there is; nothing is changed then.
    pub fn post(&mut self, customer_id: &str, draft: Draft) -> Result<Entry, Overflow> {
        let others = draft.others.iter().try_fold(0_i64, |sum, leg| sum.checked_add(leg.amount));
        let amount = others.and_then(i64::checked_neg).ok_or(Overflow)?;
        let after = self.posted.checked_add(amount).ok_or(Overflow)?;
        (self.posted, self.sequence) = (after, self.sequence + 1);
        Ok(Entry {
            draft,
            customer_id: customer_id.into(),
            amount,
            balance_after: after,
            sequence: self.sequence,
        })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn draft(amounts: Vec<i64>) -> Draft {
        let legs = amounts.into_iter().map(|amount| Leg { account: Account::adjustments(), amount });
        Draft {
            id: "adjustment:1".to_owned(),
            kind: Kind::Adjustment,
            others: legs.collect(),
            description: String::new(),
            payment_id: None,
            occurred_at: 0,
            made_by: None,
            usage: None,
        }
    }

    #[test]
    fn the_books_change_their_day_at_midnight_in_jakarta() {
        let midnight = Day::parse("2026-11-22").unwrap().utc_midnight() - 7 * 3_600;
        assert_eq!(book_day(midnight).to_string(), "2026-11-22");
        assert_eq!(book_day(midnight - 1).to_string(), "2026-11-21");
        assert_eq!(book_day(-1), Day(0), "1970-01-01 in Jakarta");
    }

    proptest! {
        /// B1 for one customer: every entry adds up to zero, the balance is the sum of the entries, and none is missing.
        #[test]
        fn entries_balance_and_the_balance_is_their_sum(
            drafts in prop::collection::vec(prop::collection::vec(-1_000_000_i64..1_000_000, 0..4), 0..20),
        ) {
            let mut balance = Balance::default();
            let mut sum = 0;
            let mut entries = Vec::new();
            for (number, amounts) in (1..).zip(drafts) {
                let entry = balance.post("customer-1", draft(amounts)).unwrap();
                prop_assert_eq!(entry.legs().map(|leg| leg.amount).sum::<i64>(), 0);
                sum += entry.amount;
                prop_assert_eq!((entry.balance_after, entry.sequence), (sum, number));
                entries.push(entry);
            }
            prop_assert_eq!((balance.posted, balance.left()), (sum, sum));
            let sums = by_account(&entries);
            prop_assert_eq!(sums.values().map(|(amount, _)| amount).sum::<i64>(), 0);
            prop_assert_eq!(sums.get(CUSTOMERS).map_or(0, |(amount, _)| *amount), sum);
        }
    }

    #[test]
    fn amounts_beyond_counting_change_nothing() {
        let mut balance = Balance { posted: 5, accrued: 2, sequence: 1 };
        for amounts in [vec![i64::MAX, 1], vec![i64::MIN], vec![i64::MIN + 1, 0]] {
            assert_eq!(balance.post("customer-1", draft(amounts)), Err(Overflow));
        }
        assert_eq!(balance, Balance { posted: 5, accrued: 2, sequence: 1 });
        assert_eq!(balance.left(), 3);
    }

    #[test]
    fn only_known_accounts_are_named() {
        for name in
            ["customer:c-1", "revenue:social-1", "clearing:midtrans", "vouchers", "refunds", "adjustments"]
        {
            assert_eq!(Account::named(name).unwrap().name(), name);
        }
        for name in ["", "customer:", "customer", "bank:x", "voucher"] {
            assert!(Account::named(name).is_err(), "{name}");
        }
    }
}
