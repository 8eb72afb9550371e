//! The broker's edge: publishing what ingest decided, and following the registry's changes.

use std::fmt::Write as _;
use std::sync::Arc;

use indowater_common::config;
use indowater_common::error::Fatal;
use indowater_common::kafka::{
    BACKFILL, Event, FIRST_RECEIVED, Followed, From, Outgoing, PublishError, Publisher, Record, Ticket,
    follow,
};
use indowater_proto::topics::{
    DEAD_LETTERS, DEVICES, METER_FINDINGS, PROPERTIES, READINGS, TELEMETRY, Topic,
};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::domain::arrival::Arrival;
use crate::domain::facts::Change;
use crate::domain::reject::Reason;
use crate::{observe, wire};

/// `ce_source` of everything this service says.
pub const SOURCE: &str = "ingest";

/// The topics that ingest relies on.
pub const TOPICS: [&Topic; 6] =
    [&TELEMETRY, &READINGS, &DEAD_LETTERS, &DEVICES, &PROPERTIES, &METER_FINDINGS];

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

/// What becomes of one telemetry message, or of some of its reads.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It was accepted.
    Readings {
        /// `devices.id`.
        device: &'a str,
        /// The newest read, seconds since the epoch.
        newest: i64,
    },
    /// It cannot be used, for that reason.
    DeadLetter(Reason),
}

/// How a record came, by the broker's time and its headers.
pub fn arrival(record: &Record<'_>) -> Arrival {
    Arrival::new(record.timestamp_ms, record.header(FIRST_RECEIVED), record.header(BACKFILL))
}

/// The id of what becomes of the telemetry at these coordinates.
fn identify(event_id: &mut String, partition: i32, offset: i64, outcome: Outcome<'_>) {
    event_id.clear();
    // Writing to a string does not fail.
    let _ = write!(event_id, "telemetry-{partition}-{offset}");
    if let Outcome::DeadLetter(reason) = outcome {
        let _ = write!(event_id, "-{}", reason.name());
    }
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

    /// Hands a record to the client. Its event id follows from where the telemetry stands and what became of it, so a
    /// message that is processed again is seen to be the same.
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
        identify(&mut self.event_id, self.partition, record.offset, outcome);
        let (topic, contract, key, time) = match outcome {
            Outcome::Readings { device, newest } => {
                (&self.topics.readings, &READINGS, device.as_bytes(), newest)
            }
            Outcome::DeadLetter(_) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_one_message_is_told_apart_and_the_same_whenever_it_is_told() {
        let mut ids = Vec::new();
        let readings = Outcome::Readings { device: "device-1", newest: 7 };
        for outcome in std::iter::once(readings).chain(Reason::ALL.map(Outcome::DeadLetter)) {
            let (mut first, mut again) = (String::new(), "of another".to_owned());
            identify(&mut first, 3, 42, outcome);
            identify(&mut again, 3, 42, outcome);
            assert_eq!(first, again);
            assert!(!ids.contains(&first), "{first}");
            ids.push(first);
        }
        assert_eq!((&*ids[0], &*ids[1]), ("telemetry-3-42", "telemetry-3-42-malformed"));
    }
}
