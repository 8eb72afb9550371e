//! A stretch of a device's days, and what new reads do to it.
//!
//! In memory a device is usually its last day alone: with what that day carries over, in-order reads need nothing
//! else. A read from before it needs the days from the read before *it* on; whoever holds the history loads them and
//! prepends them ([`History::covers`] tells when). Then the days between the new read's neighbours get new volumes,
//! and no other day does; what follows from volumes (the month's running cost, the comparison with the last four
//! weeks) is computed onwards until it is as it was.

use std::sync::Arc;

use indowater_common::domain::meter::Point;
use indowater_common::domain::zone::Day;

use super::day::{Carry, Context, DayRecord, Facts, Figures, Pending, compute};
use super::reads::{Read, ReadSet};

/// Contiguous days of one device, oldest first. The last one has reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    days: Vec<DayRecord>,
    /// Whether there are older days that are not here.
    truncated: bool,
}

/// What the carried comparison reaches: the window of [`Recent`](super::outlier::Recent).
const REACH: i32 = 28;

impl History {
    /// Days out of the database; `truncated` says that there are older ones.
    pub fn of(days: Vec<DayRecord>, truncated: bool) -> Self {
        Self { days, truncated }
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

    /// Whether a read at `at` can be merged without older days: they are not needed if a read that counts stands
    /// before it, or if there are none.
    pub fn covers(&self, at: i64) -> bool {
        !self.truncated
            || self
                .days
                .first()
                .and_then(|day| day.reads.iter().next())
                .is_some_and(|read| read.point.at < at)
    }

    /// Notes that a day was written: its next revision is stored.
    pub fn written(&mut self, day: Day, now_ms: i64) {
        let index = self.index(day);
        if let Some(record) = self.days.get_mut(index) {
            record.revision += 1;
            record.created_ms = if record.created_ms == 0 { now_ms } else { record.created_ms };
            record.pending = Pending::Publish;
        }
    }

    /// Adds the days before the first one.
    pub fn prepend(&mut self, mut older: Vec<DayRecord>, truncated: bool) {
        older.append(&mut self.days);
        *self = Self { days: older, truncated };
    }

    /// Forgets all but the last day.
    pub fn keep_last(&mut self) {
        if self.days.len() > 1 {
            self.days.drain(..self.days.len() - 1);
            self.days.shrink_to_fit();
            self.truncated = true;
        }
    }

    /// Merges reads of one message and computes what follows. The history must cover the earliest of them.
    pub fn merge(&mut self, facts: &Arc<Facts>, reads: &[Read], context: Context<'_>) {
        let Some(earliest) = reads.iter().map(|read| read.point.at).min() else { return };
        let latest = reads.iter().map(|read| read.point.at).max().unwrap_or(earliest);
        let first = self.span(context.zone.day_of(earliest), context.zone.day_of(latest), facts);
        let mut sorted = reads.to_vec();
        sorted.sort_unstable_by_key(|read| read.point.at);
        for of_a_day in
            sorted.chunk_by(|a, b| context.zone.day_of(a.point.at) == context.zone.day_of(b.point.at))
        {
            let index = self.index(context.zone.day_of(of_a_day[0].point.at));
            self.days[index].add(of_a_day, facts);
        }
        let from = first.min(self.bracket_before(earliest, self.index(context.zone.day_of(earliest))));
        let to = self.bracket_after(latest, self.index(context.zone.day_of(latest)));
        self.recompute(from, to, context);
    }

    /// Computes all days again, because the meter's facts were corrected. The history must be whole.
    pub fn judge_again(&mut self, context: Context<'_>) {
        if let Some(last) = self.days.len().checked_sub(1) {
            self.recompute(0, last, context);
        }
    }

    /// Makes the days from `from` to `to` exist. Returns the first index that has to be computed on that account.
    fn span(&mut self, from: Day, to: Day, facts: &Arc<Facts>) -> usize {
        let Some((oldest, newest)) = self.days.first().map(|d| d.day).zip(self.days.last().map(|d| d.day))
        else {
            self.days = (from.0..=to.0).map(|day| DayRecord::empty(Day(day), facts)).collect();
            return 0;
        };
        let before = self.days.len();
        self.days.extend((newest.0 + 1..=to.0).map(|day| DayRecord::empty(Day(day), facts)));
        if from < oldest {
            self.days.splice(0..0, (from.0..oldest.0).map(|day| DayRecord::empty(Day(day), facts)));
            return 0;
        }
        before
    }

    fn index(&self, day: Day) -> usize {
        let first = self.days.first().map_or(day.0, |record| record.day.0);
        usize::try_from(day.0 - first).unwrap_or(0).min(self.days.len().saturating_sub(1))
    }

    /// The day of the last read that counts before `at`, looking back from `index`.
    fn bracket_before(&self, at: i64, index: usize) -> usize {
        (0..=index).rev().find(|i| self.days[*i].reads.iter().any(|read| read.point.at < at)).unwrap_or(0)
    }

    /// The day of the first read after `at`, looking on from `index`.
    fn bracket_after(&self, at: i64, index: usize) -> usize {
        let last = self.days.len() - 1;
        (index..=last).find(|i| self.days[*i].reads.iter().any(|read| read.point.at > at)).unwrap_or(last)
    }

    /// Computes the days `from..=to`, and on until what is carried on is as it was.
    fn recompute(&mut self, from: usize, to: usize, context: Context<'_>) {
        let nexts = self.nexts(from);
        let reach = (self.days[to].day.0 + REACH).max(last_of_month(self.days[to].day).0);
        let mut settled = false;
        for index in from..self.days.len() {
            let (before, rest) = self.days.split_at_mut(index);
            let record = &mut rest[0];
            if let Some(yesterday) = before.last() {
                let carry = yesterday.hand_on(record.day == record.day.month_start());
                settled = index > to && carry == record.carry;
                if carry != record.carry {
                    record.carry = carry;
                    record.pending = Pending::Write;
                }
                record.inherit(&yesterday.facts);
            }
            if !settled {
                record.refresh(nexts[index - from], context);
            } else if record.day.0 > reach {
                break;
            }
            // What a crash may have kept from being published is published again.
            if record.day.0 <= reach {
                record.pending = record.pending.max(Pending::Publish);
            }
        }
    }

    /// For each day from `from` on, the first read that counts after it.
    fn nexts(&self, from: usize) -> Vec<Option<Point>> {
        let mut next = None;
        let mut nexts: Vec<_> = self.days[from..]
            .iter()
            .rev()
            .map(|record| {
                let after = next;
                next = record.reads.effective().next().map(|read| read.point).or(next);
                after
            })
            .collect();
        nexts.reverse();
        nexts
    }
}

fn last_of_month(day: Day) -> Day {
    Day::of(day.date().last_of_month())
}

impl DayRecord {
    fn empty(day: Day, facts: &Arc<Facts>) -> Self {
        Self {
            day,
            facts: facts.clone(),
            reads: ReadSet::default(),
            carry: Carry::default(),
            figures: Figures::default(),
            former_customers: Box::default(),
            revision: 0,
            created_ms: 0,
            pending: Pending::Write,
        }
    }

