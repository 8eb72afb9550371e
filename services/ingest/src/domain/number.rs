//! Registers as devices write them: decimal digits, taken exactly. A register never passes through a float, where
//! 0.1 m3 is not 100 litres.
//!
//! Some devices compute in binary floats before they write, so `6.054` becomes `6.053999999999999`. Such noise is
//! rounded away at a billionth of a m3, which no meter counts; what is left below one count of the meter is cut off, for
//! a register shows whole counts and never one that has not flowed yet. So a register is rounded once and then truncated,
//! both on the digits as they were written.

use std::fmt;

use indowater_common::domain::meter::Unit;

use super::uplink::SaidUnit;

/// A decimal number as it was written: (`digits` and the rest) x 10^`exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The first significant digits, with the sign.
    digits: i64,
    /// Where the decimal point is.
    exponent: i32,
    /// What stands behind those digits.
    rest: Rest,
}

/// What stands behind the digits that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Nothing but zeros.
    Nothing,
    /// Less than half of the last digit.
    Little,
    /// Half of the last digit, or more.
    Much,
}

/// Why a number is no register of the meter's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is below zero.
    Negative,
    /// It is above every register.
    TooLarge,
}

/// Digits that are kept of a number, and so the finest place at which it is rounded.
const MOST_DIGITS: u32 = 18;
/// A billionth of a m3, as a power of ten of millilitres: what is below is noise.
const NOISE: i64 = -3;

impl Number {
    /// A whole number.
    pub const fn whole(value: i64) -> Self {
        Self { digits: value, exponent: 0, rest: Rest::Nothing }
    }

    /// Reads `-12.50`, `00012`, `1.25e3`. `None` if the text is no number.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let digits = || whole.bytes().chain(fraction.bytes());
        if whole.is_empty() || !digits().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (value, passed, rest) = significant(digits());
        if value == 0 {
            return Some(Self::whole(0));
        }
        let places = i32::try_from(fraction.len()).ok()?;
        let exponent = exponent.saturating_sub(places).saturating_add(passed);
        Some(Self { digits: if negative { -value } else { value }, exponent, rest })
    }

    /// The number, said in `said`, as whole counts of a meter that counts in `unit`.
    pub fn counts(self, said: SaidUnit, unit: Unit) -> Result<i64, Misfit> {
        // Powers of ten of one count: where the last kept digit stands, and where noise begins.
        let own = i64::from(SaidUnit::from(unit).exponent());
        let last = i64::from(self.exponent) + i64::from(said.exponent()) - own;
        let noise = NOISE - own;
        let magnitude = self.digits.unsigned_abs();
        let (magnitude, last) = if last >= noise {
            (magnitude + u64::from(self.rest == Rest::Much), last)
        } else {
            let dropped = u32::try_from(noise - last).ok().and_then(|places| 10_u64.checked_pow(places));
            // Beyond the largest power there is not even half of one left.
            (dropped.map_or(0, |power| magnitude / power + u64::from(magnitude % power >= power / 2)), noise)
        };
        if self.digits < 0 && magnitude > 0 {
            return Err(Misfit::Negative);
        }
        let power = u32::try_from(last.unsigned_abs()).ok().and_then(|places| 10_u64.checked_pow(places));
        let counts = match power {
            _ if magnitude == 0 => Some(0),
            Some(power) if last >= 0 => magnitude.checked_mul(power),
            Some(power) => Some(magnitude / power),
            None => None,
        };
        counts.and_then(|counts| i64::try_from(counts).ok()).ok_or(Misfit::TooLarge)
    }
}

/// A register as a meter shows it that counts in steps of so many counts; of 0 and 1, in single ones.
pub fn whole_steps(count: i64, resolution: u32) -> i64 {
    count - count % i64::from(resolution.max(1))
}

