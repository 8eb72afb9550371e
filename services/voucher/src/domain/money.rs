//! Whole rupiah.

use std::fmt;

/// An amount in whole rupiah, from 0 to [`Rupiah::MOST`]: nothing that is done with two of them overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rupiah(i64);

impl Rupiah {
    /// The largest amount: a million times a billion is no purchase of water.
    pub const MOST: i64 = 1_000_000_000_000_000;

    /// An amount. `None` if it is out of bounds.
    pub fn new(amount: i64) -> Option<Self> {
        (0..=Self::MOST).contains(&amount).then_some(Self(amount))
    }

    /// An amount of a setting.
    pub const fn whole(amount: u32) -> Self {
        Self(amount as i64)
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// What is left when `other` is taken away; nothing if it is more.
    pub fn less(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0))
    }
}

impl fmt::Display for Rupiah {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
