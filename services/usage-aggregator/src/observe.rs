//! What is worth knowing, one function per event: the log line and the metric together.

use std::time::Duration;

use indowater_common::domain::zone::Day;
use indowater_common::telemetry::{counter, durations};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

/// The service's instruments.
pub struct Observe {
    reads: Counter<u64>,
    late: Counter<u64>,
    conflicts: Counter<u64>,
    forgotten: Counter<u64>,
    records: Counter<u64>,
    published: Counter<u64>,
    glitches: Counter<u64>,
    unbilled: Counter<u64>,
    findings: Counter<u64>,
    write: Histogram<f64>,
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Observe {
    /// Makes them.
    pub fn new() -> Self {
        Self {
            reads: counter("indowater_reads", "Reads merged into daily records, repetitions included"),
            late: counter("indowater_late_devices", "Times older days had to be loaded for a late read"),
            conflicts: counter(
                "indowater_write_conflicts",
                "Documents another instance had written meanwhile",
            ),
            forgotten: counter(
                "indowater_devices_forgotten",
                "Devices that were let go of to keep memory bounded: many mean that devices are loaded again and again",
            ),
            records: counter("indowater_daily_records", "Daily records written"),
            published: counter("indowater_usage_published", "Daily records published"),
            glitches: counter(
                "indowater_glitches",
                "Reads left out because one meter cannot have shown them between their neighbours",
            ),
            unbilled: counter(
                "indowater_unbilled_litres",
                "What registers counted beyond what their meters can pass, and nobody is charged for",
            ),
            findings: counter(
                "indowater_meter_findings",
                "Findings published, by kind, repetitions included",
            ),
            write: durations("indowater_write_duration", "One bulk of daily records, until durable"),
        }
    }

    /// Reads were merged.
    pub fn merged(&self, reads: usize) {
        self.reads.add(count(reads), &[]);
    }

    /// Older days of so many devices are loaded.
    pub fn late(&self, devices: usize) {
        self.late.add(count(devices), &[]);
    }

    /// Another instance wrote the same devices: normal around a rebalance, a fault if it lasts.
    pub fn conflicts(&self, devices: usize) {
        self.conflicts.add(count(devices), &[]);
        tracing::info!(devices, "devices were written by another instance meanwhile; merging");
    }

    /// Reads were found to give no water, and what registers counted without it, in millilitres.
    pub fn left_out(&self, glitches: u32, unbilled: i64) {
        if glitches > 0 {
            self.glitches.add(glitches.into(), &[]);
        }
        if unbilled > 0 {
            self.unbilled.add(unbilled.unsigned_abs() / 1_000, &[]);
        }
    }

    /// A meter is to be looked at.
    pub fn found(&self, kind: &'static str, device_id: &str, day: Day) {
        self.findings.add(1, &[KeyValue::new("kind", kind)]);
        tracing::info!(kind, device_id, %day, "a meter is to be looked at");
    }

    /// Devices were let go of: there were too many to keep.
    pub fn forgotten(&self, devices: usize) {
        self.forgotten.add(count(devices), &[]);
    }

    /// Records are durable.
    pub fn written(&self, records: usize, took: Duration) {
        self.records.add(count(records), &[]);
        self.write.record(took.as_secs_f64(), &[]);
    }

    /// Records are on the usage topic.
    pub fn published(&self, records: usize) {
        self.published.add(count(records), &[]);
    }
}

/// A document of `water_usage` cannot be read: it is left out until somebody mends it.
pub fn passed_over(error: &impl std::fmt::Display) {
    tracing::error!(%error, "a document of water_usage cannot be read and is left out; mend or remove it");
}
