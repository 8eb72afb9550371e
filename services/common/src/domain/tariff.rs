//! Block (progressive) tariffs: what a month's volume costs, exactly.
//!
//! A day costs the difference it makes to the month: `cost(month to date with it) - cost(month to date without it)`, its
//! share of the fixed charge, and on the month's last day what the minimum volume lacks. So the days of a month add up to
//! the tariff of the month's volume, whatever their order, and nothing is rounded to whole rupiah here: that happens
//! once, at the posting.

use rust_decimal::Decimal;

use super::zone::Day;

/// One block: everything up to a bound costs so much per m3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Upper bound of the block in m3 a month, inclusive; `None` for the last block.
    pub up_to: Option<Decimal>,
    /// Rupiah per m3.
    pub price: Decimal,
}

/// The tariff of a class from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// The class, such as `household-middle-1`.
    pub class: String,
    /// First local day it holds.
    pub from: Day,
    /// Blocks with rising bounds; the last has none.
    pub blocks: Vec<Block>,
    /// Rupiah a month and meter, whatever is used; it accrues evenly over the days of the month.
    pub fixed_charge: Decimal,
    /// m3 a month that are paid even if less was used.
    pub minimum: Decimal,
}

/// The first day of what has held since ever.
pub const SINCE_EVER: Day = Day(i32::MIN);

/// A volume in one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// m3.
    pub volume: Decimal,
    /// Rupiah per m3.
    pub price: Decimal,
}

impl Part {
    /// Rupiah, exact.
    pub fn cost(&self) -> Decimal {
        self.volume * self.price
    }
}

/// Decimal places to which a share of the fixed charge is rounded; the shares of a month still add up to it.
const SHARE_PLACES: u32 = 4;

impl Tariff {
    /// What a month's volume (m3) costs in rupiah by its blocks alone, exactly. A month that ran backwards costs nothing.
    pub fn cost(&self, volume: Decimal) -> Decimal {
        self.parts(Decimal::ZERO, volume).map(|part| part.cost()).sum()
    }

    /// Where the volume falls that takes a month from `from` m3 to `to` m3.
    pub fn parts(&self, from: Decimal, to: Decimal) -> impl Iterator<Item = Part> + '_ {
        let mut floor = Decimal::ZERO;
        self.blocks.iter().filter_map(move |block| {
            let bottom = floor.max(from);
            let top = block.up_to.map_or(to, |bound| bound.min(to));
            floor = block.up_to.unwrap_or(to);
            (top > bottom).then(|| Part { volume: top - bottom, price: block.price })
        })
    }

    /// How many m3 so many rupiah buy, after `month_to_date` m3, by blocks alone. All of it if a block is free without end.
    pub fn volume_for(&self, month_to_date: Decimal, rupiah: Decimal) -> Option<Decimal> {
        let (mut left, mut bought, mut floor) = (rupiah, Decimal::ZERO, month_to_date.max(Decimal::ZERO));
        for block in &self.blocks {
            let room = block.up_to.map(|bound| (bound - floor).max(Decimal::ZERO));
            let price = room.map(|room| room * block.price);
            match (room, price) {
                (Some(room), Some(price)) if price <= left => {
                    (left, bought, floor) = (left - price, bought + room, floor + room)
                }
                _ if block.price.is_zero() => return None,
                _ => return Some(bought + left / block.price),
            }
        }
        Some(bought)
    }

    /// What `day`, with its `volume` m3, adds to a month that stands at `month_to_date` m3.
    pub fn cost_of_day(&self, day: Day, month_to_date: Decimal, volume: Decimal) -> Decimal {
        let total = month_to_date + volume;
        self.cost(total) - self.cost(month_to_date) + self.beyond_volume(day, total)
    }

    /// What `day` costs besides its own volume: its share of the fixed charge, and on the month's last day what the month's
    /// volume, `total` m3, lacks of the minimum.
    pub fn beyond_volume(&self, day: Day, total: Decimal) -> Decimal {
        if self.fixed_charge.is_zero() && self.minimum.is_zero() {
            return Decimal::ZERO;
        }
        let (date, last) = (day.date(), day.date().last_of_month());
        let accrued = |days: i8| {
            (self.fixed_charge * Decimal::from(days) / Decimal::from(last.day())).round_dp(SHARE_PLACES)
        };
        let share = accrued(date.day()) - accrued(date.day() - 1);
        let lacking =
            if date == last { self.cost(total.max(self.minimum)) - self.cost(total) } else { Decimal::ZERO };
        share + lacking
    }
}

