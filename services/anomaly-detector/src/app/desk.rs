//! What people ask of the events, and what they decide.

use std::sync::Arc;

use indowater_common::clock;
use indowater_common::domain::request::{Problems, check_id, check_length};

use super::devices::Shared;
use crate::domain::event::{Decision, LeakEvent, Status, Verdict};
use crate::domain::expectation::{Expectations, Statement};
use crate::domain::names;
use crate::domain::question::{Filter, PageToken, Refusal};
use crate::domain::tampering::{self, Inspection, TamperingEvent};
use crate::mongo::{Event, Unreadable};

/// Characters of what somebody writes beside a decision.
const MOST_NOTES: usize = 2_000;

/// Answers people. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    shared: Arc<Shared>,
    /// What a visit costs, whole rupiah.
    visit: i64,
}

/// An open leak, what mending it is expected to save within 30 days, and what is left of that after the visit; whole rupiah.
pub type Worth = (LeakEvent, i64, i64);

/// Entries of a page, and where the next one starts.
pub type Page<T> = (Vec<T>, Option<PageToken>);

/// What somebody says of an event that they have read.
#[derive(Clone, Debug)]
pub struct Word {
    /// The event.
    pub id: String,
    /// `users.id`.
    pub by: String,
    /// In their words.
    pub notes: String,
    /// The revision they have read; any, if none.
    pub revision: Option<i64>,
}

impl Word {
    fn check(&self, field: &str) -> Result<(), Refusal> {
        let mut problems = Problems::default();
        check_id(&self.by, "by", &mut problems);
        check_length(&self.notes, MOST_NOTES, field, &mut problems);
        problems.or(()).map_err(|problems| Refusal::Wrong(problems.to_string()))
    }

    fn holds_for(&self, revision: i64) -> Result<(), Refusal> {
        if self.revision.is_none_or(|read| read == revision) { Ok(()) } else { Err(Refusal::Stale) }
    }
}

fn now() -> i64 {
    clock::now().as_second()
}

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

/// Seconds: the longest absence that can be said at once.
const LONGEST_ABSENCE: i64 = 90 * 86_400;

impl Desk {
    /// On what the service shares, where a visit costs so many rupiah.
    pub fn new(shared: Arc<Shared>, visit: i64) -> Self {
        Self { shared, visit }
    }

