//! The latest days of one device under one customer, and whether the last of them took too much.
//!
//! The answer depends on the set of daily records alone, not on the order in which they came: days are walked in their own
//! order, each beside the 28 before it.

use indowater_common::domain::zone::Day;
use serde::{Deserialize, Serialize};

/// A local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageDay {
    /// Days since 1970-01-01.
    pub day: i32,
    /// Net volume, millilitres.
    pub volume: i64,
    /// What it cost, thousandths of a rupiah.
    pub cost: i64,
    /// Whether it is over and all of its reads are in.
    pub is_complete: bool,
    /// Whether its share of a long gap is a guess: it is no news then.
    pub is_estimated: bool,
    /// Of the daily record.
    pub revision: i64,
}

/// The latest days, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    days: Vec<UsageDay>,
}

/// What a merged day changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// Nothing.
    Nothing,
    /// The day that goes on, which will come again.
    Passing,
    /// A day that is over: it has to be remembered.
    Lasting,
}

/// A day that took too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The first of the days that follow each other and took too much.
    pub since: Day,
    /// The latest of them.
    pub day: Day,
    /// What it took, millilitres.
    pub volume: i64,
    /// What half of the days before took at most, millilitres, where enough are known.
    pub usual: Option<i64>,
    /// What it might have taken, millilitres.
    pub limit: i64,
}

/// Days that are remembered: a month to compare with, and the days that are judged.
const REMEMBERED: usize = 40;
/// Days that a day is compared with, and how many of them have to be known.
const COMPARED: i32 = 28;
const KNOWN: usize = 7;
/// Days that are judged.
const JUDGED: usize = 8;
/// Millilitres that no day below is too much, where the customer said nothing else.
const LEAST: i64 = 500_000;

impl Days {
    /// Takes a daily record.
    pub fn merge(&mut self, day: UsageDay) -> Merged {
        match self.days.binary_search_by_key(&day.day, |known| known.day) {
            Ok(at) if self.days[at].revision >= day.revision => return Merged::Nothing,
            Ok(at) => self.days[at] = day,
            Err(0) if self.days.len() == REMEMBERED => return Merged::Nothing,
            Err(at) => self.days.insert(at, day),
        }
        if self.days.len() > REMEMBERED {
            self.days.remove(0);
        }
        if day.is_complete { Merged::Lasting } else { Merged::Passing }
    }

    /// Forgets a day, which is another customer's now. Whether it was known.
    pub fn forget(&mut self, day: i32) -> bool {
        let before = self.days.len();
        self.days.retain(|known| known.day != day);
        self.days.len() < before
    }

    /// The newest day.
    pub fn newest(&self) -> Option<i32> {
        self.days.last().map(|day| day.day)
    }

    /// The median of the days before `day`, millilitres.
    fn usual(&self, day: i32) -> Option<i64> {
        let mut volumes: Vec<i64> = self.compared(day).map(|known| known.volume).collect();
        volumes.sort_unstable();
        (volumes.len() >= KNOWN).then(|| volumes[(volumes.len() - 1) / 2])
    }

    fn compared(&self, day: i32) -> impl Iterator<Item = &UsageDay> {
        self.days.iter().filter(move |known| known.is_complete && (day - COMPARED..day).contains(&known.day))
    }

    /// What an average day of the latest four weeks cost, whole rupiah.
    pub fn daily_cost(&self) -> Option<i64> {
        let newest = self.days.iter().rfind(|day| day.is_complete)?.day;
        let costs: Vec<i64> = self.compared(newest + 1).map(|day| day.cost).collect();
        let many = i64::try_from(costs.len()).ok().filter(|_| costs.len() >= KNOWN)?;
        Some(costs.iter().sum::<i64>() / many / 1_000)
    }

