//! A customer's balance: how far down it is, with a margin on the way back so that nothing flickers.

use serde::{Deserialize, Serialize};

/// A balance as of one record of the balances topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Whole rupiah.
    pub amount: i64,
    /// Of the ledger's last entry.
    pub sequence: i64,
    /// When it was told, seconds since the epoch.
    pub at: i64,
}

impl Balance {
    /// Takes a record. Whether it says anything new.
    pub fn merge(&mut self, other: Self) -> bool {
        let is_newer = (other.sequence, other.at) > (self.sequence, self.at);
        if is_newer {
            *self = other;
        }
        is_newer
    }

    /// For how many whole days it lasts at so many rupiah a day.
    pub fn lasts(&self, daily_cost: Option<i64>) -> Option<i64> {
        daily_cost.filter(|cost| *cost > 0).map(|cost| self.amount.max(0) / cost)
    }
}

/// How far down a balance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// At or below the customer's threshold.
    Low,
    /// Lasts three days at most.
    Short,
    /// Nothing is left.
    Empty,
}

impl Stage {
    /// As it is kept in an episode, rising.
    pub const fn number(self) -> u8 {
        match self {
            Self::Low => 1,
            Self::Short => 2,
            Self::Empty => 3,
        }
    }

    /// The stage of a number.
    pub const fn numbered(number: u8) -> Self {
        match number {
            0 | 1 => Self::Low,
            2 => Self::Short,
            _ => Self::Empty,
        }
    }
}

/// Days of credit at which a balance is short, and from which on it is not any more.
const SHORT_DAYS: i64 = 3;
const ENOUGH_DAYS: i64 = 5;
/// The least margin between low and not low any more, in rupiah.
const LEAST_MARGIN: i64 = 1_000;

/// How far down `balance` is, if it is, where it was at `before`. A stage is reached at its figure and left only beyond it by a
/// margin: a tenth of the threshold, or two days of credit.
pub fn stage(
    balance: &Balance,
    threshold: i64,
    daily_cost: Option<i64>,
    before: Option<Stage>,
) -> Option<Stage> {
    let (amount, days) = (balance.amount, balance.lasts(daily_cost));
    let margin = (threshold / 10).max(LEAST_MARGIN);
    let holds = |stage: Stage| {
        let (reached, left) = match stage {
            Stage::Empty => (amount <= 0, amount > margin),
            Stage::Short => {
                (days.is_some_and(|days| days <= SHORT_DAYS), days.is_none_or(|days| days >= ENOUGH_DAYS))
            }
            Stage::Low => (amount <= threshold, amount > threshold.saturating_add(margin)),
        };
        reached || (before.is_some_and(|before| before >= stage) && !left)
    };
    [Stage::Empty, Stage::Short, Stage::Low].into_iter().find(|stage| holds(*stage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_falls_and_rises_with_a_margin() {
        let of = |amount| Balance { amount, ..Balance::default() };
        for (amount, before, expected) in [
            (50_001, None, None),
            (50_000, None, Some(Stage::Low)),
            (50_001, Some(Stage::Low), Some(Stage::Low)),
            (55_000, Some(Stage::Low), Some(Stage::Low)),
            (55_001, Some(Stage::Low), None),
            (0, Some(Stage::Low), Some(Stage::Empty)),
            (-1, None, Some(Stage::Empty)),
            (5_000, Some(Stage::Empty), Some(Stage::Empty)),
            (5_001, Some(Stage::Empty), Some(Stage::Low)),
            (100_000, Some(Stage::Empty), None),
        ] {
            assert_eq!(stage(&of(amount), 50_000, None, before), expected, "{amount} after {before:?}");
        }
    }

    #[test]
    fn days_of_credit_count_where_a_day_is_dear() {
        let of = |amount| Balance { amount, ..Balance::default() };
        let dear = Some(40_000);
        assert_eq!(stage(&of(160_000), 50_000, dear, None), None);
        assert_eq!(stage(&of(159_999), 50_000, dear, None), Some(Stage::Short));
        assert_eq!(stage(&of(199_999), 50_000, dear, Some(Stage::Short)), Some(Stage::Short));
        assert_eq!(stage(&of(200_000), 50_000, dear, Some(Stage::Short)), None);
        assert_eq!(of(-5).lasts(dear), Some(0));
        assert_eq!(of(5).lasts(Some(0)), None);
    }
}
