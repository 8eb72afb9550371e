//! The figures of each day, from the path.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rust_decimal::Decimal;

use super::calendar::Day;
use super::facts::Facts;
use super::path::path;
use super::reads::{Read, Sent, candidates, kept};
use super::rules::{Point, Rhythm, Rules};
use super::step::{Kind, Step};
use super::tariff::Tariffs;

/// How sure a day is, the surest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// A read stands at each end.
    #[default]
    Measured,
    /// A midnight lies between reads near to each other.
    Interpolated,
    /// The split into days is not known.
    Estimated,
}

impl Quality {
    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Interpolated => "interpolated",
            Self::Estimated => "estimated",
        }
    }
}

/// What a day must be. Volumes are millilitres.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Net volume.
    pub volume: i128,
    /// What flowed back, not negative.
    pub reverse: i128,
    /// Rupiah.
    pub cost: Decimal,
    /// The month's volume before the day, of the same customer.
    pub month_to_date: i128,
    /// How sure.
    pub quality: Quality,
    /// What may stand on the wrong side of its midnights.
    pub error_bound: i128,
    /// By their names in documents.
    pub flags: BTreeSet<&'static str>,
    /// Far above the days before.
    pub is_anomaly: bool,
    /// Whether its end is known.
    pub complete: bool,
    /// Newest read, or the end of a day without any.
    pub timestamp: i64,
    /// Reads in it.
    pub reads: usize,
    /// Those that the meter cannot have shown.
    pub glitches: usize,
    /// Jumps up that are not charged for.
    pub unbilled: i128,
    /// Whether reads in it may be of a register that keeps rising above the ceiling. How much of that is unbilled depends on
    /// what was kept when, and is not worked out here.
    pub rises: bool,
    /// Whether all of its reads are manual ones, and there are any.
    pub is_manual: bool,
}

/// A day that another system figured out: it stands as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Whose it is.
    pub customer: String,
    /// Millilitres.
    pub volume: i128,
}

/// What the reads of a device come to.
pub struct Course<'a> {
    kept: Vec<Read>,
    rules: Rules<'a>,
    /// Moments of jumps up from one moment's lowest register to the next one's, and how many of the moments before had one.
    jumps: Vec<(i64, usize)>,
    path: Vec<Point>,
    steps: Vec<Step>,
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
/// Days that say what is ordinary, and how many of them are enough.
const WINDOW: usize = 28;
const ENOUGH: usize = 14;
/// A week.
const DRY_DAYS: usize = 7;
/// So many jumps up among so many moments may be a register that keeps rising.
const JUMPS_OF_A_RISE: usize = 3;
const STRETCH: usize = 64;
/// Moments of a day that are kept.
const MOST_OF_A_DAY: usize = 8_640;

impl<'a> Course<'a> {
    /// What the reads come to under these facts.
    pub fn of(sent: &[Sent], facts: &'a Facts) -> Self {
        let kept = kept(sent, facts);
        let rules = Rules::of(facts, &kept);
        let candidates = candidates(&kept, facts);
        let path = path(&candidates, &rules);
        let steps = path.windows(2).map(|pair| rules.step(pair[0], pair[1])).collect();
        let jumps = jumps(&candidates, &rules);
        Self { kept, rules, jumps, path, steps }
    }

    /// Kept reads off the path, of moments of which none is on it.
    pub fn glitches(&self) -> impl Iterator<Item = &Read> {
        let on_path = |at: i64| self.path.binary_search_by_key(&at, |point| point.at).is_ok();
        self.kept.iter().filter(move |read| self.rules.facts().counts(read.at) && !on_path(read.at))
    }

    /// Days with more reads than are kept of a day: what stays of those is not worked out here.
    pub fn crowded(&self) -> impl Iterator<Item = Day> {
        self.rules.days().iter().filter(|day| day.moments > MOST_OF_A_DAY).map(|day| day.day)
    }

