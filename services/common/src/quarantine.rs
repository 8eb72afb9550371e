//! Quarantine: what a service's own topics hold and it cannot process is set aside with its reason, so that the partition
//! goes on; once the cause is mended and the record is released, the service processes it like any record that comes again.
//!
//! Telemetry is not for here: what strangers send and cannot be used becomes a dead letter. A record of our own that makes no
//! sense is a fault of ours, or of a document that it needs, and somebody has to mend it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::{Fatal, Retry};
use crate::kafka::{Batch, Record, Returned};
use crate::lifecycle::Host;
use crate::mongo::quarantine::{SetAside, Store, binary};
use crate::{clock, mongo, telemetry};

/// How often released records are looked for.
const LOOK: Duration = Duration::from_secs(2);

/// What a service has set aside. Cheap to clone.
#[derive(Clone)]
pub struct Quarantine {
    store: Store,
    set_aside: Counter<u64>,
    waiting: Gauge<u64>,
}

/// What cannot be processed: all records of one key, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoilt {
    /// The key of the records: the device or the customer whose document it is.
    pub key: Box<str>,
    /// What is wrong, and where.
    pub reason: String,
}

impl Quarantine {
    /// Over that collection.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            set_aside: telemetry::counter("indowater_set_aside", "Records set aside in quarantine, by topic"),
            waiting: telemetry::meter()
                .u64_gauge("indowater_quarantined")
                .with_description("Records in quarantine, by topic")
                .build(),
        }
    }

    /// Makes what each partition of `topic` sets aside.
    pub fn of(&self, topic: &str) -> impl Fn() -> Aside + Clone + Send + use<> {
        let (quarantine, topic) = (self.clone(), Arc::<str>::from(topic));
        move || Aside { quarantine: quarantine.clone(), topic: topic.clone(), since: Vec::new() }
    }

    async fn put(&self, topic: &str, entries: Vec<SetAside>) -> Result<(), Retry> {
        if entries.is_empty() {
            return Ok(());
        }
        self.store.put(&entries).await?;
        self.set_aside.add(entries.len() as u64, &[KeyValue::new("topic", topic.to_owned())]);
        for SetAside { id, reason, .. } in &entries {
            tracing::error!(record = id, reason, "a record was set aside; see `indowater quarantine`");
        }
        Ok(())
    }

    /// What of `topic` is released, for its consumer, which has the partitions of this instance. What it processed is
    /// forgotten.
    pub fn returned(&self, host: &Host, topic: &str) -> mpsc::Receiver<Returned> {
        let (consumer, returned) = mpsc::channel(1);
        let looking = self.clone().keep_looking(topic.to_owned(), consumer, host.stop.clone());
        host.spawn("quarantine", looking);
        returned
    }

    async fn keep_looking(
        self,
        topic: String,
        consumer: mpsc::Sender<Returned>,
        stop: CancellationToken,
    ) -> Result<(), Fatal> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return Ok(()),
            }
            if let Err(error) = self.look(&topic, &consumer).await {
                tracing::warn!(%error, topic, "the quarantine cannot be read");
            }
        }
    }

    async fn look(&self, topic: &str, consumer: &mpsc::Sender<Returned>) -> Result<(), Retry> {
        match self.store.count(topic).await {
            Ok(count) => self.waiting.record(count, &[KeyValue::new("topic", topic.to_owned())]),
            Err(error) => tracing::warn!(%error, topic, "the quarantine could not be counted"),
        }
        let mut partitions: BTreeMap<i32, (Batch, Vec<_>)> = BTreeMap::new();
        for record in self.store.released(topic).await? {
            let (batch, ids) = partitions
                .entry(record.partition)
                .or_insert_with(|| (Batch::new(record.partition), Vec::new()));
            batch.push_again(
                record.offset,
                record.stamped_at.timestamp_millis(),
                &record.key.bytes,
                &record.value.bytes,
                record.content_type.as_deref(),
            );
            ids.push((record.id, record.set_aside_at));
        }
        for (batch, ids) in partitions.into_values() {
            let (done, processed) = oneshot::channel();
            // The consumer ends only with the service.
            if consumer.send(Returned { batch, done }).await.is_ok() && processed.await.is_ok() {
                tracing::info!(topic, records = ids.len(), "released records were processed");
                self.store.forget(&ids).await?;
            }
        }
        Ok(())
    }
}

/// What a partition of a topic sets aside. It has the records that came since the last flush, so that those of one key can
/// still be set aside when it turns out that they cannot be processed.
pub struct Aside {
    quarantine: Quarantine,
    topic: Arc<str>,
    since: Vec<Batch>,
}

impl Aside {
    /// Keeps a batch until it is durable.
    pub fn keep(&mut self, batch: &Batch) {
        // One that is applied again, for setting aside failed, is kept once.
        if self.since.last().is_none_or(|last| last.next_offset() != batch.next_offset()) {
            self.since.push(batch.clone());
        }
    }

    /// What was kept is durable.
    pub fn clear(&mut self) {
        self.since.clear();
    }

    /// Sets one record aside. It is durable when this returns, so its offset may be committed.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn record(&self, partition: i32, record: &Record<'_>, reason: &str) -> Result<(), Retry> {
        self.quarantine.put(&self.topic, vec![entry(&self.topic, partition, record, reason)]).await
    }

    /// Sets aside those of the kept records that have the keys of what is spoilt, and forgets it: what comes from now on finds out
    /// anew.
    ///
    /// # Errors
    /// The database does not answer; then nothing is forgotten.
    pub async fn keys(&self, spoilt: &mut Vec<Spoilt>) -> Result<(), Retry> {
        let mut entries = Vec::new();
        for batch in self.since.iter().filter(|_| !spoilt.is_empty()) {
            for record in batch.records() {
                let of_key = spoilt.iter().find(|spoilt| spoilt.key.as_bytes() == record.key);
                let entry = of_key.map(|of| entry(&self.topic, batch.partition, &record, &of.reason));
                entries.extend(entry);
            }
        }
        self.quarantine.put(&self.topic, entries).await?;
        spoilt.clear();
        Ok(())
    }
}

fn entry(topic: &str, partition: i32, record: &Record<'_>, reason: &str) -> SetAside {
    SetAside {
        id: format!("{topic}:{partition}:{}", record.offset),
        topic: topic.to_owned(),
        partition,
        offset: record.offset,
        key: binary(record.key),
        value: binary(record.value),
        content_type: record.content_type.map(str::to_owned),
        stamped_at: mongo::from_millis(record.timestamp_ms),
        reason: reason.to_owned(),
        set_aside_at: mongo::to_bson_time(clock::now()),
        released: false,
    }
}