    /// The excess that goes on, if one does: it begins with a day above its limit and ends with a whole one at nine tenths of it
    /// or less. The limit is `threshold` (millilitres), or else twice what is usual.
    pub fn excess(&self, threshold: Option<i64>) -> Option<Excess> {
        let judged = self.days.len().saturating_sub(JUDGED);
        let mut going_on: Option<Excess> = None;
        for day in self.days[judged..].iter().filter(|day| !day.is_estimated) {
            let usual = self.usual(day.day);
            let habit = usual.map(|usual| usual.saturating_mul(2).max(LEAST));
            let Some(limit) = threshold.or(habit) else { continue };
            if day.volume > limit {
                let since = going_on.map_or(Day(day.day), |excess| excess.since);
                going_on = Some(Excess { since, day: Day(day.day), volume: day.volume, usual, limit });
            } else if day.is_complete && day.volume <= limit / 10 * 9 {
                going_on = None;
            }
        }
        going_on
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(day: i32, litres: i64) -> UsageDay {
        let (volume, cost) = (litres * 1_000, litres * 5_000);
        UsageDay { day, volume, cost, is_complete: true, is_estimated: false, revision: 1 }
    }

    fn days(litres: &[i64]) -> Days {
        let mut days = Days::default();
        for (number, litres) in (0..).zip(litres) {
            days.merge(day(number, *litres));
        }
        days
    }

    #[test]
    fn a_day_is_beside_its_own_month() {
        let usual = [400, 420, 380, 400, 410, 390, 400];
        let with = |more: &[i64]| days(&[&usual, more].concat()).excess(None);
        assert_eq!(with(&[800]), None, "not above twice the usual");
        let excess = with(&[801]).unwrap();
        assert_eq!((excess.day, excess.usual, excess.limit), (Day(7), Some(400_000), 800_000));
        assert_eq!(with(&[900, 901]).map(|excess| (excess.since, excess.day)), Some((Day(7), Day(8))));
        assert_eq!(with(&[900, 780]).map(|excess| excess.day), Some(Day(7)), "it goes on within the margin");
        assert_eq!(with(&[900, 720]), None);
        assert_eq!(days(&usual[..6]).excess(None), None, "too little is known");
        let low = [50; 7];
        assert_eq!(days(&[&low[..], &[500]].concat()).excess(None), None, "half a cubic metre is no excess");
        assert!(days(&[&low[..], &[501]].concat()).excess(None).is_some());
    }

    #[test]
    fn the_customers_own_threshold_counts_from_the_first_day() {
        assert_eq!(days(&[300]).excess(Some(250_000)).map(|excess| excess.limit), Some(250_000));
        let mut guessed = days(&[100]);
        guessed.merge(UsageDay { is_estimated: true, ..day(1, 900) });
        assert_eq!(guessed.excess(Some(250_000)), None, "a guess is no news");
    }

    #[test]
    fn a_day_that_is_not_over_is_enough_to_begin_and_not_to_end() {
        let mut days = days(&[400, 400, 400, 400, 400, 400, 400]);
        let open = |number, litres| UsageDay { is_complete: false, ..day(number, litres) };
        assert_eq!(days.merge(open(7, 900)), Merged::Passing);
        assert!(days.excess(None).is_some());
        days.merge(UsageDay { revision: 2, ..day(7, 900) });
        days.merge(open(8, 10));
        assert!(days.excess(None).is_some());
    }

    #[test]
    fn what_a_day_costs_needs_a_week() {
        assert_eq!(days(&[400; 6]).daily_cost(), None);
        assert_eq!(days(&[400; 30]).daily_cost(), Some(2_000));
    }

    proptest! {
        #[test]
        fn the_order_and_the_repetition_of_days_change_nothing(
            records in prop::collection::vec((0..30_i32, 0..1_500_i64, any::<bool>(), 1..6_i64), 1..60),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..90),
        ) {
            // A record is decided by its day and revision.
            let mut records: Vec<UsageDay> = records
                .into_iter()
                .map(|(number, litres, is_complete, revision)| UsageDay { is_complete, revision, ..day(number, litres) })
                .collect();
            records.sort_by_key(|record| (record.day, record.revision));
            records.dedup_by_key(|record| (record.day, record.revision));
            let merged = |records: &mut dyn Iterator<Item = UsageDay>| {
                let mut days = Days::default();
                records.for_each(|record| { days.merge(record); });
                days
            };
            let shuffled = order.iter().map(|at| *at.get(&records)).chain(records.iter().rev().copied());
            let (one, other) = (merged(&mut records.iter().copied()), merged(&mut shuffled.collect::<Vec<_>>().into_iter()));
            prop_assert_eq!(one.excess(None), other.excess(None));
            prop_assert_eq!(one, other);
        }
    }
}
