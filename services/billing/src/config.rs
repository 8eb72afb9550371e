//! The service's own settings.

use std::time::Duration;

use clap::Args;
use indowater_common::config::{self, milliseconds};

/// How postings are grouped, and how much is kept in memory.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Post what waits after so long without news: how soon a balance falls on a quiet stream.
    #[arg(long, env = "INDOWATER_LEDGER_IDLE", default_value = "20", value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub ledger_idle: Duration,
    /// Post at the latest so long after the first posting that waits.
    #[arg(long, env = "INDOWATER_LEDGER_AGE", default_value = "1000", value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub ledger_age: Duration,
    /// Post as soon as so many postings of a partition wait: one transaction for all of them.
    #[arg(long, env = "INDOWATER_LEDGER_GROUP", default_value_t = 1_000, value_name = "POSTINGS")]
    pub ledger_group: usize,
    /// Months of devices that each partition keeps in memory; the others are loaded when they change.
    #[arg(long, env = "INDOWATER_LEDGER_MONTHS_IN_MEMORY", default_value_t = 50_000, value_name = "MONTHS")]
    pub ledger_months_in_memory: usize,
}

/// What a transaction of the database holds without strain.
const LARGEST_GROUP: usize = 10_000;

impl config::Settings for Settings {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(1..=LARGEST_GROUP).contains(&self.ledger_group) {
            problems.push(format!("--ledger-group must be between 1 and {LARGEST_GROUP}"));
        }
        if self.ledger_idle > self.ledger_age {
            problems.push("--ledger-idle must not be longer than --ledger-age".to_owned());
        }
        problems
    }
}
