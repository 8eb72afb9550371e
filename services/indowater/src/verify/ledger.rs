//! The books, audited from what was told: every entry of the topic, the newest daily records, and the stored balances.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use anyhow::{Context as _, Result};
use bson::doc;
use futures::TryStreamExt as _;
use indowater_proto::billing::v1::LedgerEntry;
use indowater_proto::topics::{ENTRIES, USAGE};
use indowater_proto::usage::v1::DailyUsage;
use mongodb::Database;
use prost::Message as _;
use rdkafka::Message as _;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

use super::Finding;
use crate::topic::Reader;

/// A customer's device and month.
type Month = (String, String, String);

/// What the topics say of money.
#[derive(Default)]
pub struct Told {
    /// By customer and sequence.
    statements: BTreeMap<String, BTreeMap<i64, LedgerEntry>>,
    /// Entries that were told more than once, and not the same.
    torn: Vec<String>,
    /// What each month costs by its days' newest revisions: revision and rupiah by date.
    months: BTreeMap<Month, BTreeMap<String, (i64, Decimal)>>,
    /// Devices and months that changed while we looked.
    moving: HashSet<(String, String)>,
}

/// A balance as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// Whole rupiah.
    balance: i64,
    /// Sequence of the last entry.
    sequence: i64,
}

/// Reads the stored balances by customer.
///
/// # Errors
/// The database does not answer.
pub async fn balances(database: &Database) -> Result<BTreeMap<String, Stored>> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(rename = "_id")]
        customer_id: String,
        #[serde(flatten)]
        stored: Stored,
    }
    let found = database.collection::<Document>("balances").find(doc! {}).await;
    let found: Vec<Document> = found.context("balances cannot be read")?.try_collect().await?;
    Ok(found.into_iter().map(|document| (document.customer_id, document.stored)).collect())
}

