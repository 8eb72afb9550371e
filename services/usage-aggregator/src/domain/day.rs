//! One device on one local day: what is kept of it, and the figures that follow. Volumes are millilitres.

use std::collections::BTreeSet;
use std::sync::Arc;

use indowater_common::domain::facts::{Owner, Timeline};
use indowater_common::domain::meter::Point;
use indowater_common::domain::path::Lead;
use indowater_common::domain::rhythm::Rhythm;
use indowater_common::domain::step::{Kind, Step};
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use rust_decimal::Decimal;

use super::finding::{self, Finding, Findings};
use super::outlier::Recent;
use indowater_common::domain::reads::{Read, ReadSet, Source};

/// Millilitres of a month, by customer.
pub type ByCustomer = Box<[(Box<str>, i64)]>;

/// What a day takes over from the days before it. With it a day can be computed without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carry {
    /// The last read on the path before the day.
    pub previous: Option<Point>,
    /// What the day's path may go on from.
    pub lead: Lead,
    /// The month's volume before the day that its customer pays for.
    pub month_to_date: i64,
    /// The same of others who had the connection in the month.
    pub others_to_date: ByCustomer,
    /// The days before.
    pub recent: Recent,
    /// Whether water ever flowed.
    pub flowed: bool,
}

/// How sure a day is: the worse of its two midnights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// A read stands at each end, within a tenth of the meter's own interval and at least a minute.
    #[default]
    Measured,
    /// A midnight lies between two reads at most 24 hours, or three of the meter's own intervals, apart.
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
    EXCHANGE = 1, "exchange", "The meter was exchanged; where nobody knew of it, the jump is not billed.";
    BACKFLOW = 2, "backflow", "A little water flowed back.";
    GAP = 3, "gap", "Longer without a read than three of the meter's own intervals, and than three hours.";
    PROLONGED_GAP = 4, "prolonged_gap", "Longer than three intervals, and than a day.";
    CONFLICT = 5, "conflict", "Two reads of one moment disagree.";
    CEILING = 6, "ceiling", "More than the meter can pass; the jump is not billed.";
    CLOCK = 7, "clock", "The device's clock was wrong.";
    ZERO = 8, "zero", "No water for a week on a meter with history.";
    GLITCH = 9, "glitch", "A read that one meter cannot have shown between its neighbours; it is left out.";
    IMPORTED = 10, "imported", "Taken over from another system; the figures stand as they came.";
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

/// What follows from a day's reads and its neighbours.
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
    /// Reads left out because their neighbours contradict them.
    pub glitches: u32,
    /// What the register counted beyond what the meter can pass, not billed.
    pub unbilled: i64,
    /// What a person has to look at.
    pub findings: Findings,
}

/// What is kept of one device and day.
#[derive(Clone, Debug, PartialEq)]
pub struct DayRecord {
    /// The local day.
    pub day: Day,
    /// Who has its water.
    pub owner: Arc<Owner>,
    /// Its reads.
    pub reads: ReadSet,
    /// The moments and registers among them that are not on the path.
    pub off_path: Box<[Point]>,
    /// What it takes over.
    pub carry: Carry,
    /// What follows.
    pub figures: Figures,
    /// Customers that earlier revisions named: whoever charges for the day has to take it back from them.
    pub former_customers: Box<[Box<str>]>,
    /// What earlier revisions found and this one does not.
    pub withdrawn: Findings,
    /// What of it has been counted for the operators.
    pub counted: Counted,
    /// Revision in the database; 0 if it is not there yet.
    pub revision: i64,
    /// What the document has of its packed reads.
    pub stored: StoredReads,
    /// When it was first written, milliseconds since the epoch; 0 if it was not.
    pub created_ms: i64,
    /// What has to happen at the next flush.
    pub pending: Pending,
}

/// What a document has of a day's packed reads, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredReads {
    /// How many.
    pub length: usize,
    /// How many of them, from the front, are as they are here.
    pub same: usize,
}

