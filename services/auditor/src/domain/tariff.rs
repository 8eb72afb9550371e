//! What water costs: blocks, fixed charge and minimum, by class, from a day on.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::calendar::Day;

/// A version of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// The first day it holds; `None`: since ever.
    pub from: Option<Day>,
    /// Upper bound in m3 (none for the last) and rupiah per m3.
    pub blocks: Vec<(Option<Decimal>, Decimal)>,
    /// Rupiah a month.
    pub fixed_charge: Decimal,
    /// m3 a month that are paid in any case.
    pub minimum: Decimal,
}

/// All tariffs, by class.
#[derive(Clone, Debug)]
pub struct Tariffs(BTreeMap<String, Vec<Tariff>>);

/// The class whose tariff holds for an unknown one.
const DEFAULT_CLASS: &str = "household-middle-1";

/// Rupiah per m3 up to 10 m3, up to 20 m3, and above.
const BUILT_IN: [(&str, i64, i64, i64); 7] = [
    ("social-1", 1_000, 1_500, 1_700),
    ("household-simple-1", 3_550, 6_750, 9_500),
    ("household-simple-2", 4_000, 7_500, 9_500),
    (DEFAULT_CLASS, 4_900, 9_500, 12_500),
    ("household-middle-2", 6_000, 10_500, 14_000),
    ("commercial-1", 6_825, 8_150, 9_800),
    ("industrial-1", 12_550, 12_550, 12_550),
];

impl Tariffs {
    /// What holds where nothing was published.
    pub fn built_in() -> Self {
        let tariff = |low: i64, middle: i64, high: i64| Tariff {
            from: None,
            blocks: vec![
                (Some(Decimal::from(10)), Decimal::from(low)),
                (Some(Decimal::from(20)), Decimal::from(middle)),
                (None, Decimal::from(high)),
            ],
            fixed_charge: Decimal::ZERO,
            minimum: Decimal::ZERO,
        };
        let classes =
            BUILT_IN.map(|(class, low, middle, high)| (class.to_owned(), vec![tariff(low, middle, high)]));
        Self(classes.into())
    }

    /// Takes the published versions of a class for those known before.
    pub fn publish(&mut self, class: &str, mut versions: Vec<Tariff>) {
        versions.sort_by_key(|version| version.from);
        if !versions.is_empty() {
            self.0.insert(class.to_owned(), versions);
        }
    }

    /// The version of a class that holds on a day; before the first one, the first.
    fn on(&self, class: &str, day: Day) -> Option<&Tariff> {
        let versions = self.0.get(class).or_else(|| self.0.get(DEFAULT_CLASS))?;
        let holds = |version: &&Tariff| version.from.is_none_or(|from| from <= day);
        versions.iter().rfind(holds).or(versions.first())
    }

    /// What a day's `volume` costs after `before` of the month, both millilitres.
    pub fn cost_of_day(&self, class: &str, day: Day, before: i128, volume: i128) -> Decimal {
        let Some(tariff) = self.on(class, day) else { return Decimal::ZERO };
        let (before, total) = (cubic_metres(before), cubic_metres(before + volume));
        let (number, days) = day.of_month();
        let mut cost = tariff.blocks_cost(total) - tariff.blocks_cost(before);
        cost += tariff.accrued(number, days) - tariff.accrued(number - 1, days);
        if number == days && total < tariff.minimum {
            cost += tariff.blocks_cost(tariff.minimum) - tariff.blocks_cost(total);
        }
        cost
    }
}

impl Tariff {
    /// What a month's volume costs by its blocks; a month that ran backwards costs nothing.
    fn blocks_cost(&self, volume: Decimal) -> Decimal {
        let (mut cost, mut floor) = (Decimal::ZERO, Decimal::ZERO);
        for (bound, price) in &self.blocks {
            if volume <= floor {
                break;
            }
            let top = bound.map_or(volume, |bound| bound.min(volume));
            cost += (top - floor) * price;
            floor = top;
        }
        cost
    }

