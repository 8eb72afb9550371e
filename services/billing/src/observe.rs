//! What is worth knowing of a running billing: one function for each event, the log line and the metric together.

use std::fmt::Display;
use std::sync::LazyLock;
use std::time::Duration;

use indowater_common::telemetry;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

struct Instruments {
    entries: Counter<u64>,
    commit: Histogram<f64>,
    repeated: Counter<u64>,
    faults: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| Instruments {
    entries: telemetry::counter("indowater_ledger_entries", "Entries posted"),
    commit: telemetry::durations(
        "indowater_ledger_commit_duration",
        "One transaction of the ledger: entries, balances and months of a partition",
    ),
    repeated: telemetry::counter(
        "indowater_ledger_repeated",
        "Movements that were told again and posted once",
    ),
    faults: telemetry::counter(
        "indowater_ledger_faults",
        "What could not be posted and needs a person, by kind: not zero is an alarm",
    ),
});

/// Entries are durable.
pub fn posted(entries: usize, took: Duration) {
    INSTRUMENTS.entries.add(entries as u64, &[]);
    INSTRUMENTS.commit.record(took.as_secs_f64(), &[]);
}

/// A movement was told again.
pub fn repeated(id: &str) {
    INSTRUMENTS.repeated.add(1, &[]);
    tracing::debug!(id, "a movement was told again");
}

/// Another instance wrote the same partition: normal around a rebalance, a fault if it lasts.
pub fn fenced(partition: i32) {
    tracing::info!(partition, "another instance wrote this partition of the ledger; it is read again");
}

/// A record cannot be understood. It stays on its topic.
pub fn unreadable(topic: &str, partition: i32, offset: i64, why: &impl Display) {
    INSTRUMENTS.faults.add(1, &[KeyValue::new("kind", "unreadable")]);
    tracing::error!(topic, partition, offset, %why, "a record makes no sense and is not posted");
}

/// An amount is beyond counting.
pub fn unpostable(customer_id: &str, why: &impl Display) {
    INSTRUMENTS.faults.add(1, &[KeyValue::new("kind", "unpostable")]);
    tracing::error!(customer_id, %why, "an entry was not posted");
}

/// The first tariffs could not be stored yet.
pub fn tariffs_wait(why: &impl Display) {
    tracing::warn!(%why, "the tariffs that the platform comes with are not stored yet");
}

/// A class has a new tariff.
pub fn tariff_set(class: &str, revision: i64, set_by: &str) {
    tracing::info!(class, revision, set_by, "a tariff was set");
}
