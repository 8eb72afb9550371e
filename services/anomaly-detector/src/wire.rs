//! Schemas to domain and back, for the topics and for gRPC alike.

use std::sync::Arc;

use indowater_common::mongo::outbox::Row;
use indowater_common::wire::readings;
use indowater_proto::anomaly::v1 as pb;
use indowater_proto::readings::v1::Readings;
use indowater_proto::telemetry::v1::MeterAlarm;
use indowater_proto::topics;
use jiff::Timestamp;
use prost::Message;
use rust_decimal::Decimal;

use crate::app::device::Reading;
use crate::domain::event::{LeakEvent, Status};
use crate::domain::leak::{Change, Explanation, Kind};
use crate::domain::loss::cubic_metres;
use crate::domain::names::litres_per_minute;
use crate::domain::tampering::{self, Evidence, Seen, Severity, TamperingEvent, Type};
use crate::domain::words::{self, Language};
use crate::mongo::{Announce, Event};

/// What events say they come from.
pub const SOURCE: &str = "/indowater/anomaly-detector";

/// Understands a record of the readings topic.
///
/// # Errors
/// What does not make sense in it.
pub fn reading(message: &Readings) -> Result<Reading, String> {
    let readings::Reading { device_id, timeline, zone, reads } = readings::reading(message)?;
    // An uplink tells its alarms at the moment of its newest read.
    let told_at = reads.iter().map(|read| read.at).max();
    let seen = told_at.into_iter().flat_map(|at| {
        let day = zone.day_of(at);
        let told = message.alarms().filter_map(evidence);
        told.map(move |evidence| Seen { evidence, day, at }).collect::<Vec<_>>()
    });
    Ok(Reading { seen: seen.collect(), device_id, timeline, zone, reads, span: None })
}

/// What an alarm of a meter says of tampering; the others say something of water, weather or battery.
fn evidence(alarm: MeterAlarm) -> Option<Evidence> {
    match alarm {
        MeterAlarm::Magnetic => Some(Evidence::Magnet),
        MeterAlarm::CaseOpen => Some(Evidence::CaseOpen),
        MeterAlarm::Tilt => Some(Evidence::Tilt),
        MeterAlarm::ReverseFlow => Some(Evidence::ReverseFlow),
        MeterAlarm::Unspecified
        | MeterAlarm::Leak
        | MeterAlarm::Burst
        | MeterAlarm::Dry
        | MeterAlarm::Freeze
        | MeterAlarm::LowBattery => None,
    }
}

/// How events are told to the world: under `prefix`, each as its next revision.
pub fn announce(prefix: &str) -> Announce {
    let topic = topics::ANOMALIES.name(prefix);
    Arc::new(move |event| {
        let (id, device_id, revision, event) = match event {
            Event::Leak(event) => {
                let revised = LeakEvent { revision: event.revision + 1, ..event.clone() };
                (&event.id, &event.device_id, revised.revision, pb::anomaly::Event::Leak(leak(&revised)))
            }
            Event::Tampering(event) => {
                let revised = TamperingEvent { revision: event.revision + 1, ..event.clone() };
                let told = pb::anomaly::Event::Tampering(tampering(&revised));
                (&event.id, &event.device_id, revised.revision, told)
            }
        };
        let time = match &event {
            pb::anomaly::Event::Leak(leak) => leak.steps.last().map_or(&*leak.detected_at, |step| &*step.at),
            pb::anomaly::Event::Tampering(told) => {
                told.evidence.last().map_or(&*told.detected_at, |seen| &*seen.at)
            }
        };
        let time = time.parse().map_or(0, Timestamp::as_second);
        let (id, device_id) = (id.clone(), device_id.clone());
        let (key, event_id) = (format!("{device_id}|{id}"), format!("{id}@{revision}"));
        let anomaly = pb::Anomaly { id, device_id, revision, event: Some(event) };
        Row {
            topic: topic.clone(),
            key,
            value: anomaly.encode_to_vec(),
            event_id,
            source: SOURCE.to_owned(),
            kind: topics::ANOMALIES.message.to_owned(),
            time,
            traceparent: None,
        }
    })
}

/// A moment as people read it, UTC.
pub fn rfc3339(at: i64) -> String {
    Timestamp::from_second(at).unwrap_or_default().to_string()
}

/// A leak, whole.
pub fn leak(event: &LeakEvent) -> pb::LeakEvent {
    let decision = event.decision.as_ref();
    pb::LeakEvent {
        id: event.id.clone(),
        device_id: event.device_id.clone(),
        customer_id: event.customer_id.clone(),
        property_id: event.property_id.clone(),
        detected_at: rfc3339(event.opened),
        flow_rate: event.flow_rate().to_string(),
        duration_minutes: event.duration_minutes().to_string(),
        estimated_loss: event.estimated_loss().to_string(),
        confidence: event.share_of_leaks().to_string(),
        status: leak_status(event.status()).into(),
        resolved_at: event.resolved_at().map(rfc3339).unwrap_or_default(),
        notes: decision.map(|decision| decision.notes.clone()).unwrap_or_default(),
        kind: if event.is_imported() { pb::LeakKind::Unspecified } else { kind(event.episode.kind) }.into(),
        estimated_loss_rupiah: event.rupiah,
        since: rfc3339(event.episode.since),
        until: rfc3339(event.episode.until),
        revision: event.revision,
        steps: event.steps.iter().map(step).collect(),
        explanation: event.explanation.as_ref().map(|explanation| self::explanation(event, explanation)),
        decided_by: decision.map(|decision| decision.by.clone()).unwrap_or_default(),
        withdrawn: event.withdrawn,
    }
}

