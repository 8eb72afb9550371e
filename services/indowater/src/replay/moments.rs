//! From wall time to moments, where a clock change makes the difference.
//!
//! In the hour that a clock change repeats, a wall time names two moments. A register does not run backwards, so of two
//! reads with one wall time the lower is the earlier; where both show the same, no water flowed between them, and their
//! order does not matter. A single read is taken as the earlier. Volumes of intervals say nothing of the kind: the order
//! of the file is theirs. A wall time that the clocks skipped names no moment, and its row is refused instead of guessed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use rust_decimal::Decimal;

use super::lost::{Lost, Place, Reason};
use super::rows::Row;
use super::time::When;

/// A value at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    /// Where its row stands.
    pub place: Place,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// In the unit of the file.
    pub value: Decimal,
}

/// How clock changes were met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ClockChanges {
    /// Wall times of a repeated hour that two reads share, told apart by the register.
    pub folds_resolved: u64,
    /// Reads in a repeated hour that stand alone, taken as the earlier moment.
    pub folds_assumed: u64,
}

/// The moments of one meter's rows, in the order of the rows.
pub fn dated(
    rows: &[Row],
    zone: &TimeZone,
    are_registers: bool,
    changes: &mut ClockChanges,
    refused: &mut Lost,
) -> Vec<Dated> {
    let mut moments: Vec<Option<i64>> = Vec::with_capacity(rows.len());
    let mut repeated: BTreeMap<DateTime, Vec<usize>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        moments.push(match row.when {
            When::Moment(at) => Some(at.as_second()),
            When::Wall(wall) => match zone.to_ambiguous_timestamp(wall).offset() {
                AmbiguousOffset::Unambiguous { offset } => {
                    offset.to_timestamp(wall).ok().map(Timestamp::as_second)
                }
                AmbiguousOffset::Gap { .. } => {
                    refused.refuse(Reason::SkippedHour, row.place, || format!("the clocks skipped {wall}"));
                    None
                }
                AmbiguousOffset::Fold { .. } => {
                    repeated.entry(wall).or_default().push(place);
                    None
                }
            },
        });
    }
    for (wall, mut places) in repeated {
        let two = zone.to_ambiguous_timestamp(wall);
        let (Ok(earlier), Ok(later)) = (two.earlier(), two.later()) else {
            continue;
        };
        if places.len() == 1 {
            changes.folds_assumed += 1;
        } else {
            changes.folds_resolved += 1;
        }
        let of_the_earlier = if are_registers {
            places.sort_by_key(|place| rows[*place].value);
            in_the_first_pass(places.iter().map(|place| rows[*place].value))
        } else {
            places.len().div_ceil(2)
        };
        for (nth, place) in places.into_iter().enumerate() {
            moments[place] = Some(if nth < of_the_earlier { earlier.as_second() } else { later.as_second() });
        }
    }
    std::iter::zip(moments, rows)
        .filter_map(|(at, row)| Some(Dated { place: row.place, at: at?, value: row.value }))
        .collect()
}

/// How many of these registers (rising) belong to the first pass of a repeated hour: those that show the lowest, but if
/// all show the same, one.
fn in_the_first_pass(registers: impl Iterator<Item = Decimal> + Clone) -> usize {
    let lowest = registers.clone().min();
    let low = registers.clone().filter(|register| Some(*register) == lowest).count();
    if low == registers.count() { 1 } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn madrid(rows: &[(&str, i64)]) -> (Vec<(String, i64)>, ClockChanges, Lost) {
        let rows: Vec<Row> = (2..)
            .zip(rows)
            .map(|(line, (wall, register))| Row {
                place: Place { file: 0, line },
                when: When::Wall(wall.parse().unwrap()),
                value: Decimal::from(*register),
            })
            .collect();
        let (mut changes, mut refused) = (ClockChanges::default(), Lost::default());
        let zone = TimeZone::get("Europe/Madrid").unwrap();
        let reads = dated(&rows, &zone, true, &mut changes, &mut refused);
        let utc = |read: &Dated| {
            (Timestamp::from_second(read.at).unwrap().to_string(), i64::try_from(read.value).unwrap())
        };
        (reads.iter().map(utc).collect(), changes, refused)
    }

    fn utc(time: &str, register: i64) -> (String, i64) {
        (format!("{time}Z"), register)
    }

    #[test]
    fn ordinary_wall_time_follows_the_season() {
        let (reads, changes, _) = madrid(&[("2016-03-01T00:28:55", 1), ("2016-07-01T00:28:55", 2)]);
        assert_eq!(reads, [utc("2016-02-29T23:28:55", 1), utc("2016-06-30T22:28:55", 2)]);
        assert_eq!(changes, ClockChanges::default());
    }

    #[test]
    fn of_two_reads_in_the_repeated_hour_the_lower_is_the_earlier() {
        let (reads, changes, _) =
            madrid(&[("2016-10-30T02:08:18", 460_650), ("2016-10-30T02:08:18", 460_647)]);
        assert_eq!(reads, [utc("2016-10-30T01:08:18", 460_650), utc("2016-10-30T00:08:18", 460_647)]);
        assert_eq!((changes.folds_resolved, changes.folds_assumed), (1, 0));
    }

    #[test]
    fn without_flow_in_the_repeated_hour_both_moments_are_read() {
        let (reads, ..) = madrid(&[("2016-10-30T02:21:30", 7), ("2016-10-30T02:21:30", 7)]);
        assert_eq!(reads, [utc("2016-10-30T00:21:30", 7), utc("2016-10-30T01:21:30", 7)]);
    }

    #[test]
    fn a_repetition_in_the_repeated_hour_stays_with_its_own() {
        let (reads, ..) =
            madrid(&[("2016-10-30T02:21:30", 9), ("2016-10-30T02:21:30", 7), ("2016-10-30T02:21:30", 7)]);
        let first = utc("2016-10-30T00:21:30", 7);
        assert_eq!(reads, [utc("2016-10-30T01:21:30", 9), first.clone(), first]);
    }

    #[test]
    fn a_single_read_in_the_repeated_hour_is_taken_as_the_earlier() {
        let (reads, changes, _) = madrid(&[("2016-10-30T02:59:54", 3)]);
        assert_eq!(reads, [utc("2016-10-30T00:59:54", 3)]);
        assert_eq!(changes.folds_assumed, 1);
    }

    #[test]
    fn a_time_that_never_was_is_refused_with_its_line() {
        let (reads, _, refused) = madrid(&[("2016-03-27T01:30:00", 1), ("2016-03-27T02:30:00", 2)]);
        assert_eq!(reads, [utc("2016-03-27T00:30:00", 1)]);
        let skipped = &refused.reasons["skipped_hour"];
        assert_eq!((skipped.count, skipped.first[0].line), (1, 3));
    }
}
