//! The operator's tool of IndoWater: it runs the whole system on one machine and looks after one that runs.
//!
//! `indowater up` is the first command a newcomer types; the others fill, watch, check and measure a system,
//! wherever it runs. The tool is a library behind a small `main`, because the test suites start the same
//! broker and database through [`stack`] as `up` does.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

// One line for each subcommand, in the order of `--help`; shared modules follow.

pub mod stack;
pub mod system;

/// IndoWater, the prepaid smart-water platform: run it, fill it, watch it, check it, measure it.
#[derive(Debug, Parser)]
#[command(name = "indowater", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {}

impl Cli {
    /// Runs the command that was asked for; its exit code tells whether what it checked holds.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {}
    }
}
