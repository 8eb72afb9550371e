//! Records as documents and back.

use bson::{Document, doc};
use indowater_common::domain::facts::{BEGINNING, Exchange, Period};
use indowater_common::domain::step::MeterFacts;
use rust_decimal::Decimal;

use super::*;
use crate::domain::day::Counted;
use indowater_common::domain::reads::{Read, Source};

const DAY: Day = Day(20_513);

fn point(at: i64, register: i64) -> Point {
    Point { at, register }
}

fn owner(customer: &str) -> Owner {
    Owner {
        customer_id: customer.into(),
        property_id: "property-9".into(),
        tariff_class: "social-1".into(),
        billable: false,
    }
}

fn meter(unit: Unit) -> MeterFacts {
    MeterFacts { unit, wraps_at: 16_777_216_000, resolution: 10_000, q3_litres_per_hour: 6_300 }
}

fn timeline() -> Timeline {
    let first =
        Period { from: BEGINNING, owner: Arc::new(owner("a")), meter: meter(Unit::Litre), exchange: None };
    let exchange = Exchange { at: 1_772_341_200, final_register: 7_000, initial_register: 3 };
    let owner = Arc::new(owner("b"));
    let later = Period { from: DAY, owner, meter: meter(Unit::Millilitre), exchange: Some(exchange) };
    Timeline::new(12, Some(1_700_000_000), first, vec![later])
}

/// A record in which nothing is as it is by default.
fn record() -> DayRecord {
    let read = |at, register, source| Read {
        at,
        register,
        source,
        unit_assumed: source == Source::Telemetry,
        clock_corrected: source == Source::Manual,
    };
    let finding = |kind| Finding { kind, before: point(1, 2), after: point(3, 4) };
    DayRecord {
        day: DAY,
        owner: Arc::new(owner("b")),
        reads: ReadSet::of(vec![
            read(1_772_300_000, 5_000, Source::Telemetry),
            read(1_772_303_600, 5_001, Source::Manual),
        ]),
        stored: StoredReads::default(),
        off_path: [point(1_772_300_000, 5_000)].into(),
        carry: Carry {
            previous: Some(point(1_772_296_400, 4_000)),
            lead: Lead::of(Some(point(1_772_296_400, 4_000))),
            month_to_date: 17,
            others_to_date: [("a".into(), 23)].into(),
            recent: Recent::default().with(5).with(0),
            flowed: true,
        },
        figures: Figures {
            volume: 1_001,
            reverse: 2,
            cost: Decimal::new(49_005, 3),
            quality: Quality::Interpolated,
            error_bound: 3,
            flags: Flags::GLITCH.and(Flags::ROLLOVER),
            is_anomaly: true,
            complete: true,
            timestamp: 1_772_303_600,
            glitches: 1,
            unbilled: 44,
            findings: [finding(FindingKind::Jump)].into(),
        },
        former_customers: ["a".into()].into(),
        withdrawn: [finding(FindingKind::Exchange)].into(),
        counted: Counted { glitches: 1, unbilled: 44 },
        revision: 4,
        created_ms: 1_772_000_000_123,
        pending: Pending::Nothing,
    }
}

fn written(record: &DayRecord) -> RawDocumentBuf {
    guarded_by(record).document
}

fn guarded_by(record: &DayRecord) -> Guarded {
    let (timeline, zone) = (timeline(), Zone::named("Asia/Makassar").unwrap());
    let unpublished_from = Some(Day(20_500));
    let device = OfDevice { device_id: "device-1", timeline: &timeline, zone: &zone, unpublished_from };
    let guarded = guarded(device, record, Timestamp::from_second(1_772_400_000).unwrap());
    assert_eq!((guarded.id.as_str(), guarded.replaces), ("device-1|2026-03-01", record.revision));
    guarded
}

fn read_back(raw: &RawDocumentBuf) -> (DayRecord, Timeline) {
    let stored: Stored = bson::deserialize_from_slice(raw.as_bytes()).unwrap();
    let timeline = stored.timeline().unwrap();
    (stored.record().unwrap(), timeline)
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let record = record();
    let (back, known) = read_back(&written(&record));
    let stored = StoredReads::all(&record.reads);
    assert_eq!(back, DayRecord { revision: record.revision + 1, stored, ..record });
    assert_eq!(known, timeline());
    let stored: Stored = bson::deserialize_from_slice(written(&self::record()).as_bytes()).unwrap();
    assert_eq!(stored.unpublished_from(), Some(Day(20_500)));
}

