//! Weeks and events depend on the set of reads alone, whatever the order, repetition, batching and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use indowater_common::domain::facts::{BEGINNING, Exchange, Owner, Period as Facts};
use indowater_common::domain::meter::Unit;
use indowater_common::domain::step::MeterFacts;
use proptest::prelude::*;

use super::super::event::{self, LeakEvent, Status, World};
use super::super::leak::Kind as LeakKind;
use super::super::tampering::{self, TamperingEvent};
use super::*;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const L: i64 = 1_000;
/// 2026-03-01T00:00 in Jakarta.
const MIDNIGHT: i64 = 1_772_298_000;

/// A device's documents, and the device in memory.
struct Home {
    timeline: Timeline,
    zone: Zone,
    tariffs: TariffBook,
    weeks: BTreeMap<i32, Week>,
    leaks: Vec<LeakEvent>,
    tampering: Vec<TamperingEvent>,
    memory: Option<History>,
    too_old: usize,
    /// What the meter tells of its supply.
    supply: Option<supply::Told>,
    closed: Vec<(i64, i64)>,
}

impl World for Home {
    fn device(&self) -> String {
        "device-1".into()
    }

    fn owner(&self, at: i64) -> (String, String) {
        let owner = &self.timeline.on(self.zone.day_of(at)).owner;
        (owner.customer_id.to_string(), owner.property_id.to_string())
    }

    fn id(&self) -> String {
        format!("leak-{}", self.leaks.len())
    }

    fn confidence(&self, _: LeakKind) -> u16 {
        900
    }
}

fn facts(from: Day, customer: &str, exchange: Option<Exchange>) -> Facts {
    let owner = Owner {
        customer_id: customer.into(),
        property_id: "property-1".into(),
        tariff_class: "household-middle-1".into(),
        billable: true,
    };
    let meter =
        MeterFacts { unit: Unit::Litre, wraps_at: 100_000_000 * L, resolution: L, q3_litres_per_hour: 2_500 };
    Facts { from, owner: Arc::new(owner), meter, exchange }
}

impl Home {
    fn new() -> Self {
        Self {
            timeline: Timeline::new(1, None, facts(BEGINNING, "customer-1", None), Vec::new()),
            zone: Zone::named("Asia/Jakarta").unwrap(),
            tariffs: TariffBook::built_in(),
            weeks: BTreeMap::new(),
            leaks: Vec::new(),
            tampering: Vec::new(),
            memory: None,
            too_old: 0,
            supply: None,
            closed: Vec::new(),
        }
    }

    fn restart(&mut self) {
        self.memory = None;
    }

    fn history(&mut self) -> History {
        self.memory.take().unwrap_or_else(|| {
            let newest: Vec<Week> = self.weeks.values().next_back().cloned().into_iter().collect();
            let truncated = !newest.is_empty();
            History::of(newest, truncated)
        })
    }

    fn load(&self, history: &mut History) {
        let first = history.weeks().first().map_or(i32::MAX, |week| week.number);
        let oldest = Week::of(history.oldest());
        let older = self.weeks.range(oldest..first).map(|(_, week)| week.clone()).collect();
        history.prepend(older, false);
    }

    /// Takes messages and flushes.
    fn flush(&mut self, messages: &[Vec<Read>]) {
        let mut history = self.history();
        for message in messages {
            if let Some(day) = history.earliest(message, &self.zone)
                && !history.covers(day)
            {
                self.load(&mut history);
            }
            self.too_old += history.add(message, &self.zone);
        }
        let found = match self.settle(&mut history) {
            Ok(found) => found,
            Err(NeedsOlder) => {
                self.load(&mut history);
                self.settle(&mut history).expect("all that is kept is there")
            }
        };
        if let Some(found) = found {
            self.supply.clone_from(&found.supply);
            self.leaks = event::live(self.leaks.clone(), &found, self);
            let tampering = std::mem::take(&mut self.tampering);
            let begin = |seen: Seen| TamperingEvent {
                id: String::new(),
                device_id: String::new(),
                customer_id: String::new(),
                property_id: String::new(),
                of_type: seen.evidence.of_type(),
                begun: seen.at,
                seen: vec![seen],
                inspection: None,
                revision: 0,
                foreign: None,
            };
            self.tampering = tampering::gather(tampering, &found.behaviour, Some(found.from), begin);
        }
        for week in history.weeks_mut() {
            if week.is_dirty {
                (week.revision, week.is_dirty) = (week.revision + 1, false);
                let mut stored = week.clone();
                stored.start.meter = Meter::decode(&week.start.meter.encode()).unwrap();
                stored.start.daily = Daily::decode(&week.start.daily.encode());
                stored.start.supply = Supply::decode(&week.start.supply.encode());
                self.weeks.insert(week.number, stored);
            }
        }
        history.keep_newest();
        let oldest = Week::of(history.oldest());
        self.weeks.retain(|number, _| *number >= oldest);
        self.memory = Some(history);
    }

