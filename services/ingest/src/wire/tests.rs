use indowater_common::domain::meter::Unit;
use indowater_proto::readings::v1 as readings;
use indowater_proto::telemetry::v1::{MeterAlarm, RegisterRead, RegisterUnit, Telemetry};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::domain::accept::{Accepted, accept, check};
use crate::domain::arrival::Arrival;
use crate::domain::facts::example;
use crate::domain::number::Number;
use crate::domain::uplink::{Alarm, SaidRead, SaidUnit};

const JSON: Option<&str> = Some("application/json");
const PROTOBUF: Option<&str> = Some("application/protobuf");
const MOST: usize = 256 * 1024;
const NOW: i64 = 1_790_000_000;

fn json(text: &str) -> Result<Uplink<'_>, Reject> {
    decode(JSON, text.as_bytes(), MOST)
}

fn malformed(text: &str) -> String {
    let reject = json(text).unwrap_err();
    assert_eq!((reject.reason, reject.places.len()), (Reason::Malformed, 0), "{text}");
    reject.detail
}

/// The reads that are none: their places and what is wrong.
fn faults(text: &str) -> Vec<(u32, String)> {
    let uplink = json(text).unwrap();
    assert_eq!(uplink.message_reads as usize, uplink.reads.len() + uplink.faults.len(), "{text}");
    assert!(uplink.faults.iter().all(|fault| fault.reason == Reason::Malformed), "{text}");
    uplink.faults.into_iter().map(|fault| (fault.place, fault.why)).collect()
}

const MOST_AGE: i64 = 400 * 86_400;

fn reads(text: &str) -> Vec<(i64, Number)> {
    json(text).unwrap().reads.iter().map(|read| (read.at, read.register)).collect()
}

#[test]
fn the_documented_json_is_read() {
    let uplink = json(
        r#"{"device_id": "SN-1", "unit": "m3", "vendor": {"x": [1]}, "battery_percent": 87, "rssi_dbm": -71,
            "alarms": ["leak", "not yet known", "low_battery"],
            "reads": [{"time": "2026-11-22T10:00:00+07:00", "register": "12.345", "flow_l_h": 12, "q": null},
                      {"time": 1763780400, "register": 12.4}]}"#,
    )
    .unwrap();
    assert_eq!((&*uplink.device_id, uplink.unit), ("SN-1", Some(SaidUnit::CubicMetre)));
    assert_eq!((uplink.state.battery_percent, uplink.state.rssi_dbm), (Some(87), Some(-71)));
    assert_eq!(uplink.state.alarms.iter().collect::<Vec<_>>(), [Alarm::Leak, Alarm::LowBattery]);
    let first = SaidRead {
        place: 0,
        at: 1_795_316_400,
        register: Number::parse("12.345").unwrap(),
        flow_litres_per_hour: Some(12),
    };
    assert_eq!(uplink.reads[0], first);
    assert_eq!(uplink.reads[1].register, Number::parse("12.4").unwrap());
}

