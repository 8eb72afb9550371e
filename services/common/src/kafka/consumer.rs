//! Consuming: a thread polls, cuts what comes into batches by partition and hands them to the partitions' tasks.
//!
//! Why a plain `BaseConsumer` on a thread: the stream consumer has stalled under load (rust-rdkafka #665, #848), and a
//! blocking poll is the cheapest loop there is. The classic group protocol with cooperative-sticky assignment keeps
//! the partitions that stay working through a rebalance.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientContext, Message, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Batch;
use super::client::reading_config;
use super::partition::{BATCH_RECORDS, Command, FlushPolicy, Partition, Returned, Work};
use super::progress::Progress;
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
    /// Records that were set aside and are to be processed again, if this topic's ever are.
    pub returned: Option<mpsc::Receiver<Returned>>,
    /// Set once the group has given this instance its share, which may be nothing.
    pub joined: Dependency,
    /// Ends the consumption: partitions flush, commit and are given back.
    pub stop: CancellationToken,
}

/// Bytes polled at most before they are handed over.
const POLLED_BYTES: usize = 4 << 20;
/// Bytes that may wait for the partitions' tasks, all together: enough that a partition which flushes does not keep the
/// others waiting.
const WAITING_BYTES: usize = 32 << 20;
/// How long a partition may take to flush when it is taken away, well below `max.poll.interval.ms`.
const HAND_BACK: Duration = Duration::from_secs(20);
/// How long polling may wait for busy partitions before it pauses the fetching and goes on serving the group.
const PATIENCE: Duration = Duration::from_secs(5);

/// Consumes until stopped. `work` makes the state of a partition when its first records come.
///
/// # Errors
/// Settings that librdkafka refuses, a failure that no retry mends, such as missing rights, or a panic in the work of a
/// partition.
pub async fn consume<W: Work>(
    consume: Consume,
    work: impl Fn(i32) -> W + Send + 'static,
) -> Result<(), Fatal> {
    let group = format!("{}.{}", consume.kafka.topic_prefix, consume.group);
    let metrics = Arc::new(Metrics::new());
    let tasks = Tasks::default();
    let (watched, limit) = (tasks.clone(), consume.kafka.stall_limit);
    consume.joined.watch(move || watched.stalls(limit));
    let context = Coordinates {
        tasks,
        died: Arc::default(),
        joined: consume.joined.clone(),
        metrics: metrics.clone(),
        topic: consume.topic.clone(),
    };
    let consumer: BaseConsumer<Coordinates> = reading_config(&consume.kafka)
        .set("group.id", &group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "15000")
        // A trickle is fetched ten times a second and not record by record, or more often if somebody waits for it.
        .set("fetch.wait.max.ms", if consume.flush.is_prompt() { "20" } else { "100" })
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
        returned: consume.returned,
        metrics,
        stop: consume.stop,
        work,
        runtime: Handle::current(),
        batches: HashMap::new(),
        budget: Arc::new(Semaphore::new(WAITING_BYTES)),
    };
    let (done, ended) = oneshot::channel();
    std::thread::Builder::new().name(format!("poll-{}", consume.group)).spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| poller.run()))
            .unwrap_or_else(|_| Err("the thread that polls panicked".into()));
        poller.consumer.context().hand_back(None);
        // The receiver goes only when the process does.
        let _ = done.send(outcome);
    })?;
    ended.await?
}

pub(super) struct Metrics {
    pub records: Counter<u64>,
    pub retries: Counter<u64>,
    pub flush: Histogram<f64>,
    lag: Gauge<i64>,
    age: Gauge<f64>,
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
            age: telemetry::meter()
                .f64_gauge("indowater_oldest_unflushed_age")
                .with_unit("s")
                .with_description(
                    "For how long the oldest record has waited to become durable, by topic and partition",
                )
                .build(),
        }
    }
}

