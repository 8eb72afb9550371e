//! Bounded reads of topics: from offsets to offsets, outside every consumer group, so that looking changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indowater_common::config;
use indowater_common::kafka::base_config;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Message as _};

use crate::clients::PATIENCE;

/// Offsets of each partition: the first one wanted, and the one after the last.
pub type Extent = BTreeMap<i32, (i64, i64)>;

/// How long a read may go without a record before it is given up.
const STALLED: Duration = Duration::from_secs(30);

/// A reader of topics. Its calls block.
pub struct Reader {
    kafka: config::Kafka,
    consumer: BaseConsumer,
}

impl Reader {
    /// A reader at the broker; it connects when it is first asked.
    ///
    /// # Errors
    /// Settings that the client refuses.
    pub fn open(kafka: &config::Kafka) -> Result<Self> {
        // The client wants a group's name even where no group is joined.
        let consumer = config(kafka, &format!("{}.operator", kafka.topic_prefix)).create();
        Ok(Self { kafka: kafka.clone(), consumer: consumer.context("the Kafka client cannot be made")? })
    }

    /// What `topic` holds now.
    ///
    /// # Errors
    /// The broker does not answer, or has no such topic.
    pub fn extent(&self, topic: &str) -> Result<Extent> {
        let metadata = self.consumer.fetch_metadata(Some(topic), PATIENCE).with_context(|| self.silent())?;
        let partitions = metadata.topics().first().filter(|topic| topic.error().is_none());
        let Some(partitions) = partitions.filter(|topic| !topic.partitions().is_empty()) else {
            bail!("the broker has no topic {topic}: create the topics with `indowater init`");
        };
        let watermarks = partitions.partitions().iter().map(|partition| {
            let (low, high) = self
                .consumer
                .fetch_watermarks(topic, partition.id(), PATIENCE)
                .with_context(|| self.silent())?;
            Ok((partition.id(), (low, high)))
        });
        watermarks.collect()
    }

    /// The groups of this system, by full name.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn groups(&self) -> Result<Vec<String>> {
        let list = self.consumer.fetch_group_list(None, PATIENCE).with_context(|| self.silent())?;
        let ours = format!("{}.", self.kafka.topic_prefix);
        let mut names: Vec<String> = list
            .groups()
            .iter()
            .map(|group| group.name().to_owned())
            .filter(|name| name.starts_with(&ours))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// What `group` (full name) has committed of `topic`: by partition the offset it goes on from, where it committed one.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn committed(
        &self,
        group: &str,
        topic: &str,
        partitions: impl Iterator<Item = i32>,
    ) -> Result<BTreeMap<i32, i64>> {
        let places = partitions.map(|partition| (topic, partition));
        Ok(self.committed_of_all(group, places)?.remove(topic).unwrap_or_default())
    }

    /// The same of many topics at once: by topic, then by partition.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn committed_of_all<'a>(
        &self,
        group: &str,
        places: impl Iterator<Item = (&'a str, i32)>,
    ) -> Result<HashMap<String, BTreeMap<i32, i64>>> {
        let member: BaseConsumer =
            config(&self.kafka, group).create().context("the Kafka client cannot be made")?;
        let mut wanted = TopicPartitionList::new();
        places.for_each(|(topic, partition)| _ = wanted.add_partition(topic, partition));
        let committed = member.committed_offsets(wanted, PATIENCE).with_context(|| self.silent())?;
        let mut offsets: HashMap<String, BTreeMap<i32, i64>> = HashMap::new();
        for element in committed.elements() {
            if let Offset::Offset(offset) = element.offset() {
                offsets.entry(element.topic().to_owned()).or_default().insert(element.partition(), offset);
            }
        }
        Ok(offsets)
    }

    /// Hands every record of `extent` to `each`, in order within each partition, until it breaks.
    ///
    /// # Errors
    /// The broker does not answer, or `each` fails.
    pub fn read(
        &self,
        topic: &str,
        extent: &Extent,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut left: BTreeMap<i32, i64> = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        for (partition, (from, to)) in extent {
            if from < to {
                assignment.add_partition_offset(topic, *partition, Offset::Offset(*from))?;
                left.insert(*partition, *to);
            }
        }
        self.consumer.assign(&assignment).context("the topic cannot be read")?;
        let mut heard = Instant::now();
        while !left.is_empty() {
            match self.consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let Some(end) = left.get(&message.partition()).copied() else {
                        continue;
                    };
                    if message.offset() < end && each(&message)?.is_break() {
                        break;
                    }
                    if message.offset() + 1 >= end {
                        left.remove(&message.partition());
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
        format!(
            "the broker at {} does not answer: start it, or name another with --kafka",
            self.kafka.bootstrap
        )
    }
}

/// Records of the extent that are not committed; of a partition without a commit, all.
pub fn lag(extent: &Extent, committed: &BTreeMap<i32, i64>) -> i64 {
    let of = |(partition, (low, high)): (&i32, &(i64, i64))| {
        (high - committed.get(partition).copied().unwrap_or(*low).max(*low)).max(0)
    };
    extent.iter().map(of).sum()
}

/// How many records lie within the extent, as far as offsets tell.
pub fn records(extent: &Extent) -> i64 {
    extent.values().map(|(from, to)| to - from).sum()
}

fn config(kafka: &config::Kafka, group: &str) -> ClientConfig {
    let mut config = base_config(kafka);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // A record that retention takes away while it is looked for: go on with what is left.
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "50000")
        .set("queued.max.messages.kbytes", "65536");
    config
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