    /// The fixed charge of the first so many days of a month: to four places, half to even.
    fn accrued(&self, days: i32, of: i32) -> Decimal {
        let (mantissa, scale) = (self.fixed_charge.mantissa(), self.fixed_charge.scale());
        let above = mantissa * i128::from(days) * 10_000;
        let below = i128::from(of) * 10_i128.pow(scale);
        let (whole, rest) = (above.div_euclid(below), above.rem_euclid(below));
        let up = rest * 2 > below || (rest * 2 == below && whole % 2 != 0);
        Decimal::from_i128_with_scale(whole + i128::from(up), 4)
    }
}

/// Millilitres in m3.
pub fn cubic_metres(millilitres: i128) -> Decimal {
    Decimal::try_from_i128_with_scale(millilitres, 6).unwrap_or(Decimal::MAX)
}

/// An exact amount in whole rupiah, half away from zero.
pub fn whole_rupiah(exact: Decimal) -> i128 {
    let one = 10_i128.pow(exact.scale());
    let amount = exact.mantissa().abs();
    let whole = amount / one + i128::from((amount % one) * 2 >= one);
    if exact.is_sign_negative() { -whole } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M3: i128 = 1_000_000;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn the_published_example_costs_206_500() {
        let tariffs = Tariffs::built_in();
        let cost = |before, volume| tariffs.cost_of_day(DEFAULT_CLASS, day("2026-03-05"), before, volume);
        assert_eq!(cost(0, 25 * M3), Decimal::from(206_500));
        assert_eq!(cost(9 * M3, 2 * M3), Decimal::from(4_900 + 9_500));
        assert_eq!(cost(10 * M3, 1_000), Decimal::new(95, 1));
        // Back over the bound of a block, and below nothing.
        assert_eq!(cost(11 * M3, -2 * M3), Decimal::from(-9_500 - 4_900));
        assert_eq!(cost(0, -M3), Decimal::ZERO);
        assert_eq!(cost(-M3, 2 * M3), Decimal::from(4_900));
        assert_eq!(tariffs.cost_of_day("unheard-of", day("2026-03-05"), 0, M3), Decimal::from(4_900));
    }

    #[test]
    fn versions_hold_from_their_day_with_charge_and_minimum() {
        let mut tariffs = Tariffs::built_in();
        let flat = |from, price: i64| Tariff {
            from,
            blocks: vec![(None, Decimal::from(price))],
            fixed_charge: Decimal::from(10_000),
            minimum: Decimal::from(2),
        };
        tariffs.publish("flat", vec![flat(Some(day("2026-03-30")), 200), flat(None, 100)]);
        let cost = |on: &str, before, volume| tariffs.cost_of_day("flat", day(on), before, volume);
        // 10,000 / 31 = 322.5806..., twice that 645.1612...
        assert_eq!(cost("2026-03-01", 0, 0), Decimal::new(3_225_806, 4));
        assert_eq!(cost("2026-03-02", 0, 0), Decimal::new(6_451_613 - 3_225_806, 4));
        assert_eq!(cost("2026-03-29", 0, M3) - cost("2026-03-29", 0, 0), Decimal::from(100));
        assert_eq!(cost("2026-03-30", 0, M3) - cost("2026-03-30", 0, 0), Decimal::from(200));
        // On the last day what is lacking of two m3 is paid.
        assert_eq!(
            cost("2026-03-31", M3 / 2, M3 / 2) - cost("2026-03-31", 2 * M3, M3 / 2),
            Decimal::from(200)
        );
        let month: Decimal = (1..=31).map(|number| cost(&format!("2026-03-{number:02}"), 0, 0)).sum();
        assert_eq!(month, Decimal::from(10_000 + 400));
    }

    #[test]
    fn half_a_rupiah_goes_away_from_zero() {
        for (exact, whole) in [("0.5", 1), ("0.49", 0), ("-0.5", -1), ("-7.49", -7), ("12", 12), ("2.50", 3)]
        {
            assert_eq!(whole_rupiah(exact.parse().unwrap()), whole, "{exact}");
        }
    }
}
