//! The settings of voucher beyond those every service has.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use indowater_common::config;

/// Settings of voucher.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// How often places whose time is up are given back, and vouchers whose time is over are marked, in milliseconds.
    /// Whoever reserves needs not wait for it.
    #[arg(long, env = "INDOWATER_VOUCHER_SWEEP_MS", default_value = "5000", value_name = "MS", value_parser = config::milliseconds)]
    pub sweep: Duration,
}

const SWEEP: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(3_600);

impl config::Settings for Settings {
    fn problems(&self) -> Vec<String> {
        if SWEEP.contains(&self.sweep) {
            return Vec::new();
        }
        vec!["--sweep must be between 50 ms and 3,600,000 ms".to_owned()]
    }
}
