//! Documents as the data model describes them and nothing more: days that another system has computed. Their figures stand;
//! what is missing is computed around them, and they are kept from then on as this service keeps its own.

use std::sync::Arc;

use bson::{Bson, Document, RawDocumentBuf};
use indowater_common::domain::facts::Owner;
use indowater_common::domain::meter::Unit;
use indowater_common::domain::step::MeterFacts;
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::mongo::number;
use mongodb::error::Error;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::document::Stored;
use crate::domain::day::{Carry, DayRecord, Figures, Flags, Pending, Quality, StoredReads};
use indowater_common::domain::reads::ReadSet;

/// Stands where no document says what the meter is; the registry's own facts take its place with the first reads.
pub const NO_METER: MeterFacts =
    MeterFacts { unit: Unit::Litre, wraps_at: 100_000_000_000, resolution: 1_000, q3_litres_per_hour: 2_500 };

/// A document of the collection.
pub enum Found {
    /// One of ours.
    Ours(Box<Stored>),
    /// One of another system.
    Imported(Box<Imported>),
}

/// A day that another system computed.
pub struct Imported {
    /// The `_id` of its document.
    pub id: Bson,
    /// `devices.id`.
    pub device_id: String,
    /// The day.
    pub record: DayRecord,
}

/// Reads a document that may be another system's: one of those that says too little is left out, and the log names it, for it
/// must not keep others from being read.
///
/// # Errors
/// It is one of ours, and is not as this service writes it.
pub fn read_or_pass(raw: &RawDocumentBuf, zone: &Zone) -> Result<Option<Found>, Error> {
    match read(raw, zone) {
        Ok(found) => Ok(Some(found)),
        Err(error) if raw.get("carry").is_ok_and(|carry| carry.is_none()) => {
            crate::observe::passed_over(&error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads a document.
///
/// # Errors
/// It says neither what this service nor what the data model needs: no device, no date.
pub fn read(raw: &RawDocumentBuf, zone: &Zone) -> Result<Found, Error> {
    if raw.get("carry").map_err(Error::custom)?.is_some() {
        let stored = bson::deserialize_from_slice(raw.as_bytes()).map_err(Error::custom)?;
        return Ok(Found::Ours(Box::new(stored)));
    }
    let document = Document::try_from(raw.as_ref()).map_err(Error::custom)?;
    let id = document.get("_id").cloned().unwrap_or(Bson::Null);
    let text = |field: &str| document.get_str(field).unwrap_or_default();
    let lacks = |field: &str| Error::custom(format!("the document {id} of water_usage has no {field}"));
    let device_id = document.get_str("device_id").map_err(|_| lacks("device_id"))?.to_owned();
    let date = document.get_datetime("date").map_err(|_| lacks("date"))?;
    let figure = |field: &str| document.get(field).and_then(number).unwrap_or_default();
    // Noise below a millilitre is a binary float's.
    let volume = figure("consumption").checked_mul(Decimal::from(1_000_000)).map(|volume| volume.round());
    let millis = |field: &str| document.get_datetime(field).map(|time| time.timestamp_millis());
    let record = DayRecord {
        day: zone.day_of(date.timestamp_millis().div_euclid(1_000)),
        owner: Arc::new(Owner {
            customer_id: text("customer_id").into(),
            property_id: text("property_id").into(),
            tariff_class: text("tariff_class").into(),
            billable: true,
        }),
        reads: ReadSet::default(),
        stored: StoredReads::default(),
        off_path: Box::default(),
        carry: Carry::default(),
        figures: Figures {
            volume: volume
                .and_then(|volume| volume.to_i64())
                .ok_or_else(|| lacks("consumption that a meter can count"))?,
            cost: figure("cost").normalize(),
            quality: Quality::Estimated,
            flags: Flags::IMPORTED,
            is_anomaly: document.get_bool("is_anomaly").unwrap_or_default(),
            complete: true,
            timestamp: millis("timestamp").unwrap_or(date.timestamp_millis()).div_euclid(1_000),
            ..Figures::default()
        },
        former_customers: Box::default(),
        withdrawn: Box::default(),
        counted: Default::default(),
        revision: 0,
        created_ms: millis("created_at").unwrap_or_default(),
        pending: Pending::Write,
    };
    Ok(Found::Imported(Box::new(Imported { id, device_id, record })))
}

/// Contiguous days of these records (by rising date): of two records of one day ours counts, of two imported ones the sum;
/// a day without one is empty and belongs to whom the day before belonged.
pub fn contiguous(records: Vec<DayRecord>) -> Vec<DayRecord> {
    let mut days: Vec<DayRecord> = Vec::with_capacity(records.len());
    for record in records {
        let Some(last) = days.last_mut() else {
            days.push(record);
            continue;
        };
        if record.day > last.day {
            let (owner, first) = (last.owner.clone(), last.day.0 + 1);
            days.extend((first..record.day.0).map(|day| DayRecord::empty(Day(day), owner.clone())));
            days.push(record);
        } else if last.is_imported() && last.revision == 0 && record.is_imported() && record.revision == 0 {
            last.figures.volume = last.figures.volume.saturating_add(record.figures.volume);
            last.figures.cost += record.figures.cost;
        } else if record.revision > 0 {
            *last = record;
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn imported(document: &Document) -> (DayRecord, String) {
        let zone = Zone::named("Asia/Jakarta").unwrap();
        match read(&RawDocumentBuf::try_from(document).unwrap(), &zone).unwrap() {
            Found::Imported(day) => (day.record, day.device_id),
            Found::Ours(_) => panic!("it is not ours"),
        }
    }

    fn day(consumption: impl Into<Bson>, date: &str) -> Document {
        let date: jiff::Timestamp = date.parse().unwrap();
        doc! {
            "_id": bson::oid::ObjectId::from_bytes([7; 12]), "id": "usage-0001", "device_id": "device-1",
            "customer_id": "customer-001", "property_id": "property-1", "consumption": consumption, "cost": 2_450.5,
            "date": bson::DateTime::from_millis(date.as_millisecond()), "reading_type": "automatic",
            "is_anomaly": true,
        }
    }

    #[test]
    fn figures_stand_as_they_came() {
        let (record, device_id) = imported(&day(0.1 + 0.2, "2025-10-13T00:00:00Z"));
        assert_eq!((&*device_id, record.day), ("device-1", Day::parse("2025-10-13").unwrap()));
        assert_eq!((record.figures.volume, record.figures.cost), (300_000, Decimal::new(24_505, 1)));
        assert!(record.is_imported() && record.figures.is_anomaly && record.figures.complete);
        assert_eq!(record.owner.customer_id.as_ref(), "customer-001");
    }

    #[test]
    fn numbers_of_every_kind_and_dates_at_local_midnight_are_read() {
        for number in [Bson::Double(2.0), Bson::Int32(2), Bson::Int64(2)] {
            let (record, _) = imported(&day(number, "2025-10-12T17:00:00Z"));
            assert_eq!((record.figures.volume, record.day.to_string().as_str()), (2_000_000, "2025-10-13"));
        }
        assert_eq!(imported(&day(1e-7, "2025-10-13T00:00:00Z")).0.figures.volume, 0);
    }

    #[test]
    fn days_between_are_filled_and_of_one_day_ours_counts() {
        let on = |date: &str| imported(&day(1.0, date)).0;
        let ours = DayRecord { revision: 3, ..on("2025-10-16T00:00:00Z") };
        let days = contiguous(vec![
            on("2025-10-13T00:00:00Z"),
            on("2025-10-13T05:00:00Z"),
            on("2025-10-16T00:00:00Z"),
            ours.clone(),
        ]);
        let volumes: Vec<i64> = days.iter().map(|day| day.figures.volume).collect();
        assert_eq!(volumes, [2_000_000, 0, 0, 1_000_000]);
        assert_eq!(days[3].revision, 3);
    }
}
