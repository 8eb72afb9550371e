//! The way of a message beyond the inbox.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::content::Content;
use super::kinds::Severity;
use super::ladder::{Finish, Outcome, Step, Try};
use super::words::Text;

/// A message to one person.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Of the notification and of its delivery.
    pub id: String,
    /// To whom.
    pub user_id: String,
    /// What it tells.
    pub content: Content,
    /// In the person's language.
    pub text: Text,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it waits for the daily digest.
    pub in_digest: bool,
    /// The alert that it is about.
    pub alert_id: Option<String>,
    /// When it was made.
    pub at: Timestamp,
}

/// Where a message stands on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Something is to be done with it.
    Waiting,
    /// It was sent, as often as it is.
    Sent,
    /// Its reader had it before.
    Heard,
    /// What it tells ended before it was sent.
    Past,
    /// There is no channel to its reader.
    Unreachable,
    /// Every channel was tried in vain.
    Dead,
}

impl State {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Heard => "heard",
            Self::Past => "past",
            Self::Unreachable => "unreachable",
            Self::Dead => "dead",
        }
    }
}

impl From<Finish> for State {
    fn from(finish: Finish) -> Self {
        match finish {
            Finish::Sent => Self::Sent,
            Finish::Heard => Self::Heard,
            Finish::Past => Self::Past,
            Finish::Unreachable => Self::Unreachable,
            Finish::Dead => Self::Dead,
        }
    }
}

/// The way of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// That of the notification.
    pub id: String,
    /// To whom.
    pub user_id: String,
    /// What it tells.
    pub content: Content,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it waits for the daily digest.
    pub in_digest: bool,
    /// The alert that it is about.
    pub alert_id: Option<String>,
    /// Where it stands.
    pub state: State,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is sent, which resending moves; seconds since the epoch. So for the next one.
    pub since: i64,
    /// When something is to be done with it next.
    pub due: i64,
    /// Oldest first.
    pub tries: Vec<Try>,
    /// Counts the changes, from 1.
    pub revision: i64,
}

impl Delivery {
    /// The way that a message is to go.
    pub fn of(notice: &Notice) -> Self {
        let at = notice.at.as_second();
        Self {
            id: notice.id.clone(),
            user_id: notice.user_id.clone(),
            content: notice.content.clone(),
            severity: notice.severity,
            in_digest: notice.in_digest,
            alert_id: notice.alert_id.clone(),
            state: State::Waiting,
            created_at: notice.at,
            since: at,
            due: at,
            tries: Vec::new(),
            revision: 1,
        }
    }

    /// Whether a channel took it.
    pub fn was_sent(&self) -> bool {
        self.tries.iter().any(|one| matches!(one.outcome, Outcome::Sent(_)))
    }

    /// Goes a step on its way.
    pub fn step(&mut self, step: Step, now: i64) {
        match step {
            Step::Wait(until) => self.due = until,
            Step::Send(_) => self.due = now,
            Step::Finish(finish) => self.state = finish.into(),
        }
    }

    /// Goes its way once more, from the first channel on.
    pub fn again(&mut self, now: i64) {
        (self.state, self.since, self.due) = (State::Waiting, now, now);
        self.tries.clear();
    }
}

/// What the inbox and the alerts say of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its reader has it.
    pub is_heard: bool,
    /// What it tells has ended.
    pub is_past: bool,
}
