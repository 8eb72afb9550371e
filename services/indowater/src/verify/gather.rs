//! What an audit looks at: the readings and dead letters of the topics, and the stored daily records.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use anyhow::{Context as _, Result};
use bson::{DateTime, Decimal128, doc};
use futures::TryStreamExt as _;
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::mongo::from_decimal128;
use indowater_common::wire;
use indowater_proto::billing::v1::TariffSchedule;
use indowater_proto::readings::v1::{DeadLetter, ReadSource, Readings};
use indowater_proto::telemetry::v1::RegisterUnit;
use indowater_proto::topics::{DEAD_LETTERS, READINGS, TARIFFS, TELEMETRY};
use mongodb::Database;
use prost::Message as _;
use rdkafka::Message as _;
use serde::Deserialize;

use super::oracle::{Accepted, Device, Meter};
use super::outcomes::{Closed, Outcomes};
use super::usage::Stored;
use crate::topic::{Extent, Reader};

/// What the topics say.
#[derive(Default)]
pub struct Told {
    /// Devices by `devices.id`.
    pub devices: HashMap<String, Device>,
    /// What became of the telemetry.
    pub outcomes: Closed,
    /// Whether the topic of readings still has its first record.
    pub whole: bool,
    /// Records of the readings topic that make no sense, by partition and offset, and why.
    pub senseless: Vec<(i32, i64, String)>,
}

