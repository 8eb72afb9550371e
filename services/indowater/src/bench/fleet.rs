//! The meters of a run and the backlog that they leave: hourly reads, each message a stretch of hours that ends with
//! the day if its length divides the day, and the messages of all meters before anyone's next.

use anyhow::{Context as _, Result};
use bson::{RawBson, RawDocumentBuf, rawdoc};
use indowater_common::clock;
use indowater_common::domain::identifier;
use indowater_common::domain::meter::Unit;
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::kafka::BACKFILL;
use indowater_common::mongo::to_bson_time;
use indowater_proto::registry::v1::{Device, Property};
use indowater_proto::telemetry::v1::RegisterUnit;
use jiff::{SignedDuration, Timestamp};
use mongodb::{Collection, Database};

use crate::simulate::{Population, Simulated};
use crate::telemetry::{self, Encoding, Read};
use crate::uplink::Uplink;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// Days after which reads are old, so that they have to be declared a backfill; below what ingest takes as they come.
const YEAR: u64 = 365;
const METERS_PER_PROPERTY: u64 = 4;
const PER_INSERTION: usize = 5_000;

/// What is asked of the pipeline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub meters: u64,
    pub messages: u64,
    pub reads_per_message: u64,
    pub encoding: Encoding,
}

impl Load {
    /// At least `reads` reads.
    pub(super) fn new(meters: u64, reads: u64, reads_per_message: u64, encoding: Encoding) -> Self {
        Self { meters, messages: reads.div_ceil(reads_per_message), reads_per_message, encoding }
    }

    pub(super) fn reads(&self) -> u64 {
        self.messages * self.reads_per_message
    }

    /// How many days the reads of a meter with so many messages touch.
    fn days(&self, messages: u64) -> u64 {
        (messages * self.reads_per_message).div_ceil(24)
    }

    /// How many daily records it must become.
    pub(super) fn documents(&self) -> u64 {
        let (rounds, more) = (self.messages / self.meters, self.messages % self.meters);
        more * self.days(rounds + 1) + (self.meters - more) * self.days(rounds)
    }
}

/// A meter as far as it reports.
struct Meter {
    device_id: String,
    unit: RegisterUnit,
    /// Counts of its register in a litre.
    per_litre: i64,
    /// Start of the first day in its zone.
    start: i64,
    register: i64,
}

/// The enrolled meters.
pub(super) struct Fleet(Vec<Meter>);

impl Fleet {
    /// Enrols the meters of `load`: straight into the collections, for what is measured is their telemetry.
    pub(super) async fn enrol(database: &Database, load: &Load) -> Result<Self> {
        let now = clock::now();
        // The last of the days is yesterday, wherever a meter stands.
        let days = i32::try_from(load.days(load.messages.div_ceil(load.meters)))?;
        let installed = now.checked_sub(SignedDuration::from_secs((i64::from(days) + 2) * DAY))?;
        let population =
            Population { meters: load.meters, meters_per_property: METERS_PER_PROPERTY, seed: 1 };
        let mut meters = Vec::new();
        let mut properties = Documents::into(database, "properties");
        let mut devices = Documents::into(database, "devices");
        for (index, Simulated { property, device, first_register, .. }) in
            population.meters(installed).enumerate()
        {
            let zone = Zone::named(&property.time_zone).context("a property in no time zone")?;
            let unit = if device.unit() == RegisterUnit::Millilitre { Unit::Millilitre } else { Unit::Litre };
            if (index as u64).is_multiple_of(METERS_PER_PROPERTY) {
                properties.add(property_document(&property, now)).await?;
            }
            devices.add(device_document(&device, &property, unit, installed, now)).await?;
            meters.push(Meter {
                unit: device.unit(),
                device_id: device.device_id,
                per_litre: unit.per_litre(),
                start: zone.start_of(Day(zone.day_of(now.as_second()).0 - days)),
                register: i64::try_from(first_register)? * unit.per_litre(),
            });
        }
        properties.finish().await?;
        devices.finish().await?;
        Ok(Self(meters))
    }

