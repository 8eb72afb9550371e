//! The rules that hold for a device on each of its days: when it begins, how often the meter is read, how coarsely it
//! counts.

use super::calendar::Day;
use super::facts::{Facts, Meter};
use super::reads::Read;
use super::step::{Kind, Step, judge};

/// A register at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Seconds since the epoch.
    pub at: i64,
    /// Millilitres.
    pub register: i128,
}

/// What holds for one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// The day.
    pub day: Day,
    /// Its first moment.
    pub start: i64,
    /// The first moment after it.
    pub end: i64,
    /// The meter's own interval between reads, seconds.
    pub interval: i64,
    /// How many reads a step costs that no meter makes.
    pub reads_of_a_break: i64,
    /// The step in which the register counts, as its reads say; 0 if they say nothing.
    pub learned: i128,
    /// Distinct moments of reads.
    pub moments: usize,
}

/// The rules of all days of a device, from its first kept read's to its last one's.
pub struct Rules<'a> {
    facts: &'a Facts,
    days: Vec<Rhythm>,
}

const HOUR: i64 = 3_600;
/// Intervals before a day that tell its rhythm.
const INTERVALS: usize = 8;

impl<'a> Rules<'a> {
    /// The rules that follow from kept reads, of which there is one at least.
    pub fn of(facts: &'a Facts, kept: &[Read]) -> Self {
        let (Some(first), Some(last)) = (kept.first(), kept.last()) else {
            return Self { facts, days: Vec::new() };
        };
        // Of each moment the lowest register.
        let mut moments: Vec<Point> = Vec::new();
        for moment in kept.chunk_by(|a, b| a.at == b.at).filter(|moment| facts.counts(moment[0].at)) {
            let lowest = moment.iter().map(|read| read.register).min().unwrap_or_default();
            moments.push(Point { at: moment[0].at, register: lowest });
        }
        let (mut learned, mut days) = (0, Vec::new());
        let mut day = facts.zone().day_of(first.at);
        while day <= facts.zone().day_of(last.at) {
            let (start, end) = (facts.zone().start_of(day), facts.zone().start_of(day.next()));
            let from = moments.partition_point(|moment| moment.at < start);
            let to = moments.partition_point(|moment| moment.at < end);
            learned = learned_from(&moments[from..to]).unwrap_or(learned);
            let interval = interval_of(&moments, from, to);
            days.push(Rhythm {
                day,
                start,
                end,
                interval,
                reads_of_a_break: ((8 * HOUR + interval - 1) / interval).clamp(3, 32),
                learned,
                moments: to - from,
            });
            day = day.next();
        }
        Self { facts, days }
    }

    /// All days, in order and without gaps.
    pub fn days(&self) -> &[Rhythm] {
        &self.days
    }

    /// The facts they follow from.
    pub fn facts(&self) -> &'a Facts {
        self.facts
    }

    /// Where the day of a moment stands among [`Self::days`].
    pub fn place(&self, at: i64) -> usize {
        self.days.partition_point(|day| day.start <= at).saturating_sub(1)
    }

    /// How coarsely a meter counts on the day of a moment.
    pub fn resolution(&self, meter: &Meter, at: i64) -> i128 {
        let learned = self.days.get(self.place(at)).map_or(0, |day| day.learned);
        meter.count.max(meter.resolution).max(learned)
    }

    /// Judges a step, exchanges that the registry knows included.
    pub fn step(&self, from: Point, to: Point) -> Step {
        if self.facts.exchanges(from.at, to.at).next().is_some() {
            return self.over_exchanges(from, to);
        }
        let meter = self.facts.meter_at(to.at);
        judge(meter, self.resolution(meter, to.at), to.at - from.at, from.register, to.register)
    }

    fn over_exchanges(&self, from: Point, to: Point) -> Step {
        let (mut volume, mut start, mut current) = (0, from, self.facts.meter_at(to.at));
        for (old, exchange, new) in self.facts.exchanges(from.at, to.at) {
            let last = Point { at: exchange.at, register: exchange.last * old.count };
            volume += self.part(old, start, last, to.at);
            start = Point { at: exchange.at, register: exchange.first * new.count };
            current = new;
        }
        volume += self.part(current, start, to, to.at);
        Step { kind: Kind::KnownExchange, volume, difference: to.register - from.register }
    }

    /// The water of one meter's part of a step that ends at a moment; none where it makes no sense.
    fn part(&self, meter: &Meter, from: Point, to: Point, end: i64) -> i128 {
        if to.at == from.at {
            return 0;
        }
        judge(meter, self.resolution(meter, end), to.at - from.at, from.register, to.register).volume
    }
}

/// The lower median of the intervals that end in a day, whose moments are `from..to`, and of the last ones before it.
fn interval_of(moments: &[Point], from: usize, to: usize) -> i64 {
    let first = from.saturating_sub(INTERVALS).max(1);
    let mut intervals: Vec<i64> =
        (first..to).map(|place| moments[place].at - moments[place - 1].at).collect();
    intervals.sort_unstable();
    match intervals.len() {
        0 => HOUR,
        many => intervals[(many - 1) / 2],
    }
}

/// The step in which a day's registers stand; `None` if they are too few or too much alike to tell.
fn learned_from(moments: &[Point]) -> Option<i128> {
    let mut registers: Vec<i128> = moments.iter().map(|moment| moment.register).collect();
    registers.sort_unstable();
    registers.dedup();
    if moments.len() < 8 || registers.len() < 3 {
        return None;
    }
    let fits = |step: &i128| {
        let multiples = moments.iter().filter(|moment| moment.register % step == 0).count();
        multiples * 8 >= moments.len() * 7
    };
    Some([1_000_000, 100_000, 10_000].into_iter().find(fits).unwrap_or(0))
}