    fn add(&mut self, reads: &[Read], facts: &Arc<Facts>) {
        if self.reads.is_empty() || facts.version < self.facts.version {
            self.take(facts);
        }
        if self.reads.merge(reads) {
            self.pending = Pending::Write;
        }
    }

    /// A day without reads is whose the day before was.
    fn inherit(&mut self, yesterday: &Arc<Facts>) {
        if self.reads.is_empty() {
            self.take(yesterday);
        }
    }

    fn take(&mut self, facts: &Arc<Facts>) {
        if self.facts != *facts {
            self.pending = Pending::Write;
        }
        if self.revision > 0 && self.facts.customer_id != facts.customer_id {
            let before = self.former_customers.iter().chain([&self.facts.customer_id]);
            let mut former: Vec<Box<str>> = before.filter(|id| **id != facts.customer_id).cloned().collect();
            former.sort_unstable();
            former.dedup();
            self.former_customers = former.into();
        }
        self.facts = facts.clone();
    }

    fn refresh(&mut self, next: Option<Point>, context: Context<'_>) {
        let class = &self.facts.tariff_class;
        let figures = compute(self.day, &self.reads, &self.carry, class, next, context);
        if figures != self.figures {
            self.figures = figures;
            self.pending = Pending::Write;
        }
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
