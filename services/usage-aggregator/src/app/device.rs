//! A device in memory: what the registry says of it, its days, and what of them is not stored or published yet.

use indowater_common::domain::facts::{BEGINNING, Timeline};
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use tracing::Span;

use crate::domain::day::{Context, Pending};
use crate::domain::history::{History, NeedsOlder};
use crate::mongo::{Loaded, OfDevice, Replaced};
use indowater_common::domain::reads::Read;

/// One record of the readings topic, understood.
#[derive(Debug)]
pub struct Reading {
    /// `devices.id`.
    pub device_id: Box<str>,
    /// What the registry says of it.
    pub timeline: Timeline,
    /// The property's zone.
    pub zone: Zone,
    /// None where only the registry's entry has changed.
    pub reads: Vec<Read>,
    /// Open until the effect is durable, if the record is part of a kept trace.
    pub span: Option<Span>,
}

/// A device in memory.
pub struct Device {
    /// Of the newest version known.
    pub timeline: Timeline,
    /// The property's zone.
    pub zone: Zone,
    /// Its days.
    pub history: History,
    /// The first day on which the registry says something else than when the figures were computed.
    pub changed_from: Option<Day>,
    /// Documents of another system that its records replace.
    pub imported: Replaced,
    /// Whether the registry's entry is newer than the one that is stored.
    pub is_newer: bool,
    /// The first day of what is written and has to be published, where a repetition of what came would not find it.
    pub unpublished_from: Option<Day>,
}

impl Device {
    /// With what is stored of it, if anything is.
    pub fn new(reading: &Reading, stored: Option<Loaded>) -> Self {
        Self::loaded(reading.zone.clone(), reading.timeline.clone(), stored.unwrap_or_default())
    }

    /// With what is stored of it; `timeline` is what the registry says if no document does.
    pub fn loaded(zone: Zone, timeline: Timeline, stored: Loaded) -> Self {
        let Loaded { days, truncated, timeline: known, imported, unpublished_from } = stored;
        let timeline = known.unwrap_or(timeline);
        // What another system computed is a beginning without all that is carried from day to day. What a crash may have kept
        // from being written or published is done again.
        let changed_from = if imported.is_empty() { unpublished_from } else { Some(BEGINNING) };
        let history = History::of(days, truncated, &timeline, &zone);
        Self { timeline, zone, history, changed_from, imported, is_newer: false, unpublished_from }
    }

    /// Adds the days before those in memory.
    pub fn prepend(&mut self, older: Loaded) {
        let Loaded { days, truncated, imported, unpublished_from, .. } = older;
        let again = if imported.is_empty() { unpublished_from } else { Some(BEGINNING) };
        self.changed_from = self.changed_from.into_iter().chain(again).min();
        self.unpublished_from = self.unpublished_from.into_iter().chain(unpublished_from).min();
        self.imported.extend(imported);
        self.history.prepend(days, truncated, &self.timeline, &self.zone);
    }

    /// Whether a reading can be taken without older days.
    pub fn covers(&self, reading: &Reading) -> bool {
        let needed = self.needs(reading);
        needed == i64::MAX || self.history.covers(needed)
    }

    /// The moment from which on days are needed to take a reading; [`i64::MAX`] if none are.
    pub fn needs(&self, reading: &Reading) -> i64 {
        let earliest = reading.reads.iter().map(|read| read.at).min().unwrap_or(i64::MAX);
        match self.news(&reading.timeline) {
            Some(BEGINNING) => i64::MIN,
            Some(day) => earliest.min(self.zone.start_of(day)),
            None => earliest,
        }
    }

    /// The first day on which a newer timeline says something else.
    pub fn news(&self, timeline: &Timeline) -> Option<Day> {
        if timeline.version <= self.timeline.version {
            return None;
        }
        self.timeline.differs_from(timeline, &self.zone)
    }

    /// Takes a timeline if it is newer.
    pub fn learn(&mut self, timeline: Timeline) {
        if timeline.version > self.timeline.version {
            self.changed_from = self.changed_from.into_iter().chain(self.news(&timeline)).min();
            self.timeline = timeline;
            self.is_newer = true;
        }
    }

    /// Computes what follows from what came.
    ///
    /// # Errors
    /// Older days are needed.
    pub fn settle(&mut self, tariffs: &TariffBook) -> Result<(), NeedsOlder> {
        if let Some(day) = self.changed_from {
            if !self.history.reaches(day) {
                return Err(NeedsOlder);
            }
            self.history.touch_from(day);
        }
        let context = Context { timeline: &self.timeline, zone: &self.zone, tariffs };
        self.history.settle(context)?;
        let has_changed = self.changed_from.take().is_some();
        if (std::mem::take(&mut self.is_newer) || has_changed)
            && let Some(last) = self.history.days_mut().last_mut()
        {
            // The newest day keeps what the registry says.
            last.pending = Pending::Write;
        }
        Ok(())
    }

    /// The moment at which what is in memory begins.
    pub fn start(&self) -> i64 {
        self.history.days().first().map_or(i64::MIN, |first| self.zone.start_of(first.day))
    }

    /// What its documents say of it.
    pub fn of_device<'a>(&'a self, device_id: &'a str) -> OfDevice<'a> {
        let unpublished_from = self.unpublished_from;
        OfDevice { device_id, timeline: &self.timeline, zone: &self.zone, unpublished_from }
    }
}
