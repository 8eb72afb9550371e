//! The rules of the registry: which properties and devices there may be, and how they may change.
//!
//! Every wrong field of a request is named at once. A time zone is fixed when a property is created, and with it that
//! of its devices: the local day is the day of account, and what was accounted cannot move to another day.
//!
//! Whose the water is, in which class, and what the meter counts hold from a local day on ([`timeline`]): each day takes
//! what was in force on it, whenever that became known.

mod change;
mod correction;
mod device;
mod enrolment;
mod exchange;
mod period;
mod property;
mod text;
pub mod timeline;

pub use change::{DeviceChange, Surroundings};
pub use correction::Correction;
pub use device::{Device, DeviceDraft, Remark};
pub use enrolment::{Enrolled, MOST_AT_ONCE, admit_all, enrol};
pub use exchange::MeterExchange;
pub use indowater_common::domain::request::{Page, Problems};
pub use period::{Exchanged, Period, PeriodPart, Tenancy, TenancyPart};
pub use property::{Property, PropertyChange, PropertyChanged, PropertyDraft};
pub use text::{DeviceType, PropertyType, Role, Status};

/// The time zone of a property that names none: western Indonesia.
pub const DEFAULT_TIME_ZONE: &str = "Asia/Jakarta";

/// Why the registry does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fields that are wrong.
    #[error("{0}")]
    Invalid(Problems),
    /// There is no such entry.
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// `property` or `device`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// An identifier belongs to another entry.
    #[error("{field} {value:?} is taken")]
    Taken {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// It cannot be done as things stand.
    #[error("{0}")]
    Precondition(String),
    /// The entry changed since the caller read it.
    #[error("{what} {id:?} is at version {is}, not {expected}: read it again")]
    Stale {
        /// `property` or `device`.
        what: &'static str,
        /// Its id.
        id: String,
        /// What the caller read.
        expected: i64,
        /// What it is.
        is: i64,
    },
    /// The store does not answer.
    #[error("the registry cannot be reached: {0}")]
    Unavailable(String),
}

impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}

/// Which devices to list.
#[derive(Clone, Debug, Default)]
pub struct DeviceFilter {
    /// Of this customer only.
    pub customer_id: Option<String>,
    /// Of this property only.
    pub property_id: Option<String>,
    /// In this status only.
    pub status: Option<Status>,
}

#[cfg(test)]
mod calls_tests;
#[cfg(test)]
mod tests;
