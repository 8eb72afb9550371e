//! The two kinds of failure a consumer knows.
//!
//! Every error on the way from a topic to the database is one of two: [`Retry`], the outside world, where the answer
//! is to back off and keep the partition; or a reject, the message itself, where the answer is a dead letter. Rejects
//! are the business of each service's domain; this module holds the other one.

use std::fmt;

/// The outside world failed; the same work may succeed later.
#[derive(Debug)]
pub struct Retry(Box<dyn std::error::Error + Send + Sync>);

impl Retry {
    /// A failure that `what` was being done when it happened.
    pub fn because(what: impl fmt::Display) -> Self {
        Self(what.to_string().into())
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Retry {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// What ends a service: anything it cannot run on without.
pub type Fatal = Box<dyn std::error::Error + Send + Sync>;
