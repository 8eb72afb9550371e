//! Facts that hold from a local day on.
//!
//! What is kept is what was **said**: of which facts, from which day on. A fact holds until the next day from which the
//! same fact was said otherwise. Things that were said of different days or different facts do not touch each other, so
//! the same sayings in any order are one timeline; of the same fact from the same day, the last word counts. What is
//! told to others is the [periods](Timeline::periods) that come out: a saying that changes nothing makes none, but it is
//! kept, for it may matter once an earlier day is known better.

use std::collections::BTreeMap;
use std::fmt::Debug;

use indowater_common::domain::zone::Day;

/// A set of facts that may change from a day on.
pub trait Dated: Clone + Debug + Eq {
    /// What may be said of it: any part of the facts.
    type Part: Clone + Debug + Default + Eq;

    /// Takes over what is said.
    fn apply(&mut self, part: &Self::Part);

    /// Adds what is said later to what was said of the same day.
    fn add(part: &mut Self::Part, later: Self::Part);

    /// What goes on after the day: all but what happens once.
    #[must_use]
    fn lasting(&self) -> Self {
        self.clone()
    }
}

/// What holds from when on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline<D: Dated> {
    base: D,
    said: BTreeMap<Day, D::Part>,
}

impl<D: Dated> Timeline<D> {
    /// The same from the beginning on.
    pub fn new(base: D) -> Self {
        Self { base, said: BTreeMap::new() }
    }

    /// What was said, as it was kept.
    pub fn restore(base: D, said: impl IntoIterator<Item = (Day, D::Part)>) -> Self {
        let mut timeline = Self::new(base);
        said.into_iter().for_each(|(day, part)| timeline.say(Some(day), part));
        timeline
    }

    /// Says what holds from a day on, or from the beginning on (`None`).
    pub fn say(&mut self, from: Option<Day>, part: D::Part) {
        match from {
            None => self.base.apply(&part),
            Some(_) if part == D::Part::default() => {}
            Some(day) => D::add(self.said.entry(day).or_default(), part),
        }
    }

    /// What has held from the beginning on.
    pub fn base(&self) -> &D {
        &self.base
    }

    /// What was said of later days, oldest first.
    pub fn said(&self) -> impl DoubleEndedIterator<Item = (Day, &D::Part)> {
        self.said.iter().map(|(day, part)| (*day, part))
    }

    /// Changes what was said of days from `from` on, but for those from `to` on; what says nothing afterwards is
    /// forgotten.
    pub fn revise(&mut self, from: Option<Day>, to: Option<Day>, mut revise: impl FnMut(&mut D::Part)) {
        let within = |day: &Day| from.is_none_or(|from| *day >= from) && to.is_none_or(|to| *day < to);
        self.said.retain(|day, part| {
            if within(day) {
                revise(part);
            }
            *part != D::Part::default()
        });
    }

    /// What holds on a day; what held at the very beginning for `None`.
    pub fn on(&self, day: Option<Day>) -> D {
        let mut facts = self.base.clone();
        for (_, part) in day.into_iter().flat_map(|day| self.said.range(..=day)) {
            facts = facts.lasting();
            facts.apply(part);
        }
        facts
    }

    /// What holds from which day on, oldest first; the first from the beginning on, neighbours never the same.
    pub fn periods(&self) -> Vec<(Option<Day>, D)> {
        let mut periods = vec![(None, self.base.clone())];
        let mut holds = self.base.lasting();
        for (day, part) in &self.said {
            let mut next = holds.clone();
            next.apply(part);
            if next != holds {
                holds = next.lasting();
                periods.push((Some(*day), next));
            }
        }
        periods
    }

    /// The first day after `day` on which something changes.
    pub fn next_change(&self, day: Day) -> Option<Day> {
        self.periods().into_iter().filter_map(|(from, _)| from).find(|from| *from > day)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Exchanged, Period, PeriodPart, Tenancy, TenancyPart};
    use super::*;

    fn tenancy(customer: &str, class: &str) -> Tenancy {
        Tenancy { customer_id: customer.into(), tariff_class: class.into() }
    }

    fn customer(name: &str) -> TenancyPart {
        TenancyPart { customer_id: Some(name.into()), ..Default::default() }
    }

