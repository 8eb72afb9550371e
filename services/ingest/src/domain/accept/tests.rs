use std::borrow::Cow;

use indowater_common::domain::meter::Unit;
use proptest::prelude::*;

use super::*;
use crate::domain::arrival::Place;
use crate::domain::facts::{example as facts, exchanged};
use crate::domain::meter::Meter;
use crate::domain::number::Number;
use crate::domain::uplink;

const NOW: i64 = 1_790_000_000;
const DAY: i64 = 86_400;
const MOST_AGE: i64 = 400 * DAY;

fn said(place: usize, at: i64, register: &str) -> SaidRead {
    let register = Number::parse(register).unwrap();
    SaidRead { place: u32::try_from(place).unwrap(), at, register, flow_litres_per_hour: None }
}

fn uplink_of(device_id: &str, unit: Option<SaidUnit>, reads: Vec<SaidRead>) -> Uplink<'static> {
    let device_id = Cow::Owned(device_id.to_owned());
    Uplink {
        device_key: uplink::device_key(&device_id),
        device_id,
        unit,
        message_reads: u32::try_from(reads.len()).unwrap(),
        reads,
        faults: Vec::new(),
        state: State::default(),
        gateway_id: None,
    }
}

#[test]
fn a_gateway_is_named_if_its_name_is_one() {
    for (said, is) in [("eui-1 ", Some("eui-1")), ("", None), ("a|b", None), (&*"x".repeat(65), None)] {
        let said = Uplink { gateway_id: Some(Cow::Borrowed(said)), ..uplink(&[(NOW, "5")]) };
        let accepted = accept(&said, &facts(), &arrived(NOW), MOST_AGE).accepted.unwrap();
        assert_eq!(accepted.gateway_id.as_deref(), is);
    }
}

fn uplink(reads: &[(i64, &str)]) -> Uplink<'static> {
    let reads = reads.iter().enumerate().map(|(place, (at, register))| said(place, *at, register));
    uplink_of("SN-1", Some(SaidUnit::Litre), reads.collect())
}

fn arrived(at: i64) -> Arrival {
    Arrival::new(at * 1_000, None, None)
}

/// What becomes of a message that comes now to a meter that was installed so long before.
fn decided_of(reads: &[(i64, &str)], installed_ago: i64, arrival: &Arrival) -> Decision {
    let facts = Facts { installed_at: NOW - installed_ago, ..facts() };
    accept(&uplink(reads), &facts, arrival, MOST_AGE)
}

fn decided(reads: &[(i64, &str)]) -> Decision {
    decided_of(reads, 2 * MOST_AGE, &arrived(NOW))
}

type Told = (Vec<(i64, i64, bool)>, Vec<(Reason, Vec<u32>)>);

/// The accepted reads as (time before now, register, clock corrected), and the reasons with their places.
fn told(decision: &Decision) -> Told {
    let reads = decision.accepted.iter().flat_map(|accepted| &accepted.reads);
    let reads = reads.map(|read| (NOW - read.at, read.register, read.clock_corrected)).collect();
    let rejects = decision.rejects.iter().map(|reject| (reject.reason, reject.places.clone())).collect();
    (reads, rejects)
}

