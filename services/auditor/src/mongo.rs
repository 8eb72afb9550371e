//! The database's edge: what the collections say, read field by field, so that a strange document is a finding and not an
//! end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bson::{Bson, Document, doc};
use futures::TryStreamExt as _;
use mongodb::options::{ClientOptions, ReadConcern};
use mongodb::{Client, Database};
use rust_decimal::Decimal;

use crate::domain::calendar::Day;
use crate::domain::compare::Record;
use crate::domain::leaks::{Leak, State, Step};
use crate::leaks::Stored as Leaks;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The collections of a system.
pub struct Store {
    client: Client,
    database: Database,
}

/// Daily records by device and day, and documents that are none, with why.
#[derive(Debug, Default)]
pub struct Days {
    /// By `devices.id`.
    pub records: HashMap<String, BTreeMap<Day, Record>>,
    /// Documents of another system, by their date and time.
    pub foreign: HashMap<String, Vec<(i64, Record)>>,
    /// What cannot be read.
    pub unreadable: Vec<String>,
}

/// An entry of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub customer: String,
    /// Its place in the statement.
    pub sequence: i64,
    /// Its kind, by name.
    pub kind: String,
    /// What it did to the balance.
    pub amount: i64,
    /// What it left.
    pub balance_after: i64,
    /// Accounts and amounts.
    pub legs: Vec<(String, i64)>,
    /// The payment, if any.
    pub payment: String,
    /// For usage: device, month, exact cost of the month, posted before.
    pub usage: Option<(String, String, Decimal, i64)>,
}

/// A balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Whole rupiah.
    pub balance: i64,
    /// Sequence of the last entry.
    pub sequence: i64,
    /// What the entries come to, and what is accrued, where these are kept apart.
    pub parts: Option<(i64, i64)>,
}

/// The ledger's collections.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By id.
    pub entries: BTreeMap<String, Entry>,
    /// By customer.
    pub balances: BTreeMap<String, Balance>,
    /// What cannot be read.
    pub unreadable: Vec<String>,
}

impl Store {
    /// The database of that name. Only what a majority has is read.
    ///
    /// # Errors
    /// A connection string that is none.
    pub async fn open(uri: &str, database: &str) -> Result<Self> {
        let mut options = ClientOptions::parse(uri).await.context("--mongodb is no connection string")?;
        options.app_name = Some("indowater-auditor".to_owned());
        options.read_concern = Some(ReadConcern::majority());
        options.server_selection_timeout = Some(PATIENCE);
        options.connect_timeout = Some(PATIENCE);
        let client = Client::with_options(options).context("the database's client cannot be made")?;
        Ok(Self { database: client.database(database), client })
    }

    /// Lets go of the connections: a client that is dropped as the program ends still talks to the server.
    pub async fn close(self) {
        self.client.shutdown().immediate(true).await;
    }

    async fn each(&self, collection: &str, hidden: Document, mut take: impl FnMut(&Document)) -> Result<()> {
        let unreadable = || format!("{collection} cannot be read");
        let documents = self.database.collection::<Document>(collection);
        let found = documents.find(doc! {}).projection(hidden).batch_size(5_000).await;
        let mut found = found.with_context(unreadable)?;
        while let Some(document) = found.try_next().await.with_context(unreadable)? {
            take(&document);
        }
        Ok(())
    }

