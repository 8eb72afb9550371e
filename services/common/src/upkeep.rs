//! Upkeep of compacted topics (T1): a topic never ends, for a key, on a stale record of a former owner.
//!
//! A process that was frozen may still hold records in its client when it wakes up; they reach the broker after what its
//! successor has published meanwhile, and compaction would keep them. Nothing keeps a writer from that, so the owner reads its
//! topics back: each stint of writing puts its own name, which rises with time, into the header [`WRITER`], and a record by an
//! older writer than its partition has seen is compared with the database. Where that knows a newer state, the newer one is
//! published again. Repairs are by the oldest of all writers, so they are looked at in turn, until nothing is stale.
//!
//! One instance of a service does this at a time. It begins where the one before it ended, and with ten minutes more; there
//! every record is compared, for nobody knows yet whose they are. Names rise only as well as clocks agree: they must to within the
//! time that it takes to lose a partition (15 s).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::Counter;

use crate::error::{Fatal, Retry};
use crate::kafka::{Batch, NAME, Publisher, ReadBack, Record, Ticket, WRITER};
use crate::lifecycle::Host;
use crate::mongo::Lease;
use crate::{clock, telemetry};

/// What a service knows of the newest state of the keys of its topics.
pub trait Newest: Send + Sync + 'static {
    /// Publishes the newest state of those keys of which these records of `topic` are an older one, as the database, which a
    /// majority has, knows it. A value that makes no sense is passed over. Returns how many were stale.
    fn publish_newer(
        &self,
        publisher: &Publisher,
        ticket: &Ticket,
        topic: &str,
        values: &[&[u8]],
    ) -> impl Future<Output = Result<usize, Retry>> + Send;
}

/// How long an instance that died keeps others from the upkeep: the term of its lease.
pub const TERM: Duration = Duration::from_secs(30);
/// How much further back than the last look the first one reaches.
const FURTHER_BACK_MS: i64 = 600_000;
/// Keys of which the last record is held until their writers are known, and records that are compared at once.
const MOST_HELD: usize = 200_000;
const AT_ONCE: usize = 1_000;
const PAUSE: Duration = Duration::from_secs(5);

/// Looks after `topics` for as long as the service runs.
pub fn keep<N: Newest>(host: &Host, publisher: &Publisher, lease: Lease, topics: Vec<String>, newest: N) {
    let upkeep = Upkeep {
        publisher: publisher.as_oldest(),
        newest,
        stale: telemetry::counter(
            "indowater_stale_records",
            "Stale records that were found on compacted topics",
        ),
    };
    host.spawn("upkeep of topics", upkeep.run(host.clone(), Arc::new(lease), topics));
}

struct Upkeep<N> {
    publisher: Publisher,
    newest: N,
    stale: Counter<u64>,
}

impl<N: Newest> Upkeep<N> {
    async fn run(self, host: Host, lease: Arc<Lease>, topics: Vec<String>) -> Result<(), Fatal> {
        while !host.stop.is_cancelled() {
            let looked = tokio::select! {
                looked = self.look_after(&host, &lease, &topics) => looked,
                () = host.stop.cancelled() => break,
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "the upkeep of topics waits");
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = host.stop.cancelled() => {}
            }
        }
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "the lease of the upkeep runs out by itself");
        }
        Ok(())
    }

    /// Looks after the topics while this instance holds the lease.
    async fn look_after(&self, host: &Host, lease: &Lease, topics: &[String]) -> Result<(), Retry> {
        let last = lease.last_held().await?;
        if !lease.hold().await? {
            return Ok(());
        }
        let now = clock::now();
        let since = last.map_or(now, |last| last.min(now)).as_millisecond() - FURTHER_BACK_MS;
        let mut read = ReadBack::since(&host.common.kafka, topics.to_vec(), since).await?;
        let (mut writers, mut stood) = (Writers::default(), Stood::default());
        while lease.hold().await? {
            let batches = read.next().await?;
            for (place, batch) in batches {
                let suspects = writers.suspects(&place, &batch);
                if writers.are_known() {
                    let values: Vec<&[u8]> = suspects.iter().map(|record| record.value).collect();
                    self.renew(&place.0, &values).await?;
                } else {
                    suspects.iter().for_each(|record| stood.take(&place.0, record));
                }
            }
            if read.is_caught_up() && writers.caught_up() || stood.len() >= MOST_HELD {
                for (topic, values) in std::mem::take(&mut stood).by_topic() {
                    self.renew(&topic, &values.iter().map(Vec::as_slice).collect::<Vec<_>>()).await?;
                }
            }
        }
        Ok(())
    }

    async fn renew(&self, topic: &str, suspects: &[&[u8]]) -> Result<(), Retry> {
        let (ticket, mut stale) = (Ticket::default(), 0);
        for some in suspects.chunks(AT_ONCE) {
            stale += self.newest.publish_newer(&self.publisher, &ticket, topic, some).await?;
        }
        ticket.delivered().await?;
        if stale > 0 {
            tracing::warn!(
                topic,
                stale,
                "stale records of a former owner were found; the newest are published again"
            );
            self.stale.add(stale as u64, &[]);
        }
        Ok(())
    }
}

