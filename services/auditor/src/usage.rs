//! From the topics of reads to the findings about days and reads.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result, anyhow};
use indowater_proto::billing::v1::TariffSchedule;
use indowater_proto::readings::v1::{DeadLetter, Readings};
use indowater_proto::topics::{DEAD_LETTERS, READINGS, TARIFFS, TELEMETRY, USAGE};
use indowater_proto::usage::v1::DailyUsage;
use prost::Message as _;

use crate::domain::calendar::Day;
use crate::domain::compare::Record;
use crate::domain::device::{Device, Stored};
use crate::domain::tariff::Tariffs;
use crate::kafka::{Extent, Reader};
use crate::mongo::Days;
use crate::outcomes::{Outcomes, reads_in};
use crate::report::Finding;
use crate::wire;

/// What the topics say of reads and days.
pub struct Told {
    /// By `devices.id`.
    devices: HashMap<String, Device>,
    /// Newest records, by device and day.
    usage: HashMap<String, BTreeMap<Day, Record>>,
    tariffs: Tariffs,
    outcomes: Outcomes,
    /// Whether the topic of readings still has its first records.
    whole: bool,
    /// Records that make no sense, and why.
    senseless: Vec<String>,
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
    let mut told = Told {
        devices: HashMap::new(),
        usage: HashMap::new(),
        tariffs: tariffs(reader, prefix)?,
        outcomes: Outcomes::over(received),
        whole: true,
        senseless: Vec::new(),
    };
    // Before the readings: every read that a record may hold is among those.
    let usage = USAGE.name(prefix);
    reader.read(&usage, &reader.extent(&usage)?, |record| {
        let day = DailyUsage::decode(record.value).map_err(|error| error.to_string());
        match day.and_then(wire::record) {
            Ok((device, day, found)) => _ = told.usage.entry(device).or_default().insert(day, found),
            Err(why) => told.senseless.push(format!("usage {}:{}: {why}", record.partition, record.offset)),
        }
        Ok(())
    })?;
    let readings = READINGS.name(prefix);
    let extent = reader.extent(&readings)?;
    told.whole = extent.values().all(|(low, _)| *low == 0);
    reader.read(&readings, &extent, |record| {
        let applied = applied.get(&record.partition).is_some_and(|committed| record.offset < *committed);
        let cut = extent.get(&record.partition).is_some_and(|(low, _)| *low > 0);
        if let Err(why) = told.take(record.value, applied, cut) {
            told.senseless.push(format!("readings {}:{}: {why}", record.partition, record.offset));
        }
        Ok(())
    })?;
    outcomes(reader, prefix, received, &mut told.outcomes)?;
    Ok(told)
}

impl Told {
    fn take(&mut self, value: &[u8], applied: bool, cut: bool) -> Result<(), String> {
        let readings = Readings::decode(value).map_err(|error| error.to_string())?;
        self.outcomes.accepted(&readings);
        let message = wire::message(&readings)?;
        let device = self.devices.entry(message.device.clone()).or_default();
        device.take(message, applied);
        if cut {
            device.is_cut();
        }
        Ok(())
    }
}

fn outcomes(reader: &Reader, prefix: &str, received: &Extent, outcomes: &mut Outcomes) -> Result<()> {
    let (letters, telemetry) = (DEAD_LETTERS.name(prefix), TELEMETRY.name(prefix));
    reader.read(&letters, &reader.extent(&letters)?, |record| {
        let letter = DeadLetter::decode(record.value);
        let place = || format!("{letters} {}:{} is no dead letter", record.partition, record.offset);
        let letter = letter.with_context(place)?;
        if letter.topic == telemetry {
            outcomes.set_aside(&letter);
        }
        Ok(())
    })?;
    reader.read(&telemetry, received, |record| {
        outcomes.received(record.partition, record.offset, reads_in(record.content_type, record.value));
        Ok(())
    })
}

