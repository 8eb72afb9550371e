//! What people ask of the daily records, and what they are shown.

use indowater_common::domain::facts::Timeline;
use indowater_common::domain::meter::Unit;
use indowater_common::domain::reads::Read;
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::day::{Context, DayRecord, Verdict};
use super::hourly::Hour;

/// Whose records, which days, and where the page starts.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Who.
    pub whose: Whose,
    /// First day.
    pub from: Day,
    /// Last day, inclusive.
    pub to: Day,
    /// Oldest first.
    pub ascending: bool,
    /// Entries of a page.
    pub page: usize,
    /// The last one of the page before.
    pub after: Option<PageToken>,
}

/// Whose records: those that fit every id that is given. A device that changed hands has days of both customers, so
/// naming it is not enough to see them all.
#[derive(Clone, Debug, Default)]
pub struct Whose {
    /// `devices.id`.
    pub device: Option<String>,
    /// `properties.id`.
    pub property: Option<String>,
    /// `users.id`.
    pub customer: Option<String>,
}

/// The place of an entry in the order of days, then ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// Its day (of a month: the first).
    pub day: Day,
    /// Its id (of a month: the device).
    pub id: String,
}

/// A page, and where the next one starts if this one is full.
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// The last one, if there may be more.
    pub next: Option<PageToken>,
}

impl<T> Page<T> {
    /// A page of at most `size` entries out of `found`.
    pub fn of(entries: Vec<T>, size: usize, token: impl Fn(&T) -> PageToken) -> Self {
        let next = if entries.len() < size { None } else { entries.last().map(token) };
        Self { entries, next }
    }
}

/// A stored record and what it takes to show it.
pub struct Found {
    /// `devices.id`.
    pub device_id: String,
    /// The record.
    pub record: DayRecord,
    /// The property's zone.
    pub zone: Zone,
    /// What the registry said when it was written.
    pub timeline: Timeline,
}

/// A day by the hour.
pub struct HoursOfDay {
    /// The day.
    pub found: Found,
    /// Its hours in the order asked for.
    pub hours: Vec<Hour>,
}

/// The records of one device in one month, added up.
pub struct Month {
    /// `devices.id`.
    pub device_id: String,
    /// `users.id` of the newest day.
    pub customer_id: String,
    /// `properties.id` of the newest day.
    pub property_id: String,
    /// Its first day.
    pub month: Day,
    /// m3.
    pub consumption: Decimal,
    /// Rupiah.
    pub cost: Decimal,
    /// Days with a record.
    pub days: u32,
    /// Of these, estimated.
    pub estimated: u32,
    /// Of these, anomalous.
    pub anomalous: u32,
}

/// A read, and what was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgedRead {
    /// The read.
    pub read: Read,
    /// Its register in counts of `unit`.
    pub register: i64,
    /// What the meter counted at its time.
    pub unit: Unit,
    /// What was made of it.
    pub verdict: Verdict,
}

impl Found {
    /// What its figures are computed in. Prices are not asked for.
    pub fn context(&self) -> Context<'_> {
        static NO_TARIFFS: std::sync::LazyLock<TariffBook> = std::sync::LazyLock::new(TariffBook::built_in);
        Context { timeline: &self.timeline, zone: &self.zone, tariffs: &NO_TARIFFS }
    }

    /// Its reads of the span, newest first, with what was made of each.
    pub fn reads(&self, span: Span) -> Vec<JudgedRead> {
        let (context, path) = (self.context(), self.record.taken_apart(self.context()).path);
        let verdicts = self.record.verdicts(&path, context).filter(|(read, _)| span.holds(read.at));
        let mut reads: Vec<JudgedRead> = verdicts
            .map(|(read, verdict)| {
                let unit = self.timeline.meter_at(read.at, &self.zone).unit;
                let register = read.point(&self.timeline, &self.zone).register / unit.millilitres(1);
                JudgedRead { read, register, unit, verdict }
            })
            .collect();
        reads.reverse();
        reads
    }
}

