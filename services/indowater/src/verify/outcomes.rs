//! What became of each telemetry message: the books of invariant D1.

use std::collections::BTreeMap;

use crate::topic::Extent;

/// How often an offset was seen as each outcome.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    accepted: u8,
    dead: u8,
}

/// What became of the telemetry between the topic's start and what ingest has committed.
pub struct Outcomes {
    partitions: BTreeMap<i32, (i64, Vec<Seen>)>,
}

/// The books, closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// Messages that became readings and nothing else.
    pub accepted: u64,
    /// Messages that became a dead letter and nothing else.
    pub dead: u64,
    /// Outcomes that were published more than once, as a restart may do.
    pub redelivered: u64,
    /// Offsets that became both, by partition.
    pub both: Vec<(i32, i64)>,
    /// Offsets that became neither, by partition; some of them may hold no record.
    pub neither: Vec<(i32, i64)>,
}

impl Outcomes {
    /// Empty books over `received`: by partition the first offset, and the one after the last.
    pub fn over(received: &Extent) -> Self {
        let books = |(partition, (from, to)): (&i32, &(i64, i64))| {
            let messages = usize::try_from(to - from).unwrap_or(0);
            (*partition, (*from, vec![Seen::default(); messages]))
        };
        Self { partitions: received.iter().map(books).collect() }
    }

    /// Notes that a message became readings.
    pub fn accepted(&mut self, partition: i32, offset: i64) {
        if let Some(seen) = self.at(partition, offset) {
            seen.accepted = seen.accepted.saturating_add(1);
        }
    }

    /// Notes that a message became a dead letter.
    pub fn dead(&mut self, partition: i32, offset: i64) {
        if let Some(seen) = self.at(partition, offset) {
            seen.dead = seen.dead.saturating_add(1);
        }
    }

    /// Nothing for messages that retention took, or that are still on their way.
    fn at(&mut self, partition: i32, offset: i64) -> Option<&mut Seen> {
        let (from, books) = self.partitions.get_mut(&partition)?;
        books.get_mut(usize::try_from(offset - *from).ok()?)
    }

    /// Closes the books.
    pub fn close(&self) -> Closed {
        let mut closed = Closed::default();
        for (partition, (from, books)) in &self.partitions {
            for (offset, seen) in (*from..).zip(books) {
                match (seen.accepted, seen.dead) {
                    (0, 0) => closed.neither.push((*partition, offset)),
                    (_, 0) => closed.accepted += 1,
                    (0, _) => closed.dead += 1,
                    _ => closed.both.push((*partition, offset)),
                }
                closed.redelivered +=
                    u64::from(seen.accepted.saturating_sub(1)) + u64::from(seen.dead.saturating_sub(1));
            }
        }
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_one_outcome_however_often_it_is_told() {
        let mut outcomes = Outcomes::over(&Extent::from([(0, (10, 14)), (1, (0, 1))]));
        for offset in [10, 11, 11] {
            outcomes.accepted(0, offset);
        }
        outcomes.dead(0, 11);
        outcomes.dead(0, 12);
        // Before the topic's start, beyond what is committed, and of a partition that is not there.
        outcomes.accepted(0, 9);
        outcomes.accepted(0, 14);
        outcomes.dead(7, 0);
        let expected = Closed {
            accepted: 1,
            dead: 1,
            redelivered: 1,
            both: vec![(0, 11)],
            neither: vec![(0, 13), (1, 0)],
        };
        assert_eq!(outcomes.close(), expected);
    }
}