/// Reads the topics. `applied` is what of the readings is applied for certain, `received` what of the telemetry ingest
/// says is done with. It blocks.
///
/// # Errors
/// The broker does not answer.
pub fn topics(
    reader: &Reader,
    prefix: &str,
    applied: &BTreeMap<i32, i64>,
    received: &Extent,
) -> Result<Told> {
    let mut told = Told::default();
    let mut outcomes = Outcomes::over(received);
    let readings = READINGS.name(prefix);
    let extent = reader.extent(&readings)?;
    told.whole = extent.values().all(|(low, _)| *low == 0);
    reader.read(&readings, &extent, |record| {
        let understood = record
            .payload()
            .ok_or("it is empty".to_owned())
            .and_then(|payload| Readings::decode(payload).map_err(|error| error.to_string()));
        let is_applied =
            applied.get(&record.partition()).is_some_and(|committed| record.offset() < *committed);
        let taken = understood.and_then(|message| {
            if message.source() == ReadSource::Telemetry {
                outcomes.accepted(message.telemetry_partition, message.telemetry_offset);
            }
            take(&mut told.devices, message, is_applied)
        });
        if let Err(why) = taken {
            told.senseless.push((record.partition(), record.offset(), why));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let (dead_letters, telemetry) = (DEAD_LETTERS.name(prefix), TELEMETRY.name(prefix));
    reader.read(&dead_letters, &reader.extent(&dead_letters)?, |record| {
        let letter = DeadLetter::decode(record.payload().unwrap_or_default());
        let letter = letter.with_context(|| {
            format!("{dead_letters} {}:{} is no dead letter", record.partition(), record.offset())
        })?;
        if letter.topic == telemetry {
            outcomes.dead(letter.partition, letter.offset);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    told.outcomes = outcomes.close();
    told.outcomes.neither = existing(reader, &telemetry, std::mem::take(&mut told.outcomes.neither))?;
    Ok(told)
}

/// Reads the tariffs that were published last; a class without any has those that the platform comes with. It blocks.
///
/// # Errors
/// The broker does not answer, or a tariff makes no sense.
pub fn tariffs(reader: &Reader, prefix: &str) -> Result<TariffBook> {
    let (mut book, topic) = (TariffBook::built_in(), TARIFFS.name(prefix));
    reader.read(&topic, &reader.extent(&topic)?, |record| {
        let schedule = TariffSchedule::decode(record.payload().unwrap_or_default())?;
        book = book.with(&schedule.class, wire::versions(&schedule).map_err(anyhow::Error::msg)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(book)
}

/// Those of the offsets that hold a record: a producer's transactions and retention leave offsets without one.
fn existing(reader: &Reader, topic: &str, offsets: Vec<(i32, i64)>) -> Result<Vec<(i32, i64)>> {
    let mut extent = Extent::new();
    for (partition, offset) in &offsets {
        let bounds = extent.entry(*partition).or_insert((*offset, *offset));
        bounds.1 = offset + 1;
    }
    let wanted: std::collections::HashSet<(i32, i64)> = offsets.into_iter().collect();
    let mut found = Vec::new();
    reader.read(topic, &extent, |record| {
        let place = (record.partition(), record.offset());
        if wanted.contains(&place) {
            found.push(place);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Adds the reads of one record to its device.
fn take(devices: &mut HashMap<String, Device>, message: Readings, is_applied: bool) -> Result<(), String> {
    let meter = message.meter.ok_or("it has no meter")?;
    let per_litre = match meter.unit() {
        RegisterUnit::Litre => 1,
        RegisterUnit::Millilitre => 1_000,
        RegisterUnit::Unspecified => return Err("its meter has no unit".to_owned()),
    };
    let rank = message.source;
    let meter =
        Meter { per_litre, digits: meter.register_digits, q3_litres_per_hour: meter.q3_litres_per_hour };
    if !devices.contains_key(&message.device_id) {
        let zone = Zone::named(&message.time_zone)
            .ok_or_else(|| format!("unknown time zone {:?}", message.time_zone))?;
        let device = Device {
            reads: Vec::new(),
            settled: 0,
            unsettled: Vec::new(),
            meter,
            meter_version: message.registry_version,
            zone,
            classes: Vec::new(),
        };
        devices.insert(message.device_id.clone(), device);
    }
    let device = devices.get_mut(&message.device_id).ok_or("no device")?;
    if message.registry_version > device.meter_version {
        (device.meter_version, device.meter) = (message.registry_version, meter);
    }
    let class = place_of(&mut device.classes, &message.tariff_class)?;
    device.reads.extend(message.reads.iter().map(|read| Accepted {
        at: read.read_at,
        register: read.register,
        rank,
        version: message.registry_version,
        class,
    }));
    if is_applied {
        device.settled = device.reads.len();
    } else {
        device.unsettled.push(device.reads.len());
    }
    Ok(())
}

fn place_of(classes: &mut Vec<Box<str>>, class: &str) -> Result<u16, String> {
    let place = classes.iter().position(|known| **known == *class).unwrap_or_else(|| {
        classes.push(class.into());
        classes.len() - 1
    });
    u16::try_from(place).map_err(|_| "a device of 65,536 tariff classes".to_owned())
}

#[derive(Deserialize)]
struct Record {
    device_id: String,
    date: DateTime,
    volume: i64,
    consumption: Decimal128,
    cost: Decimal128,
}

/// Reads the daily records, by `devices.id` and day.
///
/// # Errors
/// The database does not answer, or a document is not as the data model says.
pub async fn records(database: &Database) -> Result<HashMap<String, BTreeMap<Day, Stored>>> {
    let unreadable = "the daily records cannot be read, or are not as the data model says";
    let mut found = database
        .collection::<Record>("water_usage")
        .find(doc! {})
        .projection(doc! { "_id": 0, "device_id": 1, "date": 1, "volume": 1, "consumption": 1, "cost": 1 })
        .batch_size(10_000)
        .await
        .context(unreadable)?;
    let mut records: HashMap<String, BTreeMap<Day, Stored>> = HashMap::new();
    while let Some(Record { device_id, date, volume, consumption, cost }) =
        found.try_next().await.context(unreadable)?
    {
        let strange = || format!("the daily record of {device_id} on {date} has a figure that is none");
        let exact = |value| from_decimal128(value).with_context(strange);
        let stored = Stored { volume, consumption: exact(consumption)?, cost: exact(cost)? };
        let day = Day(i32::try_from(date.timestamp_millis().div_euclid(86_400_000)).with_context(strange)?);
        records.entry(device_id).or_default().insert(day, stored);
    }
    Ok(records)
}
