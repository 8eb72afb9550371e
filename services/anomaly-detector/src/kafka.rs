//! The broker's edge: readings and the registry in; dead letters out, for what ingest should never have sent. Events go out through the outbox.

use std::sync::Arc;

use indowater_common::config;
use indowater_common::error::{Fatal, Retry};
use indowater_common::kafka::{
    Batch, Event, Followed, From, Outgoing, Publisher, Record, Ticket, Work, follow,
};
use indowater_common::telemetry;
use indowater_common::wire as tariffs;
use indowater_proto::billing::v1::TariffSchedule;
use indowater_proto::readings::v1::{DeadLetter, DeadLetterReason, Readings};
use indowater_proto::registry::v1::Device;
use indowater_proto::topics;
use prost::Message;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::app::device::Reading;
use crate::app::devices::{Devices, Shared};
use crate::app::registry::Registry;
use crate::wire;

/// One partition of the readings topic.
pub struct Partition {
    shared: Arc<Shared>,
    outlet: Arc<Outlet>,
    devices: Devices,
}

impl Partition {
    /// That number, with nothing in memory.
    pub fn new(shared: Arc<Shared>, outlet: Arc<Outlet>, number: i32) -> Self {
        Self { devices: Devices::new(shared.clone(), number), shared, outlet }
    }

    async fn understand(&self, batch: &Batch) -> Result<Vec<Reading>, Retry> {
        let mut readings = Vec::with_capacity(batch.len());
        let refused = Ticket::default();
        for record in batch.records() {
            let understood = Readings::decode(record.value).map_err(|error| error.to_string());
            match understood.and_then(|message| wire::reading(&message)) {
                Ok(reading) => readings.push(Reading { span: span(&record, &reading), ..reading }),
                Err(why) => {
                    self.shared.observe.rejected(batch.partition, record.offset, &why);
                    self.outlet.refuse(&refused, batch.partition, &record, why).await?;
                }
            }
        }
        refused.delivered().await?;
        Ok(readings)
    }
}

impl Work for Partition {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        let readings = self.understand(batch).await?;
        let reads = readings.iter().map(|reading| reading.reads.len()).sum();
        self.devices.merge(readings).await?;
        self.shared.observe.merged(reads);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.devices.flush().await
    }

    fn pending(&self) -> usize {
        self.devices.pending()
    }
}

/// One partition of the devices' registry.
pub struct RegistryPartition {
    shared: Arc<Shared>,
    registry: Registry,
}

impl RegistryPartition {
    /// With nothing that waits.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { registry: Registry::new(shared.clone()), shared }
    }
}

impl Work for RegistryPartition {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        for record in batch.records() {
            match Device::decode(record.value).map_err(|error| error.to_string()).and_then(wire::entry) {
                Ok(entry) => self.registry.take(entry),
                // The topic is the registry's own, and the next entry of the device says all of it again.
                Err(why) => self.shared.observe.entry_unreadable(batch.partition, record.offset, &why),
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.registry.flush().await
    }

    fn pending(&self) -> usize {
        self.registry.pending()
    }
}

/// Follows the tariffs: from here on `shared` has those that billing has published. A class of which it published none has the
/// versions that the platform comes with, which are also what billing starts from.
///
/// # Errors
/// Settings that librdkafka refuses.
pub async fn follow_tariffs(
    kafka: &config::Kafka,
    shared: Arc<Shared>,
    stop: CancellationToken,
) -> Result<impl Future<Output = Result<(), Fatal>> + Send + 'static, Fatal> {
    let topic = topics::TARIFFS.name(&kafka.topic_prefix);
    let apply = move |record: Followed<'_>| {
        let schedule = TariffSchedule::decode(record.value).map_err(|error| error.to_string());
        match schedule.and_then(|schedule| Ok((tariffs::versions(&schedule)?, schedule.class))) {
            Ok((versions, class)) => shared.set_tariffs(&class, versions),
            Err(why) => shared.observe.tariff_unreadable(&why),
        }
    };
    follow(kafka, topic, From::Beginning, stop, apply).await
}

/// A span from here until the effect is durable, for records of a kept trace.
fn span(record: &Record<'_>, reading: &Reading) -> Option<Span> {
    let traceparent = record.traceparent.filter(|parent| telemetry::is_sampled(parent))?;
    let span = tracing::info_span!(
        "judge readings",
        device_id = &*reading.device_id,
        reads = reading.reads.len(),
        offset = record.offset,
    );
    telemetry::continue_trace(&span, traceparent);
    Some(span)
}

/// The way to the dead letters.
pub struct Outlet {
    publisher: Publisher,
    readings: String,
    dead_letters: String,
}

impl Outlet {
    /// Topics under `prefix`.
    pub fn new(publisher: Publisher, prefix: &str) -> Self {
        Self {
            publisher,
            readings: topics::READINGS.name(prefix),
            dead_letters: topics::DEAD_LETTERS.name(prefix),
        }
    }

    /// Sends a record of the readings topic to the dead letters.
    async fn refuse(
        &self,
        ticket: &Ticket,
        partition: i32,
        record: &Record<'_>,
        why: String,
    ) -> Result<(), Retry> {
        let letter = DeadLetter {
            payload: record.value.to_vec(),
            key: record.key.to_vec(),
            content_type: record.content_type.unwrap_or_default().to_owned(),
            topic: self.readings.clone(),
            partition,
            offset: record.offset,
            reason: DeadLetterReason::Malformed.into(),
            detail: why,
            received_at_ms: record.timestamp_ms,
            ..DeadLetter::default()
        };
        let event = Event {
            id: &format!("anomaly-readings-{partition}-{}", record.offset),
            source: wire::SOURCE,
            kind: topics::DEAD_LETTERS.message,
            time: record.timestamp_ms.div_euclid(1_000),
            traceparent: None,
        };
        let value = letter.encode_to_vec();
        let outgoing = Outgoing { topic: &self.dead_letters, key: record.key, value: &value, event };
        Ok(self.publisher.send(ticket, outgoing).await?)
    }
}
