//! What is kept of a device's reads, week by week, and what replaying them tells.
//!
//! A week holds the sets of its days' reads and a [`Snapshot`]: all that is remembered of the time before it. So whatever a late read,
//! a repeated one or a fact of the registry changes, the device is replayed from the week it stands in, as if everything had come in
//! time: what is told depends on the sets alone. Usually the newest week is all there is in memory.
//!
//! Reads are chained into the meter's path day by day exactly as consumption is ([`indowater_common::domain::path`]), so that a read which
//! is not billed is no flow either. A snapshot says with which read its path ended; when later reads find that the path ran otherwise,
//! the week before is replayed as well.

use indowater_common::domain::facts::{Owner, Timeline};
use indowater_common::domain::meter::Point;
use indowater_common::domain::path::{DayPath, Lead};
use indowater_common::domain::reads::{Read, ReadSet};
use indowater_common::domain::step::Kind;
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};

use super::daily::Daily;
use super::leak::{self, Change, Episode, Explanation, Meter, Period, Setting, Signal, Stated};
use super::loss::Tally;
use super::supply::{self, Supply};
use super::tampering::{Evidence, Seen};

/// Days for which reads are kept: what is older when it comes changes no event.
pub const DAYS_KEPT: i32 = 35;
/// Days of a week.
pub const WEEK: i32 = 7;
/// Seconds before a finding that its explanation shows.
pub const EXPLAINED: i64 = 3 * 86_400;

/// The largest permanent flow rate (Q3) of a meter that a household may have, litres an hour: DN 20 (ISO 4064; a home has Q3 2.5 or 4).
const HOUSEHOLD_Q3: u32 = 4_000;

/// Seconds in which a change of habit shows itself.
const FORTNIGHT: i64 = 14 * 86_400;

/// What is remembered of the time before a week.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The meter's habit, scores and present episode.
    pub meter: Meter,
    /// The ends that its path may go on from.
    pub lead: Lead,
    /// The last read on the path.
    pub last: Option<Point>,
    /// What had flowed by then, millilitres: a register that never wraps and outlives the meter.
    pub total: i64,
    /// The month to date and what a leak took of it.
    pub tally: Tally,
    /// The volumes of the latest days.
    pub daily: Daily,
    /// When it is dry, by habit and against it.
    pub supply: Supply,
}

/// The reads of seven local days.
#[derive(Clone, Debug, PartialEq)]
pub struct Week {
    /// Its number: days since 1970-01-01 by seven.
    pub number: i32,
    /// What was before.
    pub start: Snapshot,
    /// The reads of its days.
    pub days: [ReadSet; WEEK as usize],
    /// Revision of its document; 0 if it has none.
    pub revision: i64,
    /// Whether it differs from its document.
    pub is_dirty: bool,
}

impl Week {
    /// A week without reads.
    pub fn empty(number: i32, start: Snapshot) -> Self {
        Self { number, start, days: Default::default(), revision: 0, is_dirty: true }
    }

    /// The week of a local day.
    pub const fn of(day: Day) -> i32 {
        day.0.div_euclid(WEEK)
    }

    /// Its first day.
    pub const fn first_day(number: i32) -> Day {
        Day(number * WEEK)
    }

    fn day(&mut self, day: Day) -> Option<&mut ReadSet> {
        let index = usize::try_from(day.0.rem_euclid(WEEK)).ok()?;
        self.days.get_mut(index)
    }

    fn of_days(&self) -> impl Iterator<Item = (Day, &ReadSet)> {
        let days = (Self::first_day(self.number).0..).map(Day);
        days.zip(&self.days).filter(|(_, reads)| !reads.is_empty())
    }
}

/// What everything is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What the registry says of the device.
    pub timeline: &'a Timeline,
    /// The property's zone.
    pub zone: &'a Zone,
    /// What people said of the device's flow.
    pub periods: &'a [Period],
    /// When the connection was closed: the first moment and the one after the last of each time.
    pub closed: &'a [(i64, i64)],
    /// Prices.
    pub tariffs: &'a TariffBook,
}

/// News of a leak, with what it costs so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What the meter's rules say.
    pub signal: Signal,
    /// Rupiah lost by then.
    pub rupiah: i64,
    /// What it rests on, where somebody is to be told anew.
    pub explanation: Option<Explanation>,
}

/// What replaying found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The moment from which on it was replayed: everything told of later moments is what is here.
    pub from: i64,
    /// News of leaks, in order.
    pub told: Vec<Told>,
    /// What the register did that no use of water explains.
    pub behaviour: Vec<Seen>,
    /// The meter's own interval on the newest day, seconds.
    pub interval: i64,
    /// What the meter tells of its supply by the end; none before its habit is known.
    pub supply: Option<supply::Told>,
    /// The newest read on the path, seconds since the epoch.
    pub newest: i64,
}

