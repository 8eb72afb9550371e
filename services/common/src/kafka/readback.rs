//! Reading topics back from a moment on, outside any group: for their owner, who looks at what was published under its name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::Batch;
use super::client::reading_config;
use crate::config;
use crate::error::Retry;

const PATIENCE: Duration = Duration::from_secs(10);
/// How long one look waits for records, and how many it takes.
const LOOK: Duration = Duration::from_millis(500);
const MOST: usize = 2_000;

/// Topics that are read back.
pub struct ReadBack {
    consumer: Arc<BaseConsumer>,
    /// Where those partitions ended that are not read up to there yet.
    left: HashMap<(String, i32), i64>,
}

impl ReadBack {
    /// All partitions of `topics`, from the records on that were published at `since_ms` or later.
    ///
    /// # Errors
    /// The broker does not answer, or has no such topic.
    pub async fn since(kafka: &config::Kafka, topics: Vec<String>, since_ms: i64) -> Result<Self, Retry> {
        let mut config = reading_config(kafka);
        // Never joined; the client asks for a name. Nobody waits for what is found, so fetching is thrifty.
        config.set("group.id", format!("{}.read-back", kafka.topic_prefix));
        config.set("fetch.wait.max.ms", "1000").set("fetch.min.bytes", "262144");
        let consumer = config.create::<BaseConsumer>()?;
        blocking(move || {
            let mut wanted = TopicPartitionList::new();
            for topic in &topics {
                let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
                for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                    wanted.add_partition_offset(topic, partition.id(), Offset::Offset(since_ms))?;
                }
            }
            let begin = consumer.offsets_for_times(wanted, PATIENCE)?;
            let mut left = HashMap::new();
            for partition in begin.elements() {
                let place = (partition.topic().to_owned(), partition.partition());
                let (_, end) = consumer.fetch_watermarks(&place.0, place.1, PATIENCE)?;
                if partition.offset().to_raw().is_some_and(|begin| (0..end).contains(&begin)) {
                    left.insert(place, end);
                }
            }
            consumer.assign(&begin)?;
            Ok(Self { consumer: Arc::new(consumer), left })
        })
        .await
    }

    /// Whether all is read that stood there when reading began.
    pub fn is_caught_up(&self) -> bool {
        self.left.is_empty()
    }

    /// What comes next, by topic and partition; nothing if nothing comes for a moment.
    ///
    /// # Errors
    /// The client cannot go on.
    pub async fn next(&mut self) -> Result<HashMap<(String, i32), Batch>, Retry> {
        let batches = self.poll().await?;
        for (place, batch) in &batches {
            if self.left.get(place).is_some_and(|end| batch.next_offset() >= Some(*end)) {
                self.left.remove(place);
            }
        }
        if batches.is_empty()
            && let Ok(positions) = self.consumer.position()
        {
            // Records that were compacted away are never handed over, but passed.
            self.left.retain(|(topic, partition), end| {
                let position = positions.find_partition(topic, *partition).map(|at| at.offset());
                !matches!(position, Some(Offset::Offset(at)) if at >= *end)
            });
        }
        Ok(batches)
    }

    async fn poll(&self) -> Result<HashMap<(String, i32), Batch>, Retry> {
        let consumer = self.consumer.clone();
        blocking(move || {
            let (mut batches, until, mut many) = (HashMap::new(), Instant::now() + LOOK, 0);
            while many < MOST
                && let Some(left) = until.checked_duration_since(Instant::now())
            {
                match consumer.poll(left) {
                    None => break,
                    Some(Ok(message)) => {
                        let partition = message.partition();
                        let batch = batches.entry((message.topic().to_owned(), partition));
                        batch.or_insert_with(|| Batch::new(partition)).push(&message);
                        many += 1;
                    }
                    Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => {
                        return Err(error);
                    }
                    // The client mends these itself; it only tells.
                    Some(Err(error)) => tracing::warn!(%error, "reading back"),
                }
            }
            Ok(batches)
        })
        .await
    }
}

/// Runs calls of the client, which block, beside the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, Retry> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
