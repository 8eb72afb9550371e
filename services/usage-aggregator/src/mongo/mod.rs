//! The database's edge: the collection `water_usage`.

mod document;
mod query;

use std::collections::HashMap;

use bson::{Document, doc};
use futures::TryStreamExt;
use indowater_common::domain::meter::Meter;
use indowater_common::domain::zone::Day;
use indowater_common::mongo::{Guarded, write_guarded};
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::{Collection, Database};

use crate::domain::day::DayRecord;
use document::Stored;

pub use document::Owner;
const WATER_USAGE: &str = "water_usage";

/// The daily records. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    usage: Collection<Stored>,
}

/// Days of one device as they are stored.
pub struct Loaded {
    /// Contiguous, oldest first.
    pub days: Vec<DayRecord>,
    /// Whether there are older ones.
    pub truncated: bool,
    /// The meter as of the newest of them.
    pub meter: Meter,
    /// Registry version the meter is from.
    pub meter_version: i64,
}

impl Store {
    /// On that database.
    pub fn new(database: Database) -> Self {
        Self { usage: database.collection(WATER_USAGE), database }
    }

    /// The document of a record that has to be written: its next revision, guarded by the one it replaces.
    pub fn document(owner: Owner<'_>, record: &DayRecord, now: Timestamp) -> Guarded {
        document::guarded(owner, record, now)
    }

    /// Writes records; returns the indexes of those somebody else has written since we read them.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn write(&self, documents: &[Guarded]) -> Result<Vec<usize>, Error> {
        write_guarded(&self.database, WATER_USAGE, documents).await
    }

    /// The last day of each of these devices, where there is one.
    ///
    /// Sorted and grouped like the index (device, date falling), the first of each group is one look-up.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn last_days(&self, device_ids: &[&str]) -> Result<HashMap<Box<str>, Loaded>, Error> {
        let last = [
            doc! { "$match": { "device_id": { "$in": device_ids } } },
            doc! { "$sort": { "device_id": 1, "date": -1 } },
            doc! { "$group": { "_id": "$device_id", "last": { "$first": "$$ROOT" } } },
            doc! { "$replaceWith": "$last" },
        ];
        let found: Vec<Stored> =
            self.usage.aggregate(last).with_type::<Stored>().await?.try_collect().await?;
        found
            .into_iter()
            .map(|stored| {
                let device_id = stored.device_id.clone().into_boxed_str();
                let (meter, meter_version) = stored.meter()?;
                let record = stored.record()?;
                let truncated = record.carry.previous.is_some();
                Ok((device_id, Loaded { days: vec![record], truncated, meter, meter_version }))
            })
            .collect()
    }

    /// The days of a device from the one that holds the last read before `earliest` on, up to but without `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn days_from(
        &self,
        device_id: &str,
        earliest: i64,
        before: Option<Day>,
    ) -> Result<Loaded, Error> {
        let upper = before.map_or(doc! {}, |day| doc! { "$lt": document::date(day) });
        let mut filter = doc! { "device_id": device_id };
        if !upper.is_empty() {
            filter.insert("date", upper.clone());
        }
        let mut start = filter.clone();
        start.insert("first_read_at", doc! { "$lt": document::time(earliest) });
        let start = self.usage.find_one(start).sort(doc! { "date": -1 }).await?;
        if let Some(start) = &start {
            let mut range = upper;
            range.insert("$gte", start.date);
            filter.insert("date", range);
        }
        let stored: Vec<Stored> =
            self.usage.find(filter).sort(doc! { "date": 1 }).await?.try_collect().await?;
        let (meter, meter_version) = match stored.last() {
            Some(newest) => newest.meter()?,
            None => (document::NO_METER, i64::MIN),
        };
        let days = stored.into_iter().map(Stored::record).collect::<Result<_, _>>()?;
        Ok(Loaded { days, truncated: start.is_some(), meter, meter_version })
    }

    fn documents(&self) -> Collection<Document> {
        self.database.collection(WATER_USAGE)
    }
}
