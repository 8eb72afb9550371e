//! The volumes of a device's latest local days, and a change of habit that lasts.

use indowater_common::domain::zone::Day;

use super::tampering::Evidence;

/// Days that a habit is made of.
const HABIT: usize = 28;
/// Days that a change of habit has to last: shorter ones are journeys.
const FORTNIGHT: usize = 14;
const KEPT: usize = HABIT + FORTNIGHT;
/// A habit of less litres a day is none that anything could be held against.
const LEAST_HABIT: u16 = 50;
/// A day of which nobody knows the volume.
const UNKNOWN: u16 = u16::MAX;

/// Litres of each of the latest days, and of the day that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daily {
    day: i32,
    /// Millilitres.
    of_day: i64,
    /// Oldest first; the last one is of the day before `day`.
    before: [u16; KEPT],
}

impl Default for Daily {
    fn default() -> Self {
        Self { day: i32::MIN, of_day: 0, before: [UNKNOWN; KEPT] }
    }
}

impl Daily {
    /// Counts what flowed by a read of a local day. Says what the days before show, where a week of them has just ended.
    pub fn pass(&mut self, day: Day, volume: i64) -> Option<Evidence> {
        let mut shown = None;
        if day.0 > self.day {
            let (ended, many) = (self.of_day, day.0.saturating_sub(self.day).unsigned_abs() as usize);
            self.before.rotate_left(many.min(KEPT));
            let new = KEPT - many.min(KEPT);
            self.before[new..].fill(UNKNOWN);
            if self.day != i32::MIN && many <= KEPT {
                self.before[new] = u16::try_from(ended / 1_000).unwrap_or(UNKNOWN - 1).min(UNKNOWN - 1);
            }
            let a_week_ended = self.day.div_euclid(7) != day.0.div_euclid(7);
            (self.day, self.of_day) = (day.0, 0);
            shown = a_week_ended.then(|| self.change()).flatten();
        }
        self.of_day += volume;
        shown
    }

    /// A lasting drop to less than a fifth of the median of the four weeks before, or to nothing at all.
    fn change(&self) -> Option<Evidence> {
        if self.before.contains(&UNKNOWN) {
            return None;
        }
        let (habit, now) = self.before.split_at(HABIT);
        let mut habit = habit.to_vec();
        let median = *habit.select_nth_unstable(HABIT / 2).1;
        let most = now.iter().copied().max().filter(|_| median >= LEAST_HABIT)?;
        match u32::from(most) * 5 {
            0 => Some(Evidence::Dry),
            fivefold if fivefold < u32::from(median) => Some(Evidence::Drop),
            _ => None,
        }
    }

    /// For a document.
    pub fn encode(&self) -> Vec<u8> {
        let head = self.day.to_le_bytes().into_iter().chain(self.of_day.to_le_bytes());
        head.chain(self.before.iter().flat_map(|litres| litres.to_le_bytes())).collect()
    }

    /// Out of a document; bytes that are none begin anew.
    pub fn decode(bytes: &[u8]) -> Self {
        let read = || {
            let (day, rest) = bytes.split_first_chunk::<4>()?;
            let (of_day, rest) = rest.split_first_chunk::<8>()?;
            let mut before = [UNKNOWN; KEPT];
            let (litres, _) = rest.as_chunks::<2>();
            for (slot, litres) in before.iter_mut().zip(litres) {
                *slot = u16::from_le_bytes(*litres);
            }
            Some(Self { day: i32::from_le_bytes(*day), of_day: i64::from_le_bytes(*of_day), before })
        };
        read().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown over ten weeks, with so many litres a day before and after the end of the sixth.
    fn shown(before: i64, after: i64, missing: Option<i32>) -> Vec<Evidence> {
        let mut daily = Daily::default();
        let days = (0..70).filter(|day| Some(*day) != missing);
        let shown = days.filter_map(|day| {
            let litres = if day < 42 { before } else { after };
            daily = Daily::decode(&daily.encode());
            daily.pass(Day(day), litres * 1_000)
        });
        shown.collect()
    }

    #[test]
    fn a_change_of_habit_is_shown_once_it_has_lasted_a_fortnight() {
        assert_eq!(shown(400, 0, None)[..2], [Evidence::Dry; 2]);
        assert_eq!(shown(400, 79, None)[0], Evidence::Drop);
        assert_eq!(shown(400, 80, None), []);
        assert_eq!(shown(49, 0, None), [], "no habit");
        assert_eq!(shown(400, 400, None), []);
    }

    #[test]
    fn days_that_nobody_knows_show_nothing() {
        assert_eq!(shown(400, 0, Some(50))[..], [], "a gap within all that is compared");
        let mut daily = Daily::default();
        let _ = daily.pass(Day(5), 1_000);
        let _ = daily.pass(Day(500), 1_000);
        assert_eq!(daily.before, [UNKNOWN; KEPT]);
    }
}