    /// What the registers say of the time before a moment: the register there less the first, less the jumps that are nobody's
    /// water, plus the wraps and the water around known exchanges.
    pub fn register_difference(&self, moment: i64) -> i128 {
        let (Some(first), Some(last)) = (self.path.first(), self.path.last()) else { return 0 };
        let mut explained = 0;
        for (pair, step) in self.path.windows(2).zip(&self.steps) {
            if moment < pair[1].at {
                let within = part_before(moment, pair[0], pair[1], step.volume);
                return pair[0].register - first.register + explained + within;
            }
            explained += step.volume - step.difference;
        }
        last.register - first.register + explained
    }

    /// Every day from the first kept read's to the last's. `imported` days count with their own volume for what follows.
    pub fn days(&self, tariffs: &Tariffs, imported: &BTreeMap<Day, Imported>) -> BTreeMap<Day, Figures> {
        let mut figures: Vec<Figures> = self
            .rules
            .days()
            .iter()
            .map(|day| Figures { timestamp: day.end, ..Figures::default() })
            .collect();
        for (pair, step) in self.path.windows(2).zip(&self.steps) {
            let touched = self.rules.place(pair[0].at)..=self.rules.place(pair[1].at);
            for (figures, day) in figures[touched.clone()].iter_mut().zip(&self.rules.days()[touched]) {
                add_step(figures, day, pair[0], pair[1], step);
            }
        }
        self.add_reads(&mut figures);
        for (figures, day) in figures.iter_mut().zip(self.rules.days()) {
            figures.complete = self.path.last().is_some_and(|last| last.at >= day.end);
            let in_day = |(at, in_a_stretch): &(i64, usize)| {
                (day.start..day.end).contains(at) && *in_a_stretch >= JUMPS_OF_A_RISE
            };
            figures.rises = self.jumps.iter().any(in_day);
        }
        let days = self.rules.days().iter().map(|day| day.day).zip(figures).collect();
        in_order(days, self.rules.facts(), tariffs, imported)
    }

    fn add_reads(&self, figures: &mut [Figures]) {
        for read in &self.kept {
            let day = &mut figures[self.rules.place(read.at)];
            day.is_manual = !read.automatic && (day.reads == 0 || day.is_manual);
            day.reads += 1;
            day.timestamp = read.at;
            if read.corrected {
                day.flags.insert("clock");
            }
        }
        for pair in self.kept.windows(2) {
            if pair[0].at == pair[1].at && pair[0].register != pair[1].register {
                figures[self.rules.place(pair[0].at)].flags.insert("conflict");
            }
        }
        for read in self.glitches() {
            let day = &mut figures[self.rules.place(read.at)];
            day.glitches += 1;
            day.flags.insert("glitch");
        }
    }
}

/// The jumps up from each moment's lowest candidate to the next one's, each with how many there are in the stretch it ends.
fn jumps(candidates: &[(i64, i128)], rules: &Rules<'_>) -> Vec<(i64, usize)> {
    let lowest = candidates.chunk_by(|a, b| a.0 == b.0).map(|moment| moment[0]);
    let points: Vec<Point> = lowest.map(|(at, register)| Point { at, register }).collect();
    let mut places: Vec<usize> = Vec::new();
    let mut jumps = Vec::new();
    for (place, pair) in points.windows(2).enumerate() {
        if rules.step(pair[0], pair[1]).kind == Kind::Ceiling {
            places.push(place);
            let in_a_stretch = places.iter().rev().take_while(|before| **before + STRETCH > place).count();
            jumps.push((pair[1].at, in_a_stretch));
        }
    }
    jumps
}

/// What of a step's volume lies before a moment: linear in time, rounded down.
fn part_before(moment: i64, from: Point, to: Point, volume: i128) -> i128 {
    let moment = moment.clamp(from.at, to.at);
    (volume * i128::from(moment - from.at)).div_euclid(i128::from(to.at - from.at))
}