/// Every tariff in force at some time.
#[derive(Clone, Debug)]
pub struct TariffBook {
    /// By class, then by rising first day.
    tariffs: Vec<Tariff>,
}

/// Blocks 0-10, 11-20 and above 20 m3 in rupiah per m3. Households and social: PAM Jaya 2025; the first block is the
/// basic need (Permendagri 71/2016). Commercial and industrial: groups IV A and IV B of Pergub DKI Jakarta 11/2007,
/// until the utility sets its own.
const BUILT_IN: [(&str, [i64; 3]); 7] = [
    ("social-1", [1_000, 1_500, 1_700]),
    ("household-simple-1", [3_550, 6_750, 9_500]),
    ("household-simple-2", [4_000, 7_500, 9_500]),
    ("household-middle-1", [4_900, 9_500, 12_500]),
    ("household-middle-2", [6_000, 10_500, 14_000]),
    ("commercial-1", [6_825, 8_150, 9_800]),
    ("industrial-1", [12_550, 12_550, 12_550]),
];

/// The class of a property whose class nobody named.
pub const DEFAULT_CLASS: &str = "household-middle-1";

impl TariffBook {
    /// A book of these tariffs.
    pub fn new(mut tariffs: Vec<Tariff>) -> Self {
        tariffs.sort_by(|a, b| (&a.class, a.from).cmp(&(&b.class, b.from)));
        Self { tariffs }
    }

    /// The tariffs this platform comes with, in force since ever.
    pub fn built_in() -> Self {
        let tariffs = BUILT_IN.map(|(class, prices)| Tariff {
            class: class.to_owned(),
            from: SINCE_EVER,
            blocks: std::iter::zip([Some(Decimal::TEN), Some(Decimal::from(20)), None], prices)
                .map(|(up_to, price)| Block { up_to, price: Decimal::from(price) })
                .collect(),
            fixed_charge: Decimal::ZERO,
            minimum: Decimal::ZERO,
        });
        Self::new(tariffs.into())
    }

    /// This book, with a class's versions in place of those it had.
    #[must_use]
    pub fn with(&self, class: &str, versions: Vec<Tariff>) -> Self {
        let others = self.tariffs.iter().filter(|tariff| tariff.class != class).cloned();
        Self::new(others.chain(versions).collect())
    }

