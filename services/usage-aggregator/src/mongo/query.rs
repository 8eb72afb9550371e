//! Questions people ask: pages of days, months, and the reads themselves.

use bson::{Document, doc};
use futures::TryStreamExt;
use indowater_common::domain::meter::{Meter, Point};
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::mongo::from_decimal128;
use mongodb::error::Error;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::document::{self, Stored};
use super::Store;
use crate::domain::day::DayRecord;

/// Whose records, which days, and where the page starts.
#[derive(Clone, Debug)]
pub struct Filter {
    /// `device_id`, `property_id` or `customer_id`.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// First day.
    pub from: Day,
    /// Last day, inclusive.
    pub to: Day,
    /// Oldest first.
    pub ascending: bool,
    /// Records of a page.
    pub page: i64,
    /// The last one of the page before.
    pub after: Option<PageToken>,
}

/// The place of a record in the order of days, then ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// Its day (of a month: the first).
    pub day: Day,
    /// Its id (of a month: the device).
    pub id: String,
}

/// A stored record and what it takes to show it.
pub struct Found {
    /// `devices.id`.
    pub device_id: String,
    /// The record.
    pub record: DayRecord,
    /// The property's zone.
    pub zone: Zone,
    /// The meter.
    pub meter: Meter,
}

/// The records of one device in one month, added up.
pub struct Month {
    /// `devices.id`.
    pub device_id: String,
    /// `users.id` of the newest day.
    pub customer_id: String,
    /// `properties.id` of the newest day.
    pub property_id: String,
    /// Its first day.
    pub month: Day,
    /// m3.
    pub consumption: Decimal,
    /// Rupiah.
    pub cost: Decimal,
    /// Days with a record.
    pub days: u32,
    /// Of these, estimated.
    pub estimated: u32,
    /// Of these, anomalous.
    pub anomalous: u32,
}

impl Filter {
    fn direction(&self) -> (i32, &'static str) {
        if self.ascending { (1, "$gt") } else { (-1, "$lt") }
    }

    fn range(&self) -> Document {
        let dates = doc! { "$gte": document::date(self.from), "$lte": document::date(self.to) };
        doc! { self.field: &self.value, "date": dates }
    }

    /// What comes after the token in the order of `day` and `id`.
    fn beyond(&self, day: &str, id: &str) -> Document {
        let Some(after) = &self.after else { return doc! {} };
        let (_, beyond) = self.direction();
        let date = document::date(after.day);
        doc! { "$or": [{ day: { beyond: date } }, { day: date, id: { beyond: &after.id } }] }
    }
}

impl Store {
    /// A page of days.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn days(&self, filter: &Filter) -> Result<Vec<Found>, Error> {
        let (direction, _) = filter.direction();
        let wanted = doc! { "$and": [filter.range(), filter.beyond("date", "_id")] };
        let order = doc! { "date": direction, "_id": direction };
        let stored: Vec<Stored> =
            self.usage.find(wanted).sort(order).limit(filter.page).await?.try_collect().await?;
        stored.into_iter().map(Stored::found).collect()
    }

    /// The first read of a device after a day.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn first_read_after(&self, device_id: &str, day: Day) -> Result<Option<Point>, Error> {
        let later = doc! {
            "device_id": device_id,
            "date": { "$gt": document::date(day) },
            "reads_count": { "$gt": 0 },
        };
        let found = self.usage.find_one(later).sort(doc! { "date": 1 }).await?;
        let record = found.map(Stored::record).transpose()?;
        Ok(record.and_then(|record| record.reads.effective().next()).map(|read| read.point))
    }

    /// The days of a device with reads, newest first, that start before `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn days_with_reads(&self, device_id: &str, before: i64, many: i64) -> Result<Vec<Found>, Error> {
        let wanted = doc! {
            "device_id": device_id,
            "reads_count": { "$gt": 0 },
            "first_read_at": { "$lt": document::time(before) },
        };
        let stored: Vec<Stored> =
            self.usage.find(wanted).sort(doc! { "date": -1 }).limit(many).await?.try_collect().await?;
        stored.into_iter().map(Stored::found).collect()
    }

    /// A page of months.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn months(&self, filter: &Filter) -> Result<Vec<Month>, Error> {
        let (direction, _) = filter.direction();
        let count = |condition: Document| doc! { "$sum": { "$cond": [condition, 1, 0] } };
        let stages = [
            doc! { "$match": filter.range() },
            doc! { "$sort": { "date": 1 } },
            doc! { "$group": {
                "_id": { "month": { "$dateTrunc": { "date": "$date", "unit": "month" } }, "device": "$device_id" },
                "customer_id": { "$last": "$customer_id" },
                "property_id": { "$last": "$property_id" },
                "consumption": { "$sum": "$consumption" },
                "cost": { "$sum": "$cost" },
                "days": { "$sum": 1 },
                "estimated": count(doc! { "$eq": ["$quality", "estimated"] }),
                "anomalous": count(doc! { "$eq": ["$is_anomaly", true] }),
            } },
            doc! { "$match": filter.beyond("_id.month", "_id.device") },
            doc! { "$sort": { "_id.month": direction, "_id.device": direction } },
            doc! { "$limit": filter.page },
        ];
        let months: Vec<Grouped> =
            self.documents().aggregate(stages).with_type::<Grouped>().await?.try_collect().await?;
        months.into_iter().map(Grouped::month).collect()
    }
}

impl Stored {
    fn found(self) -> Result<Found, Error> {
        let (meter, _) = self.meter()?;
        let zone = Zone::named(&self.time_zone)
            .ok_or_else(|| Error::custom(format!("water_usage names an unknown zone {}", self.time_zone)))?;
        let device_id = self.device_id.clone();
        Ok(Found { device_id, record: self.record()?, zone, meter })
    }
}

#[derive(Deserialize)]
struct Grouped {
    #[serde(rename = "_id")]
    of: MonthOfDevice,
    customer_id: String,
    property_id: String,
    consumption: bson::Decimal128,
    cost: bson::Decimal128,
    days: i64,
    estimated: i64,
    anomalous: i64,
}

#[derive(Deserialize)]
struct MonthOfDevice {
    month: bson::DateTime,
    device: String,
}

impl Grouped {
    fn month(self) -> Result<Month, Error> {
        let decimal = |value| from_decimal128(value).ok_or_else(|| Error::custom("a sum is beyond any decimal"));
        let day = i32::try_from(self.of.month.timestamp_millis().div_euclid(86_400_000));
        let count = |days| u32::try_from(days).unwrap_or(u32::MAX);
        Ok(Month {
            device_id: self.of.device,
            customer_id: self.customer_id,
            property_id: self.property_id,
            month: Day(day.map_err(Error::custom)?),
            consumption: decimal(self.consumption)?,
            cost: decimal(self.cost)?.normalize(),
            days: count(self.days),
            estimated: count(self.estimated),
            anomalous: count(self.anomalous),
        })
    }
}
