//! The broker's edge: readings, the registry and tariffs in. Events go out through the outbox.

use std::sync::Arc;

use indowater_common::error::Retry;
use indowater_common::kafka::{Batch, Record, Work};
use indowater_common::quarantine::Aside;
use indowater_common::telemetry;
use indowater_proto::readings::v1::Readings;
use indowater_proto::registry::v1::Device;
use indowater_proto::topics;
use prost::Message;
use tracing::Span;

use crate::app::device::Reading;
use crate::app::devices::{Devices, Shared};
use crate::app::groups::Groups;
use crate::app::registry::Registry;
use crate::wire;

/// The topics that this service relies on.
pub const TOPICS: [&topics::Topic; 7] = [
    &topics::READINGS,
    &topics::DEVICES,
    &topics::TARIFFS,
    &topics::ANOMALIES,
    &topics::DEVICE_CONDITION,
    &topics::GROUP_FACTS,
    &topics::NETWORK_EVENTS,
];

/// One partition of the readings topic.
pub struct Partition {
    shared: Arc<Shared>,
    devices: Devices,
    aside: Aside,
}

impl Partition {
    /// That number, with nothing in memory.
    pub fn new(shared: Arc<Shared>, number: i32, aside: Aside) -> Self {
        Self { devices: Devices::new(shared.clone(), number), shared, aside }
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

/// One partition of the devices' registry.
pub struct RegistryPartition {
    registry: Registry,
    aside: Aside,
}

impl RegistryPartition {
    /// With nothing that waits.
    pub fn new(shared: Arc<Shared>, aside: Aside) -> Self {
        Self { registry: Registry::new(shared), aside }
    }
}

impl Work for RegistryPartition {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        for record in batch.records() {
            match Device::decode(record.value).map_err(|error| error.to_string()).and_then(wire::entry) {
                Ok(entry) => self.registry.take(entry),
                Err(why) => self.aside.record(batch.partition, &record, &why).await?,
            }
        }
        self.aside.keep(batch);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.registry.flush().await?;
        self.aside.keys(self.registry.spoilt()).await?;
        self.aside.clear();
        Ok(())
    }

    fn pending(&self) -> usize {
        self.registry.pending()
    }
}

/// One partition of what meters tell of areas and gateways.
pub struct GroupPartition {
    groups: Groups,
    aside: Aside,
}

impl GroupPartition {
    /// With nothing in memory.
    pub fn new(shared: Arc<Shared>, aside: Aside) -> Self {
        Self { groups: Groups::new(shared), aside }
    }
}

impl Work for GroupPartition {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        let mut facts = Vec::with_capacity(batch.len());
        for record in batch.records() {
            match wire::network::fact(record.value) {
                Ok((group, fact)) => facts.push((record.key.into(), group, fact)),
                Err(why) => self.aside.record(batch.partition, &record, &why).await?,
            }
        }
        self.aside.keep(batch);
        self.groups.merge(facts).await?;
        self.aside.keys(self.groups.spoilt()).await
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.groups.flush().await?;
        self.aside.keys(self.groups.spoilt()).await?;
        self.aside.clear();
        Ok(())
    }

    fn pending(&self) -> usize {
        self.groups.pending()
    }
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
