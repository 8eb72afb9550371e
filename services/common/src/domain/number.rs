//! Numbers in texts, read without guessing.
//!
//! What looks like a number means different things to different people: `5.000` is five to some and five thousand to others, and
//! parsers of numbers take signs, blanks, underscores and exponents that nobody who writes an amount means. So each kind of number
//! has one way to be written, and everything else is refused with a sentence that says what that way is.

use rust_decimal::Decimal;

/// Decimal places of a price at most. Three would be what many write for thousands.
pub const PRICE_PLACES: u32 = 2;

/// A text that is no number of its kind; the sentence says what one looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// Of whole rupiah.
    #[error("must be whole rupiah in digits alone, such as 5000: no point, comma, sign, blank or exponent")]
    Rupiah,
    /// Of rupiah that may have decimals.
    #[error(
        "must be rupiah in digits, with at most two more after a point, such as 4900 or 4900.50: no thousands sign, sign, blank or exponent"
    )]
    Price,
    /// Of anything exact.
    #[error("is no decimal number, such as 12.5")]
    Decimal,
}

/// Whole rupiah: `5000`.
///
/// # Errors
/// Anything but digits, or more than can be counted.
pub fn rupiah(text: &str) -> Result<i64, NotANumber> {
    Some(text).filter(|text| is_digits(text)).and_then(|text| text.parse().ok()).ok_or(NotANumber::Rupiah)
}

/// A price: `4900`, `4900.5` or `4900.50`.
///
/// # Errors
/// Anything else; `5.000`, too.
pub fn price(text: &str) -> Result<Decimal, NotANumber> {
    limited(text, PRICE_PLACES).ok_or(NotANumber::Price)
}

/// A number that is not negative, of digits with at most so many after a point. None if it is none.
pub fn limited(text: &str, places: u32) -> Option<Decimal> {
    let sound = match text.split_once('.') {
        Some((whole, fraction)) => {
            is_digits(whole)
                && is_digits(fraction)
                && u32::try_from(fraction.len()).is_ok_and(|n| n <= places)
        }
        None => is_digits(text),
    };
    Decimal::from_str_exact(text).ok().filter(|_| sound)
}

/// A decimal as services write it for each other: digits, with a point among them if there are decimals, and a minus before them
/// if it is negative.
///
/// # Errors
/// Anything else, or more digits than are exact.
pub fn decimal(text: &str) -> Result<Decimal, NotANumber> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let sound = match digits.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(digits),
    };
    Decimal::from_str_exact(text).ok().filter(|_| sound).ok_or(NotANumber::Decimal)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What somebody or some parser takes for five thousand, or five.
    const AMBIGUOUS: [&str; 18] = [
        "5.000", "5,000", "5.000,00", "5,000.00", "5e3", "5E3", " 5000", "5000 ", "+5000", "5_000", "5 000",
        "5000.", ".5", "", "-", "Rp5000", "0x10", "５000",
    ];

    #[test]
    fn money_is_written_in_one_way() {
        assert_eq!((rupiah("5000"), rupiah("0"), rupiah("007")), (Ok(5_000), Ok(0), Ok(7)));
        for wrong in AMBIGUOUS.into_iter().chain(["5000.0", "5000.00", "-5000", "9223372036854775808"]) {
            assert_eq!(rupiah(wrong), Err(NotANumber::Rupiah), "{wrong:?}");
        }
        for (text, value) in [("4900", (4_900, 0)), ("4900.5", (49_005, 1)), ("4900.50", (490_050, 2))] {
            assert_eq!(price(text), Ok(Decimal::new(value.0, value.1)), "{text}");
        }
        for wrong in AMBIGUOUS.into_iter().chain(["-1", "1.234"]) {
            assert_eq!(price(wrong), Err(NotANumber::Price), "{wrong:?}");
        }
    }

    #[test]
    fn services_write_decimals_for_each_other() {
        for text in ["0", "-0.000001", "5.000", "79228162514264337593543950335"] {
            assert_eq!(decimal(text).map(|value| value.to_string()), Ok(text.to_owned()));
        }
        for wrong in
            AMBIGUOUS.into_iter().filter(|text| *text != "5.000").chain(["--5", "-+5", "1.2.3", "NaN"])
        {
            assert_eq!(decimal(wrong), Err(NotANumber::Decimal), "{wrong:?}");
        }
    }

    proptest! {
        /// Whatever is typed: what is read as whole rupiah or as a price says the same when it is written again.
        #[test]
        fn nothing_is_read_as_something_else(text in "[-+ 0-9.,_eE]{0,12}") {
            if let Ok(amount) = rupiah(&text) {
                prop_assert_eq!(format!("{amount:0>width$}", width = text.len()), text.clone());
            }
            if let Ok(value) = price(&text) {
                let digits = text.split('.').next().unwrap_or_default().trim_start_matches('0').len();
                prop_assert_eq!(value.trunc().to_string().trim_start_matches('0').len(), digits);
                prop_assert!(value.scale() <= PRICE_PLACES);
            }
            if let Ok(value) = decimal(&text) {
                prop_assert_eq!(value, text.parse::<Decimal>().unwrap());
            }
        }
    }
}
