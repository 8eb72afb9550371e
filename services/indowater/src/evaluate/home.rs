//! Homes: the reads of a meter as its detector sees them, and what is done to them.

use std::sync::Arc;

use anomaly_detector::domain::leak::Read;
use indowater_common::domain::facts::{BEGINNING, Owner, Period, Timeline};
use indowater_common::domain::meter::{Point, Unit};
use indowater_common::domain::path::{DayPath, Lead};
use indowater_common::domain::step::MeterFacts;
use indowater_common::domain::zone::Zone;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A meter with its reads.
#[derive(Debug, Clone)]
pub struct Home {
    /// What it is called.
    pub name: String,
    /// Its reads on the path, by time.
    pub reads: Vec<Read>,
    /// What its register counts in, millilitres.
    pub resolution: i64,
    /// Where it is.
    pub zone: Zone,
}

/// Digits enough for every register that a file shows.
const CAPACITY: i64 = 1_000_000_000_000_000;

impl Home {
    /// The home of these reads, in any order: those that one household meter can have shown, as the services choose them.
    pub fn of(name: &str, mut points: Vec<Point>, resolution: i64, zone: &Zone) -> Self {
        points.sort_unstable_by_key(|point| (point.at, point.register));
        points.dedup();
        let meter =
            MeterFacts { unit: Unit::Millilitre, wraps_at: CAPACITY, resolution, q3_litres_per_hour: 2_500 };
        let owner =
            Owner { customer_id: "".into(), property_id: "".into(), tariff_class: "".into(), billable: true };
        let period = Period { from: BEGINNING, owner: Arc::new(owner), meter, exchange: None };
        let timeline = Timeline::new(1, None, period, Vec::new());
        let run = DayPath::run(&Lead::default(), &points, &timeline, zone);
        let (path, _) = run.back_from(run.end());
        let mut reads: Vec<Read> = Vec::with_capacity(path.len());
        for point in path {
            let joined = reads.last().is_some_and(|before| {
                let before = Point { at: before.at, register: before.register };
                meter.step(before, point, 0).kind.is_plausible()
            });
            reads.push(Read { at: point.at, register: point.register, joined });
        }
        Self { name: name.to_owned(), reads, resolution, zone: zone.clone() }
    }

    /// Its first and last moment.
    pub fn span(&self) -> (i64, i64) {
        (self.reads.first().map_or(0, |read| read.at), self.reads.last().map_or(0, |read| read.at))
    }

    /// From the first read at or after a moment to the last one before another.
    pub fn between(&self, from: i64, until: i64) -> &[Read] {
        let place = |at| self.reads.partition_point(|read| read.at < at);
        &self.reads[place(from)..place(until).max(place(from))]
    }

    /// The same home, of whose reads a share is lost.
    #[must_use]
    pub fn losing(&self, share: f64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ fingerprint(&self.name));
        self.keeping(|_| !rng.random_bool(share))
    }

    /// The same home, read once in so many seconds only.
    #[must_use]
    pub fn every(&self, seconds: i64) -> Self {
        let mut due = i64::MIN;
        self.keeping(|read| {
            let keeps = read.at >= due;
            if keeps {
                // The next one is due on the grid, so that no delay adds up.
                due = (read.at + seconds / 2).div_euclid(seconds) * seconds + seconds - seconds / 2;
            }
            keeps
        })
    }

    fn keeping(&self, mut keeps: impl FnMut(&Read) -> bool) -> Self {
        let (mut reads, mut joined) = (Vec::with_capacity(self.reads.len()), true);
        for read in &self.reads {
            joined &= read.joined;
            if keeps(read) {
                reads.push(Read { joined, ..*read });
                joined = true;
            }
        }
        Self { reads, ..self.clone() }
    }

    /// The longest time without a read between two moments, seconds.
    pub fn longest_gap(&self, from: i64, until: i64) -> i64 {
        let reads = self.between(from, until).iter().map(|read| read.at);
        let (gap, last) = reads.fold((0, from), |(gap, last), at| (gap.max(at - last), at));
        gap.max(until - last)
    }

    /// The share of the hours between two moments that has a read.
    #[allow(clippy::cast_precision_loss, clippy::float_arithmetic, reason = "a share")]
    pub fn coverage(&self, from: i64, until: i64) -> f64 {
        let mut hours: Vec<i64> = self.between(from, until).iter().map(|read| read.at / 3_600).collect();
        hours.dedup();
        hours.len() as f64 / ((until - from) / 3_600).max(1) as f64
    }
}

/// A number that a name always has.
pub fn fingerprint(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
