//! Registers as files write them: exactly, and never by guessing what a sign means.
//!
//! `67.000` is 67 for one program and 67,000 for another. Where a number can be read both ways, the file is not read
//! until an option says which sign stands before the decimals.

use std::str::FromStr as _;

use indowater_proto::telemetry::v1::RegisterUnit;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::lost::Reason;

/// In what the file counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FileUnit {
    /// Litres
    Litre,
    /// Millilitres
    Millilitre,
    /// Cubic metres, with decimals
    CubicMetre,
}

impl FileUnit {
    /// The unit of the meters behind it.
    pub const fn of_the_meter(self) -> RegisterUnit {
        match self {
            Self::Litre | Self::CubicMetre => RegisterUnit::Litre,
            Self::Millilitre => RegisterUnit::Millilitre,
        }
    }

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Litre => "litre",
            Self::Millilitre => "millilitre",
            Self::CubicMetre => "cubic metre",
        }
    }
}

/// The sign before decimals; the other one and blanks may separate thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DecimalSign {
    /// As in 1,234.5
    Point,
    /// As in 1.234,5
    Comma,
}

/// Why a text is not read as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoNumber {
    /// It is none.
    Senseless,
    /// It may be one of two, or has signs whose meaning nobody told.
    Ambiguous,
}

/// Signs between thousands, besides the point and the comma.
const BETWEEN_THOUSANDS: [char; 5] = [' ', '\u{a0}', '\u{202f}', '\'', '\u{2019}'];
/// Decimals that a unit may have: what is finer is noise of binary arithmetic.
const NOISE: u32 = 9;

/// Reads a number as it is written.
///
/// # Errors
/// It is none, or may be one of two.
pub fn number(text: &str, sign: Option<DecimalSign>, unit: FileUnit) -> Result<Decimal, NoNumber> {
    let text = text.trim();
    match sign {
        Some(DecimalSign::Point) => plain(&without_thousands(text, '.', ',').ok_or(NoNumber::Senseless)?),
        Some(DecimalSign::Comma) => plain(&without_thousands(text, ',', '.').ok_or(NoNumber::Senseless)?),
        None => match plain(text) {
            Ok(_) if unit != FileUnit::CubicMetre && may_be_thousands(text) => Err(NoNumber::Ambiguous),
            Ok(number) => Ok(number),
            Err(_) if has_signs(text) => Err(NoNumber::Ambiguous),
            Err(why) => Err(why),
        },
    }
}

/// A number in the unit of the file as counts of its meters: noise is rounded away, what is below a count is cut off. Says
/// whether something was.
///
/// # Errors
/// It is beyond every register.
pub fn counts(number: Decimal, unit: FileUnit) -> Result<(i64, bool), Reason> {
    let number = number.round_dp(NOISE);
    let scaled = match unit {
        FileUnit::CubicMetre => number.checked_mul(Decimal::ONE_THOUSAND).ok_or(Reason::TooLarge)?,
        FileUnit::Litre | FileUnit::Millilitre => number,
    };
    let whole = scaled.floor();
    Ok((whole.to_i64().ok_or(Reason::TooLarge)?, whole != scaled))
}

/// Whether a number has decimals that are not noise.
pub fn has_decimals(number: Decimal) -> bool {
    !number.round_dp(NOISE).fract().is_zero()
}

/// Digits, with a point before decimals and a power of ten behind.
fn plain(text: &str) -> Result<Decimal, NoNumber> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || !digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)) {
        return Err(NoNumber::Senseless);
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let number = if mantissa.len() == unsigned.len() {
        Decimal::from_str(text)
    } else {
        // Statistics tools write a round register as `4e+05`; that is a number like any other.
        Decimal::from_scientific(text)
    };
    number.map_err(|_| NoNumber::Senseless)
}

/// Whether the point of a plain number may stand between thousands, as in `67.000`.
fn may_be_thousands(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.split_once('.').is_some_and(|(whole, fraction)| {
        fraction.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0')
    })
}

/// Whether a text is a number but for signs between its digits.
fn has_signs(text: &str) -> bool {
    let sign = |c: char| ".,".contains(c) || BETWEEN_THOUSANDS.contains(&c);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.starts_with(|c: char| c.is_ascii_digit())
        && unsigned.ends_with(|c: char| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || sign(c))
}

