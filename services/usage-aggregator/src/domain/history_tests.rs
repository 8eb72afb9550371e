//! U1 and U2 as properties, and each rule of validation by name.

use std::collections::BTreeMap;

use indowater_common::domain::meter::{Kind, Meter, Unit};
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::Zone;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::super::day::{Flags, Quality, part_before};
use super::super::reads::tests::telemetry;
use super::super::reads::{ReadSet, Source};
use super::*;

const HOUR: i64 = 3_600;

/// 2026-03-01T00:00 in Jakarta.
const MIDNIGHT: i64 = 1_772_298_000;

struct World {
    meter: Meter,
    zone: Zone,
    tariffs: TariffBook,
}

impl World {
    fn jakarta() -> Self {
        Self {
            meter: Meter { unit: Unit::Litre, digits: 6, q3_litres_per_hour: 2_500 },
            zone: Zone::named("Asia/Jakarta").unwrap(),
            tariffs: TariffBook::built_in(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context { meter: &self.meter, zone: &self.zone, tariffs: &self.tariffs }
    }

    /// What one merge of all reads gives.
    fn days(&self, reads: &[Read]) -> Vec<DayRecord> {
        let mut history = History::default();
        history.merge(&facts(1), reads, self.context());
        history.days.into_iter().map(content).collect()
    }
}

fn facts(version: i64) -> Arc<Facts> {
    Arc::new(Facts {
        version,
        customer_id: format!("customer-{version}").into(),
        property_id: "property-1".into(),
        tariff_class: "household-middle-1".into(),
    })
}

/// A record without the marks of how it came about.
fn content(record: DayRecord) -> DayRecord {
    let former_customers = Box::default();
    DayRecord { revision: 0, created_ms: 0, former_customers, pending: Pending::Nothing, ..record }
}

/// The device as a service holds it: some days in memory, the rest in a database.
#[derive(Default)]
struct Service {
    history: Option<History>,
    stored: BTreeMap<Day, DayRecord>,
}

impl Service {
    fn merge(&mut self, facts: &Arc<Facts>, reads: &[Read], world: &World) {
        let stored = &self.stored;
        let history = self.history.get_or_insert_with(|| {
            let last = stored.values().next_back().cloned();
            History::of(last.into_iter().collect(), stored.len() > 1)
        });
        let earliest = reads.iter().map(|read| read.point.at).min().unwrap();
        if !history.covers(earliest) {
            let held = history.days[0].day;
            let older = self.stored.range(..held);
            let before =
                |record: &DayRecord| record.reads.iter().next().is_some_and(|r| r.point.at < earliest);
            let start = older.clone().rev().find(|(_, record)| before(record)).map(|(day, _)| *day);
            let days = older.filter(|(day, _)| start.is_none_or(|start| **day >= start));
            let days = days.map(|(_, record)| record.clone()).collect();
            history.prepend(days, start.is_some());
        }
        history.merge(facts, reads, world.context());
    }

    fn flush(&mut self) {
        let Some(history) = &mut self.history else { return };
        for record in history.days_mut() {
            if std::mem::take(&mut record.pending) == Pending::Write {
                record.revision += 1;
                self.stored.insert(record.day, record.clone());
            }
        }
        history.keep_last();
    }
}

/// Reads of a meter that flows, stands still, leaks back, wraps and is exchanged, at odd times over some weeks.
fn any_reads() -> impl Strategy<Value = Vec<Read>> {
    let step = (1_i64..200_000, prop_oneof![8 => 0_i64..400, 1 => -9_i64..0, 1 => -900_000_i64..900_000]);
    (0_i64..1_000_000, prop::collection::vec((step, any::<bool>()), 1..40)).prop_map(|(start, steps)| {
        let (mut at, mut register) = (MIDNIGHT - 40_000, start);
        steps
            .into_iter()
            .map(|((seconds, volume), manual)| {
                at += seconds;
                register = (register + volume).rem_euclid(1_000_000);
                let source = if manual { Source::Manual } else { Source::Telemetry };
                Read { source, ..telemetry(at, register) }
            })
            .collect()
    })
}

proptest! {
    /// U1: any order, repetition, batching, flushing and restart of the same reads gives the same records.
    #[test]
    fn records_depend_on_the_set_of_reads_alone(
        reads in any_reads(),
        plan in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..6, 0_u8..6), 1..60),
    ) {
        let world = World::jakarta();
        let expected = world.days(&reads);
        let mut service = Service::default();
        let deliver = |service: &mut Service, batch: &[Read], then: u8| {
            service.merge(&facts(1), batch, &world);
            match then {
                0 => { service.flush(); service.history = None; }    // stopped in good order
                1 => service.history = None,                         // killed: what was not flushed comes again
                2 | 3 => service.flush(),
                _ => {}
            }
        };
        for (at, many, then) in plan {
            let at = at.index(reads.len());
            deliver(&mut service, &reads[at..(at + many).min(reads.len())], then);
        }
        // At least once: in the end every read has come and stayed.
        for read in reads.iter().rev() {
            deliver(&mut service, &[*read], 4);
        }
        service.flush();
        let got: Vec<_> = service.stored.into_values().map(content).collect();
        prop_assert_eq!(got, expected);
    }

