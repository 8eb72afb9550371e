//! The database's edge: the collection `water_usage`.

mod document;
mod imported;
mod parts;
mod query;

use std::collections::HashMap;

use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use indowater_common::domain::facts::Timeline;
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::mongo::{Guarded, time, write_guarded};
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::{Collection, Database};

use crate::domain::day::DayRecord;
use imported::Found;

use document::Stored;

pub use document::OfDevice;

const WATER_USAGE: &str = "water_usage";

/// The daily records. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    usage: Collection<RawDocumentBuf>,
}

/// Documents of another system, which records of ours replace.
#[derive(Default)]
pub struct Replaced(Vec<Bson>);

impl Replaced {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes others in.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

/// Why days could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The database does not answer.
    Database(Error),
    /// A document of ours cannot be read, and no repetition mends it.
    Spoilt(String),
}

impl From<Error> for LoadError {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl LoadError {
    fn spoilt(raw: &RawDocumentBuf, error: &Error) -> Self {
        let id = raw.get("_id").ok().flatten().map_or(Bson::Null, |id| id.try_into().unwrap_or(Bson::Null));
        Self::Spoilt(format!("the document {id} of {WATER_USAGE} cannot be read, mend or remove it: {error}"))
    }
}

/// Days of one device as they are stored.
#[derive(Default)]
pub struct Loaded {
    /// Contiguous, oldest first.
    pub days: Vec<DayRecord>,
    /// Whether there are older ones.
    pub truncated: bool,
    /// What the registry said when the newest of them was written.
    pub timeline: Option<Timeline>,
    /// Documents of another system that the records replace.
    pub imported: Replaced,
    /// The first day of what may have been written and not published before a crash.
    pub unpublished_from: Option<Day>,
}

impl Loaded {
    /// Adds the document of a later day.
    fn take(&mut self, raw: &RawDocumentBuf, zone: &Zone) -> Result<(), Error> {
        match imported::read_or_pass(raw, zone)? {
            None => {}
            Some(Found::Ours(stored)) => {
                let unpublished = [self.unpublished_from, stored.unpublished_from()];
                self.unpublished_from = unpublished.into_iter().flatten().min();
                self.timeline = Some(stored.timeline()?);
                self.days.push(stored.record()?);
            }
            Some(Found::Imported(day)) => {
                self.imported.0.push(day.id);
                self.days.push(day.record);
            }
        }
        Ok(())
    }
}

impl Store {
    /// On that database.
    pub fn new(database: Database) -> Self {
        Self { usage: database.collection(WATER_USAGE), database }
    }

    /// The document of a record that has to be written: its next revision, guarded by the one it replaces.
    pub fn document(device: OfDevice<'_>, record: &DayRecord, now: Timestamp) -> Guarded {
        document::guarded(device, record, now)
    }

    /// Writes records; returns the indexes of those somebody else has written since we read them.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn write(&self, documents: &[Guarded]) -> Result<Vec<usize>, Error> {
        write_guarded(&self.database, WATER_USAGE, documents).await
    }