    /// The daily records.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn days(&self) -> Result<Days> {
        let mut days = Days::default();
        // What is kept to compute with is not what is promised.
        self.each("water_usage", doc! { "reads": 0, "earlier_reads": 0, "carry": 0 }, |document| {
            match day(document) {
                Some((device, at, record)) if record.revision == 0 => {
                    days.foreign.entry(device).or_default().push((at, record));
                }
                Some((device, at, record)) => {
                    // Ours have the calendar date at 00:00 UTC.
                    let day = Day(i32::try_from(at.div_euclid(86_400)).unwrap_or(i32::MAX));
                    days.records.entry(device).or_default().insert(day, record);
                }
                None => {
                    days.unreadable.push(format!("water_usage {}: a field is missing or none", id(document)))
                }
            }
        })
        .await?;
        Ok(days)
    }

    /// The ledger.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn ledger(&self) -> Result<Ledger> {
        let mut ledger = Ledger::default();
        self.each("ledger_entries", doc! { "description": 0 }, |document| match entry(document) {
            Some(entry) => _ = ledger.entries.insert(entry.id.clone(), entry),
            None => ledger.unreadable.push(format!("ledger_entries {}: a field is missing", id(document))),
        })
        .await?;
        self.each("balances", doc! { "updated_at": 0 }, |document| match balance(document) {
            Some(balance) => _ = ledger.balances.insert(id(document), balance),
            None => ledger.unreadable.push(format!("balances {}: a field is missing", id(document))),
        })
        .await?;
        Ok(ledger)
    }

    /// The leak events, and the devices that were ever out of service.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn leaks(&self) -> Result<Leaks> {
        let mut leaks = Leaks::default();
        self.each("leak_detection_events", doc! { "explanation": 0, "notes": 0 }, |document| {
            match leak(document) {
                Some(leak) => leaks.leaks.push(leak),
                None => leaks
                    .unreadable
                    .push(format!("leak_detection_events {}: a field is missing or none", id(document))),
            }
        })
        .await?;
        self.each("device_rests", doc! {}, |document| _ = leaks.rested.insert(id(document))).await?;
        Ok(leaks)
    }
}

fn id(document: &Document) -> String {
    match document.get("_id") {
        Some(Bson::String(id)) => id.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn text(document: &Document, field: &str) -> Option<String> {
    document.get_str(field).ok().map(str::to_owned)
}

/// A number of any kind, exactly as far as its kind allows.
fn decimal(document: &Document, field: &str) -> Option<Decimal> {
    match document.get(field)? {
        Bson::Decimal128(value) => {
            let text = value.to_string();
            Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text)).ok()
        }
        Bson::Double(value) => Decimal::try_from(*value).ok(),
        Bson::Int32(value) => Some(Decimal::from(*value)),
        Bson::Int64(value) => Some(Decimal::from(*value)),
        _ => None,
    }
}

fn integer(document: &Document, field: &str) -> Option<i64> {
    match document.get(field)? {
        Bson::Int32(value) => Some(i64::from(*value)),
        Bson::Int64(value) => Some(*value),
        _ => None,
    }
}

fn number(document: &Document, field: &str, absent: i64) -> Option<i64> {
    if document.contains_key(field) { integer(document, field) } else { Some(absent) }
}

