//! What of a letter is sent again: the reads that were set aside and no others, so that their good neighbours do not come
//! twice; with it, when and where the message was first received, by which it is judged.

use std::borrow::Cow;
use std::collections::BTreeMap;

use indowater_common::domain::identifier;
use indowater_common::kafka::{BACKFILL, FIRST_RECEIVED, JSON};
use indowater_proto::readings::v1::{Coordinates, DeadLetter};
use indowater_proto::telemetry::v1::Telemetry;
use prost::Message as _;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::uplink::Uplinked;

/// Where `from` is the place of the letter as it is told; `backfill` declares the reads to be of any age. `None` if the
/// letter does not have the whole message.
pub fn again(letter: &DeadLetter, from: String, backfill: bool) -> Option<Uplinked> {
    if letter.is_cut {
        return None;
    }
    let Coordinates { partition, offset } = first(letter);
    let mut headers = vec![
        ("redriven-from", from),
        (FIRST_RECEIVED, format!("{partition}:{offset}@{}", letter.received_at_ms)),
    ];
    if backfill || letter.backfill {
        headers.push((BACKFILL, "true".to_owned()));
    }
    Some(Uplinked {
        key: letter.key.clone(),
        payload: reads(letter).into_owned(),
        content_type: letter.content_type.clone(),
        headers,
    })
}

/// Where the message stood when it was first received.
pub fn first(letter: &DeadLetter) -> Coordinates {
    letter.first.unwrap_or(Coordinates { partition: letter.partition, offset: letter.offset })
}

/// The message with only the reads that were set aside; as it came where that is all of it, or where it cannot be cut.
pub fn reads(letter: &DeadLetter) -> Cow<'_, [u8]> {
    let DeadLetter { payload, places, message_reads, .. } = letter;
    let is_whole = places.is_empty() || places.len() == *message_reads as usize;
    let cut = match is_whole {
        true => None,
        false if is_json(letter) => cut_json(payload, places),
        false => cut_protobuf(payload, places),
    };
    cut.map_or(Cow::Borrowed(payload.as_slice()), Cow::Owned)
}

/// The identifier of the device that it is of, as it is compared; the record's key if the message cannot be read.
pub fn device(letter: &DeadLetter) -> String {
    #[derive(Deserialize)]
    struct Of {
        device_id: String,
    }
    let told = if is_json(letter) {
        serde_json::from_slice(&letter.payload).ok().map(|of: Of| of.device_id)
    } else {
        Telemetry::decode(letter.payload.as_slice()).ok().map(|telemetry| telemetry.device_id)
    };
    let told = told.filter(|device_id| !device_id.trim().is_empty());
    let told = told.unwrap_or_else(|| String::from_utf8_lossy(&letter.key).into_owned());
    identifier::key(&told).into_owned()
}

fn is_json(letter: &DeadLetter) -> bool {
    let essence = letter.content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(JSON)
        || (essence.is_empty() && letter.payload.trim_ascii_start().starts_with(b"{"))
}

fn cut_json(payload: &[u8], places: &[u32]) -> Option<Vec<u8>> {
    let mut fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(payload).ok()?;
    let reads: Vec<&RawValue> = serde_json::from_str(fields.get("reads")?.get()).ok()?;
    let kept: Option<Vec<&RawValue>> =
        places.iter().map(|place| reads.get(*place as usize).copied()).collect();
    let kept = to_raw_value(&kept?).ok()?;
    fields.insert("reads".into(), &kept);
    serde_json::to_vec(&fields).ok()
}

