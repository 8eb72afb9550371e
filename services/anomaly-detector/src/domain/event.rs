//! The life of a leak event: from the news of a device's reads and from what people decide.
//!
//! An event is one episode of the meter's rules, told to people. What the reads say of it is replayed and replaced as a whole, so that a
//! late read leaves no trace of what was thought before; what people decided stays. A person's word divides an episode: what opens or
//! worsens after "not a leak" is another event, what runs on after "mended" is the same one, open again.

use super::history::{Found, Told};
use super::leak::{Change, Episode, Explanation, Kind, Period, Signal, Stated, normal_after};

/// A flow that goes on for so long after it was said to be mended is not mended: a day and a half, for a leak is seen to have stopped
/// once a day has been calm.
const MENDED: i64 = 36 * 3_600;
/// How long "not a leak" raises what is normal.
const BELIEVED: i64 = 90 * 86_400;
/// News that one event keeps; of more, growth in the middle is left out.
const MOST_STEPS: usize = 200;

/// One piece of news in the life of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The moment of the read that told it, seconds since the epoch.
    pub at: i64,
    /// What happened.
    pub change: Change,
    /// The episode as it was then.
    pub episode: Episode,
    /// Rupiah lost by then.
    pub rupiah: i64,
}

/// What a person made of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub verdict: Verdict,
    /// When, seconds since the epoch.
    pub at: i64,
    /// `users.id`.
    pub by: String,
    /// In their words.
    pub notes: String,
}

/// What a person can make of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// That flow is as it should be.
    NotALeak,
    /// It was a leak, and is mended.
    Mended,
}

/// As the data model names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Water is being lost, as far as is known.
    Active,
    /// It seems to have stopped, or was mended.
    Resolved,
    /// Somebody said that it is none.
    FalsePositive,
}

/// A leak event.
#[derive(Clone, Debug, PartialEq)]
pub struct LeakEvent {
    /// Its identifier.
    pub id: String,
    /// `devices.id`.
    pub device_id: String,
    /// Who had the connection when it opened.
    pub customer_id: String,
    /// Where.
    pub property_id: String,
    /// The news that it begins with: the moment of the read that opened it.
    pub opened: i64,
    /// What is known of the episode, of which it may be the later part.
    pub episode: Episode,
    /// Rupiah lost.
    pub rupiah: i64,
    /// How often findings of its kind were leaks when it was last told anew, thousandths.
    pub confidence: u16,
    /// What it rests on, as of when it was last told anew.
    pub explanation: Option<Explanation>,
    /// Its life.
    pub steps: Vec<Step>,
    /// What a person made of it.
    pub decision: Option<Decision>,
    /// Whether later reads explain otherwise what it rested on.
    pub withdrawn: bool,
    /// Revision of its document; 0 if it has none, or another system's.
    pub revision: i64,
    /// Whether its document is another system's still.
    pub is_foreign: bool,
}

/// Whose connection it is, and how to name what is new.
pub trait World {
    /// `devices.id`.
    fn device(&self) -> String;
    /// Customer and property at a moment.
    fn owner(&self, at: i64) -> (String, String);
    /// A new identifier.
    fn id(&self) -> String;
    /// The share of findings of a kind that were leaks, thousandths.
    fn confidence(&self, kind: Kind) -> u16;
}

impl LeakEvent {
    /// What it is to people now.
    pub fn status(&self) -> Status {
        match &self.decision {
            Some(decision) if decision.verdict == Verdict::NotALeak => Status::FalsePositive,
            _ if self.withdrawn => Status::Resolved,
            Some(decision) if !self.runs_on_after(decision.at) => Status::Resolved,
            _ if self.episode.runs => Status::Active,
            _ => Status::Resolved,
        }
    }

    /// Whether all that is known of it is what another system said.
    pub fn is_imported(&self) -> bool {
        self.steps.is_empty()
    }

    /// Since when it is resolved, seconds since the epoch.
    pub fn resolved_at(&self) -> Option<i64> {
        if self.status() == Status::Active {
            return None;
        }
        let stopped = self.steps.iter().rfind(|step| step.change == Change::Stopped).map(|step| step.at);
        let decided = self.decision.as_ref().map(|decision| decision.at);
        decided.or(stopped).or(Some(self.episode.until))
    }

    /// Whether it was news again after a moment at which it was said to be mended.
    fn runs_on_after(&self, mended: i64) -> bool {
        self.steps.iter().any(|step| match step.change {
            Change::Worse | Change::Returned => step.at > mended,
            Change::Grew => step.at > mended.saturating_add(MENDED),
            Change::Opened | Change::Stopped | Change::Closed => false,
        })
    }

