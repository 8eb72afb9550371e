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
pub struct ReadBack(Arc<BaseConsumer>);

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
            consumer.assign(&consumer.offsets_for_times(wanted, PATIENCE)?)?;
            Ok(Self(Arc::new(consumer)))
        })
        .await
    }

    /// What comes next, by topic and partition; nothing if nothing comes for a moment.
    ///
    /// # Errors
    /// The client cannot go on.
    pub async fn next(&self) -> Result<HashMap<(String, i32), Batch>, Retry> {
        let consumer = self.0.clone();
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
