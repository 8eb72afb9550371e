//! The way of telemetry to the broker, as a gateway of meters sends it.
//!
//! This is not the services' publisher: what goes out here plays the stranger (any bytes, any content type, none of our
//! envelope), and must be able to be garbage on purpose. Keys go to the partition that Java's default partitioner picks,
//! so that the reads of a meter stay together whoever produces them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indowater_common::kafka::base_config;
use indowater_proto::topics::TELEMETRY;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message as _};

use crate::clients::{self, PATIENCE};
use crate::system::System;

/// One record of telemetry, whatever its bytes are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uplinked {
    /// The record's key: the identifier on the meter.
    pub key: Vec<u8>,
    /// The record's value.
    pub payload: Vec<u8>,
    /// The `content-type` header; none if empty.
    pub content_type: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// Outcomes of the records handed to the client.
#[derive(Default)]
struct Outcomes {
    delivered: AtomicU64,
    refused: Mutex<Option<String>>,
    places: Mutex<Vec<Delivered>>,
}

/// Where a record stands that was sent under a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// What it was sent under.
    pub tag: usize,
    /// Partition of the telemetry topic.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

/// Stands for a record whose place nobody wants to know.
const UNTAGGED: usize = usize::MAX;

struct Tally(Arc<Outcomes>);

impl ClientContext for Tally {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "telemetry producer");
    }
}

impl ProducerContext for Tally {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        match result {
            Ok(record) => {
                self.0.delivered.fetch_add(1, Ordering::Relaxed);
                if tag != UNTAGGED {
                    let (partition, offset) = (record.partition(), record.offset());
                    let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
                    places.push(Delivered { tag, partition, offset });
                }
            }
            Err((error, _)) => {
                let mut refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
                refused.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// A producer of telemetry. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Uplink {
    producer: Arc<ThreadedProducer<Tally>>,
    outcomes: Arc<Outcomes>,
    topic: Arc<str>,
    broker: Arc<str>,
}

impl Uplink {
    /// Opens the way, once the broker has answered and has the topic.
    ///
    /// # Errors
    /// The broker does not answer in time, or has no such topic.
    pub async fn open(system: &System) -> Result<Self> {
        let outcomes = Arc::<Outcomes>::default();
        let producer: ThreadedProducer<Tally> = base_config(&clients::kafka(system))
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            // As the topic keeps it, so that the broker need not pack it anew.
            .set("compression.codec", "snappy")
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "200000")
            .set("queue.buffering.max.kbytes", "131072")
            .create_with_context(Tally(outcomes.clone()))
            .context("the Kafka client cannot be made")?;
        let uplink = Self {
            producer: Arc::new(producer),
            outcomes,
            topic: TELEMETRY.name(&system.topic_prefix).into(),
            broker: system.kafka.as_str().into(),
        };
        let asked = uplink.clone();
        clients::blocking(move || asked.check()).await?;
        Ok(uplink)
    }

    fn check(&self) -> Result<()> {
        let metadata =
            self.producer.client().fetch_metadata(Some(&self.topic), PATIENCE).with_context(|| {
                format!(
                    "the broker at {} does not answer: start it, or name another with --kafka",
                    self.broker
                )
            })?;
        match metadata.topics().first() {
            Some(topic) if topic.error().is_none() && !topic.partitions().is_empty() => Ok(()),
            _ => bail!("the broker has no topic {}: create the topics with `indowater init`", self.topic),
        }
    }

    /// Hands one record to the client, waiting while its queue is full.
    ///
    /// # Errors
    /// The broker refused this record or one before it.
    pub async fn send(&self, record: &Uplinked) -> Result<()> {
        self.send_tagged(record, UNTAGGED).await
    }

    /// The same, and remembers under `tag` where the record stands, for [`places`](Self::places).
    ///
    /// # Errors
    /// The broker refused this record or one before it.
    pub async fn send_tagged(&self, record: &Uplinked, tag: usize) -> Result<()> {
        self.refusal()?;
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 1);
        if !record.content_type.is_empty() {
            headers = headers.insert(Header { key: "content-type", value: Some(&record.content_type) });
        }
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut outgoing = BaseRecord::with_opaque_to(&self.topic, tag)
            .key(record.key.as_slice())
            .payload(record.payload.as_slice())
            .headers(headers);
        loop {
            match self.producer.send(outgoing) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    outgoing = back;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Err((error, _)) => return Err(error).context("the Kafka client refused a record"),
            }
        }
    }

    /// Waits until everything sent so far is on the broker.
    ///
    /// # Errors
    /// The broker refused a record, or did not take them all within a minute.
    pub async fn flush(&self) -> Result<()> {
        let producer = self.producer.clone();
        clients::blocking(move || {
            producer
                .flush(Duration::from_secs(60))
                .context("the broker did not take all records within a minute")
        })
        .await?;
        self.refusal()
    }

    /// Where the tagged records stand that the broker has acknowledged since this was last called.
    pub fn places(&self) -> Vec<Delivered> {
        std::mem::take(&mut self.outcomes.places.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many records the broker has acknowledged.
    pub fn delivered(&self) -> u64 {
        self.outcomes.delivered.load(Ordering::Relaxed)
    }

    fn refusal(&self) -> Result<()> {
        match &*self.outcomes.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(reason) => bail!("the broker at {} refused a record: {reason}", self.broker),
        }
    }
}

impl fmt::Debug for Uplink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uplink").field("topic", &self.topic).field("delivered", &self.delivered()).finish()
    }
}
