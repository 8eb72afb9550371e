//! The service's own settings.

use std::time::Duration;

use clap::Args;
use indowater_common::config::{self, milliseconds};

/// How reads are folded into writes, and how much is kept in memory.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Write what is pending after so long without new reads: how fresh records are on a quiet stream.
    #[arg(long, env = "INDOWATER_FLUSH_IDLE", default_value = "200", value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub flush_idle: Duration,
    /// Write at the latest so long after the first pending read: longer folds more reads into one write.
    #[arg(long, env = "INDOWATER_FLUSH_AGE", default_value = "5000", value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub flush_age: Duration,
    /// Write as soon as so many devices of a partition have something pending.
    #[arg(long, env = "INDOWATER_FLUSH_PENDING", default_value_t = 20_000, value_name = "DEVICES")]
    pub flush_pending: usize,
    /// Devices kept in memory by one instance; the others are loaded when they report.
    #[arg(long, env = "INDOWATER_DEVICES_IN_MEMORY", default_value_t = 1_000_000, value_name = "DEVICES")]
    pub devices_in_memory: usize,
}

impl config::Settings for Settings {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.flush_pending == 0 {
            problems.push("--flush-pending must be at least 1".to_owned());
        }
        if self.devices_in_memory == 0 {
            problems.push("--devices-in-memory must be at least 1".to_owned());
        }
        if self.flush_idle > self.flush_age {
            problems.push("--flush-idle must not be longer than --flush-age".to_owned());
        }
        problems
    }
}