/// Moments, seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first one.
    pub from: i64,
    /// The first one after it.
    pub before: i64,
}

impl Span {
    /// From one moment on, up to another; what no calendar reaches, and so no date of the database, is cut off.
    pub fn new(from: Option<i64>, before: Option<i64>) -> Self {
        let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let bounded = |at: Option<i64>, otherwise| at.map_or(otherwise, |at| at.clamp(first, last));
        Self { from: bounded(from, first), before: bounded(before, last) }
    }

    /// What of it is before a moment.
    #[must_use]
    pub fn up_to(self, before: i64) -> Self {
        Self { before: before.min(self.before), ..self }
    }

    /// Whether a moment is one of them.
    pub const fn holds(self, at: i64) -> bool {
        self.from <= at && at < self.before
    }

    /// The first and the last local day that can hold one of them, wherever the property lies: no zone is a whole day
    /// from UTC.
    pub fn days(self) -> (Day, Day) {
        let utc = |at: i64| i32::try_from(at.div_euclid(86_400)).unwrap_or(i32::MAX - 1);
        (Day(utc(self.from) - 1), Day(utc(self.before) + 1))
    }
}

/// A page of reads, newest first.
pub struct Reads {
    /// The reads.
    pub reads: Vec<JudgedRead>,
    /// The moment of the oldest one, if there may be more.
    pub next: Option<i64>,
}

impl Reads {
    /// About the first `size` of them: a moment is never split between two pages.
    pub fn of(mut reads: Vec<JudgedRead>, size: usize) -> Self {
        let last = reads.get(size.saturating_sub(1)).map(|judged| judged.read.at);
        if let Some(last) = last {
            reads.retain(|judged| judged.read.at >= last);
        }
        Self { reads, next: last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn hourly(hours: std::ops::Range<i64>) -> Vec<JudgedRead> {
        let judged = |hour: i64| JudgedRead {
            read: telemetry(hour * HOUR, hour),
            register: hour,
            unit: Unit::Litre,
            verdict: Verdict::Counted,
        };
        hours.rev().map(judged).collect()
    }

    fn telemetry(at: i64, litres: i64) -> Read {
        Read::telemetry(at, litres * 1_000)
    }

    #[test]
    fn a_span_holds_its_first_moment_and_not_its_last() {
        let span = Span::new(Some(2 * HOUR), Some(5 * HOUR));
        let held = [2 * HOUR - 1, 2 * HOUR, 5 * HOUR - 1, 5 * HOUR].map(|at| span.holds(at));
        assert_eq!(held, [false, true, true, false]);
        assert!(Span::new(None, None).holds(0) && !Span::new(Some(5), Some(5)).holds(5));
        assert_eq!(Span::new(Some(i64::MIN), Some(i64::MAX)), Span::new(None, None));
    }

    #[test]
    fn pages_of_a_span_are_all_of_it_once_and_split_no_moment() {
        let mut all = hourly(3..20);
        all.insert(4, JudgedRead { register: 7_000, verdict: Verdict::Conflict, ..all[4] });
        for size in 1..=19 {
            let (mut seen, mut left) = (Vec::new(), Some(Span::new(None, None)));
            while let Some(span) = left {
                let found = all.iter().filter(|judged| span.holds(judged.read.at)).copied().collect();
                let page = Reads::of(found, size);
                assert!(page.reads.len() <= size + 1);
                seen.extend(page.reads);
                left = page.next.map(|before| span.up_to(before));
            }
            assert_eq!(seen, all, "{size}");
        }
    }

    #[test]
    fn the_days_of_a_span_are_enough_in_every_zone() {
        for hour in 0..48 {
            let at = 20_000 * 86_400 + hour * HOUR;
            let (first, last) = Span::new(Some(at), Some(at + 1)).days();
            for zone in ["Asia/Jakarta", "Asia/Jayapura", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
                let day = Zone::named(zone).unwrap().day_of(at);
                assert!((first..=last).contains(&day), "{zone}");
            }
            assert_eq!(last.0 - first.0, 2);
        }
    }
}
