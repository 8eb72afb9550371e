//! A stretch of a device's days, and what new reads or new facts do to it.
//!
//! In memory a device is usually its last day alone: with what that day carries over, in-order reads need nothing
//! else. A read from before it, or one that changes which of the earlier reads count, needs the days before; whoever holds
//! the history loads and prepends them ([`History::covers`] and [`History::settle`] say when). Then the path is found again
//! from the first touched day on until it joins what was there; the days between the neighbours of what changed get new
//! volumes, and no other day does; what follows from volumes (the month's running cost, the comparison with the last four
//! weeks) is computed onwards until it is as it was.

use std::sync::Arc;

use indowater_common::domain::facts::{Owner, Timeline};
use indowater_common::domain::meter::Point;
use indowater_common::domain::path::{DayPath, Lead};
use indowater_common::domain::zone::{Day, Zone};

use super::day::{Carry, Context, Counted, DayRecord, Figures, Next, OfDay, Pending, StoredReads, compute};
use super::finding::Finding;
use super::running::Running;
use indowater_common::domain::reads::{Read, ReadSet};

/// Contiguous days of one device, oldest first. The last one has reads.
#[derive(Clone, Debug, Default)]
pub struct History {
    days: Vec<DayRecord>,
    /// Whether there are older days that are not here.
    truncated: bool,
    /// Reads that came and stand in no day yet.
    incoming: Vec<Read>,
    /// The first and the last day that have to be computed again.
    touched: Option<(Day, Day)>,
    /// The first read on the path in these days, as the day before them has it.
    head: Option<Point>,
    /// The first day that was computed again although no read came for it, since this was last asked.
    revised_from: Option<Day>,
    /// What the last day came to, where it has many reads.
    running: Option<Box<Running>>,
}

/// Older days are needed to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsOlder;

/// What the carried comparison reaches: the window of [`Recent`](super::outlier::Recent).
const REACH: i32 = 28;

impl History {
    /// Days out of the database; `truncated` says that there are older ones.
    pub fn of(days: Vec<DayRecord>, truncated: bool, timeline: &Timeline, zone: &Zone) -> Self {
        let head = first_on_path(&days, timeline, zone);
        Self { days, truncated, head, ..Self::default() }
    }

    /// The days.
    pub fn days(&self) -> &[DayRecord] {
        &self.days
    }

    /// The days, to note what was done with them.
    pub fn days_mut(&mut self) -> &mut [DayRecord] {
        &mut self.days
    }

    /// The record of a day.
    pub fn on(&self, day: Day) -> Option<&DayRecord> {
        self.days.get(self.index(day)).filter(|record| record.day == day)
    }

    /// Whether a read at `at` can be added without older days: they are not needed if a read on the path stands before it,
    /// or if there are none.
    pub fn covers(&self, at: i64) -> bool {
        !self.truncated || self.head.is_some_and(|head| head.at < at)
    }

    /// Notes that a day was written: its next revision is stored. Returns how much more than before it gives no water for.
    pub fn written(&mut self, day: Day, now_ms: i64) -> Counted {
        let index = self.index(day);
        let Some(record) = self.days.get_mut(index) else { return Counted::default() };
        let now = record.figures.counted();
        let before = std::mem::replace(&mut record.counted, now);
        record.revision += 1;
        record.stored = StoredReads::all(&record.reads);
        record.created_ms = if record.created_ms == 0 { now_ms } else { record.created_ms };
        record.pending = Pending::Publish;
        Counted {
            glitches: now.glitches.saturating_sub(before.glitches),
            unbilled: (now.unbilled - before.unbilled).max(0),
        }
    }

    /// Adds the days before the first one.
    pub fn prepend(&mut self, mut older: Vec<DayRecord>, truncated: bool, timeline: &Timeline, zone: &Zone) {
        self.head = first_on_path(&older, timeline, zone).or(self.head);
        older.append(&mut self.days);
        self.days = older;
        self.truncated = truncated;
    }

    /// Forgets all but the last day.
    pub fn keep_last(&mut self, timeline: &Timeline, zone: &Zone) {
        if self.days.len() > 1 {
            self.days.drain(..self.days.len() - 1);
            self.days.shrink_to_fit();
            self.truncated = true;
            self.head = first_on_path(&self.days, timeline, zone);
        }
    }

    /// Takes reads. The history must cover them. What follows from them is there when it is [settled](Self::settle).
    pub fn add(&mut self, reads: &[Read]) {
        self.incoming.extend_from_slice(reads);
    }