/// Adds what a step brings to a day.
fn add_step(figures: &mut Figures, day: &Rhythm, from: Point, to: Point, step: &Step) {
    let before = |moment| part_before(moment, from, to, step.volume);
    let volume = before(day.end) - before(day.start);
    figures.volume += volume;
    figures.reverse += (-volume).max(0);
    if day.start <= to.at && to.at < day.end {
        match step.kind {
            Kind::Flow => {}
            Kind::Rollover => _ = figures.flags.insert("rollover"),
            Kind::Backflow => _ = figures.flags.insert("backflow"),
            Kind::Exchange | Kind::KnownExchange => _ = figures.flags.insert("exchange"),
            Kind::Ceiling => {
                figures.flags.insert("ceiling");
                figures.unbilled += step.difference;
            }
        }
    }
    let length = to.at - from.at;
    let is_gap = length > (3 * HOUR).max(3 * day.interval);
    let is_prolonged = length > (24 * HOUR).max(3 * day.interval);
    if from.at < day.end && to.at > day.start {
        if is_gap {
            figures.flags.insert("gap");
        }
        if is_prolonged {
            figures.flags.insert("prolonged_gap");
        }
    }
    for midnight in [day.start, day.end] {
        if midnight <= from.at || midnight > to.at {
            continue;
        }
        let nearest = (midnight - from.at).min(to.at - midnight);
        let is_near = nearest <= MINUTE.max(day.interval / 10);
        let quality = if to.at == midnight || (is_near && !step.is_unknown()) {
            Quality::Measured
        } else if !step.is_unknown() && !is_prolonged {
            Quality::Interpolated
        } else {
            Quality::Estimated
        };
        figures.quality = figures.quality.max(quality);
        if to.at != midnight {
            let before = before(midnight);
            figures.error_bound += before.abs().max((step.volume - before).abs());
        }
    }
}

/// What follows from the days before: the month so far, cost, what is out of the ordinary.
fn in_order(
    days: Vec<(Day, Figures)>,
    facts: &Facts,
    tariffs: &Tariffs,
    imported: &BTreeMap<Day, Imported>,
) -> BTreeMap<Day, Figures> {
    let mut days: BTreeMap<Day, Option<Figures>> =
        days.into_iter().map(|(day, figures)| (day, Some(figures))).collect();
    // Days of another system, and those between them and the reads, are part of the history.
    let ends = imported.keys().next().zip(imported.keys().next_back());
    if let (Some((first, last)), Some(reads)) = (ends, days.keys().next().copied()) {
        for day in first.0..=last.0.max(reads.0) {
            days.entry(Day(day)).or_insert(None);
        }
    }
    let mut months: HashMap<(String, String), i128> = HashMap::new();
    let (mut recent, mut flowed): (Vec<i128>, bool) = (Vec::new(), false);
    let mut done = BTreeMap::new();
    for (day, figures) in days {
        let entry = facts.on(day);
        let other = imported.get(&day);
        let customer = other.map_or(&entry.customer, |other| &other.customer);
        let so_far = months.entry((customer.clone(), day.month())).or_default();
        let mut volume = other.map_or(0, |other| other.volume);
        if let Some(mut figures) = figures {
            figures.month_to_date = *so_far;
            if entry.billable {
                figures.cost = tariffs.cost_of_day(&entry.class, day, *so_far, figures.volume);
            }
            figures.is_anomaly = is_exceeded(&recent, figures.volume);
            let dry_days = recent.iter().rev().take_while(|volume| **volume == 0).count() + 1;
            let is_dry = figures.complete && figures.volume == 0 && figures.reverse == 0;
            if is_dry && flowed && dry_days >= DRY_DAYS {
                figures.flags.insert("zero");
            }
            if other.is_none() {
                volume = figures.volume;
            }
            done.insert(day, figures);
        }
        // Water that nobody pays for takes no place in a block.
        if other.is_some() || entry.billable {
            *so_far += volume;
        }
        flowed |= volume > 0;
        if recent.len() == WINDOW {
            recent.remove(0);
        }
        recent.push(volume);
    }
    done
}

/// Whether a volume is more than eight deviations above the median of the days before.
fn is_exceeded(recent: &[i128], volume: i128) -> bool {
    if recent.len() < ENOUGH {
        return false;
    }
    let median = lower_median(recent.to_vec());
    let deviation = lower_median(recent.iter().map(|day| (day - median).abs()).collect());
    volume - median > 8 * deviation.max(median / 10).max(20_000)
}

fn lower_median(mut values: Vec<i128>) -> i128 {
    values.sort_unstable();
    values[(values.len() - 1) / 2]
}