impl StoredReads {
    /// All of them, as they are here.
    pub fn all(reads: &ReadSet) -> Self {
        let length = reads.bytes().len();
        Self { length, same: length }
    }
}

/// What a day's reads gave no water for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Reads left out.
    pub glitches: u32,
    /// Millilitres.
    pub unbilled: i64,
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

/// Seconds: a read so close to midnight measures it, or a tenth of the meter's own interval if that is longer.
const AT_MIDNIGHT: i64 = 60;
/// Longer without a read, and than three of the meter's own intervals, is a gap; longer than a day a prolonged one (Oracle
/// and Itron VEE practice).
const GAP: i64 = 3 * 3_600;
const PROLONGED: i64 = 24 * 3_600;
/// A meter with history that is dry for so many days is stuck, bypassed or vacant.
const DRY_DAYS: usize = 7;

/// What computing a day needs besides its record.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What the registry says.
    pub timeline: &'a Timeline,
    /// The property's zone.
    pub zone: &'a Zone,
    /// The tariffs.
    pub tariffs: &'a TariffBook,
}

/// The part of a step's water that falls before moment `m`: linear in time, rounded down to whole counts of the meter, so that
/// the parts of a step always add up to it.
pub fn part_before(m: i64, a: Point, b: Point, step: Step) -> i64 {
    if m >= b.at {
        return step.volume;
    }
    let share = i128::from(step.volume) * i128::from(m.max(a.at) - a.at);
    let counts = share.div_euclid(i128::from(b.at - a.at) * i128::from(step.count));
    // Between 0 and the volume, so it fits.
    i64::try_from(counts).unwrap_or(0) * step.count
}

/// Computes a day by its path. `next` is the first read on the path at or after its end, if one is known. What days before
/// it and its tariff make of the volume is added by [`Figures::price`].
pub fn compute(record: &DayRecord, of_day: &OfDay, next: Option<Next>, context: Context<'_>) -> Figures {
    let rhythm = of_day.rhythm;
    let bounds = (context.zone.start_of(record.day), context.zone.start_of(record.day.next()));
    let mut figures = Figures { complete: next.is_some(), timestamp: bounds.1, ..Figures::default() };
    let mut findings = Vec::new();
    for (a, b, step) in of_day.steps(record, next, context) {
        account(&mut figures, (a, b, step), bounds, rhythm.interval);
        if (bounds.0..bounds.1).contains(&b.at) {
            findings.extend(Finding::of_step(step.kind, a, b));
            figures.unbilled += if step.kind == Kind::Jump { b.register - a.register } else { 0 };
        }
    }
    mark_reads(&mut figures, record, &of_day.path, context);
    if figures.glitches > 0 || !findings.is_empty() {
        let above = finding::above_ceiling(&record.carry.lead, &of_day.candidates, |a, b| {
            context.timeline.step(a, b, rhythm.learned, context.zone).kind == Kind::Jump
        });
        if let Some((above, unbilled)) = above {
            (findings, figures.unbilled) = (vec![above], unbilled);
            figures.flags = figures.flags.and(Flags::CEILING);
        }
    }
    figures.findings = findings.into();
    figures
}

/// Adds what one interval between two reads brings to the day from `start` to `end`.
pub fn account(
    figures: &mut Figures,
    (a, b, step): (Point, Point, Step),
    (start, end): (i64, i64),
    interval: i64,
) {
    let volume = part_before(end, a, b, step) - part_before(start, a, b, step);
    figures.volume += volume;
    figures.reverse -= volume.min(0);
    // A judgement belongs to the day of the read that brought it; a gap to every day it covers.
    if (start..end).contains(&b.at) {
        figures.flags = figures.flags.and(match step.kind {
            Kind::Flow => Flags::default(),
            Kind::Rollover => Flags::ROLLOVER,
            Kind::Backflow => Flags::BACKFLOW,
            Kind::Exchange | Kind::KnownExchange => Flags::EXCHANGE,
            Kind::Jump => Flags::CEILING,
        });
    }
    let length = b.at - a.at;
    let prolonged = length > PROLONGED.max(3 * interval);
    if length > GAP.max(3 * interval) && a.at < end && b.at > start {
        let prolonged = if prolonged { Flags::PROLONGED_GAP } else { Flags::default() };
        figures.flags = figures.flags.and(Flags::GAP).and(prolonged);
    }
    for midnight in [start, end] {
        if a.at < midnight && midnight <= b.at {
            let unknown = !step.kind.is_plausible() || step.kind == Kind::KnownExchange;
            let near = (midnight - a.at).min(b.at - midnight) <= AT_MIDNIGHT.max(interval / 10);
            let quality = if b.at == midnight || (!unknown && near) {
                Quality::Measured
            } else if !unknown && !prolonged {
                Quality::Interpolated
            } else {
                Quality::Estimated
            };
            figures.quality = figures.quality.max(quality);
            figures.error_bound += error_at(midnight, a, b, step);
        }
    }
}

