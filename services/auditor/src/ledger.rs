//! The books, audited: every entry of the topic against itself, the collections and the newest daily records.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context as _, Result};
use indowater_proto::billing::v1::{Balance, EntryKind, LedgerEntry};
use indowater_proto::topics::{BALANCES, ENTRIES, USAGE};
use indowater_proto::usage::v1::DailyUsage;
use prost::Message as _;
use rust_decimal::Decimal;

use crate::domain::tariff::whole_rupiah;
use crate::kafka::Reader;
use crate::mongo::{Entry, Ledger};
use crate::report::Finding;

/// A customer's device and month.
type Month = (String, String, String);

/// What the topics say of money.
#[derive(Default)]
pub struct Books {
    /// By customer and sequence.
    statements: BTreeMap<String, BTreeMap<i64, LedgerEntry>>,
    /// Entries that were told more than once, and not the same.
    torn: Vec<String>,
    /// The newest balance of each customer, and what it consists of where it says so.
    balances: BTreeMap<String, (Balance, Option<(i64, i64)>)>,
    /// What each month costs by its days' newest revisions: revision and rupiah by date.
    months: BTreeMap<Month, BTreeMap<String, (i64, Decimal)>>,
    /// Devices and months that changed while we looked.
    moving: HashSet<(String, String)>,
}

/// What a balance consists of. Older records do not say; of one that is nothing but zeros neither is there anything to say.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Parts {
    #[prost(int64, optional, tag = "5")]
    posted: Option<i64>,
    #[prost(int64, optional, tag = "6")]
    accrued: Option<i64>,
}

impl Parts {
    fn of(balance: &[u8]) -> Option<(i64, i64)> {
        let parts = Self::decode(balance).ok().filter(|parts| *parts != Self::default())?;
        Some((parts.posted.unwrap_or(0), parts.accrued.unwrap_or(0)))
    }
}

/// Reads the topics. `charged` is what of usage is in the ledger for certain. It blocks.
///
/// # Errors
/// The broker does not answer, or a record makes no sense.
pub fn topics(reader: &Reader, prefix: &str, charged: &BTreeMap<i32, i64>) -> Result<Books> {
    let mut books = Books::default();
    let balances = BALANCES.name(prefix);
    reader.read(&balances, &reader.extent(&balances)?, |record| {
        let balance = Balance::decode(record.value);
        let balance = balance.with_context(|| format!("{balances} holds what is no balance"))?;
        books.balances.insert(balance.customer_id.clone(), (balance, Parts::of(record.value)));
        Ok(())
    })?;
    // After the balances: every entry that they count is among them.
    let entries = ENTRIES.name(prefix);
    reader.read(&entries, &reader.extent(&entries)?, |record| {
        let entry = LedgerEntry::decode(record.value);
        books.post(entry.with_context(|| format!("{entries} holds what is no entry"))?);
        Ok(())
    })?;
    // After the entries: a day that is not in them yet is among those that move.
    let usage = USAGE.name(prefix);
    reader.read(&usage, &reader.extent(&usage)?, |record| {
        let day = DailyUsage::decode(record.value);
        let day = day.with_context(|| format!("{usage} holds what is no daily record"))?;
        if charged.get(&record.partition).is_some_and(|committed| record.offset < *committed) {
            books.charge(&day)?;
        } else {
            books.moving.insert((day.device_id, month_of(&day.date).to_owned()));
        }
        Ok(())
    })?;
    Ok(books)
}

fn month_of(date: &str) -> &str {
    date.get(..7).unwrap_or(date)
}

impl Books {
    fn post(&mut self, entry: LedgerEntry) {
        let statement = self.statements.entry(entry.customer_id.clone()).or_default();
        if statement.get(&entry.sequence).is_some_and(|before| *before != entry) {
            self.torn.push(format!("{} of {}", entry.sequence, entry.customer_id));
        }
        statement.insert(entry.sequence, entry);
    }