/// Older weeks are needed to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsOlder;

/// Weeks of one device that follow each other, with gaps where nothing was read.
#[derive(Clone, Debug, Default)]
pub struct History {
    weeks: Vec<Week>,
    /// Whether there are older weeks that are not here.
    truncated: bool,
    /// The first local day that something has changed on.
    touched: Option<Day>,
}

impl History {
    /// Weeks out of the database, oldest first; `truncated` says that there are older ones.
    pub const fn of(weeks: Vec<Week>, truncated: bool) -> Self {
        Self { weeks, truncated, touched: None }
    }

    /// The weeks, oldest first.
    pub fn weeks(&self) -> &[Week] {
        &self.weeks
    }

    /// The weeks, to note what was done with them.
    pub fn weeks_mut(&mut self) -> &mut [Week] {
        &mut self.weeks
    }

    /// Whether older weeks are needed to take something of that day, which is not [too old](Self::oldest).
    pub fn covers(&self, day: Day) -> bool {
        !self.truncated || self.weeks.first().is_some_and(|first| first.number <= Week::of(day))
    }

    /// The oldest day whose reads are taken, given the newest one that was seen.
    pub fn oldest(&self) -> Day {
        self.weeks.last().map_or(Day(i32::MIN), |last| Self::oldest_with(last.number))
    }

    /// The oldest day that is kept with a week of that number: the day five weeks before its last one begins a week.
    pub const fn oldest_with(newest: i32) -> Day {
        Week::first_day(newest - DAYS_KEPT / WEEK)
    }

    /// Adds the weeks before the first one.
    pub fn prepend(&mut self, mut older: Vec<Week>, truncated: bool) {
        older.append(&mut self.weeks);
        self.weeks = older;
        self.truncated = truncated;
    }

    /// Has everything from a day on judged again.
    pub fn touch(&mut self, from: Day) {
        self.touched = Some(self.touched.map_or(from, |touched| touched.min(from)));
    }

    /// The first day of those reads that is not too old to be taken; none if all of them are.
    pub fn earliest(&self, reads: &[Read], zone: &Zone) -> Option<Day> {
        let oldest = self.oldest();
        reads.iter().map(|read| zone.day_of(read.at)).filter(|day| *day >= oldest).min()
    }

    /// Takes the reads of one message, whose days are [covered](Self::covers). Returns how many were older than what is kept when it
    /// came, and change nothing.
    pub fn add(&mut self, reads: &[Read], zone: &Zone) -> usize {
        let oldest = self.oldest();
        let mut ordered = reads.to_vec();
        ordered.sort_unstable_by_key(|read| read.at);
        let mut too_old = 0;
        for of_a_day in ordered.chunk_by(|a, b| zone.day_of(a.at) == zone.day_of(b.at)) {
            let day = zone.day_of(of_a_day[0].at);
            if day < oldest {
                too_old += of_a_day.len();
                continue;
            }
            let week = self.week(Week::of(day));
            if week.day(day).is_some_and(|reads| reads.merge(of_a_day).is_some()) {
                week.is_dirty = true;
                self.touch(day);
            }
        }
        too_old
    }

    /// The week of that number, made where it is not.
    fn week(&mut self, number: i32) -> &mut Week {
        let at = self.weeks.partition_point(|week| week.number < number);
        if self.weeks.get(at).is_none_or(|week| week.number != number) {
            // Before the first week there is nothing but what its snapshot tells; later ones follow from the replay.
            let start = self.weeks.get(at).map(|next| next.start.clone()).unwrap_or_default();
            self.weeks.insert(at, Week::empty(number, start));
            // A new document guards nothing: the one before it is written once more, so that what others did is met.
            if let Some(before) = at.checked_sub(1).and_then(|before| self.weeks.get_mut(before)) {
                before.is_dirty = true;
            }
        }
        &mut self.weeks[at]
    }

