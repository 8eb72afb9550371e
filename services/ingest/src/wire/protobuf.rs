//! The schemas of `proto/`: telemetry as devices send it, readings and dead letters as ingest publishes them.

use std::borrow::Cow;

use indowater_common::domain::meter::Unit;
use indowater_proto::readings::v1 as readings;
use indowater_proto::telemetry::v1 as telemetry;
use prost::Message;

use super::timeline;
use crate::domain::accept::Accepted;
use crate::domain::arrival::Arrival;
use crate::domain::facts::Facts;
use crate::domain::number::Number;
use crate::domain::reject::{Reason, Reject};
use crate::domain::uplink::{Alarm, SaidRead, SaidUnit, State, Uplink, device_key};

/// Decodes one message of telemetry.
pub(super) fn decode(value: &[u8]) -> Result<Uplink<'_>, Reject> {
    let malformed = |why: &dyn std::fmt::Display| {
        Reject::new(Reason::Malformed, format!("no telemetry in protobuf: {why}"))
    };
    let message = telemetry::Telemetry::decode(value).map_err(|error| malformed(&error))?;
    let unit = match telemetry::RegisterUnit::try_from(message.unit) {
        Ok(unit) => unit_from_wire(unit).map(SaidUnit::from),
        Err(_) => return Err(malformed(&format_args!("unit {} is not known", message.unit))),
    };
    let alarms = message.alarms.iter().filter_map(|number| alarm_from_wire(*number)).collect();
    let message_reads = u32::try_from(message.reads.len()).unwrap_or(u32::MAX);
    let read = |(place, read): (u32, telemetry::RegisterRead)| SaidRead {
        place,
        at: read.read_at,
        register: Number::whole(read.register),
        flow_litres_per_hour: read.flow_litres_per_hour,
    };
    let device_id = Cow::Owned(message.device_id);
    Ok(Uplink {
        device_key: device_key(&device_id),
        device_id,
        unit,
        reads: (0..).zip(message.reads).map(read).collect(),
        faults: Vec::new(),
        message_reads,
        state: State { battery_percent: message.battery_percent, rssi_dbm: message.rssi_dbm, alarms },
        gateway_id: (!message.gateway_id.is_empty()).then_some(Cow::Owned(message.gateway_id)),
    })
}

/// Where a telemetry message stands and what came with it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The topic's full name.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// How it came.
    pub arrival: Arrival,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
    /// Its content type.
    pub content_type: Option<&'a str>,
}

/// Encodes what ingest publishes, into one buffer and through one message that are used again and again.
#[derive(Default)]
pub struct Encoder {
    readings: readings::Readings,
    buffer: Vec<u8>,
}

impl Encoder {
    /// The accepted reads of a message, with what the registry knows of their device.
    pub fn readings(&mut self, facts: &Facts, accepted: &Accepted, origin: &Origin<'_>) -> &[u8] {
        let message = &mut self.readings;
        message.clear();
        message.device_id.push_str(&facts.id);
        timeline::write(message, facts, accepted.newest.at);
        message.set_source(readings::ReadSource::Telemetry);
        message.reads.extend(accepted.reads.iter().map(|read| readings::AcceptedRead {
            read_at: read.at,
            register: read.register,
            flow_litres_per_hour: read.flow_litres_per_hour,
            unit_assumed: accepted.unit_assumed,
            clock_corrected: read.clock_corrected,
        }));
        message.message_reads = accepted.message_reads;
        message.clock_corrected = accepted.corrected > 0;
        message.received_at = accepted.received_at;
        message.telemetry_partition = origin.partition;
        message.telemetry_offset = origin.offset;
        message.gateway_id.push_str(accepted.gateway_id.as_deref().unwrap_or_default());
        message.battery_percent = accepted.state.battery_percent;
        message.rssi_dbm = accepted.state.rssi_dbm;
        message.alarms.extend(accepted.state.alarms.iter().map(|alarm| alarm_to_wire(alarm) as i32));
        encode(message, &mut self.buffer)
    }

