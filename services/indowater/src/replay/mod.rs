//! `replay`: register reads out of files, as if their meters sent them; the way every utility starts.
//!
//! Dates stay as they are, and so does the order within each meter; meters are interleaved by time, as they would report.
//! Every message declares a backfill, so that its reads may be of any age, and new meters are enrolled as if they had
//! always been there, so that files may come in any order.
//!
//! `source` makes rows of bytes, `number` and `time` read their cells, `rows` the files, `moments` turns wall time into
//! moments and `values` values into registers, `meters` holds the meters against the registry, `outcome` hears what the
//! platform made of the reads, and `summary` says it all. Nothing is sent before everything was read and compared.

mod format;
mod lost;
mod meters;
mod moments;
mod number;
mod outcome;
mod rows;
mod source;
mod summary;
mod time;
mod values;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indowater_common::clock;
use indowater_common::domain::meter::{Point, Unit};
use indowater_common::domain::zone::Zone;
use indowater_common::kafka::BACKFILL;
use indowater_proto::telemetry::v1::RegisterUnit;
use jiff::tz::TimeZone;
use tokio::time::Instant;

pub use format::{Format, zone};
pub use lost::Lost;
pub use meters::Facts;
pub use outcome::Outcome;
pub use summary::Summary;

use crate::clients::blocking;
use crate::registry::{Registry, RegistryAddress};
use crate::system::{Connect, System};
use crate::telemetry::{Encoding, Read, message};
use crate::uplink::{Uplink, Uplinked};
use format::Values;
use lost::{Place, Reason};
use meters::{Meter, Said};
use moments::Dated;
use outcome::{Account, Follower};
use rows::{FileFacts, Table};
use summary::Understood;
use values::Reads;

/// Send the register reads of CSV files as telemetry
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
    /// CSV files with a header, in any order; .gz is unpacked on the way
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// How the files are written.
    #[command(flatten)]
    pub format: Format,
    /// What the meters are.
    #[command(flatten)]
    pub facts: Facts,
    /// Say what the files have, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// So many times real time; as fast as possible if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub speed: Option<u32>,
    /// How many reads of a meter go into one message
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub reads_per_message: u16,
    /// How long to wait for news of what became of the reads, each time
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
}

/// How far ahead a read may be, as the platform allows clocks.
const AHEAD_SECONDS: i64 = 5 * 60;
/// Rows that are shown as they were understood.
const SHOWN: usize = 3;

/// Files that were read and understood.
struct Prepared {
    meters: Vec<Meter>,
    summary: Summary,
    said: Said,
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
    let Args { connect, registry, options, json } = args;
    let summary = if options.dry_run {
        let registry = match &registry.url {
            Some(url) => Registry::at(url, connect.certificates.as_deref()),
            None => connect.resolve().and_then(|system| registry.open(&system)),
        };
        preview(registry, &options).await?
    } else {
        let system = connect.resolve()?;
        replay(&system, &registry.open(&system)?, &options, show).await?
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        print!("{summary}");
    }
    Ok(match summary.shortfall() {
        None => ExitCode::SUCCESS,
        Some(why) => {
            eprintln!("indowater: {why}");
            ExitCode::FAILURE
        }
    })
}

/// A line that says how far it is, for people only.
fn show(sent: usize, all: usize) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{sent} of {all} messages{}", if sent == all { "\n" } else { "" });
    }
}

/// Reads the files and compares them with the registry, if it can be asked.
///
/// # Errors
/// A file cannot be read or leaves a doubt, or the registry says otherwise.
pub async fn preview(registry: Result<Registry>, options: &Options) -> Result<Summary> {
    let mut prepared = read(options).await?;
    let compared = match &registry {
        Ok(registry) => meters::recognise(registry, &mut prepared.meters).await,
        Err(why) => Err(anyhow::anyhow!("{why:#}")),
    };
    match compared {
        Ok(()) => prepared.summary.meters_made = Some(new(&prepared.meters)),
        Err(why) => prepared.summary.registry = Some(format!("{why:#}")),
    }
    meters::check(&prepared.meters, &options.facts, prepared.said)?;
    prepared.finish(options);
    prepared.summary.messages = batches(&prepared.meters, options.reads_per_message).len() as u64;
    prepared.summary.dry_run = true;
    Ok(prepared.summary)
}

