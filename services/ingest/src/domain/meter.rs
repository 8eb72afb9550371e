//! What ingest must know of a meter: what its register counts and which registers it can show. What a step from one
//! read to the next means is the usage-aggregator's question.

use indowater_common::domain::meter::Unit;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// The facts of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Meter {
    /// What its register counts.
    pub unit: Unit,
    /// Digits of the register in its unit.
    pub digits: u32,
    /// Permanent flow rate Q3, litres per hour (ISO 4064-1).
    pub q3_litres_per_hour: u32,
    /// The count at which the register wraps, in its unit; 0: at 10^digits.
    pub wraps_at: i64,
    /// The step in which the register counts, in its unit; 0: not told.
    pub resolution: u32,
}

impl Meter {
    /// Five digits of cubic metres that count litres, and a household's permanent flow (Q3 = 2.5 m3/h).
    pub const HOUSEHOLD: Self =
        Self { unit: Unit::Litre, digits: 8, q3_litres_per_hour: 2_500, wraps_at: 0, resolution: 0 };

    /// Where the register wraps.
    pub fn capacity(&self) -> i64 {
        match self.wraps_at {
            0 => 10_i64.checked_pow(self.digits).unwrap_or(i64::MAX),
            told => told,
        }
    }

    /// Whether a register can show this.
    pub fn can_show(&self, register: i64) -> bool {
        (0..self.capacity()).contains(&register)
    }

    /// Cubic metres as the count that the register shows; `None` if it cannot show that.
    pub fn count_of(&self, cubic_metres: Decimal) -> Option<i64> {
        let counts = cubic_metres.checked_mul(Decimal::from(self.unit.per_litre() * 1_000))?;
        if counts.is_integer() { counts.to_i64().filter(|count| self.can_show(*count)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_wraps_at_a_power_of_ten_unless_told_otherwise() {
        assert_eq!(Meter::HOUSEHOLD.capacity(), 100_000_000);
        let module = Meter { wraps_at: 1 << 24, ..Meter::HOUSEHOLD };
        assert!(module.can_show((1 << 24) - 1) && !module.can_show(1 << 24) && !module.can_show(-1));
    }

    #[test]
    fn cubic_metres_are_counts_exactly_or_not_at_all() {
        let fine = Meter { unit: Unit::Millilitre, digits: 11, ..Meter::HOUSEHOLD };
        for (meter, text, count) in [
            (Meter::HOUSEHOLD, "1204.551", Some(1_204_551)),
            (Meter::HOUSEHOLD, "0.0005", None),
            (Meter::HOUSEHOLD, "100000", None),
            (Meter::HOUSEHOLD, "-1", None),
            (fine, "0.000500", Some(500)),
        ] {
            assert_eq!(meter.count_of(text.parse().unwrap()), count, "{text}");
        }
    }
}
