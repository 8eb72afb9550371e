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
    Conflict {
        /// Why, for programs: what a service called it, such as `bill-paid`.
        kind: String,
        /// Why, for a person.
        detail: String,
    },
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

impl Failure {
    /// One value is wrong.
    pub fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(field, detail)])
    }

    /// Not in the present state of things, for a reason that has no name of its own.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::Conflict { kind: "conflict".to_owned(), detail: detail.into() }
    }
}

impl Fault {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// Characters of a reason at most.
const LONGEST_REASON: usize = 500;

/// Collects faults, so that all of them are reported at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(Fault::new(field, detail));
    }

    /// Checks a sentence that says why a person did something.
    pub fn check_reason(&mut self, reason: &str) {
        if reason.trim().is_empty() || reason.chars().count() > LONGEST_REASON {
            self.add("reason", format!("must be 1 to {LONGEST_REASON} characters"));
        }
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with all there are.
    pub fn none(self) -> Result<(), Failure> {
        if self.0.is_empty() { Ok(()) } else { Err(Failure::Invalid(self.0)) }
    }
}