/// Enrols the new meters of files, sends their reads, and waits for what becomes of them.
///
/// # Errors
/// A file cannot be read or leaves a doubt, the registry says otherwise or refuses a meter, or the broker does not answer.
pub async fn replay(
    system: &System,
    registry: &Registry,
    options: &Options,
    mut progress: impl FnMut(usize, usize),
) -> Result<Summary> {
    let mut prepared = read(options).await?;
    if prepared.meters.is_empty() {
        return Ok(prepared.summary);
    }
    meters::recognise(registry, &mut prepared.meters).await?;
    meters::check(&prepared.meters, &options.facts, prepared.said)?;
    prepared.finish(options);
    let (uplink, follower) = (Uplink::open(system).await?, Follower::from_now(system).await?);
    let Prepared { mut meters, mut summary, said } = prepared;
    let unit = options.format.unit().of_the_meter();
    let address = options.files.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
    let address: String = address.collect::<Vec<_>>().join(", ").chars().take(200).collect();
    let made = meters::enrol(registry, &mut meters, &options.facts, said, unit, &address).await?;
    summary.meters_made = Some(made);
    let batches = batches(&meters, options.reads_per_message);
    send(&uplink, &meters, unit, &batches, options.speed, &mut progress).await?;
    summary.messages = batches.len() as u64;
    let messages = uplink.places().into_iter().map(|place| {
        let batch = &batches[place.tag];
        ((place.partition, place.offset), meters[batch.meter].reads.places[batch.reads.clone()].to_vec())
    });
    let names = summary.files.iter().map(|file| file.file.clone()).collect();
    let account = Account::of(follower.telemetry(), messages, Lost::of(names));
    summary.outcome = Some(follower.follow(account, Duration::from_secs(options.wait)).await?);
    Ok(summary)
}

/// The register reads of files by meter, in the order of the files, millilitres: for whoever wants them and sends nothing.
///
/// # Errors
/// A file cannot be read or leaves a doubt.
pub async fn registers(
    files: Vec<PathBuf>,
    format: Format,
    time_zone: Option<TimeZone>,
) -> Result<Vec<(String, Vec<Point>)>> {
    let unit = match format.unit().of_the_meter() {
        RegisterUnit::Millilitre => Unit::Millilitre,
        RegisterUnit::Litre | RegisterUnit::Unspecified => Unit::Litre,
    };
    let facts = Facts {
        time_zone,
        prefix: String::new(),
        customer: None,
        tariff_class: None,
        q3: None,
        register_digits: None,
        installed: None,
        keep_registry: true,
    };
    let options = Options { files, format, facts, dry_run: true, speed: None, reads_per_message: 1, wait: 0 };
    let point = |read: Read| Point { at: read.at, register: unit.millilitres(read.register) };
    let meters = read(&options).await?.meters.into_iter();
    Ok(meters.map(|meter| (meter.device_id, meter.reads.reads.into_iter().map(point).collect())).collect())
}

fn new(meters: &[Meter]) -> usize {
    meters.iter().filter(|meter| meter.known.is_none()).count()
}

/// Reads the files beside the runtime's threads.
async fn read(options: &Options) -> Result<Prepared> {
    let options = options.clone();
    blocking(move || {
        let table = Table::open(&options.files, &options.format)?;
        prepare(table, &options, clock::now().as_second())
    })
    .await
}

/// Makes registers at moments of rows.
fn prepare(table: Table, options: &Options, now: i64) -> Result<Prepared> {
    let Table { meters, mut refused, rows, files, .. } = table;
    let Options { format, facts, .. } = options;
    let (zone, unit) = (facts.zone(), format.unit());
    let times_in = format.times_in.clone().unwrap_or_else(|| zone.clone());
    let zone_matters = format.times_in.is_none() && has_wall_times(&meters);
    let mut summary = Summary { rows, ..Summary::default() };
    let are_registers = format.values != Some(Values::Interval);
    let mut dated: Vec<(String, Vec<Dated>)> = Vec::with_capacity(meters.len());
    for meter in meters {
        let mut moments =
            moments::dated(&meter.rows, &times_in, are_registers, &mut summary.clock_changes, &mut refused);
        moments.retain(|dated| {
            let is_future = dated.at > now + AHEAD_SECONDS;
            if is_future {
                refused.refuse(Reason::Future, dated.place, || "its time is still to come".to_owned());
            }
            !is_future
        });
        dated.push((meter.name, moments));
    }
    if format.values.is_none() && values::are_volumes(dated.iter().map(|(_, moments)| moments.as_slice())) {
        bail!(
            "the values fall about as often as they rise, so they are what flowed in intervals and no registers: name the \
             register's column with --register-column, or have them summed with --values interval; if they are registers \
             all the same, say --values register"
        );
    }
    let mut named = Vec::with_capacity(dated.len());
    for (name, moments) in dated {
        let reads = if are_registers {
            values::registers(&moments, unit, &mut refused)
        } else {
            values::summed(&moments, unit, &mut refused)
        };
        if !reads.reads.is_empty() {
            named.push((name, reads));
        }
    }
    let meters = meters::identified(named, &facts.prefix)?;
    let zone_name = |zone: &TimeZone| zone.iana_name().unwrap_or("UTC").to_owned();
    (summary.times_in, summary.time_zone) = (zone_name(&times_in), zone_name(&zone));
    summary.unit = unit.name();
    summary.meter_unit = match unit.of_the_meter() {
        RegisterUnit::Millilitre => "millilitre",
        RegisterUnit::Litre | RegisterUnit::Unspecified => "litre",
    };
    summary.values = if are_registers { "register" } else { "volume of interval" };
    summary.meters = meters.len();
    (summary.files, summary.refused) = (files, refused);
    let values = if are_registers { Values::Register } else { Values::Interval };
    Ok(Prepared { meters, summary, said: Said { unit: format.unit, zone_matters, values } })
}

