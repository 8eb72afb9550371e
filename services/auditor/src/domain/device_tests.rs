//! The comparison itself: what is right passes, and what is not is named.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::calendar::Day;
use super::compare::{Record, Source};
use super::device::{Audited, Device, Message, Stored};
use super::example::{DAY, HOUR, HOUSEHOLD, entry, facts, household, read};
use super::facts::{Entry, Facts};
use super::reads::Sent;
use super::tariff::{Tariffs, cubic_metres};

/// Hourly reads of 10 L each from the first of March on.
fn hourly(hours: i64) -> Vec<Sent> {
    (0..hours).map(|hour| read(hour * HOUR, 500 + 10 * i128::from(hour))).collect()
}

fn told(device: &mut Device, reads: &[Sent], version: i64, facts: &Facts, applied: bool) {
    let message = Message { device: "d".to_owned(), version, facts: facts.clone(), reads: reads.to_vec() };
    device.take(message, applied);
}

fn device(hours: i64, under_way: usize) -> Device {
    let (mut device, reads) = (Device::default(), hourly(hours));
    let settled = reads.len() - under_way;
    for (place, read) in reads.iter().enumerate() {
        told(&mut device, &[*read], 1, &household(), place < settled);
    }
    device
}

/// Hand-made records of hourly reads: 240 L a whole day, at Rp 4,900 per m3.
fn records(hours: i64) -> BTreeMap<Day, Record> {
    let first = Day::parse("2026-03-01").unwrap();
    let days = (hours - 1) / 24;
    (0..=days)
        .map(|number| {
            let day = Day(first.0 + i32::try_from(number).unwrap());
            let last = (hours - 1 - 24 * number).min(24);
            let (volume, reads) = (i128::from(last) * 10_000, (hours - 24 * number).min(24));
            let end = super::example::MIDNIGHT + number * DAY + (reads - 1) * HOUR;
            let record = Record {
                id: format!("d|{day}"),
                customer: "c".to_owned(),
                property: "p".to_owned(),
                time_zone: "Asia/Jakarta".to_owned(),
                class: "household-middle-1".to_owned(),
                volume,
                consumption: Some(cubic_metres(volume)),
                cost: cubic_metres(volume) * Decimal::from(4_900),
                month_to_date: Some(240_000 * i128::from(number)),
                quality: "measured".to_owned(),
                complete: number < days,
                timestamp: end,
                reads: u64::try_from(reads).unwrap(),
                reading_type: "automatic".to_owned(),
                billable: true,
                revision: 4,
                ..Record::default()
            };
            (day, record)
        })
        .collect()
}

fn stored(hours: i64) -> Stored {
    Stored { collection: records(hours), topic: records(hours), foreign: Vec::new() }
}

fn audit(device: &Device, stored: &Stored) -> Audited {
    device.audit("d", stored, &Tariffs::built_in())
}

fn said(audited: &Audited) -> Vec<String> {
    audited.differences.iter().map(ToString::to_string).collect()
}

#[test]
fn right_records_pass() {
    let audited = audit(&device(97, 0), &stored(97));
    assert_eq!((said(&audited), &audited.wrong_sum), (vec![], &None));
    assert_eq!((audited.records, audited.summed), (10, true));
}