    fn settle(&self, history: &mut History) -> Result<Option<Found>, NeedsOlder> {
        let (timeline, zone, tariffs) = (&self.timeline, &self.zone, &self.tariffs);
        let context = Context { timeline, zone, periods: &[], closed: &self.closed, tariffs };
        history.settle(context, |signal| self.leaks.iter().any(|event| event.knows(signal)))
    }

    /// What must be the same: sets, snapshots and what is told, without what only tells how it came to be.
    fn kept(&self) -> impl std::fmt::Debug + PartialEq + use<> {
        let weeks: Vec<_> =
            self.weeks.values().map(|week| (week.number, week.start.clone(), week.days.clone())).collect();
        let leaks = self.leaks.iter().filter(|event| !event.withdrawn);
        let leaks: Vec<_> =
            leaks.map(|event| (event.opened, event.status(), event.rupiah, event.steps.clone())).collect();
        let tampering = self.tampering.iter().filter(|event| event.status() != tampering::Status::Resolved);
        let tampering: Vec<_> = tampering.map(|event| (event.of_type, event.seen.clone())).collect();
        (weeks, leaks, tampering, self.supply.clone())
    }
}

/// Hourly reads of a home over `days` days: mornings and evenings, and a constant leak of `leak` L/h from one day to another.
fn home(days: i64, leak: i64, runs: std::ops::Range<i64>) -> Vec<Read> {
    let mut litres = 500_000;
    let hours = (0..days * 24).map(|hour| {
        let (day, of_day) = (hour / 24, hour % 24);
        let usual = match of_day {
            6 | 7 => 40 + (day * 7 + of_day) % 30,
            12 => 10 + day % 15,
            18..=20 => 30 + (day * 5 + of_day * 3) % 40,
            _ => 0,
        };
        litres += usual + if runs.contains(&day) { leak } else { 0 };
        Read::telemetry(MIDNIGHT + (hour + 1) * HOUR, litres * L)
    });
    hours.collect()
}

/// Reads in messages as they come from a network that is late: some days behind, at random, some of them twice.
fn delivered(reads: &[Read], late: &[i64], twice: &[bool], size: usize) -> Vec<Vec<Read>> {
    let mut messages: Vec<(i64, Vec<Read>)> = Vec::new();
    for (index, message) in reads.chunks(size).enumerate() {
        let delay = late[index % late.len()];
        messages.push((message[0].at + delay, message.to_vec()));
        if twice[index % twice.len()] {
            messages.push((message[0].at + delay / 2 + 5 * DAY, message.iter().rev().copied().collect()));
        }
    }
    messages.sort_by_key(|(at, _)| *at);
    messages.into_iter().map(|(_, message)| message).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// U1's property, over events: late, duplicated and reordered reads give the same weeks and the same events.
    #[test]
    fn what_is_found_depends_on_the_set_of_reads_alone(
        late in prop::collection::vec(prop_oneof![3 => Just(0), 1 => 0..20 * DAY], 7..40),
        twice in prop::collection::vec(any::<bool>(), 3..9),
        size in 5_usize..40,
        batches in prop::collection::vec(1_usize..9, 1..12),
        restarts in prop::collection::vec(any::<bool>(), 3..7),
        odd in prop::collection::vec((0_usize..50 * 24, prop::sample::select(vec![0_i64, 7, 4_294_967])), 0..5),
        exchanged in prop_oneof![2 => Just(usize::MAX), 1 => 200_usize..1_100],
    ) {
        let mut reads = home(50, 25, 30..38);
        for (hour, read) in (0..).zip(reads.iter_mut().skip(exchanged)) {
            read.register = hour * 20 * L;
        }
        odd.iter().for_each(|(hour, litres)| reads[*hour].register = litres * L);
        let mut in_order = Home::new();
        in_order.flush(&reads.chunks(size).map(<[Read]>::to_vec).collect::<Vec<_>>());
        let mut other = Home::new();
        let mut messages = &delivered(&reads, &late, &twice, size)[..];
        for turn in 0.. {
            if messages.is_empty() {
                break;
            }
            let (now, rest) = messages.split_at(batches[turn % batches.len()].min(messages.len()));
            other.flush(now);
            // After a crash what was not committed comes again.
            if restarts[turn % restarts.len()] {
                other.restart();
                other.flush(now);
            }
            messages = rest;
        }
        prop_assert_eq!(other.too_old, 0);
        prop_assert_eq!(other.kept(), in_order.kept());
    }
}

