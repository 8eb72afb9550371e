//! How a meter reports on a day: its own interval, and the step in which its register was seen to count.
//!
//! Both follow from counts over the day's reads, so that one read more costs the same however many came before it.

use super::meter::Point;

/// The interval of a meter that nobody has seen twice.
const ORDINARY_INTERVAL: i64 = 3_600;
/// Steps in which registers count that are coarser than a litre, millilitres, the largest first.
const STEPS: [i64; 3] = [1_000_000, 100_000, 10_000];
/// Fewer moments say nothing of the step.
const MOMENTS: u32 = 8;

/// How a meter reports on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// The meter's own interval, seconds: the lower median of the last intervals before the day and of those that end in it.
    pub interval: i64,
    /// The step in which its register was seen to count, millilitres; 0 if it was not.
    pub learned: i64,
}

/// How many reads an impossible step costs, by the meter's own interval: the reads of eight hours, at least three (three
/// days of daily reads, eight hours of hourly ones), at most 32.
pub fn patience(interval: i64) -> i32 {
    let reads = (8 * 3_600 + interval.max(1) - 1) / interval.max(1);
    i32::try_from(reads.clamp(3, 32)).unwrap_or(32)
}

/// What is counted of a day's reads, taken in order of time, of one moment by rising register.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    last: Option<i64>,
    /// Intervals and how often each was seen, rising.
    intervals: Vec<(i64, u32)>,
    /// What days before had learned.
    learned: i64,
    moments: u32,
    /// Of the lowest registers of each moment, how many are multiples of each of [`STEPS`].
    multiples: [u32; STEPS.len()],
    /// The first two registers that differ, and whether there is a third.
    registers: (Option<i64>, Option<i64>, bool),
}

impl Tally {
    /// What a day takes over from the days before it: the moment of their last read, their last intervals, and the step
    /// that they had learned.
    pub fn after(last: Option<i64>, intervals: &[i64], learned: i64) -> Self {
        let mut tally = Self { last, learned, ..Self::default() };
        intervals.iter().for_each(|interval| tally.count(*interval));
        tally
    }

    /// Counts the next read. Returns the interval that it ends, if it stands at a moment of its own.
    pub fn add(&mut self, point: Point) -> Option<i64> {
        let last = self.last.replace(point.at);
        if self.moments > 0 && last == Some(point.at) {
            return None;
        }
        self.moments += 1;
        self.registers = match self.registers {
            (None, ..) => (Some(point.register), None, false),
            (first, None, _) if first != Some(point.register) => (first, Some(point.register), false),
            (first, second, third) => {
                let is_third = second.is_some() && ![first, second].contains(&Some(point.register));
                (first, second, third || is_third)
            }
        };
        for (multiples, step) in self.multiples.iter_mut().zip(STEPS) {
            *multiples += u32::from(point.register % step == 0);
        }
        let interval = point.at - last.filter(|last| *last != point.at)?;
        self.count(interval);
        Some(interval)
    }

    /// Moments of the day so far.
    pub fn moments(&self) -> usize {
        usize::try_from(self.moments).unwrap_or(usize::MAX)
    }

    /// How the meter reports, by what was counted.
    pub fn rhythm(&self) -> Rhythm {
        Rhythm { interval: self.interval(), learned: self.step().unwrap_or(self.learned) }
    }

    fn count(&mut self, interval: i64) {
        match self.intervals.binary_search_by_key(&interval, |(known, _)| *known) {
            Ok(at) => self.intervals[at].1 += 1,
            Err(at) => self.intervals.insert(at, (interval, 1)),
        }
    }

    fn interval(&self) -> i64 {
        let all: u32 = self.intervals.iter().map(|(_, often)| often).sum();
        let mut below = 0;
        let middle = self.intervals.iter().find(|(_, often)| {
            below += often;
            2 * below >= all
        });
        middle.map_or(ORDINARY_INTERVAL, |(interval, _)| *interval)
    }

    /// The largest of 1 m3, 100 L and 10 L of which seven in eight registers are multiples. None where there are too few
    /// reads, or of too few kinds, to say.
    fn step(&self) -> Option<i64> {
        if self.moments < MOMENTS || !self.registers.2 {
            return None;
        }
        let steps = STEPS.into_iter().zip(self.multiples);
        let mut seen = steps.filter(|(_, multiples)| multiples * 8 >= self.moments * 7);
        Some(seen.next().map_or(0, |(step, _)| step))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;

    #[test]
    fn the_price_of_an_impossible_step_is_by_the_meters_interval() {
        for (interval, reads) in
            [(86_400, 3), (6 * HOUR, 3), (2 * HOUR, 4), (HOUR, 8), (900, 32), (10, 32), (0, 32)]
        {
            assert_eq!(patience(interval), reads, "{interval}");
        }
    }

    proptest! {
        /// Counting finds what sorting finds.
        #[test]
        fn the_interval_is_the_lower_median(intervals in prop::collection::vec(1_i64..20, 1..40), cut in 0_usize..40) {
            let (before, ending) = intervals.split_at(cut.min(intervals.len()));
            let mut tally = Tally::after(Some(0), before, 0);
            let mut at = 0;
            for interval in ending {
                at += interval;
                prop_assert_eq!(tally.add(Point { at, register: at }), Some(*interval));
            }
            let mut sorted = intervals.clone();
            sorted.sort_unstable();
            prop_assert_eq!(tally.rhythm().interval, sorted[(sorted.len() - 1) / 2]);
        }
    }

    #[test]
    fn a_moment_is_counted_once_by_its_lowest_register() {
        let mut tally = Tally::after(None, &[], 0);
        for (at, register) in [(0, 10), (0, 11), (HOUR, 20), (HOUR, 23), (2 * HOUR, 30)] {
            tally.add(Point { at, register: register * 1_000 });
        }
        assert_eq!((tally.moments(), tally.rhythm().interval), (3, HOUR));
        // The first read of a day at the moment of the last one of the day before ends no interval.
        let mut tally = Tally::after(Some(7), &[], 0);
        assert_eq!(tally.add(Point { at: 7, register: 1 }), None);
        assert_eq!((tally.moments(), tally.rhythm().interval), (1, ORDINARY_INTERVAL));
    }

    #[test]
    fn a_step_is_learned_from_seven_in_eight_of_several_registers() {
        let of = |registers: &[i64]| {
            let reads = (0..).zip(registers).map(|(at, litres)| Point { at, register: litres * 1_000 });
            let mut tally = Tally::after(None, &[], 0);
            reads.for_each(|point| _ = tally.add(point));
            tally.step()
        };
        assert_eq!(of(&[10, 20, 30, 30, 30, 40, 40, 40]), Some(10_000));
        assert_eq!(of(&[1_000, 2_000, 2_000, 3_000, 3_000, 3_000, 3_000, 7]), Some(1_000_000));
        assert_eq!(of(&[1_000, 2_000, 2_000, 3_000, 3_000, 3_000, 8, 7]), Some(0));
        assert_eq!(of(&[1_000, 2_000, 2_000, 3_000, 3_000, 3_000, 4_000]), None, "too few");
        assert_eq!(of(&[1_000, 2_000, 2_000, 1_000, 2_000, 2_000, 2_000, 2_000]), None, "too few kinds");
    }
}
