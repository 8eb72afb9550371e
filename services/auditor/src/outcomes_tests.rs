use indowater_proto::readings::v1::AcceptedRead;
use indowater_proto::telemetry::v1::RegisterRead;

use super::*;

fn readings(reads: i64, version: i64) -> Readings {
    Readings {
        device_id: "d".to_owned(),
        source: ReadSource::Telemetry.into(),
        registry_version: version,
        telemetry_offset: 10,
        reads: (0..reads).map(|at| AcceptedRead { read_at: at, ..Default::default() }).collect(),
        message_reads: 24,
        ..Readings::default()
    }
}

fn letter(reason: DeadLetterReason, places: &[u32]) -> DeadLetter {
    DeadLetter { offset: 10, reason: reason.into(), places: places.to_vec(), ..DeadLetter::default() }
}

fn d1(accepted: &[Readings], letters: &[DeadLetter]) -> Finding {
    let mut outcomes = Outcomes::over(&Extent::from([(0, (10, 12))]));
    outcomes.received(0, 10, 24);
    accepted.iter().for_each(|readings| outcomes.accepted(readings));
    letters.iter().for_each(|letter| outcomes.set_aside(letter));
    outcomes.d1()
}

#[test]
fn every_read_has_one_outcome_however_often_it_is_told() {
    use DeadLetterReason as Why;
    for (case, accepted, letters) in [
        ("all accepted", vec![readings(24, 1)], vec![]),
        ("told again", vec![readings(24, 1), readings(24, 1)], vec![]),
        ("an old record", vec![Readings { message_reads: 0, ..readings(24, 1) }], vec![]),
        ("one bad", vec![readings(23, 1)], vec![letter(Why::ImpossibleValue, &[5])]),
        (
            "for two reasons",
            vec![readings(21, 1)],
            vec![letter(Why::ImpossibleValue, &[5]), letter(Why::TooOld, &[0, 1])],
        ),
        ("all bad", vec![], vec![letter(Why::UnknownDevice, &[])]),
        ("enrolled before the replay", vec![readings(24, 1)], vec![letter(Why::UnknownDevice, &[])]),
        (
            "enrolled before the replay, and one is bad",
            vec![readings(23, 1)],
            vec![letter(Why::UnknownDevice, &[]), letter(Why::ImpossibleValue, &[7])],
        ),
        (
            "corrected before the replay",
            vec![readings(20, 1), readings(24, 2)],
            vec![letter(Why::BeforeInstallation, &[0, 1, 2, 3])],
        ),
    ] {
        let found = d1(&accepted, &letters);
        assert_eq!((found.broken, found.checked), (0, 24), "{case}: {:?}", found.first);
    }
}

#[test]
fn what_does_not_add_up_is_found() {
    use DeadLetterReason as Why;
    for (case, accepted, letters, says) in [
        ("nothing", vec![], vec![], "none of its 24 reads"),
        ("one is lost", vec![readings(23, 1)], vec![], "1 of its 24 reads were neither"),
        ("all but one", vec![], vec![letter(Why::TooOld, &[3])], "23 of its 24 reads were neither"),
        ("too many", vec![readings(24, 1)], vec![letter(Why::Malformed, &[3])], "1 cannot be"),
        ("never acceptable", vec![readings(24, 1)], vec![letter(Why::KeyMismatch, &[])], "24 cannot be"),
        ("more than it has", vec![readings(25, 1)], vec![], "were accepted, and 0 cannot be"),
        ("no such place", vec![readings(24, 1)], vec![letter(Why::TooOld, &[24])], "number 24"),
        ("miscounted", vec![Readings { message_reads: 25, ..readings(24, 1) }], vec![], "said to have 25"),
        ("not alike", vec![readings(23, 1), readings(24, 1)], vec![], "not alike"),
        (
            "for two",
            vec![readings(24, 1), Readings { device_id: "e".to_owned(), ..readings(24, 2) }],
            vec![],
            "for d and for e",
        ),
        (
            "replayed by halves",
            vec![readings(23, 1)],
            vec![letter(Why::UnknownDevice, &[])],
            "not accepted with",
        ),
    ] {
        let found = d1(&accepted, &letters);
        assert_eq!(found.broken, 1, "{case}: {:?}", found.first);
        assert!(found.first[0].contains(says), "{case}: {:?}", found.first);
    }
}

#[test]
fn offsets_without_a_record_and_messages_beyond_are_let_alone() {
    let mut outcomes = Outcomes::over(&Extent::from([(0, (10, 14))]));
    outcomes.accepted(&Readings { telemetry_offset: 9, ..readings(1, 1) });
    outcomes.accepted(&Readings { telemetry_offset: 14, ..readings(1, 1) });
    outcomes.set_aside(&DeadLetter { partition: 7, ..DeadLetter::default() });
    let d1 = outcomes.d1();
    assert_eq!((d1.broken, d1.checked, d1.unchecked), (0, 0, 10), "{:?}", d1.notes);
}

#[test]
fn reads_are_counted_in_every_format() {
    let telemetry = |reads| Telemetry { reads: vec![RegisterRead::default(); reads], ..Default::default() };
    let protobuf = Some("application/protobuf");
    let json = Some("Application/JSON; charset=utf-8");
    for (content_type, value, reads) in [
        (json, br#"{"device_id":"a","reads":[{"time":1},2,null]}"#.to_vec(), 3),
        (None, br#" {"reads":[{},{}]}"#.to_vec(), 2),
        (json, br#"{"device_id":"a","time":1,"register":2}"#.to_vec(), 1),
        (json, br#"{"reads":[]}"#.to_vec(), 1),
        (json, br#"{"reads":[{},{}"#.to_vec(), 1),
        (json, br#"{"reads":7}"#.to_vec(), 1),
        (protobuf, telemetry(5).encode_to_vec(), 5),
        (protobuf, b"\xff\xff".to_vec(), 1),
        (Some("text/csv"), br#"{"reads":[{},{}]}"#.to_vec(), 1),
        (None, telemetry(5).encode_to_vec(), 1),
    ] {
        assert_eq!(reads_in(content_type, &value), reads, "{content_type:?} {value:?}");
    }
}
