//! A daily record as a document: the fields of the data model, then what this service keeps besides (README.md).

use std::sync::Arc;

use bson::raw::cstr;
use bson::{Binary, DateTime, Decimal128, RawArrayBuf, rawdoc, spec::BinarySubtype};
use indowater_common::domain::meter::{Meter, Point, Unit};
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::mongo::{Guarded, from_decimal128, to_bson_time, to_decimal128};
use jiff::Timestamp;
use mongodb::error::Error;
use serde::Deserialize;

use crate::domain::day::{Carry, DayRecord, Facts, Figures, Flags, Pending, Quality};
use crate::domain::outlier::Recent;
use crate::domain::reads::ReadSet;
use crate::wire;

/// Stands where no document tells the meter; never used to judge a step.
pub const NO_METER: Meter = Meter { unit: Unit::Litre, digits: 8, q3_litres_per_hour: 2_500 };

/// What is read back.
#[derive(Debug, Deserialize)]
pub struct Stored {
    pub device_id: String,
    pub date: DateTime,
    customer_id: String,
    property_id: String,
    cost: Decimal128,
    timestamp: DateTime,
    is_anomaly: bool,
    created_at: DateTime,
    pub time_zone: String,
    tariff_class: String,
    registry_version: i64,
    unit: String,
    volume: i64,
    reverse_volume: i64,
    quality: String,
    error_bound: i64,
    flags: Vec<String>,
    complete: bool,
    revision: i64,
    reads: Binary,
    carry: StoredCarry,
    meter: StoredMeter,
    #[serde(default)]
    former_customer_ids: Vec<Box<str>>,
}

#[derive(Debug, Deserialize)]
struct StoredCarry {
    previous_at: Option<DateTime>,
    previous_register: Option<i64>,
    month_to_date: i64,
    recent: Binary,
    flowed: bool,
}

#[derive(Debug, Deserialize)]
struct StoredMeter {
    register_digits: u32,
    q3_litres_per_hour: u32,
    registry_version: i64,
}

/// A local day as the data model stores a date: its calendar date at 00:00 UTC.
pub fn date(day: Day) -> DateTime {
    time(day.utc_midnight())
}

/// Seconds since the epoch as a date and time.
pub fn time(at: i64) -> DateTime {
    DateTime::from_millis(at.saturating_mul(1_000))
}

const QUALITIES: [(Quality, &str); 3] = [
    (Quality::Measured, "measured"),
    (Quality::Interpolated, "interpolated"),
    (Quality::Estimated, "estimated"),
];

fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// What a document says of the device besides its day.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// `devices.id`.
    pub device_id: &'a str,
    /// The meter.
    pub meter: &'a Meter,
    /// Registry version the meter's facts are from.
    pub meter_version: i64,
    /// The property's zone.
    pub zone: &'a Zone,
}

pub fn guarded(owner: Owner<'_>, record: &DayRecord, now: Timestamp) -> Guarded {
    let Owner { device_id, meter, meter_version, zone } = owner;
    let id = wire::record_id(device_id, record);
    let DayRecord { figures, carry, facts, .. } = record;
    let created = if record.created_ms == 0 { now.as_millisecond() } else { record.created_ms };
    let quality =
        QUALITIES.iter().find(|(quality, _)| *quality == figures.quality).map_or("", |(_, name)| name);
    let mut flags = RawArrayBuf::new();
    figures.flags.names().for_each(|name| flags.push(name));
    let mut document = rawdoc! {
        "_id": id.as_str(),
        "id": id.as_str(),
        "device_id": device_id,
        "customer_id": &*facts.customer_id,
        "property_id": &*facts.property_id,
        "date": date(record.day),
        "consumption": to_decimal128(meter.unit.cubic_metres(figures.volume)),
        "cost": to_decimal128(figures.cost),
        "timestamp": time(figures.timestamp),
        "reading_type": if record.is_manual() { "manual" } else { "automatic" },
        "is_anomaly": figures.is_anomaly,
        "created_at": DateTime::from_millis(created),
        "updated_at": to_bson_time(now),
        "revision": record.revision + 1,
        "time_zone": zone.name(),
        "tariff_class": &*facts.tariff_class,
        "registry_version": facts.version,
        "unit": meter.unit.name(),
        "volume": figures.volume,
        "reverse_volume": figures.reverse,
        "quality": quality,
        "error_bound": figures.error_bound,
        "flags": flags,
        "complete": figures.complete,
        "reads_count": i32::try_from(record.reads.iter().count()).unwrap_or(i32::MAX),
        "reads": binary(record.reads.bytes()),
        "carry": carry_document(carry),
        "meter": {
            "register_digits": i64::from(meter.digits),
            "q3_litres_per_hour": i64::from(meter.q3_litres_per_hour),
            "registry_version": meter_version,
        },
    };
    if let Some(first) = record.reads.iter().next() {
        document.append(cstr!("first_read_at"), time(first.point.at));
    }
    if !record.former_customers.is_empty() {
        let former = record.former_customers.iter().map(|id| &**id);
        document.append(cstr!("former_customer_ids"), former.collect::<RawArrayBuf>());
    }
    Guarded { id, replaces: record.revision, document }
}

