//! The path of a meter: of a device's set of reads, those that one meter can have shown in that order.
//!
//! A step judged by its two reads alone cannot tell a register that dips for an hour from a meter that was exchanged. The
//! reads around it can. Of the reads in order of time, at most one a moment, the path is the chain with the most reads,
//! where a step that the meter cannot have made costs as much as some reads ([`patience`]), and an exchange that the
//! registry knows costs nothing. So a read that its neighbours contradict is left out and the water between them is bridged,
//! while a new series that goes on for long enough is believed.
//!
//! The chain is found by a dynamic program over the reads in order of time. What it needs of earlier days is a handful of
//! ends ([`Lead`]), for an end that is behind the best by more than the price of an impossible step cannot come back.
//! Everything here is a function of the set of reads and of the registry's facts; the order in which they arrived is in
//! none of it.

use super::facts::Timeline;
use super::meter::Point;
use super::rhythm::{Rhythm, Tally, patience};
use super::varint;
use super::zone::Zone;

/// What one read is worth.
const READ: i32 = 64;
/// Scores are compared only with scores close by, so they need not grow without end.
const MOST_SCORE: i32 = 64 * READ;
/// Ends that one day hands on at most, the best ones; more than these only a set of many contradictory series has.
const MOST_ENDS: usize = 128;

/// An end of a chain, and how good the chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    point: Point,
    score: i32,
}

/// What a day's path takes over from the days before it, packed: the ends that a chain may go on from, the last intervals
/// between reads, and the step in which the register was seen to count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lead(Box<[u8]>);

/// A lead, unpacked.
#[derive(Default)]
struct Opened {
    learned: i64,
    last: Option<i64>,
    intervals: Vec<i64>,
    ends: Vec<End>,
}

impl Lead {
    /// The packed form, for a document.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Out of a document.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// A lead of one read that counts, for days that were kept before there were paths.
    pub fn of(previous: Option<Point>) -> Self {
        let ends = previous.map(|point| End { point, score: MOST_SCORE });
        let last = previous.map(|point| point.at);
        Self::pack(&Opened { learned: 0, last, intervals: Vec::new(), ends: ends.into_iter().collect() })
    }

    /// What is counted of a day's reads that may count, to find out how the meter reports.
    pub fn tally(&self, candidates: &[Point]) -> Tally {
        self.open().tally_up(candidates)
    }

    /// The reads that a chain may go on from, oldest first.
    pub fn ends(&self) -> Vec<Point> {
        self.open().ends.into_iter().map(|end| end.point).collect()
    }

    fn pack(opened: &Opened) -> Self {
        let Some(moment) = opened.last else { return Self::default() };
        let mut packed = Vec::with_capacity(64);
        varint::write(&mut packed, opened.learned);
        varint::write(&mut packed, moment);
        varint::write(&mut packed, i64::try_from(opened.intervals.len()).unwrap_or(0));
        opened.intervals.iter().for_each(|interval| varint::write(&mut packed, *interval));
        let (mut at, mut register) = (moment, 0);
        for End { point, score } in &opened.ends {
            varint::write(&mut packed, point.at - at);
            varint::write(&mut packed, point.register - register);
            varint::write(&mut packed, i64::from(MOST_SCORE - score));
            (at, register) = (point.at, point.register);
        }
        Self(packed.into())
    }

    fn open(&self) -> Opened {
        let mut rest = &*self.0;
        let mut head =
            || Some((varint::read(&mut rest)?, varint::read(&mut rest)?, varint::read(&mut rest)?));
        let Some((learned, last, many)) = head() else { return Opened::default() };
        let intervals = (0..many).map_while(|_| varint::read(&mut rest)).collect();
        let mut before = Point { at: last, register: 0 };
        let ends = std::iter::from_fn(|| {
            let at = before.at.wrapping_add(varint::read(&mut rest)?);
            let register = before.register.wrapping_add(varint::read(&mut rest)?);
            let behind = i32::try_from(varint::read(&mut rest)?).ok()?;
            before = Point { at, register };
            Some(End { point: before, score: MOST_SCORE - behind })
        });
        Opened { learned, last: Some(last), ends: ends.collect(), intervals }
    }
}