/// All of the interval's water may have flowed on one side of midnight.
fn error_at(midnight: i64, a: Point, b: Point, step: Step) -> i64 {
    if midnight == b.at {
        return 0;
    }
    let before = part_before(midnight, a, b, step);
    before.abs().max((step.volume - before).abs())
}

fn mark_reads(figures: &mut Figures, record: &DayRecord, path: &[Point], context: Context<'_>) {
    let mut last: Option<Point> = None;
    for (read, verdict) in record.verdicts(path, context) {
        let point = read.point(context.timeline, context.zone);
        let conflicts = last.is_some_and(|last| last.at == point.at && last.register != point.register);
        let met = [
            (read.clock_corrected, Flags::CLOCK),
            (conflicts, Flags::CONFLICT),
            (verdict == Verdict::Glitch, Flags::GLITCH),
        ];
        figures.flags =
            met.into_iter().filter(|(is, _)| *is).fold(figures.flags, |all, (_, flag)| all.and(flag));
        figures.glitches += u32::from(verdict == Verdict::Glitch);
        figures.timestamp = read.at;
        last = Some(point);
    }
}

impl Figures {
    /// What of it gave no water.
    pub const fn counted(&self) -> Counted {
        Counted { glitches: self.glitches, unbilled: self.unbilled }
    }

    /// Adds what the days before it and the tariff of its owner's class make of the volume.
    pub fn price(&mut self, day: Day, carry: &Carry, owner: &Owner, tariffs: &TariffBook) {
        self.is_anomaly = carry.recent.is_exceeded_by(self.volume, 1_000);
        let dry = self.complete && self.volume == 0 && self.reverse == 0;
        if dry && carry.flowed && carry.recent.dry_days() + 1 >= DRY_DAYS {
            self.flags = self.flags.and(Flags::ZERO);
        }
        self.cost = if owner.billable {
            let tariff = tariffs.on(&owner.tariff_class, day);
            let (before, volume) = (cubic_metres(carry.month_to_date), cubic_metres(self.volume));
            tariff.cost_of_day(day, before, volume).normalize()
        } else {
            Decimal::ZERO
        };
    }
}

/// Millilitres in cubic metres, exactly; whole litres with three decimals.
pub fn cubic_metres(millilitres: i64) -> Decimal {
    if millilitres % 1_000 == 0 { Decimal::new(millilitres / 1_000, 3) } else { Decimal::new(millilitres, 6) }
}

/// What was made of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Counted,
    /// Another one of its moment counts.
    Conflict,
    /// One meter cannot have shown it between its neighbours.
    Glitch,
    /// It is from before the installation.
    BeforeInstallation,
}

/// What a day's reads are, taken apart.
pub struct OfDay {
    /// Those that may count.
    pub candidates: Vec<Point>,
    /// Those on the path.
    pub path: Vec<Point>,
    /// How the meter reports.
    pub rhythm: Rhythm,
}

/// The first read on the path after a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The read.
    pub point: Point,
    /// The step in which the register was seen to count on its day.
    pub learned: i64,
}

