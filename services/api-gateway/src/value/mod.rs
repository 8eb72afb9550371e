//! Values of queries and bodies, each of a type that can hold nothing else: reading one says what it must be.

pub mod period;

use std::fmt::Display;

use indowater_common::domain::number;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};

/// Makes a type readable from a text by a function that says what is wrong.
macro_rules! read_from_text {
    ($($name:ident by $read:expr;)+) => { $(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_text(deserializer, $read)
            }
        }
    )+ };
}

fn read_text<'de, T, E: Display, D: Deserializer<'de>>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    read(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// An id of anything. Never empty, for an empty one means "all" to the services and would widen what was meant narrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenId(pub String);

/// A local day: `YYYY-MM-DD` and no other form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub Date);

/// A moment of whole seconds after 1970, in seconds since 1970-01-01T00:00:00Z. What happens is kept in whole seconds or
/// finer, so a bound between two of them would not say which is meant, and 0 would be no bound at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub i64);

impl Moment {
    /// RFC 3339 in UTC, as calls have it.
    pub fn rfc3339(self) -> String {
        Timestamp::from_second(self.0).unwrap_or(Timestamp::MAX).to_string()
    }
}

/// A moment, or a local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayOrMoment {
    /// The whole day.
    Day(Date),
    /// In seconds since 1970-01-01T00:00:00Z.
    Moment(i64),
}

/// A volume in m³: at most six decimal places, for a millilitre has six.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume(pub Decimal);

/// A price or charge in rupiah, with at most two decimal places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price(pub Decimal);

/// A number of whole rupiah in a query, not below 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub i64);

/// Beyond it a product of two of them might not be exact any more, and no tariff or month comes near.
const LARGEST: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);
/// More than anything costs.
const LARGEST_AMOUNT: i64 = 1_000_000_000_000;
const PLACES: u32 = 6;

read_from_text! {
    GivenId by |text| if text.is_empty() { Err("must not be empty") } else { Ok(GivenId(text.to_owned())) };
    Day by |text| day(text).map(Day).ok_or("is not a date of the form YYYY-MM-DD");
    Moment by |text| {
        moment(text).map(Moment).ok_or("must be a moment in whole seconds after 1970, such as 2026-11-22T03:15:00Z")
    };
    DayOrMoment by |text| {
        let day = day(text).map(DayOrMoment::Day).or_else(|| moment(text).map(DayOrMoment::Moment));
        day.ok_or("must be a date YYYY-MM-DD or a moment in whole seconds after 1970, such as 2026-11-22T03:15:00Z")
    };
    Volume by volume;
    Price by |text| match number::price(text) {
        Ok(price) if price <= LARGEST => Ok(Price(price.normalize())),
        Ok(_) => Err(format!("must be at most {LARGEST}")),
        Err(why) => Err(why.to_string()),
    };
    Amount by |text| match number::rupiah(text) {
        Ok(amount) if amount <= LARGEST_AMOUNT => Ok(Amount(amount)),
        Ok(_) => Err("must be a number of whole rupiah from 0 to 10^12".to_owned()),
        Err(why) => Err(why.to_string()),
    };
}

fn day(text: &str) -> Option<Date> {
    // The parser takes more forms than one; what we document is one.
    text.parse::<Date>().ok().filter(|date| date.to_string() == text)
}

fn moment(text: &str) -> Option<i64> {
    let moment = text.parse::<Timestamp>().ok().filter(|at| at.subsec_nanosecond() == 0);
    moment.map(Timestamp::as_second).filter(|seconds| *seconds > 0)
}

fn volume(text: &str) -> Result<Volume, String> {
    let value = number::decimal(text).ok().filter(Decimal::is_sign_positive);
    match value.map(|value| value.normalize()) {
        Some(value) if value <= LARGEST && value.scale() <= PLACES => Ok(Volume(value)),
        Some(_) => Err(format!("must be at most {LARGEST} and have at most {PLACES} decimal places")),
        None => Err("must be a decimal number, such as 12.5, not below 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Error> {
        let text: StrDeserializer<'_, Error> = text.into_deserializer();
        T::deserialize(text)
    }

    #[test]
    fn days_and_moments_have_one_form() {
        assert_eq!(read::<Day>("2026-11-22").unwrap().0.to_string(), "2026-11-22");
        for form in
            ["20261122", "2026-11-22T00:00", "2026-11-22 ", "26-11-22", "+002026-11-22", "2026-02-30", ""]
        {
            assert!(read::<Day>(form).is_err(), "{form}");
        }
        assert_eq!(read("2026-11-22T00:00:00+07:00"), Ok(Moment(1_795_280_400)));
        for wrong in
            ["soon", "2026-11-22", "2026-11-22T00:00:00.5Z", "1970-01-01T00:00:00Z", "1969-01-01T00:00:00Z"]
        {
            assert!(read::<Moment>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read("2026-11-21T17:00:00Z"), Ok(DayOrMoment::Moment(1_795_280_400)));
        assert_eq!(read("2026-11-22"), Ok(DayOrMoment::Day("2026-11-22".parse().unwrap())));
        assert!(read::<DayOrMoment>("now").is_err());
    }

    #[test]
    fn numbers_are_read_as_they_are_written_or_refused() {
        assert_eq!(read("12.50"), Ok(Volume(Decimal::new(125, 1))));
        for wrong in ["", "-1", "+1", "1,5", "1e3", "1_0", "1000000001", "0.0000001", "."] {
            assert!(read::<Volume>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read("4900.50"), Ok(Price(Decimal::new(49_005, 1))));
        for wrong in
            ["5.000", "4,900", "5e3", " 4900", "+4900", "4900.", "4_900", "-4900", "4900.500", "1000000001"]
        {
            assert!(read::<Price>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read("50000"), Ok(Amount(50_000)));
        for wrong in
            ["", "-1", "1.5", "+5", "5.000", "5,000", "5e3", " 5000", "5000.0", "5_000", "1000000000001"]
        {
            assert!(read::<Amount>(wrong).is_err(), "{wrong}");
        }
        assert!(read::<GivenId>("").is_err());
    }
}