/// What the database makes of a write that keeps parts.
fn applied(before: &Document, guarded: &Guarded) -> Document {
    let mut after = Document::try_from(guarded.document.as_ref()).unwrap();
    if let Some(Kept { field, first, then }) = &guarded.kept {
        let stored = before.get_array(field.as_str()).unwrap();
        let first = usize::try_from(*first).unwrap();
        assert!(first <= stored.len());
        let mut parts = stored[..first].to_vec();
        parts.extend(bson::Array::try_from(then.as_ref()).unwrap());
        assert_eq!(after.insert(field.as_str(), parts), None);
    }
    after
}

#[test]
fn of_many_reads_only_what_is_new_is_sent() {
    let read = |nth: i64| Read::telemetry(1_772_300_000 + nth * 10, nth * 997);
    let mut day = DayRecord { reads: ReadSet::default(), revision: 0, ..record() };
    let mut document = Document::new();
    for end in (100..=8_600).step_by(100) {
        let reads: Vec<Read> = (end - 100..end).map(read).collect();
        day.reads.merge(&reads).unwrap();
        // And once an early one that was late.
        if end == 5_000 {
            let same = day.reads.merge(&[Read::telemetry(1_772_300_001, 5)]).unwrap();
            day.stored.same = day.stored.same.min(same);
        }
        let guarded = guarded_by(&day);
        if end != 5_000 {
            let then = guarded.kept.as_ref().map_or(0, |kept| kept.then.as_bytes().len());
            let sent = guarded.document.as_bytes().len() + then;
            assert!(sent < 11_000, "{sent} bytes with {end} reads");
        }
        document = applied(&document, &guarded);
        let raw = RawDocumentBuf::try_from(&document).unwrap();
        assert_eq!(read_back(&raw).0.reads, day.reads, "{end} reads");
        day.revision += 1;
        day.stored = StoredReads::all(&day.reads);
    }
    assert!(document.get_array("earlier_reads").unwrap().len() >= 6);
}

#[test]
fn every_quality_and_flag_has_its_word() {
    let words = [
        ("measured", Quality::Measured),
        ("interpolated", Quality::Interpolated),
        ("estimated", Quality::Estimated),
    ];
    for (word, quality) in words {
        let figures = Figures { quality, ..record().figures };
        let raw = written(&DayRecord { figures, ..record() });
        assert_eq!(raw.get_str("quality").unwrap(), word);
        assert_eq!(read_back(&raw).0.figures.quality, quality);
    }
    for (word, flags) in [
        ("rollover", Flags::ROLLOVER),
        ("exchange", Flags::EXCHANGE),
        ("backflow", Flags::BACKFLOW),
        ("gap", Flags::GAP),
        ("prolonged_gap", Flags::PROLONGED_GAP),
        ("conflict", Flags::CONFLICT),
        ("ceiling", Flags::CEILING),
        ("clock", Flags::CLOCK),
        ("zero", Flags::ZERO),
        ("glitch", Flags::GLITCH),
        ("imported", Flags::IMPORTED),
    ] {
        let figures = Figures { flags, ..record().figures };
        let raw = written(&DayRecord { figures, ..record() });
        let document = Document::try_from(raw.as_ref()).unwrap();
        assert_eq!(document.get_array("flags").unwrap(), &vec![word.into()]);
        assert_eq!(read_back(&raw).0.figures.flags, flags);
    }
}

#[test]
fn a_document_from_before_millilitres_is_read_in_them() {
    let mut old = Document::try_from(written(&record()).as_ref()).unwrap();
    for new in ["format", "billable", "timeline", "installed_at", "off_path", "glitches", "findings"] {
        old.remove(new);
    }
    // Two reads as they were packed then: time and register as differences, then the marks.
    let packed = |values: &[i64]| {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| indowater_common::domain::varint::write(&mut bytes, *value));
        bytes
    };
    let reads = [packed(&[1_772_300_000, 120]), vec![0], packed(&[3_600, 5]), vec![1]].concat();
    old.insert("reads", binary(&reads));
    old.insert("unit", "litre");
    old.insert("volume", 5_i64);
    old.insert(
        "meter",
        doc! { "register_digits": 6_i64, "q3_litres_per_hour": 2_500_i64, "registry_version": 3_i64 },
    );
    let carry = old.get_document_mut("carry").unwrap();
    carry.remove("path");
    carry.insert("previous_register", 119_i64);
    let (record, timeline) = read_back(&RawDocumentBuf::try_from(&old).unwrap());
    let registers: Vec<i64> = record.reads.iter().map(|read| read.register).collect();
    assert_eq!((registers, record.figures.volume), (vec![120_000, 125_000], 5_000));
    assert_eq!(record.carry.previous, Some(point(1_772_296_400, 119_000)));
    assert_eq!(record.carry.lead, Lead::of(record.carry.previous));
    assert_eq!(timeline.newest().meter.wraps_at, 1_000_000_000);
    assert!(timeline.newest().owner.billable);
}
