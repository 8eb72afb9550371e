//! One device: all that its messages say, and what its stored days must be.
//!
//! The system may run while it is audited. Then a record is right if it is what the reads give up to *some* message among
//! those that may or may not have been applied when it was read; all others must be applied.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::calendar::Day;
use super::compare::{Difference, Expected, Record, Source, differences};
use super::days::{Course, Figures, Imported};
use super::facts::Facts;
use super::reads::Sent;
use super::tariff::Tariffs;

/// What one message says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `devices.id`.
    pub device: String,
    /// Version of the registry entry.
    pub version: i64,
    /// That entry.
    pub facts: Facts,
    /// Its reads; there may be none.
    pub reads: Vec<Sent>,
}

#[derive(Clone, Copy)]
struct Said {
    /// Where its reads end.
    reads: usize,
    version: i64,
    facts: usize,
}

/// All that was said of a device.
#[derive(Clone, Default)]
pub struct Device {
    reads: Vec<Sent>,
    facts: Vec<Arc<Facts>>,
    messages: Vec<Said>,
    /// How many of the messages are applied for certain.
    settled: usize,
    /// Whether older messages may be gone.
    cut: bool,
}

/// The stored days of a device, by source.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// In the collection.
    pub collection: BTreeMap<Day, Record>,
    /// Newest of each day on the topic.
    pub topic: BTreeMap<Day, Record>,
    /// Documents of another system as they came, by their date and time.
    pub foreign: Vec<(i64, Record)>,
}

/// What the audit of a device found.
#[derive(Clone, Debug, Default)]
pub struct Audited {
    /// Records that were compared.
    pub records: u64,
    /// Days whose reads are not all in the topic any more.
    pub cut: u64,
    /// Days around one with more reads than are kept.
    pub crowded: u64,
    /// Days of another system.
    pub imported: u64,
    /// Days whose unbilled volume was not compared, for their register keeps rising above the ceiling.
    pub rising: u64,
    /// Days of a device with too many messages under way.
    pub settling: u64,
    /// What differs.
    pub differences: Vec<Difference>,
    /// Whether the sum of the days was held against the registers.
    pub summed: bool,
    /// How the two differ, if they do.
    pub wrong_sum: Option<String>,
}

/// With more messages under way, a device is not judged.
const MOST_UNDER_WAY: usize = 12;

impl Device {
    /// Adds a message, in the topic's order. `applied` says that its effect is stored for certain.
    pub fn take(&mut self, message: Message, applied: bool) {
        if self.facts.last().is_none_or(|last| **last != message.facts) {
            self.facts.push(Arc::new(message.facts));
        }
        self.reads.extend(message.reads);
        let said = Said { reads: self.reads.len(), version: message.version, facts: self.facts.len() - 1 };
        self.messages.push(said);
        if applied {
            self.settled = self.messages.len();
        }
    }

    /// Notes that older messages may be gone.
    pub fn is_cut(&mut self) {
        self.cut = true;
    }

