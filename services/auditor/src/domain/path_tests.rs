//! Properties of the path and of what follows from it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::days::Course;
use super::example::{HOUR, MIDNIGHT, household, read};
use super::facts::Facts;
use super::path::path;
use super::reads::{Sent, candidates, kept};
use super::rules::{Point, Rules};
use super::tariff::Tariffs;

/// Reads of a meter with everything that goes wrong: dips, spikes, doubles, a second series, wraps.
fn any_reads(most: usize) -> impl Strategy<Value = Vec<Sent>> {
    let fault = prop_oneof![
        6 => Just(None),
        1 => prop_oneof![Just(0_i128), Just(99_999_990), 0_i128..100_000, 1_000_i128..1_020].prop_map(Some)
    ];
    let one = (1_i64..5, 0_i128..300, fault, any::<bool>(), 0_u8..20);
    prop::collection::vec(one, 1..most).prop_map(|steps| {
        let (mut at, mut litres, mut sent) = (0, 1_000, Vec::new());
        for (hours, more, fault, twice, manual) in steps {
            at += hours * HOUR;
            litres += more;
            let shown = read(at, fault.unwrap_or(litres));
            sent.push(Sent { manual: manual == 0, ..shown });
            if twice && fault.is_some() {
                sent.push(read(at, litres));
            }
        }
        sent
    })
}

/// The score of a chain; `first` is the moment of the first candidate.
fn score(chain: &[Point], first: i64, rules: &Rules<'_>) -> i64 {
    let cost = |pair: &[Point]| {
        let price = 64 * rules.days()[rules.place(pair[1].at)].reads_of_a_break + 1;
        if rules.step(pair[0], pair[1]).is_plausible() { 0 } else { price }
    };
    let begins_late = chain[0].at > first;
    64 * i64::try_from(chain.len()).unwrap()
        - chain.windows(2).map(cost).sum::<i64>()
        - i64::from(begins_late)
}

/// The best chain there is, in whole reads, and the latest moment at which one so good ends: by trying all of them.
fn best_of_all(candidates: &[(i64, i128)], rules: &Rules<'_>) -> (i64, i64) {
    let mut best = (i64::MIN, i64::MIN);
    for mask in 1_u32..1 << candidates.len() {
        let chosen = candidates.iter().enumerate().filter(|(place, _)| mask & (1 << place) != 0);
        let chain: Vec<Point> =
            chosen.map(|(_, (at, register))| Point { at: *at, register: *register }).collect();
        if chain.windows(2).all(|pair| pair[0].at < pair[1].at) {
            let whole = (score(&chain, candidates[0].0, rules) + 63).div_euclid(64);
            best = best.max((whole, chain[chain.len() - 1].at));
        }
    }
    best
}

fn days(sent: &[Sent], facts: &Facts) -> BTreeMap<super::calendar::Day, super::days::Figures> {
    Course::of(sent, facts).days(&Tariffs::built_in(), &BTreeMap::new())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_chain_is_better_and_as_late(sent in any_reads(9)) {
        let facts = household();
        let kept = kept(&sent, &facts);
        let rules = Rules::of(&facts, &kept);
        let candidates = candidates(&kept, &facts);
        prop_assume!(candidates.len() <= 11);
        let path = path(&candidates, &rules);
        let found = ((score(&path, candidates[0].0, &rules) + 63).div_euclid(64), path[path.len() - 1].at);
        prop_assert_eq!(found, best_of_all(&candidates, &rules));
    }

    #[test]
    fn order_and_repetition_change_nothing(sent in any_reads(120), seed in any::<u64>()) {
        let mut shuffled = [sent.clone(), sent.clone()].concat();
        shuffled.sort_by_key(|read| (read.at - MIDNIGHT).cast_unsigned().wrapping_mul(seed | 1) ^ seed);
        prop_assert_eq!(days(&shuffled, &household()), days(&sent, &household()));
    }

    #[test]
    fn days_add_up_to_the_registers(sent in any_reads(120)) {
        let facts = household();
        let course = Course::of(&sent, &facts);
        let days = course.days(&Tariffs::built_in(), &BTreeMap::new());
        let mut sum = 0;
        for (day, figures) in &days {
            sum += figures.volume;
            prop_assert_eq!(course.register_difference(facts.zone().start_of(day.next())), sum);
        }
        prop_assert_eq!(sum, course.register_difference(i64::MAX));
    }
}
