//! A circuit breaker: whether a gateway that does not answer is to be left alone for a while.
//!
//! Closed, every call goes through. After so many failures in a row, or when the gateway itself says how long to stay away, it
//! opens: calls fail at once, and say when the next is welcome, instead of keeping somebody waiting for a time-out. When
//! the rest is over one call goes through as a probe; if it succeeds the breaker closes, if it fails the rest is
//! twice as long. Pure: the time is passed in.

use std::time::Duration;

use jiff::Timestamp;

/// When it opens and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many failures in a row open it.
    pub failures: u32,
    /// How long the first rest is.
    pub rest: Duration,
    /// How long a rest is at most, also one that the gateway asks for.
    pub longest: Duration,
    /// After how long a probe that was never reported counts as lost.
    pub probe: Duration,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Calls go through; so many failed in a row.
    Closed { failed: u32 },
    /// No call goes through until then.
    Open { until: Timestamp, rest: Duration },
    /// One call went through, to see.
    HalfOpen { lost_at: Timestamp, rest: Duration },
}

/// A circuit breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    limits: Limits,
    state: State,
}

impl Breaker {
    /// A closed one.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, state: State::Closed { failed: 0 } }
    }

    /// Whether a call may be made at `now`. Whoever may, reports how it ended.
    ///
    /// # Errors
    /// Not now; again after the wait.
    pub fn ask(&mut self, now: Timestamp) -> Result<(), Duration> {
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { until, .. } if now < until => Err(until.duration_since(now).unsigned_abs()),
            State::HalfOpen { lost_at, .. } if now < lost_at => Err(self.limits.rest),
            State::Open { rest, .. } | State::HalfOpen { rest, .. } => {
                self.state = State::HalfOpen { lost_at: later(now, self.limits.probe), rest };
                Ok(())
            }
        }
    }

    /// A call was answered.
    pub fn succeeded(&mut self) {
        // An answer to a call from before the rest proves as much as that of a probe.
        self.state = State::Closed { failed: 0 };
    }

    /// A call failed at `now`; `wait` is how long the gateway said to stay away, if it did.
    pub fn failed(&mut self, now: Timestamp, wait: Option<Duration>) {
        let asked = wait.map(|wait| wait.min(self.limits.longest));
        match self.state {
            State::Closed { failed } => {
                let failed = failed.saturating_add(1);
                self.state = match asked {
                    Some(wait) => self.open(now, wait.max(self.limits.rest)),
                    None if failed >= self.limits.failures => self.open(now, self.limits.rest),
                    None => State::Closed { failed },
                };
            }
            State::HalfOpen { rest, .. } => {
                let rest = rest.saturating_mul(2).min(self.limits.longest);
                self.state = self.open(now, asked.map_or(rest, |wait| wait.max(rest)));
            }
            // Of calls that began before the rest: only what the gateway asks for makes it longer.
            State::Open { until, rest } => {
                if let Some(wait) = asked {
                    self.state = State::Open { until: until.max(later(now, wait)), rest };
                }
            }
        }
    }

    fn open(&self, now: Timestamp, rest: Duration) -> State {
        State::Open { until: later(now, rest), rest: rest.min(self.limits.longest) }
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const LIMITS: Limits =
        Limits { failures: 3, rest: seconds(10), longest: seconds(60), probe: seconds(30) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).expect("a time")
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(LIMITS);
        for _ in 0..3 {
            assert_eq!(breaker.ask(at(0)), Ok(()));
            breaker.failed(at(0), None);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_begins_anew() {
        let mut breaker = Breaker::new(LIMITS);
        for _ in 0..10 {
            breaker.failed(at(0), None);
            breaker.failed(at(0), None);
            breaker.succeeded();
        }
        assert!(breaker.state == State::Closed { failed: 0 });
        assert_eq!(opened().ask(at(4)), Err(seconds(6)));
    }

    #[test]
    fn one_probe_goes_through_and_decides() {
        let mut breaker = opened();
        assert_eq!(breaker.ask(at(10)), Ok(()));
        assert_eq!(breaker.ask(at(10)), Err(seconds(10)), "one is enough");
        breaker.failed(at(12), None);
        assert_eq!(breaker.ask(at(31)), Err(seconds(1)), "twice as long");
        assert_eq!(breaker.ask(at(32)), Ok(()));
        breaker.succeeded();
        assert!(breaker.state == State::Closed { failed: 0 });
        assert_eq!(breaker.ask(at(32)), Ok(()));
    }

    #[test]
    fn a_probe_that_is_never_reported_keeps_nobody_out_for_ever() {
        let mut breaker = opened();
        assert_eq!(breaker.ask(at(10)), Ok(()));
        assert!(breaker.ask(at(39)).is_err());
        assert_eq!(breaker.ask(at(40)), Ok(()));
    }

    #[test]
    fn what_the_gateway_asks_for_is_kept_within_bounds() {
        let mut breaker = Breaker::new(LIMITS);
        breaker.failed(at(0), Some(seconds(25)));
        assert_eq!(breaker.ask(at(0)), Err(seconds(25)));
        breaker.failed(at(5), Some(seconds(40)));
        assert_eq!(breaker.ask(at(5)), Err(seconds(40)));
        let mut breaker = Breaker::new(LIMITS);
        breaker.failed(at(0), Some(seconds(86_400)));
        assert_eq!(breaker.ask(at(0)), Err(seconds(60)));
    }

    proptest! {
        /// Whatever happens, a call goes through again once the longest rest and a probe's time are over; and a wait that
        /// is told is never longer than the longest rest.
        #[test]
        fn it_never_stays_open(steps in proptest::collection::vec((0..40_i64, 0..4_u8, 0..200_u64), 0..60)) {
            let (mut breaker, mut now) = (Breaker::new(LIMITS), 0);
            for (wait, what, asked) in steps {
                now += wait;
                match what {
                    0 => if let Err(wait) = breaker.ask(at(now)) { prop_assert!(wait <= LIMITS.longest); },
                    1 => breaker.succeeded(),
                    2 => breaker.failed(at(now), None),
                    _ => breaker.failed(at(now), Some(seconds(asked))),
                }
            }
            prop_assert_eq!(breaker.ask(at(now + 60)), Ok(()));
        }
    }
}
