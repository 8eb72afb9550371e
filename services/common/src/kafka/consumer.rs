//! Consuming: a thread polls, cuts what comes into batches by partition and hands them to the partitions' tasks.
//!
//! Why a plain `BaseConsumer` on a thread: the stream consumer has stalled under load (rust-rdkafka #665, #848), and a
//! blocking poll is the cheapest loop there is. The classic group protocol with cooperative-sticky assignment keeps
//! the partitions that stay working through a rebalance.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientContext, Message, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Batch;
use super::partition::{Command, FlushPolicy, Partition, Work};
use crate::error::Fatal;
use crate::health::Dependency;
use crate::{config, telemetry};

/// What to consume and how.
pub struct Consume {
    /// The broker.
    pub kafka: config::Kafka,
    /// Full name of the topic.
    pub topic: String,
    /// The consumer group; the topic prefix goes before it.
    pub group: &'static str,
    /// When partitions flush.
    pub flush: FlushPolicy,
    /// Set once the group has given this instance its share, which may be nothing.
    pub joined: Dependency,
    /// Ends the consumption: partitions flush, commit and are given back.
    pub stop: CancellationToken,
}

/// Records of a batch at most; enough to fold, few enough to stay in the cache.
const BATCH_RECORDS: usize = 1_000;
/// Batches that may wait for a partition's task.
const QUEUED_BATCHES: usize = 4;
/// How long a partition may take to flush when it is taken away, well below `max.poll.interval.ms`.
const HAND_BACK: Duration = Duration::from_secs(20);
/// How long polling may wait for a full partition before it pauses the fetching and goes on serving the group.
const PATIENCE: Duration = Duration::from_secs(5);

/// Consumes until stopped. `work` makes the state of a partition when its first records come.
///
/// # Errors
/// Settings that librdkafka refuses, or a failure that no retry mends, such as missing rights.
pub async fn consume<W: Work>(
    consume: Consume,
    work: impl Fn(i32) -> W + Send + 'static,
) -> Result<(), Fatal> {
    let group = format!("{}.{}", consume.kafka.topic_prefix, consume.group);
    let metrics = Arc::new(Metrics::new());
    let context = Coordinates {
        tasks: Mutex::default(),
        joined: consume.joined.clone(),
        metrics: metrics.clone(),
        topic: consume.topic.clone(),
    };
    let consumer: BaseConsumer<Coordinates> = super::base_config(&consume.kafka)
        .set("group.id", &group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "15000")
        // A trickle is fetched ten times a second, not record by record.
        .set("fetch.wait.max.ms", "100")
        .set("fetch.min.bytes", "65536")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", "32768")
        .set("statistics.interval.ms", "2000")
        .create_with_context(context)?;
    consumer.subscribe(&[&consume.topic])?;
    let mut poller = Poller {
        consumer: Arc::new(consumer),
        topic: consume.topic.as_str().into(),
        policy: consume.flush,
        metrics,
        stop: consume.stop,
        work,
        runtime: Handle::current(),
        batches: HashMap::new(),
    };
    let (done, ended) = oneshot::channel();
    std::thread::Builder::new().name(format!("poll-{}", consume.group)).spawn(move || {
        let outcome = poller.run();
        poller.consumer.context().hand_back(None);
        // The receiver goes only when the process does.
        let _ = done.send(outcome);
    })?;
    Ok(ended.await??)
}

pub(super) struct Metrics {
    pub records: Counter<u64>,
    pub retries: Counter<u64>,
    pub flush: Histogram<f64>,
    lag: Gauge<i64>,
}

impl Metrics {
    fn new() -> Self {
        Self {
            records: telemetry::counter("indowater_consumed_records", "Records applied, by topic"),
            retries: telemetry::counter(
                "indowater_retries",
                "Times the outside world failed and work was tried again",
            ),
            flush: telemetry::durations(
                "indowater_flush_duration",
                "From the start of a flush until its effects are durable and published",
            ),
            lag: telemetry::meter()
                .i64_gauge("indowater_consumer_lag")
                .with_description("Records on the broker that are not committed yet, by topic and partition")
                .build(),
        }
    }
}

/// The tasks of the assigned partitions, where the client's callbacks can reach them.
pub(super) struct Coordinates {
    tasks: Mutex<HashMap<i32, Task>>,
    joined: Dependency,
    metrics: Arc<Metrics>,
    topic: String,
}

struct Task {
    commands: mpsc::Sender<Command>,
    abandon: CancellationToken,
}

