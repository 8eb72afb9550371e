//! What the registry's fields may say.

use indowater_common::domain::request;
use indowater_common::domain::zone::{Day, Zone};
use jiff::Timestamp;

use super::Problems;

/// An enumeration of the data model, with its names in documents and messages.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum $name { $($variant),+ }

        impl $name {
            /// How documents and messages call it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The one of that name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }

            /// Reads a field; nothing in it means `default`.
            pub(super) fn read(text: &str, default: Self, field: &str, problems: &mut Problems) -> Self {
                if text.is_empty() {
                    return default;
                }
                Self::named(text).unwrap_or_else(|| {
                    problems.add(field, concat!("must be one of" $(, " ", $text)+));
                    default
                })
            }
        }
    };
}

named! {
    /// What a property is used for.
    PropertyType { Residential = "residential", Commercial = "commercial", Industrial = "industrial" }
}

named! {
    /// What a device is.
    DeviceType { WaterMeter = "water_meter", FlowSensor = "flow_sensor" }
}

named! {
    /// How a device is. Telemetry of an inactive one is refused; one in maintenance still counts water.
    Status { Active = "active", Inactive = "inactive", Maintenance = "maintenance" }
}

/// Whether a device measures a connection, or a part of what another one measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Role {
    Main,
    Sub,
}

impl Role {
    /// How documents and messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Sub => "sub",
        }
    }
}

impl PropertyType {
    /// The tariff class of a property that names none.
    pub const fn default_class(self) -> &'static str {
        match self {
            Self::Residential => "household-middle-1",
            Self::Commercial => "commercial-1",
            Self::Industrial => "industrial-1",
        }
    }
}

/// Reads an RFC 3339 time; `default` if there is none.
pub(super) fn time(text: &str, default: Timestamp, field: &str, problems: &mut Problems) -> Timestamp {
    if text.is_empty() { default } else { request::time(text, default, field, problems) }
}

/// Reads a local day; none if nothing is said.
pub(super) fn day(text: &str, field: &str, problems: &mut Problems) -> Option<Day> {
    if text.is_empty() {
        return None;
    }
    let day = Day::parse(text).filter(|_| text.len() == "2026-01-31".len());
    if day.is_none() {
        problems.add(field, "must be a local day, such as 2026-01-31");
    }
    day
}

/// Reads who changes something and why.
pub(super) fn why(by: &str, reason: &str, problems: &mut Problems) {
    for (field, text) in [("by", by), ("reason", reason)] {
        if text.trim().is_empty() {
            problems.add(field, "is missing");
        }
        request::check_length(text, 200, field, problems);
    }
}

/// Reads an IANA time zone into its proper spelling.
pub(super) fn time_zone(text: &str, field: &str, problems: &mut Problems) -> String {
    let name = if text.is_empty() { super::DEFAULT_TIME_ZONE } else { text };
    match Zone::named(name) {
        Some(zone) => zone.name().to_owned(),
        None => {
            problems.add(field, "must be an IANA time zone, such as Asia/Makassar");
            String::new()
        }
    }
}
