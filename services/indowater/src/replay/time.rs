//! Times as files write them. Each row is understood by its own shape; only whether the day or the month comes first in
//! `03/04/2016` is a question about the whole file.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::tz::Offset;
use jiff::{Span, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

/// When a read was, as the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A time on the wall of some place.
    Wall(DateTime),
    /// A moment.
    Moment(Timestamp),
}

/// What comes first in a date that ends with the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DateOrder {
    /// Day, month, year
    Dmy,
    /// Month, day, year
    Mdy,
}

/// How a time was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Shape {
    YearFirst { offset: bool },
    YearLast { offset: bool },
    EpochSeconds,
    EpochMilliseconds,
    Spreadsheet,
    AsAsked,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::YearFirst { offset: true } => "year-month-day with offset",
            Self::YearFirst { offset: false } => "year-month-day, wall time",
            Self::YearLast { offset: true } => "day and month before the year, with offset",
            Self::YearLast { offset: false } => "day and month before the year, wall time",
            Self::EpochSeconds => "seconds since 1970",
            Self::EpochMilliseconds => "milliseconds since 1970",
            Self::Spreadsheet => "days of a spreadsheet, wall time",
            Self::AsAsked => "as --time-format says",
        })
    }
}

/// How to read times.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// strptime format; recognised if there is none.
    pub format: Option<String>,
    /// Time of day of what has only a date.
    pub read_at: Option<Time>,
}

/// Why a text is not read as a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoTime {
    /// It is none that is understood.
    Senseless,
    /// It is a date, and nobody told at what time of day.
    DateOnly,
}

/// A date; of one that ends with the year the order may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    Known(Date),
    Open { first: i8, second: i8, year: i16 },
}

/// A time as it is written, before the order of dates is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    day: Day,
    time: Time,
    /// Whether it was written as 24:00: midnight at the end of the day.
    is_end_of_day: bool,
    offset: Option<Offset>,
    /// How it was written.
    pub shape: Shape,
}

/// What the dates of a file say about their order: the first line for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Only day, month, year makes sense.
    pub dmy: Option<u64>,
    /// Only month, day, year makes sense.
    pub mdy: Option<u64>,
    /// Both make sense and differ.
    pub either: Option<u64>,
}

impl Evidence {
    /// Takes in what a row says.
    pub fn note(&mut self, stamp: &Stamp, line: u64) {
        let Day::Open { first, second, year } = stamp.day else {
            return;
        };
        let (dmy, mdy) = (Date::new(year, second, first), Date::new(year, first, second));
        let says = match (dmy, mdy) {
            (Ok(dmy), Ok(mdy)) if dmy == mdy => return,
            (Ok(_), Ok(_)) => &mut self.either,
            (Ok(_), Err(_)) => &mut self.dmy,
            (Err(_), Ok(_)) => &mut self.mdy,
            (Err(_), Err(_)) => return,
        };
        says.get_or_insert(line);
    }

    /// The order of the file's dates.
    ///
    /// # Errors
    /// What is unclear, with the option that says it.
    pub fn order(&self, given: Option<DateOrder>) -> Result<DateOrder, String> {
        let ask = "say which comes first with --date-order dmy or --date-order mdy";
        match (given, self) {
            (Some(order), _) => Ok(order),
            (None, Self { dmy: Some(dmy), mdy: Some(mdy), .. }) => Err(format!(
                "line {dmy} has the day before the month, line {mdy} the month before the day: {ask}, and correct the other lines"
            )),
            (None, Self { mdy: Some(_), .. }) => Ok(DateOrder::Mdy),
            (None, Self { dmy: None, either: Some(line), .. }) => Err(format!(
                "its dates do not say whether the day or the month comes first (line {line} is the first of them): {ask}"
            )),
            (None, _) => Ok(DateOrder::Dmy),
        }
    }
}

impl Stamp {
    /// What is meant, once the order is known; `None` if there is no such day.
    pub fn settle(self, order: DateOrder) -> Option<When> {
        let date = match (self.day, order) {
            (Day::Known(date), _) => date,
            (Day::Open { first, second, year }, DateOrder::Dmy) => Date::new(year, second, first).ok()?,
            (Day::Open { first, second, year }, DateOrder::Mdy) => Date::new(year, first, second).ok()?,
        };
        let date = if self.is_end_of_day { date.checked_add(Span::new().days(1)).ok()? } else { date };
        let wall = date.to_datetime(self.time);
        match self.offset {
            Some(offset) => offset.to_timestamp(wall).ok().map(When::Moment),
            None => Some(When::Wall(wall)),
        }
    }