/// Intervals that a day hands on: they say how a meter reports.
const INTERVALS: usize = 8;

impl Opened {
    /// Counts the reads of a day, leaving what the next day takes over of their intervals.
    fn tally_up(&mut self, candidates: &[Point]) -> Tally {
        let mut tally = Tally::after(self.last, &self.intervals, self.learned);
        self.intervals.extend(candidates.iter().filter_map(|point| tally.add(*point)));
        self.intervals.drain(..self.intervals.len().saturating_sub(INTERVALS));
        self.last = candidates.last().map(|point| point.at).or(self.last);
        self.learned = tally.rhythm().learned;
        tally
    }
}

/// A read that may stand on the path, or an end taken over.
#[derive(Clone, Copy, Debug)]
struct Node {
    point: Point,
    score: i32,
    before: Before,
}

/// What a chain has before a node.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// Nothing: it begins there.
    Nothing,
    /// Days before this one.
    EarlierDays,
    /// Another node of the day.
    Node(usize),
}

/// The dynamic program of one day, run.
#[derive(Debug)]
pub struct DayPath {
    nodes: Vec<Node>,
    /// Those that a chain may go on from, by time.
    active: Vec<usize>,
    /// The best of them, of equals the latest.
    best: Option<usize>,
    /// How the meter reports.
    pub rhythm: Rhythm,
    /// What the next day takes over.
    pub lead: Lead,
}

impl DayPath {
    /// Runs a day. `candidates` are its reads that may count, by time, of one moment by rising register, none twice.
    pub fn run(lead: &Lead, candidates: &[Point], timeline: &Timeline, zone: &Zone) -> Self {
        let mut opened = lead.open();
        let rhythm = opened.tally_up(candidates).rhythm();
        let price = READ * patience(rhythm.interval) + 1;
        let (nodes, active) = (Vec::with_capacity(candidates.len() + opened.ends.len()), Vec::new());
        let mut day = Self { nodes, active, best: None, rhythm, lead: Lead::default() };
        for End { point, score } in opened.ends {
            day.push(Node { point, score, before: Before::EarlierDays }, i32::MAX);
        }
        let plausible = |from, to| timeline.step(from, to, rhythm.learned, zone).kind.is_plausible();
        candidates.iter().for_each(|point| day.add(*point, price, plausible));
        opened.ends = day.hand_on();
        day.lead = Lead::pack(&opened);
        day
    }

    /// Adds the next read: it goes on from the end with which its chain is best (of equals the latest), or begins one.
    fn add(&mut self, point: Point, price: i32, plausible: impl Fn(Point, Point) -> bool) {
        // Usually the step from the best end is possible, and nothing can be better.
        let best = self.best.map(|best| self.nodes[best]);
        if let Some(best) = best.filter(|best| best.point.at < point.at && plausible(best.point, point)) {
            let before = self.best.map_or(Before::Nothing, Before::Node);
            self.push(Node { point, score: best.score + READ, before }, price);
            return;
        }
        let node = |end: usize| &self.nodes[end];
        let earlier = self.active.iter().copied().filter(|end| node(*end).point.at < point.at);
        let linked = earlier.map(|end| {
            let cost = if plausible(node(end).point, point) { 0 } else { price };
            (node(end).score + READ - cost, node(end).point.at, -node(end).point.register, end)
        });
        let link = linked.max();
        // Leaving out all that was before is a little worse than any other choice that counts as many reads.
        let alone = if link.is_some() { READ - 1 } else { READ };
        let new = match link {
            Some((score, .., end)) if score >= alone => Node { point, score, before: Before::Node(end) },
            _ => Node { point, score: alone, before: Before::Nothing },
        };
        self.push(new, price);
    }