    /// A message that cannot be used, or not all of it, as it came; what is too long for a record is cut, and its detail says so.
    pub fn dead_letter(&mut self, reject: &Reject, origin: &Origin<'_>) -> &[u8] {
        let (payload, key) = (cut(origin.value, MOST_PAYLOAD), cut(origin.key, MOST_KEY));
        let content_type: String =
            origin.content_type.unwrap_or_default().chars().take(MOST_CONTENT_TYPE).collect();
        let mut detail = reject.detail.clone();
        if payload.len() < origin.value.len() {
            let (kept, all) = (payload.len(), origin.value.len());
            detail.push_str(&format!(
                "; the first {kept} of {all} bytes are kept here, all at these coordinates"
            ));
        }
        let message = readings::DeadLetter {
            is_cut: payload.len() < origin.value.len()
                || key.len() < origin.key.len()
                || content_type.len() < origin.content_type.unwrap_or_default().len(),
            payload: payload.to_vec(),
            key: key.to_vec(),
            content_type,
            topic: origin.topic.to_owned(),
            partition: origin.partition,
            offset: origin.offset,
            reason: reason_to_wire(reject.reason).into(),
            detail,
            received_at_ms: origin.arrival.received_at_ms,
            places: reject.places.clone(),
            message_reads: reject.message_reads,
            first: origin
                .arrival
                .first
                .map(|first| readings::Coordinates { partition: first.partition, offset: first.offset }),
            backfill: origin.arrival.is_backfill,
        };
        encode(&message, &mut self.buffer)
    }
}

/// The topic's bound is on compressed batches, so a stranger's record may be of any size; a dead letter must fit its
/// topic, or it would stop the partition.
const MOST_PAYLOAD: usize = 1024 * 1024;
/// Bytes of a key that a dead letter keeps.
pub const MOST_KEY: usize = 4 * 1024;
const MOST_CONTENT_TYPE: usize = 200;

fn cut(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[..bytes.len().min(most)]
}

fn encode<'a>(message: &impl Message, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    buffer.clear();
    // A vector grows as it must; there is no other way to fail.
    let _ = message.encode(buffer);
    buffer
}

/// The unit of a register; none if the sender leaves it open.
pub fn unit_from_wire(unit: telemetry::RegisterUnit) -> Option<Unit> {
    match unit {
        telemetry::RegisterUnit::Unspecified => None,
        telemetry::RegisterUnit::Litre => Some(Unit::Litre),
        telemetry::RegisterUnit::Millilitre => Some(Unit::Millilitre),
    }
}

pub(super) const fn unit_to_wire(unit: Unit) -> telemetry::RegisterUnit {
    match unit {
        Unit::Litre => telemetry::RegisterUnit::Litre,
        Unit::Millilitre => telemetry::RegisterUnit::Millilitre,
    }
}

fn alarm_from_wire(number: i32) -> Option<Alarm> {
    Alarm::ALL.into_iter().find(|alarm| alarm_to_wire(*alarm) as i32 == number)
}

const fn alarm_to_wire(alarm: Alarm) -> telemetry::MeterAlarm {
    match alarm {
        Alarm::Leak => telemetry::MeterAlarm::Leak,
        Alarm::Burst => telemetry::MeterAlarm::Burst,
        Alarm::Magnetic => telemetry::MeterAlarm::Magnetic,
        Alarm::CaseOpen => telemetry::MeterAlarm::CaseOpen,
        Alarm::Tilt => telemetry::MeterAlarm::Tilt,
        Alarm::ReverseFlow => telemetry::MeterAlarm::ReverseFlow,
        Alarm::Dry => telemetry::MeterAlarm::Dry,
        Alarm::Freeze => telemetry::MeterAlarm::Freeze,
        Alarm::LowBattery => telemetry::MeterAlarm::LowBattery,
    }
}

const fn reason_to_wire(reason: Reason) -> readings::DeadLetterReason {
    match reason {
        Reason::Malformed => readings::DeadLetterReason::Malformed,
        Reason::UnsupportedContentType => readings::DeadLetterReason::UnsupportedContentType,
        Reason::UnknownDevice => readings::DeadLetterReason::UnknownDevice,
        Reason::InactiveDevice => readings::DeadLetterReason::InactiveDevice,
        Reason::ImpossibleValue => readings::DeadLetterReason::ImpossibleValue,
        Reason::Oversized => readings::DeadLetterReason::Oversized,
        Reason::KeyMismatch => readings::DeadLetterReason::KeyMismatch,
        Reason::BeforeInstallation => readings::DeadLetterReason::BeforeInstallation,
        Reason::TooOld => readings::DeadLetterReason::TooOld,
    }
}
