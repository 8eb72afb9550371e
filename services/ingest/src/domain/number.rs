//! Registers as devices write them: decimal digits, taken exactly. A register never passes through a float, where
//! 0.1 m3 is not 100 litres.

use std::fmt;

use indowater_common::domain::meter::Unit;

use super::uplink::SaidUnit;

/// A decimal number as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `digits` x 10^`exponent`.
    Exact {
        /// All significant digits, with the sign.
        digits: i64,
        /// Where the decimal point is.
        exponent: i32,
    },
    /// More significant digits than any register has.
    Beyond,
}

/// Why a number is no register of the meter's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It has decimals below one count.
    TooFine,
    /// It is above every register.
    TooLarge,
}

impl Number {
    /// A whole number.
    pub const fn whole(value: i64) -> Self {
        Self::Exact { digits: value, exponent: 0 }
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
        let Some((value, zeros)) = significant(digits()) else {
            return Some(Self::Beyond);
        };
        if value == 0 {
            return Some(Self::whole(0));
        }
        let places = i32::try_from(fraction.len()).ok()?;
        let exponent = exponent.checked_sub(places)?.checked_add(zeros)?;
        Some(Self::Exact { digits: if negative { -value } else { value }, exponent })
    }

    /// The number, said in `said`, as counts of a meter that counts in `unit`; exactly or not at all.
    pub fn counts(self, said: SaidUnit, unit: Unit) -> Result<i64, Misfit> {
        let Self::Exact { digits, exponent } = self else {
            return Err(Misfit::TooLarge);
        };
        let shift =
            i64::from(exponent) + i64::from(said.exponent()) - i64::from(SaidUnit::from(unit).exponent());
        let power = u32::try_from(shift.unsigned_abs()).ok().and_then(|shift| 10_i64.checked_pow(shift));
        if shift >= 0 {
            power.and_then(|power| digits.checked_mul(power)).ok_or(Misfit::TooLarge)
        } else {
            power.filter(|power| digits % power == 0).map(|power| digits / power).ok_or(Misfit::TooFine)
        }
    }
}

/// The value of the digits without the zeros at the end, and how many those are.
fn significant(digits: impl Iterator<Item = u8>) -> Option<(i64, i32)> {
    let (mut value, mut zeros) = (0_i64, 0_u32);
    for digit in digits.map(|byte| i64::from(byte - b'0')) {
        if digit == 0 {
            zeros += u32::from(value != 0);
        } else {
            let power = if value == 0 { 1 } else { 10_i64.checked_pow(zeros + 1)? };
            value = value.checked_mul(power)?.checked_add(digit)?;
            zeros = 0;
        }
    }
    Some((value, i32::try_from(zeros).ok()?))
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exact { digits, exponent: 0 } => write!(f, "{digits}"),
            Self::Exact { digits, exponent: places @ -18..0 } => {
                let sign = if digits < 0 { "-" } else { "" };
                let unit = 10_u64.pow(places.unsigned_abs());
                let (whole, rest) = (digits.unsigned_abs() / unit, digits.unsigned_abs() % unit);
                let places = places.unsigned_abs() as usize;
                write!(f, "{sign}{whole}.{rest:0places$}")
            }
            Self::Exact { digits, exponent } => write!(f, "{digits}e{exponent}"),
            Self::Beyond => f.write_str("of more than 18 digits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    fn litres(text: &str, said: SaidUnit) -> Result<i64, Misfit> {
        Number::parse(text).unwrap().counts(said, Unit::Litre)
    }

    #[test]
    fn registers_are_read_exactly() {
        for (text, said, expected) in [
            ("0", SaidUnit::Litre, Ok(0)),
            ("00012345", SaidUnit::Litre, Ok(12_345)),
            ("12345.000", SaidUnit::Litre, Ok(12_345)),
            ("-1", SaidUnit::Litre, Ok(-1)),
            ("-0", SaidUnit::Litre, Ok(0)),
            ("0.1", SaidUnit::CubicMetre, Ok(100)),
            ("1234.567", SaidUnit::CubicMetre, Ok(1_234_567)),
            ("1.234567e3", SaidUnit::CubicMetre, Ok(1_234_567)),
            ("12e-1", SaidUnit::CubicMetre, Ok(1_200)),
            ("12E+3", SaidUnit::Litre, Ok(12_000)),
            ("5000", SaidUnit::Millilitre, Ok(5)),
            ("1.5", SaidUnit::Litre, Err(Misfit::TooFine)),
            ("5001", SaidUnit::Millilitre, Err(Misfit::TooFine)),
            ("1e-400", SaidUnit::Litre, Err(Misfit::TooFine)),
            ("0e-400", SaidUnit::Litre, Ok(0)),
            ("1e400", SaidUnit::Litre, Err(Misfit::TooLarge)),
            ("1234567890123456789012", SaidUnit::Litre, Err(Misfit::TooLarge)),
            ("9223372036854775807", SaidUnit::CubicMetre, Err(Misfit::TooLarge)),
            ("100000000000000000000000", SaidUnit::Litre, Err(Misfit::TooLarge)),
            ("1.00000000000000000000000", SaidUnit::Litre, Ok(1)),
        ] {
            assert_eq!(litres(text, said), expected, "{text} {said:?}");
        }
        assert_eq!(Number::parse("1.5").unwrap().counts(SaidUnit::Litre, Unit::Millilitre), Ok(1_500));
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
        ] {
            assert_eq!(Number::parse(text).unwrap().to_string(), shown);
        }
    }

    proptest! {
        /// Against an independent decimal: whatever is written, the counts are exactly it.
        #[test]
        fn counts_are_the_written_value(digits in -999_999_999_999_i64..1_000_000_000_000, scale in 0_u32..9) {
            let written = Decimal::new(digits, scale);
            let number = Number::parse(&written.to_string()).unwrap();
            let exact = written * Decimal::from(1_000);
            match number.counts(SaidUnit::CubicMetre, Unit::Litre) {
                Ok(counts) => prop_assert_eq!(Decimal::from(counts), exact),
                Err(misfit) => {
                    prop_assert_eq!(misfit, Misfit::TooFine);
                    prop_assert!(!exact.is_integer());
                }
            }
        }

        #[test]
        fn no_text_panics(text in "[-0-9.eE+]{0,30}") {
            if let Some(number) = Number::parse(&text) {
                let _ = number.counts(SaidUnit::CubicMetre, Unit::Millilitre);
            }
        }
    }
}
