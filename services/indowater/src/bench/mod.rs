//! `bench`: how fast the system is on this machine, and what it is that is not faster.
//!
//! A figure without its surroundings says nothing, so each run measures beside the pipeline what its parts can do
//! alone ([`raw`]), accounts for all of the machine's processor time ([`processes`]), and counts in the database
//! whether everything arrived.
#![allow(clippy::float_arithmetic, reason = "rates and shares of time; nothing here is water or money")]

mod fleet;
mod ground;
mod ledger;
mod pipeline;
mod processes;
mod raw;
mod report;

use std::fmt;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::signals::Signals;
use crate::telemetry::Encoding;
use fleet::Load;
use ground::Ground;
use report::Report;

/// Measure the system on this machine
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// How fast a backlog of telemetry becomes daily records: ingest and usage-aggregator as built, each a process
    Pipeline(Pipeline),
    /// How many postings the ledger makes durable, one by one and grouped: billing as built, a process
    Ledger(Ledger),
}

#[derive(Debug, Clone, clap::Args)]
struct Pipeline {
    /// How many meters report
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    meters: u64,
    /// How many reads they report, all together
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    reads: u64,
    /// How many hourly reads a message holds: 24 is one uplink a day
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    reads_per_message: u64,
    /// How the meters speak
    #[arg(long, value_enum, default_value_t = Format::Protobuf)]
    encoding: Format,
    /// How often to measure; the run in the middle is the result
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// Fail if the result is below so many reads per second
    #[arg(long, value_name = "READS_PER_SECOND")]
    at_least: Option<u64>,
    #[command(flatten)]
    bench: Bench,
}

#[derive(Debug, Clone, clap::Args)]
struct Ledger {
    /// For how many customers
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    customers: u64,
    /// How many postings
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..))]
    postings: u64,
    /// Fail if fewer postings per second become durable, grouped
    #[arg(long, value_name = "POSTINGS_PER_SECOND")]
    at_least: Option<u64>,
    #[command(flatten)]
    bench: Bench,
}

/// What every measurement takes.
#[derive(Debug, Clone, clap::Args)]
struct Bench {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Kafka bootstrap servers to use instead of a private broker
    #[arg(long, env = "INDOWATER_KAFKA", value_name = "HOST:PORT,..", requires = "mongodb")]
    kafka: Option<String>,
    /// MongoDB connection string to use instead of a private database
    #[arg(long, env = "INDOWATER_MONGODB", value_name = "URI", hide_env_values = true, requires = "kafka")]
    mongodb: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Protobuf,
    Json,
}

impl From<Format> for Encoding {
    fn from(format: Format) -> Self {
        match format {
            Format::Protobuf => Self::Protobuf,
            Format::Json => Self::Json,
        }
    }
}

/// Runs the command.
pub async fn run(args: Args) -> Result<ExitCode> {
    match args.what {
        What::Pipeline(args) => {
            let report = args.bench.run(async |ground| repeat(ground, &args).await).await?;
            enough(report.reads_per_second, args.at_least, "reads/s")
        }
        What::Ledger(args) => {
            let report = args.bench.run(async |ground| post(ground, &args).await).await?;
            enough(report.grouped, args.at_least, "postings/s")
        }
    }
}

impl Bench {
    /// Measures on private ground or that which is named, and prints the report.
    async fn run<R: fmt::Display + Serialize>(
        &self,
        measure: impl AsyncFnOnce(&Ground) -> Result<R>,
    ) -> Result<R> {
        if cfg!(debug_assertions) {
            eprintln!("This build is not optimised: its figures say little. Build with --release.");
        }
        let ground = Ground::open(self.kafka.as_deref().zip(self.mongodb.as_deref())).await?;
        let mut signals = Signals::listen()?;
        let report = tokio::select! {
            report = measure(&ground) => report,
            () = signals.next() => Err(anyhow::anyhow!("interrupted")),
        };
        ground.close().await;
        let report = report?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{report}");
        }
        Ok(report)
    }
}

fn enough(rate: f64, at_least: Option<u64>, unit: &str) -> Result<ExitCode> {
    match at_least {
        Some(least) if rate < least as f64 => bail!("{rate:.0} {unit} are below the {least} of --at-least"),
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn post(ground: &Ground, args: &Ledger) -> Result<ledger::Report> {
    let site = ground.site(1);
    let report = ledger::measure(ground, &site, args.customers, args.postings).await;
    ground.clear(&site).await?;
    report
}

async fn repeat(ground: &Ground, args: &Pipeline) -> Result<Report> {
    let load = Load::new(args.meters, args.reads, args.reads_per_message, args.encoding.into());
    let mut runs = Vec::new();
    for number in 1..=args.runs {
        eprintln!("Run {number} of {}", args.runs);
        let site = ground.site(number);
        let run = pipeline::measure(ground, &site, &load).await;
        ground.clear(&site).await?;
        runs.push(run?);
    }
    Report::new(&load, runs)
}
