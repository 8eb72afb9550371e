//! What was lost on the way: rows that are of no use and reads that were set aside, by reason, with the first lines.

use std::collections::BTreeMap;

use serde::Serialize;

/// Where a row stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which of the files, from 0.
    pub file: u16,
    /// Line in it, from 1.
    pub line: u64,
}

/// Why a row is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its cell of the meter is empty, or no text.
    Meter,
    /// Its time is none that is understood.
    Time,
    /// It has a date and no time of day.
    DateOnly,
    /// Its time is one that the clocks skipped.
    SkippedHour,
    /// Its time is still to come.
    Future,
    /// Its register is no number.
    Number,
    /// Its register has decimals, and nobody told in what it counts.
    Decimals,
    /// Its register is below zero.
    Negative,
    /// Its register has more digits than any meter.
    TooLarge,
    /// A quotation mark opens in it that closes lines later.
    Quote,
    /// Another volume of the same interval was read before.
    SecondVolume,
    /// The meter's only interval: nothing says when it began.
    LoneVolume,
}

impl Reason {
    /// Its name, the same in every report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meter => "meter",
            Self::Time => "time",
            Self::DateOnly => "date_only",
            Self::SkippedHour => "skipped_hour",
            Self::Future => "future",
            Self::Number => "number",
            Self::Decimals => "decimals",
            Self::Negative => "negative",
            Self::TooLarge => "too_large",
            Self::Quote => "quote",
            Self::SecondVolume => "second_volume",
            Self::LoneVolume => "lone_volume",
        }
    }

    /// What can be done about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Meter => "name the meter in its column; save the file as UTF-8",
            Self::Time => {
                "say how time is written with --time-format, or in which order dates are with --date-order"
            }
            Self::DateOnly => "say at what time of day the meters were read with --read-at",
            Self::SkippedHour => "is the file in another zone, such as UTC? say so with --times-in",
            Self::Future => "is the date's order or the file's zone another? see --date-order and --times-in",
            Self::Number => "correct the line, or leave it out",
            Self::Decimals => "say in what the register counts with --unit: litre cuts decimals off",
            Self::Negative => "no register is below zero; volumes may be, with --values interval",
            Self::TooLarge => "no register has so many digits; correct the line, or leave it out",
            Self::Quote => "remove the quotation mark, or double it",
            Self::SecondVolume => "keep one of the two lines",
            Self::LoneVolume => "give at least two intervals of a meter",
        }
    }
}

/// One lost row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The file's name.
    pub file: String,
    /// Line in it, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
    #[serde(skip)]
    place: Place,
}

/// All rows lost for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// What can be done about it.
    pub hint: String,
    /// The first of them, by line.
    pub first: Vec<Line>,
}

/// How many rows of a reason are named one by one.
const NAMED: usize = 5;

/// Lost rows by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// How many in all.
    pub count: u64,
    /// By reason.
    pub reasons: BTreeMap<&'static str, Group>,
    #[serde(skip)]
    files: Vec<String>,
}

impl Lost {
    /// Nothing lost of these files yet.
    pub fn of(files: Vec<String>) -> Self {
        Self { files, ..Self::default() }
    }

    /// Counts a refused row.
    pub fn refuse(&mut self, reason: Reason, place: Place, why: impl FnOnce() -> String) {
        self.add(reason.name(), reason.hint(), place, why);
    }

    /// Counts one more for a reason.
    pub fn add(&mut self, reason: &'static str, hint: &str, place: Place, why: impl FnOnce() -> String) {
        self.count += 1;
        let group = self.reasons.entry(reason).or_default();
        if group.count == 0 {
            hint.clone_into(&mut group.hint);
        }
        group.count += 1;
        if group.first.len() < NAMED || group.first.last().is_some_and(|last| place < last.place) {
            let file = self.files.get(usize::from(place.file)).cloned().unwrap_or_default();
            group.first.push(Line { file, line: place.line, why: why(), place });
            group.first.sort_by_key(|line| line.place);
            group.first.truncate(NAMED);
        }
    }

    /// Counts further lines that went with a row that was counted already.
    pub fn more(&mut self, reason: Reason, lines: u64) {
        self.count += lines;
        self.reasons.entry(reason.name()).or_default().count += lines;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_are_named_whatever_order_they_are_found_in() {
        let mut lost = Lost::of(vec!["a.csv".to_owned(), "b.csv".to_owned()]);
        for line in [9, 2, 8, 3, 7, 4, 6, 5] {
            lost.refuse(Reason::Time, Place { file: 1, line }, || format!("line {line}"));
        }
        lost.refuse(Reason::Time, Place { file: 0, line: 50 }, String::new);
        let group = &lost.reasons["time"];
        assert_eq!((lost.count, group.count), (9, 9));
        let lines: Vec<_> = group.first.iter().map(|line| (line.file.as_str(), line.line)).collect();
        assert_eq!(lines, [("a.csv", 50), ("b.csv", 2), ("b.csv", 3), ("b.csv", 4), ("b.csv", 5)]);
    }
}
