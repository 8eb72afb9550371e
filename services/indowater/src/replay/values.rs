//! From values to registers: most files have registers, some have what flowed in each interval.

use rust_decimal::Decimal;

use super::lost::{Lost, Place, Reason};
use super::moments::Dated;
use super::number::{self, FileUnit};
use crate::telemetry::Read;

/// The reads of a meter, and where the rows behind them stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// The reads.
    pub reads: Vec<Read>,
    /// The row of each.
    pub places: Vec<Place>,
    /// Rows whose register was finer than a count of the meter.
    pub decimals_cut: u64,
}

/// Fewer changes than this say nothing about what a file has.
const ENOUGH: u64 = 4;

/// Whether values are volumes of intervals: they fall about as often as they rise. A register falls when its meter is
/// exchanged, wraps or errs, which it does not do at every third change.
pub fn are_volumes<'a>(meters: impl Iterator<Item = &'a [Dated]>) -> bool {
    let (mut falls, mut changes) = (0_u64, 0_u64);
    for meter in meters {
        let mut by_time: Vec<&Dated> = meter.iter().collect();
        by_time.sort_by_key(|dated| dated.at);
        for pair in by_time.windows(2) {
            if let [before, after] = pair
                && before.at < after.at
            {
                falls += u64::from(after.value < before.value);
                changes += u64::from(after.value != before.value);
            }
        }
    }
    changes >= ENOUGH && falls * 3 > changes
}

/// Registers as they are, in the order of the rows.
pub fn registers(dated: &[Dated], unit: FileUnit, refused: &mut Lost) -> Reads {
    let mut reads = Reads::default();
    for Dated { place, at, value } in dated {
        reads.push(*place, *at, *value, unit, refused);
    }
    reads
}

/// Registers that begin at zero and rise by each interval's volume. The first interval began as long before its end as
/// the intervals of the meter are: the lower median of the distances between their ends.
pub fn summed(dated: &[Dated], unit: FileUnit, refused: &mut Lost) -> Reads {
    let mut intervals: Vec<Dated> = Vec::with_capacity(dated.len());
    let mut by_time = dated.to_vec();
    by_time.sort_by_key(|dated| dated.at);
    for next in by_time {
        match intervals.last() {
            // Exact repetitions are one interval.
            Some(last) if last.at == next.at && last.value == next.value => {}
            Some(last) if last.at == next.at => {
                let (first, line) = (last.value, last.place.line);
                let why = || format!("volume {} where line {line} has {first}", next.value);
                refused.refuse(Reason::SecondVolume, next.place, why);
            }
            _ => intervals.push(next),
        }
    }
    let mut distances: Vec<i64> = intervals.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    distances.sort_unstable();
    let typical = distances.get(distances.len().saturating_sub(1) / 2);
    let (Some(first), Some(typical)) = (intervals.first(), typical) else {
        for lone in intervals {
            refused.refuse(Reason::LoneVolume, lone.place, || "the only interval of its meter".to_owned());
        }
        return Reads::default();
    };
    let (mut reads, mut sum) = (Reads::default(), Decimal::ZERO);
    reads.push(first.place, first.at - typical, sum, unit, refused);
    for Dated { place, at, value } in &intervals {
        sum += value;
        reads.push(*place, *at, sum, unit, refused);
    }
    reads
}

impl Reads {
    fn push(&mut self, place: Place, at: i64, value: Decimal, unit: FileUnit, refused: &mut Lost) {
        match number::counts(value, unit) {
            Ok((register, is_cut)) => {
                self.reads.push(Read { at, register });
                self.places.push(place);
                self.decimals_cut += u64::from(is_cut);
            }
            Err(reason) => refused.refuse(reason, place, || format!("{value} is beyond every register")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meter(values: &[(i64, &str)]) -> Vec<Dated> {
        (2..)
            .zip(values)
            .map(|(line, (at, value))| Dated {
                place: Place { file: 0, line },
                at: *at,
                value: value.parse().unwrap(),
            })
            .collect()
    }

    fn points(reads: &Reads) -> Vec<(i64, i64)> {
        reads.reads.iter().map(|read| (read.at, read.register)).collect()
    }

    #[test]
    fn volumes_and_registers_are_told_apart() {
        let series = |values: &[i64]| -> Vec<Dated> {
            let values: Vec<_> =
                (0..).zip(values).map(|(at, value)| (at * 3_600, value.to_string())).collect();
            meter(&values.iter().map(|(at, value)| (*at, value.as_str())).collect::<Vec<_>>())
        };
        for (values, expected) in [
            (&[12, 0, 30, 7, 7, 0, 0, 45][..], true),
            (&[0, 5, 0, 5, 0][..], true),
            (&[100, 112, 112, 130, 129, 150, 160, 171][..], false),
            // One dip, one exchange, too little to say.
            (&[100, 112, 0, 130, 142][..], false),
            (&[900, 912, 930, 0, 4, 9, 15, 22, 30][..], false),
            (&[12, 0, 30][..], false),
            (&[][..], false),
        ] {
            assert_eq!(are_volumes([series(values).as_slice()].into_iter()), expected, "{values:?}");
        }
        // Written from the newest to the oldest, a register still rises with time.
        let mut backwards = series(&[1, 2, 3, 4, 5, 6]);
        backwards.reverse();
        assert!(!are_volumes([backwards.as_slice()].into_iter()));
    }

    #[test]
    fn volumes_are_summed_exactly_and_the_first_one_counts() {
        let mut refused = Lost::default();
        let volumes = meter(&[(7_200, "0.0004"), (3_600, "0.0124"), (10_800, "0.0002"), (7_200, "0.0004")]);
        let reads = summed(&volumes, FileUnit::CubicMetre, &mut refused);
        // 12.4, 12.8 and 13.0 L: what is cut off one read is in the next.
        assert_eq!(points(&reads), [(0, 0), (3_600, 12), (7_200, 12), (10_800, 13)]);
        assert_eq!((reads.decimals_cut, refused.count), (2, 0));
    }

    #[test]
    fn an_interval_has_one_volume_and_a_beginning() {
        let mut refused = Lost::default();
        let reads = summed(&meter(&[(60, "1"), (120, "2"), (120, "3")]), FileUnit::Litre, &mut refused);
        assert_eq!(points(&reads), [(0, 0), (60, 1), (120, 3)]);
        assert_eq!(refused.reasons["second_volume"].first[0].line, 4);
        assert_eq!(summed(&meter(&[(60, "1")]), FileUnit::Litre, &mut refused), Reads::default());
        assert_eq!(refused.reasons["lone_volume"].count, 1);
    }

    proptest! {
        #[test]
        fn the_last_register_is_the_sum(volumes in proptest::collection::vec(0_i64..5_000, 2..60)) {
            let mut refused = Lost::default();
            let dated: Vec<Dated> = (1..)
                .zip(&volumes)
                .map(|(n, volume)| Dated {
                    place: Place::default(),
                    at: n * 900,
                    value: Decimal::new(*volume, 4),
                })
                .collect();
            let reads = summed(&dated, FileUnit::CubicMetre, &mut refused);
            let last = reads.reads.last().map(|read| read.register);
            prop_assert_eq!(last, Some(volumes.iter().sum::<i64>() / 10));
            prop_assert!(reads.reads.windows(2).all(|pair| pair[0].register <= pair[1].register));
        }
    }
}
