//! Areas and gateways of one partition: take what their meters tell, decide, write what changed.
//!
//! All of it is a function of what each meter told last and of a set of beats, so repetition and order change nothing; two instances that
//! both believe to hold a group meet at the revision of its document, and the second one loads what the first one wrote.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indowater_common::clock;
use indowater_common::error::Retry;
use indowater_common::quarantine::Spoilt;

use super::devices::Shared;
use crate::domain::area;
use crate::domain::member::Member;
use crate::domain::network::{self, Group, NetworkEvent};
use crate::domain::silence::Beat;
use crate::domain::supply::{self, Told};
use crate::mongo::StoredGroup;

/// Something of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A meter tells how its supply is.
    Supply(Box<str>, Member),
    /// A partition tells when something was heard.
    Beat(Beat),
}

/// A group in memory.
struct Watched {
    stored: StoredGroup,
    /// The meters of an area, each with what it told last.
    members: HashMap<Box<str>, Member>,
    /// Its events of late.
    events: Vec<NetworkEvent>,
    /// Those that differ from their documents.
    changed: HashSet<String>,
    /// What came since it was written, with the keys of the records.
    pending: Vec<(Box<[u8]>, Fact)>,
}

/// Days before which events are not looked at any more: meters have forgotten what they rest on.
const RECENT: i64 = 2 * supply::KEPT;
/// Groups in memory beyond which those at rest are forgotten.
const MOST: usize = 5_000;
/// A writer that meets newer documents loads and decides again; so often another writer does not come first.
const ROUNDS: usize = 10;

/// The groups of one partition.
pub struct Groups {
    shared: Arc<Shared>,
    groups: HashMap<Group, Watched>,
    dirty: HashSet<Group>,
    spoilt: Vec<Spoilt>,
}

impl Groups {
    /// No groups yet.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, groups: HashMap::new(), dirty: HashSet::new(), spoilt: Vec::new() }
    }

    /// How many groups wait for a flush.
    pub fn pending(&self) -> usize {
        self.dirty.len()
    }

    /// What cannot be used, because the document of its group cannot be read.
    pub fn spoilt(&mut self) -> &mut Vec<Spoilt> {
        &mut self.spoilt
    }

    /// Takes facts. Doing it again changes nothing.
    ///
    /// # Errors
    /// The database did not answer; some may be taken.
    pub async fn merge(&mut self, facts: Vec<(Box<[u8]>, Group, Fact)>) -> Result<(), Retry> {
        for (key, group, fact) in facts {
            if !self.groups.contains_key(&group) {
                match self.load(&group).await? {
                    Ok(watched) => {
                        self.groups.insert(group.clone(), watched);
                    }
                    Err(reason) => {
                        self.spoilt.push(Spoilt { key: key_text(&key), reason });
                        continue;
                    }
                }
            }
            if let Some(watched) = self.groups.get_mut(&group) {
                watched.take(fact.clone());
                watched.pending.push((key, fact));
                self.dirty.insert(group);
            }
        }
        Ok(())
    }

    async fn load(&self, group: &Group) -> Result<Result<Watched, String>, Retry> {
        let (store, key) = (&self.shared.store, group.key());
        let stored = match store.group(&key).await? {
            Ok(stored) => stored,
            Err(why) => return Ok(Err(why)),
        };
        let members = match group {
            Group::Area(area) => store.members_of(area).await?,
            Group::Gateway(_) => HashMap::new(),
        };
        let newest = members.values().filter_map(|member| member.told.as_ref()).map(newest_of).max();
        let from = newest.unwrap_or(stored.listening.last()).saturating_sub(RECENT);
        let events = store.network_events(&key, from).await?;
        let (changed, pending) = (HashSet::new(), Vec::new());
        Ok(Ok(Watched { stored, members, events, changed, pending }))
    }

    /// Decides, then writes what changed.
    ///
    /// # Errors
    /// The database did not answer. Nothing is forgotten; doing it again is safe.
    pub async fn flush(&mut self) -> Result<(), Retry> {
        let dirty: Vec<Group> = self.dirty.iter().cloned().collect();
        for group in dirty {
            self.write(&group).await?;
            self.dirty.remove(&group);
        }
        if self.groups.len() > MOST {
            self.groups.clear();
        }
        Ok(())
    }

    /// Decides of a group until what is decided is stored.
    async fn write(&mut self, group: &Group) -> Result<(), Retry> {
        for _ in 0..ROUNDS {
            let Some(watched) = self.groups.get_mut(group) else { return Ok(()) };
            watched.decide(group);
            let changed: Vec<NetworkEvent> =
                watched.events.iter().filter(|event| watched.changed.contains(&event.id)).cloned().collect();
            let due = watched.due();
            if self.shared.store.write_group(group, &watched.stored, due, &changed).await? {
                watched.written();
                changed.iter().for_each(|event| self.shared.observe.network(event));
                return Ok(());
            }
            self.shared.observe.conflicts(1);
            let pending = std::mem::take(&mut watched.pending);
            match self.load(group).await? {
                Ok(mut loaded) => {
                    pending.iter().for_each(|(_, fact)| loaded.take(fact.clone()));
                    loaded.pending = pending;
                    self.groups.insert(group.clone(), loaded);
                }
                Err(reason) => {
                    self.spoil(group, pending, &reason);
                    return Ok(());
                }
            }
        }
        let pending = self.groups.get_mut(group).map(|watched| std::mem::take(&mut watched.pending));
        self.spoil(group, pending.unwrap_or_default(), "its documents keep changing");
        Ok(())
    }

    fn spoil(&mut self, group: &Group, pending: Vec<(Box<[u8]>, Fact)>, reason: &str) {
        self.groups.remove(group);
        let spoilt = pending.iter().map(|(key, _)| Spoilt { key: key_text(key), reason: reason.to_owned() });
        self.spoilt.extend(spoilt);
    }
}

