//! From which local day to which: what was asked for, sensible defaults, and bounds that keep one question from reading
//! a database empty.

use indowater_common::domain::zone::{Day, Zone};
use jiff::civil::Date;
use jiff::{Span, Timestamp};

use crate::domain::failure::{Fault, Faults};

/// Where a day is meant of which nothing else says where.
pub const JAKARTA: &str = "Asia/Jakarta";

/// How finely usage is told.
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

/// What was asked for. Both ends may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
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

impl Wish {
    /// Reads `from` and `to`.
    pub fn read(from: Option<&str>, to: Option<&str>, faults: &mut Faults) -> Option<Self> {
        let from = from.map(|text| date("from", text)).transpose();
        let to = to.map(|text| date("to", text)).transpose();
        let (from, to) = (faults.note(from), faults.note(to));
        let wish = Self { from: from?, to: to? };
        if wish.from.zip(wish.to).is_some_and(|(from, to)| from > to) {
            faults.add("from", "must not be after `to`");
            return None;
        }
        Some(wish)
    }

    /// The period it means on the day `today`. Months are told whole: a part of one would pass for all of it.
    ///
    /// # Errors
    /// It is longer than `grain` allows.
    pub fn settle(self, grain: Grain, today: Date) -> Result<Period, Fault> {
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
    pub fn settle_report(self, today: Date) -> Result<Period, Fault> {
        self.within(self.ends(Grain::Day, today), (400, "400 days"))
    }

    fn ends(self, grain: Grain, today: Date) -> Period {
        let to = self.to.unwrap_or_else(|| self.from.map_or(today, |from| today.max(from)));
        Period { from: self.from.unwrap_or_else(|| grain.default_from(to)), to }
    }

    fn within(self, period: Period, (longest, in_words): (i32, &str)) -> Result<Period, Fault> {
        let days = period.to.since(period.from).map_or(i32::MAX, |span| span.get_days()).saturating_add(1);
        if days > longest {
            let field = if self.from.is_some() { "from" } else { "to" };
            return Err(Fault::new(field, format!("from `from` to `to` it may be {in_words} at most")));
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
    /// Reads `from` and `to`, each a moment or, where `days_of` is given, a local day there; of `to` the whole day.
    pub fn read(
        from: Option<&str>,
        to: Option<&str>,
        days_of: Option<&Zone>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let from = faults.note(from.map_or(Ok(0), |text| bound("from", text, days_of, false)));
        let to = faults.note(to.map_or(Ok(0), |text| bound("to", text, days_of, true)));
        let window = Self { from: from?, to: to? };
        if window.to != 0 && window.from >= window.to {
            faults.add("from", "must be before `to`");
            return None;
        }
        Some(window)
    }

    /// A local day.
    pub fn of_day(date: Date, zone: &Zone) -> Self {
        Self { from: start_of(date, zone), to: end_of(date, zone) }
    }
}

fn start_of(date: Date, zone: &Zone) -> i64 {
    zone.start_of(Day::of(date))
}

fn end_of(date: Date, zone: &Zone) -> i64 {
    start_of(date.saturating_add(Span::new().days(1)), zone)
}

fn bound(field: &str, text: &str, days_of: Option<&Zone>, through: bool) -> Result<i64, Fault> {
    let day = days_of.and_then(|zone| date(field, text).ok().map(|date| (date, zone)));
    let seconds = match day {
        Some((date, zone)) if through => Some(end_of(date, zone)),
        Some((date, zone)) => Some(start_of(date, zone)),
        // What happens is kept in whole seconds or finer, so a bound between two of them would not say which is meant.
        None => {
            text.parse::<Timestamp>().ok().filter(|at| at.subsec_nanosecond() == 0).map(Timestamp::as_second)
        }
    };
    let or_a_day = if days_of.is_some() { "a date YYYY-MM-DD or " } else { "" };
    // Before 1970 there is nothing, and 0 would be no bound at all.
    seconds.filter(|&seconds| seconds > 0).ok_or_else(|| {
        let form = "a moment in whole seconds after 1970, such as 2026-11-22T03:15:00Z";
        Fault::new(field, format!("must be {or_a_day}{form}"))
    })
}

/// Reads a date of the form YYYY-MM-DD.
///
/// # Errors
/// It is none.
pub fn date(field: &str, text: &str) -> Result<Date, Fault> {
    // The parser takes more forms than one; what we document is one.
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    date.ok_or_else(|| Fault::new(field, "is not a date of the form YYYY-MM-DD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(from: &str, to: &str, grain: Grain) -> Result<(String, String), String> {
        let mut faults = Faults::default();
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let wish = Wish::read(given(from), given(to), &mut faults);
        let wish = faults.settle(wish).map_err(|failure| format!("{failure:?}"))?;
        let period = wish.settle(grain, "2026-11-22".parse().unwrap()).map_err(|fault| fault.field)?;
        Ok((period.from.to_string(), period.to.to_string()))
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
            let expected = (expected.0.to_owned(), expected.1.to_owned());
            assert_eq!(settle(from, to, grain), Ok(expected), "{grain:?} {from} {to}");
        }
    }

    #[test]
    fn bounds() {
        for (grain, from, to, field) in [
            (Grain::Hour, "2026-08-22", "2026-11-22", None),
            (Grain::Hour, "2026-08-21", "2026-11-22", Some("from")),
            (Grain::Day, "2023-11-23", "2026-11-22", None),
            (Grain::Day, "2023-11-22", "2026-11-22", Some("from")),
            (Grain::Month, "2016-12-01", "2026-11-22", None),
            (Grain::Month, "0001-01-01", "9999-12-31", Some("from")),
            (Grain::Hour, "2020-01-01", "", Some("from")),
        ] {
            assert_eq!(settle(from, to, grain).err().as_deref(), field, "{grain:?} {from} {to}");
        }
    }

    #[test]
    fn both_ends_are_checked_at_once() {
        let wrong = settle("yesterday", "2026-02-30", Grain::Day).unwrap_err();
        assert!(wrong.contains("\"from\"") && wrong.contains("\"to\""), "{wrong}");
        assert!(settle("2026-11-23", "2026-11-22", Grain::Day).unwrap_err().contains("after"));
        for form in ["20261122", "2026-11-22T00:00", "2026-11-22 ", "26-11-22", "+002026-11-22"] {
            assert!(settle(form, "", Grain::Day).is_err(), "{form}");
        }
    }

    #[test]
    fn a_report_is_of_400_days_at_most() {
        let settle = |from, to| {
            let wish = Wish::read(from, to, &mut Faults::default()).unwrap();
            wish.settle_report("2026-11-22".parse().unwrap())
        };
        let month = settle(None, None).unwrap();
        assert_eq!(
            (month.from.to_string(), month.to.to_string()),
            ("2026-10-24".into(), "2026-11-22".into())
        );
        assert!(settle(Some("2025-10-19"), Some("2026-11-22")).is_ok());
        let long = settle(Some("2025-10-18"), Some("2026-11-22")).unwrap_err();
        assert!(long.field == "from" && long.detail.contains("400 days"), "{long:?}");
    }

    #[test]
    fn windows_are_of_moments_or_days() {
        let jakarta = Zone::named("Asia/Jakarta").unwrap();
        let read = |from: &str, to: &str, zone: Option<&Zone>| {
            let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
            let (from, to) = (from.to_owned().leak(), to.to_owned().leak());
            let mut faults = Faults::default();
            let window = Window::read(given(from), given(to), zone, &mut faults);
            faults.settle(window).map_err(|failure| format!("{failure:?}"))
        };
        let day = Window { from: 1_795_280_400, to: 1_795_366_800 };
        assert_eq!(read("2026-11-22", "2026-11-22", Some(&jakarta)), Ok(day));
        assert_eq!(read("2026-11-22T00:00:00+07:00", "2026-11-22T17:00:00Z", None), Ok(day));
        assert_eq!(Window::of_day("2026-11-22".parse().unwrap(), &jakarta), day);
        assert_eq!(read("", "", None), Ok(Window::default()));
        for (from, to) in [
            ("2026-11-22", ""),
            ("soon", ""),
            ("2026-11-22T00:00:00.5Z", ""),
            ("1970-01-01T00:00:00Z", ""),
            ("", "1969-01-01T00:00:00Z"),
            ("2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z"),
        ] {
            assert!(read(from, to, None).is_err(), "{from} {to}");
        }
        assert!(read("1960-01-01", "", Some(&jakarta)).is_err());
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