    /// The classes there are.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.tariffs.chunk_by(|a, b| a.class == b.class).map(|versions| versions[0].class.as_str())
    }

    /// The tariff of a class on a day: the newest version in force, or the first one for days before it. A class that
    /// is not known pays the default class's tariff.
    pub fn on(&self, class: &str, day: Day) -> &Tariff {
        let versions = self.versions(class);
        let versions = if versions.is_empty() { self.versions(DEFAULT_CLASS) } else { versions };
        let in_force = versions.partition_point(|tariff| tariff.from <= day);
        &versions[in_force.saturating_sub(1)]
    }

    /// The versions of a class by rising first day; none if the class is not known.
    pub fn versions(&self, class: &str) -> &[Tariff] {
        let start = self.tariffs.partition_point(|tariff| tariff.class.as_str() < class);
        let len = self.tariffs[start..].partition_point(|tariff| tariff.class == class);
        &self.tariffs[start..start + len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn litres(litres: i64) -> Decimal {
        Decimal::new(litres, 3)
    }

    #[test]
    fn household_middle_1_pays_206_500_for_25_m3() {
        let book = TariffBook::built_in();
        let tariff = book.on("household-middle-1", Day(0));
        assert_eq!(tariff.cost(Decimal::from(25)), Decimal::from(206_500));
        assert_eq!(tariff.cost(Decimal::TEN), Decimal::from(49_000));
        assert_eq!(tariff.cost(litres(10_001)), Decimal::new(49_009_500, 3));
        assert_eq!(tariff.cost(Decimal::from(-3)), Decimal::ZERO);
    }

    #[test]
    fn a_version_holds_from_its_day() {
        let flat = |from, price| Tariff {
            class: DEFAULT_CLASS.to_owned(),
            from: Day(from),
            blocks: vec![Block { up_to: None, price: Decimal::from(price) }],
            fixed_charge: Decimal::ZERO,
            minimum: Decimal::ZERO,
        };
        let book = TariffBook::new(vec![flat(100, 2), flat(0, 1)]);
        let price = |day| book.on(DEFAULT_CLASS, Day(day)).blocks[0].price;
        assert_eq!((price(-5), price(0), price(99), price(100)), (1.into(), 1.into(), 1.into(), 2.into()));
        assert_eq!(book.on("unheard-of", Day(100)).blocks[0].price, 2.into());
    }

    #[test]
    fn every_class_is_found_under_its_own_name() {
        let book = TariffBook::built_in();
        assert_eq!(book.classes().count(), BUILT_IN.len());
        for class in book.classes() {
            assert_eq!(book.on(class, Day(0)).class, class);
        }
    }

    #[test]
    fn a_sum_buys_what_it_would_cost() {
        let book = TariffBook::built_in();
        let tariff = book.on("household-middle-1", Day(0));
        assert_eq!(tariff.volume_for(Decimal::ZERO, 206_500.into()), Some(25.into()));
        assert_eq!(tariff.volume_for(Decimal::from(9), 14_400.into()), Some(2.into()));
        let free = Tariff { blocks: vec![Block { up_to: None, price: Decimal::ZERO }], ..tariff.clone() };
        assert_eq!(free.volume_for(Decimal::ZERO, 1.into()), None);
    }

    /// 2026-02-01.
    const FEBRUARY: i32 = 20_485;

    proptest! {
        /// B3's pricing half: however a month's volume falls on its days, backflow included, the days add up to the
        /// tariff of the month's volume, exactly: its blocks, at least the minimum, and the fixed charge.
        #[test]
        fn days_add_up_to_the_month(
            days in prop::collection::vec(-50_i64..3_000, 28),
            class in 0_usize..7,
            fixed_charge in 0_i64..30_000,
            minimum in 0_i64..30,
        ) {
            let book = TariffBook::built_in();
            let (fixed_charge, minimum) = (Decimal::from(fixed_charge), Decimal::from(minimum));
            let tariff = Tariff { fixed_charge, minimum, ..book.on(BUILT_IN[class].0, Day(0)).clone() };
            let (mut month, mut sum) = (Decimal::ZERO, Decimal::ZERO);
            for (day, volume) in (FEBRUARY..).map(Day).zip(days) {
                sum += tariff.cost_of_day(day, month, litres(volume));
                month += litres(volume);
            }
            prop_assert_eq!(sum, tariff.cost(month.max(minimum)) + fixed_charge);
        }

        #[test]
        fn parts_add_up_to_the_cost(from in 0_i64..40_000, more in 0_i64..40_000, class in 0_usize..7) {
            let book = TariffBook::built_in();
            let tariff = book.on(BUILT_IN[class].0, Day(0));
            let (from, to) = (litres(from), litres(from + more));
            let parts: Vec<Part> = tariff.parts(from, to).collect();
            prop_assert_eq!(parts.iter().map(|part| part.volume).sum::<Decimal>(), to - from);
            prop_assert_eq!(parts.iter().map(Part::cost).sum::<Decimal>(), tariff.cost(to) - tariff.cost(from));
        }
    }
}
