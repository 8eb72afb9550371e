//! From which local day to which: what was asked for, sensible defaults, and bounds that keep one question from reading
//! a database empty.

use indowater_common::domain::zone::{self, Zone};
use jiff::civil::Date;
use jiff::{Span, Timestamp};

use super::{Day, DayOrMoment};
use crate::failure::Failure;

/// Where a day is meant of which nothing else says where.
pub const JAKARTA: &str = "Asia/Jakarta";

/// How finely usage is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// By hour.
    Hour,
    /// By local day.
    Day,
    /// By local month.
    Month,
}

impl Grain {
    /// The first day of the period that ends with `to`, if nothing else was asked for.
    fn default_from(self, to: Date) -> Date {
        match self {
            Self::Hour => to.saturating_sub(Span::new().days(6)),
            Self::Day => to.saturating_sub(Span::new().days(29)),
            Self::Month => to.first_of_month().saturating_sub(Span::new().months(11)),
        }
    }

    /// The most days a period may have, and that in words.
    const fn longest(self) -> (i32, &'static str) {
        match self {
            Self::Hour => (93, "93 days"),
            Self::Day => (1_096, "1096 days (three years)"),
            Self::Month => (3_660, "ten years"),
        }
    }
}

/// Days of which one or both ends may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    from: Option<Date>,
    to: Option<Date>,
}

/// From one local day to another, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

/// The local day of `now` in a time zone. Where none is given it is that of Jayapura, where in Indonesia a day begins:
/// a customer's meters may stand in any zone, and today should not be missing in one of them.
pub fn today(now: Timestamp, zone: Option<&str>) -> Date {
    let zone = zone.and_then(Zone::named).or_else(|| Zone::named("Asia/Jayapura"));
    zone.map_or_else(
        || now.to_zoned(jiff::tz::TimeZone::UTC).date(),
        |zone| zone.day_of(now.as_second()).date(),
    )
}

impl Range {
    /// The days of `from` and `to`.
    ///
    /// # Errors
    /// They are the wrong way round.
    pub fn new(from: Option<Day>, to: Option<Day>) -> Result<Self, Failure> {
        if from.zip(to).is_some_and(|(from, to)| from.0 > to.0) {
            return Err(Failure::invalid("from", "must not be after `to`"));
        }
        Ok(Self { from: from.map(|day| day.0), to: to.map(|day| day.0) })
    }

    /// The period it means on the day `today`. Months are whole: a part of one would pass for all of it.
    ///
    /// # Errors
    /// It is longer than `grain` allows.
    pub fn resolve(self, grain: Grain, today: Date) -> Result<Period, Failure> {
        let period = self.ends(grain, today);
        let (from, to) = match grain {
            Grain::Month => (period.from.first_of_month(), period.to.last_of_month()),
            Grain::Hour | Grain::Day => (period.from, period.to),
        };
        self.within(Period { from, to }, grain.longest())
    }

    /// The days of a report that it means on the day `today`: thirty without a beginning.
    ///
    /// # Errors
    /// They are more than 400.
    pub fn resolve_report(self, today: Date) -> Result<Period, Failure> {
        self.within(self.ends(Grain::Day, today), (400, "400 days"))
    }

    fn ends(self, grain: Grain, today: Date) -> Period {
        let to = self.to.unwrap_or_else(|| self.from.map_or(today, |from| today.max(from)));
        Period { from: self.from.unwrap_or_else(|| grain.default_from(to)), to }
    }

    fn within(self, period: Period, (longest, in_words): (i32, &str)) -> Result<Period, Failure> {
        let days = period.to.since(period.from).map_or(i32::MAX, |span| span.get_days()).saturating_add(1);
        if days > longest {
            let field = if self.from.is_some() { "from" } else { "to" };
            return Err(Failure::invalid(field, format!("from `from` to `to` it may be {in_words} at most")));
        }
        Ok(period)
    }
}

/// From one moment to before another, both in seconds since 1970-01-01T00:00:00Z; 0 is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: i64,
    /// The first moment after it.
    pub to: i64,
}

impl Window {
    /// The moments between `from` and `to`.
    ///
    /// # Errors
    /// There are none.
    pub fn new(from: Option<i64>, to: Option<i64>) -> Result<Self, Failure> {
        let window = Self { from: from.unwrap_or(0), to: to.unwrap_or(0) };
        if window.to != 0 && window.from >= window.to {
            return Err(Failure::invalid("from", "must be before `to`"));
        }
        Ok(window)
    }

    /// The same, where a day means that day of `zone`, and of `to` the whole of it.
    ///
    /// # Errors
    /// As [`Window::new`], or a day begins before 1970.
    pub fn of_days(from: Option<DayOrMoment>, to: Option<DayOrMoment>, zone: &Zone) -> Result<Self, Failure> {
        let bound = |field, bound: DayOrMoment, at: fn(Date, &Zone) -> i64| match bound {
            DayOrMoment::Moment(at) => Ok(at),
            DayOrMoment::Day(date) => Some(at(date, zone))
                .filter(|at| *at > 0)
                .ok_or_else(|| Failure::invalid(field, "must be after 1970")),
        };
        let from = from.map(|from| bound("from", from, start_of)).transpose()?;
        let to = to.map(|to| bound("to", to, end_of)).transpose()?;
        Self::new(from, to)
    }