    /// Produces the backlog.
    pub(super) async fn report(mut self, uplink: &Uplink, load: &Load) -> Result<()> {
        let hours = i64::try_from(load.reads_per_message)?;
        let is_old = load.days(load.messages.div_ceil(load.meters)) > YEAR;
        let mut left = load.messages;
        for first_hour in (0..).step_by(usize::try_from(load.reads_per_message)?) {
            let round = usize::try_from(left.min(load.meters))?;
            for (number, meter) in (0..).zip(&mut self.0[..round]) {
                let reads: Vec<Read> =
                    (first_hour..first_hour + hours).map(|hour| meter.read(number, hour)).collect();
                let mut message = telemetry::message(&meter.device_id, meter.unit, &reads, load.encoding);
                if is_old {
                    message.headers.push((BACKFILL, "true".to_owned()));
                }
                uplink.send(&message).await?;
            }
            left -= round as u64;
            if left == 0 {
                break;
            }
        }
        uplink.flush().await
    }
}

impl Meter {
    /// The next read; what was drawn in the hour is anything from nothing to forty litres, the same in every run.
    fn read(&mut self, number: i64, hour: i64) -> Read {
        let chance = (number * 2_654_435_761 + hour * 40_503) >> 7;
        self.register += chance % 40 * self.per_litre;
        Read { at: self.start + hour * HOUR, register: self.register }
    }
}

/// Documents on their way into a collection.
struct Documents {
    collection: Collection<RawDocumentBuf>,
    waiting: Vec<RawDocumentBuf>,
}

impl Documents {
    fn into(database: &Database, collection: &str) -> Self {
        Self { collection: database.collection(collection), waiting: Vec::new() }
    }

    async fn add(&mut self, document: RawDocumentBuf) -> Result<()> {
        self.waiting.push(document);
        if self.waiting.len() < PER_INSERTION { Ok(()) } else { self.insert().await }
    }

    async fn insert(&mut self) -> Result<()> {
        let inserted = self.collection.insert_many(self.waiting.drain(..)).ordered(false).await;
        inserted.map(drop).with_context(|| format!("{} were not enrolled", self.collection.name()))
    }

    async fn finish(mut self) -> Result<()> {
        if self.waiting.is_empty() { Ok(()) } else { self.insert().await }
    }
}

fn property_document(property: &Property, now: Timestamp) -> RawDocumentBuf {
    rawdoc! {
        "_id": property.id.as_str(),
        "id": property.id.as_str(),
        "name": property.name.as_str(),
        "address": property.address.as_str(),
        "customer_id": property.customer_id.as_str(),
        "property_type": property.property_type.as_str(),
        "created_at": to_bson_time(now),
        "updated_at": to_bson_time(now),
        "time_zone": property.time_zone.as_str(),
        "tariff_class": property.tariff_class.as_str(),
        "version": 1_i64,
    }
}

fn device_document(
    device: &Device,
    property: &Property,
    unit: Unit,
    installed: Timestamp,
    now: Timestamp,
) -> RawDocumentBuf {
    rawdoc! {
        "_id": device.id.as_str(),
        "id": device.id.as_str(),
        "device_id": device.device_id.as_str(),
        "device_key": &*identifier::key(&device.device_id),
        "device_alike": identifier::alike(&device.device_id),
        "property_id": property.id.as_str(),
        "customer_id": property.customer_id.as_str(),
        "type": device.r#type.as_str(),
        "status": device.status.as_str(),
        "location": device.location.as_str(),
        "installation_date": to_bson_time(installed),
        "calibration_date": RawBson::Null,
        "created_at": to_bson_time(now),
        "updated_at": to_bson_time(now),
        "unit": unit.name(),
        "register_digits": i64::from(device.register_digits),
        "q3_litres_per_hour": i64::from(device.q3_litres_per_hour),
        "time_zone": property.time_zone.as_str(),
        "tariff_class": property.tariff_class.as_str(),
        "version": 1_i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_load_are_the_days_it_touches() {
        let load = |meters, reads, per_message| Load::new(meters, reads, per_message, Encoding::Protobuf);
        assert_eq!((load(10, 480, 24).documents(), load(10, 481, 24).documents()), (20, 21));
        assert_eq!((load(10, 5, 1).documents(), load(10, 250, 1).documents()), (5, 20));
        assert_eq!((load(10, 481, 24).messages, load(10, 481, 24).reads()), (21, 504));
    }
}
