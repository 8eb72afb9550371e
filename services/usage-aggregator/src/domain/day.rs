//! One device on one local day: what is kept of it, and the figures that follow.

use std::sync::Arc;

use indowater_common::domain::meter::{Kind, Meter, Point};
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use rust_decimal::Decimal;

use super::outlier::Recent;
use super::reads::{Read, ReadSet, Source};

/// Whose day it is: the registry entry in force when the day was first read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Version of the registry entry.
    pub version: i64,
    /// `users.id`.
    pub customer_id: Box<str>,
    /// `properties.id`.
    pub property_id: Box<str>,
    /// Tariff class.
    pub tariff_class: Box<str>,
}

/// What a day takes over from the days before it. With it a day can be computed without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carry {
    /// The last read before the day.
    pub previous: Option<Point>,
    /// The month's volume before the day, counts.
    pub month_to_date: i64,
    /// The days before.
    pub recent: Recent,
    /// Whether water ever flowed.
    pub flowed: bool,
}

/// How sure a day is: the worse of its two midnights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// A read stands at each end, within a minute.
    #[default]
    Measured,
    /// A midnight lies between two reads at most 24 hours apart.
    Interpolated,
    /// A midnight lies in a longer gap, or where the meter changed: the split into days is not known.
    Estimated,
}

/// What validation met in a day, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

/// A flag, its bit and its name in documents.
macro_rules! flags {
    ($($name:ident = $bit:literal, $text:literal, $doc:literal;)*) => {
        impl Flags {
            $(#[doc = $doc] pub const $name: Self = Self(1 << $bit);)*
            const NAMES: &[(Self, &str)] = &[$((Self::$name, $text)),*];
        }
    };
}

flags! {
    ROLLOVER = 0, "rollover", "The register wrapped.";
    EXCHANGE = 1, "exchange", "The register stepped back: reset or exchange; the jump is not billed.";
    BACKFLOW = 2, "backflow", "A little water flowed back.";
    GAP = 3, "gap", "More than three hours without a read.";
    PROLONGED_GAP = 4, "prolonged_gap", "More than a day without a read.";
    CONFLICT = 5, "conflict", "Two reads of one moment disagree.";
    CEILING = 6, "ceiling", "More than the meter can pass; the jump is not billed.";
    CLOCK = 7, "clock", "The device's clock was wrong.";
    ZERO = 8, "zero", "No water for a week on a meter with history.";
}

impl Flags {
    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `other` is among them.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Their names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| *name)
    }

    /// The flag of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(flag, _)| *flag)
    }
}

/// What follows from a day's reads and its neighbours. Volumes are counts of the meter's unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Net volume.
    pub volume: i64,
    /// What flowed back, not negative.
    pub reverse: i64,
    /// What the day adds to the month's cost, rupiah, exact.
    pub cost: Decimal,
    /// How sure.
    pub quality: Quality,
    /// How much may stand on the wrong side of its midnights at most.
    pub error_bound: i64,
    /// What validation met.
    pub flags: Flags,
    /// Far outside the device's own history.
    pub is_anomaly: bool,
    /// A read at or after its end is known.
    pub complete: bool,
    /// Its newest read, or its end if it has none; seconds since the epoch.
    pub timestamp: i64,
}

/// What is kept of one device and day.
#[derive(Clone, Debug, PartialEq)]
pub struct DayRecord {
    /// The local day.
    pub day: Day,
    /// Whose it is.
    pub facts: Arc<Facts>,
    /// Its reads.
    pub reads: ReadSet,
    /// What it takes over.
    pub carry: Carry,
    /// What follows.
    pub figures: Figures,
    /// Customers that earlier revisions named: whoever charges for the day has to take it back from them.
    pub former_customers: Box<[Box<str>]>,
    /// Revision in the database; 0 if it is not there yet.
    pub revision: i64,
    /// When it was first written, milliseconds since the epoch; 0 if it was not.
    pub created_ms: i64,
    /// What has to happen at the next flush.
    pub pending: Pending,
}

/// What has to happen to a record at the next flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pending {
    /// Nothing.
    #[default]
    Nothing,
    /// To be published as it stands: reads came that changed nothing. They may be the repetition of reads whose
    /// effect is stored but, after a crash, not published.
    Publish,
    /// To be written with the next revision, and published.
    Write,
}

/// Seconds: a read so close to midnight measures it.
const AT_MIDNIGHT: i64 = 60;
/// Longer without a read is a gap, longer than a day a prolonged one (Oracle and Itron VEE practice).
const GAP: i64 = 3 * 3_600;
const PROLONGED: i64 = 24 * 3_600;
/// A meter with history that is dry for so many days is stuck, bypassed or vacant.
const DRY_DAYS: usize = 7;

/// What computing a day needs besides its record.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The meter.
    pub meter: &'a Meter,
    /// The property's zone.
    pub zone: &'a Zone,
    /// The tariffs.
    pub tariffs: &'a TariffBook,
}