    #[test]
    fn what_is_known_later_of_earlier_days_ends_where_more_is_known() {
        let mut timeline = Timeline::new(tenancy("b", "x"));
        // B is there from the 10th on, as everyone believes anyway; then it is told that A was there before.
        timeline.say(Some(Day(10)), customer("b"));
        assert_eq!(timeline.periods().len(), 1);
        timeline.say(None, customer("a"));
        assert_eq!(timeline.periods(), [(None, tenancy("a", "x")), (Some(Day(10)), tenancy("b", "x"))]);
        assert_eq!(timeline.on(Some(Day(9))).customer_id, "a");
        assert_eq!(timeline.on(Some(Day(10))).customer_id, "b");
        assert_eq!((timeline.next_change(Day(9)), timeline.next_change(Day(10))), (Some(Day(10)), None));
    }

    #[test]
    fn what_happens_once_makes_a_period_and_does_not_go_on() {
        let exchange = Exchanged { at: 1, final_millilitres: 2, initial_millilitres: 3 };
        let mut timeline = Timeline::new(Period::example());
        timeline.say(Some(Day(5)), PeriodPart { exchange: Some(exchange), ..Default::default() });
        timeline.say(Some(Day(9)), PeriodPart { billable: Some(true), ..Default::default() });
        let periods = timeline.periods();
        assert_eq!(periods.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [None, Some(Day(5))]);
        assert_eq!(timeline.on(Some(Day(5))).exchange, Some(exchange));
        assert_eq!(timeline.on(Some(Day(9))).exchange, None);
    }

    /// Something said: the day (none: from the beginning), which fact, and what.
    fn saying() -> impl Strategy<Value = (Option<Day>, u8, u8)> {
        (proptest::option::of((0..12).prop_map(Day)), 0..5_u8, 0..3_u8)
    }

    fn part(fact: u8, value: u8) -> PeriodPart {
        let text = Some(format!("{value}"));
        match fact {
            0 => PeriodPart { customer_id: text, ..Default::default() },
            1 => PeriodPart { property_id: text, ..Default::default() },
            2 => PeriodPart { resolution: Some(value.into()), ..Default::default() },
            3 => PeriodPart { billable: Some(value == 0), ..Default::default() },
            _ => PeriodPart { serial: text, ..Default::default() },
        }
    }

    fn told(sayings: &[(Option<Day>, u8, u8)]) -> Timeline<Period> {
        let mut timeline = Timeline::new(Period::example());
        sayings.iter().for_each(|(day, fact, value)| timeline.say(*day, part(*fact, *value)));
        timeline
    }

    proptest! {
        /// The same sayings in another order are the same timeline, as long as they are of different things.
        #[test]
        fn any_order_of_knowledge_is_one_timeline(
            sayings in proptest::collection::vec(saying(), 0..12),
            seed in any::<u64>(),
        ) {
            let mut distinct: Vec<(Option<Day>, u8, u8)> = Vec::new();
            for saying in sayings {
                if !distinct.iter().any(|known| (known.0, known.1) == (saying.0, saying.1)) {
                    distinct.push(saying);
                }
            }
            let mut shuffled = distinct.clone();
            shuffled.sort_by_key(|(day, fact, _)| {
                seed.rotate_left(day.map_or(0, |day| day.0.unsigned_abs()) * 7 + u32::from(*fact))
            });
            prop_assert_eq!(told(&distinct), told(&shuffled));
        }

        /// Each day holds, of every fact, what was said last before or on it; and the periods say the same as the days.
        #[test]
        fn each_day_holds_the_nearest_word(sayings in proptest::collection::vec(saying(), 0..12)) {
            let timeline = told(&sayings);
            for day in (-1..13).map(Day) {
                let mut expected = Period::example();
                for fact in 0..5 {
                    let known = sayings.iter().enumerate().filter(|(_, said)| said.1 == fact);
                    let until = known.filter(|(_, said)| said.0.is_none_or(|from| from <= day));
                    if let Some((_, said)) = until.max_by_key(|(place, said)| (said.0, *place)) {
                        expected.apply(&part(fact, said.2));
                    }
                }
                prop_assert_eq!(timeline.on(Some(day)), expected.clone());
                let periods = timeline.periods();
                let of_day = periods.iter().rev().find(|(from, _)| from.is_none_or(|from| from <= day));
                prop_assert_eq!(&of_day.unwrap().1, &expected);
            }
        }

        /// Neighbours differ, days rise, and what was kept is what was there.
        #[test]
        fn periods_are_lean_and_survive_being_kept(sayings in proptest::collection::vec(saying(), 0..12)) {
            let timeline = told(&sayings);
            let periods = timeline.periods();
            prop_assert!(periods.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1));
            let kept = timeline.said().map(|(day, part)| (day, part.clone())).collect::<Vec<_>>();
            prop_assert_eq!(Timeline::restore(timeline.base().clone(), kept), timeline);
        }
    }
}