    /// A page of open leaks that are worth a visit, those that are worth most first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn worth_a_visit(&self, after: Option<PageToken>, page: usize) -> Result<Page<Worth>, Refusal> {
        let from = after.as_ref().map(|last| (last.at, &*last.id));
        let found = self.shared.store.worth(self.visit, from, page).await.map_err(unavailable)?;
        let worth: Vec<Worth> = found
            .into_iter()
            .filter_map(|event| {
                let saving = event.expected_saving()?;
                Some((event, saving, saving - self.visit))
            })
            .collect();
        let last = worth.last().filter(|_| worth.len() == page);
        let next = last.map(|(event, saving, _)| PageToken { at: *saving, id: event.id.clone() });
        Ok((worth, next))
    }

    /// A page of leaks, newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn leaks(&self, filter: &Filter, status: Option<Status>) -> Result<Page<LeakEvent>, Refusal> {
        let found = self.shared.store.leaks(filter, status).await.map_err(unavailable)?;
        let last = found.last().filter(|_| found.len() == filter.page);
        let next = last.map(|last| PageToken { at: last.opened, id: last.id.clone() });
        Ok((found, next))
    }

    /// A leak.
    ///
    /// # Errors
    /// There is none of that id, or the database does not answer.
    pub async fn leak(&self, id: &str) -> Result<LeakEvent, Refusal> {
        self.shared.store.leak(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)
    }

    /// Takes a word on a leak: that it is none, or that it is mended. Saying the same again changes nothing.
    ///
    /// # Errors
    /// There is none of that id, it was settled otherwise, has changed since it was read, or the database does not answer.
    pub async fn decide(&self, word: Word, verdict: Verdict) -> Result<LeakEvent, Refusal> {
        word.check("notes")?;
        loop {
            let mut event = self.leak(&word.id).await?;
            word.holds_for(event.revision)?;
            let status = event.status();
            match (&event.decision, verdict) {
                (Some(known), _) if known.verdict == verdict && status != Status::Active => return Ok(event),
                (Some(known), Verdict::Mended) if known.verdict == Verdict::NotALeak => {
                    return Err(Refusal::Settled);
                }
                _ => {}
            }
            let Word { by, notes, .. } = word.clone();
            event.decision = Some(Decision { verdict, at: now(), by, notes });
            if self.shared.store.decide(Event::Leak(&event)).await.map_err(unavailable)? {
                self.shared.observe.decided(&event.id, names::KINDS.name(event.episode.kind), verdict);
                return self.leak(&word.id).await;
            }
            if word.revision.is_some() {
                return Err(Refusal::Stale);
            }
        }
    }

    /// A page of tampering events, newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn tampering(
        &self,
        filter: &Filter,
        status: Option<tampering::Status>,
    ) -> Result<Page<TamperingEvent>, Refusal> {
        let found = self.shared.store.tampering(filter, status).await.map_err(unavailable)?;
        let last = found.last().filter(|_| found.len() == filter.page);
        let next = last.map(|last| PageToken { at: last.detected_at(), id: last.id.clone() });
        Ok((found, next))
    }

    /// A tampering event.
    ///
    /// # Errors
    /// There is none of that id, or the database does not answer.
    pub async fn tampering_event(&self, id: &str) -> Result<TamperingEvent, Refusal> {
        self.shared.store.tampering_event(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)
    }

    /// Notes that a technician looks into a tampering event, or, with a resolution, that it is settled.
    ///
    /// # Errors
    /// There is none of that id, it is settled, has changed since it was read, or the database does not answer.
    pub async fn inspect(&self, word: Word, is_settled: bool) -> Result<TamperingEvent, Refusal> {
        word.check("resolution")?;
        if is_settled && word.notes.trim().is_empty() {
            return Err(Refusal::Wrong("resolution is missing".to_owned()));
        }
        loop {
            let mut event = self.tampering_event(&word.id).await?;
            word.holds_for(event.revision)?;
            let resolution = is_settled.then(|| word.notes.clone());
            match &event.inspection {
                Some(known) if known.by == word.by && known.resolution == resolution => return Ok(event),
                _ if event.status() == tampering::Status::Resolved => return Err(Refusal::Settled),
                _ => {}
            }
            event.inspection = Some(Inspection { by: word.by.clone(), at: now(), resolution });
            if self.shared.store.decide(Event::Tampering(&event)).await.map_err(unavailable)? {
                return self.tampering_event(&word.id).await;
            }
            if word.revision.is_some() {
                return Err(Refusal::Stale);
            }
        }
    }

    /// What was said of a property, and the leaks of its devices that were said to be none and still raise what is normal.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn expectations(&self, property_id: &str) -> Result<(Expectations, Vec<LeakEvent>), Refusal> {
        let store = &self.shared.store;
        let said = store.expectations(&[property_id]).await.map_err(unavailable)?.remove(property_id);
        let said = said.transpose().map_err(|Unreadable(why)| Refusal::Unavailable(why))?;
        let devices = store.devices_of(property_id).await.map_err(unavailable)?;
        let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
        let (leaks, _) = store.events(&devices).await.map_err(unavailable)?;
        let now = now();
        let believed = |event: &LeakEvent| event.normal().is_some_and(|period| now < period.until);
        Ok((said.unwrap_or_default(), leaks.into_values().flatten().filter(believed).collect()))
    }

    /// Takes what somebody says is normal at a property, in place of all that was said before.
    ///
    /// # Errors
    /// It makes no sense, it has changed since it was read, or the database does not answer.
    pub async fn state(
        &self,
        property_id: &str,
        said: Statement,
        revision: Option<i64>,
    ) -> Result<(Expectations, Vec<LeakEvent>), Refusal> {
        let mut problems = Problems::default();
        check_id(property_id, "property_id", &mut problems);
        check_id(&said.by, "by", &mut problems);
        if said.away.is_some_and(|(from, until)| until <= from) {
            problems.add("away_until", "must be after away_from");
        }
        // Nobody looks after a meter of which it is said for ever that nobody is there.
        if said.away.is_some_and(|(from, until)| until.saturating_sub(from) > LONGEST_ABSENCE) {
            problems.add("away_until", "must be at most 90 days after away_from; say it again then");
        }
        problems.or(()).map_err(|problems| Refusal::Wrong(problems.to_string()))?;
        let store = &self.shared.store;
        loop {
            let known = store.expectations(&[property_id]).await.map_err(unavailable)?.remove(property_id);
            let known = known.transpose().map_err(|Unreadable(why)| Refusal::Unavailable(why))?;
            let mut expectations = known.unwrap_or_default();
            if revision.is_some_and(|read| read != expectations.revision) {
                return Err(Refusal::Stale);
            }
            expectations.state(Statement { at: now(), ..said.clone() });
            if store.state(property_id, &expectations).await.map_err(unavailable)? {
                return self.expectations(property_id).await;
            }
            if revision.is_some() {
                return Err(Refusal::Stale);
            }
        }
    }
}
