//! U1 and U2 as properties, and each rule of validation by name.

use std::collections::BTreeMap;

use indowater_common::domain::facts::{BEGINNING, Exchange, Period};
use indowater_common::domain::meter::Unit;
use indowater_common::domain::step::{Kind, MeterFacts};
use indowater_common::domain::tariff::TariffBook;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::super::day::{Flags, Quality, cubic_metres, part_before};
use super::super::reads::Source;
use super::super::reads::tests::telemetry;
use super::*;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const L: i64 = 1_000;

/// 2026-03-01T00:00 in Jakarta.
const MIDNIGHT: i64 = 1_772_298_000;

struct World {
    timeline: Timeline,
    zone: Zone,
    tariffs: TariffBook,
}

fn owner(customer: &str) -> Arc<Owner> {
    Arc::new(Owner {
        customer_id: customer.into(),
        property_id: "property-1".into(),
        tariff_class: "household-middle-1".into(),
        billable: true,
    })
}

fn period(customer: &str, meter: MeterFacts) -> Period {
    Period { from: BEGINNING, owner: owner(customer), meter, exchange: None }
}

fn meter(digits: u32) -> MeterFacts {
    MeterFacts {
        unit: Unit::Litre,
        wraps_at: 10_i64.pow(digits) * L,
        resolution: L,
        q3_litres_per_hour: 2_500,
    }
}

impl World {
    fn with(meter: MeterFacts) -> Self {
        Self {
            timeline: Timeline::new(1, None, period("customer-1", meter), Vec::new()),
            zone: Zone::named("Asia/Jakarta").unwrap(),
            tariffs: TariffBook::built_in(),
        }
    }

    fn jakarta() -> Self {
        Self::with(meter(6))
    }

    fn context(&self) -> Context<'_> {
        Context { timeline: &self.timeline, zone: &self.zone, tariffs: &self.tariffs }
    }

    /// What taking all reads at once gives.
    fn days(&self, reads: &[Read]) -> Vec<DayRecord> {
        let mut history = History::default();
        history.add(reads);
        history.settle(self.context()).unwrap();
        history.days.into_iter().map(content).collect()
    }

    /// Net volumes of the days in litres.
    fn litres(&self, reads: &[Read]) -> Vec<i64> {
        self.days(reads).iter().map(|day| day.figures.volume / L).collect()
    }
}

/// A record without the marks of how it came about.
fn content(record: DayRecord) -> DayRecord {
    DayRecord {
        revision: 0,
        created_ms: 0,
        former_customers: Box::default(),
        withdrawn: Box::default(),
        counted: Default::default(),
        pending: Pending::Nothing,
        ..record
    }
}

/// The device as a service holds it: some days in memory, the rest in a database.
#[derive(Default)]
struct Service {
    history: Option<History>,
    stored: BTreeMap<Day, DayRecord>,
}

impl Service {
    fn history(&mut self, world: &World) -> &mut History {
        let stored = &self.stored;
        self.history.get_or_insert_with(|| {
            let last = stored.values().next_back().cloned();
            History::of(last.into_iter().collect(), stored.len() > 1, &world.timeline, &world.zone)
        })
    }

    /// As the database answers: the days from the one on that holds the last read before a moment.
    fn load_older(&mut self, earliest: i64, world: &World) {
        let stored = std::mem::take(&mut self.stored);
        let history = self.history(world);
        let held = history.days[0].day;
        let older = stored.range(..held);
        let before = |record: &DayRecord| record.reads.iter().next().is_some_and(|r| r.at < earliest);
        let start = older.clone().rev().find(|(_, record)| before(record)).map(|(day, _)| *day);
        let days = older.filter(|(day, _)| start.is_none_or(|start| **day >= start));
        let days = days.map(|(_, record)| record.clone()).collect();
        history.prepend(days, start.is_some(), &world.timeline, &world.zone);
        self.stored = stored;
    }

    fn merge(&mut self, reads: &[Read], world: &World) {
        let Some(earliest) = reads.iter().map(|read| read.at).min() else { return };
        if !self.history(world).covers(earliest) {
            self.load_older(earliest, world);
        }
        self.history(world).add(reads);
    }

    fn settle(&mut self, world: &World) {
        while self.history(world).settle(world.context()).is_err() {
            let start = world.zone.start_of(self.history(world).days[0].day);
            self.load_older(start - DAY, world);
        }
    }

