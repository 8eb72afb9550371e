//! The service's days and the auditor's, who share no code, held against each other: random meters that report regularly,
//! glitch, wrap, stand still, move, are exchanged and are heard of late give the same days in both, figure by figure.

use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::wire::readings;
use indowater_proto::readings::v1::{AcceptedRead, Facts, Meter, MeterExchange, ReadSource, Readings};
use indowater_proto::telemetry::v1::RegisterUnit;
use indowater_proto::usage::v1::{DailyUsage, UsageFlag};
use proptest::prelude::*;
use rust_decimal::Decimal;
use usage_aggregator::domain::day::Context;
use usage_aggregator::domain::history::History;
use usage_aggregator::wire;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// 2026-03-01T00:00 in Jakarta.
const MIDNIGHT: i64 = 1_772_298_000;
const WRAP: i64 = 1_000_000;

fn zone() -> Zone {
    Zone::named("Asia/Jakarta").unwrap()
}

fn meter(unit: RegisterUnit) -> Option<Meter> {
    let wraps_at = if unit == RegisterUnit::Millilitre { WRAP * 1_000 } else { WRAP };
    let q3_litres_per_hour = 2_500;
    Some(Meter { unit: unit.into(), register_digits: 6, q3_litres_per_hour, wraps_at, resolution: 0 })
}

/// What the registry says, without reads.
fn registry(version: i64) -> Readings {
    Readings {
        device_id: "device-1".into(),
        customer_id: "customer-1".into(),
        property_id: "property-1".into(),
        tariff_class: "household-middle-1".into(),
        time_zone: "Asia/Jakarta".into(),
        meter: meter(RegisterUnit::Litre),
        registry_version: version,
        source: ReadSource::Telemetry.into(),
        message_reads: 1,
        billable: Some(true),
        ..Readings::default()
    }
}

/// One read as a message of its own.
fn reading((at, litres, manual): (i64, i64, bool), registry: &Readings) -> Readings {
    let facts = registry.facts.iter().rev().find(|facts| {
        let begins = Day::parse(&facts.from).map_or(i64::MIN, |day| zone().start_of(day));
        begins <= at && facts.exchange.is_none_or(|exchange| exchange.at <= at)
    });
    let unit = facts.and_then(|facts| facts.meter).or(registry.meter).map(|meter| meter.unit());
    let register = if unit == Some(RegisterUnit::Millilitre) { litres * 1_000 } else { litres };
    let source = if manual { ReadSource::VerifiedManual } else { ReadSource::Telemetry };
    let reads = vec![AcceptedRead { read_at: at, register, ..AcceptedRead::default() }];
    Readings { reads, source: source.into(), ..registry.clone() }
}

/// Regular reads with runs of faults: (time, litres, whether a person read them).
fn any_reads() -> impl Strategy<Value = Vec<(i64, i64, bool)>> {
    let interval = prop_oneof![1 => Just(900_i64), 3 => Just(HOUR), 1 => Just(6 * HOUR), 2 => Just(DAY)];
    let fault = prop_oneof![Just(Some(0)), Just(Some(999_990)), (0..WRAP).prop_map(Some), Just(None)];
    let run =
        (1_usize..40, 0_usize..12, fault, any::<bool>(), 0_i64..120, 1_i64..5, prop::bool::weighted(0.2));
    let step = prop_oneof![3 => Just(1_i64), 1 => Just(10), 1 => Just(1_000)];
    let runs = prop::collection::vec(run, 1..7);
    (interval, runs, 0..WRAP, step, 0_i64..40).prop_map(|(interval, runs, start, step, jitter)| {
        let (mut at, mut register, mut reads) = (MIDNIGHT - 5 * HOUR, start, Vec::new());
        for (good, bad, fault, both, litres, skip, stays) in runs {
            for index in 0..good + bad {
                at += interval;
                register = (register + litres * interval / HOUR).rem_euclid(WRAP);
                let right = register / step * step;
                let late = if index % 3 == 0 { jitter } else { 0 };
                if index < good {
                    reads.push((at + late, right, index % 17 == 16));
                    continue;
                }
                // A second series beside the first, or a value that stands.
                let wrong =
                    fault.map_or((WRAP / 2 + register) % WRAP, |fault| fault.min(WRAP - 1)) / step * step;
                reads.push((at + late, wrong, false));
                if both {
                    reads.push((at + late, right, false));
                }
            }
            if let (true, Some(fault)) = (stays, fault) {
                register = fault;
            }
            at += interval * skip;
        }
        reads
    })
}

