//! Leak events as documents of `leak_detection_events`: the data model's fields, and besides what the life of an event needs.

use bson::{Bson, DateTime, Document};
use indowater_common::mongo::{number, seconds, time, to_decimal128};
use mongodb::error::Error;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::domain::event::{Decision, LeakEvent, Status, Step, Verdict};
use crate::domain::leak::{Change, Episode, Explanation, Hour, Kind};
use crate::domain::names::{self, MINUTES};

#[derive(Debug, Serialize, Deserialize)]
struct LeakDocument {
    /// Ours is the `id`; another system's is anything, and stays.
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    key: Option<Bson>,
    id: String,
    device_id: String,
    #[serde(default)]
    customer_id: String,
    detected_at: DateTime,
    #[serde(default)]
    flow_rate: Bson,
    #[serde(default)]
    duration_minutes: Bson,
    #[serde(default)]
    estimated_loss: Bson,
    #[serde(default)]
    confidence: Bson,
    status: String,
    #[serde(default)]
    resolved_at: Option<DateTime>,
    #[serde(default)]
    notes: Option<String>,
    #[serde(flatten)]
    ours: Option<Ours>,
    /// The device of an open event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_for: Option<String>,
    /// What mending an open one is expected to save within 30 days, whole rupiah.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_saving: Option<i64>,
}

/// What the data model does not have.
#[derive(Debug, Serialize, Deserialize)]
struct Ours {
    property_id: String,
    revision: i64,
    episode: EpisodeDocument,
    estimated_loss_rupiah: i64,
    steps: Vec<StepDocument>,
    explanation: Option<ExplanationDocument>,
    decision: Option<DecisionDocument>,
    withdrawn: bool,
    updated_at: DateTime,
}

