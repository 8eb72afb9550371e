//! From wall time to moments, where a clock change makes the difference.
//!
//! In the hour that a clock change repeats, a wall time names two moments. A register does not run backwards, so of two
//! reads with one wall time the lower is the earlier; where both show the same, no water flowed between them, and their
//! order does not matter. A single read is taken as the earlier. A wall time that the clocks skipped names no moment, and
//! its row is told instead of guessed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::rows::{Refused, Row, When};
use crate::telemetry::Read;

/// What became of the rows of one or more meters.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Resolution {
    /// Wall times of a repeated hour that two reads share, told apart by the register.
    pub folds_resolved: u64,
    /// Reads in a repeated hour that stand alone, taken as the earlier moment.
    pub folds_assumed: u64,
    /// Rows whose wall time the clocks skipped.
    pub skipped: Refused,
}

/// The reads of one meter's rows, in the order of the rows.
pub fn reads(rows: &[Row], zone: &TimeZone, resolution: &mut Resolution) -> Vec<Read> {
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
                    resolution.skipped.add(row.line, || format!("the clocks skipped {wall}"));
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
            resolution.folds_assumed += 1;
        } else {
            resolution.folds_resolved += 1;
        }
        places.sort_by_key(|place| rows[*place].register);
        let of_the_earlier = in_the_first_pass(places.iter().map(|place| rows[*place].register));
        for (nth, place) in places.into_iter().enumerate() {
            moments[place] = Some(if nth < of_the_earlier { earlier.as_second() } else { later.as_second() });
        }
    }
    std::iter::zip(moments, rows)
        .filter_map(|(at, row)| Some(Read { at: at?, register: row.register }))
        .collect()
}

/// How many of these registers (rising) belong to the first pass of a repeated hour: those that show the lowest, but if
/// all show the same, one.
fn in_the_first_pass(registers: impl Iterator<Item = i64> + Clone) -> usize {
    let lowest = registers.clone().min();
    let low = registers.clone().filter(|register| Some(*register) == lowest).count();
    if low == registers.count() { 1 } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn madrid(rows: &[(&str, i64)]) -> (Vec<(String, i64)>, Resolution) {
        let rows: Vec<Row> = (2..)
            .zip(rows)
            .map(|(line, (wall, register))| Row {
                line,
                when: When::Wall(wall.parse().unwrap()),
                register: *register,
            })
            .collect();
        let mut resolution = Resolution::default();
        let zone = TimeZone::get("Europe/Madrid").unwrap();
        let reads = reads(&rows, &zone, &mut resolution);
        let utc = |read: &Read| (Timestamp::from_second(read.at).unwrap().to_string(), read.register);
        (reads.iter().map(utc).collect(), resolution)
    }

    fn utc(time: &str, register: i64) -> (String, i64) {
        (format!("{time}Z"), register)
    }

    #[test]
    fn ordinary_wall_time_follows_the_season() {
        let (reads, resolution) = madrid(&[("2016-03-01T00:28:55", 1), ("2016-07-01T00:28:55", 2)]);
        assert_eq!(reads, [utc("2016-02-29T23:28:55", 1), utc("2016-06-30T22:28:55", 2)]);
        assert_eq!(resolution, Resolution::default());
    }

    #[test]
    fn of_two_reads_in_the_repeated_hour_the_lower_is_the_earlier() {
        let (reads, resolution) =
            madrid(&[("2016-10-30T02:08:18", 460_650), ("2016-10-30T02:08:18", 460_647)]);
        assert_eq!(reads, [utc("2016-10-30T01:08:18", 460_650), utc("2016-10-30T00:08:18", 460_647)]);
        assert_eq!((resolution.folds_resolved, resolution.folds_assumed), (1, 0));
    }

    #[test]
    fn without_flow_in_the_repeated_hour_both_moments_are_read() {
        let (reads, _) = madrid(&[("2016-10-30T02:21:30", 7), ("2016-10-30T02:21:30", 7)]);
        assert_eq!(reads, [utc("2016-10-30T00:21:30", 7), utc("2016-10-30T01:21:30", 7)]);
    }

    #[test]
    fn a_repetition_in_the_repeated_hour_stays_with_its_own() {
        let (reads, _) =
            madrid(&[("2016-10-30T02:21:30", 9), ("2016-10-30T02:21:30", 7), ("2016-10-30T02:21:30", 7)]);
        let first = utc("2016-10-30T00:21:30", 7);
        assert_eq!(reads, [utc("2016-10-30T01:21:30", 9), first.clone(), first]);
    }

    #[test]
    fn a_single_read_in_the_repeated_hour_is_taken_as_the_earlier() {
        let (reads, resolution) = madrid(&[("2016-10-30T02:59:54", 3)]);
        assert_eq!(reads, [utc("2016-10-30T00:59:54", 3)]);
        assert_eq!(resolution.folds_assumed, 1);
    }

    #[test]
    fn a_time_that_never_was_is_told_by_its_line() {
        let (reads, resolution) = madrid(&[("2016-03-27T01:30:00", 1), ("2016-03-27T02:30:00", 2)]);
        assert_eq!(reads, [utc("2016-03-27T00:30:00", 1)]);
        assert_eq!((resolution.skipped.count, resolution.skipped.first[0].0), (1, 3));
    }
}