    /// Replays what has changed, and tells all that happened from the beginning of what was replayed. None if nothing has changed.
    ///
    /// `known` says which news need no explanation any more.
    ///
    /// # Errors
    /// Older weeks are needed: prepend some, and settle again.
    pub fn settle(
        &mut self,
        context: Context<'_>,
        known: impl Fn(&Signal) -> bool,
    ) -> Result<Option<Found>, NeedsOlder> {
        let Some(touched) = self.touched else { return Ok(None) };
        if !self.covers(touched) {
            return Err(NeedsOlder);
        }
        let mut first = self.weeks.partition_point(|week| week.number < Week::of(touched));
        // The week that something was taken in begins as the one before it ends.
        first = first.min(self.weeks.len().saturating_sub(1)).saturating_sub(usize::from(self.is_new(first)));
        loop {
            let run = Run::of(&self.weeks[first..], context);
            let begins_there = self.weeks.get(first).is_none_or(|week| week.start.last == run.entry);
            let found = match (begins_there, first, self.truncated) {
                (false, 0, true) => return Err(NeedsOlder),
                (false, 1.., _) => None,
                // What was before the oldest week is past changing: a path that ran otherwise begins anew.
                _ => Some(run.replay(&mut self.weeks[first..], context, &known)),
            };
            if let Some(found) = found {
                let early =
                    |told: &Told| told.explanation.is_some() && told.signal.at - EXPLAINED < found.from;
                match (found.told.iter().any(early), first, self.truncated) {
                    (true, 0, true) => return Err(NeedsOlder),
                    (true, 1.., _) => {}
                    _ => {
                        self.touched = None;
                        return Ok(Some(found));
                    }
                }
            }
            first -= 1;
        }
    }

    /// Whether a week has no document yet and follows another one, whose end its snapshot has to be.
    fn is_new(&self, index: usize) -> bool {
        index > 0 && self.weeks.get(index).is_some_and(|week| week.revision == 0)
    }

    /// Notes that a week is stored as it is.
    pub fn written(&mut self, number: i32) {
        if let Some(week) = self.weeks.iter_mut().find(|week| week.number == number) {
            week.revision += 1;
            week.is_dirty = false;
        }
    }

    /// Forgets all but the newest week.
    pub fn keep_newest(&mut self) {
        if self.weeks.len() > 1 {
            self.weeks.drain(..self.weeks.len() - 1);
            self.weeks.shrink_to_fit();
            self.truncated = true;
        }
    }
}

/// Paths of consecutive weeks.
struct Run {
    days: Vec<(Day, DayPath)>,
    /// What each week but the first takes over.
    leads: Vec<Lead>,
    /// The points of each day on the path.
    points: Vec<Vec<Point>>,
    /// The read that the path comes from.
    entry: Option<Point>,
}

impl Run {
    fn of(weeks: &[Week], context: Context<'_>) -> Self {
        let (mut days, mut leads) = (Vec::new(), Vec::new());
        let mut lead = weeks.first().map(|week| week.start.lead.clone()).unwrap_or_default();
        for (index, week) in weeks.iter().enumerate() {
            if index > 0 {
                leads.push(lead.clone());
            }
            for (day, reads) in week.of_days() {
                let candidates = reads.candidates(context.timeline, context.zone);
                let path = DayPath::run(&lead, &candidates, context.timeline, context.zone);
                lead = path.lead.clone();
                days.push((day, path));
            }
        }
        let start = weeks.first().and_then(|week| week.start.last);
        let mut entry = days.last().map_or(start, |(_, path)| path.end());
        let mut points = Vec::with_capacity(days.len());
        for (_, path) in days.iter().rev() {
            let (of_day, before) = path.back_from(entry);
            points.push(of_day);
            entry = before;
        }
        points.reverse();
        Self { days, leads, points, entry }
    }

    /// Feeds the path to the meter, and notes at each week's beginning what was before it.
    fn replay(self, weeks: &mut [Week], context: Context<'_>, known: &impl Fn(&Signal) -> bool) -> Found {
        let Some(first) = weeks.first() else { return Found::default() };
        let from = context.zone.start_of(Week::first_day(first.number));
        let mut player = Player { now: first.start.clone(), recent: Vec::new(), context, known };
        if self.entry != first.start.last {
            player.now.last = None;
        }
        let mut found = Found { from, ..Found::default() };
        let mut days = self.days.iter().zip(&self.points).peekable();
        let mut leads = self.leads.into_iter();
        for (index, week) in weeks.iter_mut().enumerate() {
            if index > 0 {
                let start = Snapshot { lead: leads.next().unwrap_or_default(), ..player.now.clone() };
                week.is_dirty |= start != week.start;
                week.start = start;
            }
            let end = Week::first_day(week.number + 1);
            while let Some(((day, path), points)) = days.next_if(|((day, _), _)| *day < end) {
                found.interval = path.rhythm.interval;
                player.day(*day, points, path.rhythm.learned, &mut found);
            }
        }
        found.supply = player.now.supply.told();
        found.newest = player.now.last.map_or(0, |last| last.at);
        found
    }
}

/// The meter as it is fed.
struct Player<'a, K> {
    now: Snapshot,
    /// What an explanation can show.
    recent: Vec<leak::Read>,
    context: Context<'a>,
    known: &'a K,
}