/// The number with a point before decimals and nothing between thousands; `None` if the groups are no thousands.
fn without_thousands(text: &str, decimal: char, thousands: char) -> Option<String> {
    let (whole, rest) = match text.find([decimal, 'e', 'E']) {
        Some(place) => text.split_at(place),
        None => (text, ""),
    };
    let between = |c: char| c == thousands || BETWEEN_THOUSANDS.contains(&c);
    let Some(separator) = whole.chars().find(|c| between(*c)) else {
        return Some(format!("{whole}{}", rest.replacen(decimal, ".", 1)));
    };
    let mut groups = whole.split(separator);
    let first = groups.next()?.trim_start_matches(['-', '+']);
    let is_group = |group: &str| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    ((1..=3).contains(&first.len()) && groups.all(is_group))
        .then(|| format!("{}{}", whole.replace(separator, ""), rest.replacen(decimal, ".", 1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_register_is_taken_exactly() {
        use FileUnit::{CubicMetre, Litre, Millilitre};
        for (text, unit, expected) in [
            ("68321", Litre, Some(68_321)),
            (" 0068321 ", Litre, Some(68_321)),
            ("4e+05", Litre, Some(400_000)),
            ("12.0", Litre, Some(12)),
            ("12.5", Litre, Some(12)),
            ("0.500", Litre, Some(0)),
            ("1234.567", Litre, Some(1_234)),
            ("12.345", CubicMetre, Some(12_345)),
            ("0.1", CubicMetre, Some(100)),
            ("12.3456", CubicMetre, Some(12_345)),
            // Noise of binary arithmetic, below and above the number that was meant.
            ("6.053999999999999", CubicMetre, Some(6_054)),
            ("6.054000000000001", CubicMetre, Some(6_054)),
            ("6.05399999999999938182770972866", CubicMetre, Some(6_054)),
            ("10590.9638671875", CubicMetre, Some(10_590_963)),
            ("-1", Millilitre, Some(-1)),
            ("99999999999999999999", Litre, None),
        ] {
            let read = number(text, None, unit).map(|number| counts(number, unit).ok().map(|(c, _)| c));
            assert_eq!(read, Ok(expected), "{text} {unit:?}");
        }
    }

    #[test]
    fn what_may_be_two_numbers_is_neither() {
        use NoNumber::{Ambiguous, Senseless};
        for (text, unit, why) in [
            ("67.000", FileUnit::Litre, Ambiguous),
            ("67.000", FileUnit::Millilitre, Ambiguous),
            ("999.999", FileUnit::Litre, Ambiguous),
            ("67,000", FileUnit::Litre, Ambiguous),
            ("67,000", FileUnit::CubicMetre, Ambiguous),
            ("12,5", FileUnit::CubicMetre, Ambiguous),
            ("1.234.567", FileUnit::Litre, Ambiguous),
            ("1 234", FileUnit::Litre, Ambiguous),
            ("", FileUnit::Litre, Senseless),
            ("-", FileUnit::Litre, Senseless),
            ("NaN", FileUnit::Litre, Senseless),
            ("12.", FileUnit::Litre, Senseless),
            ("much, much", FileUnit::Litre, Senseless),
            ("1_000", FileUnit::Litre, Senseless),
            ("1e999", FileUnit::Litre, Senseless),
        ] {
            assert_eq!(number(text, None, unit), Err(why), "{text:?} {unit:?}");
        }
    }

    #[test]
    fn an_option_says_what_the_signs_mean() {
        use DecimalSign::{Comma, Point};
        for (text, sign, expected) in [
            ("67.000", Comma, Some("67000")),
            ("67.000", Point, Some("67")),
            ("1.234.567,89", Comma, Some("1234567.89")),
            ("1,234,567.89", Point, Some("1234567.89")),
            ("1 234 567,5", Comma, Some("1234567.5")),
            ("1\u{a0}234\u{a0}567", Comma, Some("1234567")),
            ("1'234.5", Point, Some("1234.5")),
            ("-1.234", Comma, Some("-1234")),
            ("12,5", Comma, Some("12.5")),
            ("4,2e3", Comma, Some("4200")),
            // No groups of three, two kinds of signs, two signs before decimals.
            ("12.5", Comma, None),
            ("1.23.456", Comma, None),
            ("1234.567", Comma, None),
            ("1.234 567", Comma, None),
            ("1,2,3", Comma, None),
            (".123", Comma, None),
        ] {
            let read = number(text, Some(sign), FileUnit::Litre).ok();
            assert_eq!(read, expected.map(|text| text.parse().unwrap()), "{text:?} {sign:?}");
        }
    }

    fn grouped(digits: &str, separator: &str) -> String {
        let groups: Vec<&str> = digits
            .as_bytes()
            .rchunks(3)
            .rev()
            .map(|group| std::str::from_utf8(group).expect("digits"))
            .collect();
        groups.join(separator)
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            counts in 0_i64..=999_999_999_999_999, scale in 0_u32..=6, style in 0_usize..5, minus: bool
        ) {
            let exact = Decimal::new(if minus { -counts } else { counts }, scale);
            let text = exact.abs().to_string();
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let (sign, thousands, decimal) = [
                (DecimalSign::Point, "", '.'),
                (DecimalSign::Point, ",", '.'),
                (DecimalSign::Comma, ".", ','),
                (DecimalSign::Comma, "\u{a0}", ','),
                (DecimalSign::Comma, " ", ','),
            ][style];
            let mut text = grouped(whole, thousands);
            if !fraction.is_empty() {
                text.push(decimal);
                text.push_str(fraction);
            }
            if exact.is_sign_negative() {
                text.insert(0, '-');
            }
            prop_assert_eq!(number(&text, Some(sign), FileUnit::Litre), Ok(exact));
        }

        #[test]
        fn without_an_option_a_number_is_read_as_it_is_or_not_at_all(
            counts in 0_i64..=999_999_999_999, scale in 0_u32..=6
        ) {
            let exact = Decimal::new(counts, scale);
            prop_assert_eq!(number(&exact.to_string(), None, FileUnit::CubicMetre), Ok(exact));
            match number(&exact.to_string(), None, FileUnit::Litre) {
                Ok(read) => prop_assert_eq!(read, exact),
                Err(why) => prop_assert_eq!((why, scale), (NoNumber::Ambiguous, 3)),
            }
        }

        #[test]
        fn floats_of_cubic_metres_are_their_litres(litres in 0_i64..=99_999_999) {
            #[allow(clippy::float_arithmetic, clippy::cast_precision_loss)]
            let text = format!("{:?}", (litres as f64) * 0.001);
            let number = number(&text, None, FileUnit::CubicMetre).expect("a number");
            prop_assert_eq!(counts(number, FileUnit::CubicMetre), Ok((litres, false)));
        }
    }
}
