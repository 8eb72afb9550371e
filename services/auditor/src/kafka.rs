//! The broker's edge: bounded reads of topics outside every consumer group, so that looking changes nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Message as _};

/// Offsets of each partition: the first one, and the one after the last.
pub type Extent = BTreeMap<i32, (i64, i64)>;

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a read may go without a record before it is given up.
const STALLED: Duration = Duration::from_secs(30);

/// A record of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its value; empty if it has none.
    pub value: &'a [u8],
    /// Its content type, if it has one.
    pub content_type: Option<&'a str>,
}

/// A reader of topics. Its calls block.
pub struct Reader {
    bootstrap: String,
    options: Vec<(String, String)>,
    consumer: BaseConsumer,
}

impl Reader {
    /// A reader at the broker; it connects when it is first asked.
    ///
    /// # Errors
    /// Settings that the client refuses.
    pub fn open(bootstrap: &str, options: &[(String, String)]) -> Result<Self> {
        // The client wants a group's name even where no group is joined.
        let consumer = client(bootstrap, options, "auditor")?;
        Ok(Self { bootstrap: bootstrap.to_owned(), options: options.to_vec(), consumer })
    }

    /// What `topic` holds now.
    ///
    /// # Errors
    /// The broker does not answer, or has no such topic.
    pub fn extent(&self, topic: &str) -> Result<Extent> {
        let metadata = self.consumer.fetch_metadata(Some(topic), PATIENCE).with_context(|| self.silent())?;
        let found = metadata.topics().first().filter(|topic| topic.error().is_none());
        let Some(found) = found.filter(|topic| !topic.partitions().is_empty()) else {
            bail!("the broker has no topic {topic}: create the topics with `indowater init`");
        };
        let mut extent = Extent::new();
        for partition in found.partitions() {
            let bounds = self.consumer.fetch_watermarks(topic, partition.id(), PATIENCE);
            extent.insert(partition.id(), bounds.with_context(|| self.silent())?);
        }
        Ok(extent)
    }

    /// What a group has committed of the partitions of an extent, where it committed anything.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn committed(&self, group: &str, topic: &str, extent: &Extent) -> Result<BTreeMap<i32, i64>> {
        let member = client(&self.bootstrap, &self.options, group)?;
        let mut wanted = TopicPartitionList::new();
        for partition in extent.keys() {
            wanted.add_partition(topic, *partition);
        }
        let answer = member.committed_offsets(wanted, PATIENCE).with_context(|| self.silent())?;
        let mut committed = BTreeMap::new();
        for element in answer.elements() {
            if let Offset::Offset(offset) = element.offset() {
                committed.insert(element.partition(), offset);
            }
        }
        Ok(committed)
    }

    /// Hands every record of `extent` to `each`, in order within each partition.
    ///
    /// # Errors
    /// The broker does not answer, or `each` fails.
    pub fn read(
        &self,
        topic: &str,
        extent: &Extent,
        mut each: impl FnMut(Record<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut left: BTreeMap<i32, i64> = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        for (partition, (from, to)) in extent.iter().filter(|(_, (from, to))| from < to) {
            assignment.add_partition_offset(topic, *partition, Offset::Offset(*from))?;
            left.insert(*partition, *to);
        }
        self.consumer.assign(&assignment).context("the topic cannot be read")?;
        let mut heard = Instant::now();
        while !left.is_empty() {
            match self.consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let (partition, offset) = (message.partition(), message.offset());
                    let Some(end) = left.get(&partition).copied() else { continue };
                    if offset < end {
                        let value = message.payload().unwrap_or_default();
                        let content_type = content_type(&message);
                        each(Record { partition, offset, value, content_type })?;
                    }
                    if offset + 1 >= end {
                        left.remove(&partition);
                    }
                }
                // The last offsets of a partition may belong to no record (compaction, a producer's transactions).
                Some(Err(KafkaError::PartitionEOF(partition))) => _ = left.remove(&partition),
                Some(Err(error)) => tracing::debug!(%error, topic, "reading"),
                None if heard.elapsed() > STALLED => bail!(self.silent()),
                None => {}
            }
        }
        self.consumer.unassign().context("the reader cannot let go of the topic")
    }

    fn silent(&self) -> String {
        format!("the broker at {} does not answer: start it, or name another with --kafka", self.bootstrap)
    }
}

fn content_type<'a>(message: &'a rdkafka::message::BorrowedMessage<'_>) -> Option<&'a str> {
    let header = message.headers()?.iter().find(|header| header.key.eq_ignore_ascii_case("content-type"))?;
    std::str::from_utf8(header.value?).ok()
}

fn client(bootstrap: &str, options: &[(String, String)], group: &str) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("log.connection.close", "false")
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // A record that retention takes away while it is looked for: go on with what is left.
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50")
        .set("queued.max.messages.kbytes", "65536");
    for (key, value) in options {
        config.set(key, value);
    }
    config.create().context("the Kafka client cannot be made")
}

/// Records of the extent that are not committed; of a partition without a commit, all.
pub fn lag(extent: &Extent, committed: &BTreeMap<i32, i64>) -> i64 {
    let of = |(partition, (low, high)): (&i32, &(i64, i64))| {
        (high - committed.get(partition).copied().unwrap_or(*low).max(*low)).max(0)
    };
    extent.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_is_not_committed() {
        let extent = Extent::from([(0, (5, 10)), (1, (0, 4)), (2, (3, 3))]);
        assert_eq!(lag(&extent, &BTreeMap::from([(0, 8), (1, 4)])), 2);
        assert_eq!(lag(&extent, &BTreeMap::new()), 9);
        // Retention took what was committed long ago.
        assert_eq!(lag(&extent, &BTreeMap::from([(0, 2), (1, 0)])), 9);
    }
}
