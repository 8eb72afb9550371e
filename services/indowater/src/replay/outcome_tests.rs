use indowater_proto::readings::v1::AcceptedRead;

use super::*;

fn account(messages: &[(Coordinates, u64)]) -> Account {
    let messages = messages.iter().map(|(at, reads)| {
        (*at, (0..*reads).map(|row| Place { file: 0, line: row + 2 }).collect::<Vec<_>>())
    });
    Account::of("t".to_owned(), messages.collect::<Vec<_>>(), Lost::of(vec!["f.csv".to_owned()]))
}

fn readings((partition, offset): Coordinates, times: &[i64]) -> Readings {
    Readings {
        device_id: "a".to_owned(),
        time_zone: "Asia/Jakarta".to_owned(),
        source: ReadSource::Telemetry.into(),
        telemetry_partition: partition,
        telemetry_offset: offset,
        reads: times.iter().map(|at| AcceptedRead { read_at: *at, ..Default::default() }).collect(),
        ..Readings::default()
    }
}

fn letter((partition, offset): Coordinates, reason: DeadLetterReason, places: &[u32]) -> DeadLetter {
    DeadLetter {
        topic: "t".to_owned(),
        partition,
        offset,
        reason: reason.into(),
        places: places.to_vec(),
        detail: "why".to_owned(),
        ..DeadLetter::default()
    }
}

#[test]
fn every_read_is_accounted_for_once() {
    let mut account = account(&[((0, 5), 4), ((1, 5), 3), ((2, 9), 2)]);
    assert_eq!(account.unheard(), 9);
    account.readings(&readings((0, 5), &[]));
    let first = readings((0, 5), &[0, 17 * 3_600]);
    account.readings(&first);
    account.readings(&first);
    let two = letter((0, 5), DeadLetterReason::BeforeInstallation, &[1, 3]);
    account.letter(&two);
    account.letter(&two);
    // A whole message, one of another topic, and one of somebody else.
    account.letter(&letter((1, 5), DeadLetterReason::UnknownDevice, &[]));
    account.letter(&DeadLetter {
        topic: "other".to_owned(),
        ..letter((2, 9), DeadLetterReason::Malformed, &[])
    });
    account.readings(&readings((7, 7), &[0]));
    let manual = Readings { source: ReadSource::VerifiedManual.into(), ..readings((2, 9), &[0, 1]) };
    account.readings(&manual);
    assert_eq!(account.unheard(), 2);
    let outcome = account.close();
    assert_eq!((outcome.accepted, outcome.dead, outcome.unheard, outcome.shifted), (2, 5, 2, 0));
    let lines = |reason| -> Vec<u64> {
        outcome.set_aside.reasons[reason].first.iter().map(|line| line.line).collect()
    };
    assert_eq!(lines("before_installation"), [3, 5]);
    assert_eq!(lines("unknown_device"), [2, 3, 4]);
    // 07:00 of the first and midnight of the second day in Jakarta.
    assert_eq!(outcome.days_touched, 2);
    assert_eq!(outcome.days, Some(("1970-01-01".to_owned(), "1970-01-02".to_owned())));
}

#[test]
fn shifted_reads_are_counted_one_by_one_or_by_their_message() {
    let mut account = account(&[((0, 1), 2), ((0, 2), 2)]);
    let mut one = readings((0, 1), &[0, 60]);
    one.reads[1].clock_corrected = true;
    one.clock_corrected = true;
    account.readings(&one);
    account.readings(&Readings { clock_corrected: true, ..readings((0, 2), &[0, 60]) });
    assert_eq!(account.close().shifted, 3);
}