/// Field by field, so that one which this schema does not know yet is not lost.
fn cut_protobuf(payload: &[u8], places: &[u32]) -> Option<Vec<u8>> {
    /// `reads` of the schema.
    const READS: u32 = 3;
    let (mut rest, mut kept, mut place) = (payload, Vec::with_capacity(payload.len()), 0);
    while !rest.is_empty() {
        let field = rest;
        let (number, kind) = decode_key(&mut rest).ok()?;
        skip_field(kind, number, &mut rest, DecodeContext::default()).ok()?;
        if number != READS || places.contains(&place) {
            kept.extend_from_slice(field.get(..field.len() - rest.len())?);
        }
        place += u32::from(number == READS);
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use indowater_common::kafka::PROTOBUF;
    use indowater_proto::telemetry::v1::{RegisterRead, RegisterUnit};

    use super::*;

    fn letter(content_type: &str, payload: &[u8], places: &[u32], message_reads: u32) -> DeadLetter {
        DeadLetter {
            payload: payload.to_vec(),
            content_type: content_type.to_owned(),
            key: b"SN-1".to_vec(),
            partition: 3,
            offset: 42,
            received_at_ms: 1_000,
            places: places.to_vec(),
            message_reads,
            ..DeadLetter::default()
        }
    }

    fn value(bytes: &[u8]) -> serde_json::Value {
        serde_json::from_slice(bytes).unwrap()
    }

    const TEXT: &[u8] = br#" {"unit":"m3", "device_id":"SN-1", "x":{"y":1.10},
        "reads":[{"time":1,"register":1.100000000000000000001}, "?", {"time":3,"register":3}]}"#;

    #[test]
    fn a_message_is_sent_again_as_it_came_and_judged_by_when_it_came_first() {
        let letter = DeadLetter { content_type: "text/csv".to_owned(), ..letter("", b"\x0f", &[], 0) };
        let sent = again(&letter, "dead:1:9".to_owned(), false).unwrap();
        let expected = Uplinked {
            key: b"SN-1".to_vec(),
            payload: b"\x0f".to_vec(),
            content_type: "text/csv".to_owned(),
            headers: vec![
                ("redriven-from", "dead:1:9".to_owned()),
                ("indowater-first-received", "3:42@1000".to_owned()),
            ],
        };
        assert_eq!(sent, expected);
        let older = DeadLetter { first: Some(Coordinates { partition: 0, offset: 7 }), ..letter.clone() };
        let sent = again(&older, String::new(), true).unwrap();
        assert_eq!(sent.headers[1].1, "0:7@1000");
        let declared = ("indowater-backfill", "true".to_owned());
        assert_eq!(sent.headers[2], declared);
        let backfill = DeadLetter { backfill: true, ..letter.clone() };
        assert_eq!(again(&backfill, String::new(), false).unwrap().headers[2], declared, "it stays one");
        assert_eq!(again(&DeadLetter { is_cut: true, ..letter }, String::new(), false), None);
    }

    #[test]
    fn of_json_only_the_reads_that_were_set_aside_are_sent_and_every_digit_of_them() {
        for content_type in ["application/json", "Application/JSON; charset=utf-8", ""] {
            let letter = letter(content_type, TEXT, &[0, 2], 3);
            let cut = reads(&letter).into_owned();
            let mut expected = value(TEXT);
            expected["reads"].as_array_mut().unwrap().remove(1);
            assert_eq!(value(&cut), expected);
            assert!(String::from_utf8_lossy(&cut).contains("1.100000000000000000001"));
            // Of what is sent, all is set aside again: it is the same then.
            let next =
                DeadLetter { payload: cut.clone(), places: vec![0, 1], message_reads: 2, ..letter.clone() };
            assert_eq!(*reads(&next), *cut);
        }
    }

    #[test]
    fn of_protobuf_only_the_reads_that_were_set_aside_are_sent_and_no_field_is_lost() {
        let read = |register| RegisterRead { read_at: 1, register, flow_litres_per_hour: None };
        let mut telemetry = Telemetry {
            device_id: "SN-1".to_owned(),
            unit: RegisterUnit::Litre.into(),
            reads: (0..5).map(read).collect(),
            battery_percent: Some(9),
            ..Telemetry::default()
        };
        // A field of the future: number 100, text "new".
        let future = b"\xa2\x06\x03new";
        let payload = [telemetry.encode_to_vec(), future.to_vec()].concat();
        let cut = reads(&letter(PROTOBUF, &payload, &[1, 4], 5)).into_owned();
        telemetry.reads = vec![read(1), read(4)];
        assert_eq!(cut, [telemetry.encode_to_vec(), future.to_vec()].concat());
    }

    #[test]
    fn what_cannot_be_cut_is_sent_as_it_came() {
        for (content_type, payload, places, all) in [
            (JSON, TEXT, &[][..], 3),
            (JSON, TEXT, &[0, 1, 2], 3),
            (JSON, TEXT, &[7], 9),
            (JSON, b"{", &[0], 2),
            (JSON, br#"{"device_id":"SN-1"}"#, &[0], 2),
            (PROTOBUF, b"\x1a\x7f", &[0], 2),
        ] {
            assert_eq!(*reads(&letter(content_type, payload, places, all)), *payload, "{places:?}");
        }
    }

    #[test]
    fn a_letter_is_of_the_device_it_names_or_is_keyed_by() {
        let telemetry = Telemetry { device_id: " Sn-2 ".to_owned(), ..Telemetry::default() }.encode_to_vec();
        for (content_type, payload, expected) in [
            (JSON, br#"{"device_id":"SN-2 "}"#.as_slice(), "sn-2"),
            (PROTOBUF, &telemetry, "sn-2"),
            (JSON, b"{", "sn-1"),
            ("text/csv", b"1;2", "sn-1"),
            (PROTOBUF, b"", "sn-1"),
        ] {
            assert_eq!(device(&letter(content_type, payload, &[], 0)), expected);
        }
    }
}
