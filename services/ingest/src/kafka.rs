//! The broker's edge: publishing what ingest decided, and following the registry's changes.

use std::fmt::Write as _;
use std::sync::Arc;

use indowater_common::config;
use indowater_common::error::Fatal;
use indowater_common::kafka::{
    Event, Followed, From, Outgoing, PublishError, Publisher, Record, Ticket, follow,
};
use indowater_proto::topics::{
    DEAD_LETTERS, DEVICES, METER_FINDINGS, PROPERTIES, READINGS, TELEMETRY, Topic,
};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::domain::facts::Change;
use crate::{observe, wire};

/// `ce_source` of everything this service says.
pub const SOURCE: &str = "ingest";

/// The full names of the topics ingest touches.
#[derive(Clone, Debug)]
pub struct Topics {
    /// What devices produce.
    pub telemetry: Arc<str>,
    /// Accepted reads.
    pub readings: Arc<str>,
    /// What could not be used.
    pub dead_letters: Arc<str>,
    /// The registry of devices.
    pub devices: Arc<str>,
    /// The registry of properties.
    pub properties: Arc<str>,
    /// What reads say about their meters.
    pub findings: Arc<str>,
}

impl Topics {
    /// The topics of the system with that prefix.
    pub fn new(prefix: &str) -> Self {
        let name = |topic: &Topic| topic.name(prefix).into();
        Self {
            telemetry: name(&TELEMETRY),
            readings: name(&READINGS),
            dead_letters: name(&DEAD_LETTERS),
            devices: name(&DEVICES),
            properties: name(&PROPERTIES),
            findings: name(&METER_FINDINGS),
        }
    }
}

/// What becomes of one telemetry message.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It was accepted.
    Readings {
        /// `devices.id`.
        device: &'a str,
        /// The newest read, seconds since the epoch.
        newest: i64,
    },
    /// It cannot be used.
    DeadLetter,
}

/// Publishes what becomes of the messages of one partition.
pub struct Outlet {
    publisher: Publisher,
    topics: Topics,
    partition: i32,
    ticket: Ticket,
    event_id: String,
}

impl Outlet {
    /// The outlet for one partition of telemetry.
    pub fn new(publisher: Publisher, topics: Topics, partition: i32) -> Self {
        Self { publisher, topics, partition, ticket: Ticket::default(), event_id: String::new() }
    }

    /// Hands a record to the client. Its event id follows from where the telemetry stands, so a message that is
    /// processed again is seen to be the same.
    ///
    /// # Errors
    /// The broker will never take it.
    pub async fn publish(
        &mut self,
        record: &Record<'_>,
        outcome: Outcome<'_>,
        value: &[u8],
        traceparent: Option<&str>,
    ) -> Result<(), PublishError> {
        self.event_id.clear();
        // Writing to a string does not fail.
        let _ = write!(self.event_id, "telemetry-{}-{}", self.partition, record.offset);
        let (topic, contract, key, time) = match outcome {
            Outcome::Readings { device, newest } => {
                (&self.topics.readings, &READINGS, device.as_bytes(), newest)
            }
            Outcome::DeadLetter => {
                let key = &record.key[..record.key.len().min(wire::MOST_KEY)];
                (&self.topics.dead_letters, &DEAD_LETTERS, key, record.timestamp_ms.div_euclid(1_000))
            }
        };
        let event = Event { id: &self.event_id, source: SOURCE, kind: contract.message, time, traceparent };
        self.publisher.send(&self.ticket, Outgoing { topic, key, value, event }).await
    }

    /// Waits until everything published so far is on the broker.
    ///
    /// # Errors
    /// The broker refused a record and never will take it.
    pub async fn delivered(&mut self) -> Result<(), PublishError> {
        self.ticket.delivered().await?;
        self.ticket = Ticket::default();
        Ok(())
    }
}

/// Follows the registry's topic of devices from its present end: every change is told to whoever subscribed to
/// `changes`. It returns once the end is known. Whatever is loaded from the registry after that is either as new as a
/// change or overtaken by it, and the higher version wins; so no entry stays stale.
///
/// # Errors
/// Settings that librdkafka refuses.
pub async fn follow_devices(
    kafka: &config::Kafka,
    topics: &Topics,
    changes: broadcast::Sender<Arc<Change>>,
    stop: CancellationToken,
) -> Result<impl Future<Output = Result<(), Fatal>> + Send + 'static, Fatal> {
    let apply = move |record: Followed<'_>| match wire::decode_device(record.value) {
        // A first version replaces nothing that anyone could have loaded before it.
        Ok(change) if change.facts.version > 1 => {
            // Without partitions there is nobody to tell.
            let _ = changes.send(Arc::new(change));
        }
        Ok(_) => {}
        Err(error) => observe::registry_record_unreadable(record.partition, record.offset, &error),
    };
    follow(kafka, topics.devices.to_string(), From::End, stop, apply).await
}
