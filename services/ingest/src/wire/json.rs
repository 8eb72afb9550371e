//! Telemetry in JSON: the twin of the protobuf schema, for devices and gateways that speak no protobuf.
//!
//! Read in one pass without a tree. Registers are taken as the digits that stand in the text, whether they are a JSON
//! number or a string. Unknown fields are ignored; so are unknown alarms.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::number::Number;
use crate::domain::reject::{Reason, Reject};
use crate::domain::uplink::{Alarm, SaidRead, SaidUnit, State, Uplink};

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    device_id: Cow<'a, str>,
    unit: Option<JsonUnit>,
    #[serde(default)]
    reads: Option<Vec<JsonRead>>,
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
}

/// Decodes one message.
pub(super) fn decode(value: &[u8]) -> Result<Uplink<'_>, Reject> {
    parse(value).map_err(|error| Reject::new(Reason::Malformed, format!("no telemetry in JSON: {error}")))
}

fn parse(value: &[u8]) -> Result<Uplink<'_>, serde_json::Error> {
    let message: Message<'_> = serde_json::from_slice(value)?;
    let reads = match message.reads {
        Some(reads) => reads.into_iter().map(SaidRead::from).collect(),
        None => shorthand(&message)?.into_iter().collect(),
    };
    let alarms = message.alarms.unwrap_or_default().iter().filter_map(|name| alarm(name)).collect();
    Ok(Uplink {
        device_id: message.device_id,
        unit: message.unit.map(SaidUnit::from),
        reads,
        state: State { battery_percent: message.battery_percent, rssi_dbm: message.rssi_dbm, alarms },
    })
}

/// The one read beside `device_id`, if there is one.
fn shorthand(message: &Message<'_>) -> Result<Option<SaidRead>, serde_json::Error> {
    let (time, register) = match (message.time, message.register) {
        (None, None) => return Ok(None),
        (Some(time), Some(register)) => (time, register),
        (None, Some(_)) => return Err(Error::missing_field("time")),
        (Some(_), None) => return Err(Error::missing_field("register")),
    };
    Ok(Some(SaidRead {
        at: serde_json::from_str::<Time>(time.get())?.0,
        register: number(register.get())?,
        flow_litres_per_hour: message.flow_l_h.map_or(Ok(None), |flow| serde_json::from_str(flow.get()))?,
    }))
}

impl From<JsonRead> for SaidRead {
    fn from(read: JsonRead) -> Self {
        Self { at: read.time.0, register: read.register.0, flow_litres_per_hour: read.flow_l_h }
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
                i64::try_from(seconds).map_err(|_| E::custom("a time beyond all time"))
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