#[derive(Debug, Serialize, Deserialize)]
struct EpisodeDocument {
    opened: DateTime,
    since: DateTime,
    until: DateTime,
    kind: String,
    /// Millilitres an hour.
    rate: i64,
    /// Millilitres.
    lost: i64,
    runs: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct StepDocument {
    at: DateTime,
    change: String,
    episode: EpisodeDocument,
    rupiah: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct DecisionDocument {
    verdict: String,
    at: DateTime,
    by: String,
    notes: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExplanationDocument {
    hours: Vec<HourDocument>,
    dry: i64,
    usually_dry: i64,
    least: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HourDocument {
    at: DateTime,
    seconds: i64,
    volume: i64,
    usually_dry: i32,
    usual: i64,
    usual_at_most: i64,
}

/// Whether it has no document yet, not even another system's.
pub fn is_new(event: &LeakEvent) -> bool {
    event.revision == 0 && !event.is_foreign
}

/// The document of an event, as its next revision; in place of another one it leaves the `_id` alone.
///
/// # Errors
/// Never for what this service holds.
pub fn document(event: &LeakEvent, now: DateTime) -> Result<Document, Error> {
    let status = event.status();
    let decimal = |value: Decimal| Bson::Decimal128(to_decimal128(value));
    let document = LeakDocument {
        key: is_new(event).then(|| event.id.as_str().into()),
        id: event.id.clone(),
        device_id: event.device_id.clone(),
        customer_id: event.customer_id.clone(),
        detected_at: time(event.opened),
        flow_rate: decimal(event.flow_rate()),
        duration_minutes: decimal(event.duration_minutes()),
        estimated_loss: decimal(event.estimated_loss()),
        confidence: decimal(event.share_of_leaks()),
        status: names::LEAK_STATUSES.name(status).to_owned(),
        resolved_at: event.resolved_at().map(time),
        notes: event.decision.as_ref().map(|decision| decision.notes.clone()),
        ours: Some(Ours {
            property_id: event.property_id.clone(),
            revision: event.revision + 1,
            episode: (&event.episode).into(),
            estimated_loss_rupiah: event.rupiah,
            steps: event.steps.iter().map(StepDocument::from).collect(),
            explanation: event.explanation.as_ref().map(ExplanationDocument::from),
            decision: event.decision.as_ref().map(|decision| DecisionDocument {
                verdict: names::VERDICTS.name(decision.verdict).to_owned(),
                at: time(decision.at),
                by: decision.by.clone(),
                notes: decision.notes.clone(),
            }),
            withdrawn: event.withdrawn,
            updated_at: now,
        }),
        open_for: (status == Status::Active).then(|| event.device_id.clone()),
        expected_saving: event.expected_saving(),
    };
    bson::serialize_to_document(&document).map_err(Error::custom)
}

/// An event out of its document, ours or another system's.
///
/// # Errors
/// It says too little to be one.
pub fn read(document: Document) -> Result<LeakEvent, Error> {
    let id = document.get_str("id").unwrap_or_default().to_owned();
    let stored: LeakDocument = bson::deserialize_from_document(document)
        .map_err(|error| Error::custom(format!("leak_detection_events, {id:?}: {error}")))?;
    let foreign = |what: &str| Error::custom(format!("leak_detection_events, {id:?}: {what}"));
    let Some(ours) = stored.ours else { return imported(stored).ok_or_else(|| foreign("no status")) };
    let decision = ours.decision.map(DecisionDocument::decision);
    let decision = decision.map(|decision| decision.ok_or_else(|| foreign("decision"))).transpose()?;
    let steps = ours.steps.into_iter().map(StepDocument::step).collect::<Option<_>>();
    Ok(LeakEvent {
        id: stored.id,
        device_id: stored.device_id,
        customer_id: stored.customer_id,
        property_id: ours.property_id,
        opened: seconds(stored.detected_at),
        episode: ours.episode.episode().ok_or_else(|| foreign("kind"))?,
        rupiah: ours.estimated_loss_rupiah,
        confidence: share(&stored.confidence),
        explanation: ours.explanation.map(ExplanationDocument::explanation),
        steps: steps.ok_or_else(|| foreign("steps"))?,
        decision,
        withdrawn: ours.withdrawn,
        revision: ours.revision,
        is_foreign: false,
    })
}

/// A share of 0 to 1 in thousandths.
fn share(value: &Bson) -> u16 {
    scaled(value, 1_000).and_then(|share| u16::try_from(share).ok()).unwrap_or_default()
}

/// A number of another system so many times, whole.
fn scaled(value: &Bson, factor: i64) -> Option<i64> {
    number(value)?.checked_mul(factor.into())?.round().to_i64()
}

/// An event that another system found: what it says stands, and nothing more is known of it.
fn imported(stored: LeakDocument) -> Option<LeakEvent> {
    let status = names::LEAK_STATUSES.named(&stored.status)?;
    let opened = seconds(stored.detected_at);
    let ended = stored.resolved_at.map(seconds);
    let lasted = scaled(&stored.duration_minutes, MINUTES).unwrap_or_default();
    let since = opened.saturating_sub(lasted.max(0));
    let episode = Episode {
        opened,
        since,
        until: ended.unwrap_or(opened).max(since),
        kind: Kind::Constant,
        rate: scaled(&stored.flow_rate, 60_000).unwrap_or_default(),
        lost: scaled(&stored.estimated_loss, 1_000_000).unwrap_or_default(),
        runs: status == Status::Active,
    };
    let verdict = match status {
        Status::Active => None,
        Status::Resolved => Some(Verdict::Mended),
        Status::FalsePositive => Some(Verdict::NotALeak),
    };
    let notes = stored.notes.unwrap_or_default();
    let decided = |verdict| Decision { verdict, at: ended.unwrap_or(opened), by: String::new(), notes };
    Some(LeakEvent {
        id: stored.id,
        device_id: stored.device_id,
        customer_id: stored.customer_id,
        property_id: String::new(),
        opened,
        episode,
        rupiah: 0,
        confidence: share(&stored.confidence),
        explanation: None,
        steps: Vec::new(),
        decision: verdict.map(decided),
        withdrawn: false,
        revision: 0,
        is_foreign: true,
    })
}

impl From<&Episode> for EpisodeDocument {
    fn from(episode: &Episode) -> Self {
        Self {
            opened: time(episode.opened),
            since: time(episode.since),
            until: time(episode.until),
            kind: names::KINDS.name(episode.kind).to_owned(),
            rate: episode.rate,
            lost: episode.lost,
            runs: episode.runs,
        }
    }
}

impl EpisodeDocument {
    fn episode(self) -> Option<Episode> {
        Some(Episode {
            opened: seconds(self.opened),
            since: seconds(self.since),
            until: seconds(self.until),
            kind: names::KINDS.named(&self.kind)?,
            rate: self.rate,
            lost: self.lost,
            runs: self.runs,
        })
    }
}

impl From<&Step> for StepDocument {
    fn from(step: &Step) -> Self {
        let change = names::CHANGES.name(step.change).to_owned();
        Self { at: time(step.at), change, episode: (&step.episode).into(), rupiah: step.rupiah }
    }
}

impl StepDocument {
    fn step(self) -> Option<Step> {
        let change: Change = names::CHANGES.named(&self.change)?;
        Some(Step { at: seconds(self.at), change, episode: self.episode.episode()?, rupiah: self.rupiah })
    }
}

impl DecisionDocument {
    fn decision(self) -> Option<Decision> {
        let verdict = names::VERDICTS.named(&self.verdict)?;
        Some(Decision { verdict, at: seconds(self.at), by: self.by, notes: self.notes })
    }
}

impl From<&Explanation> for ExplanationDocument {
    fn from(explanation: &Explanation) -> Self {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let hours = explanation.hours.iter().map(|hour| HourDocument {
            at: time(hour.at),
            seconds: hour.seconds,
            volume: hour.volume,
            usually_dry: hour.usually_dry.into(),
            usual: hour.usual,
            usual_at_most: hour.usual_at_most,
        });
        Self {
            hours: hours.collect(),
            dry: count(explanation.dry),
            usually_dry: count(explanation.usually_dry),
            least: explanation.least,
        }
    }
}

impl ExplanationDocument {
    fn explanation(self) -> Explanation {
        let hours = self.hours.into_iter().map(|hour| Hour {
            at: seconds(hour.at),
            seconds: hour.seconds,
            volume: hour.volume,
            usually_dry: u8::try_from(hour.usually_dry).unwrap_or(u8::MAX),
            usual: hour.usual,
            usual_at_most: hour.usual_at_most,
        });
        let count = |number: i64| usize::try_from(number).unwrap_or_default();
        Explanation {
            hours: hours.collect(),
            dry: count(self.dry),
            usually_dry: count(self.usually_dry),
            least: self.least,
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn at(seconds: i64) -> DateTime {
        DateTime::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_document_of_the_data_model_and_nothing_more_is_read() {
        let foreign = doc! {
            "_id": bson::oid::ObjectId::from_bytes([7; 12]),
            "id": "leak-7", "device_id": "device-1", "customer_id": "customer-1", "detected_at": at(10_000),
            "flow_rate": 0.35, "duration_minutes": 90.0, "estimated_loss": 0.0315, "confidence": 0.87,
            "status": "active",
        };
        let event = read(foreign.clone()).unwrap();
        assert_eq!((event.episode.rate, event.episode.lost, event.confidence), (21_000, 31_500, 870));
        assert_eq!((event.episode.since, event.status(), event.revision), (4_600, Status::Active, 0));
        let mut settled = foreign;
        settled.insert("status", "false_positive");
        settled.insert("resolved_at", at(12_000));
        settled.insert("notes", "a pool");
        let event = read(settled).unwrap();
        assert_eq!((event.status(), event.resolved_at()), (Status::FalsePositive, Some(12_000)));
        assert!(read(doc! { "id": "leak-8", "device_id": "device-1" }).is_err());
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        let episode = Episode {
            opened: 20_000,
            since: 10_000,
            until: 30_000,
            kind: Kind::Cyclic,
            rate: 12_345,
            lost: 99_999,
            runs: true,
        };
        let hour =
            Hour { at: 20_000, seconds: 3_600, volume: 10, usually_dry: 50, usual: 3, usual_at_most: 80 };
        let explanation = Explanation { hours: vec![hour], dry: 0, usually_dry: 1, least: Some(10) };
        let event = LeakEvent {
            id: "leak-1".into(),
            device_id: "device-1".into(),
            customer_id: "customer-1".into(),
            property_id: "property-1".into(),
            opened: 20_000,
            episode,
            rupiah: 1_234,
            confidence: 930,
            explanation: Some(explanation),
            steps: vec![Step { at: 20_000, change: Change::Opened, episode, rupiah: 1_200 }],
            decision: Some(Decision {
                verdict: Verdict::Mended,
                at: 40_000,
                by: "technician-1".into(),
                notes: "a tap".into(),
            }),
            withdrawn: false,
            revision: 3,
            is_foreign: false,
        };
        let stored = document(&event, at(50_000)).unwrap();
        assert!(!stored.contains_key("_id"), "it takes the place of another one");
        assert_eq!(stored.get_str("status").unwrap(), "resolved");
        assert!(!stored.contains_key("open_for"), "it is not open");
        let expected = LeakEvent { revision: 4, ..event.clone() };
        assert_eq!(read(stored).unwrap(), expected);
        let open = document(&LeakEvent { decision: None, ..event }, at(50_000)).unwrap();
        assert_eq!(open.get_str("open_for").unwrap(), "device-1");
        // Rp 1,234 in 20,000 s are 159,926 in 30 days; 93 % of such findings were leaks.
        assert_eq!(open.get_i64("expected_saving").unwrap(), 148_732);
        let new = document(&read(open).map(|event| LeakEvent { revision: 0, ..event }).unwrap(), at(1));
        assert_eq!(new.unwrap().get_str("_id").unwrap(), "leak-1");
    }
}