    fn wall(wall: DateTime, shape: Shape) -> Self {
        Self { day: Day::Known(wall.date()), time: wall.time(), is_end_of_day: false, offset: None, shape }
    }

    fn moment(at: Timestamp, shape: Shape) -> Self {
        Self { offset: Some(Offset::UTC), ..Self::wall(Offset::UTC.to_datetime(at), shape) }
    }
}

/// Reads the time of a row.
///
/// # Errors
/// It is none that is understood.
pub fn stamp(text: &str, reading: &Reading) -> Result<Stamp, NoTime> {
    let text = text.trim();
    match &reading.format {
        Some(format) => as_asked(text, format, reading.read_at),
        None => match numeric(text) {
            Some(number) => from_number(number).ok_or(NoTime::Senseless),
            None => from_text(text, reading.read_at),
        },
    }
}

/// One text of a date and a time of day in two columns.
pub fn joined(date: &str, time: &str) -> String {
    let (date, time) = (date.trim(), time.trim());
    if let (Some(days), Some(part)) = (numeric(date), numeric(time))
        && part < Decimal::ONE
    {
        return (days.trunc() + part).to_string();
    }
    // Spreadsheets give a date the time 00:00, and a time of day the date 1899-12-30 or 1900-01-00.
    let date = date
        .split_once([' ', 'T'])
        .map_or(date, |(day, zeros)| if zeros.chars().all(|c| "0:.".contains(c)) { day } else { date });
    let time = time.split_once([' ', 'T']).map_or(time, |(day, of_day)| {
        if day.contains("1899") || day.contains("1900") { of_day } else { time }
    });
    format!("{date} {time}")
}

fn as_asked(text: &str, format: &str, read_at: Option<Time>) -> Result<Stamp, NoTime> {
    let parse = |text: &str| strtime::parse(format, text).ok();
    let end_of_day = || parse(&text.replacen("24:00", "00:00", 1)).filter(|_| text.contains("24:00"));
    let (parsed, is_end_of_day) = match parse(text) {
        Some(parsed) => (parsed, false),
        None => (end_of_day().ok_or(NoTime::Senseless)?, true),
    };
    let stamp = if parsed.offset().is_some() || parsed.timestamp().is_some() {
        parsed.to_timestamp().map(|at| {
            let offset = parsed.offset().unwrap_or(Offset::UTC);
            Stamp { offset: Some(offset), ..Stamp::wall(offset.to_datetime(at), Shape::AsAsked) }
        })
    } else if parsed.hour().is_none() {
        let date = parsed.to_date().map_err(|_| NoTime::Senseless)?;
        Ok(Stamp::wall(date.to_datetime(read_at.ok_or(NoTime::DateOnly)?), Shape::AsAsked))
    } else {
        parsed.to_datetime().map(|wall| Stamp::wall(wall, Shape::AsAsked))
    };
    let stamp = stamp.map_err(|_| NoTime::Senseless)?;
    if is_end_of_day && stamp.time != Time::midnight() {
        return Err(NoTime::Senseless);
    }
    Ok(Stamp { is_end_of_day, ..stamp })
}

/// A number with a point or a comma before decimals.
fn numeric(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| text.replacen(',', ".", 1).parse().ok())?
}

/// What a number means follows from its size: days of a spreadsheet are of five digits, seconds of nine or ten,
/// milliseconds of twelve or thirteen.
fn from_number(number: Decimal) -> Option<Stamp> {
    let whole = number.trunc().to_i64()?;
    match whole {
        20_000..80_000 => {
            let seconds = (number * Decimal::from(86_400)).round().to_i64()?;
            let first = jiff::civil::date(1899, 12, 30).at(0, 0, 0, 0);
            let wall = first.checked_add(Span::new().try_seconds(seconds).ok()?).ok()?;
            Some(Stamp::wall(wall, Shape::Spreadsheet))
        }
        100_000_000..10_000_000_000 => {
            Some(Stamp::moment(Timestamp::from_second(whole).ok()?, Shape::EpochSeconds))
        }
        100_000_000_000..10_000_000_000_000 => {
            Some(Stamp::moment(Timestamp::from_second(whole / 1_000).ok()?, Shape::EpochMilliseconds))
        }
        _ => None,
    }
}

