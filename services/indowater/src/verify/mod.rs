//! `verify`: the independent auditor. It recomputes from the topics what the system must hold, and compares.
//!
//! - **U1**: every daily record equals what the accepted reads give, to the count and to the rupiah.
//! - **U2**: for every device, the days of its closed span add up to the difference of its registers.
//! - **B1**: every entry of the ledger adds up to zero, and every balance is the sum of its entries.
//! - **B2**: a payment moves the balance by what its record says, once for each movement, and never by more than its amount.
//! - **B3**: what is posted for a device's month is what the month costs, rounded once.
//! - **D1**: every telemetry message that ingest is done with became readings or a dead letter, and not both.
//!
//! [`oracle`] is the second opinion and shares no code with the first; [`usage`] compares it with the records, `outcomes`
//! keeps the books of the messages, `gather` is the only part that talks to the broker and the database. The audit may run
//! beside a working system; it waits until the backlog of its start is applied, and allows for what comes meanwhile.

mod gather;
mod ledger;
pub mod oracle;
mod outcomes;
mod payments;
pub mod usage;

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use indowater_common::config::seconds;
use indowater_proto::topics::{INSTRUCTIONS, PAYMENTS, READINGS, TELEMETRY, USAGE};
use serde::Serialize;
use tokio::time::Instant;

use crate::clients::{self, blocking};
use crate::system::{Connect, System};
use crate::terminal;
use crate::topic::{Extent, Reader, lag};

/// Recompute what the collections must hold from the topics, and compare
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connect: Connect,
    /// How long the pipeline may take to catch up with what is there now, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    wait: Duration,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// How one invariant stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name in the architecture.
    pub invariant: &'static str,
    /// What it says.
    pub says: &'static str,
    /// How many things were compared.
    pub checked: u64,
    /// What they are.
    pub of: &'static str,
    /// How many of them do not hold.
    pub broken: u64,
    /// The first of those, each with its id.
    pub first: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// What the audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every invariant holds.
    pub holds: bool,
    /// One for each invariant.
    pub findings: Vec<Finding>,
}

/// Differences that are told one by one.
const TOLD: usize = 10;
const PAUSE: Duration = Duration::from_millis(300);

impl Finding {
    fn new(invariant: &'static str, says: &'static str, of: &'static str) -> Self {
        Self { invariant, says, of, ..Self::default() }
    }