    /// A local day.
    pub fn of_day(date: Date, zone: &Zone) -> Self {
        Self { from: start_of(date, zone), to: end_of(date, zone) }
    }
}

fn start_of(date: Date, zone: &Zone) -> i64 {
    zone.start_of(zone::Day::of(date))
}

fn end_of(date: Date, zone: &Zone) -> i64 {
    start_of(date.saturating_add(Span::new().days(1)), zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Option<Day> {
        (!text.is_empty()).then(|| Day(text.parse().unwrap()))
    }

    fn field<T>(read: Result<T, Failure>) -> Option<String> {
        match read {
            Ok(_) => None,
            Err(Failure::Invalid(faults)) => Some(faults[0].field.clone()),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn resolve(from: &str, to: &str, grain: Grain) -> Result<Period, Failure> {
        Range::new(given(from), given(to))?.resolve(grain, "2026-11-22".parse().unwrap())
    }

    #[test]
    fn defaults() {
        for (grain, from, to, expected) in [
            (Grain::Hour, "", "", ("2026-11-16", "2026-11-22")),
            (Grain::Day, "", "", ("2026-10-24", "2026-11-22")),
            (Grain::Month, "", "", ("2025-12-01", "2026-11-30")),
            (Grain::Day, "2026-11-01", "", ("2026-11-01", "2026-11-22")),
            (Grain::Day, "", "2026-03-31", ("2026-03-02", "2026-03-31")),
            (Grain::Day, "2027-01-01", "", ("2027-01-01", "2027-01-01")),
            (Grain::Day, "2026-02-28", "2026-02-28", ("2026-02-28", "2026-02-28")),
            (Grain::Month, "2026-02-14", "2026-03-03", ("2026-02-01", "2026-03-31")),
        ] {
            let period = resolve(from, to, grain).unwrap();
            let ends = (period.from.to_string(), period.to.to_string());
            assert_eq!(ends, (expected.0.to_owned(), expected.1.to_owned()), "{grain:?} {from} {to}");
        }
    }

    #[test]
    fn bounds() {
        for (grain, from, to, wrong) in [
            (Grain::Hour, "2026-08-22", "2026-11-22", None),
            (Grain::Hour, "2026-08-21", "2026-11-22", Some("from")),
            (Grain::Day, "2023-11-23", "2026-11-22", None),
            (Grain::Day, "2023-11-22", "2026-11-22", Some("from")),
            (Grain::Month, "2016-12-01", "2026-11-22", None),
            (Grain::Month, "0001-01-01", "9999-12-31", Some("from")),
            (Grain::Hour, "2020-01-01", "", Some("from")),
            (Grain::Day, "2026-11-23", "2026-11-22", Some("from")),
        ] {
            assert_eq!(field(resolve(from, to, grain)).as_deref(), wrong, "{grain:?} {from} {to}");
        }
    }

    #[test]
    fn a_report_is_of_400_days_at_most() {
        let resolve = |from, to| {
            Range::new(given(from), given(to)).unwrap().resolve_report("2026-11-22".parse().unwrap())
        };
        let month = resolve("", "").unwrap();
        assert_eq!(
            (month.from.to_string(), month.to.to_string()),
            ("2026-10-24".into(), "2026-11-22".into())
        );
        assert!(resolve("2025-10-19", "2026-11-22").is_ok());
        assert_eq!(field(resolve("2025-10-18", "2026-11-22")).as_deref(), Some("from"));
    }

    #[test]
    fn windows_are_of_moments_or_days() {
        let jakarta = Zone::named("Asia/Jakarta").unwrap();
        let of = |date: &str| Some(DayOrMoment::Day(date.parse().unwrap()));
        let day = Window { from: 1_795_280_400, to: 1_795_366_800 };
        assert_eq!(Window::of_days(of("2026-11-22"), of("2026-11-22"), &jakarta), Ok(day));
        let moment = Some(DayOrMoment::Moment(1_795_280_400));
        assert_eq!(Window::of_days(moment, of("2026-11-22"), &jakarta), Ok(day));
        assert_eq!(Window::of_day("2026-11-22".parse().unwrap(), &jakarta), day);
        assert_eq!(Window::new(None, None), Ok(Window::default()));
        assert_eq!(field(Window::new(Some(7), Some(7))).as_deref(), Some("from"));
        assert_eq!(field(Window::of_days(None, of("1960-01-01"), &jakarta)).as_deref(), Some("to"));
    }

    #[test]
    fn today_is_the_propertys() {
        // 15:30 UTC: still the 21st in Jakarta and Makassar, already the 22nd in Jayapura.
        let now: Timestamp = "2026-11-21T15:30:00Z".parse().unwrap();
        for (zone, day) in [
            (Some("Asia/Jakarta"), "2026-11-21"),
            (Some("Asia/Makassar"), "2026-11-21"),
            (Some("Asia/Jayapura"), "2026-11-22"),
            (None, "2026-11-22"),
            (Some("Atlantis"), "2026-11-22"),
        ] {
            assert_eq!(today(now, zone).to_string(), day, "{zone:?}");
        }
    }
}