#[test]
fn each_read_is_decided_alone() {
    use Reason::{BeforeInstallation, ImpossibleValue, TooOld};
    let year = 366 * DAY;
    for (case, reads, kept, dead) in [
        ("all good", vec![(NOW - 60, "7"), (NOW, "8")], vec![(60, 7, false), (0, 8, false)], vec![]),
        (
            "one below zero",
            vec![(NOW - 60, "7"), (NOW - 30, "-1"), (NOW, "8")],
            vec![(60, 7, false), (0, 8, false)],
            vec![(ImpossibleValue, vec![1])],
        ),
        (
            "one beyond the wrap",
            vec![(NOW - 60, "100000000"), (NOW, "99999999")],
            vec![(0, 99_999_999, false)],
            vec![(ImpossibleValue, vec![0])],
        ),
        (
            "one of next year",
            vec![(NOW - 60, "7"), (NOW + year, "9"), (NOW - 30, "8")],
            vec![(60, 7, false), (30, 8, false), (0, 9, true)],
            vec![],
        ),
        (
            "two of next year keep their distance",
            vec![(NOW - 60, "7"), (NOW + year, "9"), (NOW + year + 90, "8")],
            vec![(90, 9, true), (60, 7, false), (0, 8, true)],
            vec![],
        ),
        (
            "two wrong clocks that nothing joins",
            vec![(NOW + year, "7"), (NOW + 9 * year, "8"), (NOW, "6")],
            vec![(0, 6, false), (0, 8, true)],
            vec![(ImpossibleValue, vec![0])],
        ),
        (
            "milliseconds",
            vec![(NOW * 1_000, "7"), (NOW, "8")],
            vec![(0, 8, false)],
            vec![(ImpossibleValue, vec![0])],
        ),
        (
            "before 1970",
            vec![(-1, "7"), (i64::MIN, "7"), (i64::MAX, "7"), (NOW, "8")],
            vec![(0, 8, false)],
            vec![(ImpossibleValue, vec![0, 1, 2])],
        ),
        (
            "1970 and 2000 are before every installation",
            vec![(NOW, "8"), (0, "7"), (946_684_800, "6")],
            vec![(0, 8, false)],
            vec![(BeforeInstallation, vec![1, 2])],
        ),
        (
            "every reason at once",
            vec![(1, "1"), (NOW - MOST_AGE - 1, "2"), (NOW, "-3"), (NOW, "4")],
            vec![(0, 4, false)],
            vec![(ImpossibleValue, vec![2]), (BeforeInstallation, vec![0]), (TooOld, vec![1])],
        ),
        ("none good", vec![(NOW, "-1")], vec![], vec![(ImpossibleValue, vec![0])]),
    ] {
        let decision = decided(&reads);
        assert_eq!(told(&decision), (kept, dead), "{case}");
        assert!(decision.rejects.iter().all(|reject| reject.message_reads as usize == reads.len()), "{case}");
        assert!(decision.accepted.iter().all(|a| a.message_reads as usize == reads.len()), "{case}");
    }
}

#[test]
fn reads_before_the_installation_are_set_aside_with_what_helps() {
    let decision = decided_of(&[(NOW - DAY - 1, "7"), (NOW - DAY, "8")], DAY, &arrived(NOW));
    assert_eq!(told(&decision), (vec![(DAY, 8, false)], vec![(Reason::BeforeInstallation, vec![0])]));
    let detail = &decision.rejects[0].detail;
    for part in ["reads[0]", &moment(NOW - DAY), "correct the installation date, then re-drive"] {
        assert!(detail.contains(part), "{part} is missing in {detail}");
    }
    // Before the age: both hold here.
    let old = decided_of(&[(NOW - MOST_AGE - 9, "7")], DAY, &arrived(NOW));
    assert_eq!(old.rejects[0].reason, Reason::BeforeInstallation);
    // Nor is a read whose clock is ahead set to a time before it.
    let early = decided_of(&[(NOW + DAY, "7")], -60, &arrived(NOW));
    assert_eq!(early.rejects[0].reason, Reason::BeforeInstallation);
}

#[test]
fn a_backfill_may_be_of_any_age() {
    let reads = [(NOW - MOST_AGE - DAY, "7")];
    let backfill = Arrival::new(NOW * 1_000, None, Some("true"));
    assert_eq!(told(&decided_of(&reads, 2 * MOST_AGE, &backfill)).0, [(MOST_AGE + DAY, 7, false)]);
    let too_old = decided(&reads);
    assert_eq!(too_old.rejects[0].reason, Reason::TooOld);
    assert!(too_old.rejects[0].detail.contains("400 days"), "{}", too_old.rejects[0].detail);
    let edge = decided(&[(NOW - MOST_AGE - 1, "7"), (NOW - MOST_AGE, "7")]);
    assert_eq!(told(&edge), (vec![(MOST_AGE, 7, false)], vec![(Reason::TooOld, vec![0])]));
    // Not even there a clock that runs wild.
    let wild = decided_of(&[(NOW + 9 * MOST_AGE, "7"), (NOW + 7 * MOST_AGE, "6")], 9 * MOST_AGE, &backfill);
    assert_eq!(told(&wild).1, [(Reason::ImpossibleValue, vec![1])]);
}