/// Counts of an interval that fall before moment `m`: linear in time, rounded down, so that the parts of an interval
/// always add up to the whole.
pub fn part_before(m: i64, a: Point, b: Point, volume: i64) -> i64 {
    let m = m.clamp(a.at, b.at);
    let share = i128::from(volume) * i128::from(m - a.at);
    // Between 0 and `volume`, so it fits; a = b does not happen among reads that count.
    i64::try_from(share.div_euclid(i128::from((b.at - a.at).max(1)))).unwrap_or(volume)
}

/// The points a day's figures follow from: the last before it, its own, the first after it.
pub fn chain(previous: Option<Point>, reads: &ReadSet, next: Option<Point>) -> Vec<Point> {
    previous.into_iter().chain(reads.effective().map(|read| read.point)).chain(next).collect()
}

/// Computes a day. `next` is the first read at or after its end, if one is known.
pub fn compute(
    day: Day,
    reads: &ReadSet,
    carry: &Carry,
    class: &str,
    next: Option<Point>,
    context: Context<'_>,
) -> Figures {
    let (start, end) = (context.zone.start_of(day), context.zone.start_of(day.next()));
    let mut figures = Figures { complete: next.is_some(), timestamp: end, ..Figures::default() };
    for pair in chain(carry.previous, reads, next).windows(2) {
        account(&mut figures, pair[0], pair[1], (start, end), context.meter);
    }
    mark_reads(&mut figures, reads);
    let per_litre = context.meter.unit.per_litre();
    figures.is_anomaly = carry.recent.is_exceeded_by(figures.volume, per_litre);
    let dry = figures.complete && figures.volume == 0 && figures.reverse == 0;
    if dry && carry.flowed && carry.recent.dry_days() + 1 >= DRY_DAYS {
        figures.flags = figures.flags.and(Flags::ZERO);
    }
    let cubic_metres = |counts| context.meter.unit.cubic_metres(counts);
    let tariff = context.tariffs.on(class, day);
    figures.cost =
        tariff.cost_of_day(day, cubic_metres(carry.month_to_date), cubic_metres(figures.volume)).normalize();
    figures
}

/// Adds what one interval between two reads brings to the day from `start` to `end`.
fn account(figures: &mut Figures, a: Point, b: Point, (start, end): (i64, i64), meter: &Meter) {
    let step = meter.step(a, b);
    let volume = part_before(end, a, b, step.volume) - part_before(start, a, b, step.volume);
    figures.volume += volume;
    figures.reverse -= volume.min(0);
    // A judgement belongs to the day of the read that brought it; a gap to every day it covers.
    if (start..end).contains(&b.at) {
        figures.flags = figures.flags.and(match step.kind {
            Kind::Flow => Flags::default(),
            Kind::Rollover => Flags::ROLLOVER,
            Kind::Backflow => Flags::BACKFLOW,
            Kind::Exchange => Flags::EXCHANGE,
            Kind::Ceiling => Flags::CEILING,
        });
    }
    let length = b.at - a.at;
    if length > GAP && a.at < end && b.at > start {
        let prolonged = if length > PROLONGED { Flags::PROLONGED_GAP } else { Flags::default() };
        figures.flags = figures.flags.and(Flags::GAP).and(prolonged);
    }
    for midnight in [start, end] {
        if a.at < midnight && midnight <= b.at {
            let unknown = matches!(step.kind, Kind::Exchange | Kind::Ceiling);
            figures.quality = figures.quality.max(quality_at(midnight, a, b, unknown));
            figures.error_bound += error_at(midnight, a, b, step.volume);
        }
    }
}

fn quality_at(midnight: i64, a: Point, b: Point, unknown: bool) -> Quality {
    if b.at == midnight || (!unknown && (midnight - a.at).min(b.at - midnight) <= AT_MIDNIGHT) {
        Quality::Measured
    } else if !unknown && b.at - a.at <= PROLONGED {
        Quality::Interpolated
    } else {
        Quality::Estimated
    }
}

/// All of the interval's water may have flowed on one side of midnight.
fn error_at(midnight: i64, a: Point, b: Point, volume: i64) -> i64 {
    if midnight == b.at {
        return 0;
    }
    let before = part_before(midnight, a, b, volume);
    before.abs().max((volume - before).abs())
}

fn mark_reads(figures: &mut Figures, reads: &ReadSet) {
    let mut last: Option<Read> = None;
    for read in reads.iter() {
        if read.clock_corrected {
            figures.flags = figures.flags.and(Flags::CLOCK);
        }
        if last.is_some_and(|l| l.point.at == read.point.at && l.point.register != read.point.register) {
            figures.flags = figures.flags.and(Flags::CONFLICT);
        }
        figures.timestamp = read.point.at;
        last = Some(read);
    }
}

impl DayRecord {
    /// What the next day takes over. `month_starts` says that it begins a month.
    pub fn hand_on(&self, month_starts: bool) -> Carry {
        let last = self.reads.effective().last().map(|read| read.point);
        Carry {
            previous: last.or(self.carry.previous),
            month_to_date: if month_starts { 0 } else { self.carry.month_to_date + self.figures.volume },
            recent: self.carry.recent.with(self.figures.volume),
            flowed: self.carry.flowed || self.figures.volume > 0,
        }
    }

    /// Whether a person read it all.
    pub fn is_manual(&self) -> bool {
        !self.reads.is_empty() && self.reads.iter().all(|read| read.source == Source::Manual)
    }
}
