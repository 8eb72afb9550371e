//! The broker's edge: publishing what ingest decided, and following the registry's changes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use indowater_common::config;
use indowater_common::error::Fatal;
use indowater_common::kafka::{self, Event, Outgoing, PublishError, Publisher, Record, Ticket};
use indowater_proto::topics::{DEAD_LETTERS, DEVICES, PROPERTIES, READINGS, TELEMETRY, Topic};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::{broadcast, oneshot};
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
/// All partitions, by every instance, and nothing is committed: a restart begins with empty caches.
///
/// # Errors
/// Settings that librdkafka refuses.
pub async fn follow_devices(
    kafka: &config::Kafka,
    topics: &Topics,
    changes: broadcast::Sender<Arc<Change>>,
    stop: CancellationToken,
) -> Result<oneshot::Receiver<Result<(), KafkaError>>, Fatal> {
    let consumer: BaseConsumer = kafka::base_config(kafka)
        // Never joined; the client asks for a name.
        .set("group.id", format!("{}.ingest-registry", kafka.topic_prefix))
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "100")
        .create()?;
    let topic = topics.devices.clone();
    let (started, start) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    // The client blocks, so it has a thread of its own.
    std::thread::Builder::new().name("follow-devices".to_owned()).spawn(move || {
        let mut started = Some(started);
        while !stop.is_cancelled() && started.is_some() {
            match assign_end(&consumer, &topic) {
                Ok(()) => _ = started.take().map(|started| started.send(())),
                Err(error) => {
                    observe::registry_topic_unavailable(&error);
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
        }
        let outcome = follow(&consumer, &changes, &stop);
        // Nobody waits for it any more only if the process is ending.
        let _ = done.send(outcome);
    })?;
    // It is dropped unsent only if the service is stopping.
    let _ = start.await;
    Ok(ended)
}

/// Assigns all partitions from where they end now.
fn assign_end(consumer: &BaseConsumer, topic: &str) -> Result<(), KafkaError> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let mut positions = TopicPartitionList::new();
    for partition in partitions {
        let (_, end) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE)?;
        positions.add_partition_offset(topic, partition.id(), Offset::Offset(end))?;
    }
    if positions.count() == 0 {
        return Err(KafkaError::Subscription(format!("there is no topic {topic} yet")));
    }
    consumer.assign(&positions)
}

fn follow(
    consumer: &BaseConsumer,
    changes: &broadcast::Sender<Arc<Change>>,
    stop: &CancellationToken,
) -> Result<(), KafkaError> {
    while !stop.is_cancelled() {
        let message = match consumer.poll(Duration::from_millis(200)) {
            None => continue,
            Some(Ok(message)) => message,
            Some(Err(error @ KafkaError::Global(RDKafkaErrorCode::Fatal))) => return Err(error),
            Some(Err(error)) => {
                observe::registry_topic_unavailable(&error);
                continue;
            }
        };
        match wire::decode_device(message.payload().unwrap_or_default()) {
            // A first version replaces nothing that anyone could have loaded before it.
            Ok(change) if change.facts.version > 1 => {
                // Without partitions there is nobody to tell.
                let _ = changes.send(Arc::new(change));
            }
            Ok(_) => {}
            Err(error) => observe::registry_record_unreadable(message.partition(), message.offset(), &error),
        }
    }
    Ok(())
}
