//! The ledger's documents. What is in them is described in `README.md`.

use std::collections::BTreeMap;

use bson::{DateTime, Decimal128};
use indowater_common::domain::zone::Day;
use indowater_common::mongo::{from_decimal128, to_decimal128};
use mongodb::error::Error;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::MonthKey;
use crate::domain::charge::{ChargedDay, DayCharge, Month, UsageSource};
use crate::domain::ledger::{Account, Balance, Draft, Entry, Kind, Leg};

#[derive(Debug, Serialize, Deserialize)]
pub struct EntryDocument {
    #[serde(rename = "_id")]
    pub id: String,
    customer_id: String,
    pub sequence: i64,
    kind: String,
    amount: i64,
    balance_after: i64,
    legs: Vec<LegDocument>,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<String>,
    occurred_at: DateTime,
    posted_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LegDocument {
    account: String,
    amount: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct UsageDocument {
    device_id: String,
    month: String,
    month_cost: Decimal128,
    posted_before: i64,
    days: Vec<DayDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DayDocument {
    date: String,
    revision: i64,
    volume_ml: i64,
    cost: Decimal128,
    tariff_class: String,
    month_to_date_before_ml: i64,
    /// In an entry: what the day cost before. In a month: what it cost when it was last posted, if that is not what it costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_before: Option<Decimal128>,
    #[serde(default, skip_serializing_if = "is_false")]
    not_charged: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a balance says; whose it is stands in `_id`.
#[derive(Debug, Serialize, Deserialize)]
pub struct BalanceDocument {
    balance: i64,
    /// Absent where it was written before there was anything else: then it is `balance`.
    posted: Option<i64>,
    accrued: Option<i64>,
    sequence: i64,
    updated_at: DateTime,
}

/// A balance with whose it is.
#[derive(Debug, Deserialize)]
pub struct OwnedBalance {
    #[serde(rename = "_id")]
    customer_id: String,
    #[serde(flatten)]
    balance: BalanceDocument,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct MonthDocument {
    #[serde(rename = "_id")]
    id: String,
    customer_id: String,
    device_id: String,
    month: String,
    days: Vec<DayDocument>,
    posted: i64,
    /// What each class earned of it; absent where it was written before that was kept.
    #[serde(default)]
    by_class: Vec<ClassDocument>,
    postings: i64,
    updated_at: DateTime,
}

#[derive(Debug, Serialize, Deserialize)]
struct ClassDocument {
    class: String,
    posted: i64,
}

/// Seconds since the epoch as a date and time.
pub fn time(at: i64) -> DateTime {
    DateTime::from_millis(at.saturating_mul(1_000))
}

/// A date and time as seconds since the epoch.
pub fn seconds(at: DateTime) -> i64 {
    at.timestamp_millis().div_euclid(1_000)
}

fn foreign(id: &str, field: &str) -> Error {
    Error::custom(format!("{id}: {field} is not as this service writes it"))
}

fn decimal(id: &str, value: Decimal128) -> Result<Decimal, Error> {
    from_decimal128(value).ok_or_else(|| foreign(id, "a decimal"))
}

impl DayDocument {
    fn of(day: Day, charge: &DayCharge, before: Option<Decimal>) -> Self {
        Self {
            date: day.to_string(),
            revision: charge.revision,
            volume_ml: charge.volume_ml,
            cost: to_decimal128(charge.cost),
            tariff_class: charge.tariff_class.to_string(),
            month_to_date_before_ml: charge.month_to_date_before_ml,
            cost_before: before.map(to_decimal128),
            not_charged: !charge.charged,
        }
    }

    fn charge(self, id: &str) -> Result<(Day, DayCharge, Option<Decimal>), Error> {
        let day = Day::parse(&self.date).ok_or_else(|| foreign(id, "a day's date"))?;
        let before = self.cost_before.map(|before| decimal(id, before)).transpose()?;
        let charge = DayCharge {
            revision: self.revision,
            volume_ml: self.volume_ml,
            cost: decimal(id, self.cost)?,
            tariff_class: self.tariff_class.into(),
            month_to_date_before_ml: self.month_to_date_before_ml,
            charged: !self.not_charged,
        };
        Ok((day, charge, before))
    }
}

impl EntryDocument {
    pub fn of(entry: &Entry, posted_at: i64) -> Self {
        let Draft { id, kind, description, payment_id, occurred_at, made_by, usage, .. } = &entry.draft;
        let leg = |leg: Leg| LegDocument { account: leg.account.name().to_owned(), amount: leg.amount };
        Self {
            id: id.clone(),
            customer_id: entry.customer_id.to_string(),
            sequence: entry.sequence,
            kind: kind.name().to_owned(),
            amount: entry.amount,
            balance_after: entry.balance_after,
            legs: entry.legs().map(leg).collect(),
            description: description.clone(),
            payment_id: payment_id.clone(),
            occurred_at: time(*occurred_at),
            posted_at: time(posted_at),
            made_by: made_by.clone(),
            usage: usage.as_ref().map(UsageDocument::of),
        }
    }

    /// The entry, and when it was posted in seconds since the epoch.
    pub fn entry(self) -> Result<(Entry, i64), Error> {
        let id = self.id;
        // The first leg is the customer's own.
        let others = self.legs.into_iter().skip(1).map(|leg| {
            let account = Account::named(&leg.account).map_err(|_| foreign(&id, "an account"))?;
            Ok(Leg { account, amount: leg.amount })
        });
        let draft = Draft {
            others: others.collect::<Result<_, Error>>()?,
            kind: Kind::named(&self.kind).ok_or_else(|| foreign(&id, "kind"))?,
            description: self.description,
            payment_id: self.payment_id,
            occurred_at: seconds(self.occurred_at),
            made_by: self.made_by,
            usage: self.usage.map(|usage| usage.source(&id)).transpose()?,
            id,
        };
        let entry = Entry {
            draft,
            customer_id: self.customer_id.into(),
            amount: self.amount,
            balance_after: self.balance_after,
            sequence: self.sequence,
        };
        Ok((entry, seconds(self.posted_at)))
    }
}

impl UsageDocument {
    fn of(source: &UsageSource) -> Self {
        let days = source.days.iter().map(|day| DayDocument::of(day.day, &day.charge, Some(day.cost_before)));
        Self {
            device_id: source.device_id.to_string(),
            month: source.month.month(),
            month_cost: to_decimal128(source.month_cost),
            posted_before: source.posted_before,
            days: days.collect(),
        }
    }

    fn source(self, id: &str) -> Result<UsageSource, Error> {
        let days = self.days.into_iter().map(|day| {
            let (day, charge, before) = day.charge(id)?;
            Ok(ChargedDay { day, charge, cost_before: before.unwrap_or_default() })
        });
        Ok(UsageSource {
            device_id: self.device_id.into(),
            month: month_named(&self.month).ok_or_else(|| foreign(id, "month"))?,
            month_cost: decimal(id, self.month_cost)?,
            posted_before: self.posted_before,
            days: days.collect::<Result<_, Error>>()?,
        })
    }
}

impl BalanceDocument {
    pub fn of(balance: Balance, updated_at: i64) -> Self {
        Self {
            balance: balance.left(),
            posted: Some(balance.posted),
            accrued: Some(balance.accrued),
            sequence: balance.sequence,
            updated_at: time(updated_at),
        }
    }
}

impl OwnedBalance {
    /// Whose, what, and when it changed last in seconds since the epoch.
    pub fn balance(self) -> (Box<str>, (Balance, i64)) {
        let BalanceDocument { balance, posted, accrued, sequence, updated_at } = self.balance;
        let posted = posted.unwrap_or(balance);
        let balance = Balance { posted, accrued: accrued.unwrap_or(0), sequence };
        (self.customer_id.into(), (balance, seconds(updated_at)))
    }
}

impl MonthDocument {
    pub fn of(key: &MonthKey, month: &Month, updated_at: i64) -> Self {
        let days = month.days.iter();
        let days = days.map(|(day, charge)| DayDocument::of(*day, charge, month.changed.get(day).copied()));
        Self {
            id: key.id(),
            customer_id: key.customer_id.to_string(),
            device_id: key.device_id.to_string(),
            month: key.month.month(),
            days: days.collect(),
            posted: month.posted,
            by_class: month
                .by_class
                .iter()
                .map(|(class, posted)| ClassDocument { class: class.to_string(), posted: *posted })
                .collect(),
            postings: month.postings,
            updated_at: time(updated_at),
        }
    }

    pub fn month(self) -> Result<(MonthKey, Month), Error> {
        let key = MonthKey {
            customer_id: self.customer_id.into(),
            device_id: self.device_id.into(),
            month: month_named(&self.month).ok_or_else(|| foreign(&self.id, "month"))?,
        };
        let (mut days, mut changed) = (BTreeMap::new(), BTreeMap::new());
        for day in self.days {
            let (day, charge, before) = day.charge(&self.id)?;
            changed.extend(before.map(|before| (day, before)));
            days.insert(day, charge);
        }
        let by_class = self.by_class.into_iter().map(|of| (of.class.into(), of.posted)).collect();
        Ok((key, Month { days, posted: self.posted, by_class, postings: self.postings, changed }))
    }
}

/// The first day of the month `YYYY-MM`.
pub fn month_named(name: &str) -> Option<Day> {
    Day::parse(&format!("{name}-01"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month() -> (MonthKey, Month) {
        let month = Day::parse("2026-11-01").unwrap();
        let key = MonthKey { customer_id: "customer-001".into(), device_id: "device-001".into(), month };
        let charge = |class: &str, cost: i64, charged| DayCharge {
            revision: 2,
            volume_ml: 400_000,
            cost: Decimal::new(cost, 1),
            tariff_class: class.into(),
            month_to_date_before_ml: 0,
            charged,
        };
        let mut held = Month::default();
        held.take(month, charge("social-1", 10_000, true));
        held.take(Day(month.0 + 1), charge("commercial-1", 20_000, true));
        held.take(Day(month.0 + 2), charge("commercial-1", 0, false));
        held.settle("customer-001", "device-001", month, 0);
        // Less than a rupiah waits for the next posting.
        held.take(month, DayCharge { revision: 3, ..charge("social-1", 10_004, true) });
        assert_eq!(held.settle("customer-001", "device-001", month, 0), None);
        (key, held)
    }

    #[test]
    fn a_month_comes_back_with_what_each_class_earned_and_what_waits() {
        let (key, month) = month();
        let document = bson::serialize_to_document(&MonthDocument::of(&key, &month, 0)).unwrap();
        let back: MonthDocument = bson::deserialize_from_document(document).unwrap();
        let (back_key, mut back) = back.month().unwrap();
        assert_eq!((&back_key, &back), (&key, &month));
        assert!(back.knows_classes() && back.by_class["commercial-1"] == 2_000);
        let day = Day(key.month.0 + 4);
        back.take(day, DayCharge { revision: 1, cost: Decimal::new(6, 1), ..back.days[&key.month].clone() });
        let told = back.settle("customer-001", "device-001", key.month, 0).unwrap().usage.unwrap();
        let told: Vec<_> = told.days.iter().map(|day| (day.day, day.cost_before.to_string())).collect();
        assert_eq!(told, [(key.month, "1000.0".to_owned()), (day, "0".to_owned())]);
    }

    #[test]
    fn a_month_of_before_learns_from_its_entries_what_each_class_earned() {
        let (key, month) = month();
        let mut document = bson::serialize_to_document(&MonthDocument::of(&key, &month, 0)).unwrap();
        document.remove("by_class");
        let old: MonthDocument = bson::deserialize_from_document(document).unwrap();
        let (_, mut old) = old.month().unwrap();
        assert!(!old.knows_classes());
        // Once all of it went to the class of the last day.
        let leg = |class: &str, amount| Leg { account: Account::revenue(class), amount };
        old.learn_classes(
            [leg("social-1", 1_000), leg("commercial-1", 1_500), leg("commercial-1", 500)].iter(),
        );
        assert!(old.knows_classes() && old.by_class == month.by_class);
    }

    #[test]
    fn a_balance_of_before_is_all_posted() {
        let written = bson::doc! {
            "_id": "customer-001", "balance": -5_i64, "sequence": 2_i64, "updated_at": time(7),
        };
        let old: OwnedBalance = bson::deserialize_from_document(written).unwrap();
        let (_, (balance, _)) = old.balance();
        assert_eq!(balance, Balance { posted: -5, accrued: 0, sequence: 2 });
        let stands = Balance { posted: 10, accrued: 4, sequence: 3 };
        let written = bson::serialize_to_document(&BalanceDocument::of(stands, 7)).unwrap();
        assert_eq!((written.get_i64("balance").unwrap(), written.get_i64("posted").unwrap()), (6, 10));
    }
}
