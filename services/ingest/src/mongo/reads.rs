//! What telemetry reads and writes: devices by the identifier on the meter, and their last readings.
//!
//! The write may be repeated: a last reading is written only over an older one, so an instance that lost its partition
//! without knowing overwrites nothing newer.

use std::collections::HashMap;

use bson::raw::{RawDocumentBuf, cstr};
use bson::{DateTime, Document, doc, rawdoc};
use futures::TryStreamExt;
use indowater_common::mongo::{to_decimal128, update};
use mongodb::error::Error;
use mongodb::{Collection, Database};

use super::adopt::adopt;
use super::devices::with_serials;
use super::documents::DeviceDocument;
use super::registry::read;
use crate::domain::latest::{Latest, Sighting};
use crate::domain::registry::Device;

/// The collections as telemetry needs them. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    database: Database,
    devices: Collection<RawDocumentBuf>,
}

impl Reads {
    /// On the database of ingest.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone(), devices: database.collection("devices") }
    }

    /// The devices that have or had meters with these identifiers, in any spelling; those that are not enrolled are left
    /// out. A document of an older system is taken over first, for a last reading is written by `_id`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn devices(&self, device_ids: &[&str]) -> Result<Vec<Device>, Error> {
        let mut found = Vec::with_capacity(device_ids.len());
        let mut cursor = self.devices.find(doc! { "$or": with_serials(device_ids) }).await?;
        while let Some(document) = cursor.try_next().await? {
            // One spoilt document must not stop a partition.
            let Some(device) = read::<DeviceDocument, Device>("devices", &document) else { continue };
            if document.get("device_key").ok().flatten().is_some() {
                found.push(device);
            } else {
                adopt(&self.database, Document::try_from(document)?).await?;
                found.extend(self.one(&device.id).await?);
            }
        }
        Ok(found)
    }

    async fn one(&self, id: &str) -> Result<Option<Device>, Error> {
        let document = self.devices.find_one(doc! { "id": id }).await?;
        Ok(document.and_then(|document| read::<DeviceDocument, Device>("devices", &document)))
    }

    /// Identifiers that are enrolled, by what their misspellings have in common, for those that are asked for.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn alike(&self, wanted: &[String]) -> Result<HashMap<String, String>, Error> {
        let mut found = HashMap::new();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).filter(|alike| !alike.is_empty()).collect();
        if wanted.is_empty() {
            return Ok(found);
        }
        let most = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
        let fields = doc! { "_id": 0, "device_alike": 1, "device_id": 1 };
        let query =
            self.devices.find(doc! { "device_alike": { "$in": wanted } }).projection(fields).limit(most);
        let mut cursor = query.await?;
        while let Some(document) = cursor.try_next().await? {
            let text = |field| document.get_str(field).map(str::to_owned);
            if let (Ok(alike), Ok(device_id)) = (text("device_alike"), text("device_id")) {
                found.insert(alike, device_id);
            }
        }
        Ok(found)
    }

    /// Writes the last readings that are newer than those written.
    ///
    /// # Errors
    /// The database does not answer. Writing all again is safe.
    pub async fn write_latest(&self, latest: &Latest) -> Result<(), Error> {
        let mut sightings: Vec<_> = latest.iter().collect();
        // Neighbours in the collection are cheaper one after the other.
        sightings.sort_unstable_by_key(|(id, _)| *id);
        self.update("devices", sightings.into_iter().map(|(id, sighting)| last_reading(id, sighting))).await
    }

    async fn update(
        &self,
        collection: &str,
        statements: impl Iterator<Item = RawDocumentBuf>,
    ) -> Result<(), Error> {
        let refusals = update(&self.database, collection, statements.collect()).await?;
        refusals.into_iter().next().map_or(Ok(()), |refusal| {
            Err(Error::custom(format!("{collection} could not be written: {}", refusal.message)))
        })
    }
}

fn last_reading(id: &str, sighting: &Sighting) -> RawDocumentBuf {
    let read_at = time(sighting.read.at);
    let mut set = rawdoc! {
        "last_reading": to_decimal128(sighting.unit.cubic_metres(sighting.read.register)),
        "last_reading_date": read_at,
        "last_seen_at": time(sighting.seen_at),
    };
    if let Some(percent) = sighting.battery_percent {
        set.append(cstr!("battery_percent"), i64::from(percent));
    }
    if let Some(dbm) = sighting.rssi_dbm {
        set.append(cstr!("rssi_dbm"), dbm);
    }
    // Found by `_id` alone and guarded in the update, it costs two thirds of one that is guarded in its filter. A device
    // without a last reading compares as older.
    let is_newer = rawdoc! { "$lt": ["$last_reading_date", read_at] };
    let seen = rawdoc! { "$mergeObjects": ["$$ROOT", { "$literal": set }] };
    rawdoc! {
        "q": { "_id": id },
        "u": [{ "$replaceWith": { "$cond": [is_newer, seen, "$$ROOT"] } }],
    }
}

fn time(seconds: i64) -> DateTime {
    DateTime::from_millis(seconds.saturating_mul(1_000))
}
