//! Schemas to domain and back, for the topics and for gRPC alike.

pub mod network;

use std::sync::Arc;

use indowater_common::mongo::outbox::Row;
use indowater_common::wire::readings;
use indowater_proto::anomaly::v1 as pb;
use indowater_proto::readings::v1::{ReadSource, Readings};
use indowater_proto::registry::v1::Device;
use indowater_proto::telemetry::v1::MeterAlarm;
use indowater_proto::topics;
use jiff::Timestamp;
use prost::Message;
use rust_decimal::Decimal;

use crate::app::device::Reading;
use crate::app::registry::Entry;
use crate::domain::condition::{DeviceCondition, Uplink};
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
    Ok(Reading {
        area: message.area.as_str().into(),
        gateway_id: message.gateway_id.as_str().into(),
        seen: seen.collect(),
        uplink: uplink(message),
        device_id,
        timeline,
        zone,
        reads,
        span: None,
    })
}

/// What telemetry says of the device itself. Facts of the registry and reads of technicians come from no device.
fn uplink(message: &Readings) -> Option<Uplink> {
    let is_telemetry = message.source() == ReadSource::Telemetry && message.telemetry_offset >= 0;
    is_telemetry.then(|| Uplink {
        received_at: message.received_at,
        battery: message.battery_percent.map(|percent| u8::try_from(percent.min(100)).unwrap_or(100)),
        rssi: message.rssi_dbm.and_then(|dbm| i16::try_from(dbm).ok()),
        complains: message.alarms().any(|alarm| alarm == MeterAlarm::LowBattery),
    })
}

/// Understands an entry of the devices' registry.
///
/// # Errors
/// It does not say when it changed.
pub fn entry(device: Device) -> Result<Entry, String> {
    let changed_at: Timestamp =
        device.updated_at.parse().map_err(|_| format!("{:?} is no time", device.updated_at))?;
    let Device { id, version, status, .. } = device;
    Ok(Entry { device_id: id, version, status, changed_at: changed_at.as_second() })
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

/// How the world is told: under `prefix`, everything as its next revision.
pub fn announce(prefix: &str) -> Announce {
    let (anomalies, conditions) = (topics::ANOMALIES.name(prefix), topics::DEVICE_CONDITION.name(prefix));
    let (groups, events) = (topics::GROUP_FACTS.name(prefix), topics::NETWORK_EVENTS.name(prefix));
    Arc::new(move |event| match event {
        Event::Leak(event) => {
            let told = leak(&LeakEvent { revision: event.revision + 1, ..event.clone() });
            let at = event.steps.last().map_or(event.opened, |step| step.at);
            let anomaly = pb::Anomaly {
                id: told.id.clone(),
                device_id: told.device_id.clone(),
                revision: told.revision,
                event: Some(pb::anomaly::Event::Leak(told)),
            };
            row(&anomalies, anomaly, at)
        }
        Event::Tampering(event) => {
            let told = tampering(&TamperingEvent { revision: event.revision + 1, ..event.clone() });
            let at = event.seen.last().map_or(event.begun, |seen| seen.at);
            let anomaly = pb::Anomaly {
                id: told.id.clone(),
                device_id: told.device_id.clone(),
                revision: told.revision,
                event: Some(pb::anomaly::Event::Tampering(told)),
            };
            row(&anomalies, anomaly, at)
        }
        Event::Member(area, device_id, member) => network::member_row(&groups, area, device_id, member),
        Event::Beat(group, beat) => network::beat_row(&groups, group, beat),
        Event::Network(event) => network::event_row(&events, event),
        Event::Planned(plan) => network::plan_row(&events, plan),
        Event::Condition(told) => Row {
            topic: conditions.clone(),
            key: told.device_id.clone(),
            value: condition(told).encode_to_vec(),
            event_id: format!("{}@{}", told.device_id, told.revision + 1),
            source: SOURCE.to_owned(),
            kind: topics::DEVICE_CONDITION.message.to_owned(),
            time: told.condition.last_seen,
            traceparent: None,
        },
    })
}

fn row(topic: &str, anomaly: pb::Anomaly, time: i64) -> Row {
    Row {
        topic: topic.to_owned(),
        key: format!("{}|{}", anomaly.device_id, anomaly.id),
        event_id: format!("{}@{}", anomaly.id, anomaly.revision),
        value: anomaly.encode_to_vec(),
        source: SOURCE.to_owned(),
        kind: topics::ANOMALIES.message.to_owned(),
        time,
        traceparent: None,
    }
}

/// How a device is, as its next revision says it.
fn condition(told: &DeviceCondition) -> pb::DeviceCondition {
    let condition = &told.condition;
    pb::DeviceCondition {
        device_id: told.device_id.clone(),
        customer_id: told.customer_id.clone(),
        property_id: told.property_id.clone(),
        is_offline: condition.is_offline,
        last_seen_at: condition.last_seen,
        interval_seconds: condition.rhythm,
        is_battery_low: condition.is_battery_low,
        battery_percent: condition.battery.map(u32::from),
        battery_empty_on: condition.empty_on.map(|day| day.to_string()).unwrap_or_default(),
        is_signal_weak: condition.is_signal_weak,
        rssi_dbm: condition.rssi.map(i32::from),
        revision: told.revision + 1,
    }
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