    /// What its decision means for what is normal of the device.
    pub fn normal(&self) -> Option<Period> {
        let decision = self.decision.as_ref().filter(|decision| decision.verdict == Verdict::NotALeak)?;
        let what = Stated::Normal(normal_after(self.episode.rate));
        Some(Period { from: decision.at, until: decision.at.saturating_add(BELIEVED), what })
    }

    /// Whether a person has said that what followed is no part of it.
    fn ended_before(&self, at: i64) -> bool {
        let decision = self.decision.as_ref();
        decision.is_some_and(|decision| decision.verdict == Verdict::NotALeak && decision.at < at)
    }

    /// Whether it has this news, told already.
    pub fn knows(&self, signal: &Signal) -> bool {
        self.explanation.is_some()
            && self.episode.opened == signal.episode.opened
            && self.steps.iter().any(|step| step.at == signal.at && step.change == signal.change)
    }

    fn take(&mut self, told: &Told, world: &impl World) {
        let Told { signal: Signal { at, change, episode }, rupiah, explanation } = told;
        if explanation.is_some() {
            self.explanation.clone_from(explanation);
        }
        self.confidence = world.confidence(episode.kind);
        self.steps.push(Step { at: *at, change: *change, episode: *episode, rupiah: *rupiah });
        if self.steps.len() > MOST_STEPS
            && let Some(middle) = self.steps.iter().position(|step| step.change == Change::Grew)
        {
            self.steps.remove(middle);
        }
        self.rest_on_last_step();
    }

    fn rest_on_last_step(&mut self) {
        if let Some(last) = self.steps.last() {
            (self.episode, self.rupiah) = (last.episode, last.rupiah);
        }
    }
}

/// Replaces what the events of a device say of all that happened since `found.from` by what was found. Events are by `opened`, oldest
/// first; returned are all of them.
pub fn live(events: Vec<LeakEvent>, found: &Found, world: &impl World) -> Vec<LeakEvent> {
    let before = events.clone();
    let (mut lives, mut loose) = (Vec::new(), Vec::new());
    for mut event in events {
        let told_before = event.steps.partition_point(|step| step.at < found.from);
        // An open one that another system found is the one of that device that may be open.
        if if event.is_imported() { event.status() == Status::Active } else { told_before == 0 } {
            loose.push(event);
        } else {
            if told_before < event.steps.len() {
                event.steps.truncate(told_before);
                event.rest_on_last_step();
            }
            lives.push(event);
        }
    }
    for told in &found.told {
        let signal = &told.signal;
        let current = lives.iter().rposition(|event| event.episode.opened == signal.episode.opened);
        let current = current.filter(|_| signal.change != Change::Opened).map(|at| &mut lives[at]);
        let is_news = matches!(signal.change, Change::Opened | Change::Worse | Change::Returned);
        match current {
            Some(event) if !event.ended_before(signal.at) => event.take(told, world),
            Some(_) if !is_news => {}
            _ => {
                let mut event = begin(&mut loose, found, signal, world);
                event.take(told, world);
                lives.push(event);
            }
        }
    }
    // What is found no more was never there; what another system found is its to end.
    lives.extend(loose.into_iter().map(|event| LeakEvent { withdrawn: !event.is_imported(), ..event }));
    lives.sort_by(|a, b| (a.opened, &a.id).cmp(&(b.opened, &b.id)));
    for event in &mut lives {
        // How often such findings were leaks is no news by itself.
        if let Some(same) = before.iter().find(|same| same.id == event.id && same.steps == event.steps) {
            event.confidence = same.confidence;
        }
    }
    lives
}

/// The event that news begin: one that was told of the same, or nearly the same, before, or a new one.
fn begin(loose: &mut Vec<LeakEvent>, found: &Found, signal: &Signal, world: &impl World) -> LeakEvent {
    let same = loose.iter().position(|event| event.opened == signal.at && !event.is_imported());
    let spoken_for = |event: &LeakEvent| {
        !event.is_imported() && found.told.iter().any(|told| told.signal.at == event.opened)
    };
    let near = || loose.iter().position(|event| !event.withdrawn && !spoken_for(event));
    let (customer_id, property_id) = world.owner(signal.at);
    let known = same.or_else(near).map(|at| loose.remove(at));
    LeakEvent {
        device_id: world.device(),
        customer_id,
        property_id,
        opened: signal.at,
        episode: signal.episode,
        rupiah: 0,
        confidence: known.as_ref().map_or(0, |event| event.confidence),
        explanation: known.as_ref().and_then(|event| event.explanation.clone()),
        steps: Vec::new(),
        withdrawn: false,
        revision: known.as_ref().map_or(0, |event| event.revision),
        is_foreign: known.as_ref().is_some_and(|event| event.is_foreign),
        decision: known.as_ref().and_then(|event| event.decision.clone()),
        id: known.map_or_else(|| world.id(), |event| event.id),
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
