//! The settings of ingest beyond those every service has.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use indowater_common::config;

/// Settings of ingest.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// How long accepted telemetry may wait until the devices' last readings are written and its offsets are
    /// committed, in milliseconds. Readings are published at once, whatever this is.
    #[arg(long, env = "INDOWATER_INGEST_FLUSH_AGE_MS", default_value = "5000", value_name = "MS", value_parser = config::milliseconds)]
    pub flush_age: Duration,
    /// How many messages of a partition may wait for the same.
    #[arg(long, env = "INDOWATER_INGEST_FLUSH_MESSAGES", default_value_t = 50_000, value_name = "COUNT")]
    pub flush_messages: usize,
    /// The largest telemetry message that is accepted, in bytes.
    #[arg(long, env = "INDOWATER_INGEST_MAX_TELEMETRY_BYTES", default_value_t = 256 * 1024, value_name = "BYTES")]
    pub max_telemetry_bytes: usize,
    /// How many devices each partition surely remembers, the latest that reported; it holds at most twice as many.
    /// A million devices over twenty-four partitions fit the default, in about 300 MB.
    #[arg(long, env = "INDOWATER_INGEST_CACHED_DEVICES", default_value_t = 100_000, value_name = "COUNT")]
    pub cached_devices: usize,
    /// How old a read may be when it is first received, in days; of a declared backfill any.
    #[arg(long, env = "INDOWATER_INGEST_MAX_READ_AGE_DAYS", default_value_t = 400, value_name = "DAYS")]
    pub max_read_age_days: u32,
}

const FLUSH_AGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
/// A meter lives for a few years, an archive of reads for a few decades.
const READ_AGE_DAYS: RangeInclusive<u32> = 1..=36_500;
/// The topic takes no batch above 1 MiB.
const TELEMETRY_BYTES: RangeInclusive<usize> = 1_024..=1_024 * 1_024;

impl config::Settings for Settings {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !FLUSH_AGE.contains(&self.flush_age) {
            problems.push("--flush-age must be between 10 ms and 60,000 ms".to_owned());
        }
        if self.flush_messages == 0 {
            problems.push("--flush-messages must be at least 1".to_owned());
        }
        if !TELEMETRY_BYTES.contains(&self.max_telemetry_bytes) {
            problems.push("--max-telemetry-bytes must be between 1,024 and 1,048,576".to_owned());
        }
        if self.cached_devices == 0 {
            problems.push("--cached-devices must be at least 1".to_owned());
        }
        if !READ_AGE_DAYS.contains(&self.max_read_age_days) {
            problems.push("--max-read-age-days must be between 1 and 36,500".to_owned());
        }
        problems
    }
}
