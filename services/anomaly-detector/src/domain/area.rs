//! What the meters of an area say together: that the supply is interrupted, that all of them use less.
//!
//! Both are functions of what each meter told last, so neither order nor repetition of what comes changes them.

use std::collections::BTreeMap;

use super::supply::{Spell, Told};

/// Meters with a known habit that an area needs before it says anything.
pub const LEAST_METERS: usize = 20;
/// An interruption begins when so many of ten meters are dry against their habit ...
const BEGINS: usize = 7;
/// ... and ends when fewer than so many are.
const ENDS: usize = 5;
/// Of the meters that turn out to be dry, so many of ten had their last water before it began: the others had some left.
const HAD_WATER: usize = 9;
/// Seconds after which a meter that is said to be dry, and says nothing more, does not count as dry.
const SAID: i64 = 7 * 86_400;
/// One in so many meters that drop in the same week are no thieves: it is something of the area.
const WIDE: usize = 4;

/// A time in which an area had no water.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interruption {
    /// When the water went, as far as is known, seconds since the epoch.
    pub from: i64,
    /// When that was certain.
    pub seen: i64,
    /// When it was back; none while it is away.
    pub until: Option<i64>,
    /// How many meters were dry against their habit when most were.
    pub dry: usize,
    /// Of how many.
    pub meters: usize,
}

/// The interruptions that follow from what the meters of an area told, oldest first.
pub fn interruptions<'a>(told: impl Iterator<Item = &'a Told> + Clone) -> Vec<Interruption> {
    let newest =
        told.clone().flat_map(|meter| &meter.spells).map(|spell| spell.from).max().unwrap_or_default();
    let end = |spell: &Spell| match spell.until {
        i64::MAX if spell.from + SAID < newest => spell.from + SAID,
        until => until,
    };
    // Of each moment at which something changes: meters that are known from then on, and meters dry and wet from then on.
    let mut changes: BTreeMap<i64, (usize, usize, usize)> = BTreeMap::new();
    for meter in told.clone() {
        changes.entry(meter.known_from).or_default().0 += 1;
        for spell in meter.spells.iter().filter(|spell| end(spell) > meter.known_from) {
            changes.entry(spell.from.max(meter.known_from)).or_default().1 += 1;
            changes.entry(end(spell)).or_default().2 += 1;
        }
    }
    let (mut meters, mut dry) = (0, 0);
    let mut found: Vec<Interruption> = Vec::new();
    let mut is_open = false;
    for (at, (known, dries, wets)) in changes {
        meters += known;
        dry = dry + dries - wets;
        match found.last_mut().filter(|_| is_open) {
            Some(open) if at < i64::MAX && dry * 10 < meters * ENDS => {
                open.until = Some(at);
                is_open = false;
            }
            Some(open) if dry > open.dry => (open.dry, open.meters) = (dry, meters),
            Some(_) => {}
            None if at < i64::MAX && meters >= LEAST_METERS && dry * 10 >= meters * BEGINS => {
                let from = last_water(told.clone(), at);
                found.push(Interruption { from, seen: at, until: None, dry, meters });
                is_open = true;
            }
            None => {}
        }
    }
    found
}

/// By when nine in ten of the meters that are dry at a moment had their last water.
fn last_water<'a>(told: impl Iterator<Item = &'a Told>, at: i64) -> i64 {
    let spells = told.flat_map(|meter| &meter.spells).filter(|spell| spell.from <= at && at < spell.until);
    let mut last: Vec<i64> = spells.map(|spell| spell.last_water).collect();
    last.sort_unstable();
    last.get((last.len() * HAD_WATER / 10).min(last.len().saturating_sub(1)))
        .map_or(at, |water| at.min(*water))
}