    fn breaks(&mut self, what: impl FnOnce() -> String) {
        self.broken += 1;
        if self.first.len() < TOLD {
            self.first.push(what());
        }
    }
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    let system = args.connect.resolve()?;
    let report = verify(&system, args.wait).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Audits `system`.
///
/// # Errors
/// The broker or the database does not answer, or the pipeline does not catch up within `patience`.
pub async fn verify(system: &System, patience: Duration) -> Result<Report> {
    let (applied, received) = caught_up(system, patience).await?;
    // In this order: what is applied for certain, the records, and then every read that they may hold.
    let mut records = clients::with_database(system, gather::records).await?;
    let (kafka, prefix) = (clients::kafka(system), system.topic_prefix.clone());
    let messages = crate::topic::records(&received);
    let told = blocking(move || gather::topics(&Reader::open(&kafka)?, &prefix, &applied, &received)).await?;
    let (kafka, prefix) = (clients::kafka(system), system.topic_prefix.clone());
    let tariffs = blocking(move || gather::tariffs(&Reader::open(&kafka)?, &prefix)).await?;
    let mut u1 = Finding::new("U1", "daily records are what the accepted reads give", "days");
    let mut u2 = Finding::new("U2", "days add up to the difference of the registers", "devices");
    let mut ids: Vec<&String> = told.devices.keys().collect();
    ids.sort_unstable();
    let mut skipped = 0;
    for id in ids {
        let stored = records.remove(id).unwrap_or_default();
        let audited = usage::audit(&told.devices[id], &stored, told.whole, &tariffs);
        u1.checked += audited.days;
        u2.checked += 1;
        skipped += audited.skipped;
        for (day, wrong) in audited.wrong_days {
            u1.breaks(|| format!("{id}|{day}: {wrong}"));
        }
        if let Some(wrong) = audited.wrong_sum {
            u2.breaks(|| format!("{id}: {wrong}"));
        }
    }
    for (id, days) in records.into_iter().filter(|_| told.whole) {
        u1.breaks(|| format!("{id}: {} records of a device without any reads", days.len()));
    }
    for (partition, offset, why) in &told.senseless {
        u1.breaks(|| format!("readings {partition}:{offset} make no sense: {why}"));
    }
    if skipped > 0 {
        u1.notes.push(format!("{skipped} days were not compared: their reads are not in the topic any more"));
    }
    let mut findings = vec![u1, u2, d1(&told.outcomes, messages)];
    findings.extend(books(system, patience).await?);
    Ok(Report { holds: findings.iter().all(|finding| finding.broken == 0), findings })
}

/// Audits the ledger.
async fn books(system: &System, patience: Duration) -> Result<[Finding; 3]> {
    let until = Instant::now() + patience;
    let prefix = system.topic_prefix.clone();
    let charged = committed(system, &USAGE.name(&prefix), "billing-charging", until).await?;
    let paid = committed(system, &PAYMENTS.name(&prefix), "billing-crediting", until).await?;
    // After both that lead to it.
    committed(system, &INSTRUCTIONS.name(&prefix), "billing-ledger", until).await?;
    // Balances first: every entry that led to them is on the topic then.
    let balances = clients::with_database(system, ledger::balances).await?;
    let [charged, paid] = [charged, paid].map(ends);
    let kafka = clients::kafka(system);
    let (told, payments) = blocking(move || {
        let reader = Reader::open(&kafka)?;
        let told = ledger::topics(&reader, &prefix, &charged)?;
        // After the entries: what they say of payments is in the payments by then.
        Ok((told, payments::topic(&reader, &prefix, &paid)?))
    })
    .await?;
    Ok([told.b1(&balances), payments.b2(told.entries()), told.b3()])
}

fn d1(outcomes: &outcomes::Closed, messages: i64) -> Finding {
    let mut d1 = Finding::new("D1", "telemetry became readings or a dead letter", "messages");
    d1.checked = u64::try_from(messages).unwrap_or(0);
    for (partition, offset) in &outcomes.neither {
        d1.breaks(|| format!("telemetry {partition}:{offset} became neither"));
    }
    for (partition, offset) in &outcomes.both {
        d1.breaks(|| format!("telemetry {partition}:{offset} became both"));
    }
    d1.notes.push(format!("{} accepted, {} dead", outcomes.accepted, outcomes.dead));
    if outcomes.redelivered > 0 {
        d1.notes.push(format!("{} outcomes were published again after a restart", outcomes.redelivered));
    }
    d1
}

/// Waits until ingest and the usage-aggregator have done what there is to do now. Returns the readings that are applied
/// for certain, and the telemetry that ingest is done with.
async fn caught_up(system: &System, patience: Duration) -> Result<(BTreeMap<i32, i64>, Extent)> {
    let until = Instant::now() + patience;
    let ingest = committed(system, &TELEMETRY.name(&system.topic_prefix), "ingest", until).await?;
    let aggregator =
        committed(system, &READINGS.name(&system.topic_prefix), "usage-aggregator", until).await?;
    Ok((ends(aggregator), ingest))
}

/// Where the extent of each partition ends.
fn ends(extent: Extent) -> BTreeMap<i32, i64> {
    extent.into_iter().map(|(partition, (_, end))| (partition, end)).collect()
}

/// Waits until `group` has committed all that `topic` holds now. Returns what it has committed, from the topic's start.
async fn committed(system: &System, topic: &str, group: &'static str, until: Instant) -> Result<Extent> {
    let (kafka, topic) = (clients::kafka(system), topic.to_owned());
    let full_group = format!("{}.{group}", system.topic_prefix);
    let mut target: Option<Extent> = None;
    loop {
        let (kafka, topic, full_group) = (kafka.clone(), topic.clone(), full_group.clone());
        let (extent, committed) = blocking(move || {
            let reader = Reader::open(&kafka)?;
            let extent = reader.extent(&topic)?;
            let committed = reader.committed(&full_group, &topic, extent.keys().copied())?;
            Ok((extent, committed))
        })
        .await?;
        let target = target.get_or_insert_with(|| extent.clone());
        let left = lag(target, &committed);
        if left == 0 {
            let done = extent.into_iter().map(|(partition, (low, _))| {
                (partition, (low, committed.get(&partition).copied().unwrap_or(low).max(low)))
            });
            return Ok(done.collect());
        }
        if Instant::now() >= until {
            bail!(
                "nothing can be said while {group} is {left} records behind: see with `indowater status` whether it \
                 works, and give it longer with --wait"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let Finding { invariant, says, checked, of, broken, first, notes } = finding;
            let verdict = if *broken == 0 { "holds".to_owned() } else { format!("{broken} BROKEN") };
            writeln!(f, "{invariant:<4}{says:<50}{checked:>10} {of:<10}{verdict}")?;
            for note in notes {
                writeln!(f, "      {}", terminal::line(note))?;
            }
            for difference in first {
                writeln!(f, "    ! {}", terminal::line(difference))?;
            }
        }
        Ok(())
    }
}