impl OfDay {
    /// The steps a day's figures follow from: from the last read before it, over its own, to the first one after it. A step is
    /// judged by what is known of the day in which it ends.
    pub fn steps(
        &self,
        record: &DayRecord,
        next: Option<Next>,
        context: Context<'_>,
    ) -> Vec<(Point, Point, Step)> {
        let learned = self.rhythm.learned;
        let own = self.path.iter().map(|point| Next { point: *point, learned });
        let mut from = record.carry.previous;
        own.chain(next)
            .filter_map(|to| {
                let before = from.replace(to.point)?;
                let step = context.timeline.step(before, to.point, to.learned, context.zone);
                Some((before, to.point, step))
            })
            .collect()
    }

    /// Its first read on the path, as the day before has it.
    pub fn first(&self) -> Option<Next> {
        self.path.first().map(|point| Next { point: *point, learned: self.rhythm.learned })
    }
}

impl DayRecord {
    /// The id of the record of that device: always the same.
    pub fn id(&self, device_id: &str) -> String {
        format!("{device_id}|{}", self.day)
    }

    /// Its reads, taken apart.
    pub fn taken_apart(&self, context: Context<'_>) -> OfDay {
        let candidates = self.reads.candidates(context.timeline, context.zone);
        let on_path = |point: &&Point| !self.off_path.contains(point);
        OfDay {
            path: candidates.iter().filter(on_path).copied().collect(),
            rhythm: self.carry.lead.tally(&candidates).rhythm(),
            candidates,
        }
    }

    /// Its reads in order, with what was made of each. `path` are those on the path, by time.
    pub fn verdicts<'a>(
        &'a self,
        path: &'a [Point],
        context: Context<'a>,
    ) -> impl Iterator<Item = (Read, Verdict)> + 'a {
        self.reads.iter().map(move |read| {
            let counted = path.binary_search_by_key(&read.at, |point| point.at).ok().map(|at| path[at]);
            let verdict = match counted {
                _ if read.at < context.timeline.installed_at => Verdict::BeforeInstallation,
                Some(counted) if counted == read.point(context.timeline, context.zone) => Verdict::Counted,
                Some(_) => Verdict::Conflict,
                None => Verdict::Glitch,
            };
            (read, verdict)
        })
    }

    /// What the next day takes over, whose water is `owner`'s. `month_starts` says that it begins a month.
    pub fn hand_on(
        &self,
        owner: &Owner,
        month_starts: bool,
        last_on_path: Option<Point>,
        lead: Lead,
    ) -> Carry {
        let (month_to_date, others_to_date) =
            if month_starts { Default::default() } else { self.months_after(owner) };
        Carry {
            previous: last_on_path.or(self.carry.previous),
            lead,
            month_to_date,
            others_to_date,
            recent: self.carry.recent.with(self.figures.volume),
            flowed: self.carry.flowed || self.figures.volume > 0,
        }
    }

    /// The month's volumes after the day: of `next`, and of the others. Water that nobody pays for takes no place in a block.
    fn months_after(&self, next: &Owner) -> (i64, ByCustomer) {
        let volume = if self.owner.billable { self.figures.volume } else { 0 };
        let mine = self.carry.month_to_date + volume;
        if next.customer_id == self.owner.customer_id {
            return (mine, self.carry.others_to_date.clone());
        }
        let all = self.carry.others_to_date.iter().cloned();
        let all = all.chain((mine != 0).then(|| (self.owner.customer_id.clone(), mine)));
        let (theirs, others): (Vec<_>, Vec<_>) = all.partition(|(id, _)| *id == next.customer_id);
        let others: BTreeSet<_> = others.into_iter().collect();
        (theirs.iter().map(|(_, volume)| volume).sum(), others.into_iter().collect())
    }

    /// Whether its figures came from another system and stand as they are.
    pub fn is_imported(&self) -> bool {
        self.figures.flags.has(Flags::IMPORTED)
    }

    /// Whether a person read it all.
    pub fn is_manual(&self) -> bool {
        !self.reads.is_empty() && self.reads.iter().all(|read| read.source == Source::Manual)
    }
}