/// Weeks, by number, in which so many meters of an area dropped that it says nothing of one of them.
pub fn wide_drops<'a>(told: impl Iterator<Item = &'a Told>) -> Vec<i32> {
    let (mut meters, mut weeks) = (0, BTreeMap::<i32, usize>::new());
    for meter in told {
        meters += 1;
        let mut drops = meter.drops.clone();
        drops.dedup();
        drops.into_iter().for_each(|week| *weeks.entry(week).or_default() += 1);
    }
    let is_wide = |many: usize| meters >= LEAST_METERS / 2 && many * WIDE >= meters;
    weeks.into_iter().filter(|(_, many)| is_wide(*many)).map(|(week, _)| week).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;

    /// So many meters, of which the first are dry from some minutes after `from` until some minutes after `until`.
    fn area(meters: usize, dry: usize, from: i64, until: i64) -> Vec<Told> {
        let meter = |number: usize| {
            let later = i64::try_from(number).unwrap() * 60;
            let until = if until == i64::MAX { until } else { until + later };
            let spell = Spell { last_water: from - 2 * HOUR + later, from: from + later, until };
            Told { spells: if number < dry { vec![spell] } else { Vec::new() }, ..Told::default() }
        };
        (0..meters).map(meter).collect()
    }

    #[test]
    fn seven_in_ten_of_twenty_meters_are_an_interruption() {
        let of = |meters, dry| interruptions(area(meters, dry, 50 * HOUR, i64::MAX).iter());
        assert!(of(19, 19).is_empty() && of(20, 13).is_empty() && of(40, 27).is_empty());
        let found = of(20, 15);
        // The fourteenth meter makes it certain; by then the water was gone since the thirteenth had its last.
        let seen = 50 * HOUR + 13 * 60;
        assert_eq!(
            found,
            [Interruption { from: 48 * HOUR + 12 * 60, seen, until: None, dry: 15, meters: 20 }]
        );
        let over = interruptions(area(20, 20, 50 * HOUR, 60 * HOUR).iter());
        assert_eq!((over.len(), over[0].until, over[0].dry), (1, Some(60 * HOUR + 10 * 60), 20));
    }

    #[test]
    fn a_meter_that_fell_silent_is_not_dry_for_ever() {
        let mut told = area(20, 20, 50 * HOUR, i64::MAX);
        told[..11].iter_mut().for_each(|meter| meter.spells[0].until = 60 * HOUR);
        assert_eq!(interruptions(told.iter())[0].until, Some(60 * HOUR));
        let mut told = area(20, 14, 50 * HOUR, i64::MAX);
        let later = Spell { last_water: 300 * HOUR, from: 301 * HOUR, until: i64::MAX };
        told[19].spells.push(later);
        let found = interruptions(told.iter());
        assert_eq!(found[0].until, Some(50 * HOUR + SAID + 4 * 60), "the fifth to be let go");
    }

    #[test]
    fn meters_without_a_habit_do_not_count() {
        let mut told = area(30, 30, 50 * HOUR, i64::MAX);
        told[..11].iter_mut().for_each(|meter| meter.known_from = 90 * HOUR);
        let found = interruptions(told.iter());
        assert_eq!((found.len(), found[0].seen), (1, 90 * HOUR));
    }

    #[test]
    fn a_drop_of_one_is_a_drop_and_a_drop_of_many_is_the_areas() {
        let with = |many: usize| {
            let mut told = area(20, 0, 0, 0);
            told[..many].iter_mut().for_each(|meter| meter.drops = vec![7, 7]);
            wide_drops(told.iter())
        };
        assert_eq!((with(4), with(5)), (vec![], vec![7]));
    }

    proptest! {
        /// The order in which meters stand makes no difference, and no two interruptions overlap.
        #[test]
        fn order_says_nothing(
            mut told in proptest::collection::vec(meter(), 20..40),
            seed in any::<u64>(),
        ) {
            let found = interruptions(told.iter());
            for pair in found.windows(2) {
                prop_assert!(pair[0].until.is_some_and(|until| until <= pair[1].seen));
            }
            prop_assert!(found.iter().all(|one| one.from <= one.seen && one.dry <= one.meters));
            let by = usize::try_from(seed % 40).unwrap() % told.len();
            told.rotate_left(by);
            told.reverse();
            prop_assert_eq!(interruptions(told.iter()), found);
        }
    }

    fn meter() -> impl Strategy<Value = Told> {
        let spells = proptest::collection::vec((0..20_i64, 1..30_i64), 0..3);
        (spells, 0..30_i64).prop_map(|(spells, known_from)| {
            let mut at = 0;
            let spells = spells.into_iter().map(|(after, lasts)| {
                let from = at + after;
                at = from + lasts;
                Spell { last_water: from - 3, from, until: at }
            });
            Told { spells: spells.collect(), known_from, drops: Vec::new() }
        })
    }
}
