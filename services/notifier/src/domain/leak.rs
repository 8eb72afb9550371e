//! Leaks of one device, as the anomalies topic tells them.

use serde::{Deserialize, Serialize};

use super::kinds::Severity;

/// How a leak runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// A few litres an hour, day and night.
    Drip,
    /// Runs for some hours and rests for some.
    Cyclic,
    /// Runs all day but for a pause.
    Pausing,
    /// Runs without a pause; another system's events, which say no more, are taken for such.
    Constant,
    /// Flow while nobody was said to be there.
    WhileAway,
    /// Runs, and more and more.
    Growing,
    /// Far more than this meter ever took.
    Burst,
}

impl Manner {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Drip,
        Self::Cyclic,
        Self::Pausing,
        Self::Constant,
        Self::WhileAway,
        Self::Growing,
        Self::Burst,
    ];

    /// How much it matters: a burst may have a house under water.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Drip => Severity::Low,
            Self::Cyclic | Self::Pausing => Severity::Medium,
            Self::Constant | Self::WhileAway | Self::Growing => Severity::High,
            Self::Burst => Severity::Critical,
        }
    }

    /// Its name in documents and texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drip => "drip",
            Self::Cyclic => "cyclic",
            Self::Pausing => "pausing",
            Self::Constant => "constant",
            Self::WhileAway => "while_away",
            Self::Growing => "growing",
            Self::Burst => "burst",
        }
    }
}

/// A leak event as of one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// `leak_detection_events.id`.
    pub id: String,
    /// Rises with every change of the event.
    pub revision: i64,
    /// Whose water it is.
    pub customer_id: String,
    /// Whether it runs, as far as anybody knows.
    pub is_active: bool,
    /// Whether it was no leak after all: somebody said so, or later reads did. Its end is no news then.
    pub is_void: bool,
    /// How it runs.
    pub manner: Manner,
    /// Millilitres an hour while it runs.
    pub rate: i64,
    /// Since when, seconds since the epoch.
    pub since: i64,
    /// Up to when it was seen to run, seconds since the epoch.
    pub until: i64,
    /// Millilitres lost so far.
    pub lost: i64,
    /// Whole rupiah lost so far.
    pub cost: i64,
}

impl Leak {
    /// What a day of it costs, whole rupiah, once it has run long enough to tell.
    pub fn cost_a_day(&self) -> Option<i64> {
        const LONG_ENOUGH: i64 = 3_600;
        let ran = self.until - self.since;
        (ran >= LONG_ENOUGH && self.cost > 0).then(|| self.cost.saturating_mul(86_400) / ran)
    }
}

/// The newest revision of each of a device's latest leaks, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaks {
    events: Vec<Leak>,
}

/// Events that are remembered: of those that ended, so that what is told twice is known.
const REMEMBERED: usize = 16;

impl Leaks {
    /// Takes a revision. Whether it says anything new.
    pub fn merge(&mut self, leak: Leak) -> bool {
        match self.events.binary_search_by(|known| known.id.cmp(&leak.id)) {
            Ok(at) if self.events[at].revision >= leak.revision => return false,
            Ok(at) => self.events[at] = leak,
            Err(at) => self.events.insert(at, leak),
        }
        if self.events.len() > REMEMBERED {
            let ended = self.events.iter().enumerate().filter(|(_, leak)| !leak.is_active);
            let oldest = ended.min_by_key(|(_, leak)| leak.since).map_or(0, |(at, _)| at);
            self.events.remove(oldest);
        }
        true
    }

    /// The event of that id.
    pub fn event(&self, id: &str) -> Option<&Leak> {
        self.events.iter().find(|leak| leak.id == id)
    }

    /// The one that runs; if two do, which the detector does not tell, the later one.
    pub fn current(&self) -> Option<&Leak> {
        self.events.iter().filter(|leak| leak.is_active).max_by_key(|leak| (leak.since, &leak.id))
    }
}