    /// U2: the days of a span add up to what its steps bring, and each day to its share of the steps.
    #[test]
    fn days_add_up_to_the_register_difference(reads in any_reads()) {
        let world = World::jakarta();
        let days = world.days(&reads);
        let set = ReadSet::of(reads);
        let points: Vec<Point> = set.effective().map(|read| read.point).collect();
        let steps: Vec<_> = points.windows(2).map(|p| (p[0], p[1], world.meter.step(p[0], p[1]))).collect();
        let total: i64 = steps.iter().map(|(.., step)| step.volume).sum();
        prop_assert_eq!(days.iter().map(|d| d.figures.volume).sum::<i64>(), total);
        if steps.iter().all(|(.., step)| matches!(step.kind, Kind::Flow | Kind::Backflow)) {
            prop_assert_eq!(total, points[points.len() - 1].register - points[0].register);
        }
        for day in &days {
            let (start, end) = (world.zone.start_of(day.day), world.zone.start_of(day.day.next()));
            let share: i64 = steps.iter()
                .map(|(a, b, step)| part_before(end, *a, *b, step.volume) - part_before(start, *a, *b, step.volume))
                .sum();
            prop_assert_eq!(day.figures.volume, share, "{}", day.day);
            prop_assert!(day.figures.reverse >= 0 && day.figures.error_bound >= 0);
        }
    }

    /// B3's pricing half on whole records: the days of each month add up to the tariff of the month's volume.
    #[test]
    fn costs_add_up_to_the_tariff_of_the_month(reads in any_reads()) {
        let world = World::jakarta();
        let days = world.days(&reads);
        for month in days.chunk_by(|a, b| a.day.month_start() == b.day.month_start()) {
            let volume: i64 = month.iter().map(|d| d.figures.volume).sum();
            let cost: Decimal = month.iter().map(|d| d.figures.cost).sum();
            let tariff = world.tariffs.on("household-middle-1", month[0].day);
            prop_assert_eq!(cost, tariff.cost(world.meter.unit.cubic_metres(volume)));
        }
    }
}

/// Hourly reads of a steady flow from midnight on.
fn hourly(hours: std::ops::RangeInclusive<i64>, litres: i64) -> Vec<Read> {
    hours.map(|h| telemetry(MIDNIGHT + h * HOUR, 1_000 + h * litres)).collect()
}

#[test]
fn midnight_is_measured_where_a_read_stands_there() {
    let days = World::jakarta().days(&hourly(0..=24, 10));
    assert_eq!(days.len(), 2);
    let figures = &days[0].figures;
    assert_eq!((figures.volume, figures.quality, figures.error_bound), (240, Quality::Measured, 0));
    assert!(figures.complete && !days[1].figures.complete);
    assert_eq!(days[0].reads.iter().count(), 24);
}