/// The value of the first significant digits without the zeros at their end, how many digits stand behind them, and what
/// those are.
fn significant(digits: impl Iterator<Item = u8>) -> (i64, i32, Rest) {
    let (mut value, mut kept, mut zeros, mut behind) = (0_i64, 0_u32, 0_u32, 0_i32);
    let mut rest = Rest::Nothing;
    for digit in digits.map(|byte| i64::from(byte - b'0')) {
        if behind > 0 || kept + zeros >= MOST_DIGITS {
            // Half or more shows in the first digit that is not kept.
            rest = match rest {
                Rest::Nothing if behind == 0 && digit >= 5 => Rest::Much,
                Rest::Nothing if digit > 0 => Rest::Little,
                seen => seen,
            };
            behind = behind.saturating_add(1);
        } else if digit == 0 {
            zeros += u32::from(value != 0);
        } else {
            // 18 digits fit.
            value = value * 10_i64.pow(if value == 0 { 0 } else { zeros + 1 }) + digit;
            kept += zeros + 1;
            zeros = 0;
        }
    }
    if rest != Rest::Nothing {
        // The kept digits end where the rest begins.
        value *= 10_i64.pow(zeros);
        zeros = 0;
    }
    let passed = i32::try_from(zeros).unwrap_or(i32::MAX).saturating_add(behind);
    (value, passed, rest)
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digits, exponent, rest } = *self;
        match exponent {
            zeros @ 0..=12 => {
                write!(f, "{digits}")?;
                (0..zeros).try_for_each(|_| f.write_str("0"))?;
            }
            places @ -18..0 => {
                let sign = if digits < 0 { "-" } else { "" };
                let unit = 10_u64.pow(places.unsigned_abs());
                let (whole, fraction) = (digits.unsigned_abs() / unit, digits.unsigned_abs() % unit);
                let places = places.unsigned_abs() as usize;
                write!(f, "{sign}{whole}.{fraction:0places$}")?;
            }
            exponent => write!(f, "{digits}e{exponent}")?,
        }
        if rest == Rest::Nothing { Ok(()) } else { f.write_str("…") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::{Decimal, RoundingStrategy};

    use super::*;
    use Misfit::{Negative, TooLarge};
    use SaidUnit::{CubicMetre, Litre, Millilitre};

    fn litres(text: &str, said: SaidUnit) -> Result<i64, Misfit> {
        Number::parse(text).unwrap().counts(said, Unit::Litre)
    }

    #[test]
    fn registers_are_read_exactly() {
        for (text, said, expected) in [
            ("0", Litre, Ok(0)),
            ("00012345", Litre, Ok(12_345)),
            ("12345.000", Litre, Ok(12_345)),
            ("-1", Litre, Err(Negative)),
            ("-0", Litre, Ok(0)),
            ("0.1", CubicMetre, Ok(100)),
            ("1234.567", CubicMetre, Ok(1_234_567)),
            ("1.234567e3", CubicMetre, Ok(1_234_567)),
            ("12e-1", CubicMetre, Ok(1_200)),
            ("12E+3", Litre, Ok(12_000)),
            ("5000", Millilitre, Ok(5)),
            ("0e-400", Litre, Ok(0)),
            ("1e400", Litre, Err(TooLarge)),
            ("1e2147483647", CubicMetre, Err(TooLarge)),
            ("1234567890123456789012", Litre, Err(TooLarge)),
            ("9223372036854775807", CubicMetre, Err(TooLarge)),
            ("100000000000000000000000", Litre, Err(TooLarge)),
            ("1.00000000000000000000000", Litre, Ok(1)),
            ("0.00000000000000000000001e23", Litre, Ok(1)),
        ] {
            assert_eq!(litres(text, said), expected, "{text} {said:?}");
        }
        assert_eq!(Number::parse("1.5").unwrap().counts(Litre, Unit::Millilitre), Ok(1_500));
        assert_eq!(Number::whole(i64::MIN).counts(Litre, Unit::Litre), Err(Negative));
    }

    /// Noise goes at a billionth of a m3, then what is below one count.
    #[test]
    fn noise_is_rounded_away_and_the_rest_truncated() {
        for (text, said, expected) in [
            ("6.053999999999999", CubicMetre, Ok(6_054)),
            ("6.0539999999999998259834203054197132587432861328125", CubicMetre, Ok(6_054)),
            ("6.05400000000000026", CubicMetre, Ok(6_054)),
            ("10590.9638671875", CubicMetre, Ok(10_590_963)),
            ("1.5", Litre, Ok(1)),
            ("1.9999994", Litre, Ok(1)),
            ("1.9999995", Litre, Ok(2)),
            ("0.0019999994", CubicMetre, Ok(1)),
            ("0.0019999995", CubicMetre, Ok(2)),
            ("5001", Millilitre, Ok(5)),
            ("5999.9995", Millilitre, Ok(6)),
            ("5999.9994", Millilitre, Ok(5)),
            ("1e-400", Litre, Ok(0)),
            ("-1e-400", Litre, Ok(0)),
            ("-0.0000000004", CubicMetre, Ok(0)),
            ("-0.0000000005", CubicMetre, Err(Negative)),
            ("-0.4", Litre, Err(Negative)),
            // Of more digits than are kept, the last kept one is the finest place.
            ("123456789012.053999999999", CubicMetre, Ok(123_456_789_012_054)),
            ("123456789012.053499999999", CubicMetre, Ok(123_456_789_012_053)),
        ] {
            assert_eq!(litres(text, said), expected, "{text} {said:?}");
        }
        let fine = Number::parse("6.053999999999999").unwrap();
        assert_eq!(fine.counts(CubicMetre, Unit::Millilitre), Ok(6_054_000));
    }

    #[test]
    fn a_coarse_register_shows_whole_steps() {
        for (count, resolution, shown) in
            [(1_239, 10, 1_230), (1_239, 1_000, 1_000), (999, 1_000, 0), (1_239, 1, 1_239), (1_239, 0, 1_239)]
        {
            assert_eq!(whole_steps(count, resolution), shown, "{count} in steps of {resolution}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".5", "5.", "1.2.3", "1,5", " 1", "0x10", "NaN", "1e", "e5", "--1", "+1", "１"]
        {
            assert_eq!(Number::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_is_shown_as_it_is_read() {
        for (text, shown) in [
            ("1.50", "1.5"),
            ("-0.001", "-0.001"),
            ("7", "7"),
            ("-12.30", "-12.3"),
            ("1e30", "1e30"),
            ("0.0", "0"),
            ("1200", "1200"),
            ("-1.2e5", "-120000"),
            ("1.00000000000000000000001", "1.00000000000000000…"),
        ] {
            assert_eq!(Number::parse(text).unwrap().to_string(), shown);
        }
    }

    proptest! {
        /// Against an independent decimal: rounded once at a billionth of a m3, then truncated, and no other digit lost.
        #[test]
        fn counts_are_the_written_value(
            digits in -999_999_999_999_999_i64..1_000_000_000_000_000, scale in 0_u32..15, millilitres: bool,
        ) {
            let written = Decimal::new(digits, scale);
            let (unit, per_m3) = if millilitres { (Unit::Millilitre, 1_000_000) } else { (Unit::Litre, 1_000) };
            let rounded = written.round_dp_with_strategy(9, RoundingStrategy::MidpointAwayFromZero);
            let counts = Number::parse(&written.to_string()).unwrap().counts(CubicMetre, unit);
            match counts {
                Ok(counts) => prop_assert_eq!(Decimal::from(counts), (rounded * Decimal::from(per_m3)).trunc()),
                Err(Negative) => prop_assert!(rounded < Decimal::ZERO),
                Err(TooLarge) => prop_assert!(rounded >= Decimal::from(i64::MAX / per_m3)),
            }
        }

        /// However many zeros or other digits of noise follow, the counts are the same.
        #[test]
        fn digits_beyond_the_noise_change_nothing(litres in 0_i64..100_000_000, noise in "[0-9]{0,40}") {
            let (whole, part) = (litres / 1_000, litres % 1_000);
            let counts = |text: String| Number::parse(&text).unwrap().counts(CubicMetre, Unit::Litre);
            prop_assert_eq!(counts(format!("{whole}.{part:03}000000{noise}")), Ok(litres));
            prop_assert_eq!(counts(format!("{whole}.{part:03}999999{noise}")), Ok(litres + i64::from(noise.as_bytes().first() >= Some(&b'5'))));
        }

        #[test]
        fn no_text_panics(text in "[-0-9.eE+]{0,60}") {
            if let Some(number) = Number::parse(&text) {
                let _ = (number.counts(CubicMetre, Unit::Millilitre), number.to_string());
            }
        }
    }
}
