//! The rules of the registry: which properties and devices there may be, and how they may change.
//!
//! Every wrong field of a request is named at once. A time zone is fixed when a property is created, and with it that
//! of its devices: the local day is the day of account, and what was accounted cannot move to another day.

mod device;
mod enrolment;
mod property;
mod text;

pub use device::{Device, DeviceChange, DeviceDraft};
pub use enrolment::{MOST_AT_ONCE, admit_all, enrol};
pub use property::{Property, PropertyChange, PropertyDraft};
pub use text::{DeviceType, MOST_ID, PropertyType, Status};

use std::fmt;

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

/// Every field of a request that is wrong, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes a problem of a field.
    pub fn add(&mut self, field: impl fmt::Display, what: impl fmt::Display) {
        self.0.push(format!("{field} {what}"));
    }

    /// Notes all problems of the entry at `place` of a list.
    pub fn add_all(&mut self, place: impl fmt::Display, problems: Self) {
        self.0.extend(problems.0.into_iter().map(|problem| format!("{place}.{problem}")));
    }

    /// The value, or what is wrong with it.
    ///
    /// # Errors
    /// There are problems.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
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

/// One page of entries in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Entries of the page at most.
    pub size: usize,
    /// The id after which it starts; empty for the first page.
    pub after: String,
}

impl Page {
    const DEFAULT: usize = 50;
    const LARGEST: usize = 500;

    /// The page a caller asked for.
    ///
    /// # Errors
    /// A size out of bounds.
    pub fn new(size: i32, after: String) -> Result<Self, Refusal> {
        match usize::try_from(size) {
            Ok(0) => Ok(Self { size: Self::DEFAULT, after }),
            Ok(size) if size <= Self::LARGEST => Ok(Self { size, after }),
            _ => {
                let mut problems = Problems::default();
                problems.add("page_size", "must be between 1 and 500, or 0 for 50");
                Err(problems.into())
            }
        }
    }
}

/// Takes the page out of entries of which one more than its size were asked for: the entries, and the token of the
/// next page.
pub fn cut_page<T>(page: &Page, mut entries: Vec<T>, id: impl Fn(&T) -> &str) -> (Vec<T>, String) {
    let more = entries.len() > page.size;
    entries.truncate(page.size);
    let next = entries.last().filter(|_| more).map_or(String::new(), |last| id(last).to_owned());
    (entries, next)
}

#[cfg(test)]
mod tests;
