//! U1 and U2 as properties, and each rule of validation by name.

use std::collections::BTreeMap;

use indowater_common::domain::facts::{BEGINNING, Exchange, Period};
use indowater_common::domain::meter::Unit;
use indowater_common::domain::reads::Source;
use indowater_common::domain::step::{Kind, MeterFacts};
use indowater_common::domain::tariff::TariffBook;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::super::day::{Flags, Quality, cubic_metres, part_before};
use super::*;

fn telemetry(at: i64, litres: i64) -> Read {
    Read::telemetry(at, litres * 1_000)
}

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
        stored: StoredReads::default(),
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
                record.stored = StoredReads::all(&record.reads);
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
                .map(|(a, b, step)| part_before(end, *a, *b, *step) - part_before(start, *a, *b, *step))
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

#[path = "day_cases.rs"]
mod day_cases;
#[path = "path_cases.rs"]
mod path_cases;
#[path = "running_cases.rs"]
mod running_cases;