    /// Adds a node, and forgets the ends that are too far behind to be of use: whatever goes on from one of them can as well
    /// break away from the best.
    fn push(&mut self, node: Node, price: i32) {
        let new = self.nodes.len();
        let order = |node: &Node| (node.score, node.point.at, -node.point.register);
        if self.best.is_none_or(|best| order(&self.nodes[best]) < order(&node)) {
            self.best = Some(new);
        }
        self.nodes.push(node);
        self.active.push(new);
        let least = self.top().saturating_sub(price);
        self.active.retain(|end| self.nodes[*end].score > least);
    }

    fn top(&self) -> i32 {
        self.best.map_or(0, |best| self.nodes[best].score)
    }

    fn hand_on(&self) -> Vec<End> {
        // By whole reads, so that which ends are worth as many reads stays the same.
        let surplus = (self.top() - MOST_SCORE).max(0) / READ * READ;
        let mut ends = self.active.clone();
        if ends.len() > MOST_ENDS {
            ends.sort_by_key(|end| (-self.nodes[*end].score, -self.nodes[*end].point.at));
            ends.truncate(MOST_ENDS);
            ends.sort_unstable();
        }
        let ends = ends.into_iter().map(|end| &self.nodes[end]);
        ends.map(|node| End { point: node.point, score: node.score - surplus }).collect()
    }

    /// The end of the path if nothing comes after this day: of the chains with the most reads the one that ends last.
    pub fn end(&self) -> Option<Point> {
        let reads = |node: &Node| (node.score + READ - 1).div_euclid(READ);
        let most = self.active.iter().map(|end| reads(&self.nodes[*end])).max()?;
        let ends = self.active.iter().map(|end| &self.nodes[*end]).filter(|node| reads(node) == most);
        let last = ends.max_by_key(|node| (node.point.at, node.score, -node.point.register))?;
        Some(last.point)
    }

    /// The end of the path, if the next read goes on from it whatever other ends there are, so long as one meter can have
    /// shown both.
    pub fn plain_end(&self) -> Option<Point> {
        let best = self.best.map(|best| self.nodes[best].point);
        best.filter(|best| self.end() == Some(*best))
    }