#[test]
fn one_read_needs_no_list() {
    let shorthand = r#"{"device_id":"SN-1","time":1763780400,"register":7,"flow_l_h":3}"#;
    let list = r#"{"device_id":"SN-1","reads":[{"time":1763780400,"register":7,"flow_l_h":3}]}"#;
    assert_eq!(json(shorthand).unwrap(), json(list).unwrap());
    // Beside a list these fields are the sender's own.
    assert_eq!(reads(r#"{"device_id":"a","time":"noon","register":"?","reads":[]}"#), []);
    for (text, told) in [
        (r#"{"device_id":"a","time":1}"#, "register"),
        (r#"{"device_id":"a","register":1}"#, "time"),
        (r#"{"device_id":"a","time":1,"register":"full"}"#, "full"),
        (r#"{"device_id":"a","time":1,"register":1,"flow_l_h":-1}"#, "-1"),
    ] {
        let faults = faults(text);
        assert!(faults.len() == 1 && faults[0].0 == 0 && faults[0].1.contains(told), "{text}: {faults:?}");
    }
}

#[test]
fn registers_are_digits_not_floats() {
    for (register, digits) in [
        ("0.1", "0.1"),
        ("\"0.1\"", "0.1"),
        ("12345678.123456789", "12345678.123456789"),
        ("1E3", "1e3"),
        ("\"00042\"", "42"),
        ("-5", "-5"),
    ] {
        let text = format!(r#"{{"device_id":"a","reads":[{{"time":1,"register":{register}}}]}}"#);
        assert_eq!(reads(&text), [(1, Number::parse(digits).unwrap())], "{register}");
    }
}

#[test]
fn malformed_json_is_told_with_its_place() {
    for (text, told) in [
        ("{", "line 1"),
        ("[]", "line 1"),
        ("null", "line 1"),
        (r#"{"reads":[]}"#, "device_id"),
        (r#"{"device_id":7}"#, "line 1"),
        (r#"{"device_id":"a","unit":"gallon"}"#, "gallon"),
        (r#"{"device_id":"a","reads":{}}"#, "line 1"),
        (r#"{"device_id":"a","reads":[{"time":1,"register":1},]}"#, "line 1"),
        (r#"{"device_id":"a","reads":[{"time":1,"register":1}"#, "line 1"),
        (r#"{"device_id":"a","battery_percent":"full","reads":[{"time":1,"register":1}]}"#, "full"),
        (r#"{"device_id":"a","reads":[]} trailing"#, "line 1"),
    ] {
        let detail = malformed(text);
        assert!(detail.contains(told), "{text}: {detail}");
    }
    assert_eq!(decode(JSON, b"{\"device_id\":\"\xff\"}", MOST).unwrap_err().reason, Reason::Malformed);
}

#[test]
fn a_read_that_is_none_does_not_harm_its_neighbours() {
    for (bad, told) in [
        (r#"{"register":1}"#, "time"),
        (r#"{"time":1}"#, "register"),
        (r#"{"time":1,"register":null}"#, "null"),
        (r#"{"time":1,"register":"full"}"#, "full"),
        (r#"{"time":1,"register":{}}"#, "{}"),
        (r#"{"time":1,"register":"1,204"}"#, "1,204"),
        (r#"{"time":"noon","register":1}"#, "noon"),
        (r#"{"time":{"$date":1},"register":1}"#, "a time in RFC 3339"),
        (r#"{"time":1.5,"register":1}"#, "1.5"),
        (r#"{"time":1,"register":1,"flow_l_h":-1}"#, "-1"),
        (r#"{"time":1,"time":2,"register":1}"#, "duplicate"),
        ("null", "null"),
        ("7", "7"),
        ("[[]]", "sequence"),
    ] {
        let good = r#"{"time":1790000000,"register":7}"#;
        let text = format!(r#"{{"device_id":"SN-1","unit":"L","reads":[{bad},{good},{good},{bad}]}}"#);
        let faults = faults(&text);
        assert_eq!(faults.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 3], "{bad}");
        assert!(faults[0].1.contains(told) && !faults[0].1.contains("line 1"), "{bad}: {}", faults[0].1);
        let uplink = json(&text).unwrap();
        assert_eq!(uplink.reads.iter().map(|read| read.place).collect::<Vec<_>>(), [1, 2], "{bad}");
        let decision = accept(&uplink, &example(), &origin().arrival, MOST_AGE);
        assert_eq!(decision.accepted.map(|accepted| accepted.reads.len()), Some(2), "{bad}");
        assert_eq!(decision.rejects[0].places, [0, 3], "{bad}");
    }
    // A time beyond all numbers is one of the read's value, as milliseconds are.
    let far = r#"{"device_id":"a","reads":[{"time":18446744073709551615,"register":1}]}"#;
    assert_eq!(json(far).unwrap().reads[0].at, i64::MAX);
    // Too many are not looked at one by one.
    let many = format!(r#"{{"device_id":"a","reads":[{}0]}}"#, "0,".repeat(1_000));
    let uplink = json(&many).unwrap();
    assert_eq!((uplink.message_reads, uplink.reads.len(), uplink.faults.len()), (1_001, 0, 0));
    assert_eq!(check(&uplink, b"").unwrap_err().reason, Reason::Oversized);
}

#[test]
fn identifiers_are_compared_without_blanks_and_case() {
    let text = json(r#"{"device_id":" 70b3\u0044X ","reads":[]}"#).unwrap();
    assert_eq!((&*text.device_id, &*text.device_key), (" 70b3DX ", "70b3dx"));
    let binary = Telemetry { device_id: "SN-1\n".into(), ..Default::default() }.encode_to_vec();
    assert_eq!(decode(PROTOBUF, &binary, MOST).unwrap().device_key, "sn-1");
}

#[test]
fn malformed_protobuf_is_told() {
    for value in [&b"\xff\xff\xff"[..], b"{\"device_id\":\"a\"}"] {
        assert_eq!(decode(PROTOBUF, value, MOST).unwrap_err().reason, Reason::Malformed);
    }
    let unheard_of = Telemetry { device_id: "a".into(), unit: 9, ..Default::default() }.encode_to_vec();
    assert!(decode(PROTOBUF, &unheard_of, MOST).unwrap_err().detail.contains("unit 9"));
    // Nothing at all is a message without a device.
    let empty = decode(PROTOBUF, b"", MOST).and_then(|uplink| check(&uplink, b""));
    assert_eq!(empty.unwrap_err().reason, Reason::Malformed);
}

#[test]
fn the_content_type_chooses() {
    let text = br#"{"device_id":"a","reads":[]}"#;
    let binary = Telemetry { device_id: "a".into(), ..Default::default() }.encode_to_vec();
    for kind in [None, JSON, Some("Application/JSON; charset=utf-8")] {
        assert!(decode(kind, text, MOST).is_ok(), "{kind:?}");
    }
    assert!(decode(None, b" \n{\"device_id\":\"a\"}", MOST).is_ok());
    for kind in [PROTOBUF, Some("application/x-protobuf"), Some("application/x-protobuf; v=1")] {
        assert!(decode(kind, &binary, MOST).is_ok(), "{kind:?}");
    }
    for (kind, value) in [(Some("text/csv"), &text[..]), (Some(""), text), (None, &binary), (None, b"")] {
        let reject = decode(kind, value, MOST).unwrap_err();
        assert_eq!(reject.reason, Reason::UnsupportedContentType, "{kind:?}");
    }
}

#[test]
fn too_many_bytes_are_not_even_read() {
    let reject = decode(JSON, &[b'{'; 101], 100).unwrap_err();
    assert_eq!(reject.reason, Reason::Oversized);
    assert!(reject.detail.contains("101") && reject.detail.contains("100"), "{}", reject.detail);
}

fn origin() -> Origin<'static> {
    Origin {
        topic: "indowater.device.telemetry.v1",
        partition: 3,
        offset: 42,
        arrival: Arrival::new(NOW * 1_000 + 250, None, None),
        key: b"SN-1",
        value: b"\x00garbage\xff",
        content_type: Some("text/csv"),
    }
}

#[test]
fn readings_carry_what_the_registry_knows() {
    let value =
        br#"{"device_id":"SN-1","battery_percent":9,"alarms":["tilt"],"time":1790000000,"register":7}"#;
    let facts = example();
    let arrival = Arrival::new((NOW + 1) * 1_000, None, None);
    let accepted = accept(&decode(JSON, value, MOST).unwrap(), &facts, &arrival, MOST_AGE).accepted.unwrap();
    let mut encoder = Encoder::default();
    let expected = readings::Readings {
        device_id: "device-1".into(),
        customer_id: "customer-001".into(),
        property_id: "property-1".into(),
        time_zone: "Asia/Jakarta".into(),
        tariff_class: "household-middle-1".into(),
        meter: Some(readings::Meter {
            unit: RegisterUnit::Litre.into(),
            register_digits: 8,
            q3_litres_per_hour: 2_500,
            ..readings::Meter::default()
        }),
        registry_version: 1,
        source: readings::ReadSource::Telemetry.into(),
        reads: vec![readings::AcceptedRead {
            read_at: NOW,
            register: 7,
            flow_litres_per_hour: None,
            unit_assumed: true,
            clock_corrected: false,
        }],
        message_reads: 1,
        clock_corrected: false,
        received_at: NOW + 1,
        telemetry_partition: 3,
        telemetry_offset: 42,
        battery_percent: Some(9),
        rssi_dbm: None,
        alarms: vec![MeterAlarm::Tilt.into()],
        billable: Some(true),
        installed_at: Some(facts.installed_at),
        area: "DMA-07".to_owned(),
        ..readings::Readings::default()
    };
    // The encoder is used again and again: nothing of one message stays for the next.
    for _ in 0..2 {
        let encoded = encoder.readings(&facts, &accepted, &origin());
        assert_eq!(readings::Readings::decode(encoded).unwrap(), expected);
        let mut bare = Accepted { state: Default::default(), unit_assumed: false, ..accepted.clone() };
        let encoded = readings::Readings::decode(encoder.readings(&facts, &bare, &origin())).unwrap();
        assert_eq!((encoded.battery_percent, encoded.alarms.len(), encoded.reads.len()), (None, 0, 1));
        assert!(!encoded.reads[0].unit_assumed && !encoded.clock_corrected);
        (bare.reads[0].clock_corrected, bare.corrected) = (true, 1);
        let encoded = readings::Readings::decode(encoder.readings(&facts, &bare, &origin())).unwrap();
        assert!(encoded.reads[0].clock_corrected && encoded.clock_corrected);
    }
}

#[test]
fn a_dead_letter_is_the_message_as_it_came() {
    let mut encoder = Encoder::default();
    for reason in Reason::ALL {
        let reject = Reject::new(reason, "because");
        let letter = readings::DeadLetter::decode(encoder.dead_letter(&reject, &origin())).unwrap();
        assert_eq!(letter.payload, origin().value);
        assert_eq!((&*letter.key, &*letter.content_type), (&b"SN-1"[..], "text/csv"));
        assert_eq!((&*letter.topic, letter.partition, letter.offset), (origin().topic, 3, 42));
        assert_eq!((letter.received_at_ms, &*letter.detail), (NOW * 1_000 + 250, "because"));
        assert_eq!((letter.places.len(), letter.message_reads, letter.first), (0, 0, None));
        assert!(!letter.is_cut && !letter.backfill);
        let name = letter.reason().as_str_name();
        assert_eq!(name, format!("DEAD_LETTER_REASON_{}", reason.name().to_uppercase()));
    }
}

#[test]
fn a_dead_letter_says_which_reads_and_where_they_were_first() {
    let mut encoder = Encoder::default();
    let reject = Reject { places: vec![3, 17], ..Reject::new(Reason::TooOld, "because").of(24) };
    let arrival = Arrival::new(NOW * 1_000, Some(&format!("5:7@{}", NOW * 1_000 - 9)), Some("true"));
    let origin = Origin { arrival, ..origin() };
    let letter = readings::DeadLetter::decode(encoder.dead_letter(&reject, &origin)).unwrap();
    assert_eq!((letter.places, letter.message_reads), (vec![3, 17], 24));
    assert_eq!(letter.first, Some(readings::Coordinates { partition: 5, offset: 7 }));
    assert_eq!((letter.partition, letter.offset), (3, 42), "its own place");
    assert_eq!((letter.received_at_ms, letter.backfill), (NOW * 1_000 - 9, true));
}

#[test]
fn a_dead_letter_fits_its_topic_whatever_came() {
    let (huge, text) = (vec![0xff; 5 * 1024 * 1024], "x".repeat(1024 * 1024));
    let origin = Origin { key: &huge, value: &huge, content_type: Some(&text), ..origin() };
    let mut encoder = Encoder::default();
    let encoded = encoder.dead_letter(&Reject::new(Reason::Oversized, &text), &origin);
    let most = indowater_proto::topics::DEAD_LETTERS.max_message_bytes as usize;
    assert!(encoded.len() + MOST_KEY + 1_000 < most, "{}", encoded.len());
    let letter = readings::DeadLetter::decode(encoded).unwrap();
    assert!(letter.is_cut);
    assert!(letter.detail.ends_with("1048576 of 5242880 bytes are kept here, all at these coordinates"));
}

#[test]
fn a_told_device_is_the_change_that_followers_need() {
    use crate::domain::registry::{Device, DeviceDraft, Property, PropertyDraft};
    let now = "2026-11-22T10:00:00Z".parse().unwrap();
    let draft =
        PropertyDraft { name: "Home".into(), customer_id: "customer-001".into(), ..Default::default() };
    let property = Property::admit(draft, "property-1".into(), now).unwrap();
    let draft = DeviceDraft {
        device_id: "SN-1".into(),
        property_id: property.id.clone(),
        unit: Some(Unit::Millilitre),
        ..Default::default()
    };
    let mut device = Device::admit(draft, "device-1".into(), now).unwrap();
    device.place(&property);
    let change = decode_device(&encode_device(&device)).unwrap();
    assert_eq!((&*change.device_id, change.facts), ("SN-1", device.facts()));
    assert!(decode_device(b"").is_err() && decode_device(b"\xff").is_err());
}

/// The example of `proto/README.md` is what this service reads.
#[test]
fn the_readme_examples_decode() {
    let readme = include_str!("../../../../proto/README.md");
    let examples: Vec<&str> =
        readme.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 2, "the README shows telemetry in JSON");
    for example in examples {
        let uplink = json(example).unwrap_or_else(|reject| panic!("{example}: {}", reject.detail));
        assert_eq!(check(&uplink, b""), Ok(()));
    }
}

fn telemetry() -> impl Strategy<Value = Telemetry> {
    let read = (0..2 * NOW, -5..200_000_000_i64, prop::option::of(any::<u32>())).prop_map(
        |(read_at, register, flow_litres_per_hour)| RegisterRead { read_at, register, flow_litres_per_hour },
    );
    (
        "[A-Za-z0-9._:-]{0,20}",
        0..3_i32,
        prop::collection::vec(read, 0..40),
        prop::option::of(any::<u32>()),
        prop::option::of(any::<i32>()),
        prop::collection::vec(1..=9_i32, 0..4),
    )
        .prop_map(|(device_id, unit, reads, battery_percent, rssi_dbm, alarms)| Telemetry {
            device_id,
            unit,
            reads,
            battery_percent,
            rssi_dbm,
            alarms,
            gateway_id: "gw-1".into(),
        })
}

/// The JSON twin of a message. `style` picks among the ways of saying the same.
fn twin(message: &Telemetry, style: usize) -> String {
    let mut object = serde_json::Map::new();
    object.insert("device_id".into(), message.device_id.clone().into());
    match message.unit() {
        RegisterUnit::Unspecified => None,
        RegisterUnit::Litre => object.insert("unit".into(), "L".into()),
        RegisterUnit::Millilitre => object.insert("unit".into(), "mL".into()),
    };
    object.insert("gateway_id".into(), message.gateway_id.clone().into());
    if let Some(percent) = message.battery_percent {
        object.insert("battery_percent".into(), percent.into());
    }
    if let Some(dbm) = message.rssi_dbm {
        object.insert("rssi_dbm".into(), dbm.into());
    }
    let alarm = |alarm: MeterAlarm| alarm.as_str_name().trim_start_matches("METER_ALARM_").to_lowercase();
    object.insert("alarms".into(), message.alarms().map(alarm).collect::<Vec<_>>().into());
    let read = |(place, read): (usize, &RegisterRead)| {
        let style = style + place;
        let time = match style % 2 {
            0 => read.read_at.into(),
            _ => jiff::Timestamp::from_second(read.read_at).unwrap().to_string().into(),
        };
        let register: serde_json::Value = match style % 3 {
            0 => read.register.into(),
            1 => read.register.to_string().into(),
            _ => format!("{}.000", read.register).into(),
        };
        let mut object = serde_json::Map::from_iter([("time".into(), time), ("register".into(), register)]);
        if let Some(flow) = read.flow_litres_per_hour {
            object.insert("flow_l_h".into(), flow.into());
        }
        serde_json::Value::Object(object)
    };
    let reads: Vec<_> = message.reads.iter().enumerate().map(read).collect();
    object.insert("reads".into(), reads.into());
    serde_json::Value::Object(object).to_string()
}

proptest! {
    /// What a device says in JSON and what it says in protobuf is decided alike.
    #[test]
    fn json_and_protobuf_are_twins(message in telemetry(), style in 0_usize..6) {
        let (text, binary) = (twin(&message, style), message.encode_to_vec());
        let from_text = json(&text).unwrap();
        let from_binary = decode(PROTOBUF, &binary, MOST).unwrap();
        prop_assert_eq!(&from_text.device_id, &from_binary.device_id);
        prop_assert_eq!(&from_text.device_key, &from_binary.device_key);
        prop_assert_eq!((from_text.unit, from_text.state), (from_binary.unit, from_binary.state));
        let decided = |uplink: Uplink<'_>| {
            check(&uplink, b"")?;
            Ok::<_, Reject>(accept(&uplink, &example(), &origin().arrival, MOST_AGE))
        };
        prop_assert_eq!(decided(from_text), decided(from_binary));
    }

    #[test]
    fn no_bytes_panic(value in prop::collection::vec(any::<u8>(), 0..200)) {
        for kind in [None, JSON, PROTOBUF] {
            let _ = decode(kind, &value, MOST);
        }
    }
}