#[test]
fn midnight_between_reads_is_interpolated() {
    let reads = [telemetry(MIDNIGHT - 2 * HOUR, 100), telemetry(MIDNIGHT + HOUR, 130)];
    let days = World::jakarta().days(&reads);
    assert_eq!((days[0].figures.volume, days[1].figures.volume), (20, 10));
    assert_eq!(days[0].figures.quality, Quality::Interpolated);
    assert_eq!(days[0].figures.error_bound, 20);
}

#[test]
fn gap_of_days_is_split_evenly_and_estimated() {
    let reads = [telemetry(MIDNIGHT, 0), telemetry(MIDNIGHT + 3 * 24 * HOUR, 300)];
    let days = World::jakarta().days(&reads);
    let volumes: Vec<_> = days.iter().map(|d| d.figures.volume).collect();
    assert_eq!(volumes, [100, 100, 100, 0]);
    assert_eq!(days[1].figures.quality, Quality::Estimated);
    assert!(days[1].figures.flags.has(Flags::GAP.and(Flags::PROLONGED_GAP)));
}

#[test]
fn short_gap_is_no_gap() {
    let world = World::jakarta();
    let flags =
        |hours| world.days(&[telemetry(MIDNIGHT, 0), telemetry(MIDNIGHT + hours * HOUR, 9)])[0].figures.flags;
    assert_eq!(flags(3), Flags::default());
    assert_eq!(flags(4), Flags::GAP);
}

#[test]
fn rollover_counts_on() {
    let days = World::jakarta().days(&[telemetry(MIDNIGHT, 999_990), telemetry(MIDNIGHT + HOUR, 20)]);
    assert_eq!((days[0].figures.volume, days[0].figures.flags), (30, Flags::ROLLOVER));
}

#[test]
fn exchange_starts_a_new_segment_and_is_not_billed() {
    let reads =
        [(0, 500_000), (1, 500_050), (2, 12), (3, 30)].map(|(h, r)| telemetry(MIDNIGHT + h * HOUR, r));
    let days = World::jakarta().days(&reads);
    assert_eq!((days[0].figures.volume, days[0].figures.flags), (68, Flags::EXCHANGE));
}

#[test]
fn backflow_is_netted_within_the_day_and_counted() {
    let reads = [(0, 100), (1, 150), (2, 147), (3, 160)].map(|(h, r)| telemetry(MIDNIGHT + h * HOUR, r));
    let figures = &World::jakarta().days(&reads)[0].figures;
    assert_eq!((figures.volume, figures.reverse, figures.flags), (60, 3, Flags::BACKFLOW));
}

#[test]
fn ceiling_a_jump_no_pipe_can_pass_is_not_billed() {
    let reads = [(0, 100), (1, 348_620), (2, 348_630)].map(|(h, r)| telemetry(MIDNIGHT + h * HOUR, r));
    let figures = &World::jakarta().days(&reads)[0].figures;
    assert_eq!((figures.volume, figures.flags), (10, Flags::CEILING));
}

#[test]
fn duplicate_changes_nothing_but_is_published_again() {
    let world = World::jakarta();
    let mut service = Service::default();
    service.merge(&facts(1), &hourly(0..=5, 10), &world);
    service.flush();
    let before = service.stored.clone();
    service.merge(&facts(1), &hourly(3..=3, 10), &world);
    assert_eq!(service.history.as_ref().unwrap().days()[0].pending, Pending::Publish);
    service.flush();
    assert_eq!(service.stored, before);
}

#[test]
fn conflict_keeps_both_and_counts_the_lower() {
    let reads = [telemetry(MIDNIGHT, 0), telemetry(MIDNIGHT + HOUR, 50), telemetry(MIDNIGHT + HOUR, 40)];
    let day = &World::jakarta().days(&reads)[0];
    assert_eq!((day.figures.volume, day.figures.flags, day.reads.iter().count()), (40, Flags::CONFLICT, 3));
}

#[test]
fn conflict_with_a_verified_manual_read_is_the_technicians() {
    let manual = Read { source: Source::Manual, ..telemetry(MIDNIGHT + HOUR, 45) };
    let reads = [telemetry(MIDNIGHT, 0), telemetry(MIDNIGHT + HOUR, 40), manual];
    assert_eq!(World::jakarta().days(&reads)[0].figures.volume, 45);
}