/// The tariffs that were published last; a class without any has those that the platform comes with.
fn tariffs(reader: &Reader, prefix: &str) -> Result<Tariffs> {
    let (mut tariffs, topic) = (Tariffs::built_in(), TARIFFS.name(prefix));
    reader.read(&topic, &reader.extent(&topic)?, |record| {
        let schedule = TariffSchedule::decode(record.value)?;
        let versions =
            wire::tariffs(&schedule).map_err(|why| anyhow!("{topic}, {}: {why}", schedule.class))?;
        tariffs.publish(&schedule.class, versions);
        Ok(())
    })?;
    Ok(tariffs)
}

/// What was not checked, in days.
#[derive(Default)]
struct Skipped {
    cut: u64,
    crowded: u64,
    imported: u64,
    settling: u64,
    rising: u64,
    unsummed: u64,
}

/// Compares what is stored with what was told: U1, U2 and D1.
pub fn audit(mut told: Told, mut days: Days) -> Vec<Finding> {
    let mut u1 = Finding::new("U1", "daily records are what the accepted reads give", "records");
    let mut u2 = Finding::new("U2", "days add up to the difference of the registers", "devices");
    for what in told.senseless.iter().chain(&days.unreadable) {
        u1.breaks(|| what.clone());
    }
    let mut skipped = Skipped::default();
    let mut devices: Vec<(String, Device)> = told.devices.drain().collect();
    devices.sort_by(|a, b| a.0.cmp(&b.0));
    for (id, device) in devices {
        let stored = Stored {
            collection: days.records.remove(&id).unwrap_or_default(),
            topic: told.usage.remove(&id).unwrap_or_default(),
            foreign: days.foreign.remove(&id).unwrap_or_default(),
        };
        let audited = device.audit(&id, &stored, &told.tariffs);
        u1.checked += audited.records;
        for difference in &audited.differences {
            u1.breaks(|| difference.to_string());
        }
        u2.checked += u64::from(audited.summed);
        if let Some(wrong) = audited.wrong_sum {
            u2.breaks(|| format!("{id}: {wrong}"));
        }
        skipped.cut += audited.cut;
        skipped.crowded += audited.crowded;
        skipped.imported += audited.imported;
        skipped.settling += audited.settling;
        skipped.rising += audited.rising;
        skipped.unsummed += u64::from(!audited.summed);
    }
    without_reads(&told, &days, &mut u1, &mut skipped);
    u1.skips(skipped.cut, "days were not compared: reads they follow from are not in the topic any more");
    u1.skips(skipped.crowded, "days were not compared: of their many reads not all are kept");
    u1.skips(skipped.imported, "days were not checked: another system figured them out");
    u1.skips(skipped.settling, "days were not compared: too many messages of their devices are under way");
    u1.skips(
        skipped.rising,
        "days were compared but for what is unbilled: their register keeps rising above the ceiling",
    );
    u2.skips(skipped.unsummed, "devices were not summed: reads under way, imported or overfull days");
    vec![u1, u2, told.outcomes.d1()]
}

/// Records of devices without any reads: right only for another system's days, or where the reads are gone.
fn without_reads(told: &Told, days: &Days, u1: &mut Finding, skipped: &mut Skipped) {
    let foreign: usize = days.foreign.values().map(Vec::len).sum();
    skipped.imported += u64::try_from(foreign).unwrap_or(0);
    for (id, records) in &days.records {
        let imported = records.values().filter(|record| record.is_imported()).count();
        let ours = records.len() - imported;
        skipped.imported += u64::try_from(imported).unwrap_or(0);
        if ours > 0 && told.whole {
            u1.breaks(|| format!("{id}: {ours} records in water_usage of a device without any reads"));
        } else {
            skipped.cut += u64::try_from(ours).unwrap_or(0);
        }
    }
    for (id, records) in &told.usage {
        let ours = records.values().filter(|record| !record.is_imported()).count();
        if ours > 0 && told.whole {
            u1.breaks(|| format!("{id}: {ours} records on the usage topic of a device without any reads"));
        }
    }
}
