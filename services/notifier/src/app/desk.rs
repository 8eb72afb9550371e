//! From records to what is written: facts are learned, alerts judged, messages made in each reader's language, and all of it
//! committed at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indowater_common::clock;
use indowater_common::error::Retry;
use indowater_common::quarantine::Spoilt;
use jiff::{SignedDuration, Timestamp};

use crate::domain::alert::{Alert, Status};
use crate::domain::content::Content;
use crate::domain::delivery::Notice;
use crate::domain::kinds::Severity;
use crate::domain::person::{Person, Role};
use crate::domain::preferences::Preferences;
use crate::domain::watch::{Change, News, Subject, Told, View, Watch};
use crate::domain::words::{Catalogue, Text};
use crate::mongo::{Changes, Store};
use crate::observe;

/// What a record is about.
#[derive(Clone, Debug)]
pub enum Item {
    /// A fact that an alert may follow from.
    News {
        /// What it is about.
        subject: Subject,
        /// Whose it is.
        customer_id: String,
        /// The fact.
        news: News,
    },
    /// Something that is told once.
    Word(Word),
    /// Somebody who can be told.
    Person(Person),
}

/// Something that is told once.
#[derive(Clone, Debug)]
pub struct Word {
    /// The same whenever it is told.
    pub id: String,
    /// Whom it is for.
    pub to: To,
    /// What it says.
    pub content: Content,
    /// When it happened, seconds since the epoch.
    pub at: i64,
}

/// Whom a word is for.
#[derive(Clone, Debug)]
pub enum To {
    /// That customer.
    Customer(String),
    /// Technicians and administrators.
    Staff,
}

/// What all partitions share.
pub struct Shared {
    /// The database.
    pub store: Store,
    /// The texts.
    pub catalogue: Arc<Catalogue>,
}

/// Seconds after which a word is no news any more: a topic that is read from its beginning tells of years.
const STALE: i64 = 3 * 86_400;
/// Alerts of so long count for the budget.
const BUDGET_DAYS: i64 = 30;

/// The records of one partition that wait to be written.
pub struct Desk {
    shared: Arc<Shared>,
    waiting: Vec<(Box<str>, Item)>,
    spoilt: Vec<Spoilt>,
}

/// What a judgement needs of people.
struct Known {
    people: HashMap<String, Person>,
    preferences: HashMap<String, Preferences>,
    daily_costs: HashMap<String, i64>,
}

