//! Interruptions of the supply, as people see and plan them.

use std::sync::Arc;

use indowater_common::clock;

use super::desk::Page;
use super::devices::Shared;
use crate::domain::network::NetworkEvent;
use crate::domain::planned::{Planned, PlannedChange};
use crate::domain::question::{InterruptionFilter, PageToken, Refusal};

/// An interruption.
#[derive(Clone, Debug)]
pub enum Interruption {
    /// Found in what meters told.
    Seen(NetworkEvent),
    /// Announced.
    Planned(Planned),
}

impl Interruption {
    /// What a list is ordered by.
    fn place(&self) -> (i64, &str) {
        match self {
            Self::Seen(event) => (event.from, &event.id),
            Self::Planned(planned) => (planned.from, &planned.id),
        }
    }
}

/// What is announced.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Announcement {
    pub area: String,
    /// Seconds since the epoch.
    pub from: i64,
    pub until: i64,
    pub reason: String,
    /// `users.id`.
    pub by: String,
    /// Names it, if it may be said twice.
    pub key: String,
}

/// Answers people about interruptions. Cheap to clone.
#[derive(Clone)]
pub struct Plans(Arc<Shared>);

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

impl Plans {
    /// On what the service shares.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// A page of interruptions, the latest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(&self, filter: &InterruptionFilter) -> Result<Page<Interruption>, Refusal> {
        let (seen, planned) = self.0.store.interruptions(filter).await.map_err(unavailable)?;
        let seen = seen.into_iter().map(Interruption::Seen);
        let mut all: Vec<Interruption> = seen.chain(planned.into_iter().map(Interruption::Planned)).collect();
        all.sort_by(|a, b| b.place().cmp(&a.place()));
        all.truncate(filter.page);
        let last = all.last().filter(|_| all.len() == filter.page).map(Interruption::place);
        let next = last.map(|(at, id)| PageToken { at, id: id.to_owned() });
        Ok((all, next))
    }

    /// An interruption.
    ///
    /// # Errors
    /// There is none of that id, or the database does not answer.
    pub async fn get(&self, id: &str) -> Result<Interruption, Refusal> {
        let store = &self.0.store;
        if let Some(planned) = store.planned(id).await.map_err(unavailable)? {
            return Ok(Interruption::Planned(planned));
        }
        let seen = store.seen_interruption(id).await.map_err(unavailable)?;
        seen.map(Interruption::Seen).ok_or(Refusal::NotFound)
    }

    /// Announces an interruption; saying it again under the same key gives the one that is there.
    ///
    /// # Errors
    /// It cannot be, another one was announced under the key, or the database does not answer.
    pub async fn announce(&self, said: Announcement) -> Result<Planned, Refusal> {
        let now = clock::now().as_second();
        let Announcement { area, from, until, reason, by, key } = said;
        let planned = Planned {
            id: clock::new_id("planned"),
            key,
            area,
            from,
            until,
            reason,
            is_cancelled: false,
            by,
            created_at: now,
            updated_at: now,
            earliest: from,
            revision: 1,
        };
        planned.check().map_err(|problems| Refusal::Wrong(problems.to_string()))?;
        if self.0.store.plan(&planned).await.map_err(unavailable)? {
            self.0.observe.planned(&planned);
            return Ok(planned);
        }
        let known =
            self.0.store.planned_as(&planned.key).await.map_err(unavailable)?.ok_or(Refusal::Stale)?;
        // Whoever announced it may have changed its times since.
        if (&known.area, &known.by) == (&planned.area, &planned.by) {
            Ok(known)
        } else {
            Err(Refusal::Settled)
        }
    }

    /// Changes a planned interruption, or calls it off.
    ///
    /// # Errors
    /// There is none of that id, it cannot be so, it was called off, has changed since it was read, or the database does not answer.
    pub async fn change(
        &self,
        id: &str,
        change: PlannedChange,
        revision: Option<i64>,
    ) -> Result<Planned, Refusal> {
        loop {
            let store = &self.0.store;
            let known = store.planned(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
            if revision.is_some_and(|read| read != known.revision) {
                return Err(Refusal::Stale);
            }
            if known.is_cancelled && !change.cancel {
                return Err(Refusal::Settled);
            }
            let now = clock::now().as_second();
            let next = known.change(change.clone(), now);
            let next = next.map_err(|problems| Refusal::Wrong(problems.to_string()))?;
            if next == known {
                return Ok(next);
            }
            if store.plan(&next).await.map_err(unavailable)? {
                self.0.observe.planned(&next);
                return Ok(next);
            }
        }
    }
}
