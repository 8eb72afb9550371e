//! The outbox: a fact and the message that tells it are written in one transaction; a relay publishes from there, in
//! order, at least once.
//!
//! One relay per service runs at a time, by a [`Lease`](super::Lease): two could hand a stale record to a compacted
//! topic after its successor. Rows are numbered by the database's own clock and counter (`ObjectId`) only within one
//! process, so the order is by `sequence`, a number that is taken from a counter in the same transaction: two
//! transactions of one service conflict on it and so cannot commit out of order. The counter is the service's own, in
//! `counters_<service>`; one that is missing begins behind the rows that are there, for only among these an order is needed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bson::{Binary, doc, spec::BinarySubtype};
use futures::TryStreamExt;
use mongodb::error::Error;
use mongodb::options::ReturnDocument;
use mongodb::{ClientSession, Collection, Database};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Lease, Outlived};
use crate::error::{Fatal, Retry};
use crate::kafka::{Event, Outgoing, PublishError, Publisher, Ticket};
use crate::lifecycle::Host;

/// A message to be published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Full topic name.
    pub topic: String,
    /// The record's key.
    pub key: String,
    /// The encoded value.
    #[serde(with = "bytes")]
    pub value: Vec<u8>,
    /// `ce_id`.
    pub event_id: String,
    /// `ce_source`.
    pub source: String,
    /// `ce_type`.
    pub kind: String,
    /// `ce_time`, seconds since the epoch.
    pub time: i64,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "_id")]
    sequence: i64,
    #[serde(flatten)]
    row: Row,
}

mod bytes {
    use super::{Binary, BinarySubtype};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Binary::deserialize(deserializer).map(|binary| binary.bytes)
    }
}

/// The outbox of one service.
#[derive(Clone)]
pub struct Outbox {
    database: Database,
    rows: Collection<bson::Document>,
    counters: Collection<bson::Document>,
    service: &'static str,
}

/// Rows of one round.
const ROUND: i64 = 1_000;
const TERM: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(100);

impl Outbox {
    /// The outbox of `service`, in its collection `outbox_<service>`, made if it is not there: a transaction cannot.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open(database: &Database, service: &'static str) -> Result<Self, Error> {
        let own = service.replace('-', "_");
        let name = format!("outbox_{own}");
        let outbox = Self {
            database: database.clone(),
            rows: database.collection(&name),
            counters: database.collection(&format!("counters_{own}")),
            service,
        };
        super::schema::create_collection(database, &name).await?;
        let last = outbox.rows.find_one(doc! {}).sort(doc! { "_id": -1 }).await?;
        let last = last.and_then(|row| row.get_i64("_id").ok()).unwrap_or_default();
        // An upsert outside a transaction makes the collection of counters; reading makes nothing.
        let start = doc! { "$setOnInsert": { "value": last } };
        outbox.counters.update_one(doc! { "_id": &name }, start).upsert(true).await?;
        Ok(outbox)
    }

    /// Writes `rows` in the transaction of `session`.
    ///
    /// # Errors
    /// The transaction cannot go on.
    pub async fn put(&self, session: &mut ClientSession, rows: &[Row]) -> Result<(), Error> {
        let Ok(many) = i64::try_from(rows.len()) else {
            return Err(Error::custom("more rows than a transaction can hold"));
        };
        if many == 0 {
            return Ok(());
        }
        let counter = self
            .counters
            .find_one_and_update(doc! { "_id": self.rows.name() }, doc! { "$inc": { "value": many } })
            .return_document(ReturnDocument::After)
            .session(&mut *session)
            .await?
            .ok_or_else(|| Error::custom("the outbox has no counter"))?;
        let last = counter.get_i64("value").map_err(Error::custom)?;
        let documents = rows
            .iter()
            .zip(last - many + 1..)
            .map(|(row, sequence)| {
                let mut document = bson::serialize_to_document(row)?;
                document.insert("_id", sequence);
                Ok(bson::serialize_to_raw_document_buf(&document)?)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        super::insert_within(session, &self.database, self.rows.name(), &documents).await
    }

    /// Publishes what is in the outbox for as long as the service runs. When it has got no further for the stall limit, the
    /// service is not ready, and says why. When the lease was outlived while records were on their way the service ends, for they
    /// may reach the broker after a successor's newer ones otherwise.
    pub fn relay(self, host: &Host, publisher: Publisher) {
        let (up, trouble) = (host.health.needs("outbox"), Arc::new(Mutex::new(None)));
        up.set(true);
        let (seen, limit) = (trouble.clone(), host.common.kafka.stall_limit);
        up.watch(move || stall(&seen, limit).into_iter().collect());
        host.spawn(
            "outbox relay",
            self.publish_all(publisher, host.instance.to_string(), trouble, host.stop.clone()),
        );
    }

    async fn publish_all(
        self,
        publisher: Publisher,
        instance: String,
        trouble: Arc<Trouble>,
        stop: CancellationToken,
    ) -> Result<(), Fatal> {
        let lease =
            Lease::new(&self.database, self.service, &format!("outbox-{}", self.service), &instance, TERM);
        let mut stint = Stint::default();
        while !stop.is_cancelled() {
            begin(&trouble);
            let round = self.round(&lease, &mut stint, &publisher).await;
            note(&trouble, &round);
            let pause = match round {
                Ok(Ok(true)) => Duration::ZERO,
                Ok(Ok(false)) => PAUSE,
                Ok(Err(outlived)) => return Err(outlived.into()),
                Err(error) => {
                    tracing::warn!(%error, "the outbox waits");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "the relay's lease runs out by itself");
        }
        Ok(())
    }

    /// One round: true if it found something. What is on the broker is forgotten, also where a row after it is refused.
    async fn round(
        &self,
        lease: &Lease,
        stint: &mut Stint,
        publisher: &Publisher,
    ) -> Result<Result<bool, Outlived>, Retry> {
        if !lease.hold().await? {
            // Whoever has it now writes in a stint of its own, and so do we when it comes back.
            *stint = Stint::default();
            return Ok(Ok(false));
        }
        let publisher = &*stint.publisher.get_or_insert_with(|| publisher.for_new_stint());
        let rows = self.rows.clone_with_type::<Stored>();
        let many = if stint.is_refused { 1 } else { ROUND };
        let rows: Vec<Stored> =
            rows.find(doc! {}).sort(doc! { "_id": 1 }).limit(many).await?.try_collect().await?;
        if rows.is_empty() {
            return Ok(Ok(false));
        }
        let published = match lease.keep(publish(publisher, &rows)).await {
            Ok(published) => published,
            Err(outlived) => return Ok(Err(outlived)),
        };
        if let Some(last) = published.last {
            self.rows.delete_many(doc! { "_id": { "$lte": last } }).await?;
        }
        stint.is_refused = published.refused.is_some();
        match published.refused {
            None => Ok(Ok(true)),
            Some((row, error)) => Err(Retry::because(format_args!(
                "row {row} of {} keeps those behind it waiting: {error}",
                self.rows.name()
            ))),
        }
    }
}

/// The time for which an instance has the lease.
#[derive(Default)]
struct Stint {
    publisher: Option<Publisher>,
    /// The first row was refused: it is tried alone, so that nothing else is sent again and again with it.
    is_refused: bool,
}

/// What became of the rows of a round.
#[derive(Debug)]
struct Published {
    /// The last row up to which all are on the broker.
    last: Option<i64>,
    /// The row after it that the broker refused, and why.
    refused: Option<(i64, PublishError)>,
}

/// Since when the relay gets no further, and why, if it does not.
type Trouble = Mutex<Option<(Instant, String)>>;

/// A round begins: one that never ends, for the broker confirms nothing, is trouble too.
fn begin(trouble: &Trouble) {
    let mut trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner);
    trouble.get_or_insert_with(|| (Instant::now(), "the database or the broker does not answer".to_owned()));
}

fn note<T>(trouble: &Trouble, round: &Result<T, Retry>) {
    let mut trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner);
    *trouble = match round {
        Ok(_) => None,
        Err(error) => {
            let since = trouble.as_ref().map_or_else(Instant::now, |(since, _)| *since);
            Some((since, error.to_string()))
        }
    };
}

