//! From facts to alerts: one watch for each subject and type of alert, which holds the newest facts and the one episode that is
//! open (A1).
//!
//! Facts are joined: the newest revision of each counts, whatever comes again or late. What follows from them is judged anew each
//! time, with a margin between opening and closing. So the same records in whatever order leave the same facts, and an alert is
//! open when these say so.

use indowater_common::domain::zone::Day;
use serde::{Deserialize, Serialize};

use super::balance::{self, Balance, Stage};
use super::content::Content;
use super::device::Device;
use super::kinds::{AlertType, Severity};
use super::leak::{Leak, Leaks};
use super::preferences::Preferences;
use super::usage::{Days, Merged, UsageDay};

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The type of alert.
    pub alert: AlertType,
    /// The device, or for balances the customer.
    pub id: String,
}

impl Subject {
    /// `type|id`: of at most one open alert.
    pub fn key(&self) -> String {
        format!("{}|{}", self.alert.name(), self.id)
    }
}

/// What is known of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facts {
    /// Of `leak_detected`.
    Leaks(Leaks),
    /// Of `low_balance`.
    Balance(Balance),
    /// Of `high_usage`.
    Days(Days),
    /// Of `device_offline`.
    Device(Device),
}

/// A record of a topic, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A leak event.
    Leak(Leak),
    /// A balance.
    Balance(Balance),
    /// A daily record.
    Day(UsageDay),
    /// A device's condition.
    Condition {
        /// Whether it is silent.
        is_offline: bool,
        /// When it was heard last, seconds since the epoch.
        last_seen: i64,
        /// Of the record.
        revision: i64,
    },
    /// A device in the registry.
    Registered {
        /// Whether its silence is no news.
        is_excused: bool,
        /// Where it stands.
        location: String,
        /// Of the record.
        version: i64,
    },
}

/// An alert that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// `alerts.id`.
    pub alert_id: String,
    /// Who was told.
    pub customer_id: String,
    /// What it is of: the leak event; empty for the others.
    pub of: String,
    /// How bad it was when it was told last, rising.
    pub stage: u8,
    /// How often it was told.
    pub told: u32,
}

impl Episode {
    fn telling(&self, severity: Severity, content: Content) -> Told {
        Told {
            alert_id: self.alert_id.clone(),
            customer_id: self.customer_id.clone(),
            id: format!("{}.{}", self.alert_id, self.told),
            severity,
            content,
        }
    }
}

/// A subject under watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What is watched.
    pub subject: Subject,
    /// Who is to be told.
    pub customer_id: String,
    /// What is known.
    pub facts: Facts,
    /// The alert that is open, if one is.
    pub open: Option<Episode>,
    /// Of the stored document; 0 if there is none.
    pub revision: i64,
}

/// What is to be done with alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// One opens.
    Open(Told),
    /// The open one is worse and is told anew.
    Raise(Told),
    /// It ends.
    Close {
        /// Which.
        alert_id: String,
        /// Whose it is.
        customer_id: String,
        /// The message that it is over and its id, unless nobody needs it.
        told: Option<(String, Content)>,
    },
}

/// What is told of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which alert.
    pub alert_id: String,
    /// Whose it is.
    pub customer_id: String,
    /// The message's id: that of the alert, and which of its messages it is.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// The message.
    pub content: Content,
}

/// What else a judgement rests on.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Of the watch's customer.
    pub preferences: &'a Preferences,
    /// What an average day costs the customer, whole rupiah.
    pub daily_cost: Option<i64>,
    /// Seconds since the epoch.
    pub now: i64,
}

/// A fact that an alert should be open for.
struct Situation {
    of: String,
    stage: u8,
    severity: Severity,
    first: Content,
    /// Where it is worse than what was told.
    worse: Content,
}

/// Days after which an unusual day is no news any more.
const STALE_DAYS: i32 = 3;

impl Watch {
    /// Over a subject of which nothing is known.
    pub fn new(subject: Subject, customer_id: &str) -> Self {
        let facts = match subject.alert {
            AlertType::LeakDetected => Facts::Leaks(Leaks::default()),
            AlertType::LowBalance => Facts::Balance(Balance::default()),
            AlertType::HighUsage => Facts::Days(Days::default()),
            AlertType::DeviceOffline => Facts::Device(Device::default()),
        };
        Self { subject, customer_id: customer_id.to_owned(), facts, open: None, revision: 0 }
    }

    /// Takes what a record says of `customer_id`'s. Whether it has to be remembered even if no alert follows from it: what comes
    /// again soon, a balance or the day that goes on, need not.
    pub fn learn(&mut self, customer_id: &str, news: News) -> bool {
        let (is_news, lasts) = match (&mut self.facts, news) {
            (Facts::Leaks(leaks), News::Leak(leak)) => {
                let is_news = leaks.merge(leak);
                (is_news, is_news)
            }
            (Facts::Balance(balance), News::Balance(news)) => (balance.merge(news), false),
            (Facts::Days(days), News::Day(day)) if self.customer_id == customer_id => match days.merge(day) {
                Merged::Nothing => (false, false),
                Merged::Passing => (true, false),
                Merged::Lasting => (true, true),
            },
            // The connection went to somebody else, or this is a day from before it did.
            (Facts::Days(days), News::Day(day)) if days.newest().is_some_and(|newest| newest > day.day) => {
                (false, days.forget(day.day))
            }
            (Facts::Days(days), News::Day(day)) => {
                *days = Days::default();
                days.merge(day);
                (true, true)
            }
            (Facts::Device(device), News::Condition { is_offline, last_seen, revision }) => {
                let is_news = device.condition(is_offline, last_seen, revision);
                (is_news, is_news)
            }
            (Facts::Device(device), News::Registered { is_excused, location, version }) => {
                let is_news = device.registered(is_excused, &location, version);
                (is_news, is_news)
            }
            _ => (false, false),
        };
        if is_news {
            customer_id.clone_into(&mut self.customer_id);
        }
        lasts
    }

