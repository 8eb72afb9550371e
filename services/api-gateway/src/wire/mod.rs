//! What services say, generated from their schemas in the form in which HTTP shows it: the options in
//! `indowater/api/v1/options.proto` decide names, formats and who sees a field, `build.rs` turns them into attributes.
//!
//! Nothing is converted between a service's answer and the JSON of ours. What a service never should say, such as an
//! unspecified status, is found when it is written, and [`crate::http::reply`] makes an error of it.

pub mod form;

use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Role;

include!(concat!(env!("OUT_DIR"), "/packages.rs"));

#[allow(clippy::all, clippy::pedantic, unused_qualifications)]
mod traits {
    include!(concat!(env!("OUT_DIR"), "/traits.rs"));
}

/// What HTTP shows.
pub trait Shown: Serialize {
    /// Takes away what users of `role` are not to see. Nothing is by default: who adds a type says what of it is for whom.
    fn redact(&mut self, role: Role);
}

/// A service's answer that holds one thing.
pub trait Single {
    /// What it holds.
    type Item;
    /// The thing, which a service never leaves out.
    fn into_item(self) -> Option<Self::Item>;
}

/// A service's answer that holds a page of things.
pub trait Page {
    /// What it holds.
    type Item;
    /// The things, and the service's token of the next page; empty on the last.
    fn into_items(self) -> (Vec<Self::Item>, String);
}

/// A volume of water in cubic metres: an exact decimal in a string, for a JSON number becomes a binary float in most
/// clients, and a float is not what a meter counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, format = "decimal", pattern = r"^-?[0-9]+(\.[0-9]+)?$", example = "0.512")]
pub struct CubicMetres(pub Decimal);

/// An amount in Indonesian rupiah: an exact decimal in a string, for a JSON number becomes a binary float in most
/// clients, and money does not bear that. The cost of a day may have decimals; what is posted to a balance is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, format = "decimal", pattern = r"^-?[0-9]+(\.[0-9]+)?$", example = "2355.2")]
pub struct Rupiah(pub Decimal);