fn from_text(text: &str, read_at: Option<Time>) -> Result<Stamp, NoTime> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || "-/.".contains(c))).unwrap_or(text.len());
    let (date, rest) = text.split_at(end);
    let (day, is_year_last) = day(date).ok_or(NoTime::Senseless)?;
    let shape = |offset| {
        if is_year_last { Shape::YearLast { offset } } else { Shape::YearFirst { offset } }
    };
    if rest.is_empty() {
        let time = read_at.ok_or(NoTime::DateOnly)?;
        return Ok(Stamp { day, time, is_end_of_day: false, offset: None, shape: shape(false) });
    }
    let rest = rest.strip_prefix(['T', 't', ',']).unwrap_or(rest).trim_start();
    let end = rest.find(|c: char| !(c.is_ascii_digit() || ":.,".contains(c))).unwrap_or(rest.len());
    let (of_day, after) = rest.split_at(end);
    let (hour, minute, second) = clock(of_day).ok_or(NoTime::Senseless)?;
    let (hour, after) = half_day(hour, after.trim_start()).ok_or(NoTime::Senseless)?;
    let offset = offset(after).ok_or(NoTime::Senseless)?;
    let is_end_of_day = (hour, minute, second) == (24, 0, 0);
    // A leap second is the last second of its minute here.
    let time = Time::new(if is_end_of_day { 0 } else { hour }, minute, second.min(59), 0);
    let time = time.map_err(|_| NoTime::Senseless)?;
    Ok(Stamp { day, time, is_end_of_day, offset, shape: shape(offset.is_some()) })
}

/// A date of three numbers, and whether the year is the last of them.
fn day(text: &str) -> Option<(Day, bool)> {
    let separator = text.chars().find(|c| !c.is_ascii_digit())?;
    let mut parts = text.split(separator);
    let parts = [parts.next()?, parts.next()?, parts.next().filter(|_| parts.next().is_none())?];
    let number = |part: &str| part.parse::<i16>().ok();
    let short = |part: &str| number(part).filter(|_| part.len() <= 2)?.try_into().ok();
    match parts.map(str::len) {
        [4, ..] => {
            let date = Date::new(number(parts[0])?, short(parts[1])?, short(parts[2])?).ok()?;
            Some((Day::Known(date), false))
        }
        [.., 4] => {
            let (first, second, year) = (short(parts[0])?, short(parts[1])?, number(parts[2])?);
            Date::new(year, second, first).or_else(|_| Date::new(year, first, second)).ok()?;
            Some((Day::Open { first, second, year }, true))
        }
        _ => None,
    }
}

/// Hour, minute and second of `00:28:55.5`, `0:28` or `14.30`.
fn clock(text: &str) -> Option<(i8, i8, i8)> {
    let text = if text.contains(':') {
        // What stands behind a point is a part of a second.
        let (clock, part) = text.split_once(['.', ',']).unwrap_or((text, "0"));
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        clock
    } else {
        text
    };
    let mut parts = text.split([':', '.']);
    let hour = parts.next().filter(|hour| (1..=2).contains(&hour.len()))?.parse().ok()?;
    let mut two = |default: Option<&'static str>| -> Option<i8> {
        let part = parts.next().or(default)?;
        part.parse().ok().filter(|_| part.len() == 2)
    };
    let (minute, second) = (two(None)?, two(Some("00"))?);
    (parts.next().is_none() && second <= 60).then_some((hour, minute, second))
}

/// The hour of 24 by one of 12 with AM or PM, if there is one, and what stands behind.
fn half_day(hour: i8, after: &str) -> Option<(i8, &str)> {
    let half = after.get(..2).unwrap_or_default();
    let noon = match half {
        "AM" | "am" => 0,
        "PM" | "pm" => 12,
        _ => return Some((hour, after)),
    };
    (1..=12).contains(&hour).then(|| (hour % 12 + noon, after[2..].trim_start()))
}

/// The offset from Greenwich at the end of a time: `Some(None)` if there is none, `None` if it makes no sense.
fn offset(text: &str) -> Option<Option<Offset>> {
    let (sign, digits) = match text {
        "" => return Some(None),
        "Z" | "z" | "UTC" | "GMT" => return Some(Some(Offset::UTC)),
        _ => (if text.starts_with('-') { -1 } else { 1 }, text.strip_prefix(['+', '-'])?),
    };
    let digits = digits.replacen(':', "", 1);
    let number = digits.parse::<i32>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (hours, minutes) = match digits.len() {
        2 => (number, 0),
        4 => (number / 100, number % 100),
        _ => return None,
    };
    (minutes < 60).then(|| Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok().map(Some))?
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