/// What stood on the topics before their writers are known: of each key the last record.
#[derive(Default)]
struct Stood(HashMap<(String, Vec<u8>), Vec<u8>>);

impl Stood {
    fn take(&mut self, topic: &str, record: &Record<'_>) {
        self.0.insert((topic.to_owned(), record.key.to_vec()), record.value.to_vec());
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn by_topic(self) -> HashMap<String, Vec<Vec<u8>>> {
        let mut topics: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
        for ((topic, _), value) in self.0 {
            topics.entry(topic).or_default().push(value);
        }
        topics
    }
}

/// Who writes what.
#[derive(Default)]
struct Writers {
    /// The newest writer that each partition has seen.
    present: HashMap<(String, i32), String>,
    /// A name that is newer than all writers there were when what stood on the topics had been read.
    first: Option<String>,
}

impl Writers {
    /// What stood on the topics is read. Of a partition on which nothing stood nobody knows who writes it, so that everybody who
    /// did so before now is suspect. False if that was known.
    fn caught_up(&mut self) -> bool {
        let is_news = self.first.is_none();
        self.first.get_or_insert_with(|| clock::new_id(NAME));
        is_news
    }

    fn are_known(&self) -> bool {
        self.first.is_some()
    }

    /// The records by older writers than their partition has seen; until all is read, all records.
    fn suspects<'a>(&mut self, place: &(String, i32), batch: &'a Batch) -> Vec<Record<'a>> {
        let are_known = self.are_known();
        let first = self.first.clone().unwrap_or_default();
        let present = self.present.entry(place.clone()).or_insert(first);
        let is_suspect = |record: &Record<'_>| {
            let writer = record.header(WRITER).unwrap_or_default();
            if writer > present.as_str() {
                *present = writer.to_owned();
            }
            !are_known || writer < present.as_str()
        };
        batch.records().filter(is_suspect).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(writers: &[&str]) -> Batch {
        let mut batch = Batch::new(0);
        for (offset, writer) in (0..).zip(writers) {
            batch.push_with(offset, &[(WRITER, writer)], format!("{writer}@{offset}").as_bytes());
        }
        batch
    }

    fn told(suspects: Vec<Record<'_>>) -> Vec<String> {
        suspects.into_iter().map(|record| String::from_utf8_lossy(record.value).into_owned()).collect()
    }

    #[test]
    fn records_by_older_writers_are_suspects_whenever_they_come() {
        let (mut writers, place) = (Writers::default(), ("usage".to_owned(), 0));
        let all = told(writers.suspects(&place, &batch(&["w1", "w2"])));
        assert_eq!(all, ["w1@0", "w2@1"], "nobody is known yet");
        writers.caught_up();
        let (first, second) = (batch(&["w2", "w1", "w2", ""]), batch(&["r", "w1", "w2", "w3", "w2"]));
        assert_eq!(told(writers.suspects(&place, &first)), ["w1@1", "@3"]);
        assert_eq!(told(writers.suspects(&place, &second)), ["r@0", "w1@1", "w2@4"]);
    }

    #[test]
    fn on_a_partition_that_was_quiet_everybody_from_before_is_suspect() {
        let (mut writers, place) = (Writers::default(), ("usage".to_owned(), 0));
        let before = clock::new_id(NAME);
        writers.caught_up();
        let since = clock::new_id(NAME);
        let quiet = batch(&[&before, &since, &before]);
        let expected = [format!("{before}@0"), format!("{before}@2")];
        assert_eq!(told(writers.suspects(&place, &quiet)), expected);
    }
}
