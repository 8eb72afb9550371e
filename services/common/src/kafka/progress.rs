//! Whether a partition gets on: how long its oldest record has waited to become durable, and to be committed.
//!
//! The partition's task may itself be what stands still, so this is kept where others can look.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How one partition gets on.
#[derive(Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    /// When each batch came that is not durable yet; the oldest is first.
    waiting: VecDeque<Instant>,
    /// What failed last, and since when nothing has succeeded.
    trouble: Option<(Instant, String)>,
    /// The offset that the broker has not confirmed, and since when it has confirmed nothing more.
    uncommitted: Option<(i64, Instant)>,
    /// The newest offset that the broker confirmed.
    committed: Option<i64>,
}

impl Progress {
    /// A batch was handed over.
    pub(super) fn came(&self, now: Instant) {
        self.with(|state| state.waiting.push_back(now));
    }

    /// The oldest `batches` are durable.
    pub(super) fn durable(&self, batches: usize) {
        self.with(|state| {
            state.waiting.drain(..batches.min(state.waiting.len()));
            state.trouble = None;
        });
    }

    /// Something failed and is tried again.
    pub(super) fn failed(&self, error: String, now: Instant) {
        self.with(|state| {
            let since = state.trouble.as_ref().map_or(now, |(since, _)| *since);
            state.trouble = Some((since, error));
        });
    }

    /// What failed has succeeded.
    pub(super) fn succeeded(&self) {
        self.with(|state| state.trouble = None);
    }

    /// A commit up to `offset` is on its way.
    pub(super) fn committing(&self, offset: i64, now: Instant) {
        self.with(|state| {
            let since = state.uncommitted.map_or(now, |(_, since)| since);
            state.uncommitted = Some((offset, since));
        });
    }

    /// The broker knows that everything before `offset` is done.
    pub(super) fn committed(&self, offset: i64, now: Instant) {
        self.with(|state| match state.uncommitted {
            Some((wanted, _)) if wanted <= offset => state.uncommitted = None,
            Some((wanted, _)) if Some(offset) > state.committed => state.uncommitted = Some((wanted, now)),
            _ => {}
        });
        self.with(|state| state.committed = state.committed.max(Some(offset)));
    }

    /// Whether the broker has not confirmed the last commit.
    pub(super) fn is_uncommitted(&self) -> bool {
        self.with(|state| state.uncommitted.is_some())
    }

    /// For how long the oldest batch that is not durable has waited; zero if none does.
    pub(super) fn oldest(&self, now: Instant) -> Duration {
        self.with(|state| {
            state.waiting.front().map_or(Duration::ZERO, |came| now.saturating_duration_since(*came))
        })
    }

    /// Why the partition does not get on, if something has waited for longer than `limit`.
    pub(super) fn stall(&self, now: Instant, limit: Duration) -> Option<String> {
        self.with(|state| {
            let beyond =
                |since: Instant| Some(now.saturating_duration_since(since)).filter(|age| *age > limit);
            let because = match &state.trouble {
                Some((_, error)) => format!(", {error}"),
                None => String::new(),
            };
            if let Some(age) = state.waiting.front().copied().and_then(beyond) {
                return Some(format!("its oldest record has waited for {} s{because}", age.as_secs()));
            }
            if let Some(age) = state.trouble.as_ref().and_then(|(since, _)| beyond(*since)) {
                return Some(format!("it has tried again for {} s{because}", age.as_secs()));
            }
            let (offset, since) = state.uncommitted?;
            let age = beyond(since)?;
            Some(format!("offset {offset} could not be committed for {} s", age.as_secs()))
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_oldest_record_that_is_not_durable_counts() {
        let (progress, start) = (Progress::default(), Instant::now());
        progress.came(start);
        progress.came(after(start, 50));
        assert_eq!(progress.stall(after(start, 60), LIMIT), None);
        assert_eq!(progress.oldest(after(start, 60)), LIMIT);
        let stall = progress.stall(after(start, 61), LIMIT).unwrap();
        assert!(stall.contains("61 s"), "{stall}");
        progress.durable(1);
        assert_eq!(progress.stall(after(start, 61), LIMIT), None, "the other one came later");
        assert!(progress.stall(after(start, 111), LIMIT).is_some());
        progress.durable(1);
        assert_eq!(progress.stall(after(start, 10_000), LIMIT), None, "nothing waits");
        assert_eq!(progress.oldest(after(start, 10_000)), Duration::ZERO);
    }

    #[test]
    fn what_failed_last_is_told_and_how_long_nothing_has_succeeded() {
        let (progress, start) = (Progress::default(), Instant::now());
        progress.failed("no primary".to_owned(), start);
        progress.failed("not yet".to_owned(), after(start, 60));
        assert_eq!(progress.stall(after(start, 60), LIMIT), None);
        let stall = progress.stall(after(start, 70), LIMIT).unwrap();
        assert!(stall.contains("70 s") && stall.contains("not yet"), "{stall}");
        progress.succeeded();
        assert_eq!(progress.stall(after(start, 70), LIMIT), None);
    }

    #[test]
    fn a_commit_that_is_never_confirmed_is_a_stall() {
        let (progress, start) = (Progress::default(), Instant::now());
        progress.committing(10, start);
        progress.committing(20, after(start, 30));
        progress.committed(10, after(start, 40));
        assert!(progress.is_uncommitted());
        assert_eq!(progress.stall(after(start, 61), LIMIT), None, "it gets on, one commit behind");
        progress.committed(10, after(start, 80));
        let stall = progress.stall(after(start, 101), LIMIT).unwrap();
        assert!(stall.contains("offset 20"), "{stall}");
        progress.committed(20, after(start, 102));
        assert_eq!(progress.stall(after(start, 10_000), LIMIT), None);
        assert!(!progress.is_uncommitted());
    }
}
