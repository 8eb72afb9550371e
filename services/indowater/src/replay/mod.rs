//! `replay`: register reads out of a file, as if their meters sent them.
//!
//! Real reads are the best test there is: they bring their own gaps, repetitions, backflow and clock changes. Dates stay as
//! they are, and so does the order within each meter; meters are interleaved by time, as they would report. `moments`
//! turns wall time into moments, `rows` reads the file, this module enrols the meters and sends.

mod moments;
mod rows;

use std::collections::HashMap;
use std::fmt;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indowater_common::domain::tariff::DEFAULT_CLASS;
use indowater_proto::registry::v1::{Device, Property};
use indowater_proto::telemetry::v1::RegisterUnit;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

pub use moments::Resolution;
pub use rows::{FileUnit, Format, Refused, Rows};

use crate::clients::blocking;
use crate::registry::{Registry, RegistryAddress};
use crate::system::Connect;
use crate::telemetry::{Encoding, Read, message};
use crate::terminal;
use crate::uplink::Uplink;

/// Send the register reads of a CSV file as telemetry
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    registry: RegistryAddress,
    #[command(flatten)]
    options: Options,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// What to replay and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// CSV file with a header; .gz is unpacked on the way
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the file is written.
    #[command(flatten)]
    pub format: Format,
    /// Time zone of the meters: of wall times in the file, and of their properties' days of account
    #[arg(long, value_name = "NAME", default_value = "Asia/Jakarta", value_parser = zone)]
    pub time_zone: TimeZone,
    /// So many times real time; as fast as possible if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub speed: Option<u32>,
    /// How many reads of a meter go into one message
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub reads_per_message: u16,
    /// What goes before the file's name of a meter in its identifier
    #[arg(long, value_name = "TEXT", default_value = "replay-")]
    pub prefix: String,
    /// Whose the meters are
    #[arg(long, value_name = "ID", default_value = "replay-customer")]
    pub customer: String,
    /// Tariff class of their properties
    #[arg(long, value_name = "CLASS", default_value = DEFAULT_CLASS)]
    pub tariff_class: String,
    /// Permanent flow rate Q3 of the meters, litres per hour
    #[arg(long, value_name = "LITRES", default_value_t = 2_500, value_parser = clap::value_parser!(u32).range(1..))]
    pub q3: u32,
    /// Digits of the meters' registers [default: 8, or as many as the largest register has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=18))]
    pub register_digits: Option<u32>,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|error| error.to_string())
}

/// What was found in the file and sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Rows, the header not counted.
    pub rows: u64,
    /// Meters.
    pub meters: usize,
    /// Messages sent.
    pub messages: u64,
    /// Reads in them.
    pub reads: u64,
    /// Reads that were there already: same meter, moment and register.
    pub duplicates: u64,
    /// Reads of a moment that has another register already.
    pub conflicts: u64,
    /// Reads older than one before them.
    pub out_of_order: u64,
    /// Rows without a usable time or register.
    pub unparsable: Refused,
    /// How clock changes were met.
    #[serde(flatten)]
    pub clock_changes: Resolution,
}

/// A meter of the file with its reads in the order of the file.
struct Replayed {
    device_id: String,
    reads: Vec<Read>,
}

/// Some reads of one meter that go out together.
struct Batch {
    /// The newest moment of this and all earlier batches of the meter.
    due: i64,
    meter: usize,
    reads: std::ops::Range<usize>,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    let system = args.connect.resolve()?;
    let registry = args.registry.open(&system)?;
    let uplink = Uplink::open(&system).await?;
    let summary = replay(&registry, &uplink, args.options, show).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        print!("{summary}");
    }
    Ok(ExitCode::SUCCESS)
}

/// A line that tells how far it is, for people only.
fn show(sent: usize, all: usize) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{sent} of {all} messages{}", if sent == all { "\n" } else { "" });
    }
}

