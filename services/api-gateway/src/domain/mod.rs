//! The rules of the gateway, pure: no I/O, no async, no clock, no chance; all of these are passed in.
//!
//! Types that people see carry `Serialize` and `ToSchema`. The gateway's language is the API's own, so a second set of
//! structs that repeats every field would add nothing but places to forget one.

pub mod access;
pub mod bill;
pub mod failure;
pub mod metering;
pub mod money;
pub mod notification;
pub mod order;
pub mod page;
pub mod payment;
pub mod period;
pub mod purchase;
pub mod question;
pub mod revenue;
pub mod token;
pub mod user;
pub mod voucher;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

/// The variant of an enum that `text` is the written form of.
pub fn word<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let text: StrDeserializer<'a, Error> = text.into_deserializer();
    T::deserialize(text).ok()
}