impl Desk {
    /// With nothing that waits.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, waiting: Vec::new(), spoilt: Vec::new() }
    }

    /// How much waits.
    pub fn pending(&self) -> usize {
        self.waiting.len()
    }

    /// Takes what a record of that key says.
    pub fn take(&mut self, key: &[u8], item: Item) {
        self.waiting.push((String::from_utf8_lossy(key).into(), item));
    }

    /// Records whose document cannot be read, and why; they are written nowhere.
    pub fn spoilt(&mut self) -> &mut Vec<Spoilt> {
        &mut self.spoilt
    }

    /// Writes what follows from all that waits.
    ///
    /// # Errors
    /// The database does not answer, or another instance was in between; nothing is forgotten.
    pub async fn flush(&mut self) -> Result<(), Retry> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        self.keep_people().await?;
        let (watches, lasting) = self.learn().await?;
        let mut changes = Changes::default();
        self.judge(watches, &lasting, now, &mut changes).await?;
        self.tell(now, &mut changes).await?;
        if !changes.is_empty() {
            if !self.shared.store.commit(&changes).await? {
                return Err(Retry::because("a subject was judged by another instance meanwhile"));
            }
            observe::committed(&changes);
        }
        self.waiting.clear();
        Ok(())
    }

    async fn keep_people(&self) -> Result<(), Retry> {
        let of = |(_, item): &(_, Item)| match item {
            Item::Person(person) => Some(person.clone()),
            _ => None,
        };
        let people: Vec<Person> = self.waiting.iter().filter_map(of).collect();
        let customers: Vec<&str> =
            people.iter().filter(|person| person.role == Role::Customer).map(|person| &*person.id).collect();
        self.shared.store.keep_people(&people).await?;
        // They have preferences before anything is told of them.
        self.shared.store.preferences(&customers).await?;
        Ok(())
    }

    /// The watches that records are about, with what these say, and the keys of those that have to be remembered.
    async fn learn(&mut self) -> Result<(HashMap<String, Watch>, BTreeSet<String>), Retry> {
        let subject_of = |item: &Item| match item {
            Item::News { subject, .. } => Some(subject.key()),
            _ => None,
        };
        let keys: BTreeSet<String> = self.waiting.iter().filter_map(|(_, item)| subject_of(item)).collect();
        let stored = self.shared.store.watches(&keys.into_iter().collect::<Vec<_>>()).await?;
        let (mut watches, mut lasting) = (HashMap::<String, Watch>::new(), BTreeSet::new());
        for (key, item) in &self.waiting {
            let Item::News { subject, customer_id, news } = item else { continue };
            let id = subject.key();
            if !watches.contains_key(&id) {
                let watch = match stored.get(&id) {
                    Some(Ok(watch)) => watch.clone(),
                    None => Watch::new(subject.clone(), customer_id),
                    Some(Err(reason)) => {
                        self.spoilt.push(Spoilt { key: key.clone(), reason: reason.clone() });
                        continue;
                    }
                };
                watches.insert(id.clone(), watch);
            }
            if watches.get_mut(&id).is_some_and(|watch| watch.learn(customer_id, news.clone())) {
                lasting.insert(id);
            }
        }
        Ok((watches, lasting))
    }

    async fn judge(
        &self,
        watches: HashMap<String, Watch>,
        lasting: &BTreeSet<String>,
        now: Timestamp,
        changes: &mut Changes,
    ) -> Result<(), Retry> {
        let known = self.known(watches.values()).await?;
        let mut judged = Vec::new();
        for (key, mut watch) in watches {
            let default = Preferences::default_of(&watch.customer_id);
            let view = View {
                preferences: known.preferences.get(&watch.customer_id).unwrap_or(&default),
                daily_cost: known.daily_costs.get(&watch.customer_id).copied(),
                now: now.as_second(),
            };
            let before = watch.open.clone();
            let follows = watch.judge(&view, || clock::new_id("alert"));
            let is_changed = watch.open != before;
            judged.extend(follows.into_iter().map(|change| (watch.subject.clone(), change)));
            if is_changed || lasting.contains(&key) {
                changes.watches.push(watch);
            }
        }
        let touched: Vec<&str> = judged.iter().filter_map(|(_, change)| changed_alert(change)).collect();
        let mut alerts = self.shared.store.alerts(&touched).await?;
        for (subject, change) in judged {
            match change {
                Change::Open(told) => self.open(subject, told, &known, now, changes).await?,
                Change::Raise(told) => {
                    let Some(alert) = alerts.iter_mut().find(|alert| alert.id == told.alert_id) else {
                        continue;
                    };
                    let text = self.text(known.person(&told.customer_id), &told.content);
                    alert.raise(told.severity, text.clone(), told.content.clone());
                    changes.changed.push(alert.clone());
                    changes.notices.push(notice(told, text, alert.is_over_budget, now));
                }
                Change::Close { alert_id, customer_id, told } => {
                    let Some(alert) = alerts.iter_mut().find(|alert| alert.id == alert_id) else { continue };
                    if alert.close(now) {
                        changes.changed.push(alert.clone());
                    }
                    let Some((id, content)) = told else { continue };
                    let text = self.text(known.person(&customer_id), &content);
                    let told = Told { alert_id, customer_id, id, severity: Severity::Low, content };
                    changes.notices.push(notice(told, text, false, now));
                }
            }
        }
        Ok(())
    }

    async fn open(
        &self,
        subject: Subject,
        told: Told,
        known: &Known,
        now: Timestamp,
        changes: &mut Changes,
    ) -> Result<(), Retry> {
        let since = now.saturating_sub(SignedDuration::from_hours(24 * BUDGET_DAYS)).unwrap_or(now);
        let had = self.shared.store.alerts_since(&told.customer_id, subject.alert, since).await?;
        let is_over_budget = had >= subject.alert.budget() && told.severity != Severity::Critical;
        let person = known.person(&told.customer_id);
        let mut text = self.text(person, &told.content);
        changes.opened.push(Alert {
            id: told.alert_id.clone(),
            customer_id: told.customer_id.clone(),
            alert: subject.alert,
            severity: told.severity,
            text: text.clone(),
            content: Some(told.content.clone()),
            status: Status::Unread,
            subject_id: subject.id,
            created_at: now,
            read_at: None,
            acknowledged_at: None,
            closed_at: None,
            not_helpful_at: None,
            is_over_budget,
            revision: 1,
        });
        if is_over_budget {
            let says_so = self.shared.catalogue.phrase(person.language, &person.zone, "over_budget", &[]);
            text.message = format!("{} {says_so}", text.message);
        }
        changes.notices.push(notice(told, text, is_over_budget, now));
        Ok(())
    }

    /// Adds what is told once.
    async fn tell(&self, now: Timestamp, changes: &mut Changes) -> Result<(), Retry> {
        let is_news = |word: &&Word| now.as_second() - word.at < STALE;
        let words = self.waiting.iter().filter_map(|(_, item)| match item {
            Item::Word(word) => Some(word),
            _ => None,
        });
        let words: Vec<&Word> = words.filter(is_news).collect();
        let (mut customers, mut staff) = (BTreeSet::new(), Vec::new());
        for word in &words {
            match &word.to {
                To::Customer(id) => {
                    customers.insert(&**id);
                }
                To::Staff if staff.is_empty() => staff = self.shared.store.staff().await?,
                To::Staff => {}
            }
        }
        let people = self.shared.store.people(&customers.into_iter().collect::<Vec<_>>()).await?;
        for word in words {
            let severity = word.content.kind().row().severity.unwrap_or(Severity::Medium);
            let readers: Vec<(&Person, String)> = match &word.to {
                To::Customer(id) => {
                    people.get(id).map(|person| (person, word.id.clone())).into_iter().collect()
                }
                To::Staff => {
                    staff.iter().map(|person| (person, format!("{}.{}", word.id, person.id))).collect()
                }
            };
            changes.notices.extend(readers.into_iter().map(|(person, id)| Notice {
                id,
                user_id: person.id.clone(),
                content: word.content.clone(),
                text: self.text(person, &word.content),
                severity,
                in_digest: false,
                alert_id: None,
                at: now,
            }));
        }
        Ok(())
    }

    async fn known(&self, watches: impl Iterator<Item = &Watch>) -> Result<Known, Retry> {
        let customers: BTreeSet<&str> = watches
            .flat_map(|watch| [Some(&*watch.customer_id), watch.open.as_ref().map(|open| &*open.customer_id)])
            .flatten()
            .collect();
        let (store, customers) = (&self.shared.store, customers.into_iter().collect::<Vec<_>>());
        Ok(Known {
            people: store.people(&customers).await?,
            preferences: store.preferences(&customers).await?,
            daily_costs: store.daily_costs(&customers).await?,
        })
    }

    fn text(&self, person: &Person, content: &Content) -> Text {
        self.shared.catalogue.text(content, person.language, &person.zone)
    }
}

impl Known {
    fn person(&self, id: &str) -> &Person {
        // Everybody who is told was asked for.
        static NOBODY: std::sync::LazyLock<Person> = std::sync::LazyLock::new(|| Person::unknown(""));
        self.people.get(id).unwrap_or(&NOBODY)
    }
}

fn changed_alert(change: &Change) -> Option<&str> {
    match change {
        Change::Open(_) => None,
        Change::Raise(told) => Some(&told.alert_id),
        Change::Close { alert_id, .. } => Some(alert_id),
    }
}

fn notice(told: Told, text: Text, is_over_budget: bool, at: Timestamp) -> Notice {
    let in_digest = told.severity != Severity::Critical && (is_over_budget || told.severity == Severity::Low);
    Notice {
        id: told.id,
        user_id: told.customer_id,
        content: told.content,
        text,
        severity: told.severity,
        in_digest,
        alert_id: Some(told.alert_id),
        at,
    }
}
