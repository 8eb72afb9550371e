//! Local days of account: which day a moment belongs to, and when a day starts.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Days since 1970-01-01 in the calendar of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

impl Day {
    /// The calendar date.
    pub fn date(self) -> Date {
        EPOCH.saturating_add(Span::new().days(self.0))
    }

    /// The day of a calendar date.
    pub fn of(date: Date) -> Self {
        // A difference of dates in days always fits: the calendar ends with the year 9999.
        Self(date.since(EPOCH).map_or(0, |span| span.get_days()))
    }

    /// The day of `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::of)
    }

    /// The day of a moment (seconds since the epoch) where days begin first: no place is more than fourteen hours ahead of
    /// Greenwich.
    pub fn latest_anywhere(at: i64) -> Self {
        const AHEAD: i64 = 14 * 3_600;
        Self(i32::try_from(at.saturating_add(AHEAD).div_euclid(86_400)).unwrap_or(i32::MAX - 1))
    }

    /// The next day.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Its month, `YYYY-MM`.
    pub fn month(self) -> String {
        self.date().strftime("%Y-%m").to_string()
    }

    /// The first day of its month.
    pub fn month_start(self) -> Self {
        Self(self.0 - i32::from(self.date().day()) + 1)
    }

    /// Midnight of the date as if it were UTC, seconds: how the data model stores a date.
    pub const fn utc_midnight(self) -> i64 {
        self.0 as i64 * 86_400
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

/// The time zone of a property. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of that IANA name, such as `Asia/Jakarta`.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// The zone of no place, for what has none.
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The local day of a moment (seconds since the epoch).
    pub fn day_of(&self, at: i64) -> Day {
        self.local(at).0
    }

    /// The local day of a moment (seconds since the epoch), and what the clock on the wall says, in seconds.
    pub fn local(&self, at: i64) -> (Day, i64) {
        let at = moment(at);
        let wall = at.as_second() + i64::from(self.0.to_offset(at).seconds());
        // The calendar's range is far within that of the type.
        (Day(i32::try_from(wall.div_euclid(86_400)).unwrap_or(i32::MAX)), wall.rem_euclid(86_400))
    }

    /// When a local day starts, seconds since the epoch. Where a clock change skips midnight, the first moment after.
    pub fn start_of(&self, day: Day) -> i64 {
        let start = self.0.to_zoned(day.date().at(0, 0, 0, 0)).map(|zoned| zoned.timestamp().as_second());
        start.unwrap_or(day.utc_midnight())
    }

    /// A moment written with the zone's offset, RFC 3339.
    pub fn rfc3339(&self, at: i64) -> String {
        let at = moment(at);
        at.display_with_offset(self.0.to_offset(at)).to_string()
    }
}

/// A moment, bounded by the calendar's range.
fn moment(at: i64) -> Timestamp {
    let bounded = at.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(bounded).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indonesian_midnights() {
        // 2026-11-22T00:00 local is 17:00, 16:00 and 15:00 UTC of the day before.
        let day = Day::parse("2026-11-22").unwrap();
        for (zone, hours) in [("Asia/Jakarta", 7), ("Asia/Makassar", 8), ("Asia/Jayapura", 9)] {
            let zone = Zone::named(zone).unwrap();
            let midnight = day.utc_midnight() - hours * 3600;
            assert_eq!(zone.start_of(day), midnight);
            assert_eq!(zone.local(midnight), (day, 0));
            assert_eq!(zone.local(midnight + 6 * 3_600 + 1), (day, 6 * 3_600 + 1));
            assert_eq!(zone.day_of(midnight - 1), Day(day.0 - 1));
        }
    }

    #[test]
    fn no_day_begins_before_the_latest_anywhere() {
        let kiritimati = Zone::named("Pacific/Kiritimati").unwrap();
        for hour in 0..48 {
            let at = 1_795_000_000 + hour * 3_600;
            assert_eq!(Day::latest_anywhere(at), kiritimati.day_of(at));
        }
    }

    #[test]
    fn a_day_of_clock_change_is_longer() {
        let zone = Zone::named("Europe/Madrid").unwrap();
        let day = Day::parse("2016-10-30").unwrap();
        assert_eq!(zone.start_of(day.next()) - zone.start_of(day), 25 * 3600);
    }

    #[test]
    fn days_and_dates_agree() {
        for text in ["1970-01-01", "2024-02-29", "2026-12-31"] {
            assert_eq!(Day::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Day::parse("2024-02-29").unwrap().month_start().to_string(), "2024-02-01");
        assert_eq!(Zone::named("Asia/Jakarta").unwrap().rfc3339(0), "1970-01-01T07:00:00+07:00");
    }
}