fn step(step: &crate::domain::event::Step) -> pb::LeakStep {
    let change = match step.change {
        Change::Opened => pb::LeakChange::Opened,
        Change::Grew => pb::LeakChange::Grew,
        Change::Worse => pb::LeakChange::Worse,
        Change::Stopped => pb::LeakChange::Stopped,
        Change::Returned => pb::LeakChange::Returned,
        Change::Closed => pb::LeakChange::Closed,
    };
    pb::LeakStep {
        at: rfc3339(step.at),
        change: change.into(),
        kind: kind(step.episode.kind).into(),
        flow_rate: litres_per_minute(step.episode.rate).to_string(),
        estimated_loss: cubic_metres(step.episode.lost).to_string(),
        estimated_loss_rupiah: step.rupiah,
    }
}

fn explanation(event: &LeakEvent, explanation: &Explanation) -> pb::LeakExplanation {
    let litres = |millilitres: i64| Decimal::new(millilitres, 3).to_string();
    let hours = explanation.hours.iter().map(|hour| pb::LeakHour {
        at: rfc3339(hour.at),
        seconds: hour.seconds,
        litres: litres(hour.volume),
        usually_dry_percent: hour.usually_dry.into(),
        usual_litres: litres(hour.usual),
        usual_at_most_litres: litres(hour.usual_at_most),
    });
    pb::LeakExplanation {
        words_en: words::leak(event, Language::English),
        words_id: words::leak(event, Language::Indonesian),
        hours: hours.collect(),
    }
}

const fn kind(kind: Kind) -> pb::LeakKind {
    match kind {
        Kind::Drip => pb::LeakKind::Drip,
        Kind::Cyclic => pb::LeakKind::Cyclic,
        Kind::Pausing => pb::LeakKind::Pausing,
        Kind::Constant => pb::LeakKind::Constant,
        Kind::WhileAway => pb::LeakKind::WhileAway,
        Kind::Growing => pb::LeakKind::Growing,
        Kind::Burst => pb::LeakKind::Burst,
    }
}

const fn leak_status(status: Status) -> pb::LeakStatus {
    match status {
        Status::Active => pb::LeakStatus::Active,
        Status::Resolved => pb::LeakStatus::Resolved,
        Status::FalsePositive => pb::LeakStatus::FalsePositive,
    }
}

/// The status that a list is asked for; none is all.
pub const fn asked_leak_status(status: pb::LeakStatus) -> Option<Status> {
    match status {
        pb::LeakStatus::Unspecified => None,
        pb::LeakStatus::Active => Some(Status::Active),
        pb::LeakStatus::Resolved => Some(Status::Resolved),
        pb::LeakStatus::FalsePositive => Some(Status::FalsePositive),
    }
}

/// The status that a list is asked for; none is all.
pub const fn asked_tampering_status(status: pb::TamperingStatus) -> Option<tampering::Status> {
    match status {
        pb::TamperingStatus::Unspecified => None,
        pb::TamperingStatus::Active => Some(tampering::Status::Active),
        pb::TamperingStatus::Investigated => Some(tampering::Status::Investigated),
        pb::TamperingStatus::Resolved => Some(tampering::Status::Resolved),
    }
}

/// A tampering event, whole.
pub fn tampering(event: &TamperingEvent) -> pb::TamperingEvent {
    let inspection = event.inspection.as_ref();
    let evidence = event.seen.iter().map(|seen| pb::TamperingEvidence {
        kind: seen.evidence.name().to_owned(),
        date: seen.day.to_string(),
        at: rfc3339(seen.at),
    });
    pb::TamperingEvent {
        id: event.id.clone(),
        device_id: event.device_id.clone(),
        customer_id: event.customer_id.clone(),
        property_id: event.property_id.clone(),
        detected_at: rfc3339(event.detected_at()),
        tampering_type: match event.of_type {
            Type::Magnetic => pb::TamperingType::Magnetic,
            Type::Physical => pb::TamperingType::Physical,
            Type::Bypass => pb::TamperingType::Bypass,
        }
        .into(),
        severity: match event.severity() {
            Severity::Low => pb::TamperingSeverity::Low,
            Severity::Medium => pb::TamperingSeverity::Medium,
            Severity::High => pb::TamperingSeverity::High,
        }
        .into(),
        description: words::tampering(event),
        status: match event.status() {
            tampering::Status::Active => pb::TamperingStatus::Active,
            tampering::Status::Investigated => pb::TamperingStatus::Investigated,
            tampering::Status::Resolved => pb::TamperingStatus::Resolved,
        }
        .into(),
        investigated_by: inspection.map(|inspection| inspection.by.clone()).unwrap_or_default(),
        investigated_at: inspection.map(|inspection| rfc3339(inspection.at)).unwrap_or_default(),
        resolution: inspection.and_then(|inspection| inspection.resolution.clone()).unwrap_or_default(),
        revision: event.revision,
        evidence: evidence.collect(),
    }
}
