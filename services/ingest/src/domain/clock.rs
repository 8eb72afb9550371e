//! The clock rule, read by read: a device whose clock runs ahead is believed in what it counted and in the spacing of
//! those reads, but not in the time of day. Its other reads, which can be true, stay as they are.
//!
//! A read of the past is never moved. It may be from before the meter was enrolled, from a backfill, or from a clock
//! that was reset; nobody can tell its true time, and the receive time is surely none.

/// How far ahead of the broker a device's clock may run.
pub const AHEAD_SECONDS: i64 = 5 * 60;
/// The latest time that is a time at all: the end of the year 9999.
pub const END_OF_TIME: i64 = 253_402_207_200;

/// What is done with the times of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The latest time that can be true.
    latest: i64,
    /// Seconds by which the reads ahead of it are moved.
    shift: i64,
}

impl Clock {
    /// What is done with a message of these times, in any order, that was taken at `received_at`: the newest time that
    /// cannot be true becomes the receive time, the others of the kind keep their distance to it.
    pub fn of(times: impl Iterator<Item = i64>, received_at: i64) -> Self {
        let latest = received_at.saturating_add(AHEAD_SECONDS);
        // What is no time at all says nothing of a clock.
        let newest = times.filter(|at| (0..=END_OF_TIME).contains(at)).max().unwrap_or(latest);
        Self { latest, shift: received_at - newest }
    }

    /// The time of a read, and whether it was moved.
    pub const fn time(&self, at: i64) -> (i64, bool) {
        if at > self.latest { (at.saturating_add(self.shift), true) } else { (at, false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVED: i64 = 1_790_000_000;
    const YEAR: i64 = 366 * 86_400;

    /// The times as they are taken; those that were moved with their distance to the receive time.
    fn taken(times: &[i64]) -> Vec<Result<i64, i64>> {
        let clock = Clock::of(times.iter().copied(), RECEIVED);
        let taken = |at: &i64| match clock.time(*at) {
            (at, false) => Ok(at),
            (at, true) => Err(at - RECEIVED),
        };
        times.iter().map(taken).collect()
    }

    #[test]
    fn only_times_that_cannot_be_true_are_moved() {
        for (case, times, expected) in [
            ("in time", vec![RECEIVED - 3_600, RECEIVED], vec![Ok(RECEIVED - 3_600), Ok(RECEIVED)]),
            ("5 min ahead", vec![RECEIVED + 300], vec![Ok(RECEIVED + 300)]),
            ("more than 5 min ahead", vec![RECEIVED + 301], vec![Err(0)]),
            ("the spacing stays", vec![RECEIVED + 1_000, RECEIVED + 4_600], vec![Err(-3_600), Err(0)]),
            (
                "neighbours stay",
                vec![RECEIVED - 60, RECEIVED + YEAR, RECEIVED],
                vec![Ok(RECEIVED - 60), Err(0), Ok(RECEIVED)],
            ),
            ("the past stays", vec![0, 900, RECEIVED - YEAR], vec![Ok(0), Ok(900), Ok(RECEIVED - YEAR)]),
            (
                "milliseconds say nothing",
                vec![RECEIVED + 400, END_OF_TIME + 1],
                vec![Err(0), Err(END_OF_TIME + 1 - RECEIVED - 400)],
            ),
            ("nothing", vec![], vec![]),
        ] {
            assert_eq!(taken(&times), expected, "{case}");
        }
    }
}