fn has_wall_times(meters: &[rows::MeterRows]) -> bool {
    let mut rows = meters.iter().flat_map(|meter| &meter.rows);
    rows.any(|row| matches!(row.when, time::When::Wall(_)))
}

impl Prepared {
    /// Counts what is in the reads, once it is known which meters are new.
    fn finish(&mut self, options: &Options) {
        let unit = options.format.unit().of_the_meter();
        let Self { meters, summary, .. } = self;
        for meter in meters.iter() {
            summary.count(&meter.reads.reads);
            summary.decimals_cut += meter.reads.decimals_cut;
            summary.beyond_digits += meters::beyond(meter, &options.facts, unit);
        }
        let Some(zone) = Zone::named(&summary.time_zone) else {
            return;
        };
        summary.span_of(&zone, meters.iter().flat_map(|meter| &meter.reads.reads).map(|read| read.at));
        summary.first_rows = first_rows(meters, &summary.files, &zone);
    }
}

/// The first rows as they were understood.
fn first_rows(meters: &[Meter], files: &[FileFacts], zone: &Zone) -> Vec<Understood> {
    let mut first: Vec<(Place, &str, Read)> = Vec::new();
    for Meter { device_id, reads: Reads { reads, places, .. }, .. } in meters {
        for (place, read) in std::iter::zip(places, reads) {
            if first.len() < SHOWN || first.last().is_some_and(|(last, ..)| place < last) {
                first.push((*place, device_id, *read));
                first.sort_by_key(|(place, ..)| *place);
                first.truncate(SHOWN);
            }
        }
    }
    let understood = |(place, meter, read): (Place, &str, Read)| Understood {
        file: files.get(usize::from(place.file)).map(|file| file.file.clone()).unwrap_or_default(),
        line: place.line,
        meter: meter.to_owned(),
        at: zone.rfc3339(read.at),
        register: read.register,
    };
    first.into_iter().map(understood).collect()
}

/// Cuts each meter's reads into batches, interleaved by time; the order within a meter stays.
fn batches(meters: &[Meter], size: u16) -> Vec<Batch> {
    let mut batches = Vec::new();
    for (meter, Meter { reads, .. }) in meters.iter().enumerate() {
        let (mut due, mut start) = (i64::MIN, 0);
        for chunk in reads.reads.chunks(usize::from(size)) {
            due = chunk.iter().map(|read| read.at).fold(due, i64::max);
            batches.push(Batch { due, meter, reads: start..start + chunk.len() });
            start += chunk.len();
        }
    }
    batches.sort_by_key(|batch| batch.due);
    batches
}

/// A message whose reads may be of any age.
fn backfill(device_id: &str, unit: RegisterUnit, reads: &[Read]) -> Uplinked {
    let mut record = message(device_id, unit, reads, Encoding::Protobuf);
    record.headers.push((BACKFILL, "true".to_owned()));
    record
}

async fn send(
    uplink: &Uplink,
    meters: &[Meter],
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
        let reads = &meter.reads.reads[batch.reads.clone()];
        uplink.send_tagged(&backfill(&meter.device_id, unit, reads), sent).await?;
        if told.elapsed() > Duration::from_millis(250) {
            told = Instant::now();
            progress(sent, batches.len());
        }
    }
    uplink
        .flush()
        .await
        .context("not all reads were sent: replay the files again, which changes nothing twice")?;
    progress(batches.len(), batches.len());
    Ok(())
}

#[cfg(test)]
mod tests;