/// A field's name, and a change of it.
type Change<T> = (&'static str, fn(&mut T));

/// Each compared field, changed alone, is one finding that names place, day and field.
#[test]
fn a_tampered_figure_is_reported() {
    let changes: &[Change<Record>] = &[
        ("id", |record| record.id.push('x')),
        ("customer_id", |record| record.customer = "other".to_owned()),
        ("property_id", |record| record.property = "other".to_owned()),
        ("time_zone", |record| record.time_zone = "Asia/Makassar".to_owned()),
        ("tariff_class", |record| record.class = "social-1".to_owned()),
        ("volume_ml", |record| record.volume += 1),
        ("consumption", |record| record.consumption = Some(Decimal::ONE)),
        ("reverse_volume_ml", |record| record.reverse += 1),
        ("cost", |record| record.cost += Decimal::new(1, 6)),
        ("month_to_date_before_ml", |record| record.month_to_date = Some(1)),
        ("quality", |record| record.quality = "estimated".to_owned()),
        ("error_bound_ml", |record| record.error_bound += 1),
        ("flags", |record| _ = record.flags.insert("gap".to_owned())),
        ("is_anomaly", |record| record.is_anomaly = true),
        ("complete", |record| record.complete = false),
        ("timestamp", |record| record.timestamp -= 1),
        ("reads_count", |record| record.reads -= 1),
        ("glitches", |record| record.glitches += 1),
        ("unbilled_ml", |record| record.unbilled += 1),
        ("reading_type", |record| record.reading_type = "manual".to_owned()),
        ("billable", |record| record.billable = false),
        ("former_customer_ids", |record| record.former.push("nobody".to_owned())),
    ];
    let second = Day::parse("2026-03-02").unwrap();
    for (field, change) in changes {
        for source in [Source::Collection, Source::Topic] {
            let mut stored = stored(97);
            let records =
                if source == Source::Collection { &mut stored.collection } else { &mut stored.topic };
            change(records.get_mut(&second).unwrap());
            let audited = audit(&device(97, 0), &stored);
            let found: Vec<_> =
                audited.differences.iter().map(|found| (found.source, found.day, found.field)).collect();
            assert_eq!(found, [(source, second, *field)], "{field}");
            let in_sum = *field == "volume_ml" && source == Source::Collection;
            assert_eq!(audited.wrong_sum.is_some(), in_sum, "{field}: {:?}", audited.wrong_sum);
        }
    }
    let mut stale = stored(97);
    stale.topic.get_mut(&second).unwrap().revision = 3;
    assert_eq!(
        said(&audit(&device(97, 0), &stale)),
        ["d|2026-03-02 (usage topic): revision is 3, expected 4"]
    );
}

#[test]
fn missing_and_invented_days_are_reported() {
    let mut stored = stored(97);
    let first = *stored.collection.keys().next().unwrap();
    let moved = stored.collection.remove(&first).unwrap();
    stored.collection.insert(Day(first.0 - 1), moved);
    let audited = audit(&device(97, 0), &stored);
    let expected = [
        "d|2026-02-28 (water_usage): record is \"there\", expected \"missing\"",
        "d|2026-03-01 (water_usage): record is \"missing\", expected \"there\"",
    ];
    assert_eq!(said(&audited), expected);
    assert!(audited.wrong_sum.is_some());
}

#[test]
fn while_reads_come_any_of_their_states_is_right_but_no_older_one() {
    let device = device(30, 3);
    for applied in 27..=30 {
        let audited =
            audit(&device, &Stored { collection: records(applied), topic: records(30), foreign: Vec::new() });
        assert_eq!((said(&audited), audited.summed), (vec![], false), "{applied} applied");
    }
    let old = audit(&device, &Stored { collection: records(26), topic: records(30), foreign: Vec::new() });
    assert!(!old.differences.is_empty());
    assert!(old.differences.iter().all(|found| found.source == Source::Collection));
}

#[test]
fn too_many_reads_under_way_are_said_to_be_unchecked() {
    let audited = audit(&device(97, 20), &stored(97));
    assert_eq!((audited.records, audited.settling, audited.differences.len()), (0, 5, 0));
}

#[test]
fn where_messages_are_gone_the_days_after_are_judged_again_a_month_later() {
    let mut device = device(24 * 62 + 1, 0);
    device.is_cut();
    // The reads begin on the first of March: four weeks and a day later a month has to begin, which May does.
    let mut stored = stored(24 * 62 + 1);
    for (day, record) in stored.collection.iter_mut().chain(stored.topic.iter_mut()) {
        let so_far = if *day < Day::parse("2026-04-01").unwrap() { 0 } else { 31 * 240_000 };
        record.month_to_date = record.month_to_date.map(|volume| volume - so_far);
    }
    stored.collection.values_mut().next().unwrap().volume += 100;
    let audited = audit(&device, &stored);
    assert_eq!((audited.cut, audited.records), (31, 64), "{:?}", said(&audited));
    // May has only its first midnight; everything before it is April's or not judged.
    assert_eq!(audited.differences.iter().filter(|found| found.field == "volume_ml").count(), 0);
}

#[test]
fn days_of_another_system_stand_and_count_for_the_month() {
    let mut stored = stored(97);
    let before = Day::parse("2026-03-01").unwrap();
    let foreign = Record { customer: "c".to_owned(), volume: 12_000_000, ..Record::default() };
    stored.collection.insert(before, foreign);
    for (day, record) in stored.collection.iter_mut().chain(stored.topic.iter_mut()) {
        if *day > before {
            // 12 m3 instead of 240 L before them, so all of them are in the second block.
            record.month_to_date = record.month_to_date.map(|volume| volume - 240_000 + 12_000_000);
            record.cost = cubic_metres(record.volume) * Decimal::from(9_500);
        }
    }
    let audited = audit(&device(97, 0), &stored);
    assert_eq!((said(&audited), audited.imported, audited.summed), (vec![], 1, false));
    // A document that came as it is has its date as a moment, here the local midnight.
    let foreign = stored.collection.remove(&before).unwrap();
    stored.topic.remove(&before);
    stored.foreign.push((super::example::MIDNIGHT, foreign));
    let audited = audit(&device(97, 0), &stored);
    assert_eq!((said(&audited), audited.imported, audited.summed), (vec![], 1, false));
}

#[test]
fn overfull_days_are_said_to_be_unchecked() {
    let mut device = Device::default();
    let reads: Vec<Sent> = (0..8_641).map(|n| read(DAY + n * 9, 500 + i128::from(n))).collect();
    told(&mut device, &reads, 1, &household(), true);
    let audited = audit(&device, &Stored::default());
    assert_eq!((audited.crowded, audited.records, audited.summed), (1, 0, false));
}

#[test]
fn the_newest_facts_hold_for_all_days_and_any_order() {
    let moved = facts(vec![
        entry(None, HOUSEHOLD),
        Entry { customer: "new".to_owned(), ..entry(Some("2026-03-03"), HOUSEHOLD) },
    ]);
    let mut expected = stored(97);
    for (day, record) in expected.collection.iter_mut().chain(expected.topic.iter_mut()) {
        if *day >= Day::parse("2026-03-03").unwrap() {
            record.customer = "new".to_owned();
            record.month_to_date = record.month_to_date.map(|volume| volume - 480_000);
            record.former = vec!["c".to_owned()];
        }
    }
    let reads = hourly(97);
    // The change may come before, between or after the reads that were sent by the older version.
    for change_at in [0, 50, 97] {
        let mut device = Device::default();
        told(&mut device, &reads[..change_at], 1, &household(), true);
        told(&mut device, &[], 2, &moved, true);
        told(&mut device, &reads[change_at..], 1, &household(), true);
        let audited = audit(&device, &expected);
        assert_eq!((said(&audited), audited.wrong_sum), (vec![], None), "{change_at}");
    }
}
