//! Everything that can stand between a question and its answer. Edges turn their own errors into these, and HTTP turns
//! these into problem details, once.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody knows who is asking.
    Unauthenticated(Unauthenticated),
    /// Who is asking is known and may not. Said only where it gives away nothing about what others have.
    Forbidden(&'static str),
    /// There is no such thing, or it is somebody else's; which of the two is not said.
    NotFound(&'static str),
    /// What was asked makes no sense.
    Invalid(Vec<Fault>),
    /// It made sense, but not in the present state of things.
    Conflict(String),
    /// The caller's own word for a request, a key or an id, stands for another request already.
    Reused(String),
    /// Too often; again after the wait.
    TooMany(Duration),
    /// A part of the system that is needed does not answer.
    Unavailable(&'static str),
    /// The same, of a part that goes on where it stopped when the same request comes again: after the wait, if it says so.
    Unfinished(&'static str, Option<Duration>),
    /// A part of the system that is needed took too long.
    TooSlow(&'static str),
    /// A part of the system answered what it never should.
    Broken(&'static str),
}

/// Why nobody knows who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// No access token came along.
    Missing,
    /// What came is no token of ours.
    Bad,
    /// It was one, and its time is over.
    Expired,
    /// Its session ended, or its user was deactivated.
    Ended,
    /// There is no such pair of e-mail address and password.
    WrongCredentials,
}

/// What is wrong with one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// The query parameter, or the path of the field in the body; empty for the body as a whole.
    #[schema(example = "from")]
    pub field: String,
    /// What is wrong with it, for a person.
    #[schema(example = "is not a date of the form YYYY-MM-DD")]
    pub detail: String,
}

impl Fault {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// Collects faults, so that all of them are told at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Keeps the value of a check, or notes its fault.
    pub fn note<T>(&mut self, checked: Result<T, Fault>) -> Option<T> {
        checked.map_err(|fault| self.0.push(fault)).ok()
    }

    /// Adds a fault.
    pub fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(Fault::new(field, detail));
    }

    /// `value`, if everything was in order and so `value` is there.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with all faults.
    pub fn settle<T>(self, value: Option<T>) -> Result<T, Failure> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Failure::Invalid(self.0)),
        }
    }
}