/// The tasks of the assigned partitions, where the client's callbacks can reach them.
pub(super) struct Coordinates {
    tasks: Tasks,
    /// What a partition's task died of, if one did.
    died: Arc<OnceLock<String>>,
    joined: Dependency,
    metrics: Arc<Metrics>,
    topic: String,
}

struct Task {
    commands: mpsc::UnboundedSender<Command>,
    leave: CancellationToken,
    abandon: CancellationToken,
    progress: Arc<Progress>,
}

/// The tasks of the partitions that this instance has. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<HashMap<i32, Task>>>);

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partitions that do not get on, and why.
    fn stalls(&self, limit: Duration) -> Vec<String> {
        let now = Instant::now();
        let tasks = self.lock();
        let mut stalled: Vec<_> = tasks
            .iter()
            .filter_map(|(number, task)| Some((*number, task.progress.stall(now, limit)?)))
            .collect();
        stalled.sort();
        stalled.into_iter().map(|(number, stall)| format!("partition {number}: {stall}")).collect()
    }
}

impl Coordinates {
    /// Asks the tasks of `partitions` (all if `None`) to flush and end, and waits until they did or time is up.
    fn hand_back(&self, partitions: Option<&TopicPartitionList>) {
        let leaving: Vec<Task> = {
            let mut tasks = self.tasks.lock();
            match partitions {
                None => tasks.drain().map(|(_, task)| task).collect(),
                Some(list) => list.elements().iter().filter_map(|p| tasks.remove(&p.partition())).collect(),
            }
        };
        let deadline = Instant::now() + HAND_BACK;
        let mut answers = Vec::new();
        for task in leaving {
            let (done, answer) = oneshot::channel();
            task.leave.cancel();
            // One that has ended needs no telling.
            let _ = task.commands.send(Command::Stop(done));
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
        let (now, tasks) = (Instant::now(), self.tasks.lock());
        for (number, partition) in topic.partitions.iter().filter(|(number, _)| **number >= 0) {
            let labels =
                [KeyValue::new("topic", self.topic.clone()), KeyValue::new("partition", i64::from(*number))];
            if let Some(task) = tasks.get(number) {
                // The client's events say nothing of commits that are not waited for; its statistics do.
                task.progress.committed(partition.committed_offset, now);
            }
            // A partition that went to another instance is that one's to tell; a gauge would keep its last figure here.
            let age = tasks.get(number).map_or(Duration::ZERO, |task| task.progress.oldest(now));
            self.metrics.age.record(age.as_secs_f64(), &labels);
            match partition.fetch_state.as_str() {
                "active" if partition.consumer_lag < 0 => {}
                "active" => self.metrics.lag.record(partition.consumer_lag, &labels),
                _ => self.metrics.lag.record(0, &labels),
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
    returned: Option<mpsc::Receiver<Returned>>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    work: F,
    runtime: Handle,
    /// What was polled and not handed over yet.
    batches: HashMap<i32, Batch>,
    /// Bytes that may still be handed over before others are applied.
    budget: Arc<Semaphore>,
}

impl<F, W> Poller<F>
where
    F: Fn(i32) -> W,
    W: Work,
{
    fn run(&mut self) -> Result<(), Fatal> {
        while !self.stop.is_cancelled() {
            if let Some(death) = self.consumer.context().died.get() {
                return Err(death.as_str().into());
            }
            let mut polled = self.poll(Duration::from_millis(50))?.map(|bytes| (1, bytes));
            while let Some((records, bytes)) = polled
                && records < BATCH_RECORDS
                && bytes < POLLED_BYTES
            {
                polled = self.poll(Duration::ZERO)?.map(|more| (records + 1, bytes + more));
            }
            for batch in std::mem::take(&mut self.batches).into_values() {
                self.hand_over(batch);
            }
            while let Some(returned) = self.returned.as_mut().and_then(|queue| queue.try_recv().ok()) {
                // Where the partition is another instance's, its own look finds them.
                if let Some((commands, _)) = self.task(returned.batch.partition) {
                    let _ = commands.send(Command::Return(returned));
                }
            }
        }
        Ok(())
    }

    /// Takes one record and tells how many bytes it has; none if there is no record.
    fn poll(&mut self, timeout: Duration) -> Result<Option<usize>, KafkaError> {
        match self.consumer.poll(timeout) {
            None => Ok(None),
            Some(Ok(message)) => {
                let partition = message.partition();
                self.batches.entry(partition).or_insert_with(|| Batch::new(partition)).push(&message);
                Ok(Some(message.payload_len()))
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
                    Ok(None)
                }
            },
        }
    }

    fn hand_over(&mut self, batch: Batch) {
        let partition = batch.partition;
        let Some(permit) = self.reserve(batch.bytes().min(WAITING_BYTES)) else { return };
        if let Some((commands, progress)) = self.task(partition) {
            progress.came(Instant::now());
            // Closed if it was revoked meanwhile: the records are the next owner's; or if it died, which ends the service.
            let _ = commands.send(Command::Apply(batch, permit));
        }
    }

    /// Waits until so many bytes may be handed over; none if the consumption is to end.
    fn reserve(&mut self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let started = Instant::now();
        let mut paused = false;
        let permit = loop {
            if let Ok(permit) = self.budget.clone().try_acquire_many_owned(bytes) {
                break Some(permit);
            }
            if self.stop.is_cancelled() || self.consumer.context().died.get().is_some() {
                break None;
            }
            if paused {
                // This serves the group and its callbacks. Only a partition given just now brings a record: it is
                // kept for the next round, and paused like the others.
                if matches!(self.poll(Duration::from_millis(50)), Ok(Some(_))) {
                    paused = self.pause();
                }
            } else if started.elapsed() > PATIENCE {
                tracing::warn!(topic = %self.topic, "the partitions do not keep up; fetching pauses until they do");
                paused = self.pause();
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        if paused && let Err(error) = self.consumer.assignment().and_then(|all| self.consumer.resume(&all)) {
            tracing::warn!(%error, "fetching could not be resumed");
        }
        permit
    }

    fn pause(&self) -> bool {
        self.consumer.assignment().and_then(|all| self.consumer.pause(&all)).is_ok()
    }

    /// The task of a partition, started if this is its first batch; none if the partition was taken away meanwhile.
    fn task(&self, partition: i32) -> Option<(mpsc::UnboundedSender<Command>, Arc<Progress>)> {
        let assigned = self.consumer.assignment().ok()?;
        assigned.find_partition(&self.topic, partition)?;
        let mut tasks = self.consumer.context().tasks.lock();
        let task = tasks.entry(partition).or_insert_with(|| {
            let (commands, queue) = mpsc::unbounded_channel();
            let (leave, abandon) = (CancellationToken::new(), CancellationToken::new());
            let progress = Arc::new(Progress::default());
            let task = Partition {
                work: (self.work)(partition),
                partition,
                policy: self.policy,
                consumer: self.consumer.clone(),
                topic: self.topic.clone(),
                metrics: self.metrics.clone(),
                leave: leave.clone(),
                abandon: abandon.clone(),
                position: None,
                waiting_since: None,
                applied: 0,
                progress: progress.clone(),
            };
            self.supervise(partition, self.runtime.spawn(task.run(queue)));
            Task { commands, leave, abandon, progress }
        });
        Some((task.commands.clone(), task.progress.clone()))
    }

    /// A panic in a partition's work would leave it standing for ever, with nobody to take it over: it ends the service,
    /// and its partitions go to others.
    fn supervise(&self, partition: i32, task: JoinHandle<()>) {
        let (topic, died) = (self.topic.clone(), self.consumer.context().died.clone());
        self.runtime.spawn(async move {
            if let Err(error) = task.await
                && error.is_panic()
            {
                // The first death is reason enough.
                let _ = died.set(format!("partition {partition} of {topic}: {error}"));
            }
        });
    }
}