/// Enrols the meters of a file and sends its reads; all are on the broker when it returns.
///
/// # Errors
/// The file cannot be read, the registry refuses a meter, or the broker does not answer.
pub async fn replay(
    registry: &Registry,
    uplink: &Uplink,
    options: Options,
    mut progress: impl FnMut(usize, usize),
) -> Result<Summary> {
    let (path, format) = (options.file.clone(), options.format.clone());
    let rows = blocking(move || Rows::open(&path, &format)).await?;
    let mut summary =
        Summary { meters: rows.meters.len(), unparsable: rows.unparsable, ..Summary::default() };
    summary.rows = summary.unparsable.count;
    let mut meters = Vec::with_capacity(rows.meters.len());
    for meter in rows.meters {
        let reads = moments::reads(&meter.rows, &options.time_zone, &mut summary.clock_changes);
        summary.rows += meter.rows.len() as u64;
        summary.count(&reads);
        meters.push(Replayed { device_id: identifier(&options.prefix, &meter.name), reads });
    }
    let batches = batches(&meters, usize::from(options.reads_per_message));
    enrol(registry, &options, &meters).await?;
    let unit = options.format.unit.of_the_meter();
    send(uplink, &meters, unit, &batches, options.speed, &mut progress).await?;
    summary.messages = batches.len() as u64;
    Ok(summary)
}

impl Summary {
    /// Counts what is odd in the reads of one meter.
    fn count(&mut self, reads: &[Read]) {
        self.reads += reads.len() as u64;
        let mut seen: HashMap<i64, i64> = HashMap::with_capacity(reads.len());
        let mut newest = i64::MIN;
        for read in reads {
            match seen.insert(read.at, read.register) {
                Some(register) if register == read.register => self.duplicates += 1,
                Some(_) => self.conflicts += 1,
                None => {}
            }
            self.out_of_order += u64::from(read.at < newest);
            newest = newest.max(read.at);
        }
    }
}

/// An identifier that is safe in keys and URLs.
fn identifier(prefix: &str, name: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }
    };
    prefix.chars().chain(name.chars()).map(safe).collect()
}

/// Cuts each meter's reads into batches, interleaved by time; the order within a meter stays.
fn batches(meters: &[Replayed], size: usize) -> Vec<Batch> {
    let mut batches = Vec::new();
    for (meter, replayed) in meters.iter().enumerate() {
        let (mut due, mut start) = (i64::MIN, 0);
        for chunk in replayed.reads.chunks(size) {
            due = chunk.iter().map(|read| read.at).fold(due, i64::max);
            batches.push(Batch { due, meter, reads: start..start + chunk.len() });
            start += chunk.len();
        }
    }
    batches.sort_by_key(|batch| batch.due);
    batches
}

async fn enrol(registry: &Registry, options: &Options, meters: &[Replayed]) -> Result<()> {
    let largest = meters.iter().flat_map(|meter| &meter.reads).map(|read| read.register).max().unwrap_or(0);
    let digits = options.register_digits.unwrap_or_else(|| largest.max(1).ilog10().saturating_add(1).max(8));
    let unit = options.format.unit.of_the_meter();
    let time_zone = options.time_zone.iana_name().context("the time zone has no name")?;
    let (mut properties, mut devices) = (Vec::new(), HashMap::new());
    for meter in meters {
        let Some(first) = meter.reads.iter().map(|read| read.at).min() else {
            continue;
        };
        // The day before: a clock that is believed must not be older than the meter.
        let installed =
            Timestamp::from_second(first - 86_400).context("a read is before the calendar begins")?;
        let property = Property {
            id: format!("property-{}", meter.device_id),
            name: format!("Meter {}", meter.device_id),
            customer_id: options.customer.clone(),
            address: options.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            property_type: "residential".to_owned(),
            time_zone: time_zone.to_owned(),
            tariff_class: options.tariff_class.clone(),
            ..Default::default()
        };
        let device = Device {
            id: meter.device_id.clone(),
            device_id: meter.device_id.clone(),
            property_id: property.id.clone(),
            r#type: "water_meter".to_owned(),
            status: "active".to_owned(),
            installation_date: installed.to_string(),
            unit: unit.into(),
            register_digits: digits,
            q3_litres_per_hour: options.q3,
            ..Default::default()
        };
        properties.push(property);
        if devices.insert(meter.device_id.clone(), device).is_some() {
            bail!(
                "two meters of the file would both be called {}: rename one of them in the file",
                meter.device_id
            );
        }
    }
    registry.create_properties(properties).await?;
    let devices: Vec<Device> = devices.into_values().collect();
    registry.enrol(&devices).await.map(|_| ())
}