fn stall(trouble: &Trouble, limit: Duration) -> Option<String> {
    let trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner);
    let (since, error) = trouble.as_ref().filter(|(since, _)| since.elapsed() > limit)?;
    Some(format!("nothing was published for {} s: {error}", since.elapsed().as_secs()))
}

/// Sends rows in their order, up to one that is refused. Each has a ticket of its own, which says whether it is on the broker.
async fn publish(publisher: &Publisher, rows: &[Stored]) -> Published {
    let mut sent = Vec::with_capacity(rows.len());
    let mut refused = None;
    for Stored { sequence, row } in rows {
        let ticket = Ticket::default();
        if let Err(error) = send(publisher, &ticket, row).await {
            refused = Some((*sequence, error));
            break;
        }
        sent.push((*sequence, ticket));
    }
    let (mut last, mut goes_on) = (None, true);
    // Those behind a refused one are waited for too: none is on its way when the next round sends it again.
    for (sequence, ticket) in sent {
        match ticket.delivered().await {
            Ok(()) if goes_on => last = Some(sequence),
            Ok(()) => {}
            Err(error) => {
                if goes_on {
                    refused = Some((sequence, error));
                }
                goes_on = false;
            }
        }
    }
    Published { last, refused }
}

/// Hands a message to the client. It is on the broker when `ticket` says so.
///
/// # Errors
/// The broker will never take it.
pub async fn send(publisher: &Publisher, ticket: &Ticket, row: &Row) -> Result<(), PublishError> {
    let event = Event {
        id: &row.event_id,
        source: &row.source,
        kind: &row.kind,
        time: row.time,
        traceparent: row.traceparent.as_deref(),
    };
    let outgoing = Outgoing { topic: &row.topic, key: row.key.as_bytes(), value: &row.value, event };
    publisher.send(ticket, outgoing).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_that_gets_no_further_is_seen_until_it_does() {
        let (trouble, failed) = (Trouble::default(), Err::<bool, _>(Retry::because("row 7 cannot be read")));
        begin(&trouble);
        assert!(stall(&trouble, Duration::ZERO).unwrap().ends_with("does not answer"), "it never ended");
        note(&trouble, &Ok(true));
        assert_eq!(stall(&trouble, Duration::ZERO), None);
        note(&trouble, &failed);
        assert_eq!(stall(&trouble, Duration::from_secs(60)), None, "not yet");
        note(&trouble, &failed);
        assert!(stall(&trouble, Duration::ZERO).unwrap().ends_with("row 7 cannot be read"));
        note(&trouble, &Ok(false));
        assert_eq!(stall(&trouble, Duration::ZERO), None);
    }
}