    fn charge(&mut self, day: &DailyUsage) -> Result<()> {
        let cost: Decimal = day.cost.parse().with_context(|| format!("{} has no cost", day.id))?;
        // What another system computed was charged there.
        let cost = if day.billable.unwrap_or(true) { cost } else { Decimal::ZERO };
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

    /// Entries balance and follow each other without gaps, the collections say the same, and balances are their sums.
    ///
    /// `stored` was read before the topics, and all that is in it was told by then.
    pub fn b1(&self, stored: &Ledger) -> Finding {
        let mut b1 = Finding::new("B1", "entries balance, and balances are their sums", "entries");
        for place in &self.torn {
            b1.breaks(|| format!("entry {place} was told twice, and not the same"));
        }
        for unreadable in &stored.unreadable {
            b1.breaks(|| unreadable.clone());
        }
        for (customer_id, statement) in &self.statements {
            add_up(customer_id, statement, &mut b1);
        }
        self.hold_against(stored, &mut b1);
        for (customer_id, balance) in &stored.balances {
            self.check_balance(
                customer_id,
                (balance.balance, balance.sequence),
                balance.parts,
                "balances",
                &mut b1,
            );
        }
        for (customer_id, (balance, parts)) in &self.balances {
            let told = (balance.balance, balance.sequence);
            self.check_balance(customer_id, told, *parts, "balance topic", &mut b1);
        }
        for (customer_id, balance) in &stored.balances {
            let told = self.balances.get(customer_id).map_or(0, |(told, _)| told.sequence);
            if told < balance.sequence {
                b1.breaks(|| {
                    format!(
                        "{customer_id}: balance topic ends at entry {told}, balances at {}",
                        balance.sequence
                    )
                });
            }
        }
        b1.notes.push(format!("{} customers", self.statements.len()));
        b1
    }

    fn hold_against(&self, stored: &Ledger, b1: &mut Finding) {
        let mut newest: HashMap<&str, i64> = HashMap::new();
        for entry in stored.entries.values() {
            let known = newest.entry(&entry.customer).or_default();
            *known = entry.sequence.max(*known);
        }
        let mut left: BTreeMap<&str, &Entry> =
            stored.entries.iter().map(|(id, entry)| (id.as_str(), entry)).collect();
        for told in self.entries() {
            match left.remove(told.id.as_str()) {
                Some(entry) => {
                    for (field, expected, found) in differences(told, entry) {
                        b1.breaks(|| {
                            format!("{} (ledger_entries): {field} is {found}, expected {expected}", told.id)
                        });
                    }
                }
                // What was posted since the collection was read.
                None if newest.get(told.customer_id.as_str()).is_none_or(|last| told.sequence > *last) => {}
                None => b1.breaks(|| format!("{}: is on the topic, and not in ledger_entries", told.id)),
            }
        }
        for id in left.keys() {
            b1.breaks(|| format!("{id}: is in ledger_entries, and not on the topic"));
        }
    }

    fn check_balance(
        &self,
        customer_id: &str,
        (balance, sequence): (i64, i64),
        parts: Option<(i64, i64)>,
        place: &str,
        b1: &mut Finding,
    ) {
        let (posted, accrued) = parts.unwrap_or((balance, 0));
        let entry = self.statements.get(customer_id).and_then(|statement| statement.get(&sequence));
        let after = entry.map_or(0, |entry| entry.balance_after);
        if after != posted || (entry.is_none() && sequence != 0) {
            b1.breaks(|| {
                format!(
                    "{customer_id} ({place}): {posted} is posted, and the entries to {sequence} leave {after}"
                )
            });
        }
        if posted.checked_sub(accrued) != Some(balance) {
            b1.breaks(|| {
                format!("{customer_id} ({place}): balance is {balance}, posted {posted}, accrued {accrued}")
            });
        }
    }

    /// What is posted for each month of each device and customer is what it costs, rounded once.
    pub fn b3(&self) -> Finding {
        let mut b3 = Finding::new("B3", "months are posted at their cost, rounded once", "months");
        let mut posted: HashMap<Month, i128> = HashMap::new();
        for entry in self.entries() {
            if let Some(usage) = &entry.usage {
                let month = (entry.customer_id.clone(), usage.device_id.clone(), usage.month.clone());
                *posted.entry(month).or_default() -= i128::from(entry.amount);
            }
        }
        let mut moving = 0;
        for (month, days) in &self.months {
            let is = posted.remove(month).unwrap_or_default();
            let (customer_id, device_id, name) = month;
            if self.moving.contains(&(device_id.clone(), name.clone())) {
                moving += 1;
                continue;
            }
            b3.checked += 1;
            let exact: Decimal = days.values().map(|(_, cost)| cost).sum();
            if is != whole_rupiah(exact) {
                b3.breaks(|| format!("{customer_id}|{device_id}|{name}: {is} posted, and it costs {exact}"));
            }
        }
        for ((customer_id, device_id, name), is) in posted {
            if is != 0 && !self.moving.contains(&(device_id.clone(), name.clone())) {
                b3.breaks(|| format!("{customer_id}|{device_id}|{name}: {is} posted for no usage"));
            }
        }
        b3.skips(moving, "months were not compared: they changed meanwhile");
        b3
    }
}

/// The entries of one customer, one after the other.
fn add_up(customer_id: &str, statement: &BTreeMap<i64, LedgerEntry>, b1: &mut Finding) {
    let (mut sum, mut expected) = (0_i64, 1);
    let own = format!("customer:{customer_id}");
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
        let of_customer = entry.legs.first().filter(|leg| leg.account == own).map(|leg| leg.amount);
        if of_customer != Some(entry.amount) {
            b1.breaks(|| {
                format!(
                    "{}: amounts to {}, and the customer's leg to {of_customer:?}",
                    entry.id, entry.amount
                )
            });
        }
        if entry.balance_after != sum {
            let after = entry.balance_after;
            b1.breaks(|| format!("{}: leaves {after} where the entries add up to {sum}", entry.id));
        }
    }
}

/// In what a stored entry differs from the one that was told: field, expected, found.
fn differences(told: &LedgerEntry, stored: &Entry) -> Vec<(&'static str, String, String)> {
    let kind = match told.kind() {
        EntryKind::Unspecified => "",
        EntryKind::Usage => "usage",
        EntryKind::Payment => "payment",
        EntryKind::Reversal => "reversal",
        EntryKind::Refund => "refund",
        EntryKind::Adjustment => "adjustment",
    };
    let legs: Vec<_> = told.legs.iter().map(|leg| (leg.account.clone(), leg.amount)).collect();
    let usage = told.usage.as_ref().map(|usage| {
        let cost = usage.month_cost.parse::<Decimal>().unwrap_or(Decimal::MAX).normalize();
        (usage.device_id.clone(), usage.month.clone(), cost, usage.posted_before)
    });
    let fields = [
        ("customer_id", told.customer_id.clone(), stored.customer.clone()),
        ("sequence", told.sequence.to_string(), stored.sequence.to_string()),
        ("kind", kind.to_owned(), stored.kind.clone()),
        ("amount", told.amount.to_string(), stored.amount.to_string()),
        ("balance_after", told.balance_after.to_string(), stored.balance_after.to_string()),
        ("payment_id", told.payment_id.clone(), stored.payment.clone()),
        ("legs", format!("{legs:?}"), format!("{:?}", stored.legs)),
        ("usage", format!("{usage:?}"), format!("{:?}", stored.usage)),
    ];
    fields.into_iter().filter(|(_, expected, found)| expected != found).collect()
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