fn key_text(key: &[u8]) -> Box<str> {
    String::from_utf8_lossy(key).into()
}

/// The newest moment that a meter told of.
fn newest_of(told: &Told) -> i64 {
    let ends = told.spells.iter().map(|spell| if spell.until == i64::MAX { spell.from } else { spell.until });
    ends.max().unwrap_or(0)
}

impl Watched {
    fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Supply(device_id, member) => {
                self.members.entry(device_id).or_default().take(member);
            }
            Fact::Beat(beat) => {
                self.stored.listening.take(beat);
            }
        }
    }

    /// When its silence is to be looked for; none while it is known.
    fn due(&self) -> Option<i64> {
        let is_known =
            self.events.iter().any(|event| event.kind == network::Kind::Silence && event.is_open());
        self.stored.listening.due().filter(|_| !is_known)
    }

    /// Has the events say what follows from all that is known.
    fn decide(&mut self, group: &Group) {
        let before = self.events.clone();
        let new_id = || clock::new_id("network");
        if matches!(group, Group::Area(_)) {
            let told = self.members.values().filter_map(|member| member.told.as_ref());
            let newest = told.clone().map(newest_of).max().unwrap_or_default();
            network::interruptions(
                &mut self.events,
                group,
                &area::interruptions(told.clone()),
                newest,
                new_id,
            );
            network::drops(&mut self.events, group, &area::wide_drops(told), new_id);
        }
        let listening = &self.stored.listening;
        network::silence(&mut self.events, group, listening.silent_since(), listening.last(), new_id);
        let news = self.events.iter().filter(|event| !before.contains(event)).map(|event| event.id.clone());
        self.changed.extend(news);
    }

    /// Notes that all of it is stored as it is.
    fn written(&mut self) {
        self.stored.revision += 1;
        for event in self.events.iter_mut().filter(|event| self.changed.contains(&event.id)) {
            event.revision += 1;
        }
        self.changed.clear();
        self.pending.clear();
    }
}