impl Coordinates {
    /// Asks the tasks of `partitions` (all if `None`) to flush and end, and waits until they did or time is up.
    fn hand_back(&self, partitions: Option<&TopicPartitionList>) {
        let leaving: Vec<Task> = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            match partitions {
                None => tasks.drain().map(|(_, task)| task).collect(),
                Some(list) => list.elements().iter().filter_map(|p| tasks.remove(&p.partition())).collect(),
            }
        };
        let deadline = Instant::now() + HAND_BACK;
        let mut answers = Vec::new();
        for task in leaving {
            let (done, answer) = oneshot::channel();
            // A full queue is drained by a working task; one that waits for the outside world is abandoned below.
            let mut command = Command::Stop(done);
            while let Err(mpsc::error::TrySendError::Full(back)) = task.commands.try_send(command) {
                if Instant::now() >= deadline {
                    break;
                }
                command = back;
                std::thread::sleep(Duration::from_millis(5));
            }
            answers.push((task, answer));
        }
        for (task, mut answer) in answers {
            while matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                if Instant::now() >= deadline {
                    task.abandon.cancel();
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

impl ClientContext for Coordinates {
    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        for (number, partition) in &topic.partitions {
            if *number >= 0 && partition.consumer_lag >= 0 {
                let labels = [
                    KeyValue::new("topic", self.topic.clone()),
                    KeyValue::new("partition", i64::from(*number)),
                ];
                self.metrics.lag.record(partition.consumer_lag, &labels);
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "consumer");
    }
}

impl ConsumerContext for Coordinates {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            tracing::info!(topic = self.topic, partitions = partitions.count(), "partitions are taken away");
            self.hand_back(Some(partitions));
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.joined.set(true);
                tracing::info!(topic = self.topic, partitions = partitions.count(), "partitions are given");
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => tracing::warn!(%error, topic = self.topic, "rebalance"),
        }
    }
}

struct Poller<F> {
    consumer: Arc<BaseConsumer<Coordinates>>,
    topic: Arc<str>,
    policy: FlushPolicy,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    work: F,
    runtime: Handle,
    /// What was polled and not handed over yet.
    batches: HashMap<i32, Batch>,
}

impl<F, W> Poller<F>
where
    F: Fn(i32) -> W,
    W: Work,
{
    fn run(&mut self) -> Result<(), KafkaError> {
        while !self.stop.is_cancelled() {
            let more = self.poll(Duration::from_millis(50))?;
            let mut polled = usize::from(more);
            while polled > 0 && polled < BATCH_RECORDS && self.poll(Duration::ZERO)? {
                polled += 1;
            }
            for batch in std::mem::take(&mut self.batches).into_values() {
                self.hand_over(batch);
            }
        }
        Ok(())
    }

    /// Takes one record. False if there is none.
    fn poll(&mut self, timeout: Duration) -> Result<bool, KafkaError> {
        match self.consumer.poll(timeout) {
            None => Ok(false),
            Some(Ok(message)) => {
                let partition = message.partition();
                self.batches.entry(partition).or_insert_with(|| Batch::new(partition)).push(&message);
                Ok(true)
            }
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(
                    RDKafkaErrorCode::Fatal
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed,
                ) => Err(error),
                // The client mends these itself; it only tells.
                _ => {
                    tracing::warn!(%error, topic = %self.topic, "consumer");
                    Ok(false)
                }
            },
        }
    }

    fn hand_over(&mut self, batch: Batch) {
        let partition = batch.partition;
        let Some(commands) = self.task(partition) else { return };
        let mut command = Command::Apply(batch);
        let started = Instant::now();
        let mut paused = false;
        loop {
            match commands.try_send(command) {
                Ok(()) => break,
                // Revoked meanwhile: the records are the next owner's.
                Err(mpsc::error::TrySendError::Closed(_)) => break,
                Err(mpsc::error::TrySendError::Full(back)) => command = back,
            }
            if self.stop.is_cancelled() {
                break;
            }
            if paused {
                // This serves the group and its callbacks. Only a partition given just now brings a record: it is
                // kept for the next round, and paused like the others.
                if matches!(self.poll(Duration::from_millis(50)), Ok(true)) {
                    paused = self.pause();
                }
            } else if started.elapsed() > PATIENCE {
                tracing::warn!(partition, "the partition does not keep up; fetching pauses until it does");
                paused = self.pause();
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if paused && let Err(error) = self.consumer.assignment().and_then(|all| self.consumer.resume(&all)) {
            tracing::warn!(%error, "fetching could not be resumed");
        }
    }

    fn pause(&self) -> bool {
        self.consumer.assignment().and_then(|all| self.consumer.pause(&all)).is_ok()
    }

    /// The task of a partition, started if this is its first batch; none if the partition was taken away meanwhile.
    fn task(&self, partition: i32) -> Option<mpsc::Sender<Command>> {
        let assigned = self.consumer.assignment().ok()?;
        assigned.find_partition(&self.topic, partition)?;
        let mut tasks = self.consumer.context().tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let task = tasks.entry(partition).or_insert_with(|| {
            let (commands, queue) = mpsc::channel(QUEUED_BATCHES);
            let abandon = CancellationToken::new();
            let task = Partition {
                work: (self.work)(partition),
                partition,
                policy: self.policy,
                consumer: self.consumer.clone(),
                topic: self.topic.clone(),
                metrics: self.metrics.clone(),
                abandon: abandon.clone(),
                position: None,
                waiting_since: None,
            };
            self.runtime.spawn(task.run(queue));
            Task { commands, abandon }
        });
        Some(task.commands.clone())
    }
}