/// What was good when it came is good when it is sent again a year later, and a clock that ran ahead then still does.
#[test]
fn what_is_sent_again_is_judged_by_when_it_first_came() {
    let later = (NOW + MOST_AGE + DAY) * 1_000;
    let again = Arrival::new(later, Some(&format!("1:2@{}", NOW * 1_000)), None);
    assert_eq!(again.first, Some(Place { partition: 1, offset: 2 }));
    let reads = [(NOW - DAY, "7"), (NOW + DAY, "8")];
    let decision = decided_of(&reads, 2 * DAY, &again);
    assert_eq!(decision, decided_of(&reads, 2 * DAY, &arrived(NOW)));
    assert_eq!(told(&decision).0, [(DAY, 7, false), (0, 8, true)]);
    assert_eq!(decision.accepted.unwrap().received_at, NOW);
}

#[test]
fn registers_are_whole_counts_of_the_meter() {
    let mut said = uplink(&[(NOW, "12.3456"), (NOW - 60, "6.053999999999999")]);
    said.unit = Some(SaidUnit::CubicMetre);
    let accepted = accept(&said, &facts(), &arrived(NOW + 7), MOST_AGE).accepted.unwrap();
    let points: Vec<_> = accepted.reads.iter().map(|read| (read.at, read.register)).collect();
    assert_eq!(points, [(NOW - 60, 6_054), (NOW, 12_345)]);
    assert_eq!(accepted.newest, Point { at: NOW, register: 12_345 });
    assert_eq!((accepted.received_at, accepted.corrected, accepted.unit_assumed), (NOW + 7, 0, false));
}

#[test]
fn without_a_unit_it_is_the_meters_own_and_said_to_be_assumed() {
    let mut said = uplink(&[(NOW, "1500.7")]);
    said.unit = None;
    let millilitres = Meter { unit: Unit::Millilitre, ..facts().meter };
    for meter in [facts().meter, millilitres] {
        let accepted = accept(&said, &Facts { meter, ..facts() }, &arrived(NOW), MOST_AGE).accepted;
        let accepted = accepted.unwrap();
        assert_eq!((accepted.newest.register, accepted.unit_assumed), (1_500, true));
    }
}

#[test]
fn reads_are_of_the_meter_that_was_there() {
    let facts = exchanged();
    let noon = facts.history[1].exchange.unwrap().at;
    let of = |serial: &str, register: &str| {
        let reads = vec![said(0, noon - 60, register), said(1, noon, register)];
        accept(&uplink_of(serial, Some(SaidUnit::Litre), reads), &facts, &arrived(noon + 60), MOST_AGE)
    };
    // The new meter has a digit less.
    for (serial, register, kept, dead, there) in [
        (" sn-1", "12", noon - 60, 1, "SN-2"),
        ("SN-2", "12", noon, 0, "SN-1"),
        ("SN-1", "12345678", noon - 60, 1, "SN-2"),
    ] {
        let Decision { accepted, rejects } = of(serial, register);
        let times: Vec<i64> = accepted.unwrap().reads.iter().map(|read| read.at).collect();
        assert_eq!(times, [kept], "{serial}");
        assert_eq!((rejects[0].reason, &rejects[0].places[..]), (Reason::ImpossibleValue, &[dead][..]));
        assert!(rejects[0].detail.contains(there), "{}", rejects[0].detail);
    }
    assert_eq!(of("SN-2", "12345678").accepted, None);
}

#[test]
fn an_inactive_device_is_rejected() {
    let facts = Facts { active: false, ..facts() };
    let decision = accept(&uplink(&[(NOW, "1"), (NOW, "-1")]), &facts, &arrived(NOW), MOST_AGE);
    assert_eq!(told(&decision), (vec![], vec![(Reason::InactiveDevice, vec![])]));
    assert_eq!(decision.rejects[0].message_reads, 2);
    assert!(decision.rejects[0].detail.contains("SN-1"), "{}", decision.rejects[0].detail);
}

#[test]
fn an_impossible_value_is_told_with_its_place() {
    for (register, why) in [
        ("-1", "below zero"),
        ("-0.4", "below zero"),
        ("100000000", "8 litre digits"),
        ("1e30", "8 litre digits"),
        ("99999999999999999999", "8 litre digits"),
    ] {
        let decision = decided(&[(NOW, "1"), (NOW, register)]);
        let reject = &decision.rejects[0];
        assert_eq!(reject.reason, Reason::ImpossibleValue, "{register}");
        assert!(reject.detail.starts_with("reads[1]: "), "{}", reject.detail);
        assert!(reject.detail.contains(why), "{}", reject.detail);
    }
}