/// What the registry comes to say of some days later: another customer, an exchange, water that is not billed.
fn any_change() -> impl Strategy<Value = Readings> {
    let exchange = prop::option::of((0_i64..24, 0..WRAP, 0..WRAP));
    let installed = prop::option::of(-10_i64..100);
    (1_i32..12, exchange, any::<bool>(), installed, any::<bool>()).prop_map(
        |(day, exchange, billable, installed, finer)| {
            let from = Day(zone().day_of(MIDNIGHT).0 + day);
            let unit =
                if finer && exchange.is_some() { RegisterUnit::Millilitre } else { RegisterUnit::Litre };
            let counts = if unit == RegisterUnit::Millilitre { 1_000 } else { 1 };
            let exchange = exchange.map(|(hour, last, first)| MeterExchange {
                at: zone().start_of(from) + hour * HOUR,
                final_register: last,
                initial_register: first * counts,
            });
            let facts = |from: String, customer: &str, unit, exchange| Facts {
                from,
                customer_id: customer.into(),
                property_id: "property-1".into(),
                tariff_class: "household-middle-1".into(),
                meter: meter(unit),
                billable: customer == "customer-1" || billable,
                exchange,
                ..Facts::default()
            };
            Readings {
                facts: vec![
                    facts(String::new(), "customer-1", RegisterUnit::Litre, None),
                    facts(from.to_string(), "customer-2", unit, exchange),
                ],
                installed_at: installed.map(|hour| MIDNIGHT + hour * HOUR),
                ..registry(2)
            }
        },
    )
}

/// The service's days, of messages taken in groups of so many.
fn service(messages: &[Readings], batch: usize) -> Vec<DailyUsage> {
    let (zone, tariffs) = (zone(), TariffBook::built_in());
    let mut history = History::default();
    let mut newest = None;
    for group in messages.chunks(batch) {
        for message in group {
            let reading = readings::reading(message).unwrap();
            history.add(&reading.reads);
            let known = newest.get_or_insert_with(|| reading.timeline.clone());
            if reading.timeline.version > known.version {
                history.touch_from(Day(0));
                *known = reading.timeline;
            }
        }
        let timeline = newest.as_ref().unwrap();
        history.settle(Context { timeline, zone: &zone, tariffs: &tariffs }).unwrap();
    }
    let days = history.days().iter();
    days.map(|record| wire::daily_usage("device-1", record, "Asia/Jakarta")).collect()
}

/// A day without what tells how it came about, and of a day above the ceiling without what was counted in vain, for which the
/// two have no common rule.
fn comparable(mut day: DailyUsage, other: &DailyUsage) -> DailyUsage {
    day.revision = 0;
    day.former_customer_ids.clear();
    day.cost = day.cost.parse::<Decimal>().unwrap().normalize().to_string();
    if day.glitches > 0 && day.unbilled_ml != other.unbilled_ml {
        day.unbilled_ml = 0;
        day.flags.retain(|flag| *flag != UsageFlag::Ceiling as i32);
    }
    day.flags.sort_unstable();
    day
}

fn compare(messages: &[Readings], batch: usize) -> Result<(), TestCaseError> {
    let (service, auditor) = (service(messages, batch), auditor::daily_usage(messages, &[]).unwrap());
    prop_assert_eq!(service.len(), auditor.len());
    for (ours, theirs) in service.into_iter().zip(auditor) {
        let (one, other) = (comparable(ours.clone(), &theirs), comparable(theirs, &ours));
        prop_assert_eq!(one, other);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever a meter reports.
    #[test]
    fn service_and_auditor_find_the_same_days(reads in any_reads(), batch in 1_usize..200) {
        let registry = registry(1);
        let messages: Vec<Readings> = reads.into_iter().map(|read| reading(read, &registry)).collect();
        compare(&messages, batch)?;
    }

    /// Whatever the registry says, and whenever it is heard.
    #[test]
    fn service_and_auditor_apply_the_same_facts(
        reads in any_reads(), change in any_change(), heard in any::<prop::sample::Index>(), batch in 1_usize..200,
    ) {
        let (heard, before) = (heard.index(reads.len()), registry(1));
        let known = |index| if index < heard { &before } else { &change };
        let of_reads = reads.iter().enumerate().map(|(index, read)| reading(*read, known(index)));
        let mut messages: Vec<Readings> = of_reads.collect();
        messages.insert(heard, Readings { message_reads: 0, ..change.clone() });
        compare(&messages, batch)?;
    }
}