#[test]
fn reads_that_are_older_than_what_is_kept_change_nothing_and_are_counted() {
    let reads = home(60, 0, 0..0);
    let mut late = Home::new();
    let (old, rest) = reads.split_at(48);
    late.flush(&[rest.to_vec()]);
    let before = format!("{:?}", late.kept());
    late.flush(&[old.to_vec()]);
    assert_eq!((late.too_old, format!("{:?}", late.kept())), (48, before));
    let (kept, newest) = (late.weeks.keys().next(), late.weeks.keys().next_back());
    assert_eq!(newest.zip(kept).map(|(newest, oldest)| newest - oldest), Some(DAYS_KEPT / WEEK));
}

#[test]
fn a_register_that_steps_back_for_good_is_told_and_one_that_dips_is_not() {
    let seen = |reads: &[Read]| {
        let mut home = Home::new();
        home.flush(&[reads.to_vec()]);
        home.tampering.iter().map(|event| event.detected_at()).collect::<Vec<_>>()
    };
    let reads = home(20, 0, 0..0);
    let mut dipped = reads.clone();
    dipped[100].register = 0;
    assert!(seen(&dipped).is_empty());
    let mut reset = reads;
    let register = reset[100].register;
    reset[100..].iter_mut().for_each(|read| read.register -= register);
    assert_eq!(seen(&reset), [reset[100].at]);
}

#[test]
fn an_exchange_that_becomes_known_late_takes_back_what_was_told() {
    let mut home = Home::new();
    let mut reads = self::home(40, 0, 0..0);
    let (at, last) = (reads[500].at, reads[500].register);
    reads[501..].iter_mut().for_each(|read| read.register -= last);
    home.flush(&[reads]);
    assert_eq!(home.tampering.len(), 1);
    let zone = home.zone.clone();
    let day = zone.day_of(at);
    let exchange = Exchange { at: at + 60, final_register: last, initial_register: 0 };
    let later = vec![facts(day, "customer-1", Some(exchange))];
    home.timeline = Timeline::new(2, None, facts(BEGINNING, "customer-1", None), later);
    let mut history = home.history();
    home.load(&mut history);
    history.touch(day);
    home.memory = Some(history);
    home.flush(&[]);
    let open = home.tampering.iter().filter(|event| event.status() == tampering::Status::Active);
    assert_eq!(open.count(), 0);
}

#[test]
fn a_constant_leak_opens_once_and_seems_to_have_stopped() {
    let mut home = Home::new();
    home.flush(&[self::home(50, 25, 30..38)]);
    let told: Vec<_> = home.leaks.iter().map(|event| (event.status(), event.steps[0].change)).collect();
    assert_eq!(told, [(Status::Resolved, Change::Opened)]);
    let leak = &home.leaks[0];
    let begun = MIDNIGHT + 30 * DAY;
    assert!((begun..begun + 30 * HOUR).contains(&leak.opened), "{}", (leak.opened - begun) / HOUR);
    let lost = leak.episode.lost / L;
    assert!((8 * 24 * 20..8 * 24 * 30).contains(&lost), "{lost} L of {}", 8 * 24 * 25);
    let explanation = leak.explanation.as_ref().unwrap();
    assert!(explanation.hours.len() >= 60, "{}", explanation.hours.len());
}