    /// Puts what came into the days it stands in.
    fn place(&mut self, timeline: &Timeline, zone: &Zone) {
        let mut reads = std::mem::take(&mut self.incoming);
        reads.sort_unstable_by_key(|read| read.at);
        let Some((first, last)) = reads.first().zip(reads.last()) else { return };
        let (first, last) = (zone.day_of(first.at), zone.day_of(last.at));
        let made = self.span(first, last, timeline);
        for of_a_day in reads.chunk_by(|a, b| zone.day_of(a.at) == zone.day_of(b.at)) {
            let index = self.index(zone.day_of(of_a_day[0].at));
            let record = &mut self.days[index];
            if let Some(same) = record.reads.merge(of_a_day) {
                record.stored.same = record.stored.same.min(same);
                record.pending = Pending::Write;
            }
        }
        self.touch(first.min(made), last);
    }

    /// Whether the days reach back to `day`, or to the beginning.
    pub fn reaches(&self, day: Day) -> bool {
        !self.truncated || self.days.first().is_some_and(|first| first.day <= day)
    }

    /// Has every day from `from` on computed again, because the registry says something else of it.
    pub fn touch_from(&mut self, from: Day) {
        if let Some((first, last)) = self.days.first().zip(self.days.last()) {
            let (first, last) = (first.day.max(from), last.day);
            if first <= last {
                self.note_revised(first);
                self.touch(first, last);
            }
        }
    }

    /// The first day that was computed again although no read came for it, since this was last asked.
    pub fn take_revised(&mut self) -> Option<Day> {
        self.revised_from.take()
    }

    fn note_revised(&mut self, from: Day) {
        self.revised_from = self.revised_from.into_iter().chain([from]).min();
    }

    fn touch(&mut self, first: Day, last: Day) {
        let touched = self.touched.unwrap_or((first, last));
        self.touched = Some((touched.0.min(first), touched.1.max(last)));
    }

    /// Makes the days from `from` to `to` exist. Returns the first day that has to be computed on that account: the day before
    /// new ones hands on to them.
    fn span(&mut self, from: Day, to: Day, timeline: &Timeline) -> Day {
        let empty = |day| DayRecord::empty(Day(day), timeline.on(Day(day)).owner.clone());
        let Some((oldest, newest)) = self.days.first().map(|d| d.day).zip(self.days.last().map(|d| d.day))
        else {
            self.days = (from.0..=to.0).map(empty).collect();
            return from;
        };
        self.days.extend((newest.0 + 1..=to.0).map(empty));
        if from < oldest {
            self.days.splice(0..0, (from.0..oldest.0).map(empty));
            return from;
        }
        if to > newest { newest } else { to }
    }

    fn index(&self, day: Day) -> usize {
        let first = self.days.first().map_or(day.0, |record| record.day.0);
        usize::try_from(i64::from(day.0) - i64::from(first))
            .unwrap_or(0)
            .min(self.days.len().saturating_sub(1))
    }

    /// Computes what follows from what came.
    ///
    /// # Errors
    /// Older days are needed: prepend some, and settle again.
    pub fn settle(&mut self, context: Context<'_>) -> Result<(), NeedsOlder> {
        if self.go_on(context) {
            return Ok(());
        }
        self.place(context.timeline, context.zone);
        let Some((first, last)) = self.touched else { return Ok(()) };
        let (first, last) = (self.index(first), self.index(last));
        let Paths { start, days: found } = self.find_paths(first, last, context)?;
        let stop = start + found.len() - 1;
        let head = self.head_with(start, &found, context);
        // The day before these has another read after it now.
        if self.truncated && head != self.head {
            return Err(NeedsOlder);
        }
        if start < first {
            self.note_revised(self.days[start].day);
        }
        self.take_paths(start, &found);
        // The days since the read before the first path read that may be new have another read after them now.
        let from = self.days[start].carry.previous.map_or(0, |read| context.zone.day_of(read.at).0);
        let from = self.index(Day(from)).min(start);
        self.recompute(from, stop, start, found, context);
        self.head = head;
        self.touched = None;
        self.running = self.days.last().and_then(|last| Running::of(last, context));
        Ok(())
    }

