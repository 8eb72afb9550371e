//! The broker's edge: one way to consume (partitioned, stateful, at least once) and one way to publish (idempotent,
//! acknowledged).
//!
//! Correctness never rests on Kafka transactions: effects are idempotent by construction, and offsets are committed
//! after the effect is durable.

mod batch;
mod client;
mod consumer;
#[cfg(test)]
mod edge_tests;
mod follow;
mod headers;
mod partition;
mod partitioner;
mod progress;
mod publisher;
mod readback;
pub mod topics;

pub use batch::{Batch, Record};
pub use client::{base_config, watch_broker};
pub use consumer::{Consume, consume};
pub use follow::{Followed, From, follow};
pub use headers::{BACKFILL, Event, FIRST_RECEIVED, JSON, NAME, PROTOBUF, WRITER};
pub use partition::{FlushPolicy, Returned, Work};
pub use partitioner::{ByEntity, partition_of};
pub use publisher::{Outgoing, Pace, PublishError, Publisher, Ticket};
pub use readback::ReadBack;

use indowater_proto::topics::Topic;
use rdkafka::error::KafkaError;

use crate::lifecycle::Host;

/// The service's way to publish. A fatal error of the client, after which it sends nothing any more, ends the service.
///
/// # Errors
/// Settings that librdkafka refuses.
pub fn publisher(host: &Host, pace: Pace) -> Result<Publisher, KafkaError> {
    let publisher = Publisher::open(&host.common.kafka, pace)?;
    host.spawn("publisher", publisher.clone().until_fatal(host.stop.clone()));
    Ok(publisher)
}

/// Keeps the readiness of a service that needs the broker, and topics on it, up to date.
pub fn watch(host: &Host, topics: &'static [&'static Topic]) {
    topics::rely_on(host, topics);
    let up = host.health.needs("kafka");
    host.spawn("broker watch", watch_broker(host.common.kafka.clone(), up, host.stop.clone()));
}
