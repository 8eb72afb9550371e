//! What is worth knowing of a running ingest: one function for each event, the log line and the metric together.
//! Nothing is logged per message: a fleet that sends garbage must not fill the disk.

use std::fmt::Display;
use std::sync::LazyLock;
use std::time::Duration;

use indowater_common::telemetry;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};

use crate::domain::finding::{Finding, WorkOrder};
use crate::domain::registry::Refusal;
use crate::domain::reject::{Reason, Reject};

struct Instruments {
    messages: Counter<u64>,
    reads: Counter<u64>,
    dead_letters: Counter<u64>,
    dead_reads: Counter<u64>,
    corrections: Counter<u64>,
    misses: Counter<u64>,
    cached: UpDownCounter<i64>,
    last_readings: Counter<u64>,
    write: Histogram<f64>,
    work_orders: Counter<u64>,
    withdrawals: Counter<u64>,
    registry_changes: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| Instruments {
    messages: telemetry::counter("indowater_telemetry_messages", "Telemetry messages received and decided"),
    reads: telemetry::counter("indowater_reads_accepted", "Reads accepted and handed to the broker"),
    dead_letters: telemetry::counter(
        "indowater_dead_letters",
        "Dead letters published: telemetry messages that could not be used, or not all of them, by reason",
    ),
    dead_reads: telemetry::counter(
        "indowater_reads_dead",
        "Reads set aside, by reason; a message that cannot be read counts as one",
    ),
    corrections: telemetry::counter(
        "indowater_reads_clock_corrected",
        "Accepted reads whose device clock was ahead and whose times were set by the receive time",
    ),
    misses: telemetry::counter(
        "indowater_registry_cache_misses",
        "Devices looked up in the database because a partition did not remember them",
    ),
    cached: telemetry::meter()
        .i64_up_down_counter("indowater_registry_cache_devices")
        .with_description("Devices this instance remembers")
        .build(),
    last_readings: telemetry::counter("indowater_last_readings_written", "Updates of devices' last readings"),
    write: telemetry::durations(
        "indowater_last_reading_write_duration",
        "One write of the last readings of all devices of a partition that reported since the last one",
    ),
    work_orders: telemetry::counter(
        "indowater_work_orders_raised",
        "Findings about meters that became work orders; told again, they count again",
    ),
    withdrawals: telemetry::counter(
        "indowater_work_orders_withdrawn",
        "Findings about meters that later reads explained otherwise",
    ),
    registry_changes: telemetry::counter(
        "indowater_registry_changes",
        "Registry entries created or changed, by kind",
    ),
});

/// What became of the messages of a batch.
#[derive(Debug, Default)]
pub struct Tally {
    messages: u64,
    /// Reads accepted.
    pub reads: u64,
    /// Those of them whose times were set by the receive time.
    pub corrections: u64,
    /// Letters and reads by reason.
    dead: [(u64, u64); Reason::ALL.len()],
    /// One example for the log.
    example: Option<Reject>,
}

impl Tally {
    /// Nothing decided yet of so many messages.
    pub fn of(messages: usize) -> Self {
        Self { messages: messages as u64, ..Self::default() }
    }

    /// Counts what cannot be used.
    pub fn dead(&mut self, reject: Reject) {
        let (letters, reads) = &mut self.dead[reject.reason as usize];
        *letters += 1;
        *reads += reject.reads();
        self.example.get_or_insert(reject);
    }
}

/// All messages of a batch were decided and handed to the broker.
pub fn batch_decided(partition: i32, tally: &Tally) {
    let instruments = &*INSTRUMENTS;
    instruments.messages.add(tally.messages, &[]);
    instruments.reads.add(tally.reads, &[]);
    if tally.corrections > 0 {
        instruments.corrections.add(tally.corrections, &[]);
    }
    let Some(example) = &tally.example else { return };
    for (reason, (letters, reads)) in std::iter::zip(Reason::ALL, tally.dead).filter(|(_, dead)| dead.0 > 0) {
        let reason = [KeyValue::new("reason", reason.name())];
        instruments.dead_letters.add(letters, &reason);
        instruments.dead_reads.add(reads, &reason);
    }
    tracing::warn!(
        partition,
        messages = tally.messages,
        dead_letters = tally.dead.iter().map(|(letters, _)| letters).sum::<u64>(),
        dead_reads = tally.dead.iter().map(|(_, reads)| reads).sum::<u64>(),
        for_example = example.reason.name(),
        detail = example.detail,
        "some telemetry could not be used"
    );
}

/// Devices were looked up that the partition did not remember.
pub fn devices_loaded(partition: i32, wanted: usize, found: usize, took: Duration) {
    INSTRUMENTS.misses.add(wanted as u64, &[]);
    tracing::debug!(partition, wanted, found, took_ms = took.as_millis(), "devices looked up");
}

/// A partition remembers so many devices more, or fewer.
pub fn cache_grew(by: i64) {
    if by != 0 {
        INSTRUMENTS.cached.add(by, &[]);
    }
}

/// More of the registry changed at once than is kept for a partition that was busy: it forgets all and loads anew.
pub fn cache_cleared(partition: i32, missed: u64) {
    tracing::info!(
        partition,
        missed,
        "too many registry changes at once; the partition looks its devices up again"
    );
}

/// The last readings of devices were written.
pub fn last_readings_written(devices: usize, took: Duration) {
    INSTRUMENTS.last_readings.add(devices as u64, &[]);
    INSTRUMENTS.write.record(took.as_secs_f64(), &[]);
}

/// Something was found about a meter that a person has to look at.
pub fn work_order_raised(order: &WorkOrder) {
    INSTRUMENTS.work_orders.add(1, &[]);
    tracing::info!(work_order = order.id, device = order.device_id, "{}", order.description);
}

/// What was found is none any more.
pub fn finding_withdrawn(finding: &Finding) {
    INSTRUMENTS.withdrawals.add(1, &[]);
    let order = finding.order_id();
    tracing::info!(work_order = order, device = finding.device_id, "its work order is not needed any more");
}

/// The registry's entries could not be brought up to their day.
pub fn turning_waits(refusal: &Refusal) {
    tracing::warn!(error = %refusal, "entries of the registry whose day has come wait");
}

/// Devices of an older system were taken over.
pub fn devices_adopted(count: usize) {
    tracing::info!(count, "devices of an older system were taken over");
}

/// Registry entries were created or changed.
pub fn registry_changed(what: &'static str, count: usize) {
    INSTRUMENTS.registry_changes.add(count as u64, &[KeyValue::new("kind", what)]);
    tracing::info!(what, count, "the registry changed");
}

/// Two devices have one identifier but for case or blanks.
pub fn identifier_shared(key: &str, error: &dyn Display) {
    tracing::error!(
        key,
        %error,
        "another device has this identifier but for case or blanks; telemetry is taken as that one's: correct one of them"
    );
}

/// The database holds a document of ours that we cannot read.
pub fn document_unreadable(collection: &str, error: &dyn Display) {
    tracing::error!(%error, collection, "a document cannot be read; it is passed over until it is mended");
}

/// A record of the registry's topic is not what we write there.
pub fn registry_record_unreadable(partition: i32, offset: i64, error: &dyn Display) {
    tracing::error!(%error, partition, offset, "a record of the registry's topic cannot be read; it is passed over");
}
