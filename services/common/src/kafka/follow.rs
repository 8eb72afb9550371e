//! Following a topic outside any group: every instance reads all of it, for a view of its own.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::client::reading_config;
use crate::config;
use crate::error::Fatal;

const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// Where following begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the first record: the view is whole.
    Beginning,
    /// With what comes from now on: the view is loaded elsewhere.
    End,
}

/// A record of a topic that is followed.
#[derive(Clone, Copy, Debug)]
pub struct Followed<'a> {
    /// Its partition.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// The value; empty if there is none.
    pub value: &'a [u8],
}

/// Hands every record of `topic` to `apply`, in the order of each partition. It returns once all that is to be read of what stood
/// there when it began has been handed over, with what ends when the following does: at `stop`, or of an error.
///
/// Nothing is committed and no group is joined: a restart begins again.
///
/// # Errors
/// Settings that librdkafka refuses.
pub async fn follow(
    kafka: &config::Kafka,
    topic: String,
    from: From,
    stop: CancellationToken,
    apply: impl FnMut(Followed<'_>) + Send + 'static,
) -> Result<impl Future<Output = Result<(), Fatal>> + Send + 'static, Fatal> {
    let consumer: BaseConsumer = reading_config(kafka)
        // Never joined; the client asks for a name.
        .set("group.id", format!("{}.follow", kafka.topic_prefix))
        .set("fetch.wait.max.ms", "100")
        .create()?;
    let (caught_up, is_caught_up) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    // The client blocks, so it has a thread of its own.
    std::thread::Builder::new().name(format!("follow-{topic}")).spawn(move || {
        let follower = Follower { consumer, topic, from, stop, apply, caught_up: Some(caught_up) };
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
    from: From,
    stop: CancellationToken,
    apply: F,
    caught_up: Option<oneshot::Sender<()>>,
}

impl<F: FnMut(Followed<'_>)> Follower<F> {
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
                    let value = message.payload().unwrap_or_default();
                    (self.apply)(Followed {
                        partition: message.partition(),
                        offset: message.offset(),
                        value,
                    });
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

    /// Assigns all partitions from where following begins. Returns where those end of which something is to be read.
    fn assign(&self) -> Result<HashMap<i32, i64>, KafkaError> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), PATIENCE)?;
        let (mut positions, mut ends) = (TopicPartitionList::new(), HashMap::new());
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let (low, high) = self.consumer.fetch_watermarks(&self.topic, partition.id(), PATIENCE)?;
            let start = match self.from {
                From::Beginning => low,
                From::End => high,
            };
            positions.add_partition_offset(&self.topic, partition.id(), Offset::Offset(start))?;
            if high > start {
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
