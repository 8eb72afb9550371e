//! Publishing: idempotent producer, keyed, acknowledged by all replicas; a [`Ticket`] tells when a group of records is
//! on the broker.
//!
//! The client retries for as long as the broker is away, so a delivery fails only for reasons that no retry mends
//! (authorisation, a record too large). A fatal error of the client itself, such as a sequence that the broker lost,
//! ends the service: its uncommitted input comes again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::headers::{Event, NAME, OLDEST};
use super::partitioner::ByEntity;
use crate::clock;
use crate::config;
use crate::error::Fatal;

/// A record that the broker did not take and never will.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the broker refused a record: {0}")]
pub struct PublishError(String);

/// One record to publish.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Full topic name.
    pub topic: &'a str,
    /// The record's key; its part before the first `|` decides the partition.
    pub key: &'a [u8],
    /// The encoded value.
    pub value: &'a [u8],
    /// Its headers.
    pub event: Event<'a>,
}

/// Counts the records of a group that are still on their way. Cheap to clone; all clones are the same group.
#[derive(Clone, Default)]
pub struct Ticket(Arc<Group>);

#[derive(Default)]
struct Group {
    pending: AtomicUsize,
    changed: Notify,
    refused: Mutex<Option<PublishError>>,
}

impl Ticket {
    /// Waits until every record of the group is acknowledged.
    ///
    /// # Errors
    /// The first refusal, if the broker refused one.
    pub async fn delivered(&self) -> Result<(), PublishError> {
        loop {
            let changed = self.0.changed.notified();
            if self.0.pending.load(Ordering::Acquire) == 0 {
                let refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
                return refused.map_or(Ok(()), Err);
            }
            changed.await;
        }
    }
}

struct Acknowledge;

impl ClientContext for Acknowledge {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "producer");
    }
}

impl ProducerContext<ByEntity> for Acknowledge {
    type DeliveryOpaque = Arc<Group>;

    fn delivery(&self, result: &DeliveryResult<'_>, group: Arc<Group>) {
        if let Err((error, _)) = result {
            let mut refused = group.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get_or_insert_with(|| PublishError(error.to_string()));
        }
        if group.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            group.changed.notify_waiters();
        }
    }

    fn get_custom_partitioner(&self) -> Option<&ByEntity> {
        Some(&ByEntity)
    }
}

/// How long records wait for others to be sent together with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Long enough to be cheap.
    Thrifty,
    /// Hardly, for somebody waits.
    Prompt,
}

impl Pace {
    fn linger(self) -> &'static str {
        match self {
            Self::Thrifty => "20",
            Self::Prompt => "5",
        }
    }
}

/// How often the client is asked whether it can go on.
const LOOK: Duration = Duration::from_millis(500);

/// The way to the broker. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    client: Arc<ThreadedProducer<Acknowledge, ByEntity>>,
    writer: Arc<str>,
}

impl Publisher {
    /// Makes the client; it connects by itself. A service takes [`publisher`](super::publisher), which watches over it.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn open(kafka: &config::Kafka, pace: Pace) -> Result<Self, KafkaError> {
        let producer = super::base_config(kafka)
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("message.max.bytes", (2 * 1024 * 1024).to_string())
            .set("compression.codec", "lz4")
            // The broker pays for requests more than for records.
            .set("linger.ms", pace.linger())
            .set("queue.buffering.max.messages", "200000")
            .set("queue.buffering.max.kbytes", "131072")
            .create_with_context(Acknowledge)?;
        Ok(Self { client: Arc::new(producer), writer: clock::new_id(NAME).into() })
    }

    /// The same client, for a stint of writing that begins now: an instance that has been given a partition.
    #[must_use]
    pub fn for_new_stint(&self) -> Self {
        Self { client: self.client.clone(), writer: clock::new_id(NAME).into() }
    }

    /// The same client, for records whose freshness is to be looked at by whoever reads the topic back.
    pub(crate) fn as_oldest(&self) -> Self {
        Self { client: self.client.clone(), writer: OLDEST.into() }
    }

    /// Hands one record to the client, waiting while its queue is full. It is on the broker when `ticket` says so.
    ///
    /// # Errors
    /// A record that can never be sent.
    pub async fn send(&self, ticket: &Ticket, outgoing: Outgoing<'_>) -> Result<(), PublishError> {
        let mut record = BaseRecord::with_opaque_to(outgoing.topic, ticket.0.clone())
            .key(outgoing.key)
            .payload(outgoing.value)
            .headers(outgoing.event.headers(&self.writer));
        ticket.0.pending.fetch_add(1, Ordering::AcqRel);
        loop {
            match self.client.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Err((error, _)) => {
                    ticket.0.pending.fetch_sub(1, Ordering::AcqRel);
                    return Err(PublishError(error.to_string()));
                }
            }
        }
    }

    /// Watches the client until `stop`.
    ///
    /// # Errors
    /// The client's fatal error, once there is one: it sends nothing any more.
    pub(super) async fn until_fatal(self, stop: CancellationToken) -> Result<(), Fatal> {
        loop {
            if let Some((code, reason)) = self.client.client().fatal_error() {
                return Err(format!("the broker's client cannot go on: {code}: {reason}").into());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Waits until everything sent so far is on the broker, for at most `bound`. It blocks the thread.
    ///
    /// # Errors
    /// The bound passed.
    pub fn flush(&self, bound: Duration) -> Result<(), KafkaError> {
        self.client.flush(bound)
    }
}
