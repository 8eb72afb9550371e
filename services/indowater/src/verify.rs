//! `verify`: runs the independent auditor (the crate `auditor`) over a system, and prints what it found.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use auditor::{Report, Target};
use indowater_common::config::seconds;

use crate::system::{Connect, System};

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
    let target = Target {
        kafka: system.kafka.clone(),
        kafka_options: system.kafka_options.clone(),
        mongodb: system.mongodb.clone(),
        database: system.database.clone(),
        topic_prefix: system.topic_prefix.clone(),
    };
    auditor::audit(&target, patience).await
}