#[test]
fn a_path_that_turns_about_a_weeks_end_is_followed_back() {
    let reads = home(20, 0, 0..0);
    let zone = Zone::named("Asia/Jakarta").unwrap();
    let begins = |read: &Read| Week::of(zone.day_of(read.at)) != Week::of(zone.day_of(read.at - HOUR));
    let end = (200..).find(|hour| begins(&reads[*hour])).unwrap();
    for reset in end - 9..end + 2 {
        let mut reads = reads.clone();
        let register = reads[reset].register;
        reads[reset..].iter_mut().for_each(|read| read.register -= register);
        let mut at_once = Home::new();
        at_once.flush(&[reads.clone()]);
        let mut hourly = Home::new();
        let (before, about) = (&reads[..end - 12], &reads[end - 12..end + 12]);
        hourly.flush(&[before.to_vec()]);
        about.iter().for_each(|read| hourly.flush(&[vec![*read]]));
        hourly.flush(&[reads[end + 12..].to_vec()]);
        assert_eq!(format!("{:?}", hourly.kept()), format!("{:?}", at_once.kept()), "{reset} of {end}");
        assert_eq!(hourly.tampering.len(), 1);
    }
}

#[test]
fn water_at_a_closed_connection_is_seen_once_it_is_heard_of() {
    let seen = |closed: (i64, i64), heard: std::ops::Range<i64>| {
        let mut home = Home::new();
        home.closed = vec![closed];
        let reads = self::home(20, 0, 0..0);
        home.flush(&[reads.into_iter().filter(|read| !heard.contains(&read.at)).collect()]);
        let seen = home.tampering.iter().flat_map(|event| &event.seen).map(|seen| (seen.evidence, seen.at));
        seen.collect::<Vec<_>>()
    };
    let (from, until) = (MIDNIGHT + 5 * DAY, MIDNIGHT + 15 * DAY);
    let first = seen((from, until), 0..0);
    assert_eq!(first[0], (Evidence::FlowWhileClosed, from + 7 * HOUR), "in its first morning");
    assert_eq!(first.len(), 10, "{first:?}");
    // Nothing is heard of a closed connection; its register has moved on all the same.
    assert_eq!(seen((from, until), from + 1..until), [(Evidence::FlowWhileClosed, until)]);
    assert_eq!(seen((from, until), from - 2 * DAY..until + 1).len(), 0, "that may all have flowed before");
    assert_eq!(seen((MIDNIGHT + 30 * DAY, i64::MAX), 0..0), []);
}

/// Whoever moved out is told nothing of the water of whoever moved in, and pays none of it.
#[test]
fn a_leak_ends_with_its_customer_and_what_runs_on_is_the_next_ones() {
    let mut home = Home::new();
    let moved = Day(home.zone.day_of(MIDNIGHT).0 + 34);
    let later = vec![facts(moved, "customer-2", None)];
    home.timeline = Timeline::new(2, None, facts(BEGINNING, "customer-1", None), later);
    home.flush(&[self::home(80, 25, 30..78)]);
    let hand_over = home.zone.start_of(moved);
    let former: Vec<_> = home.leaks.iter().filter(|event| event.customer_id == "customer-1").collect();
    let [former] = former.as_slice() else { panic!("{} events of the former", former.len()) };
    assert_eq!((former.status(), former.steps.last().unwrap().change), (Status::Resolved, Change::Stopped));
    assert!(former.steps.iter().all(|step| step.at <= hand_over + HOUR), "{:?}", former.steps.last());
    let (lost, of_four_days) = (former.episode.lost / L, 4 * 24 * 25);
    assert!(lost <= of_four_days + 25 * 2, "{lost} L of {of_four_days}");
    assert!(
        home.leaks
            .iter()
            .filter(|event| event.customer_id == "customer-2")
            .all(|event| event.opened > hand_over)
    );
}
