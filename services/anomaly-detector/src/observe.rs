//! What is worth knowing, one function per event: the log line and the metric together.

use std::time::Duration;

use indowater_common::telemetry::{counter, durations, meter};
use jiff::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};

use crate::domain::condition::{Condition, DeviceCondition};
use crate::domain::event::Verdict;
use crate::domain::leak::{Change, Kind};
use crate::domain::names;
use crate::domain::network::NetworkEvent;
use crate::domain::planned::Planned;
use crate::mongo::Changed;

/// The service's instruments.
pub struct Observe {
    reads: Counter<u64>,
    late: Counter<u64>,
    too_old: Counter<u64>,
    conflicts: Counter<u64>,
    weeks: Counter<u64>,
    leaks: Counter<u64>,
    tampering: Counter<u64>,
    verdicts: Counter<u64>,
    conditions: Counter<u64>,
    network: Counter<u64>,
    open: Gauge<u64>,
    delay: Histogram<f64>,
    write: Histogram<f64>,
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Observe {
    /// Makes them.
    pub fn new() -> Self {
        Self {
            reads: counter("indowater_reads", "Reads judged, repetitions included"),
            late: counter("indowater_late_devices", "Times older weeks had to be loaded for a late read"),
            too_old: counter(
                "indowater_too_old_reads",
                "Reads older than what is kept, which change no event",
            ),
            conflicts: counter("indowater_write_conflicts", "Devices that others had written meanwhile"),
            weeks: counter("indowater_anomaly_weeks", "Weeks of devices written"),
            leaks: counter(
                "indowater_leak_revisions",
                "Revisions of leak events, by kind and by what happened last",
            ),
            tampering: counter("indowater_tampering_revisions", "Revisions of tampering events, by type"),
            verdicts: counter(
                "indowater_leak_verdicts",
                "What people made of leak events, by kind and verdict",
            ),
            conditions: counter(
                "indowater_device_conditions",
                "Changes of the condition of devices, by what they are",
            ),
            network: counter(
                "indowater_network_revisions",
                "Revisions of events of areas and gateways, by kind",
            ),
            open: meter()
                .u64_gauge("indowater_open_leaks")
                .with_description("Open leak events of the whole system, by kind, as of a few minutes ago")
                .build(),
            delay: durations(
                "indowater_read_to_event_duration",
                "From the read that tells of a leak until its event is durable",
            ),
            write: durations("indowater_write_duration", "One bulk of weeks, until durable"),
        }
    }

    /// Reads were taken.
    pub fn merged(&self, reads: usize) {
        self.reads.add(count(reads), &[]);
    }

    /// Older weeks of so many devices are loaded.
    pub fn late(&self, devices: usize) {
        self.late.add(count(devices), &[]);
    }

    /// Reads came that are older than what is kept.
    pub fn too_old(&self, reads: usize, device_id: &str) {
        self.too_old.add(count(reads), &[]);
        tracing::debug!(reads, device_id, "reads are too old to change an event");
    }

    /// Others wrote the same devices: normal around a rebalance or a decision, a fault if it lasts.
    pub fn conflicts(&self, devices: usize) {
        self.conflicts.add(count(devices), &[]);
        tracing::info!(devices, "devices were written by others meanwhile; merging");
    }

    /// Weeks are durable.
    pub fn written(&self, weeks: usize, took: Duration) {
        self.weeks.add(count(weeks), &[]);
        self.write.record(took.as_secs_f64(), &[]);
    }

    /// So many leak events of a kind are open.
    pub fn open(&self, kind: Kind, events: u64) {
        self.open.record(events, &[KeyValue::new("kind", names::KINDS.name(kind))]);
    }

    /// Events are durable, and will be told.
    pub fn told(&self, changed: &Changed, now: Timestamp) {
        for event in &changed.leaks {
            if let Some(last) = event.steps.last().and_then(|step| Timestamp::from_second(step.at).ok()) {
                self.delay.record(now.duration_since(last).as_secs_f64().max(0.0), &[]);
            }
            let (kind, last) =
                (names::KINDS.name(event.episode.kind), event.steps.last().map(|step| step.change));
            let change = last.map_or("none", |change| names::CHANGES.name(change));
            self.leaks.add(1, &[KeyValue::new("kind", kind), KeyValue::new("change", change)]);
            if last.is_some_and(|change| change != Change::Grew) || event.withdrawn {
                let (id, device_id) = (&*event.id, &*event.device_id);
                tracing::info!(id, device_id, kind, change, withdrawn = event.withdrawn, "a leak event");
            }
        }
        for event in &changed.tampering {
            let of_type = names::TYPES.name(event.of_type);
            self.tampering.add(1, &[KeyValue::new("type", of_type)]);
            let severity = names::SEVERITIES.name(event.severity());
            tracing::info!(
                id = event.id,
                device_id = event.device_id,
                of_type,
                severity,
                "a tampering event"
            );
        }
        if let Some(DeviceCondition { device_id, condition, .. }) = &changed.condition {
            let Condition { is_offline, is_battery_low, is_signal_weak, .. } = *condition;
            let state = if is_offline { "offline" } else { "online" };
            self.conditions.add(1, &[KeyValue::new("state", state)]);
            tracing::info!(
                device_id,
                is_offline,
                is_battery_low,
                is_signal_weak,
                "the condition of a device"
            );
        }
    }

    /// An event of the network is durable, and will be told.
    pub fn network(&self, event: &NetworkEvent) {
        let kind = event.kind.name();
        self.network.add(1, &[KeyValue::new("kind", kind)]);
        let (id, group, withdrawn) = (&*event.id, event.group.key(), event.withdrawn);
        tracing::info!(
            id,
            kind,
            group,
            from = event.from,
            until = event.until,
            withdrawn,
            "an event of the network"
        );
    }

    /// Somebody planned an interruption, changed it or called it off.
    pub fn planned(&self, plan: &Planned) {
        self.network.add(1, &[KeyValue::new("kind", "planned_interruption")]);
        let Planned { id, area, from, until, is_cancelled, by, .. } = plan;
        tracing::info!(id, area, from, until, is_cancelled, by, "a planned interruption");
    }

    /// Somebody said what a leak event is.
    pub fn decided(&self, id: &str, kind: &'static str, verdict: Verdict) {
        let verdict = names::VERDICTS.name(verdict);
        self.verdicts.add(1, &[KeyValue::new("kind", kind), KeyValue::new("verdict", verdict)]);
        tracing::info!(id, kind, verdict, "somebody said what a leak event is");
    }
}

/// A document of an event cannot be read: it is left out until somebody mends it.
pub fn passed_over(error: &impl std::fmt::Display) {
    tracing::error!(%error, "a document of an event cannot be read and is left out; mend or remove it");
}