async fn send(
    uplink: &Uplink,
    meters: &[Replayed],
    unit: RegisterUnit,
    batches: &[Batch],
    speed: Option<u32>,
    progress: &mut impl FnMut(usize, usize),
) -> Result<()> {
    let began = Instant::now();
    let first = batches.first().map_or(0, |batch| batch.due);
    let mut told = began;
    for (sent, batch) in batches.iter().enumerate() {
        if let Some(speed) = speed {
            let since = Duration::from_secs(u64::try_from(batch.due - first).unwrap_or(0)) / speed;
            tokio::time::sleep_until(began + since).await;
        }
        let meter = &meters[batch.meter];
        let reads = &meter.reads[batch.reads.clone()];
        uplink.send(&message(&meter.device_id, unit, reads, Encoding::Protobuf)).await?;
        if told.elapsed() > Duration::from_millis(250) {
            told = Instant::now();
            progress(sent, batches.len());
        }
    }
    uplink.flush().await?;
    progress(batches.len(), batches.len());
    Ok(())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rows            {:>10}  of {} meters", self.rows, self.meters)?;
        writeln!(f, "sent            {:>10}  reads in {} messages", self.reads, self.messages)?;
        writeln!(f, "duplicates      {:>10}", self.duplicates)?;
        writeln!(f, "conflicts       {:>10}", self.conflicts)?;
        writeln!(f, "out of order    {:>10}", self.out_of_order)?;
        let clock = &self.clock_changes;
        writeln!(f, "repeated hour   {:>10}  told apart by the register", clock.folds_resolved)?;
        writeln!(f, "                {:>10}  single, taken as the earlier", clock.folds_assumed)?;
        for (name, refused) in [("skipped hour", &clock.skipped), ("unparsable", &self.unparsable)] {
            writeln!(f, "{name:<16}{:>10}  not sent", refused.count)?;
            for (line, why) in &refused.first {
                writeln!(f, "    line {line}: {}", terminal::line(why))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(times: &[i64]) -> Replayed {
        Replayed {
            device_id: "m".to_owned(),
            reads: times.iter().map(|at| Read { at: *at, register: *at }).collect(),
        }
    }

    #[test]
    fn meters_are_interleaved_and_each_keeps_its_order() {
        let meters = [meter(&[10, 20, 5, 6, 30]), meter(&[1, 2, 25])];
        let order: Vec<_> =
            batches(&meters, 2).into_iter().map(|batch| (batch.meter, batch.reads, batch.due)).collect();
        assert_eq!(order, [(1, 0..2, 2), (0, 0..2, 20), (0, 2..4, 20), (1, 2..3, 25), (0, 4..5, 30)]);
    }

    #[test]
    fn what_is_odd_is_counted() {
        let mut summary = Summary::default();
        let read = |at, register| Read { at, register };
        summary.count(&[read(1, 1), read(3, 3), read(2, 2), read(3, 3), read(3, 4)]);
        assert_eq!((summary.duplicates, summary.conflicts, summary.out_of_order), (1, 1, 1));
    }

    #[test]
    fn identifiers_are_safe_in_keys() {
        assert_eq!(identifier("replay-", "a|b/ç 7"), "replay-a-b---7");
    }
}
