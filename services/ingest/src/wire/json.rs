//! Telemetry in JSON: the twin of the protobuf schema, for devices and gateways that speak no protobuf.
//!
//! Read in one pass without a tree. Registers are taken as the digits that stand in the text, whether they are a JSON
//! number or a string. Unknown fields are ignored; so are unknown alarms. A read that is none stops that pass; then the
//! message is read again with each read by itself, so that its neighbours count.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::accept::MOST_READS;
use crate::domain::number::Number;
use crate::domain::reject::{Fault, Reason, Reject};
use crate::domain::uplink::{Alarm, SaidRead, SaidUnit, State, Uplink, device_key};

#[derive(Deserialize)]
#[serde(bound(deserialize = "R: Deserialize<'de>"))]
struct Message<'a, R> {
    #[serde(borrow)]
    device_id: Cow<'a, str>,
    unit: Option<JsonUnit>,
    #[serde(default)]
    reads: Option<Vec<R>>,
    // The shorthand for one read. Its fields stay raw: beside `reads` they may mean something else to the sender.
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    register: Option<&'a RawValue>,
    #[serde(borrow, default)]
    flow_l_h: Option<&'a RawValue>,
    battery_percent: Option<u32>,
    rssi_dbm: Option<i32>,
    #[serde(borrow, default)]
    gateway_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    alarms: Option<Vec<Cow<'a, str>>>,
}

#[derive(Deserialize)]
enum JsonUnit {
    L,
    #[serde(rename = "mL")]
    Millilitre,
    #[serde(rename = "m3")]
    CubicMetre,
}

#[derive(Deserialize)]
struct JsonRead {
    time: Time,
    register: Register,
    flow_l_h: Option<u32>,
    /// Of the size of what it becomes, so that a list is turned into the other in its place.
    #[serde(skip)]
    place: u32,
}

/// The reads of a message, and those that are none.
#[derive(Default)]
struct Reads {
    good: Vec<SaidRead>,
    faults: Vec<Fault>,
    all: usize,
}

/// Decodes one message.
pub(super) fn decode(value: &[u8]) -> Result<Uplink<'_>, Reject> {
    parse(value).map_err(|error| Reject::new(Reason::Malformed, format!("no telemetry in JSON: {error}")))
}

fn parse(value: &[u8]) -> Result<Uplink<'_>, serde_json::Error> {
    match serde_json::from_slice::<Message<'_, JsonRead>>(value) {
        Ok(mut message) => {
            let reads = match message.reads.take() {
                Some(reads) => {
                    let all = reads.len();
                    let placed = |(read, place)| SaidRead::from(JsonRead { place, ..read });
                    Reads { good: reads.into_iter().zip(0..).map(placed).collect(), all, ..Reads::default() }
                }
                None => shorthand(&message),
            };
            Ok(uplink(message, reads))
        }
        Err(_) => {
            let mut message = serde_json::from_slice::<Message<'_, &RawValue>>(value)?;
            let reads = message.reads.take().map(|reads| one_by_one(&reads));
            let reads = reads.unwrap_or_else(|| shorthand(&message));
            Ok(uplink(message, reads))
        }
    }
}

fn uplink<R>(message: Message<'_, R>, reads: Reads) -> Uplink<'_> {
    let alarms = message.alarms.unwrap_or_default().iter().filter_map(|name| alarm(name)).collect();
    Uplink {
        device_key: device_key(&message.device_id),
        device_id: message.device_id,
        unit: message.unit.map(SaidUnit::from),
        reads: reads.good,
        faults: reads.faults,
        message_reads: u32::try_from(reads.all).unwrap_or(u32::MAX),
        state: State { battery_percent: message.battery_percent, rssi_dbm: message.rssi_dbm, alarms },
        gateway_id: message.gateway_id,
    }
}

/// Each read by itself. Of too many nothing more is said than how many they are.
fn one_by_one(list: &[&RawValue]) -> Reads {
    let mut reads = Reads { all: list.len(), ..Reads::default() };
    for (raw, place) in list.iter().zip(0..).filter(|_| list.len() <= MOST_READS) {
        match serde_json::from_str::<JsonRead>(raw.get()) {
            Ok(read) => reads.good.push(JsonRead { place, ..read }.into()),
            Err(error) => reads.faults.push(malformed(place, &error)),
        }
    }
    reads
}

/// The one read beside `device_id`, if there is one.
fn shorthand<R>(message: &Message<'_, R>) -> Reads {
    let read = || {
        Ok(JsonRead {
            time: message.time.ok_or_else(|| Error::missing_field("time")).and_then(of)?,
            register: message.register.ok_or_else(|| Error::missing_field("register")).and_then(of)?,
            flow_l_h: message.flow_l_h.map_or(Ok(None), of)?,
            place: 0,
        })
    };
    match read() {
        _ if message.time.is_none() && message.register.is_none() => Reads::default(),
        Ok(read) => Reads { good: vec![read.into()], all: 1, ..Reads::default() },
        Err(error) => Reads { faults: vec![malformed(0, &error)], all: 1, ..Reads::default() },
    }
}

fn of<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, serde_json::Error> {
    serde_json::from_str(raw.get())
}

fn malformed(place: u32, error: &serde_json::Error) -> Fault {
    // Lines and columns would count from the read's own beginning.
    let why = error.to_string();
    let why = why.rsplit_once(" at line ").map_or(&*why, |(why, _)| why).to_owned();
    Fault { place, reason: Reason::Malformed, why }
}

impl From<JsonRead> for SaidRead {
    fn from(read: JsonRead) -> Self {
        let JsonRead { time, register, flow_l_h, place } = read;
        Self { place, at: time.0, register: register.0, flow_litres_per_hour: flow_l_h }
    }
}

impl From<JsonUnit> for SaidUnit {
    fn from(unit: JsonUnit) -> Self {
        match unit {
            JsonUnit::L => Self::Litre,
            JsonUnit::Millilitre => Self::Millilitre,
            JsonUnit::CubicMetre => Self::CubicMetre,
        }
    }
}

fn alarm(name: &str) -> Option<Alarm> {
    Some(match name {
        "leak" => Alarm::Leak,
        "burst" => Alarm::Burst,
        "magnetic" => Alarm::Magnetic,
        "case_open" => Alarm::CaseOpen,
        "tilt" => Alarm::Tilt,
        "reverse_flow" => Alarm::ReverseFlow,
        "dry" => Alarm::Dry,
        "freeze" => Alarm::Freeze,
        "low_battery" => Alarm::LowBattery,
        _ => return None,
    })
}

/// A register: a JSON number, or a string of digits.
struct Register(Number);

impl<'de> Deserialize<'de> for Register {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        number(raw.get()).map(Self)
    }
}

fn number<E: Error>(raw: &str) -> Result<Number, E> {
    let digits = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    Number::parse(digits).ok_or_else(|| E::custom(format_args!("register {raw:.40} is no decimal number")))
}

/// A moment: RFC 3339, or whole seconds since 1970. Fractions of a second are dropped.
struct Time(i64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Moment;

        impl Visitor<'_> for Moment {
            type Value = i64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time in RFC 3339 or in whole seconds since 1970")
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<i64, E> {
                // Beyond all time, which is no time of a read.
                Ok(i64::try_from(seconds).unwrap_or(i64::MAX))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<i64, E> {
                Ok(seconds)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
                let time = text.parse::<Timestamp>();
                time.map(Timestamp::as_second)
                    .map_err(|_| E::custom(format_args!("time {text:.40?} is not RFC 3339")))
            }
        }

        deserializer.deserialize_any(Moment).map(Self)
    }
}