/// Reads the topics. `charged` is what of usage is in the ledger for certain. It blocks.
///
/// # Errors
/// The broker does not answer, or a record makes no sense.
pub fn topics(reader: &Reader, prefix: &str, charged: &BTreeMap<i32, i64>) -> Result<Told> {
    let mut told = Told::default();
    let entries = ENTRIES.name(prefix);
    reader.read(&entries, &reader.extent(&entries)?, |record| {
        let entry = LedgerEntry::decode(record.payload().unwrap_or_default());
        let entry = entry.with_context(|| format!("{entries} holds what is no entry"))?;
        let statement = told.statements.entry(entry.customer_id.clone()).or_default();
        if statement.get(&entry.sequence).is_some_and(|before| *before != entry) {
            told.torn.push(format!("{} of {}", entry.sequence, entry.customer_id));
        }
        statement.insert(entry.sequence, entry);
        Ok(ControlFlow::Continue(()))
    })?;
    // After the entries: a day that is not in them yet is among those that move.
    let usage = USAGE.name(prefix);
    reader.read(&usage, &reader.extent(&usage)?, |record| {
        let day = DailyUsage::decode(record.payload().unwrap_or_default());
        let day = day.with_context(|| format!("{usage} holds what is no daily record"))?;
        if charged.get(&record.partition()).is_some_and(|committed| record.offset() < *committed) {
            told.take(&day)?;
        } else {
            told.moving.insert((day.device_id, month_of(&day.date).to_owned()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(told)
}

fn month_of(date: &str) -> &str {
    date.get(..7).unwrap_or(date)
}

impl Told {
    fn take(&mut self, day: &DailyUsage) -> Result<()> {
        let cost: Decimal = day.cost.parse().with_context(|| format!("{} has no cost", day.id))?;
        let own = std::iter::once((&day.customer_id, cost));
        let former = day.former_customer_ids.iter().map(|customer_id| (customer_id, Decimal::ZERO));
        for (customer_id, cost) in own.chain(former) {
            let month = (customer_id.clone(), day.device_id.clone(), month_of(&day.date).to_owned());
            let known =
                self.months.entry(month).or_default().entry(day.date.clone()).or_insert((0, Decimal::ZERO));
            if day.revision >= known.0 {
                *known = (day.revision, cost);
            }
        }
        Ok(())
    }

    /// Every entry, once however often it was told.
    pub fn entries(&self) -> impl Iterator<Item = &LedgerEntry> {
        self.statements.values().flat_map(BTreeMap::values)
    }

    /// Entries balance, follow each other without gaps, and lead to the balances that are stored.
    pub fn b1(&self, balances: &BTreeMap<String, Stored>) -> Finding {
        let mut b1 = Finding::new("B1", "entries balance, and balances are their sums", "entries");
        for place in &self.torn {
            b1.breaks(|| format!("entry {place} was told twice, and not the same"));
        }
        for (customer_id, statement) in &self.statements {
            let (mut sum, mut expected) = (0_i64, 1);
            for (sequence, entry) in statement {
                b1.checked += 1;
                sum = sum.saturating_add(entry.amount);
                if *sequence != expected {
                    b1.breaks(|| format!("{customer_id}: entry {expected} is missing"));
                }
                expected = sequence + 1;
                let legs: i128 = entry.legs.iter().map(|leg| i128::from(leg.amount)).sum();
                if legs != 0 {
                    b1.breaks(|| format!("{}: its legs add up to {legs}", entry.id));
                }
                if entry.balance_after != sum {
                    b1.breaks(|| {
                        format!(
                            "{}: leaves {} where the entries add up to {sum}",
                            entry.id, entry.balance_after
                        )
                    });
                }
            }
        }
        for (customer_id, Stored { balance, sequence }) in balances {
            let entry = self.statements.get(customer_id).and_then(|statement| statement.get(sequence));
            let after = entry.map(|entry| entry.balance_after);
            if after != Some(*balance) {
                b1.breaks(|| {
                    format!("{customer_id}: {balance} is stored where entry {sequence} leaves {after:?}")
                });
            }
        }
        b1.notes.push(format!("{} customers", self.statements.len()));
        b1
    }

    /// What is posted for each month of each device is what it costs, rounded once.
    pub fn b3(&self) -> Finding {
        let mut b3 = Finding::new("B3", "months are posted at their cost, rounded once", "months");
        let mut posted: HashMap<Month, i64> = HashMap::new();
        for entry in self.entries() {
            if let Some(usage) = &entry.usage {
                let month = (entry.customer_id.clone(), usage.device_id.clone(), usage.month.clone());
                *posted.entry(month).or_default() -= entry.amount;
            }
        }
        let mut skipped = 0;
        for (month, days) in &self.months {
            let is = posted.remove(month).unwrap_or_default();
            let (customer_id, device_id, name) = month;
            if self.moving.contains(&(device_id.clone(), name.clone())) {
                skipped += 1;
                continue;
            }
            b3.checked += 1;
            let exact: Decimal = days.values().map(|(_, cost)| cost).sum();
            let due = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
            if Decimal::from(is) != due {
                b3.breaks(|| format!("{customer_id}|{device_id}|{name}: {is} posted, and it costs {exact}"));
            }
        }
        for ((customer_id, device_id, name), is) in posted {
            if is != 0 && !self.moving.contains(&(device_id.clone(), name.clone())) {
                b3.breaks(|| format!("{customer_id}|{device_id}|{name}: {is} posted for no usage"));
            }
        }
        if skipped > 0 {
            b3.notes.push(format!("{skipped} months were not compared: they changed meanwhile"));
        }
        b3
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indowater_proto::billing::v1::{Leg, UsageSource};

    fn entry(sequence: i64, amount: i64, balance_after: i64) -> LedgerEntry {
        let leg = |amount| Leg { account: String::new(), amount };
        LedgerEntry {
            id: format!("usage:{sequence}"),
            customer_id: "c".to_owned(),
            sequence,
            amount,
            balance_after,
            legs: vec![leg(amount), leg(-amount)],
            usage: Some(UsageSource {
                device_id: "d".to_owned(),
                month: "2026-01".to_owned(),
                ..UsageSource::default()
            }),
            ..LedgerEntry::default()
        }
    }

    fn told(entries: Vec<LedgerEntry>, costs: &[(&str, i64, &str)]) -> Told {
        let mut told = Told::default();
        told.statements.insert("c".to_owned(), entries.into_iter().map(|e| (e.sequence, e)).collect());
        for (date, revision, cost) in costs {
            let day = DailyUsage {
                device_id: "d".to_owned(),
                customer_id: "c".to_owned(),
                date: (*date).to_owned(),
                revision: *revision,
                cost: (*cost).to_owned(),
                ..DailyUsage::default()
            };
            told.take(&day).unwrap();
        }
        told
    }

    fn stored(balance: i64, sequence: i64) -> BTreeMap<String, Stored> {
        BTreeMap::from([("c".to_owned(), Stored { balance, sequence })])
    }

    #[test]
    fn sound_books_hold() {
        let costs = [("2026-01-01", 2, "99.6"), ("2026-01-01", 1, "7"), ("2026-01-02", 1, "50.3")];
        let told = told(vec![entry(1, -100, -100), entry(2, -50, -150)], &costs);
        assert_eq!((told.b1(&stored(-150, 2)).broken, told.b3().broken, told.b3().checked), (0, 0, 1));
        assert_eq!(told.b1(&stored(-100, 1)).broken, 0, "an entry may have come since the balance was read");
    }

    #[test]
    fn every_fault_is_found() {
        let sound = || vec![entry(1, -100, -100), entry(2, -50, -150)];
        let cost: &[(&str, i64, &str)] = &[("2026-01-01", 1, "150")];
        assert_eq!(
            told(vec![entry(1, -100, -100), entry(3, -50, -150)], cost).b1(&stored(-150, 3)).broken,
            1
        );
        assert_eq!(told(vec![entry(1, -100, -99)], cost).b1(&stored(-99, 1)).broken, 1);
        assert_eq!(told(sound(), cost).b1(&stored(-149, 2)).broken, 1);
        let mut unbalanced = sound();
        unbalanced[0].legs.pop();
        assert_eq!(told(unbalanced, cost).b1(&stored(-150, 2)).broken, 1);
        assert_eq!(told(sound(), &[("2026-01-01", 1, "150.5")]).b3().broken, 1);
        assert_eq!(told(sound(), &[]).b3().broken, 1);
    }
}