impl<K: Fn(&Signal) -> bool> Player<'_, K> {
    /// Feeds a day.
    fn day(&mut self, day: Day, points: &[Point], learned: i64, found: &mut Found) {
        let Context { timeline, zone, periods, closed, tariffs } = self.context;
        let owner = &timeline.on(day).owner;
        for point in points {
            let before = self.now.last.map_or(owner, |last| &timeline.on(zone.day_of(last.at)).owner);
            if before.customer_id != owner.customer_id {
                self.hand_over(point.at, before, found);
            }
            let step = self.now.last.map(|last| timeline.step(last, *point, learned, zone));
            let kind = step.map_or(Kind::Jump, |step| step.kind);
            let volume = step.map_or(0, |step| step.volume);
            let shown = self.now.daily.pass(day, volume).filter(|_| !self.is_away(point.at));
            if shown.is_some() {
                self.now.supply.drop_shown(Week::of(day));
            }
            let stepped_back = (kind == Kind::Exchange).then_some(Evidence::SteppedBack);
            let last = self.now.last.filter(|_| matches!(kind, Kind::Flow | Kind::Rollover));
            let q3 = timeline.meter_at(point.at, zone).q3_litres_per_hour;
            let is_flow =
                last.is_some_and(|last| flows_while_closed(closed, (last.at, point.at), volume, q3));
            let flow = is_flow.then_some(Evidence::FlowWhileClosed);
            let seen = stepped_back.into_iter().chain(flow).chain(shown);
            found.behaviour.extend(seen.map(|evidence| Seen { evidence, day, at: point.at }));
            self.now.tally.pass(day, volume, before, owner, tariffs);
            self.now.total += volume;
            let joined = matches!(kind, Kind::Flow | Kind::Rollover | Kind::Backflow);
            if let Some(last) = self.now.last.filter(|_| joined) {
                self.now.supply.pass(last.at, point.at, volume, zone);
            }
            self.now.last = Some(*point);
            let read = leak::Read { at: point.at, register: self.now.total, joined };
            let meter = timeline.meter_at(point.at, zone);
            let (resolution, household) =
                (meter.resolution.max(learned), meter.q3_litres_per_hour <= HOUSEHOLD_Q3);
            let setting = Setting { zone, resolution, household, periods };
            self.recent.push(read);
            for signal in self.now.meter.read(read, &setting) {
                self.now.tally.lose(Some(&signal.episode));
                let rupiah = self.now.tally.rupiah(owner, tariffs);
                let explanation = self.explain(&signal, &setting);
                found.told.push(Told { signal, rupiah, explanation });
            }
            self.now.tally.lose(self.now.meter.episode().as_ref());
        }
    }

    /// The connection is another customer's from here on: what ran before is the former one's and ends with it, and neither the
    /// habits nor the reads of one customer explain the water of another.
    fn hand_over(&mut self, at: i64, former: &Owner, found: &mut Found) {
        if let Some(episode) = self.now.meter.episode().filter(|episode| episode.runs) {
            let rupiah = self.now.tally.rupiah(former, self.context.tariffs);
            let signal = Signal { at, change: Change::Stopped, episode: Episode { runs: false, ..episode } };
            found.told.push(Told { signal, rupiah, explanation: None });
        }
        self.now.meter = Meter::default();
        self.now.daily = Daily::default();
        self.now.supply = Supply::default();
        self.now.tally.lose(None);
        self.recent.clear();
    }

    /// Whether nobody was said to be there at some time of the last fortnight.
    fn is_away(&self, at: i64) -> bool {
        let from = at - FORTNIGHT;
        let away = |period: &&Period| period.what == Stated::Away && period.from <= at && from < period.until;
        self.context.periods.iter().any(|period| away(&period))
    }

    fn explain(&mut self, signal: &Signal, setting: &Setting<'_>) -> Option<Explanation> {
        let is_news = matches!(signal.change, Change::Opened | Change::Worse | Change::Returned);
        if !is_news || (self.known)(signal) {
            return None;
        }
        let from = signal.at - EXPLAINED;
        self.recent.drain(..self.recent.partition_point(|read| read.at < from));
        Some(leak::explain(&self.now.meter, &self.recent, setting))
    }
}

/// Millilitres that a closed connection may lose unnoticed: what is left in a pipe.
const LEFT_IN_PIPE: i64 = 10_000;

/// Whether water must have flowed while the connection was closed: more between two reads than can have flowed in the rest of that time.
fn flows_while_closed(closed: &[(i64, i64)], (from, to): (i64, i64), volume: i64, q3: u32) -> bool {
    let closed = closed.iter().map(|(first, end)| (to.min(*end) - from.max(*first)).max(0)).sum::<i64>();
    let open = (to - from - closed).max(0);
    // Millilitres: litres an hour by seconds, over 3.6.
    let at_most = i64::from(q3).saturating_mul(open).saturating_mul(10) / 36;
    closed > 0 && volume > at_most.saturating_add(LEFT_IN_PIPE)
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
