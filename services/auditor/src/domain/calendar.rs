//! Local days: which one a moment belongs to, and when one begins.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Days since 1970-01-01 in somebody's calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

impl Day {
    /// The calendar date; the end of the calendar for what lies beyond it.
    pub fn date(self) -> Date {
        let span = Span::new().try_days(self.0);
        span.and_then(|span| EPOCH.checked_add(span)).unwrap_or(if self.0 < 0 {
            Date::MIN
        } else {
            Date::MAX
        })
    }

    /// The day of `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<Date>().ok().map(Self::of)
    }

    /// The day of a date.
    pub fn of(date: Date) -> Self {
        Self(date.since(EPOCH).map_or(0, |span| span.get_days()))
    }

    /// The next day.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its month as `YYYY-MM`.
    pub fn month(self) -> String {
        self.date().strftime("%Y-%m").to_string()
    }

    /// The first day of the month after its own.
    pub fn next_month(self) -> Self {
        Self::of(self.date().last_of_month()).next()
    }

    /// Which day of its month it is, from 1, and how many the month has.
    pub fn of_month(self) -> (i32, i32) {
        let date = self.date();
        (i32::from(date.day()), i32::from(date.days_in_month()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of that IANA name.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or_default()
    }

    /// The local day of a moment.
    pub fn day_of(&self, at: i64) -> Day {
        let moment = at.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let moment = Timestamp::from_second(moment).unwrap_or(Timestamp::UNIX_EPOCH);
        Day::of(self.0.to_datetime(moment).date())
    }

    /// The moment at which a local day begins: midnight, or the first moment after it where a clock change skips it.
    pub fn start_of(&self, day: Day) -> i64 {
        let midnight = self.0.to_zoned(day.date().at(0, 0, 0, 0));
        midnight.map_or(i64::from(day.0) * 86_400, |midnight| midnight.timestamp().as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_local_midnight() {
        let day = Day::parse("2026-03-31").unwrap();
        for (zone, hours) in [("Asia/Jakarta", 7), ("Asia/Makassar", 8), ("Asia/Jayapura", 9)] {
            let zone = Zone::named(zone).unwrap();
            let midnight = i64::from(day.0) * 86_400 - hours * 3_600;
            assert_eq!((zone.start_of(day), zone.day_of(midnight)), (midnight, day));
            assert_eq!(zone.day_of(midnight - 1).to_string(), "2026-03-30");
        }
        let madrid = Zone::named("Europe/Madrid").unwrap();
        let change = Day::parse("2016-10-30").unwrap();
        assert_eq!(madrid.start_of(change.next()) - madrid.start_of(change), 25 * 3_600);
    }

    #[test]
    fn months_are_the_calendars() {
        let day = Day::parse("2024-02-29").unwrap();
        assert_eq!((day.month().as_str(), day.of_month()), ("2024-02", (29, 29)));
        assert_eq!(day.next_month().to_string(), "2024-03-01");
    }
}