    /// Adds what came to the last day, if that is all there is to do.
    fn go_on(&mut self, context: Context<'_>) -> bool {
        let (Some(running), None, [last]) = (&mut self.running, self.touched, &mut self.days[..]) else {
            return false;
        };
        let in_order = |reads: &[Read]| !reads.is_empty() && reads.is_sorted_by(|a, b| a.at < b.at);
        if !in_order(&self.incoming) {
            self.incoming.sort_unstable_by_key(|read| read.at);
            self.incoming.dedup();
        }
        let goes_on = in_order(&self.incoming) && running.go_on(last, &self.incoming, context);
        if goes_on {
            self.incoming.clear();
        }
        goes_on
    }

    /// The first read on the path in these days with the paths that were found.
    fn head_with(&self, start: usize, found: &[(OfDay, Lead)], context: Context<'_>) -> Option<Point> {
        let first = |days| first_on_path(days, context.timeline, context.zone);
        let found_first = || found.iter().find_map(|(of_day, _)| of_day.path.first().copied());
        first(&self.days[..start]).or_else(found_first).or_else(|| first(&self.days[start + found.len()..]))
    }

    /// Finds the path again from day `first` on, at least to day `last`, until it joins what was there; further back too if
    /// it comes from another read there than it did.
    fn find_paths(&self, first: usize, last: usize, context: Context<'_>) -> Result<Paths, NeedsOlder> {
        let (mut start, mut back) = (first, 1);
        loop {
            let (mut runs, joined) = self.run(start, last, context);
            let stop = start + runs.len() - 1;
            let mut end = if joined {
                self.days.get(stop + 1).and_then(|next| next.carry.previous)
            } else {
                runs.last().and_then(|(_, run)| run.end())
            };
            let mut found = Vec::with_capacity(runs.len());
            while let Some((candidates, run)) = runs.pop() {
                let (path, entry) = run.back_from(end);
                // A day that the path passes by hands on the end it was given.
                end = entry;
                found.push((OfDay { candidates, path, rhythm: run.rhythm }, run.lead));
            }
            found.reverse();
            if end == self.days[start].carry.previous || (start == 0 && !self.truncated) {
                return Ok(Paths { start, days: found });
            }
            if start == 0 {
                return Err(NeedsOlder);
            }
            start = start.saturating_sub(back);
            back *= 2;
        }
    }

    /// Runs the days from `start` on, at least to `last`, until the next day takes over what it did. Says whether one does.
    fn run(&self, start: usize, last: usize, context: Context<'_>) -> (Vec<(Vec<Point>, DayPath)>, bool) {
        let mut runs: Vec<(Vec<Point>, DayPath)> = Vec::new();
        let mut lead = self.days[start].carry.lead.clone();
        for (index, record) in self.days.iter().enumerate().skip(start) {
            if index > last && lead == record.carry.lead {
                return (runs, true);
            }
            let candidates = record.reads.candidates(context.timeline, context.zone);
            let run = DayPath::run(&lead, &candidates, context.timeline, context.zone);
            lead = run.lead.clone();
            runs.push((candidates, run));
        }
        (runs, false)
    }

    /// Notes in each day which of its reads are off the path.
    fn take_paths(&mut self, start: usize, found: &[(OfDay, Lead)]) {
        for (record, (of_day, _)) in self.days[start..].iter_mut().zip(found) {
            let order = |point: &Point| (point.at, point.register);
            let is_off = |point: &&Point| of_day.path.binary_search_by_key(&order(point), order).is_err();
            let off: Box<[Point]> = of_day.candidates.iter().filter(is_off).copied().collect();
            if record.off_path != off {
                record.off_path = off;
                record.pending = Pending::Write;
            }
        }
    }

    /// Computes the days `from..=to`, and on until what is carried on is as it was. `found` are the days from `start` on
    /// whose path was found again.
    fn recompute(
        &mut self,
        from: usize,
        to: usize,
        start: usize,
        found: Vec<(OfDay, Lead)>,
        context: Context<'_>,
    ) {
        let nexts = self.nexts(from, start, &found, context);
        let reach = (self.days[to].day.0 + REACH).max(last_of_month(self.days[to].day).0);
        let mut found: Vec<_> = found.into_iter().map(Some).collect();
        let mut take =
            |index: usize| index.checked_sub(start).and_then(|at| found.get_mut(at)).and_then(Option::take);
        let mut yesterday: Option<(Option<Point>, Lead)> = None;
        let mut settled = false;
        for index in from..self.days.len() {
            let (before, rest) = self.days.split_at_mut(index);
            let record = &mut rest[0];
            let owner = &context.timeline.on(record.day).owner;
            if let Some((last, lead)) = yesterday.take() {
                let starts_month = record.day == record.day.month_start();
                let carry = before[index - 1].hand_on(owner, starts_month, last, lead);
                settled = index > to && carry == record.carry && record.owner == *owner;
                if carry != record.carry {
                    record.carry = carry;
                    record.pending = Pending::Write;
                }
            }
            if settled && record.day.0 > reach {
                break;
            }
            record.take(owner);
            let (of_day, lead) = match take(index) {
                Some(of_day) => of_day,
                None => {
                    let of_day = record.taken_apart(context);
                    let handed_on = rest.get(1).map(|next| next.carry.lead.clone());
                    (of_day, handed_on.unwrap_or_default())
                }
            };
            let record = &mut self.days[index];
            if !settled {
                record.refresh(&of_day, nexts[index - from], context);
            }
            // What a crash may have kept from being published is published again.
            if record.day.0 <= reach {
                record.pending = record.pending.max(Pending::Publish);
            }
            yesterday = Some((of_day.path.last().copied(), lead));
        }
    }

