//! The broker's edge: readings in, usage out.

use std::sync::Arc;

use indowater_common::error::Retry;
use indowater_common::kafka::{Batch, Event, Outgoing, Publisher, Record, Ticket, Work};
use indowater_common::quarantine::Aside;
use indowater_common::telemetry;
use indowater_proto::readings::v1::Readings;
use indowater_proto::topics;
use prost::Message;
use tracing::Span;

use crate::app::device::Reading;
use crate::app::devices::{Devices, Shared};
use crate::domain::day::DayRecord;
use crate::wire;

/// The topics that this service relies on.
pub const TOPICS: [&topics::Topic; 4] =
    [&topics::READINGS, &topics::TARIFFS, &topics::USAGE, &topics::METER_FINDINGS];

/// One partition of the readings topic.
pub struct Partition {
    shared: Arc<Shared>,
    devices: Devices,
    aside: Aside,
}

impl Partition {
    /// With nothing in memory.
    pub fn new(shared: Arc<Shared>, aside: Aside) -> Self {
        Self { devices: Devices::new(shared.clone()), shared, aside }
    }

    async fn understand(&self, batch: &Batch) -> Result<Vec<Reading>, Retry> {
        let mut readings = Vec::with_capacity(batch.len());
        for record in batch.records() {
            let understood = Readings::decode(record.value).map_err(|error| error.to_string());
            match understood.and_then(|message| wire::reading(&message)) {
                Ok(reading) => readings.push(Reading { span: span(&record, &reading), ..reading }),
                Err(why) => {
                    let why = format!("no reading of ours: {why}");
                    self.aside.record(batch.partition, &record, &why).await?;
                }
            }
        }
        Ok(readings)
    }
}

impl Work for Partition {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        let readings = self.understand(batch).await?;
        let reads = readings.iter().map(|reading| reading.reads.len()).sum();
        self.devices.merge(readings).await?;
        self.shared.observe.merged(reads);
        self.aside.keep(batch);
        self.aside.keys(self.devices.spoilt()).await
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.devices.flush().await?;
        self.aside.keys(self.devices.spoilt()).await?;
        self.aside.clear();
        Ok(())
    }

    fn pending(&self) -> usize {
        self.devices.pending()
    }
}

/// A span from here until the effect is durable, for records of a kept trace.
fn span(record: &Record<'_>, reading: &Reading) -> Option<Span> {
    let traceparent = record.traceparent.filter(|parent| telemetry::is_sampled(parent))?;
    let span = tracing::info_span!(
        "aggregate readings",
        device_id = &*reading.device_id,
        reads = reading.reads.len(),
        offset = record.offset,
    );
    telemetry::continue_trace(&span, traceparent);
    Some(span)
}

/// A daily record to be published.
pub struct Published<'a> {
    /// `devices.id`.
    pub device_id: &'a str,
    /// The record as it is stored.
    pub record: &'a DayRecord,
    /// IANA name of the property's zone.
    pub time_zone: &'a str,
    /// The trace it goes on.
    pub span: Option<&'a Span>,
}

/// The way out: the usage topic, and what it says about meters.
#[derive(Clone)]
pub struct Outlet {
    publisher: Publisher,
    usage: String,
    findings: String,
}

impl Outlet {
    /// Topics under `prefix`.
    pub fn new(publisher: Publisher, prefix: &str) -> Self {
        Self { publisher, usage: topics::USAGE.name(prefix), findings: topics::METER_FINDINGS.name(prefix) }
    }

    /// The same topics, for a stint of writing that begins now.
    #[must_use]
    pub fn for_new_stint(&self) -> Self {
        Self { publisher: self.publisher.for_new_stint(), ..self.clone() }
    }

    /// Hands one record to the client, and what it says about the meter; they are on the broker when `ticket` says so.
    ///
    /// # Errors
    /// The broker will never take it.
    pub async fn publish(&self, ticket: &Ticket, published: Published<'_>) -> Result<(), Retry> {
        let Published { device_id, record, time_zone, span } = published;
        let traceparent = span.and_then(telemetry::traceparent);
        let usage = wire::daily_usage(device_id, record, time_zone);
        let event = Event {
            id: &format!("{}@{}", usage.id, usage.revision),
            source: "/indowater/usage-aggregator",
            kind: topics::USAGE.message,
            time: usage.timestamp,
            traceparent: traceparent.as_deref(),
        };
        let value = usage.encode_to_vec();
        let outgoing = Outgoing { topic: &self.usage, key: usage.id.as_bytes(), value: &value, event };
        self.publisher.send(ticket, outgoing).await?;
        for finding in wire::findings(device_id, record) {
            let value = finding.encode_to_vec();
            let id = format!("{}@{}", finding.id, finding.revision);
            let event = Event { id: &id, kind: topics::METER_FINDINGS.message, ..event };
            let outgoing =
                Outgoing { topic: &self.findings, key: finding.id.as_bytes(), value: &value, event };
            self.publisher.send(ticket, outgoing).await?;
        }
        Ok(())
    }
}
