//! What customers ask of the ledger: what is left, for how long, and why.

use indowater_common::clock;
use indowater_common::domain::tariff::Part;
use indowater_common::domain::zone::Day;
use indowater_common::error::Retry;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::tariffs::TariffDesk;
use crate::domain::charge::{ChargedDay, Month};
use crate::domain::ledger::{AccountDay, Balance, Entry, book_day};
use crate::mongo::Store;

/// What is left and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What is left.
    pub balance: Balance,
    /// When it changed last, seconds since the epoch; 0 if nothing was ever posted.
    pub updated_at: i64,
    /// What an average day costs, rupiah; none without usage.
    pub daily_cost: Option<Decimal>,
}

impl Standing {
    /// For how many whole days the balance lasts; none if nothing is used.
    pub fn runway_days(&self) -> Option<i64> {
        let daily = self.daily_cost.filter(|daily| daily.is_sign_positive() && !daily.is_zero())?;
        (Decimal::from(self.balance.left().max(0)) / daily).floor().to_i64()
    }
}

/// How a day's cost comes about.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedDay {
    /// The day.
    pub day: ChargedDay,
    /// Where its volume falls; what flowed back is negative.
    pub parts: Vec<Part>,
    /// Its share of the fixed charge and of the minimum, rupiah.
    pub fixed_and_minimum: Decimal,
}

/// Days over which an average day is taken.
const RECENT_DAYS: i32 = 30;

/// Answers from the ledger. Cheap to clone.
#[derive(Clone)]
pub struct Questions {
    store: Store,
    tariffs: TariffDesk,
}

impl Questions {
    /// From that database.
    pub fn new(store: Store, tariffs: TariffDesk) -> Self {
        Self { store, tariffs }
    }

    /// What a customer has left and for how long. Nobody is unknown: without entries it is nothing.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn standing(&self, customer_id: &str) -> Result<Standing, Retry> {
        // An average over thirty days needs no property's own zone.
        let today = book_day(clock::now().as_second());
        let since = Day(today.0 - RECENT_DAYS);
        let (balance, updated_at) = self.store.balance(customer_id).await?.unwrap_or_default();
        let months = self.store.months_since(customer_id, since).await?;
        Ok(Standing { balance, updated_at, daily_cost: average(&months, since, today) })
    }

    /// A page of entries, newest first, before sequence `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn statement(
        &self,
        customer_id: &str,
        before: Option<i64>,
        page: usize,
    ) -> Result<Vec<(Entry, i64)>, Retry> {
        Ok(self.store.statement(customer_id, before, i64::try_from(page)?).await?)
    }

    /// An entry of a customer with how its days' costs come about; none if the customer has no such entry.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn explain(
        &self,
        customer_id: &str,
        entry_id: &str,
    ) -> Result<Option<((Entry, i64), Vec<ExplainedDay>)>, Retry> {
        let Some(entry) = self.store.entry(customer_id, entry_id).await? else { return Ok(None) };
        let mut days = Vec::new();
        for day in entry.0.draft.usage.iter().flat_map(|usage| &usage.days) {
            days.push(self.explain_day(day).await?);
        }
        Ok(Some((entry, days)))
    }

    /// What every account of the ledger received on every day of a span.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn revenue(&self, from: Day, to: Day) -> Result<Vec<AccountDay>, Retry> {
        Ok(self.store.revenue(from, to).await?)
    }

    async fn explain_day(&self, day: &ChargedDay) -> Result<ExplainedDay, Retry> {
        if !day.charge.charged {
            let nothing = Decimal::ZERO;
            return Ok(ExplainedDay { day: day.clone(), parts: Vec::new(), fixed_and_minimum: nothing });
        }
        let tariff = self.tariffs.on(&day.charge.tariff_class, day.day).await?;
        let cubic_metres = |millilitres: i64| Decimal::new(millilitres, 6);
        let before = cubic_metres(day.charge.month_to_date_before_ml);
        let after = before + cubic_metres(day.charge.volume_ml);
        let parts = if after < before {
            tariff.parts(after, before).map(|part| Part { volume: -part.volume, ..part }).collect()
        } else {
            tariff.parts(before, after).collect()
        };
        let fixed_and_minimum = tariff.beyond_volume(day.day, after);
        Ok(ExplainedDay { day: day.clone(), parts, fixed_and_minimum })
    }
}

/// What an average day of those since `since` and before `today` costs that are charged, all devices together.
fn average(months: &[Month], since: Day, today: Day) -> Option<Decimal> {
    let days = || {
        let days = months.iter().flat_map(|month| month.days.range(since..today));
        days.filter(|(_, charge)| charge.charged)
    };
    let distinct: std::collections::BTreeSet<_> = days().map(|(day, _)| day).collect();
    let cost: Decimal = days().map(|(_, charge)| charge.cost).sum();
    (!distinct.is_empty()).then(|| cost / Decimal::from(distinct.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::charge::DayCharge;

    fn month(days: &[(i32, i64)]) -> Month {
        let charge = |cost| DayCharge {
            revision: 1,
            volume_ml: 0,
            cost: Decimal::from(cost),
            tariff_class: "social-1".into(),
            month_to_date_before_ml: 0,
            charged: true,
        };
        let days = days.iter().map(|(day, cost)| (Day(*day), charge(*cost)));
        Month { days: days.collect(), ..Month::default() }
    }

    #[test]
    fn an_average_day_is_that_of_all_devices_without_today() {
        let months = [month(&[(9, 100), (10, 300), (20, 9_999)]), month(&[(10, 200)]), month(&[(2, 5_000)])];
        assert_eq!(average(&months, Day(3), Day(20)), Some(Decimal::from(300)));
        assert_eq!(average(&months, Day(11), Day(20)), None);
        // A day that is somebody else's by now, or not billable, is no day on which water cost nothing.
        let mut moved = month(&[(9, 100), (10, 0)]);
        moved.days.get_mut(&Day(10)).unwrap().charged = false;
        assert_eq!(average(&[moved], Day(3), Day(20)), Some(Decimal::from(100)));
    }

    #[test]
    fn a_balance_lasts_for_whole_days_and_a_debt_for_none() {
        let accrued = 1_000;
        let standing = |left: i64, daily: Option<i64>| Standing {
            balance: Balance { posted: left + accrued, accrued, sequence: 1 },
            updated_at: 0,
            daily_cost: daily.map(Decimal::from),
        };
        assert_eq!(standing(10_999, Some(1_000)).runway_days(), Some(10));
        assert_eq!(standing(-5, Some(1_000)).runway_days(), Some(0));
        assert_eq!((standing(5, None).runway_days(), standing(5, Some(0)).runway_days()), (None, None));
    }
}
