//! An alert as it is kept: `alerts`, from its opening to its end.

use jiff::Timestamp;

use super::content::Content;
use super::kinds::{AlertType, Severity};
use super::words::Text;

/// `alerts.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody looked.
    Unread,
    /// Somebody looked.
    Read,
    /// Somebody said that they know.
    Acknowledged,
}

impl Status {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Unread, Self::Read, Self::Acknowledged];

    /// As the data model has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Read => "read",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// The status of that name; what another system left without one is unread.
    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|one| one.name() == name).unwrap_or(Self::Unread)
    }
}

/// An alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// `alerts.id`.
    pub id: String,
    /// Whose it is.
    pub customer_id: String,
    /// Its type.
    pub alert: AlertType,
    /// How much it matters now.
    pub severity: Severity,
    /// In the customer's language, as told last.
    pub text: Text,
    /// What it is about, as told last; none of another system's.
    pub content: Option<Content>,
    /// Whether anybody noticed.
    pub status: Status,
    /// The device or customer it is about.
    pub subject_id: String,
    /// When it opened.
    pub created_at: Timestamp,
    /// When somebody looked.
    pub read_at: Option<Timestamp>,
    /// When somebody said that they know.
    pub acknowledged_at: Option<Timestamp>,
    /// When its fact ended.
    pub closed_at: Option<Timestamp>,
    /// When the customer said that it did not help.
    pub not_helpful_at: Option<Timestamp>,
    /// Whether it came beyond its budget, and so waited for the digest.
    pub is_over_budget: bool,
    /// Counts the changes, from 1.
    pub revision: i64,
}

impl Alert {
    /// It is told anew, for it is worse: whoever read it before has not read this.
    pub fn raise(&mut self, severity: Severity, text: Text, content: Content) {
        (self.severity, self.text, self.content) = (severity, text, Some(content));
        (self.status, self.read_at, self.acknowledged_at) = (Status::Unread, None, None);
        self.revision += 1;
    }

    /// Its fact ended. Whether that is new; so for all that follow.
    pub fn close(&mut self, now: Timestamp) -> bool {
        self.change(|alert| alert.closed_at.is_none().then(|| alert.closed_at = Some(now)))
    }

    /// Somebody looked.
    pub fn read(&mut self, now: Timestamp) -> bool {
        self.change(|alert| {
            (alert.status == Status::Unread)
                .then(|| (alert.status, alert.read_at) = (Status::Read, Some(now)))
        })
    }

    /// Somebody says that they know.
    pub fn acknowledge(&mut self, now: Timestamp) -> bool {
        self.change(|alert| {
            (alert.status != Status::Acknowledged).then(|| {
                alert.status = Status::Acknowledged;
                alert.read_at = alert.read_at.or(Some(now));
                alert.acknowledged_at = Some(now);
            })
        })
    }

    /// The customer says that it did not help.
    pub fn not_helpful(&mut self, now: Timestamp) -> bool {
        self.change(|alert| alert.not_helpful_at.is_none().then(|| alert.not_helpful_at = Some(now)))
    }

    fn change(&mut self, change: impl FnOnce(&mut Self) -> Option<()>) -> bool {
        let is_new = change(self).is_some();
        self.revision += i64::from(is_new);
        is_new
    }
}