    /// What follows from what is known; an alert that opens is called as `new_id` says. Whether the episode changed is seen by
    /// comparing it.
    pub fn judge(&mut self, view: &View<'_>, new_id: impl FnOnce() -> String) -> Vec<Change> {
        let wanted = view.preferences.wants(self.subject.alert);
        let situation = self.situation(view).filter(|_| wanted);
        let goes_on = match (&self.open, &situation) {
            (Some(open), Some(now)) => open.of == now.of && open.customer_id == self.customer_id,
            _ => false,
        };
        let mut changes = Vec::new();
        if let Some(ended) = self.open.take_if(|_| !goes_on) {
            let is_theirs = ended.customer_id == self.customer_id;
            let over = (wanted && is_theirs).then(|| self.over(&ended, view)).flatten();
            let told = over.map(|content| (format!("{}.{}", ended.alert_id, ended.told + 1), content));
            changes.push(Change::Close { alert_id: ended.alert_id, customer_id: ended.customer_id, told });
        }
        let Some(now) = situation else { return changes };
        match &mut self.open {
            Some(open) => {
                if now.stage > open.stage {
                    open.told += 1;
                    changes.push(Change::Raise(open.telling(now.severity, now.worse)));
                }
                open.stage = now.stage;
            }
            None => {
                let (alert_id, customer_id) = (new_id(), self.customer_id.clone());
                let open = Episode { alert_id, customer_id, of: now.of, stage: now.stage, told: 1 };
                changes.push(Change::Open(open.telling(now.severity, now.first)));
                self.open = Some(open);
            }
        }
        changes
    }

    fn situation(&self, view: &View<'_>) -> Option<Situation> {
        let device_id = self.subject.id.clone();
        match &self.facts {
            Facts::Leaks(leaks) => leaks.current().map(|leak| of_leak(leak, device_id)),
            Facts::Balance(balance) => {
                let before = self.open.as_ref().map(|open| Stage::numbered(open.stage));
                let threshold = view.preferences.threshold_balance;
                let stage = balance::stage(balance, threshold, view.daily_cost, before)?;
                Some(of_balance(balance, stage, threshold, view.daily_cost))
            }
            Facts::Days(days) => {
                let excess = days.excess(view.preferences.threshold_usage_ml)?;
                let is_stale = excess.day.0 < Day::latest_anywhere(view.now).0 - STALE_DAYS;
                if is_stale && self.open.is_none() {
                    return None;
                }
                let content = Content::UsageHigh {
                    device_id,
                    day: excess.day.0,
                    volume: excess.volume,
                    usual: excess.usual.filter(|_| view.preferences.threshold_usage_ml.is_none()),
                    limit: excess.limit,
                };
                Some(plain(content))
            }
            Facts::Device(device) => device.is_silent().then(|| {
                let Device { location, last_seen, .. } = device.clone();
                plain(Content::DeviceSilent { device_id, location, last_seen })
            }),
        }
    }

    /// The word that an episode is over; none where it was nothing.
    fn over(&self, ended: &Episode, view: &View<'_>) -> Option<Content> {
        let device_id = self.subject.id.clone();
        match &self.facts {
            Facts::Leaks(leaks) => {
                let leak = leaks.event(&ended.of).filter(|leak| !leak.is_void)?;
                Some(Content::LeakOver { device_id, lost: leak.lost, cost: leak.cost })
            }
            Facts::Balance(balance) => {
                let days_left = balance.lasts(view.daily_cost);
                Some(Content::BalanceRestored { balance: balance.amount, days_left })
            }
            Facts::Days(_) => Some(Content::UsageUsual { device_id }),
            Facts::Device(device) if device.is_offline => None,
            Facts::Device(device) => {
                Some(Content::DeviceBack { device_id, location: device.location.clone() })
            }
        }
    }
}

fn plain(content: Content) -> Situation {
    let severity = content.kind().row().severity.unwrap_or(Severity::Medium);
    Situation { of: String::new(), stage: 1, severity, first: content.clone(), worse: content }
}

fn of_leak(leak: &Leak, device_id: String) -> Situation {
    let (manner, rate, since, cost_a_day) = (leak.manner, leak.rate, leak.since, leak.cost_a_day());
    let severity = manner.severity();
    let (worse_device, leak_id) = (device_id.clone(), leak.id.clone());
    Situation {
        of: leak.id.clone(),
        stage: severity as u8 + 1,
        severity,
        first: Content::LeakFound { device_id, leak_id: leak_id.clone(), manner, rate, since, cost_a_day },
        worse: Content::LeakWorse { device_id: worse_device, leak_id, manner, rate, since, cost_a_day },
    }
}

fn of_balance(balance: &Balance, stage: Stage, threshold: i64, daily_cost: Option<i64>) -> Situation {
    let (amount, days_left) = (balance.amount, balance.lasts(daily_cost));
    let content = match stage {
        Stage::Low => Content::BalanceLow { balance: amount, threshold, days_left },
        Stage::Short => Content::BalanceShort { balance: amount, days_left: days_left.unwrap_or_default() },
        Stage::Empty => Content::BalanceEmpty { balance: amount },
    };
    Situation { stage: stage.number(), ..plain(content) }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
