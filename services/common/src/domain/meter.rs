//! What registers count, and a register at a moment.

use rust_decimal::Decimal;

/// What one count of a register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A litre, the usual household meter: m3 with three decimals.
    Litre,
    /// A millilitre: six decimals.
    Millilitre,
}

impl Unit {
    /// Counts in a litre.
    pub const fn per_litre(self) -> i64 {
        match self {
            Self::Litre => 1,
            Self::Millilitre => 1_000,
        }
    }

    /// A number of counts in cubic metres, exactly.
    pub fn cubic_metres(self, counts: i64) -> Decimal {
        let scale = match self {
            Self::Litre => 3,
            Self::Millilitre => 6,
        };
        Decimal::new(counts, scale)
    }

    /// A number of counts in millilitres, exactly (saturating, far beyond any register).
    pub const fn millilitres(self, counts: i64) -> i64 {
        counts.saturating_mul(1_000 / self.per_litre())
    }

    /// How it is written in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Litre => "litre",
            Self::Millilitre => "millilitre",
        }
    }

    /// The unit of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Litre, Self::Millilitre].into_iter().find(|unit| unit.name() == name)
    }
}

/// A cumulative register at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Point {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// What it showed: counts of a meter's unit, or millilitres where the rules of steps and paths ask for them.
    pub register: i64,
}
