//! What people ask of alerts, and why they are not answered.

use indowater_common::domain::request::Problems;

use super::alert::Status;
use super::kinds::AlertType;

/// Which alerts are asked for. All that are set have to fit.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Whose.
    pub customer_id: Option<String>,
    /// Of which type.
    pub alert: Option<AlertType>,
    /// In which status.
    pub status: Option<Status>,
    /// Whether their fact goes on.
    pub open_only: bool,
}

/// What somebody does with an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Looks at it.
    Read,
    /// Says that they know.
    Acknowledge,
    /// Says that it did not help.
    NotHelpful,
}

/// What became of the alerts of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Alerts that were opened.
    pub opened: i64,
    /// Customers who had one.
    pub customers: i64,
    /// Those that were acknowledged.
    pub acknowledged: i64,
    /// Those that did not help.
    pub not_helpful: i64,
    /// Those beyond the budget.
    pub over_budget: i64,
}

/// Why a question or a command was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(Problems),
    /// There is nothing of that id, or it is not theirs.
    #[error("there is no {0}")]
    NotFound(String),
    /// It changed since the caller read it.
    #[error("it has changed since it was read")]
    Stale,
    /// It cannot be done as it stands.
    #[error("{0}")]
    Precondition(&'static str),
    /// The database does not answer.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
}