    /// The reads of the day on the path that ends in `end`, in order, and the read of earlier days that it comes from.
    pub fn back_from(&self, end: Option<Point>) -> (Vec<Point>, Option<Point>) {
        let mut points = Vec::new();
        let mut at = end.and_then(|end| self.nodes.iter().rposition(|node| node.point == end));
        let mut entry = None;
        while let Some(node) = at.map(|at| &self.nodes[at]) {
            at = match node.before {
                Before::Nothing => None,
                Before::EarlierDays => {
                    entry = Some(node.point);
                    break;
                }
                Before::Node(before) => Some(before),
            };
            points.push(node.point);
        }
        points.reverse();
        (points, entry)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::facts::{BEGINNING, Owner, Period};
    use super::super::meter::Unit;
    use super::super::step::MeterFacts;
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600;

    fn timeline() -> Timeline {
        let owner = Owner {
            customer_id: "customer-1".into(),
            property_id: "property-1".into(),
            tariff_class: "household-middle-1".into(),
            billable: true,
        };
        let meter = MeterFacts {
            unit: Unit::Litre,
            wraps_at: 10_000_000_000,
            resolution: 1_000,
            q3_litres_per_hour: 2_500,
        };
        Timeline::new(
            1,
            None,
            Period { from: BEGINNING, owner: Arc::new(owner), meter, exchange: None },
            Vec::new(),
        )
    }

    fn zone() -> Zone {
        Zone::named("Asia/Jakarta").unwrap()
    }

    /// The path of reads that are run in one go, or day by day as `cuts` say.
    fn path(reads: &[Point], cuts: &[usize]) -> Vec<Point> {
        let (timeline, zone) = (timeline(), zone());
        let mut lead = Lead::default();
        let mut runs = Vec::new();
        let mut begin = 0;
        for end in cuts.iter().copied().chain([reads.len()]).filter(|end| *end <= reads.len()) {
            let run = DayPath::run(&lead, &reads[begin..end.max(begin)], &timeline, &zone);
            lead = Lead::from_bytes(run.lead.bytes().to_vec());
            begin = end.max(begin);
            runs.push(run);
        }
        let mut end = runs.last().and_then(DayPath::end);
        let mut found = Vec::new();
        for run in runs.iter().rev() {
            let (points, entry) = run.back_from(end);
            found.splice(0..0, points);
            end = entry;
        }
        found
    }

    /// The same by trying every chain: no ends are forgotten, nothing is cut into days.
    fn by_trying_all(reads: &[Point]) -> i32 {
        let (timeline, zone) = (timeline(), zone());
        let rhythm = Lead::default().tally(reads).rhythm();
        let price = READ * patience(rhythm.interval) + 1;
        let mut best: Vec<i32> = Vec::new();
        for (index, to) in reads.iter().enumerate() {
            let linked = (0..index).filter(|from| reads[*from].at < to.at).map(|from| {
                let step = timeline.step(reads[from], *to, rhythm.learned, &zone);
                best[from] + READ - if step.kind.is_plausible() { 0 } else { price }
            });
            let linked: Vec<i32> = linked.collect();
            let alone = if linked.is_empty() { READ } else { READ - 1 };
            best.push(linked.into_iter().max().unwrap_or(alone).max(alone));
        }
        best.into_iter().max().unwrap_or(0)
    }

    fn score(path: &[Point], all: &[Point]) -> i32 {
        let (timeline, zone) = (timeline(), zone());
        let rhythm = Lead::default().tally(all).rhythm();
        let price = READ * patience(rhythm.interval) + 1;
        let steps = path.windows(2).map(|pair| timeline.step(pair[0], pair[1], rhythm.learned, &zone));
        let breaks = steps.filter(|step| !step.kind.is_plausible()).count();
        let begins_late = path.first().is_some_and(|first| all.iter().any(|read| read.at < first.at));
        let reads = i32::try_from(path.len()).unwrap();
        reads * READ - price * i32::try_from(breaks).unwrap() - i32::from(begins_late)
    }

    fn any_reads() -> impl Strategy<Value = Vec<Point>> {
        let step = (
            prop_oneof![4 => Just(HOUR), 1 => 0..40 * HOUR],
            prop_oneof![6 => 0_i64..300, 1 => -5_000_000_i64..5_000_000],
        );
        let dip =
            prop_oneof![5 => Just(None), 1 => prop::sample::select(vec![0_i64, 5, 4_294_967]).prop_map(Some)];
        prop::collection::vec((step, dip), 1..50).prop_map(|steps| {
            let (mut at, mut litres) = (1_772_298_000, 300_000);
            let mut reads: Vec<Point> = Vec::new();
            for ((seconds, volume), dip) in steps {
                at += seconds;
                litres = (litres + volume).clamp(0, 9_999_999);
                reads.push(Point { at, register: dip.unwrap_or(litres) * 1_000 });
            }
            reads.sort_by_key(|read| (read.at, read.register));
            reads.dedup();
            reads
        })
    }

    proptest! {
        /// What is handed on from day to day is enough: no chain is better than the one that is found.
        #[test]
        fn the_path_is_the_best_of_all_chains(reads in any_reads()) {
            let found = path(&reads, &[]);
            prop_assert!(found.windows(2).all(|pair| pair[0].at < pair[1].at));
            let (most, is) = (by_trying_all(&reads), score(&found, &reads));
            // Of chains that count as many reads the one that ends last is taken.
            prop_assert_eq!((is + READ - 1).div_euclid(READ), (most + READ - 1).div_euclid(READ));
        }
    }

    #[test]
    fn days_hand_on_what_the_next_needs() {
        let mut reads: Vec<Point> = (0..60)
            .map(|hour| Point { at: 1_772_298_000 + hour * HOUR, register: (30_000 + hour * 20) * 1_000 })
            .collect();
        (25..33).for_each(|hour| reads[hour].register = 0);
        let whole = path(&reads, &[]);
        assert_eq!(whole.len(), 52);
        for cut in 1..60 {
            assert_eq!(path(&reads, &[cut]), whole, "{cut}");
            assert_eq!(path(&reads, &[cut, cut + 3, cut + 20]), whole, "{cut}");
        }
    }
}