#[test]
fn the_key_must_be_the_device_however_it_is_written() {
    let said = uplink(&[(NOW, "1")]);
    for key in [&b"SN-1"[..], b"", b"sn-1", b" Sn-1 \n"] {
        assert_eq!(check(&said, key), Ok(()), "{key:?}");
    }
    for key in [&b"SN-2"[..], b"SN1", b"\xff", b" "] {
        let reject = check(&said, key).unwrap_err();
        assert_eq!((reject.reason, reject.message_reads), (Reason::KeyMismatch, 1), "{key:?}");
    }
}

#[test]
fn no_reads_are_impossible_and_too_many_oversized() {
    assert_eq!(check(&uplink(&[]), b"").unwrap_err().reason, Reason::ImpossibleValue);
    assert_eq!(check(&uplink(&[(NOW, "1"); 1_000]), b""), Ok(()));
    let reject = check(&uplink(&[(NOW, "1"); 1_001]), b"").unwrap_err();
    assert_eq!((reject.reason, reject.message_reads), (Reason::Oversized, 1_001));
}

#[test]
fn a_device_must_have_a_name() {
    for (device_id, reason) in
        [("", Reason::Malformed), (" \t", Reason::Malformed), (&*"x".repeat(65), Reason::UnknownDevice)]
    {
        let uplink = uplink_of(device_id, None, vec![said(0, NOW, "1")]);
        assert_eq!(check(&uplink, b"").unwrap_err().reason, reason, "{device_id:?}");
    }
    assert_eq!(
        check(&uplink_of(&format!(" {} ", "x".repeat(64)), None, vec![said(0, NOW, "1")]), b""),
        Ok(())
    );
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => NOW - MOST_AGE - DAY..NOW + DAY,
        2 => 0..END_OF_TIME + 10,
        1 => any::<i64>(),
    ]
}

proptest! {
    /// Every read of any message is accepted or set aside, and none is both: nothing is lost and nothing counted twice.
    #[test]
    fn accepted_and_dead_places_partition_the_message(
        reads in prop::collection::vec((any_time(), -10_i64..200_000_000), 1..60),
        broken in prop::collection::btree_set(0_usize..60, 0..9),
        installed in NOW - 2 * MOST_AGE..NOW,
        is_backfill: bool,
    ) {
        let mut uplink = uplink_of("SN-1", Some(SaidUnit::Litre), Vec::new());
        uplink.message_reads = u32::try_from(reads.len()).unwrap();
        for (place, (at, register)) in reads.iter().enumerate() {
            if broken.contains(&place) {
                let place = u32::try_from(place).unwrap();
                uplink.faults.push(Fault { place, reason: Reason::Malformed, why: String::new() });
            } else {
                // The flow is a mark by which a read is known again.
                let mark = Some(u32::try_from(place).unwrap());
                uplink.reads.push(SaidRead { flow_litres_per_hour: mark, ..said(place, *at, &register.to_string()) });
            }
        }
        let facts = Facts { installed_at: installed, ..facts() };
        let arrival = Arrival::new(NOW * 1_000, None, is_backfill.then_some("true"));
        let decision = accept(&uplink, &facts, &arrival, MOST_AGE);
        let accepted: Vec<&Read> = decision.accepted.iter().flat_map(|accepted| &accepted.reads).collect();
        let mut places: Vec<u32> = accepted.iter().filter_map(|read| read.flow_litres_per_hour).collect();
        for reject in &decision.rejects {
            prop_assert!(reject.places.is_sorted() && !reject.places.is_empty());
            places.extend(&reject.places);
        }
        places.sort_unstable();
        prop_assert_eq!(places, (0..u32::try_from(reads.len()).unwrap()).collect::<Vec<_>>());
        prop_assert!(accepted.is_sorted_by_key(|read| read.at));
        for read in accepted {
            prop_assert!(read.at >= installed && read.at <= NOW + 300);
            prop_assert!(is_backfill || read.at >= NOW - MOST_AGE);
            let said = reads[read.flow_litres_per_hour.unwrap() as usize];
            prop_assert_eq!(read.clock_corrected, said.0 > NOW + 300, "only what is ahead is moved");
            prop_assert!(read.clock_corrected || read.at == said.0);
            prop_assert_eq!(read.register, said.1);
        }
    }
}
