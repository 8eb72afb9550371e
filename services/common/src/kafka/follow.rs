//! Following a compacted topic whole: a view that every instance builds for itself, from the beginning to now and on.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::error::Fatal;

const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// Hands every record of `topic` to `apply`, from the beginning on, in the order of each partition. It returns once all
/// that stood there when it began has been handed over, with what ends when the following does: at `stop`, or of an error.
///
/// Nothing is committed and no group is joined: a restart reads all of it again.
///
/// # Errors
/// Settings that librdkafka refuses.
pub async fn follow(
    kafka: &config::Kafka,
    topic: String,
    stop: CancellationToken,
    apply: impl FnMut(&[u8]) + Send + 'static,
) -> Result<impl Future<Output = Result<(), Fatal>> + Send + 'static, Fatal> {
    let consumer: BaseConsumer = super::base_config(kafka)
        // Never joined; the client asks for a name.
        .set("group.id", format!("{}.follow", kafka.topic_prefix))
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "100")
        .create()?;
    let (caught_up, is_caught_up) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    // The client blocks, so it has a thread of its own.
    std::thread::Builder::new().name(format!("follow-{topic}")).spawn(move || {
        let follower = Follower { consumer, topic, stop, apply, caught_up: Some(caught_up) };
        // Nobody waits for it any more only if the process is ending.
        let _ = done.send(follower.run());
    })?;
    // It is dropped unsent only if the service is stopping.
    let _ = is_caught_up.await;
    Ok(async move { Ok(ended.await??) })
}

struct Follower<F> {
    consumer: BaseConsumer,
    topic: String,
    stop: CancellationToken,
    apply: F,
    caught_up: Option<oneshot::Sender<()>>,
}

impl<F: FnMut(&[u8])> Follower<F> {
    fn run(mut self) -> Result<(), KafkaError> {
        let mut left = loop {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            match self.assign() {
                Ok(left) => break left,
                Err(error) => {
                    tracing::warn!(%error, topic = self.topic, "the topic cannot be read yet");
                    std::thread::sleep(PAUSE);
                }
            }
        };
        while !self.stop.is_cancelled() {
            if left.is_empty()
                && let Some(caught_up) = self.caught_up.take()
            {
                let _ = caught_up.send(());
            }
            match self.consumer.poll(Duration::from_millis(200)) {
                // Records that were compacted away are never handed over, but passed.
                None => self.pass(&mut left),
                Some(Ok(message)) => {
                    (self.apply)(message.payload().unwrap_or_default());
                    if left.get(&message.partition()).is_some_and(|end| message.offset() + 1 >= *end) {
                        left.remove(&message.partition());
                    }
                }
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => {
                    return Err(error);
                }
                Some(Err(error)) => tracing::warn!(%error, topic = self.topic, "follower"),
            }
        }
        Ok(())
    }

    /// Assigns all partitions from their beginning. Returns where those end that are not empty.
    fn assign(&self) -> Result<HashMap<i32, i64>, KafkaError> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), PATIENCE)?;
        let (mut positions, mut ends) = (TopicPartitionList::new(), HashMap::new());
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let (low, high) = self.consumer.fetch_watermarks(&self.topic, partition.id(), PATIENCE)?;
            positions.add_partition_offset(&self.topic, partition.id(), Offset::Beginning)?;
            if high > low {
                ends.insert(partition.id(), high);
            }
        }
        if positions.count() == 0 {
            return Err(KafkaError::Subscription(format!("there is no topic {} yet", self.topic)));
        }
        self.consumer.assign(&positions)?;
        Ok(ends)
    }

    fn pass(&self, left: &mut HashMap<i32, i64>) {
        let Ok(positions) = self.consumer.position() else { return };
        left.retain(|partition, end| {
            let position = positions.find_partition(&self.topic, *partition).map(|at| at.offset());
            !matches!(position, Some(Offset::Offset(at)) if at >= *end)
        });
    }
}
