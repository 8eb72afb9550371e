//! Leaks that are put into homes.

use std::fmt;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// How a leak runs. Rates are litres an hour while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Without a pause.
    Constant(i64),
    /// But for an hour and a half of each day, at a time of its own.
    Pausing(i64),
    /// So many hours on, so many off.
    Cyclic(i64, i64, i64),
    /// Begins with 1 L/h and grows by so much a day.
    Growing(i64),
    /// On for 20 to 60 minutes, off for between so many minutes.
    Flapper(i64, i64, i64),
    /// So much, until somebody comes after so many hours.
    Until(i64, i64),
}

/// Flow by time: from each moment (seconds since the epoch) on so many millilitres an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak(Vec<(i64, i64)>);

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(rate) => write!(f, "constant {rate} L/h"),
            Self::Pausing(rate) => write!(f, "pausing 1.5 h a day, {rate} L/h"),
            Self::Cyclic(on, off, rate) => write!(f, "cyclic {on}/{off} h, {rate} L/h"),
            Self::Growing(daily) => write!(f, "growing {daily} L/h a day"),
            Self::Flapper(rate, least, most) => write!(f, "flapper off {least}-{most} min, {rate} L/h"),
            Self::Until(rate, hours) => write!(f, "{rate} L/h for {hours} h"),
        }
    }
}

impl Pattern {
    /// A leak of this kind that begins at `start`, told for the time until `end`.
    pub fn leak(self, start: i64, end: i64, rng: &mut ChaCha8Rng) -> Leak {
        let mut flow = vec![(start, 0)];
        let mut at = start;
        while at < end {
            match self {
                Self::Constant(rate) => {
                    flow.push((at, rate));
                    at = end;
                }
                Self::Pausing(rate) => {
                    // The first pause comes at its time of the day, all others a day later.
                    let runs = if at == start { rng.random_range(0..DAY) } else { DAY - HOUR * 3 / 2 };
                    flow.extend([(at, rate), (at + runs, 0)]);
                    at += runs + HOUR * 3 / 2;
                }
                Self::Cyclic(on, off, rate) => {
                    flow.extend([(at, rate), (at + on * HOUR, 0)]);
                    at += (on + off) * HOUR;
                }
                Self::Growing(daily) => {
                    flow.push((at, 1 + daily * (at - start) / DAY));
                    at += HOUR;
                }
                Self::Flapper(rate, least, most) => {
                    let on = rng.random_range(20..=60) * 60;
                    flow.extend([(at, rate), (at + on, 0)]);
                    at += on + rng.random_range(least..=most) * 60;
                }
                Self::Until(rate, hours) => {
                    flow.extend([(at, rate), (at + hours * HOUR, 0)]);
                    at = end;
                }
            }
        }
        flow.iter_mut().for_each(|(_, rate)| *rate *= 1_000);
        Leak(flow)
    }
}

impl Leak {
    /// What of it has flowed at each of these moments (by time), millilitres.
    pub fn poured(&self, moments: impl Iterator<Item = i64>) -> Vec<i64> {
        // Millilitres an hour times seconds, so that nothing is rounded before its end.
        let (mut place, mut sum) = (0, 0_i64);
        let poured = moments.map(|at| {
            while let Some((next, _)) = self.0.get(place + 1).filter(|(next, _)| *next <= at) {
                sum += self.0[place].1 * (next - self.0[place].0);
                place += 1;
            }
            let (since, rate) = self.0[place];
            (sum + rate * (at - since).max(0)) / HOUR
        });
        poured.collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn what_is_poured_is_what_flows() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut litres = |pattern: Pattern, hours: &[i64]| -> Vec<i64> {
            let leak = pattern.leak(1_000, 1_000 + 20 * DAY, &mut rng);
            leak.poured(hours.iter().map(|hour| 1_000 + hour * HOUR))
                .iter()
                .map(|volume| volume / 1_000)
                .collect()
        };
        assert_eq!(litres(Pattern::Constant(5), &[0, 1, 10]), [0, 5, 50]);
        assert_eq!(litres(Pattern::Cyclic(2, 3, 10), &[1, 2, 4, 5, 6]), [10, 20, 20, 20, 30]);
        assert_eq!(litres(Pattern::Until(300, 2), &[1, 2, 50]), [300, 600, 600]);
        // 1 L/h for half a day, then 2, 3 and 4.
        assert_eq!(litres(Pattern::Growing(2), &[24, 48]), [36, 120]);
        let pausing = litres(Pattern::Pausing(2), &[24, 240]);
        assert!(pausing[0] >= 45 && pausing[1] >= 450 && pausing[1] <= 451, "{pausing:?}");
        // 40 minutes in 65 on average.
        let flapper = litres(Pattern::Flapper(10, 10, 40), &[240])[0];
        assert!((1_300..=1_650).contains(&flapper), "{flapper}");
    }
}