fn carry_document(carry: &Carry) -> bson::RawDocumentBuf {
    let mut document = rawdoc! {
        "month_to_date": carry.month_to_date,
        "recent": binary(carry.recent.bytes()),
        "flowed": carry.flowed,
    };
    if let Some(previous) = carry.previous {
        document.append(cstr!("previous_at"), time(previous.at));
        document.append(cstr!("previous_register"), previous.register);
    }
    document
}

impl Stored {
    /// The meter's facts and the registry version they are from.
    ///
    /// # Errors
    /// A document that this service did not write.
    pub fn meter(&self) -> Result<(Meter, i64), Error> {
        let unit = Unit::named(&self.unit).ok_or_else(|| self.foreign("unit"))?;
        let StoredMeter { register_digits, q3_litres_per_hour, registry_version } = self.meter;
        Ok((Meter { unit, digits: register_digits, q3_litres_per_hour }, registry_version))
    }

    /// The record.
    ///
    /// # Errors
    /// A document that this service did not write.
    pub fn record(self) -> Result<DayRecord, Error> {
        let quality = QUALITIES.iter().find(|(_, name)| *name == self.quality);
        let quality = quality.map(|(quality, _)| *quality).ok_or_else(|| self.foreign("quality"))?;
        let cost = from_decimal128(self.cost).ok_or_else(|| self.foreign("cost"))?;
        let day = i32::try_from(self.date.timestamp_millis().div_euclid(86_400_000));
        let day = Day(day.map_err(|_| self.foreign("date"))?);
        let flags = self.flags.iter().filter_map(|name| Flags::named(name));
        let flags = flags.fold(Flags::default(), Flags::and);
        let seconds = |time: DateTime| time.timestamp_millis().div_euclid(1_000);
        let previous = self.carry.previous_at.zip(self.carry.previous_register);
        Ok(DayRecord {
            day,
            facts: Arc::new(Facts {
                version: self.registry_version,
                customer_id: self.customer_id.into(),
                property_id: self.property_id.into(),
                tariff_class: self.tariff_class.into(),
            }),
            reads: ReadSet::from_bytes(self.reads.bytes),
            carry: Carry {
                previous: previous.map(|(at, register)| Point { at: seconds(at), register }),
                month_to_date: self.carry.month_to_date,
                recent: Recent::from_bytes(self.carry.recent.bytes),
                flowed: self.carry.flowed,
            },
            figures: Figures {
                volume: self.volume,
                reverse: self.reverse_volume,
                cost,
                quality,
                error_bound: self.error_bound,
                flags,
                is_anomaly: self.is_anomaly,
                complete: self.complete,
                timestamp: seconds(self.timestamp),
            },
            former_customers: self.former_customer_ids.into(),
            revision: self.revision,
            created_ms: self.created_at.timestamp_millis(),
            pending: Pending::Nothing,
        })
    }

    fn foreign(&self, field: &str) -> Error {
        Error::custom(format!(
            "water_usage of {} on {}: {field} is not as this service writes it",
            self.device_id, self.date
        ))
    }
}
