//! The life of one partition on one instance: apply batches in order, flush, commit, and on revocation flush and
//! forget.
//!
//! Each partition is a task of its own, so partitions never wait for one another: while one flushes, the others work.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Batch;
use super::consumer::{Coordinates, Metrics};
use super::progress::Progress;
use crate::error::Retry;

/// What a service does with one partition. One value lives per assigned partition and owns its state.
pub trait Work: Send + Sync + 'static {
    /// Applies a batch to the state in memory, or further. It may be called again with the same batch after a
    /// [`Retry`], so it must be idempotent.
    fn apply(&mut self, batch: &Batch) -> impl Future<Output = Result<(), Retry>> + Send;

    /// Makes everything applied so far durable and published; offsets are committed only after it succeeded. It is
    /// called again after a [`Retry`], with nothing forgotten.
    fn flush(&mut self) -> impl Future<Output = Result<(), Retry>> + Send;

    /// How much waits for a flush, in the unit of [`FlushPolicy::pending`].
    fn pending(&self) -> usize;
}

/// When a partition flushes.
#[derive(Clone, Copy, Debug)]
pub struct FlushPolicy {
    /// After so long without new records, if the service would rather be up to date than fold more into one write.
    pub idle: Duration,
    /// At the latest so long after the first record that waits.
    pub age: Duration,
    /// As soon as so much waits.
    pub pending: usize,
}

impl FlushPolicy {
    /// Whether somebody waits for each record, so that more and smaller fetches are worth their price.
    pub fn is_prompt(&self) -> bool {
        self.idle < PROMPT
    }
}

/// Below it a service would rather be soon than cheap.
const PROMPT: Duration = Duration::from_millis(50);

pub(super) enum Command {
    /// Apply a batch; what it takes of the budget of waiting bytes is given back once it is applied.
    Apply(Batch, OwnedSemaphorePermit),
    /// Apply records that were set aside before, flush, and answer when they are durable.
    Return(Returned),
    /// Flush, commit, forget; answer when done.
    Stop(oneshot::Sender<()>),
}

/// Records that were set aside before, to be processed again.
pub struct Returned {
    /// The records, of the partition that they came from.
    pub batch: Batch,
    /// Told once they are durable; dropped if the partition is not of this instance.
    pub done: oneshot::Sender<()>,
}

/// Records applied at once, about: enough to fold, few enough to stay in the cache.
pub(super) const BATCH_RECORDS: usize = 1_000;

pub(super) struct Partition<W> {
    pub work: W,
    pub partition: i32,
    pub policy: FlushPolicy,
    pub consumer: Arc<BaseConsumer<Coordinates>>,
    pub topic: Arc<str>,
    pub metrics: Arc<Metrics>,
    /// Cancelled when the partition is taken away: what waits to be applied is the next owner's.
    pub leave: CancellationToken,
    /// Cancelled when there is no time left to try again.
    pub abandon: CancellationToken,
    /// The offset to commit after the next flush.
    pub position: Option<i64>,
    /// When the oldest record that waits for a flush came.
    pub waiting_since: Option<Instant>,
    /// How many of the batches that were handed over are applied and not durable.
    pub applied: usize,
    /// How it gets on, for others to see.
    pub progress: Arc<Progress>,
}

/// The partition was taken away before its work could be done.
struct Abandoned;

