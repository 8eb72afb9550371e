//! What telemetry reads and writes: devices by the identifier on the meter, their last readings, and work orders for
//! registers that jumped back.
//!
//! Both writes may be repeated: a last reading is written only over an older one, so an instance that lost its
//! partition without knowing overwrites nothing newer, and a work order is inserted once.

use std::collections::HashMap;

use bson::raw::{RawDocumentBuf, cstr};
use bson::{DateTime, doc, rawdoc};
use futures::TryStreamExt;
use indowater_common::mongo::{to_decimal128, update};
use mongodb::error::Error;
use mongodb::{Collection, Database};

use super::documents::DeviceDocument;
use crate::domain::exchange::WorkOrder;
use crate::domain::latest::{Latest, Sighting};
use crate::domain::registry::Device;
use crate::observe;

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

    /// The devices with these identifiers on their meters, given as they are compared, with how they were written; those
    /// that are not enrolled are left out. A device that an older system wrote is found as it is written; it stands
    /// before one that is found by what is compared.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn devices(&self, wanted: &HashMap<&str, &str>) -> Result<Vec<Device>, Error> {
        let (keys, written): (Vec<&str>, Vec<&str>) = wanted.iter().unzip();
        let older = doc! { "device_id": { "$in": written }, "device_key": { "$exists": false } };
        let (mut found, mut keyed) = (Vec::with_capacity(wanted.len()), Vec::with_capacity(wanted.len()));
        let filter = doc! { "$or": [{ "device_key": { "$in": keys } }, older] };
        let mut cursor = self.devices.find(filter).await?;
        while let Some(document) = cursor.try_next().await? {
            let is_keyed = document.get("device_key").is_ok_and(|key| key.is_some());
            let device = bson::deserialize_from_slice::<DeviceDocument>(document.as_bytes());
            match device
                .map_err(|error| error.to_string())
                .and_then(|d| Device::try_from(d).map_err(|e| e.to_string()))
            {
                Ok(device) if is_keyed => keyed.push(device),
                Ok(device) => found.push(device),
                // One spoilt document must not stop a partition.
                Err(error) => observe::document_unreadable("devices", &error),
            }
        }
        found.append(&mut keyed);
        Ok(found)
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

    /// Inserts the work orders that are not there yet.
    ///
    /// # Errors
    /// The database does not answer. Inserting all again is safe.
    pub async fn raise(&self, orders: &[WorkOrder]) -> Result<(), Error> {
        self.update("work_orders", orders.iter().map(work_order)).await
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

fn work_order(order: &WorkOrder) -> RawDocumentBuf {
    let raised_at = time(order.raised_at);
    rawdoc! {
        "q": { "_id": order.id.as_str() },
        "u": { "$setOnInsert": {
            "id": order.id.as_str(),
            "title": order.title.as_str(),
            "description": order.description.as_str(),
            "property_id": order.property_id.as_str(),
            "customer_id": order.customer_id.as_str(),
            "device_id": order.device_id.as_str(),
            "priority": "high",
            "status": "pending",
            "created_at": raised_at,
            "updated_at": raised_at,
        } },
        "upsert": true,
    }
}

fn time(seconds: i64) -> DateTime {
    DateTime::from_millis(seconds.saturating_mul(1_000))
}