#[test]
fn clock_correction_is_flagged() {
    let read = Read { clock_corrected: true, ..telemetry(MIDNIGHT, 0) };
    assert_eq!(World::jakarta().days(&[read])[0].figures.flags, Flags::CLOCK);
}

#[test]
fn zero_for_a_week_on_a_meter_with_history() {
    let mut reads = hourly(0..=24, 10);
    reads.extend((2..=9).map(|day| telemetry(MIDNIGHT + day * 24 * HOUR, 1_240)));
    let days = World::jakarta().days(&reads);
    let flagged: Vec<_> = days.iter().map(|d| d.figures.flags.has(Flags::ZERO)).collect();
    assert_eq!(flagged, [false, false, false, false, false, false, false, true, true, false]);
}

#[test]
fn the_longer_day_of_a_clock_change_has_25_hours() {
    let madrid = World { zone: Zone::named("Europe/Madrid").unwrap(), ..World::jakarta() };
    let start = madrid.zone.start_of(Day::parse("2016-10-30").unwrap());
    let reads: Vec<_> = (0..=25).map(|h| telemetry(start + h * HOUR, h * 10)).collect();
    let days = madrid.days(&reads);
    assert_eq!((days[0].figures.volume, days[0].figures.quality), (250, Quality::Measured));
}

#[test]
fn late_read_revises_only_the_days_it_touches() {
    let world = World::jakarta();
    let mut service = Service::default();
    let flat: Vec<_> =
        (0..10).map(|day| telemetry(MIDNIGHT + 12 * HOUR + day * 24 * HOUR, day * 100)).collect();
    for read in &flat {
        service.merge(&facts(1), &[*read], &world);
        service.flush();
    }
    let before = service.stored.clone();
    service.merge(&facts(1), &[telemetry(MIDNIGHT + 5 * 24 * HOUR, 470)], &world);
    service.flush();
    let changed: Vec<_> =
        before.iter().filter(|(day, old)| service.stored[day].figures.volume != old.figures.volume).collect();
    let first = world.zone.day_of(MIDNIGHT);
    let touched: Vec<_> = changed.iter().map(|(day, _)| day.0 - first.0).collect();
    assert_eq!(touched, [4, 5]);
    assert!(changed.iter().all(|(day, old)| service.stored[day].revision == old.revision + 1));
}

#[test]
fn corrected_facts_of_a_meter_judge_every_step_again() {
    let small = World::jakarta();
    let large = World { meter: Meter { q3_litres_per_hour: 250_000, ..small.meter }, ..World::jakarta() };
    let reads = [(0, 100), (1, 200_100), (30, 200_200)].map(|(h, r)| telemetry(MIDNIGHT + h * HOUR, r));
    let mut history = History::default();
    history.merge(&facts(1), &reads, small.context());
    assert!(history.days[0].figures.flags.has(Flags::CEILING));
    history.judge_again(large.context());
    let again: Vec<_> = history.days.into_iter().map(content).collect();
    assert_eq!(again, large.days(&reads));
}

#[test]
fn a_day_belongs_to_whom_the_registry_named_when_it_was_first_read() {
    let world = World::jakarta();
    let days = |order: [i64; 2]| {
        let mut history = History::default();
        for version in order {
            history.merge(&facts(version), &hourly(version..=version, 10), world.context());
        }
        history.days[0].facts.customer_id.clone()
    };
    assert_eq!(&*days([1, 2]), "customer-1");
    assert_eq!(&*days([2, 1]), "customer-1");
}

#[test]
fn hours_add_up_to_the_day() {
    let world = World::jakarta();
    let days = world.days(&hourly(0..=30, 7));
    let next = days[1].reads.iter().next().map(|read| read.point);
    let hours = super::super::hourly::hours(&days[0], next, &world.zone, &world.meter);
    assert_eq!(hours.len(), 24);
    assert!(hours.iter().all(|hour| hour.volume == 7 && hour.quality == Quality::Measured));
}
