//! A simulated meter: a register that rises with the draws of its profile.
//!
//! The draws of an hour follow from (seed, meter, hour) alone. So what flows between two moments is the same however
//! often the register is read in between, whether the simulator ran all the time or was started again, and two runs with
//! one seed meet in the same figures.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::draws::{Draw, LONGEST, Profile};

const HOUR: i64 = 3_600;

/// Which meter of which simulation: the root of its chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The seed of the simulation.
    pub seed: u64,
    /// The meter's number in it.
    pub number: u64,
}

impl Identity {
    /// A generator of this meter's own, for what `purpose` tells apart (an hour, or a constant of the caller).
    pub fn chance(self, purpose: i64) -> ChaCha8Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&self.number.to_le_bytes());
        seed[16..24].copy_from_slice(&purpose.to_le_bytes());
        ChaCha8Rng::from_seed(seed)
    }
}

/// Water that runs away behind a meter, day and night.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leak {
    /// When it begins: seconds after the meter's installation.
    pub after: i64,
    /// How much it takes.
    pub litres_per_hour: u64,
}

impl Leak {
    /// Millilitres that it has taken by a moment, where the meter was installed at another one (seconds since the epoch).
    fn taken(self, installed: i64, at: i64) -> u64 {
        let seconds = u64::try_from(at - installed - self.after).unwrap_or_default();
        seconds * self.litres_per_hour * 1_000 / HOUR.unsigned_abs()
    }
}

/// A meter at a moment.
#[derive(Debug, Clone)]
pub struct Meter {
    identity: Identity,
    profile: Profile,
    zone: TimeZone,
    /// Seconds since the epoch up to which the register stands.
    at: i64,
    millilitres: u64,
    /// Draws that may still flow at `at`, with the second at which each begins.
    running: Vec<(i64, Draw)>,
    /// First hour (since the epoch) whose draws are not in `running` yet.
    next_hour: i64,
    /// What leaks behind it, and when it was installed.
    leak: Option<(Leak, i64)>,
}

impl Meter {
    /// A meter whose register stands at so many millilitres at `at` seconds.
    pub fn new(identity: Identity, profile: Profile, zone: TimeZone, at: i64, millilitres: u64) -> Self {
        // A draw reaches into the next hour at most.
        let next_hour = at.div_euclid(HOUR) - i64::from(LONGEST) / HOUR;
        Self { identity, profile, zone, at, millilitres, running: Vec::new(), next_hour, leak: None }
    }

    /// The same with what leaks behind it; it was installed at `installed` seconds.
    #[must_use]
    pub fn leaking(self, leak: Option<Leak>, installed: i64) -> Self {
        Self { leak: leak.map(|leak| (leak, installed)), ..self }
    }

    /// The register in millilitres at a later moment, which the meter now stands at; a moment that has passed changes
    /// nothing.
    pub fn advance(&mut self, to: i64) -> u64 {
        while self.at < to {
            // Hour by hour, so that a long pause holds no more than two hours of draws.
            let until = to.min((self.at.div_euclid(HOUR) + 1) * HOUR);
            while self.next_hour * HOUR < until {
                self.begin(self.next_hour);
                self.next_hour += 1;
            }
            let from = std::mem::replace(&mut self.at, until);
            self.millilitres += self
                .running
                .iter()
                .map(|(start, draw)| poured(*start, draw, until) - poured(*start, draw, from))
                .sum::<u64>();
            if let Some((leak, installed)) = self.leak {
                self.millilitres += leak.taken(installed, until) - leak.taken(installed, from);
            }
            self.running.retain(|(start, draw)| start + i64::from(draw.seconds) > until);
        }
        self.millilitres
    }

    /// Another meter takes its place, which begins to count at nothing.
    pub fn exchange(&mut self) {
        self.millilitres = 0;
    }

    fn begin(&mut self, hour: i64) {
        let start = hour * HOUR;
        let moment = Timestamp::from_second(start).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = self.zone.to_datetime(moment);
        let draws = self.profile.draws(local, &mut self.identity.chance(hour));
        self.running.extend(draws.into_iter().map(|draw| (start + i64::from(draw.start), draw)));
    }
}

fn poured(start: i64, draw: &Draw, at: i64) -> u64 {
    u64::try_from(at - start).map_or(0, |seconds| draw.poured(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_767_225_600;
    const DAY: i64 = 86_400;

    fn meter(number: u64, at: i64, millilitres: u64) -> Meter {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        Meter::new(Identity { seed: 1, number }, Profile::Household { people: 4 }, zone, at, millilitres)
    }

    #[test]
    fn however_often_it_is_read_it_says_the_same() {
        let (mut often, mut once) = (meter(1, START + 17, 500), meter(1, START + 17, 500));
        let mut last = 0;
        for at in (START + 17..=START + 17 + 3 * DAY).step_by(15) {
            let register = often.advance(at);
            assert!(register >= last, "a register never runs back");
            last = register;
        }
        assert_eq!(last, once.advance(START + 17 + 3 * DAY));
        assert!(last > 500_000, "{last} mL in three days");
    }

    #[test]
    fn a_second_run_continues_where_the_first_one_stopped() {
        let mut whole = meter(1, START, 0);
        let mut first = meter(1, START, 0);
        let stopped = START + DAY + 1_234;
        let mut second = meter(1, stopped, first.advance(stopped));
        assert_eq!(second.advance(START + 2 * DAY), whole.advance(START + 2 * DAY));
    }

    #[test]
    fn a_leak_runs_from_its_beginning_on_however_often_the_meter_is_read() {
        let leak = Some(Leak { after: DAY + 100, litres_per_hour: 25 });
        let mut leaking = meter(1, START, 0).leaking(leak, START);
        let mut tight = meter(1, START, 0);
        for at in (START..=START + 3 * DAY).step_by(777) {
            let expected = u64::try_from(at - START - DAY - 100).unwrap_or_default() * 25_000 / 3_600;
            assert_eq!(leaking.advance(at) - tight.advance(at), expected);
        }
    }

    #[test]
    fn meters_differ() {
        assert_ne!(meter(1, START, 0).advance(START + DAY), meter(2, START, 0).advance(START + DAY));
    }

    #[test]
    fn the_past_changes_nothing() {
        let mut meter = meter(1, START, 0);
        let register = meter.advance(START + DAY);
        assert_eq!(meter.advance(START), register);
        meter.exchange();
        assert_eq!(meter.advance(START), 0);
    }
}
