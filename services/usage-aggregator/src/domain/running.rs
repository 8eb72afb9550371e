//! A day with many reads, on which a read that goes on from the last one costs the same in the evening as in the morning.
//!
//! The figures of a day follow from the set of its reads. Where they come one after the other, and each is what the meter
//! can have shown after the one before, most of that is as it was: only the newest step is new. Here is kept what a day
//! came to, so that such reads are added to it; any other read, or any other change, has the whole day computed again.
//! Both ways give the same, bit by bit.

use indowater_common::domain::meter::Point;
use indowater_common::domain::path::DayPath;
use indowater_common::domain::reads::{MOST_MOMENTS, Read, Source};
use indowater_common::domain::rhythm::{Rhythm, Tally};
use indowater_common::domain::step::Kind;

use super::day::{Context, DayRecord, Figures, Flags, OfDay, Pending, account, compute};

/// Packed bytes of a day's reads from which on this pays: about a hundred reads, so that a day of hourly ones never has it.
const MANY: usize = 512;

/// What the newest day of a device came to.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its last read, with which the path ends.
    last: Read,
    /// The same as a point of the path.
    end: Point,
    tally: Tally,
    rhythm: Rhythm,
    /// Its figures, but for what is made of the volume.
    figures: Figures,
}

impl Running {
    /// Of the newest day of a device, if its reads are many and nothing about them is out of the ordinary.
    pub fn of(record: &DayRecord, context: Context<'_>) -> Option<Box<Self>> {
        let is_plain = record.off_path.is_empty() && !record.is_imported();
        if record.reads.bytes().len() < MANY || !is_plain {
            return None;
        }
        let candidates = record.reads.candidates(context.timeline, context.zone);
        let last = record.reads.iter().last()?;
        let end = last.point(context.timeline, context.zone);
        let run = DayPath::run(&record.carry.lead, &candidates, context.timeline, context.zone);
        if run.plain_end() != Some(end) {
            return None;
        }
        let (path, _) = run.back_from(Some(end));
        let tally = record.carry.lead.tally(&candidates);
        let rhythm = run.rhythm;
        let figures = compute(record, &OfDay { candidates, path, rhythm }, None, context);
        let is_plain = figures.glitches == 0 && figures.findings.is_empty();
        is_plain.then(|| Box::new(Self { last, end, tally, rhythm, figures }))
    }

    /// Adds reads to the day if each goes on from the one before. False if they do not: nothing has changed then.
    pub fn go_on(&mut self, record: &mut DayRecord, reads: &[Read], context: Context<'_>) -> bool {
        let mut after = self.clone();
        if record.owner != context.timeline.on(record.day).owner
            || !reads.iter().all(|read| after.add(*read, record, context))
        {
            return false;
        }
        record.reads.append(self.last, reads);
        let mut figures = after.figures.clone();
        figures.price(record.day, &record.carry, &record.owner, context.tariffs);
        record.figures = figures;
        record.pending = Pending::Write;
        *self = after;
        true
    }

    fn add(&mut self, read: Read, record: &DayRecord, context: Context<'_>) -> bool {
        let point = read.point(context.timeline, context.zone);
        let may_count = read.source == Source::Telemetry
            && read.at >= context.timeline.installed_at
            && context.timeline.meter_at(read.at, context.zone).can_show(point.register);
        let goes_on = read.at > self.last.at && context.zone.day_of(read.at) == record.day;
        if !may_count || !goes_on || self.tally.moments() >= MOST_MOMENTS {
            return false;
        }
        self.tally.add(point);
        if self.tally.rhythm() != self.rhythm {
            return false;
        }
        let step = context.timeline.step(self.end, point, self.rhythm.learned, context.zone);
        if !matches!(step.kind, Kind::Flow | Kind::Rollover | Kind::Backflow) {
            return false;
        }
        let bounds = (context.zone.start_of(record.day), context.zone.start_of(record.day.next()));
        account(&mut self.figures, (self.end, point, step), bounds, self.rhythm.interval);
        if read.clock_corrected {
            self.figures.flags = self.figures.flags.and(Flags::CLOCK);
        }
        self.figures.timestamp = read.at;
        (self.last, self.end) = (read, point);
        true
    }
}
