//! The condition of devices, as documents of `device_conditions`, and which devices are overdue.

use bson::{DateTime, Document, doc};
use futures::TryStreamExt;
use indowater_common::domain::zone::Day;
use indowater_common::mongo::{seconds, time};
use mongodb::error::Error;
use serde::Deserialize;

use super::{ById, CONDITIONS, Store, WEEKS};
use crate::domain::condition::{Condition, DeviceCondition};

#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "_id")]
    device_id: String,
    customer_id: String,
    property_id: String,
    is_offline: bool,
    last_seen: DateTime,
    rhythm: i64,
    is_battery_low: bool,
    #[serde(default)]
    battery_percent: Option<i32>,
    #[serde(default)]
    empty_on: Option<DateTime>,
    is_signal_weak: bool,
    #[serde(default)]
    rssi_dbm: Option<i32>,
    revision: i64,
}

/// The document of a condition, as its next revision.
pub fn document(told: &DeviceCondition, now: DateTime) -> Document {
    let condition = &told.condition;
    doc! {
        "_id": &told.device_id,
        "customer_id": &told.customer_id,
        "property_id": &told.property_id,
        "is_offline": condition.is_offline,
        "last_seen": time(condition.last_seen),
        "rhythm": condition.rhythm,
        "is_battery_low": condition.is_battery_low,
        "battery_percent": condition.battery.map(i32::from),
        "empty_on": condition.empty_on.map(|day| time(day.utc_midnight())),
        "is_signal_weak": condition.is_signal_weak,
        "rssi_dbm": condition.rssi.map(i32::from),
        "revision": told.revision + 1,
        "updated_at": now,
    }
}

impl Stored {
    fn condition(self) -> DeviceCondition {
        let day =
            self.empty_on.map(|at| seconds(at).div_euclid(86_400)).and_then(|day| i32::try_from(day).ok());
        let condition = Condition {
            is_offline: self.is_offline,
            last_seen: seconds(self.last_seen),
            rhythm: self.rhythm,
            is_battery_low: self.is_battery_low,
            battery: self.battery_percent.and_then(|percent| u8::try_from(percent).ok()),
            empty_on: day.map(Day),
            is_signal_weak: self.is_signal_weak,
            rssi: self.rssi_dbm.and_then(|dbm| i16::try_from(dbm).ok()),
        };
        let Self { device_id, customer_id, property_id, revision, .. } = self;
        DeviceCondition { device_id, customer_id, property_id, condition, revision }
    }
}

impl Store {
    /// How these devices were when that was last told.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn conditions(&self, devices: &[&str]) -> Result<ById<DeviceCondition>, Error> {
        self.by_id(CONDITIONS, devices, Stored::condition).await
    }

    /// Has devices looked for no more until they are heard: what is kept of them cannot be read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_due(&self, devices: &[&str]) -> Result<(), Error> {
        let due = doc! { "device_id": { "$in": devices }, "due_at": { "$exists": true } };
        self.documents(WEEKS).update_many(due, doc! { "$unset": { "due_at": "" } }).await.map(drop)
    }

    /// Devices of a partition of readings that should have been heard before a moment and are not known to be silent, at most so
    /// many, the longest overdue first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn overdue(&self, partition: i32, now: i64, most: i64) -> Result<Vec<String>, Error> {
        let overdue = doc! { "partition": partition, "due_at": { "$lt": time(now) } };
        let weeks = self.documents(WEEKS);
        let found = weeks.find(overdue).sort(doc! { "due_at": 1 }).limit(most);
        let found: Vec<Document> = found.projection(doc! { "device_id": 1 }).await?.try_collect().await?;
        Ok(found.iter().filter_map(|week| week.get_str("device_id").ok().map(str::to_owned)).collect())
    }
}
