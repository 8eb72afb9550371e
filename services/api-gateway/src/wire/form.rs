//! How fields are written: each function is named in an attribute that `build.rs` makes of a field's options. What is
//! nothing on the wire (0, an empty text, an unspecified value) is an error, or null where the name says so.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a field holds: a value, nothing, or what it never should.
type Held<T> = Result<Option<T>, &'static str>;

/// An enum whose values are words in JSON.
pub trait Vocabulary: TryFrom<i32> + Copy + PartialEq + 'static {
    /// Every value but the unspecified one, with its word.
    const WORDS: &'static [(Self, &'static str)];

    /// The value's word.
    fn word(self) -> Option<&'static str> {
        Self::WORDS.iter().find(|(value, _)| *value == self).map(|(_, word)| *word)
    }

    /// The value of that word.
    fn of(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, word)| *word == text).map(|(value, _)| *value)
    }
}

/// Reads a word.
///
/// # Errors
/// There is no such word; says which there are.
pub fn read_word<'de, T: Vocabulary, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let words = || T::WORDS.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(", ");
    T::of(&text).ok_or_else(|| D::Error::custom(format!("must be one of {}", words())))
}

/// Teaches an enum of a schema its words, in JSON and in the document.
macro_rules! vocabulary {
    ($name:path, $about:literal, [$(($variant:ident, $word:literal, $means:literal)),* $(,)?]) => {
        impl crate::wire::form::Vocabulary for $name {
            const WORDS: &'static [(Self, &'static str)] = &[$((<$name>::$variant, $word)),*];
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crate::wire::form::word::<Self, _, _>(&i32::from(*self), serializer)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::wire::form::read_word(deserializer)
            }
        }
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let mut about = $about.to_owned();
                $( about += concat!("\n- `", $word, "`: ", $means); )*
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),*]))
                    .description(Some(about))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}
    };
}
pub(crate) use vocabulary;

/// An enum's number or word on the wire.
pub trait Worded<T> {
    /// The value; none if it is unspecified.
    fn value(&self) -> Held<T>;
}

impl<T: Vocabulary> Worded<T> for i32 {
    fn value(&self) -> Held<T> {
        if *self == 0 {
            return Ok(None);
        }
        T::try_from(*self).map(Some).map_err(|_| "a value that is not known")
    }
}

impl<T: Vocabulary> Worded<T> for String {
    fn value(&self) -> Held<T> {
        if self.is_empty() {
            return Ok(None);
        }
        T::of(self).map(Some).ok_or("a word that is not known")
    }
}

/// A moment on the wire.
pub trait Instant {
    /// The moment.
    fn moment(&self) -> Held<Timestamp>;
}

impl Instant for i64 {
    fn moment(&self) -> Held<Timestamp> {
        let moment = (*self != 0).then(|| Timestamp::from_second(*self)).transpose();
        moment.map_err(|_| "seconds beyond all time")
    }
}

impl Instant for String {
    fn moment(&self) -> Held<Timestamp> {
        let moment = (!self.is_empty()).then(|| self.parse()).transpose();
        moment.map_err(|_| "a text that is no moment")
    }
}

/// A decimal on the wire: a volume in millilitres, or a number as a text.
pub trait Number {
    /// The decimal.
    fn decimal(&self) -> Held<Decimal>;
}

impl Number for i64 {
    fn decimal(&self) -> Held<Decimal> {
        Ok(Some(Decimal::new(*self, 6).normalize()))
    }
}

impl Number for String {
    fn decimal(&self) -> Held<Decimal> {
        let decimal = (!self.is_empty()).then(|| Decimal::from_str_exact(self)).transpose();
        decimal.map(|decimal| decimal.map(|it| it.normalize())).map_err(|_| "a text that is no decimal")
    }
}

impl<T: Instant> Instant for Option<T> {
    fn moment(&self) -> Held<Timestamp> {
        self.as_ref().map_or(Ok(None), T::moment)
    }
}

impl<T: Number> Number for Option<T> {
    fn decimal(&self) -> Held<Decimal> {
        self.as_ref().map_or(Ok(None), T::decimal)
    }
}

fn some<T: Serialize, S: Serializer>(held: Held<T>, serializer: S) -> Result<S::Ok, S::Error> {
    held.and_then(|held| held.ok_or("nothing")).map_err(S::Error::custom)?.serialize(serializer)
}

fn maybe<T: Serialize, S: Serializer>(held: Held<T>, serializer: S) -> Result<S::Ok, S::Error> {
    held.map_err(S::Error::custom)?.serialize(serializer)
}

fn held(text: &str) -> Held<&str> {
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn day(text: &str) -> Held<Date> {
    (!text.is_empty()).then(|| text.parse()).transpose().map_err(|_| "a text that is no date")
}

/// Each of these functions writes a field that must hold something, and its neighbour one that may hold nothing.
macro_rules! forms {
    ($($name:ident, $or_null:ident, ($value:ident: $type:ty) $(, $param:ident: $bound:path)? => $held:expr;)+) => { $(
        /// Writes a field that holds something.
        pub fn $name<$($param: $bound,)? S: Serializer>($value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
            some($held, serializer)
        }

        /// Writes a field that holds something or nothing.
        pub fn $or_null<$($param: $bound,)? S: Serializer>($value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
            maybe($held, serializer)
        }
    )+ };
}

forms! {
    moment, moment_or_null, (value: T), T: Instant => value.moment();
    volume, volume_or_null, (value: T), T: Number => value.decimal();
    decimal, decimal_or_null, (value: T), T: Number => value.decimal();
    date, date_or_null, (value: T), T: AsRef<str> => day(value.as_ref());
    text, text_or_null, (value: T), T: AsRef<str> => held(value.as_ref());
}

/// Writes an enum's word.
pub fn word<T: Vocabulary, W: Worded<T>, S: Serializer>(value: &W, serializer: S) -> Result<S::Ok, S::Error> {
    some(value.value().map(|value| value.and_then(T::word)), serializer)
}

/// Writes an enum's word, or null where it is unspecified.
pub fn word_or_null<T: Vocabulary, W: Worded<T>, S: Serializer>(
    value: &W,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    maybe(value.value().map(|value| value.and_then(T::word)), serializer)
}

/// Writes the words of a list.
pub fn words<T: Vocabulary, S: Serializer>(values: &[i32], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(values.len()))?;
    for value in values {
        let known: Option<T> = value.value().map_err(S::Error::custom)?;
        list.serialize_element(known.and_then(T::word).ok_or_else(|| S::Error::custom("nothing"))?)?;
    }
    list.end()
}

/// Writes the opposite truth value.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
pub fn not<S: Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(!value)
}

/// Writes true unless something else was said.
#[allow(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "the shape that serde asks for")]
pub fn true_by_default<S: Serializer>(value: &Option<bool>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(value.unwrap_or(true))
}

/// Writes a message that a service never leaves out.
#[allow(clippy::ref_option, reason = "the shape that serde asks for")]
pub fn present<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().ok_or_else(|| S::Error::custom("nothing"))?.serialize(serializer)
}
