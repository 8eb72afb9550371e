//! What a leak costs: its water at the price of the block that it falls into.
//!
//! Of a month's water the leak's is the last: it costs what the month costs with it less what the month would cost without it, which
//! is how it shows on the customer's balance. The month to date is counted here from the same registers that the leak is found
//! in; by the next read it is what usage-aggregator publishes, but for the hours about midnight that are interpolated there.

use indowater_common::domain::facts::Owner;
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::Day;
use rust_decimal::Decimal;

use super::leak::Episode;

/// The water of a month, the leak's share of it, and what its share of earlier months cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The local day of the newest read; days since 1970-01-01.
    pub day: i32,
    /// Millilitres of its month so far, under one customer.
    pub volume: i64,
    /// Millilitres of them that a leak lost.
    pub lost: i64,
    /// The episode whose losses are counted.
    pub episode: Option<i64>,
    /// What it has lost in all, millilitres.
    pub episode_lost: i64,
    /// Rupiah that its losses of earlier months cost, exact.
    pub earlier: Decimal,
}

/// Millilitres in cubic metres, exactly.
pub fn cubic_metres(millilitres: i64) -> Decimal {
    Decimal::new(millilitres, 6)
}

impl Tally {
    /// Counts the water of a step that ends on a local day; `before` and `owner` have the water of the day before and of this one.
    pub fn pass(&mut self, day: Day, volume: i64, before: &Owner, owner: &Owner, tariffs: &TariffBook) {
        let of_another = before.customer_id != owner.customer_id;
        if of_another || Day(self.day).month_start() != day.month_start() {
            self.earlier += self.this_month(before, tariffs);
            (self.volume, self.lost) = (0, 0);
        }
        self.day = day.0;
        self.volume += volume;
    }

    /// Counts what the present episode has lost by now.
    pub fn lose(&mut self, episode: Option<&Episode>) {
        let Some(episode) = episode else { return };
        if self.episode != Some(episode.opened) {
            (self.episode, self.episode_lost) = (Some(episode.opened), 0);
            (self.lost, self.earlier) = (0, Decimal::ZERO);
        }
        self.lost += episode.lost - self.episode_lost;
        self.episode_lost = episode.lost;
    }

    /// What the episode's losses cost so far, whole rupiah.
    pub fn rupiah(&self, owner: &Owner, tariffs: &TariffBook) -> i64 {
        let exact = self.earlier + self.this_month(owner, tariffs);
        i64::try_from(exact.round().trunc()).unwrap_or(i64::MAX)
    }

    fn this_month(&self, owner: &Owner, tariffs: &TariffBook) -> Decimal {
        if !owner.billable || self.lost <= 0 {
            return Decimal::ZERO;
        }
        let tariff = tariffs.on(&owner.tariff_class, Day(self.day));
        // A leak that is found on the first of a month has lost most of its water in the month before.
        let month = self.volume.max(self.lost);
        tariff.cost(cubic_metres(month)) - tariff.cost(cubic_metres(month - self.lost))
    }
}

#[cfg(test)]
mod tests {
    use super::super::leak::Kind;
    use super::*;

    const M3: i64 = 1_000_000;

    fn owner(customer: &str) -> Owner {
        Owner {
            customer_id: customer.into(),
            property_id: "property-1".into(),
            tariff_class: "household-middle-1".into(),
            billable: true,
        }
    }

    fn episode(opened: i64, lost: i64) -> Episode {
        Episode { opened, since: opened, until: opened, kind: Kind::Constant, rate: 0, lost, runs: true }
    }

    /// Household middle 1: 4,900 up to 10 m3, 9,500 up to 20 m3, 12,500 above.
    #[test]
    fn lost_water_is_the_last_of_the_month() {
        let (tariffs, a) = (TariffBook::built_in(), owner("a"));
        let july = Day::parse("2026-07-10").unwrap();
        let mut tally = Tally { day: july.0, ..Tally::default() };
        tally.pass(july, 12 * M3, &a, &a, &tariffs);
        tally.lose(Some(&episode(1, 3 * M3)));
        assert_eq!(tally.rupiah(&a, &tariffs), 2 * 9_500 + 4_900);
        // Ordinary use after it lifts the leak's water into dearer blocks.
        tally.pass(july, 10 * M3, &a, &a, &tariffs);
        tally.lose(Some(&episode(1, 3 * M3)));
        assert_eq!(tally.rupiah(&a, &tariffs), 2 * 12_500 + 9_500);
        // A month that ended keeps its price; the next one begins below.
        let august = Day::parse("2026-08-01").unwrap();
        tally.pass(august, M3, &a, &a, &tariffs);
        tally.lose(Some(&episode(1, 4 * M3)));
        assert_eq!(tally.rupiah(&a, &tariffs), 2 * 12_500 + 9_500 + 4_900);
        // Another episode begins at nothing.
        tally.lose(Some(&episode(2, M3 / 2)));
        assert_eq!(tally.rupiah(&a, &tariffs), 2_450);
    }

    #[test]
    fn a_month_does_not_pass_to_the_next_customer_and_free_water_costs_nothing() {
        let (tariffs, a, b) = (TariffBook::built_in(), owner("a"), owner("b"));
        let day = Day::parse("2026-07-10").unwrap();
        let mut tally = Tally { day: day.0, ..Tally::default() };
        tally.pass(day, 30 * M3, &a, &a, &tariffs);
        tally.pass(day.next(), M3, &a, &b, &tariffs);
        tally.lose(Some(&episode(1, M3)));
        assert_eq!(tally.rupiah(&b, &tariffs), 4_900);
        assert_eq!(tally.rupiah(&Owner { billable: false, ..b }, &tariffs), 0);
    }
}
