//! Reads as a meter puts them on the wire: protobuf or JSON, chosen by the `content-type` header.

use indowater_common::kafka::{JSON, PROTOBUF};
use indowater_proto::telemetry::v1::{RegisterRead, RegisterUnit, Telemetry};
use prost::Message as _;
use serde_json::json;

use crate::uplink::Uplinked;

/// A cumulative register at a moment, in the meter's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Read {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// Counts of the meter's unit.
    pub register: i64,
}

/// How a meter speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

/// One message of one meter, with its reads in the order given.
pub fn message(device_id: &str, unit: RegisterUnit, reads: &[Read], encoding: Encoding) -> Uplinked {
    let (payload, content_type) = match encoding {
        Encoding::Protobuf => (protobuf(device_id, unit, reads), PROTOBUF),
        Encoding::Json => (json(device_id, unit, reads), JSON),
    };
    Uplinked {
        key: device_id.as_bytes().to_vec(),
        payload,
        content_type: content_type.to_owned(),
        headers: Vec::new(),
    }
}

fn protobuf(device_id: &str, unit: RegisterUnit, reads: &[Read]) -> Vec<u8> {
    let reads = reads.iter().map(|read| RegisterRead {
        read_at: read.at,
        register: read.register,
        flow_litres_per_hour: None,
    });
    let telemetry = Telemetry {
        device_id: device_id.to_owned(),
        unit: unit.into(),
        reads: reads.collect(),
        ..Default::default()
    };
    telemetry.encode_to_vec()
}

fn json(device_id: &str, unit: RegisterUnit, reads: &[Read]) -> Vec<u8> {
    let reads: Vec<_> =
        reads.iter().map(|read| json!({ "time": read.at, "register": read.register })).collect();
    let mut message = json!({ "device_id": device_id, "reads": reads });
    if let Some(unit) = unit_in_json(unit) {
        message["unit"] = unit.into();
    }
    message.to_string().into_bytes()
}

/// Left out, it is the unit that the registry holds for the device.
fn unit_in_json(unit: RegisterUnit) -> Option<&'static str> {
    match unit {
        RegisterUnit::Litre => Some("L"),
        RegisterUnit::Millilitre => Some("mL"),
        RegisterUnit::Unspecified => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: [Read; 2] = [Read { at: 60, register: 7 }, Read { at: 120, register: 9 }];

    #[test]
    fn both_encodings_say_the_same() {
        let text = message("m-1", RegisterUnit::Millilitre, &READS, Encoding::Json);
        let value: serde_json::Value = serde_json::from_slice(&text.payload).unwrap();
        let reads = json!([{ "time": 60, "register": 7 }, { "time": 120, "register": 9 }]);
        assert_eq!(value, json!({ "device_id": "m-1", "unit": "mL", "reads": reads }));

        let binary = message("m-1", RegisterUnit::Millilitre, &READS, Encoding::Protobuf);
        let telemetry = Telemetry::decode(binary.payload.as_slice()).unwrap();
        assert_eq!((telemetry.device_id.as_str(), telemetry.unit()), ("m-1", RegisterUnit::Millilitre));
        assert_eq!(
            telemetry.reads.iter().map(|read| (read.read_at, read.register)).collect::<Vec<_>>(),
            [(60, 7), (120, 9)]
        );
        assert_eq!((text.key, binary.key), (b"m-1".to_vec(), b"m-1".to_vec()));
    }
}