impl<W: Work> Partition<W> {
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let labels = [KeyValue::new("topic", self.topic.to_string())];
        let mut next = None;
        loop {
            let command = match self.wake_at() {
                _ if next.is_some() => next.take(),
                None => commands.recv().await,
                Some(at) => tokio::select! {
                    biased;
                    command = commands.recv() => command,
                    () = tokio::time::sleep_until(at.into()) => {
                        if self.waiting_since.is_none() {
                            self.commit();
                        } else if self.flush().await.is_err() {
                            return;
                        }
                        continue;
                    }
                },
            };
            match command {
                Some(Command::Apply(..)) if self.leave.is_cancelled() => {}
                Some(Command::Apply(mut batch, mut permit)) => {
                    let gathered;
                    (next, gathered) = gather(&mut commands, &mut batch, &mut permit);
                    if self.apply(&batch).await.is_err() {
                        return;
                    }
                    self.position = batch.next_offset().or(self.position);
                    self.applied += gathered;
                    self.metrics.records.add(batch.len() as u64, &labels);
                    if self.is_due() && self.flush().await.is_err() {
                        return;
                    }
                }
                Some(Command::Return(_)) if self.leave.is_cancelled() => {}
                Some(Command::Return(Returned { batch, done })) => {
                    if self.apply(&batch).await.is_err() || self.flush().await.is_err() {
                        return;
                    }
                    // Nobody waits for it any more only if the service is ending.
                    let _ = done.send(());
                }
                Some(Command::Stop(done)) => {
                    if self.flush().await.is_ok() {
                        self.commit_now().await;
                        tracing::debug!(partition = self.partition, "partition handed back");
                    }
                    let _ = done.send(());
                    return;
                }
                None => return,
            }
        }
    }

    fn is_due(&self) -> bool {
        self.work.pending() >= self.policy.pending
            || self.waiting_since.is_some_and(|since| since.elapsed() >= self.policy.age)
    }

    /// When to flush, or to commit once more, if nothing more comes.
    fn wake_at(&self) -> Option<Instant> {
        match self.waiting_since {
            Some(oldest) => Some((Instant::now() + self.policy.idle).min(oldest + self.policy.age)),
            None => self.progress.is_uncommitted().then(|| Instant::now() + COMMIT_AGAIN),
        }
    }

    async fn apply(&mut self, batch: &Batch) -> Result<(), Abandoned> {
        let mut backoff = Backoff::new();
        while let Err(error) = self.work.apply(batch).await {
            self.metrics.retries.add(1, &[KeyValue::new("step", "apply")]);
            self.wait(&mut backoff, &error, "a batch could not be applied").await?;
        }
        self.progress.succeeded();
        self.waiting_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Abandoned> {
        if self.waiting_since.is_none() {
            return Ok(());
        }
        let started = Instant::now();
        let mut backoff = Backoff::new();
        while let Err(error) = self.work.flush().await {
            self.metrics.retries.add(1, &[KeyValue::new("step", "flush")]);
            self.wait(&mut backoff, &error, "a flush failed").await?;
        }
        self.waiting_since = None;
        self.progress.durable(std::mem::take(&mut self.applied));
        self.metrics.flush.record(started.elapsed().as_secs_f64(), &[]);
        self.commit();
        Ok(())
    }

    /// Commits what is durable, without waiting for the broker. A failed commit is no harm: the next one says more, one more
    /// is tried where none follows, and records that come again change nothing.
    fn commit(&self) {
        let Some(offsets) = self.offsets() else { return };
        if let Some(position) = self.position {
            self.progress.committing(position, Instant::now());
        }
        if let Err(error) = self.consumer.commit(&offsets, CommitMode::Async) {
            tracing::warn!(%error, partition = self.partition, "the offset was not committed");
        }
    }

    /// Commits before the partition is handed back, so that its next owner begins where we ended.
    async fn commit_now(&self) {
        let Some(offsets) = self.offsets() else { return };
        let (consumer, partition) = (self.consumer.clone(), self.partition);
        match tokio::task::spawn_blocking(move || consumer.commit(&offsets, CommitMode::Sync)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, partition, "the offset was not committed"),
            Err(error) => tracing::warn!(%error, partition, "the offset was not committed"),
        }
    }

    /// What is durable, for the broker; none if nothing was applied yet.
    fn offsets(&self) -> Option<TopicPartitionList> {
        let mut offsets = TopicPartitionList::with_capacity(1);
        let position = Offset::Offset(self.position?);
        // An offset of a record that was read is a valid one.
        offsets.add_partition_offset(&self.topic, self.partition, position).ok()?;
        Some(offsets)
    }

    async fn wait(&self, backoff: &mut Backoff, error: &Retry, what: &str) -> Result<(), Abandoned> {
        let pause = backoff.next();
        self.progress.failed(format!("{what}: {error}"), Instant::now());
        tracing::warn!(%error, partition = self.partition, again_in_ms = pause.as_millis(), "{what}");
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.abandon.cancelled() => {
                tracing::warn!(partition = self.partition, "the partition was given up before its work was durable; its records come again");
                Err(Abandoned)
            }
        }
    }
}

/// After a commit that the broker did not confirm.
const COMMIT_AGAIN: Duration = Duration::from_secs(5);

/// Adds to a batch what came while the partition was busy, so that one look-up serves all of it. Returns the command that
/// is no batch, if one came, and how many batches became this one.
fn gather(
    commands: &mut mpsc::UnboundedReceiver<Command>,
    batch: &mut Batch,
    permit: &mut OwnedSemaphorePermit,
) -> (Option<Command>, usize) {
    let mut gathered = 1;
    while batch.len() < BATCH_RECORDS {
        match commands.try_recv() {
            Ok(Command::Apply(more, its)) => {
                batch.append(more);
                permit.merge(its);
                gathered += 1;
            }
            other => return (other.ok(), gathered),
        }
    }
    (None, gathered)
}

/// Doubling pauses from 100 ms to 10 s.
struct Backoff(Duration);

impl Backoff {
    fn new() -> Self {
        Self(Duration::from_millis(100))
    }

    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Duration::from_secs(10));
        pause
    }
}