    /// For each day from `from` on, the first read on the path after it. `found` are the days from `start` on whose path was
    /// found again.
    fn nexts(
        &self,
        from: usize,
        start: usize,
        found: &[(OfDay, Lead)],
        context: Context<'_>,
    ) -> Vec<Option<Next>> {
        let first = |index: usize| {
            let found = index.checked_sub(start).and_then(|at| found.get(at));
            let record = &self.days[index];
            match found {
                Some((of_day, _)) => of_day.first(),
                None if record.reads.is_empty() => None,
                None => record.taken_apart(context).first(),
            }
        };
        let mut next = None;
        let mut nexts: Vec<_> = (from..self.days.len())
            .rev()
            .map(|index| {
                let after = next;
                next = first(index).or(next);
                after
            })
            .collect();
        nexts.reverse();
        nexts
    }
}

/// Days whose path was found, from the day of index `start` on.
struct Paths {
    start: usize,
    days: Vec<(OfDay, Lead)>,
}

fn first_on_path(days: &[DayRecord], timeline: &Timeline, zone: &Zone) -> Option<Point> {
    days.iter().find_map(|record| record.first_on_path(timeline, zone))
}

fn last_of_month(day: Day) -> Day {
    Day::of(day.date().last_of_month())
}

impl DayRecord {
    /// A day without reads.
    pub fn empty(day: Day, owner: Arc<Owner>) -> Self {
        Self {
            day,
            owner,
            reads: ReadSet::default(),
            off_path: Box::default(),
            carry: Carry::default(),
            figures: Figures::default(),
            former_customers: Box::default(),
            withdrawn: Box::default(),
            counted: Counted::default(),
            revision: 0,
            stored: StoredReads::default(),
            created_ms: 0,
            pending: Pending::Write,
        }
    }

    fn first_on_path(&self, timeline: &Timeline, zone: &Zone) -> Option<Point> {
        let candidates = self.reads.candidates(timeline, zone);
        candidates.into_iter().find(|point| !self.off_path.contains(point))
    }

    fn take(&mut self, owner: &Arc<Owner>) {
        if self.owner == *owner {
            return;
        }
        self.pending = Pending::Write;
        if self.revision > 0 && self.owner.customer_id != owner.customer_id {
            let before = self.former_customers.iter().chain([&self.owner.customer_id]);
            let mut former: Vec<Box<str>> = before.filter(|id| **id != owner.customer_id).cloned().collect();
            former.sort_unstable();
            former.dedup();
            self.former_customers = former.into();
        }
        self.owner = owner.clone();
    }

    fn refresh(&mut self, of_day: &OfDay, next: Option<Next>, context: Context<'_>) {
        if self.is_imported() {
            return;
        }
        let mut figures = compute(self, of_day, next, context);
        figures.price(self.day, &self.carry, &self.owner, context.tariffs);
        if figures != self.figures {
            self.note_withdrawn(&figures);
            self.figures = figures;
            self.pending = Pending::Write;
        }
    }

    /// Keeps what was found once and is not any more, so that whoever acted on it hears of it.
    fn note_withdrawn(&mut self, figures: &Figures) {
        let found = |finding: &Finding| figures.findings.iter().any(|now| now.kind == finding.kind);
        let gone = self.withdrawn.iter().chain(&self.figures.findings).filter(|finding| !found(finding));
        let mut withdrawn: Vec<_> = gone.copied().collect();
        withdrawn.sort_unstable_by_key(|finding| finding.kind);
        withdrawn.dedup_by_key(|finding| finding.kind);
        self.withdrawn = withdrawn.into();
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
