//! Trials: a leak is put into a home, and somebody watches.

use anomaly_detector::domain::leak::{Change, Kind, Read, Setting};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::home::{Home, fingerprint};
use super::leak::Pattern;
use super::watch::{Told, Watch};

/// By when a leak must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many hours after it began.
    Hours(i64),
    /// With the so manieth hourly read after it began: one that comes soon after another is none.
    Reads(usize),
}

/// A kind of leak and what is asked of a detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// How it runs.
    pub pattern: Pattern,
    /// By when it must be told.
    pub limit: Limit,
}

/// For how long a leak is watched, seconds.
pub const WATCHED: i64 = 14 * DAY;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How long after its beginning it was first told, seconds, and as what.
    pub told: Option<(i64, Kind)>,
    /// Whether that was in time.
    pub in_time: bool,
    /// How long after the beginning it was told to have stopped, seconds.
    pub stopped: Option<i64>,
}

/// A home as a detector knows it at the beginning of each day: whence trials start.
pub struct Watched<'a, W> {
    /// The home.
    pub home: &'a Home,
    /// All that was told of it as it is.
    pub told: Vec<Told>,
    days: Vec<(i64, W)>,
}

/// What holds for a home of which nobody said anything.
pub fn setting(home: &Home) -> Setting<'_> {
    Setting { zone: &home.zone, resolution: home.resolution, household: true, periods: &[] }
}

impl<'a, W: Watch> Watched<'a, W> {
    /// Watches a home as it is.
    pub fn of(home: &'a Home, detector: &W) -> Self {
        let (setting, mut detector) = (setting(home), detector.clone());
        let (mut told, mut days) = (Vec::new(), Vec::new());
        let mut due = i64::MIN;
        for read in &home.reads {
            if read.at >= due {
                days.push((read.at, detector.clone()));
                due = read.at + DAY;
            }
            told.extend(detector.read(*read, &setting));
        }
        Self { home, told, days }
    }

    /// Puts a leak into the home that begins at `start`.
    pub fn trial(&self, scenario: &Scenario, start: i64, seed: u64) -> Option<Outcome> {
        let place = self.days.partition_point(|(day, _)| *day <= start);
        let (from, detector) = self.days.get(place.saturating_sub(1))?;
        run(self.home, detector.clone(), scenario, *from, start, seed)
    }
}

/// The reads of a home from `start` on with a leak in it, and their end.
pub fn leaking(home: &Home, pattern: Pattern, start: i64, seed: u64) -> Vec<Read> {
    let end = start + WATCHED;
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ fingerprint(&home.name) ^ start.cast_unsigned());
    let leak = pattern.leak(start, end, &mut rng);
    // A leak does not begin at a whole count of the register.
    let offset = (rng.next_u64() % home.resolution.max(1).cast_unsigned()).cast_signed();
    let reads = home.between(start, end);
    let poured = leak.poured(reads.iter().map(|read| read.at));
    let leaking = reads.iter().zip(poured).map(|(read, poured)| {
        let counts = (poured + offset) / home.resolution * home.resolution;
        Read { register: read.register + counts, ..*read }
    });
    leaking.collect()
}

/// Has a detector watch a home from `from` on, in which a leak begins at `start`. None if a leak is told to run there already.
pub fn run<W: Watch>(
    home: &Home,
    mut detector: W,
    scenario: &Scenario,
    from: i64,
    start: i64,
    seed: u64,
) -> Option<Outcome> {
    let setting = setting(home);
    for read in home.between(from, start) {
        detector.read(*read, &setting);
    }
    if detector.is_alarmed() {
        return None;
    }
    let reads = leaking(home, scenario.pattern, start, seed);
    let deadline = match scenario.limit {
        Limit::Hours(hours) => start + hours * HOUR,
        Limit::Reads(count) => {
            let (mut last, mut left) = (i64::MIN, count);
            let hourly = reads.iter().find(|read| {
                if read.at > start && read.at - HOUR * 3 / 4 >= last {
                    (last, left) = (read.at, left - 1);
                }
                left == 0
            });
            hourly.map_or(start, |read| read.at)
        }
    };
    let (mut told, mut stopped) = (None, None);
    // Once a leak was told, only its end is still of interest, and only where it ends.
    let ends = matches!(scenario.pattern, Pattern::Until(..));
    for read in reads {
        for news in detector.read(read, &setting) {
            match news.change {
                Change::Opened | Change::Returned => told = told.or(Some((news.at - start, news.kind))),
                Change::Stopped | Change::Closed if told.is_some() => {
                    stopped = stopped.or(Some(news.at - start))
                }
                _ => {}
            }
        }
        if told.is_some() && (!ends || stopped.is_some()) {
            break;
        }
    }
    Some(Outcome { told, stopped, in_time: told.is_some_and(|(after, _)| start + after <= deadline) })
}

/// Moments at which leaks begin, at least `learning` seconds after the first read: where nine in ten hours of the weeks to come
/// have a read, and no gap is longer than three hours from a day before to three days after. Lost reads are tried apart.
pub fn starts(home: &Home, learning: i64, trials: usize, seed: u64) -> Vec<i64> {
    let (first, last) = home.span();
    let candidates: Vec<i64> = (first + learning..last - WATCHED)
        .step_by(6 * 3_600)
        .filter(|at| home.coverage(at - 2 * DAY, at + WATCHED) >= 0.9)
        .filter(|at| home.longest_gap(at - DAY, at + 3 * DAY) <= 3 * HOUR)
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ fingerprint(&home.name));
    let chosen: Vec<i64> = candidates.sample(&mut rng, trials).copied().collect();
    // Leaks do not wait for a read.
    chosen.into_iter().map(|at| at + rng.random_range(0..HOUR)).collect()
}
