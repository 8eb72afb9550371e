//! The operator's tool of IndoWater: it runs the whole system on one machine and looks after one that runs.
//!
//! `indowater up` is the first command a newcomer types; the others fill, watch, check and measure a system,
//! wherever it runs. The tool is a library behind a small `main`, because the test suites start the same
//! broker and database through [`stack`] as `up` does.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

// Before all others, for its macros are theirs.
#[macro_use]
pub mod terminal;

// One line for each subcommand, in the order of `--help`; shared modules follow.

pub mod access;
pub mod bench;
pub mod certificates;
pub mod dead_letters;
pub mod evaluate;
pub mod gateways;
pub mod init;
pub mod mailbox;
pub mod messengers;
pub mod quarantine;
pub mod registry;
pub mod replay;
pub mod seed;
pub mod simulate;
pub mod status;
pub mod topics;
pub mod up;
pub mod verify;

pub mod cargo;
mod clients;
mod former;
pub mod signals;
pub mod stack;
pub mod system;
pub mod telemetry;
mod topic;
pub mod uplink;

/// IndoWater, the prepaid smart-water platform: run it, fill it, watch it, check it, measure it.
#[derive(Debug, Parser)]
#[command(name = "indowater", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Args),
    Init(init::Args),
    Seed(seed::Args),
    Simulate(simulate::Args),
    Replay(Box<replay::Args>),
    Status(status::Args),
    Topics(topics::Args),
    DeadLetters(dead_letters::Args),
    Quarantine(quarantine::Args),
    Registry(registry::Args),
    Access(access::Args),
    Verify(verify::Args),
    Bench(bench::Args),
    Certificates(certificates::Args),
    Evaluate(evaluate::Args),
    Gateways(gateways::Args),
    Mailbox(mailbox::Args),
}

impl Cli {
    /// Runs the command that was asked for; its exit code tells whether what it checked holds.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Up(args) => up::run(args).await,
            Command::Init(args) => init::run(args).await,
            Command::Seed(args) => seed::run(args).await,
            Command::Simulate(args) => simulate::run(args).await,
            Command::Replay(args) => replay::run(*args).await,
            Command::Status(args) => status::run(args).await,
            Command::Topics(args) => topics::run(&args),
            Command::DeadLetters(args) => dead_letters::run(args).await,
            Command::Quarantine(args) => quarantine::run(args).await,
            Command::Registry(args) => registry::run(args).await,
            Command::Access(args) => access::run(args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Bench(args) => bench::run(args).await,
            Command::Certificates(args) => certificates::run(args).await,
            Command::Evaluate(args) => evaluate::run(args).await,
            Command::Gateways(args) => gateways::run(args).await,
            Command::Mailbox(args) => mailbox::run(args).await,
        }
    }
}