    /// What its first so many messages come to; nothing without any read.
    pub fn course(&self, messages: usize) -> Option<Course<'_>> {
        let said = &self.messages[..messages];
        let newest = said.iter().max_by_key(|said| said.version)?;
        let reads = &self.reads[..said.last()?.reads];
        (!reads.is_empty()).then(|| Course::of(reads, &self.facts[newest.facts]))
    }

    fn facts_after(&self, messages: usize) -> Option<&Facts> {
        let newest = self.messages[..messages].iter().max_by_key(|said| said.version)?;
        Some(&self.facts[newest.facts])
    }

    /// What its days must be when all of its messages are applied, with the facts that they are under.
    pub fn expected(&self, tariffs: &Tariffs) -> Option<(&Facts, BTreeMap<Day, Figures>)> {
        let all = self.messages.len();
        Some((self.facts_after(all)?, self.course(all)?.days(tariffs, &BTreeMap::new())))
    }

    /// Audits what is stored of it.
    pub fn audit(&self, id: &str, stored: &Stored, tariffs: &Tariffs) -> Audited {
        let mut audited = Audited::default();
        let days = stored.collection.keys().chain(stored.topic.keys());
        let mut days: BTreeSet<Day> = days.copied().collect();
        if self.messages.len() - self.settled > MOST_UNDER_WAY {
            audited.settling = u64::try_from(days.len()).unwrap_or(u64::MAX);
            return audited;
        }
        let Some(facts) = self.facts_after(self.messages.len()) else { return audited };
        let imported = imported(stored, facts);
        days.extend(imported.keys());
        let states: Vec<State<'_>> = (self.settled..=self.messages.len())
            .map(|count| State::of(self.facts_after(count), self.course(count), tariffs, &imported))
            .collect();
        let Some(latest) = states.last() else { return audited };
        days.extend(states.iter().flat_map(|state| state.days.keys().copied()));
        let crowded: BTreeSet<Day> = latest.course.iter().flat_map(Course::crowded).collect();
        let from = self.first_checked(latest);
        let mut summable = crowded.is_empty() && states.len() == 1;
        for day in days {
            let is_left_to_others = !imported.is_empty() && !latest.days.contains_key(&day);
            if imported.contains_key(&day) || is_left_to_others {
                audited.imported += 1;
                summable &= !latest.days.contains_key(&day);
            } else if from.is_some_and(|from| day < from) {
                audited.cut += 1;
            } else if (-1..=1).any(|beside| crowded.contains(&Day(day.0.saturating_add(beside)))) {
                audited.crowded += 1;
            } else {
                audited.rising += u64::from(latest.days.get(&day).is_some_and(|day| day.rises));
                self.audit_day(id, day, stored, &states, &mut audited);
            }
        }
        if let (true, Some(course)) = (summable, &latest.course) {
            audited.summed = true;
            audited.wrong_sum = wrong_sum(course, latest, stored, from);
        }
        audited
    }

    fn audit_day(&self, id: &str, day: Day, stored: &Stored, states: &[State<'_>], audited: &mut Audited) {
        let named = self.customers_named(day);
        let of_collection = stored.collection.get(&day);
        let of_topic = stored.topic.get(&day);
        for (source, record) in [(Source::Collection, of_collection), (Source::Topic, of_topic)] {
            audited.records += 1;
            let place = (source, id, day);
            let found = states.iter().map(|state| differences(place, state.expected(day), record, &named));
            audited.differences.extend(found.min_by_key(Vec::len).unwrap_or_default());
        }
        if let ([_], Some(collection), Some(topic)) = (states, of_collection, of_topic) {
            let place = (Source::Topic, id, day);
            audited.differences.extend(Difference::between(
                place,
                "revision",
                &collection.revision,
                &topic.revision,
            ));
        }
    }

    /// Everybody whose day it ever was, by any version of the facts.
    fn customers_named(&self, day: Day) -> BTreeSet<&str> {
        self.facts.iter().map(|facts| facts.on(day).customer.as_str()).collect()
    }

    /// Where messages are gone, the first days lack reads, the month's volume and four weeks to compare with.
    fn first_checked(&self, state: &State<'_>) -> Option<Day> {
        let first = state.days.keys().next().filter(|_| self.cut)?;
        Some(Day(first.0.saturating_add(29)).next_month())
    }
}

/// What the days must be after some number of messages.
struct State<'a> {
    facts: Option<&'a Facts>,
    course: Option<Course<'a>>,
    days: BTreeMap<Day, Figures>,
}

impl<'a> State<'a> {
    fn of(
        facts: Option<&'a Facts>,
        course: Option<Course<'a>>,
        tariffs: &Tariffs,
        imported: &BTreeMap<Day, Imported>,
    ) -> Self {
        let days = course.as_ref().map(|course| course.days(tariffs, imported)).unwrap_or_default();
        Self { facts, course, days }
    }

    fn expected(&self, day: Day) -> Option<Expected<'_>> {
        let (facts, figures) = (self.facts?, self.days.get(&day)?);
        Some(Expected { zone: facts.zone().name(), entry: facts.on(day), figures })
    }
}

/// Days that another system figured out; what the collection says of them is all that is known.
fn imported(stored: &Stored, facts: &Facts) -> BTreeMap<Day, Imported> {
    let foreign = stored.foreign.iter().map(|(at, record)| (facts.zone().day_of(*at), record));
    let kept = stored.collection.iter().filter(|(_, record)| record.is_imported());
    let days = foreign.chain(kept.map(|(day, record)| (*day, record)));
    let imported = |record: &Record| Imported { customer: record.customer.clone(), volume: record.volume };
    days.map(|(day, record)| (day, imported(record))).collect()
}

/// How the sum of the stored days misses what the registers say of the same time.
fn wrong_sum(course: &Course<'_>, state: &State<'_>, stored: &Stored, from: Option<Day>) -> Option<String> {
    let facts = state.facts?;
    let (first, last) = (*state.days.keys().next()?, *state.days.keys().next_back()?);
    let first = from.map_or(first, |from| from.max(first));
    if first > last {
        return None;
    }
    let (start, end) = (facts.zone().start_of(first), facts.zone().start_of(last.next()));
    let registers = course.register_difference(end) - course.register_difference(start);
    let sum: i128 = stored.collection.range(first..=last).map(|(_, record)| record.volume).sum();
    (sum != registers).then(|| {
        format!("the days from {first} to {last} add up to {sum} mL, the registers differ by {registers} mL")
    })
}