    /// Notes with the newest stored day of a device that its days from `from` on are about to be written, and have to be
    /// published then: whoever loads it after a crash does both again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn announce(&self, id: &str, from: Day) -> Result<(), Error> {
        let mark = doc! { "$set": { document::UNPUBLISHED_FROM: document::date(from) } };
        self.usage.update_one(doc! { "_id": id }, mark).await.map(drop)
    }

    /// Notes that nothing of a device waits to be published any more.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn published(&self, device_id: &str) -> Result<(), Error> {
        let marked = doc! { "device_id": device_id, document::UNPUBLISHED_FROM: { "$exists": true } };
        self.usage.update_many(marked, doc! { "$unset": { document::UNPUBLISHED_FROM: "" } }).await.map(drop)
    }

    /// Removes documents of another system, once the records that replace them are stored.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn remove(&self, replaced: &Replaced) -> Result<(), Error> {
        if !replaced.is_empty() {
            self.usage.delete_many(doc! { "_id": { "$in": &replaced.0 } }).await?;
        }
        Ok(())
    }

    /// The last day of each of these devices, where there is one, with the zone it is in; whole histories where the last day
    /// is another system's.
    ///
    /// Sorted and grouped like the index (device, date falling), the first of each group is one look-up. Of a device whose
    /// documents cannot be read it says why.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn last_days(
        &self,
        devices: &HashMap<&str, &Zone>,
    ) -> Result<HashMap<Box<str>, Result<Loaded, String>>, Error> {
        let ids: Vec<&str> = devices.keys().copied().collect();
        let last = [
            doc! { "$match": { "device_id": { "$in": ids } } },
            doc! { "$sort": { "device_id": 1, "date": -1 } },
            doc! { "$group": { "_id": "$device_id", "last": { "$first": "$$ROOT" } } },
            doc! { "$replaceWith": "$last" },
        ];
        let found: Vec<RawDocumentBuf> =
            self.usage.aggregate(last).with_type::<RawDocumentBuf>().await?.try_collect().await?;
        let mut tails = HashMap::with_capacity(found.len());
        for raw in found {
            let Some((id, zone)) = named(&raw).and_then(|id| devices.get_key_value(id)) else { continue };
            let tail = match imported::read(&raw, zone) {
                Ok(Found::Ours(stored)) => tail(*stored).map_err(|error| LoadError::spoilt(&raw, &error)),
                // Another system's, or one that nobody can read: the whole history says what there is.
                _ => self.days_from(id, zone, i64::MIN, None).await,
            };
            let tail = match tail {
                Ok(tail) => Ok(tail),
                Err(LoadError::Spoilt(why)) => Err(why),
                Err(LoadError::Database(error)) => return Err(error),
            };
            tails.insert(Box::from(*id), tail);
        }
        Ok(tails)
    }

    /// The days of a device from the one that holds the last read before `earliest` on, up to but without `before`.
    ///
    /// # Errors
    /// The database does not answer, or a document of ours cannot be read.
    pub async fn days_from(
        &self,
        device_id: &str,
        zone: &Zone,
        earliest: i64,
        before: Option<Day>,
    ) -> Result<Loaded, LoadError> {
        let upper = before.map_or(doc! {}, |day| doc! { "$lt": document::date(day) });
        let mut filter = doc! { "device_id": device_id };
        if !upper.is_empty() {
            filter.insert("date", upper.clone());
        }
        let mut start = filter.clone();
        start.insert("first_read_at", doc! { "$lt": time(earliest) });
        let start = self.usage.find_one(start).sort(doc! { "date": -1 }).await?;
        let start = start.as_ref().and_then(|start| start.get_datetime("date").ok());
        if let Some(start) = start {
            let mut range = upper;
            range.insert("$gte", start);
            filter.insert("date", range);
        }
        let found: Vec<RawDocumentBuf> =
            self.usage.find(filter).sort(doc! { "date": 1 }).await?.try_collect().await?;
        let mut loaded = Loaded { truncated: start.is_some(), ..Loaded::default() };
        for raw in &found {
            loaded.take(raw, zone).map_err(|error| LoadError::spoilt(raw, &error))?;
        }
        loaded.days.sort_by_key(|record| record.day);
        loaded.days = imported::contiguous(loaded.days);
        Ok(loaded)
    }

    fn documents(&self) -> Collection<Document> {
        self.database.collection(WATER_USAGE)
    }
}

/// The last day, alone.
fn tail(stored: Stored) -> Result<Loaded, Error> {
    let unpublished_from = stored.unpublished_from();
    let timeline = Some(stored.timeline()?);
    let record = stored.record()?;
    let truncated = record.carry.previous.is_some() || record.carry.recent != Default::default();
    Ok(Loaded { days: vec![record], truncated, timeline, imported: Replaced::default(), unpublished_from })
}

fn named(raw: &RawDocumentBuf) -> Option<&str> {
    raw.get_str("device_id").ok()
}
