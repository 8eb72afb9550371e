//! Whole rupiah of a payment.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in whole rupiah, from 0 to [`Rupiah::MOST`]. The sum of two of them is always representable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Rupiah(i64);

/// The text or the number is no amount of whole rupiah within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of whole rupiah")]
pub struct NotRupiah;

impl Rupiah {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount: far beyond any payment, far below what an `i64` holds.
    pub const MOST: i64 = 1_000_000_000_000_000;

    /// An amount.
    ///
    /// # Errors
    /// It is negative or above [`Rupiah::MOST`].
    pub fn new(amount: i64) -> Result<Self, NotRupiah> {
        if (0..=Self::MOST).contains(&amount) { Ok(Self(amount)) } else { Err(NotRupiah) }
    }

    /// An amount that stands in the source: for constants.
    pub const fn whole(amount: u32) -> Self {
        Self(amount as i64)
    }

    /// Reads the notations of gateways, `10000`, `10000.0`, `10000.00` or `1e4`, digit by digit: no float is involved. Three zeros
    /// after a point would be thousands to some, and are refused where no exponent says that the point is one of decimals.
    ///
    /// # Errors
    /// A sign, a part of a rupiah, anything that is no number, or an amount out of bounds.
    pub fn parse(text: &str) -> Result<Self, NotRupiah> {
        let (number, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(n, e)| (n, Some(e)));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_clear = exponent.is_some() || fraction.len() <= 2;
        let exponent: i32 = exponent.unwrap_or("0").parse().map_err(|_| NotRupiah)?;
        if !are_digits(whole) || !are_digits(fraction) || !is_clear || text.len() > LONGEST {
            return Err(NotRupiah);
        }
        // The digits without their point, and how many of them stand before it.
        let digits = format!("{whole}{fraction}");
        let point = i32::try_from(whole.len()).map_err(|_| NotRupiah)?.saturating_add(exponent);
        let (before, after) = match usize::try_from(point) {
            Ok(point) if point <= digits.len() => digits.split_at(point),
            // More zeros than any amount has would only be refused later.
            Ok(point) if point <= LONGEST => return Self::parse(&format!("{digits:0<point$}")),
            Ok(_) => return if is_nothing(&digits) { Ok(Self::ZERO) } else { Err(NotRupiah) },
            Err(_) => ("", digits.as_str()),
        };
        if !is_nothing(after) {
            return Err(NotRupiah);
        }
        if before.is_empty() {
            Ok(Self::ZERO)
        } else {
            before.parse().map_err(|_| NotRupiah).and_then(Self::new)
        }
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// What is left when `other` is taken away; nothing if that is more.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0))
    }

    /// Both together, at most [`Rupiah::MOST`].
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self((self.0 + other.0).min(Self::MOST))
    }

    /// The share of this amount that belongs to `part` of `whole`, rounded down; all of it if `part` is the whole, and nothing if it is
    /// nothing.
    #[must_use]
    pub fn share(self, part: Self, whole: Self) -> Self {
        if part.is_zero() {
            return Self::ZERO;
        }
        if part >= whole {
            return self;
        }
        let share = i128::from(self.0) * i128::from(part.0) / i128::from(whole.0);
        // Less than `self`, for the part is less than the whole.
        Self(i64::try_from(share).unwrap_or(self.0))
    }
}

/// No amount is written longer.
const LONGEST: usize = 64;

fn is_nothing(digits: &str) -> bool {
    digits.bytes().all(|digit| digit == b'0')
}

impl TryFrom<i64> for Rupiah {
    type Error = NotRupiah;

    fn try_from(amount: i64) -> Result<Self, NotRupiah> {
        Self::new(amount)
    }
}

impl From<Rupiah> for i64 {
    fn from(amount: Rupiah) -> Self {
        amount.0
    }
}

impl fmt::Display for Rupiah {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gateways_write_is_read_exactly() {
        for (text, amount) in [
            ("10000", 10_000),
            ("10000.0", 10_000),
            ("10000.00", 10_000),
            ("0.00", 0),
            ("5e4", 50_000),
            ("5.0E+4", 50_000),
            ("50350e0", 50_350),
            ("5.035e4", 50_350),
            ("500000e-1", 50_000),
            ("0e99", 0),
            ("0e-99", 0),
            ("999999999999999.00", 999_999_999_999_999),
        ] {
            assert_eq!(Rupiah::parse(text).map(Rupiah::get), Ok(amount), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".00",
            "-1",
            "+1",
            "1e",
            "e4",
            "1e4.0",
            "5.03505e4",
            "5e-1",
            "1e16",
            "1e999999999",
            "1e99999999999",
            "10000.50",
            "5.000",
            "10.000",
            " 5000",
            "10.000,00",
            "1 000",
            "Rp1",
            "1000000000000001",
            "99999999999999999999",
        ] {
            assert_eq!(Rupiah::parse(text), Err(NotRupiah), "{text:?}");
        }
    }

    #[test]
    fn shares_are_rounded_down_and_add_up() {
        let [discount, part, whole] = [10_000, 30_001, 90_000].map(|n| Rupiah::new(n).expect("in bounds"));
        assert_eq!(discount.share(part, whole).get(), 3_333);
        assert_eq!(discount.share(whole, whole), discount);
        assert_eq!(discount.share(Rupiah::ZERO, whole), Rupiah::ZERO);
    }
}