fn texts(document: &Document, field: &str) -> Option<Vec<String>> {
    let Some(values) = document.get(field) else { return Some(Vec::new()) };
    values.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

/// A volume in millilitres; it is kept in the document's unit.
fn volume(document: &Document, field: &str) -> Option<i128> {
    let factor = match document.get_str("unit").ok()? {
        "litre" => 1_000,
        "millilitre" => 1,
        _ => return None,
    };
    integer(document, field).map(|counts| i128::from(counts) * factor)
}

fn seconds(document: &Document, field: &str) -> Option<i64> {
    Some(document.get_datetime(field).ok()?.timestamp_millis().div_euclid(1_000))
}

/// A daily record with its date: one of ours, or one of another system, which has the data model's fields and no more.
fn day(document: &Document) -> Option<(String, i64, Record)> {
    let (device, at) = (text(document, "device_id")?, seconds(document, "date")?);
    let consumption = decimal(document, "consumption")?;
    let foreign = Record {
        id: text(document, "id").unwrap_or_default(),
        customer: text(document, "customer_id")?,
        property: text(document, "property_id").unwrap_or_default(),
        volume: in_millilitres(consumption)?,
        consumption: Some(consumption),
        cost: decimal(document, "cost")?,
        flags: texts(document, "flags")?.into_iter().collect::<BTreeSet<_>>(),
        revision: number(document, "revision", 0)?,
        ..Record::default()
    };
    if foreign.is_imported() {
        return Some((device, at, foreign));
    }
    let record = Record {
        time_zone: text(document, "time_zone")?,
        class: text(document, "tariff_class")?,
        volume: volume(document, "volume")?,
        reverse: volume(document, "reverse_volume")?,
        // What it stands on is no field of its own; the topic has it.
        month_to_date: None,
        quality: text(document, "quality")?,
        error_bound: volume(document, "error_bound")?,
        is_anomaly: document.get_bool("is_anomaly").ok()?,
        complete: document.get_bool("complete").ok()?,
        timestamp: seconds(document, "timestamp")?,
        reads: u64::try_from(integer(document, "reads_count")?).ok()?,
        glitches: u64::try_from(number(document, "glitches", 0)?).ok()?,
        unbilled: if document.contains_key("unbilled_volume") {
            volume(document, "unbilled_volume")?
        } else {
            0
        },
        reading_type: text(document, "reading_type")?,
        billable: !document.contains_key("billable") || document.get_bool("billable").ok()?,
        former: texts(document, "former_customer_ids")?,
        ..foreign
    };
    Some((device, at, record))
}

/// m3 in millilitres, to the nearest.
fn in_millilitres(cubic_metres: Decimal) -> Option<i128> {
    let millilitres = cubic_metres.checked_mul(Decimal::from(1_000_000))?;
    Some(crate::domain::tariff::whole_rupiah(millilitres))
}

fn entry(document: &Document) -> Option<Entry> {
    let mut legs = Vec::new();
    for leg in document.get_array("legs").ok()? {
        let leg = leg.as_document()?;
        legs.push((text(leg, "account")?, integer(leg, "amount")?));
    }
    let usage = match document.get("usage") {
        None | Some(Bson::Null) => None,
        Some(usage) => {
            let usage = usage.as_document()?;
            let (device, month) = (text(usage, "device_id")?, text(usage, "month")?);
            Some((device, month, decimal(usage, "month_cost")?.normalize(), integer(usage, "posted_before")?))
        }
    };
    Some(Entry {
        id: id(document),
        customer: text(document, "customer_id")?,
        sequence: integer(document, "sequence")?,
        kind: text(document, "kind")?,
        amount: integer(document, "amount")?,
        balance_after: integer(document, "balance_after")?,
        legs,
        payment: text(document, "payment_id").unwrap_or_default(),
        usage,
    })
}

/// A leak event: one of ours, or one of another system, which has the data model's fields and no more.
fn leak(document: &Document) -> Option<Leak> {
    let foreign = Leak {
        id: text(document, "id")?,
        device: text(document, "device_id")?,
        status: text(document, "status")?,
        open_for: text(document, "open_for"),
        ..Leak::default()
    };
    if !document.contains_key("revision") {
        return Some(foreign);
    }
    let steps = document.get_array("steps").ok()?.iter().map(|step| {
        let step = step.as_document()?;
        let state = state(step.get_document("episode").ok()?)?;
        Some(Step { at: seconds(step, "at")?, change: text(step, "change")?, state })
    });
    Some(Leak {
        revision: integer(document, "revision")?,
        withdrawn: document.get_bool("withdrawn").ok()?,
        now: state(document.get_document("episode").ok()?)?,
        steps: steps.collect::<Option<_>>()?,
        ..foreign
    })
}

fn state(episode: &Document) -> Option<State> {
    let lost = i128::from(integer(episode, "lost")?);
    Some(State { since: seconds(episode, "since")?, until: seconds(episode, "until")?, lost })
}

fn balance(document: &Document) -> Option<Balance> {
    let parts = (document.contains_key("posted") || document.contains_key("accrued"))
        .then(|| Some((integer(document, "posted")?, integer(document, "accrued")?)));
    Some(Balance {
        balance: integer(document, "balance")?,
        sequence: integer(document, "sequence")?,
        parts: match parts {
            None => None,
            Some(parts) => Some(parts?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::DateTime;

    fn date() -> DateTime {
        DateTime::from_millis(20_543 * 86_400_000)
    }

    #[test]
    fn a_document_of_ours_is_read_in_any_unit() {
        let decimal = |text: &str| Bson::Decimal128(text.parse().unwrap());
        let document = doc! {
            "_id": "d|2026-03-31", "id": "d|2026-03-31", "device_id": "d", "customer_id": "c", "property_id": "p",
            "date": date(), "consumption": decimal("0.4"), "cost": decimal("1960.0"), "timestamp": date(),
            "reading_type": "automatic", "is_anomaly": false, "revision": 2_i64, "time_zone": "Asia/Jakarta",
            "tariff_class": "social-1", "unit": "litre", "volume": 400_i64, "reverse_volume": 1_i64, "unbilled_volume": 2_i64, "glitches": 3_i64,
            "quality": "measured", "error_bound": 0_i64, "flags": ["gap"], "complete": true, "reads_count": 24,
        };
        let (device, at, record) = day(&document).unwrap();
        assert_eq!((device.as_str(), at), ("d", 20_543 * 86_400));
        assert_eq!(
            (record.volume, record.reverse, record.reads, record.billable),
            (400_000, 1_000, 24, true)
        );
        assert_eq!((record.unbilled, record.glitches), (2_000, 3));
        let mut millilitres = document.clone();
        for field in ["volume", "reverse_volume", "unbilled_volume", "error_bound"] {
            let counts = millilitres.get_i64(field).unwrap();
            millilitres.insert(field, counts * 1_000);
        }
        millilitres.insert("unit", "millilitre");
        assert_eq!(day(&millilitres).unwrap().2, record);
        let mut broken = document;
        broken.remove("quality");
        assert!(day(&broken).is_none());
    }

    #[test]
    fn a_document_of_another_system_is_kept_as_it_stands() {
        let document = doc! {
            "id": "u-1", "device_id": "d", "customer_id": "c", "property_id": "p", "date": date(),
            "consumption": 0.1_f64, "cost": 490.0_f64, "timestamp": date(), "reading_type": "automatic",
            "is_anomaly": false, "created_at": date(),
        };
        let (_, _, record) = day(&document).unwrap();
        assert!(record.is_imported());
        assert_eq!((record.volume, record.cost), (100_000, Decimal::from(490)));
    }

    #[test]
    fn leak_events_of_ours_and_of_others_are_read() {
        let other = doc! { "id": "l", "device_id": "d", "status": "active", "detected_at": date() };
        assert_eq!(leak(&other).map(|leak| (leak.revision, leak.is_active())), Some((0, true)));
        let episode = doc! { "since": date(), "until": date(), "lost": 5_i64 };
        let step = doc! { "at": date(), "change": "opened", "episode": episode.clone() };
        let mut ours = other;
        ours.extend(doc! { "revision": 2_i64, "withdrawn": false, "episode": episode, "steps": [step], "open_for": "d" });
        let read = leak(&ours).unwrap();
        assert_eq!(
            (read.revision, read.now.lost, read.steps.len(), &*read.steps[0].change),
            (2, 5, 1, "opened")
        );
        assert_eq!(read.open_for.as_deref(), Some("d"));
        ours.remove("steps");
        assert_eq!(leak(&ours), None);
    }

    #[test]
    fn balances_may_have_parts() {
        let whole = doc! { "balance": 5_i64, "sequence": 1_i64 };
        assert_eq!(balance(&whole).unwrap().parts, None);
        let parts = doc! { "balance": 5_i64, "sequence": 1_i64, "posted": 7_i64, "accrued": 2_i64 };
        assert_eq!(balance(&parts).unwrap().parts, Some((7, 2)));
        assert!(balance(&doc! { "balance": 5_i64, "sequence": 1_i64, "posted": 7_i64 }).is_none());
    }
}
