//! `Decimal` to BSON `Decimal128` and back, bit by bit and exact.
//!
//! IEEE 754-2008 decimal128 in binary integer encoding, as the BSON specification lays it out: sign (1 bit), exponent
//! biased by 6,176 (14 bits), coefficient (113 bits), little endian. A `Decimal` has 96 bits of coefficient and a
//! scale of 0 to 28, so every one of them fits.

use bson::{Bson, Decimal128};
use rust_decimal::Decimal;

const BIAS: u32 = 6_176;
const COEFFICIENT_BITS: u32 = 113;

/// Writes a decimal exactly, trailing zeros included.
pub fn to_decimal128(value: Decimal) -> Decimal128 {
    let sign = u128::from(value.is_sign_negative()) << 127;
    let exponent = u128::from(BIAS - value.scale()) << COEFFICIENT_BITS;
    Decimal128::from_bytes((sign | exponent | value.mantissa().unsigned_abs()).to_le_bytes())
}

/// Reads a decimal. `None` if it is not finite, or beyond 96 bits or 28 places.
pub fn from_decimal128(value: Decimal128) -> Option<Decimal> {
    let bits = u128::from_le_bytes(value.bytes());
    // The two topmost bits of the exponent both set: infinity, NaN, or a coefficient above 113 bits.
    if (bits >> 125) & 0b11 == 0b11 {
        return None;
    }
    let negative = bits >> 127 == 1;
    let exponent = u32::try_from((bits >> COEFFICIENT_BITS) & 0x3fff).ok()?;
    let mut coefficient = i128::try_from(bits & ((1 << COEFFICIENT_BITS) - 1)).ok()?;
    let scale = match BIAS.checked_sub(exponent) {
        Some(scale) => scale,
        None => {
            coefficient = coefficient.checked_mul(10_i128.checked_pow(exponent - BIAS)?)?;
            0
        }
    };
    Decimal::try_from_i128_with_scale(if negative { -coefficient } else { coefficient }, scale).ok()
}

/// A number of any kind that an older system may have written, exactly. None if it is none, or not finite.
pub fn number(value: &Bson) -> Option<Decimal> {
    match value {
        Bson::Decimal128(number) => from_decimal128(*number),
        Bson::Int32(number) => Some((*number).into()),
        Bson::Int64(number) => Some((*number).into()),
        // The digits a float shows are those that were typed.
        Bson::Double(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_decimal_comes_back_and_reads_the_same(
            low in any::<u32>(), mid in any::<u32>(), high in any::<u32>(), negative in any::<bool>(), scale in 0_u32..=28,
        ) {
            let value = Decimal::from_parts(low, mid, high, negative, scale);
            let stored = to_decimal128(value);
            prop_assert_eq!(from_decimal128(stored), Some(value));
            // The driver's own text form is the independent witness.
            let text = stored.to_string();
            let read = Decimal::from_scientific(&text).or_else(|_| text.parse::<Decimal>());
            prop_assert_eq!(read.unwrap(), value);
        }
    }

    #[test]
    fn numbers_of_every_kind_are_read() {
        for value in [Bson::Double(12.5), Bson::Decimal128("12.5".parse().unwrap())] {
            assert_eq!(number(&value), Some(Decimal::new(125, 1)));
        }
        for value in [Bson::Double(12.0), Bson::Int32(12), Bson::Int64(12)] {
            assert_eq!(number(&value), Some(Decimal::from(12)));
        }
        for value in [Bson::Double(f64::NAN), Bson::Double(f64::INFINITY), Bson::from("12"), Bson::Null] {
            assert_eq!(number(&value), None);
        }
    }

    #[test]
    fn what_has_no_decimal_is_refused() {
        for text in ["Infinity", "NaN", "1E+40"] {
            assert_eq!(from_decimal128(text.parse().unwrap()), None, "{text}");
        }
        assert_eq!(from_decimal128("12E+2".parse().unwrap()), Some(Decimal::from(1200)));
    }
}