    /// The registry says something else: what an instance does that hears of it.
    fn learn(&mut self, before: &World, world: &World) {
        let Some(day) = before.timeline.differs_from(&world.timeline, &world.zone) else { return };
        while !self.history(world).reaches(day) {
            let start = world.zone.start_of(self.history(world).days[0].day);
            self.load_older(start - 5 * DAY, world);
        }
        self.history(world).touch_from(day);
    }

    fn flush(&mut self, world: &World) {
        self.settle(world);
        let Some(history) = &mut self.history else { return };
        for record in history.days_mut() {
            if std::mem::take(&mut record.pending) == Pending::Write {
                record.revision += 1;
                self.stored.insert(record.day, record.clone());
            }
        }
        history.keep_last(&world.timeline, &world.zone);
    }
}

/// Reads of a meter that flows, stands still, leaks back, wraps, glitches and is exchanged, at odd times over some weeks.
fn any_reads() -> impl Strategy<Value = Vec<Read>> {
    let step = (
        prop_oneof![3 => Just(HOUR), 2 => 1_i64..200_000],
        prop_oneof![12 => 0_i64..400, 1 => -9_i64..0, 1 => -900_000_i64..900_000],
        prop_oneof![9 => Just(None), 1 => (0_i64..1_000_000).prop_map(Some)],
        prop::bool::weighted(0.1),
    );
    (0_i64..1_000_000, prop::collection::vec(step, 1..60)).prop_map(|(start, steps)| {
        let (mut at, mut register) = (MIDNIGHT - 40_000, start);
        steps
            .into_iter()
            .map(|(seconds, volume, glitch, manual)| {
                at += seconds;
                register = (register + volume).rem_euclid(1_000_000);
                let source = if manual { Source::Manual } else { Source::Telemetry };
                Read { source, ..telemetry(at, glitch.unwrap_or(register)) }
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
        moved in any::<prop::sample::Index>(),
    ) {
        let first = World::jakarta();
        let expected_of = moved.index(plan.len() + 1);
        // Somewhere on the way the registry hears that somebody moved in within these days.
        let day = first.zone.day_of(reads[expected_of % reads.len()].at);
        let later = vec![Period { from: day, ..period("customer-2", meter(6)) }];
        let second = World {
            timeline: Timeline::new(2, None, period("customer-1", meter(6)), later),
            ..World::jakarta()
        };
        let expected = second.days(&reads);
        let mut service = Service::default();
        let mut world = &first;
        for (step, (at, many, then)) in plan.iter().enumerate() {
            if step == expected_of {
                service.flush(world);
                service.learn(world, &second);
                world = &second;
                service.flush(world);
            }
            let at = at.index(reads.len());
            service.merge(&reads[at..(at + many).min(reads.len())], world);
            match then {
                0 => { service.flush(world); service.history = None; }    // stopped in good order
                1 => service.history = None,                              // killed: what was not flushed comes again
                2 | 3 => service.flush(world),
                _ => {}
            }
        }
        if std::ptr::eq(world, &first) {
            service.flush(world);
            service.learn(world, &second);
            world = &second;
        }
        // At least once: in the end every read has come and stayed.
        for read in reads.iter().rev() {
            service.merge(&[*read], world);
        }
        service.flush(world);
        let got: Vec<_> = service.stored.into_values().map(content).collect();
        prop_assert_eq!(got, expected);
    }

    /// U2: the days of a span add up to what the steps of the path bring, and each day to its share of the steps.
    #[test]
    fn days_add_up_to_the_register_difference(reads in any_reads()) {
        let world = World::jakarta();
        let days = world.days(&reads);
        let points: Vec<Point> = days.iter().flat_map(|day| day.taken_apart(world.context()).path).collect();
        let steps: Vec<_> = points
            .windows(2)
            .map(|p| (p[0], p[1], world.timeline.step(p[0], p[1], learned_at(&days, p[1], &world), &world.zone)))
            .collect();
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

    /// B3's pricing half on whole records: the days of each month add up to the tariff of the month's volume, for each
    /// customer of the connection.
    #[test]
    fn costs_add_up_to_the_tariff_of_the_month_for_each_customer(
        reads in any_reads(), moves in prop::collection::btree_map(0_i32..20, 0_u8..3, 0..4),
    ) {
        let first = World::jakarta();
        let begin = first.zone.day_of(reads[0].at);
        let later = moves.into_iter().map(|(day, customer)| Period {
            from: Day(begin.0 + day + 1),
            ..period(&format!("customer-{customer}"), meter(6))
        });
        let timeline = Timeline::new(1, None, period("customer-1", meter(6)), later.collect());
        let world = World { timeline, ..first };
        let mut months: BTreeMap<(Box<str>, Day), (i64, Decimal)> = BTreeMap::new();
        for day in world.days(&reads) {
            let month = months.entry((day.owner.customer_id.clone(), day.day.month_start())).or_default();
            month.0 += day.figures.volume;
            month.1 += day.figures.cost;
        }
        for ((customer, month), (volume, cost)) in months {
            let tariff = world.tariffs.on("household-middle-1", month);
            prop_assert_eq!(cost, tariff.cost(cubic_metres(volume)), "{} in {}", customer, month);
        }
    }
}

fn learned_at(days: &[DayRecord], point: Point, world: &World) -> i64 {
    let day = world.zone.day_of(point.at);
    let record = days.iter().find(|record| record.day == day).unwrap();
    record.taken_apart(world.context()).rhythm.learned
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
    assert_eq!((figures.volume, figures.quality, figures.error_bound), (240 * L, Quality::Measured, 0));
    assert!(figures.complete && !days[1].figures.complete);
    assert_eq!(days[0].reads.iter().count(), 24);
}

#[test]
fn midnight_between_reads_is_interpolated() {
    let reads = [telemetry(MIDNIGHT - 2 * HOUR, 100), telemetry(MIDNIGHT + HOUR, 130)];
    let days = World::jakarta().days(&reads);
    assert_eq!((days[0].figures.volume, days[1].figures.volume), (20 * L, 10 * L));
    assert_eq!(days[0].figures.quality, Quality::Interpolated);
    assert_eq!(days[0].figures.error_bound, 20 * L);
}

#[test]
fn gap_of_days_is_split_evenly_and_estimated() {
    let mut reads = hourly(-9..=0, 0);
    reads.push(telemetry(MIDNIGHT + 3 * DAY, 1_300));
    let days = World::jakarta().days(&reads);
    let volumes: Vec<_> = days.iter().map(|d| d.figures.volume / L).collect();
    assert_eq!(volumes, [0, 100, 100, 100, 0]);
    assert_eq!(days[2].figures.quality, Quality::Estimated);
    assert!(days[2].figures.flags.has(Flags::GAP.and(Flags::PROLONGED_GAP)));
}

#[test]
fn gaps_count_from_three_of_the_meters_own_intervals() {
    let flags = |interval: i64, gap: i64| {
        let mut reads: Vec<_> = (0..6).map(|i| telemetry(MIDNIGHT - i * interval, 1_000 - i)).collect();
        reads.push(telemetry(MIDNIGHT + gap, 1_001));
        let days = World::jakarta().days(&reads);
        // On its first day nobody knows how often a meter reports.
        days[1..].iter().fold(Flags::default(), |all, day| all.and(day.figures.flags))
    };
    assert_eq!(flags(HOUR, 3 * HOUR), Flags::default());
    assert_eq!(flags(HOUR, 4 * HOUR), Flags::GAP);
    assert_eq!(flags(HOUR, 25 * HOUR), Flags::GAP.and(Flags::PROLONGED_GAP));
    assert_eq!(flags(300, 3 * HOUR), Flags::default(), "three hours are no gap, however often it reports");
    assert_eq!(flags(6 * HOUR, 18 * HOUR), Flags::default());
    assert_eq!(flags(DAY, DAY + HOUR), Flags::default(), "a daily meter is not always in a gap");
    assert_eq!(flags(DAY, 3 * DAY), Flags::default());
    assert_eq!(flags(DAY, 4 * DAY), Flags::GAP.and(Flags::PROLONGED_GAP));
}

#[test]
fn jitter_within_a_tenth_of_an_interval_stays_measured() {
    let quality = |interval: i64, late: i64| {
        let reads: Vec<_> =
            (-60..=60).map(|i| telemetry(MIDNIGHT + i * interval + late, 10_000 + i)).collect();
        let days = World::jakarta().days(&reads);
        days[days.len() / 2].figures.quality
    };
    assert_eq!(quality(HOUR, 360), Quality::Measured);
    assert_eq!(quality(HOUR, 361), Quality::Interpolated);
    assert_eq!(quality(900, 90), Quality::Measured);
    assert_eq!(quality(900, 91), Quality::Interpolated);
    assert_eq!(quality(DAY, 8_640), Quality::Measured);
    assert_eq!(quality(DAY, 8_641), Quality::Interpolated);
}

#[test]
fn rollover_counts_on() {
    let days = World::jakarta().days(&[telemetry(MIDNIGHT, 999_990), telemetry(MIDNIGHT + HOUR, 20)]);
    assert_eq!((days[0].figures.volume, days[0].figures.flags), (30 * L, Flags::ROLLOVER));
}

#[test]
fn backflow_is_netted_within_the_day_and_counted() {
    let reads = [(0, 100), (1, 150), (2, 147), (3, 160)].map(|(h, r)| telemetry(MIDNIGHT + h * HOUR, r));
    let figures = &World::jakarta().days(&reads)[0].figures;
    assert_eq!((figures.volume, figures.reverse, figures.flags), (60 * L, 3 * L, Flags::BACKFLOW));
}

#[test]
fn duplicate_changes_nothing_but_is_published_again() {
    let world = World::jakarta();
    let mut service = Service::default();
    service.merge(&hourly(0..=5, 10), &world);
    service.flush(&world);
    let before = service.stored.clone();
    service.merge(&hourly(3..=3, 10), &world);
    service.settle(&world);
    assert_eq!(service.history.as_ref().unwrap().days()[0].pending, Pending::Publish);
    service.flush(&world);
    assert_eq!(service.stored, before);
}

#[test]
fn conflict_keeps_both_and_counts_the_lower() {
    let reads = [telemetry(MIDNIGHT, 0), telemetry(MIDNIGHT + HOUR, 50), telemetry(MIDNIGHT + HOUR, 40)];
    let day = &World::jakarta().days(&reads)[0];
    assert_eq!(
        (day.figures.volume, day.figures.flags, day.reads.iter().count()),
        (40 * L, Flags::CONFLICT, 3)
    );
}

#[test]
fn conflict_with_a_verified_manual_read_is_the_technicians() {
    let manual = Read { source: Source::Manual, ..telemetry(MIDNIGHT + HOUR, 45) };
    let reads = [telemetry(MIDNIGHT, 0), telemetry(MIDNIGHT + HOUR, 40), manual];
    assert_eq!(World::jakarta().days(&reads)[0].figures.volume, 45 * L);
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
    assert_eq!((days[0].figures.volume, days[0].figures.quality), (250 * L, Quality::Measured));
}

#[test]
fn late_read_revises_only_the_days_it_touches() {
    let world = World::jakarta();
    let mut service = Service::default();
    let flat: Vec<_> =
        (0..10).map(|day| telemetry(MIDNIGHT + 12 * HOUR + day * 24 * HOUR, day * 100)).collect();
    for read in &flat {
        service.merge(&[*read], &world);
        service.flush(&world);
    }
    let before = service.stored.clone();
    service.merge(&[telemetry(MIDNIGHT + 5 * 24 * HOUR, 470)], &world);
    service.flush(&world);
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
    let large = World::with(MeterFacts { q3_litres_per_hour: 250_000, ..meter(6) });
    let reads = [(0, 100), (1, 200_100), (30, 200_200)].map(|(h, r)| telemetry(MIDNIGHT + h * HOUR, r));
    let mut service = Service::default();
    service.merge(&reads, &small);
    service.flush(&small);
    let total = |world: &World| world.days(&reads).iter().map(|day| day.figures.volume).sum::<i64>();
    assert_eq!(total(&small), 100 * L);
    service.learn(&small, &large);
    service.flush(&large);
    let again: Vec<_> = service.stored.into_values().map(content).collect();
    assert_eq!(again, large.days(&reads));
    assert_eq!(total(&large), 200_100 * L);
}

#[test]
fn a_unit_nobody_named_is_what_the_registry_says() {
    let litres = World::with(meter(8));
    let finer = World::with(MeterFacts { unit: Unit::Millilitre, resolution: 1, ..meter(8) });
    let raw = |hour: i64| Read {
        register: 5_000_000 + hour * 30_000,
        unit_assumed: true,
        ..telemetry(MIDNIGHT + hour * HOUR, 0)
    };
    let reads: Vec<_> = (0..=24).map(raw).collect();
    assert_eq!(finer.litres(&reads), [720, 0]);
    assert_eq!(litres.litres(&reads).iter().sum::<i64>(), 0, "30 m3 an hour are no household's");
    let mut service = Service::default();
    service.merge(&reads, &litres);
    service.flush(&litres);
    service.learn(&litres, &finer);
    service.flush(&finer);
    assert_eq!(service.stored.into_values().map(content).collect::<Vec<_>>(), finer.days(&reads));
}

#[test]
fn each_day_is_whose_the_registry_says_however_late_it_is_heard() {
    let day = |days: i64| Zone::named("Asia/Jakarta").unwrap().day_of(MIDNIGHT + days * DAY);
    let moved = vec![Period { from: day(2), ..period("customer-2", meter(6)) }];
    let timeline = Timeline::new(2, None, period("customer-1", meter(6)), moved);
    let (before, after) = (World::jakarta(), World { timeline, ..World::jakarta() });
    let reads: Vec<_> = (0..=4).map(|d| telemetry(MIDNIGHT + d * DAY, 1_000 + d * 9_000)).collect();
    let mut service = Service::default();
    service.merge(&reads, &before);
    service.flush(&before);
    service.learn(&before, &after);
    service.flush(&after);
    let days: Vec<DayRecord> = service.stored.into_values().collect();
    let owners: Vec<&str> = days.iter().map(|day| &*day.owner.customer_id).collect();
    assert_eq!(owners, ["customer-1", "customer-1", "customer-2", "customer-2", "customer-2"]);
    // The blocks of the month begin again with the new customer: 9 m3 each day in the first one, then 1 in it and 8 above.
    let costs: Vec<_> = days.iter().map(|day| day.figures.cost.to_string()).collect();
    assert_eq!(costs, ["44100", "80900", "44100", "80900", "0"]);
    assert_eq!(&*days[2].former_customers, ["customer-1".into()]);
    assert!(days[1].former_customers.is_empty());
}

#[test]
fn water_that_is_not_billable_costs_nothing_and_fills_no_block() {
    let day = |days: i64| Zone::named("Asia/Jakarta").unwrap().day_of(MIDNIGHT + days * DAY);
    let unbilled = Arc::new(Owner { billable: false, ..(*owner("customer-1")).clone() });
    let first = Period { owner: unbilled, ..period("customer-1", meter(6)) };
    let timeline =
        Timeline::new(1, None, first, vec![Period { from: day(1), ..period("customer-1", meter(6)) }]);
    let reads: Vec<_> = (0..=2).map(|d| telemetry(MIDNIGHT + d * DAY, 1_000 + d * 9_000)).collect();
    let days = World { timeline, ..World::jakarta() }.days(&reads);
    let costs: Vec<_> = days.iter().map(|day| day.figures.cost.to_string()).collect();
    assert_eq!(costs, ["0", "44100", "0"]);
    assert_eq!(days[0].figures.volume, 9_000 * L);
}

#[test]
fn an_exchange_that_the_registry_knows_goes_on_without_a_gap() {
    let zone = Zone::named("Asia/Jakarta").unwrap();
    let exchange =
        Exchange { at: MIDNIGHT + DAY + 10 * HOUR + 900, final_register: 2_345 * L, initial_register: 7 * L };
    let new = Period {
        from: zone.day_of(exchange.at),
        exchange: Some(exchange),
        ..period("customer-1", MeterFacts { unit: Unit::Millilitre, resolution: 1, ..meter(8) })
    };
    let timeline = Timeline::new(1, None, period("customer-1", meter(6)), vec![new]);
    let world = World { timeline, ..World::jakarta() };
    let old = (0..=34).map(|hour| telemetry(MIDNIGHT + hour * HOUR, 2_000 + hour * 10));
    let new = (35..=48).map(|hour| telemetry(MIDNIGHT + hour * HOUR, 7 + (hour - 34) * 10));
    let days = world.days(&old.chain(new).collect::<Vec<_>>());
    // 340 by the old meter, 5 more up to its last register, 140 by the new one.
    assert_eq!(days.iter().map(|day| day.figures.volume / L).sum::<i64>(), 485);
    assert_eq!(days[1].figures.flags, Flags::EXCHANGE);
    assert!(days[1].figures.findings.is_empty(), "nobody has to look at what is known");
}

#[test]
fn reads_from_before_the_installation_count_for_nothing() {
    let mut reads = hourly(0..=24, 10);
    reads.push(telemetry(MIDNIGHT - 5 * HOUR, 17));
    let first = period("customer-1", meter(6));
    let world = World { timeline: Timeline::new(1, Some(MIDNIGHT), first, Vec::new()), ..World::jakarta() };
    assert_eq!(world.litres(&reads), [0, 240, 0]);
}

#[test]
fn hours_add_up_to_the_day() {
    let world = World::jakarta();
    let days = world.days(&hourly(0..=30, 7));
    let next = days[1].taken_apart(world.context()).path.first().copied();
    let hours = super::super::hourly::hours(&days[0], next, world.context());
    assert_eq!(hours.len(), 24);
    assert!(hours.iter().all(|hour| hour.volume == 7 * L && hour.quality == Quality::Measured));
}

#[path = "path_cases.rs"]
mod path_cases;
