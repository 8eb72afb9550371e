//! The right answer, worked out the slow way and without the code under test: every read in one list, midnights by
//! fractions, blocks by hand. It knows meters that only count up, which is what the [`workload`](crate::workload)
//! makes; the rules for the other ones are tested one by one where they live.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

/// What a day must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Litres.
    pub litres: i64,
    /// Rupiah.
    pub cost: Decimal,
    /// Reads inside the day.
    pub reads: usize,
}

const DAY: i64 = 86_400;
/// WIB, UTC+7, without daylight saving.
const JAKARTA: i64 = 7 * 3_600;

/// The daily records of one meter in Jakarta under tariff class household-middle-1, by date.
///
/// `reads` are (seconds since the epoch, litres), in any order, repetitions and all.
pub fn days(reads: impl IntoIterator<Item = (i64, i64)>) -> BTreeMap<String, Expected> {
    let reads: BTreeSet<(i64, i64)> = reads.into_iter().collect();
    let reads: Vec<(i64, i64)> = reads.into_iter().collect();
    let (Some(first), Some(last)) = (reads.first(), reads.last()) else { return BTreeMap::new() };
    let day_of = |at: i64| (at + JAKARTA).div_euclid(DAY);
    let mut days = BTreeMap::new();
    let (mut month, mut month_litres) = (String::new(), 0);
    for day in day_of(first.0)..=day_of(last.0) {
        let (start, end) = (day * DAY - JAKARTA, (day + 1) * DAY - JAKARTA);
        let litres = register_at(&reads, end.min(last.0)) - register_at(&reads, start.max(first.0));
        let date = jiff::Timestamp::from_second(day * DAY).expect("a date").strftime("%Y-%m-%d").to_string();
        if date[..7] != month {
            (month, month_litres) = (date[..7].to_owned(), 0);
        }
        let cost = price(month_litres + litres) - price(month_litres);
        month_litres += litres;
        let inside = reads.iter().filter(|(at, _)| (start..end).contains(at)).count();
        days.insert(date, Expected { litres, cost, reads: inside });
    }
    days
}

/// The register at a moment between the first and the last read, litres begun not counted.
fn register_at(reads: &[(i64, i64)], at: i64) -> i64 {
    let after = reads.iter().position(|(t, _)| *t >= at).expect("a read at or after it");
    let (t1, r1) = reads[after];
    if t1 == at {
        return r1;
    }
    let (t0, r0) = reads[after - 1];
    r0 + (r1 - r0) * (at - t0) / (t1 - t0)
}

/// PAM Jaya 2025, household middle 1: 4,900 to 10 m3, 9,500 to 20 m3, then 12,500, per m3.
fn price(litres: i64) -> Decimal {
    let per_mille = match litres {
        ..=10_000 => litres * 4_900,
        10_001..=20_000 => 10_000 * 4_900 + (litres - 10_000) * 9_500,
        _ => 10_000 * 4_900 + 10_000 * 9_500 + (litres - 20_000) * 12_500,
    };
    Decimal::new(per_mille, 3)
}

#[test]
fn the_oracle_knows_the_published_example() {
    // 25 m3 in a month = 10 x 4,900 + 10 x 9,500 + 5 x 12,500 = Rp 206,500.
    assert_eq!(price(25_000), Decimal::from(206_500));
    let midnight = 1_772_298_000;
    let days = days([(midnight - 3_600, 0), (midnight + 3_600, 25), (midnight + 3_600, 25)]);
    let litres: Vec<i64> = days.values().map(|day| day.litres).collect();
    assert_eq!(litres, [12, 13]);
}
