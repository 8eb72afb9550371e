//! The devices of one partition: merge reads, load what merging needs, write and publish what came of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use indowater_common::clock;
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::error::Retry;
use indowater_common::kafka::Ticket;
use indowater_common::mongo::Guarded;
use indowater_common::quarantine::Spoilt;
use indowater_common::tariffs::Tariffs;
use tracing::Span;

use super::device::{Device, Reading};
use crate::domain::day::Pending;
use crate::kafka::{Outlet, Published};
use crate::mongo::{LoadError, Replaced, Store};
use crate::observe::Observe;
use indowater_common::domain::reads::Read;

/// What all partitions of an instance share.
pub struct Shared {
    /// The database.
    pub store: Store,
    /// The usage topic.
    pub outlet: Outlet,
    /// The tariffs, as billing last published them.
    pub tariffs: Tariffs,
    /// Logs and metrics.
    pub observe: Observe,
    /// How many devices an instance keeps in memory.
    pub devices_in_memory: usize,
    /// How many it does, all partitions together.
    pub in_memory: AtomicUsize,
}

/// Devices loaded at once when reads come from before what is in memory.
const LOADS_AT_ONCE: usize = 16;
/// Documents built and written at once.
const BULK: usize = 1_000;
/// A writer that meets newer documents loads and merges; so often another writer does not come first.
const ROUNDS: usize = 10;
/// Reads that weigh as much as a device in what waits for a flush.
const READS_PER_DEVICE: usize = 24;
/// Seconds: how much further back is loaded when days before those in memory are needed.
const FURTHER_BACK: i64 = 3 * 86_400;

/// The devices of one partition.
pub struct Devices {
    shared: Arc<Shared>,
    /// The usage topic, for the time that this instance has the partition.
    outlet: Outlet,
    devices: HashMap<Box<str>, Device>,
    /// Devices with something to write or publish, and the traces that wait for it.
    dirty: HashMap<Box<str>, Vec<Span>>,
    /// Reads that came since the last flush.
    reads: usize,
    /// Devices of which a document cannot be read: what came of them since the last flush is to be set aside.
    spoilt: Vec<Spoilt>,
}

impl Devices {
    /// No devices yet.
    pub fn new(shared: Arc<Shared>) -> Self {
        let outlet = shared.outlet.for_new_stint();
        Self { shared, outlet, devices: HashMap::new(), dirty: HashMap::new(), reads: 0, spoilt: Vec::new() }
    }

    /// How much waits for a flush, in devices.
    pub fn pending(&self) -> usize {
        self.dirty.len().max(self.reads / READS_PER_DEVICE)
    }

    /// Takes what came. Doing it again changes nothing. What follows from it is computed at the flush, once for all of it.
    ///
    /// # Errors
    /// The database did not answer; some may be taken.
    pub async fn merge(&mut self, readings: Vec<Reading>) -> Result<(), Retry> {
        self.load_tails(&readings).await?;
        let mut late: HashMap<Box<str>, Vec<Reading>> = HashMap::new();
        for reading in readings {
            let known = self.devices.get(&reading.device_id);
            if known.is_some_and(|device| device.covers(&reading)) {
                self.take(reading);
            } else {
                late.entry(reading.device_id.clone()).or_default().push(reading);
            }
        }
        self.load_for(&late).await?;
        late.into_values().flatten().for_each(|reading| self.take(reading));
        Ok(())
    }

    /// The devices of which a document cannot be read. They are not in memory, and nothing of them is written.
    pub fn spoilt(&mut self) -> &mut Vec<Spoilt> {
        &mut self.spoilt
    }

    fn spoil(&mut self, id: Box<str>, reason: String) {
        if self.devices.remove(&id).is_some() {
            self.shared.in_memory.fetch_sub(1, Ordering::Relaxed);
        }
        self.dirty.remove(&id);
        self.spoilt.push(Spoilt { key: id, reason });
    }

    /// Brings the last day of every device into memory that is not there: one query for all of them.
    async fn load_tails(&mut self, readings: &[Reading]) -> Result<(), Retry> {
        let unknown = readings.iter().filter(|reading| !self.devices.contains_key(&reading.device_id));
        let missing: HashMap<&str, &Zone> =
            unknown.map(|reading| (&*reading.device_id, &reading.zone)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut tails = HashMap::new();
        for (id, tail) in self.shared.store.last_days(&missing).await? {
            match tail {
                Ok(stored) => _ = tails.insert(id, stored),
                Err(why) => self.spoil(id, why),
            }
        }
        // A spoilt device must not begin anew by one of its further readings.
        for reading in readings {
            if self.spoilt.iter().any(|spoilt| spoilt.key == reading.device_id) {
                continue;
            }
            if let Entry::Vacant(vacant) = self.devices.entry(reading.device_id.clone()) {
                vacant.insert(Device::new(reading, tails.remove(&reading.device_id)));
                self.shared.in_memory.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Brings the days into memory that late reads touch.
    async fn load_for(&mut self, late: &HashMap<Box<str>, Vec<Reading>>) -> Result<(), Retry> {
        let wanted = late.iter().filter_map(|(id, readings)| {
            let device = self.devices.get(id)?;
            Some((id.clone(), readings.iter().map(|reading| device.needs(reading)).min()?))
        });
        let wanted: Vec<(Box<str>, i64)> = wanted.collect();
        self.load_older(wanted).await
    }

    /// Brings the days of devices into memory from the last read before a moment on.
    async fn load_older(&mut self, wanted: Vec<(Box<str>, i64)>) -> Result<(), Retry> {
        let store = &self.shared.store;
        self.shared.observe.late(wanted.len());
        let wanted = wanted.into_iter().filter_map(|(id, earliest)| {
            let device = self.devices.get(&id)?;
            let held = device.history.days().first()?.day;
            Some((id, device.zone.clone(), earliest, held))
        });
        let wanted: Vec<_> = wanted.collect();
        let mut loads = futures::stream::iter(wanted)
            .map(|(id, zone, earliest, held)| async move {
                let loaded = store.days_from(&id, &zone, earliest, Some(held)).await;
                (id, loaded)
            })
            .buffer_unordered(LOADS_AT_ONCE);
        let mut spoilt = Vec::new();
        while let Some((id, loaded)) = loads.next().await {
            match loaded {
                Ok(loaded) => {
                    if let Some(device) = self.devices.get_mut(&id) {
                        device.prepend(loaded);
                    }
                }
                Err(LoadError::Spoilt(why)) => spoilt.push((id, why)),
                Err(LoadError::Database(error)) => return Err(error.into()),
            }
        }
        drop(loads);
        spoilt.into_iter().for_each(|(id, why)| self.spoil(id, why));
        Ok(())
    }

    fn take(&mut self, reading: Reading) {
        let Some(device) = self.devices.get_mut(&reading.device_id) else { return };
        device.learn(reading.timeline);
        device.history.add(&reading.reads);
        self.reads += reading.reads.len();
        self.dirty.entry(reading.device_id).or_default().extend(reading.span);
    }

    /// Computes what follows from what came since the last flush.
    async fn settle(&mut self) -> Result<(), Retry> {
        let tariffs = self.shared.tariffs.now();
        let mut unsettled: Vec<Box<str>> = self.dirty.keys().cloned().collect();
        let mut further_back = FURTHER_BACK;
        loop {
            let mut wanted = Vec::new();
            for id in unsettled {
                let Some(device) = self.devices.get_mut(&id) else { continue };
                if device.settle(&tariffs).is_err() {
                    let earliest = device.start().saturating_sub(further_back);
                    wanted.push((id, earliest));
                }
            }
            if wanted.is_empty() {
                return Ok(());
            }
            unsettled = wanted.iter().map(|(id, _)| id.clone()).collect();
            self.load_older(wanted).await?;
            further_back = further_back.saturating_mul(4);
        }
    }

    /// Writes what changed, publishes what was touched, and keeps of each device the last day.
    ///
    /// # Errors
    /// The database or the broker did not answer. Nothing is forgotten; doing it again is safe.
    pub async fn flush(&mut self) -> Result<(), Retry> {
        self.settle().await?;
        self.announce().await?;
        let mut round = 0;
        loop {
            let stale = self.write().await?;
            if stale.is_empty() {
                break;
            }
            round += 1;
            self.shared.observe.conflicts(stale.len());
            if round == ROUNDS {
                return Err(Retry::because(
                    "another instance writes the same devices; its documents keep changing",
                ));
            }
            for id in stale {
                self.reload(&id).await?;
            }
        }
        self.remove_imported().await?;
        self.publish().await?;
        for (id, spans) in self.dirty.drain() {
            drop(spans);
            if let Some(device) = self.devices.get_mut(&id) {
                let Device { history, timeline, zone, .. } = device;
                history.keep_last(timeline, zone);
            }
        }
        self.reads = 0;
        self.evict();
        Ok(())
    }

    /// Notes durably what is going to be written and published beyond what a repetition of the same reads would find again: a
    /// crash in between leaves neither old days nor a topic that does not know of the new ones.
    async fn announce(&mut self) -> Result<(), Retry> {
        for id in self.dirty.keys() {
            let Some(device) = self.devices.get_mut(id) else { continue };
            let revised = device.history.take_revised();
            let Some(from) = device.unpublished_from.into_iter().chain(revised).min() else { continue };
            device.unpublished_from = Some(from);
            if let Some(stored) = device.history.days().iter().rev().find(|record| record.revision > 0) {
                self.shared.store.announce(&stored.id(id), from).await?;
            }
        }
        Ok(())
    }

    /// Writes everything that changed, bulk by bulk: what waits is memory, and what is written is not written again
    /// if a later bulk fails. Returns the devices whose documents are not as we knew them.
    async fn write(&mut self) -> Result<Vec<Box<str>>, Retry> {
        let now = clock::now();
        let changed = self.dirty.keys().flat_map(|id| {
            let days = self.devices.get(id).map_or(&[][..], |device| device.history.days());
            days.iter().filter(|r| r.pending == Pending::Write).map(move |r| (id.clone(), r.day))
        });
        let mut changed: Vec<(Box<str>, Day)> = changed.collect();
        // Neighbours in the collection are cheaper one after the other.
        changed.sort_unstable();
        let mut stale = Vec::new();
        for bulk in changed.chunks(BULK) {
            let started = std::time::Instant::now();
            let documents = bulk.iter().filter_map(|(id, day)| {
                let device = self.devices.get(id)?;
                Some(Store::document(device.of_device(id), device.history.on(*day)?, now))
            });
            let documents: Vec<Guarded> = documents.collect();
            let conflicts = self.shared.store.write(&documents).await?;
            self.shared.observe.written(bulk.len() - conflicts.len(), started.elapsed());
            let mut conflicting = conflicts.into_iter().peekable();
            for (index, (id, day)) in bulk.iter().enumerate() {
                if conflicting.next_if_eq(&index).is_some() {
                    stale.push(id.clone());
                } else if let Some(device) = self.devices.get_mut(id) {
                    let counted = device.history.written(*day, now.as_millisecond());
                    self.shared.observe.left_out(counted.glitches, counted.unbilled);
                }
            }
        }
        stale.dedup();
        Ok(stale)
    }

    /// Somebody else wrote this device: take what is stored and merge our reads into it.
    async fn reload(&mut self, id: &str) -> Result<(), Retry> {
        let Some(device) = self.devices.get_mut(id) else { return Ok(()) };
        let days = device.history.days();
        let ours: Vec<Read> = days.iter().flat_map(|record| record.reads.iter()).collect();
        let earliest = ours.iter().map(|read| read.at).min();
        let earliest =
            device.changed_from.map_or(earliest, |day| earliest.min(Some(device.zone.start_of(day))));
        let loaded = self.shared.store.days_from(id, &device.zone, earliest.unwrap_or(i64::MIN), None).await;
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(LoadError::Database(error)) => return Err(error.into()),
            Err(LoadError::Spoilt(why)) => {
                self.spoil(id.into(), why);
                return Ok(());
            }
        };
        let (timeline, changed_from) = (device.timeline.clone(), device.changed_from);
        *device = Device::loaded(device.zone.clone(), timeline.clone(), loaded);
        device.changed_from = device.changed_from.into_iter().chain(changed_from).min();
        device.learn(timeline);
        device.history.add(&ours);
        self.settle().await
    }

    /// Removes what the written records replace of another system's documents.
    async fn remove_imported(&mut self) -> Result<(), Retry> {
        for id in self.dirty.keys() {
            if let Some(device) = self.devices.get_mut(id).filter(|device| !device.imported.is_empty()) {
                self.shared.store.remove(&device.imported).await?;
                device.imported = Replaced::default();
            }
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Retry> {
        let ticket = Ticket::default();
        let mut published = 0;
        for (device_id, spans) in &self.dirty {
            let Some(device) = self.devices.get(device_id) else { continue };
            let (time_zone, span) = (device.zone.name(), spans.last());
            for record in device.history.days() {
                if record.pending == Pending::Publish {
                    let whole = Published { device_id, record, time_zone, span };
                    self.outlet.publish(&ticket, whole).await?;
                    published += 1;
                    for finding in &record.figures.findings {
                        self.shared.observe.found(finding.kind.name(), device_id, record.day);
                    }
                }
            }
        }
        ticket.delivered().await?;
        self.shared.observe.published(published);
        for id in self.dirty.keys() {
            if let Some(device) = self.devices.get_mut(id) {
                if device.unpublished_from.is_some() {
                    self.shared.store.published(id).await?;
                    device.unpublished_from = None;
                }
                device.history.days_mut().iter_mut().for_each(|record| record.pending = Pending::Nothing);
            }
        }
        Ok(())
    }

    /// Keeps the memory bounded: this partition forgets its share of what is too much. All of it is stored.
    fn evict(&mut self) {
        let before = self.devices.len();
        let all = self.shared.in_memory.load(Ordering::Relaxed);
        let mut surplus = surplus(before, all, self.shared.devices_in_memory);
        if surplus == 0 {
            return;
        }
        self.devices.retain(|_, _| {
            let keep = surplus == 0;
            surplus = surplus.saturating_sub(1);
            keep
        });
        let forgotten = before - self.devices.len();
        self.shared.in_memory.fetch_sub(forgotten, Ordering::Relaxed);
        self.shared.observe.forgotten(forgotten);
    }
}

/// How many of `here` a partition forgets where `all` partitions together hold more than `most`: its share.
fn surplus(here: usize, all: usize, most: usize) -> usize {
    if all <= most { 0 } else { here - here * most / all }
}

impl Drop for Devices {
    fn drop(&mut self) {
        self.shared.in_memory.fetch_sub(self.devices.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_forgets_its_share_of_what_is_too_much() {
        for (here, all, most, expected) in [
            (500, 1_000, 1_000, 0),
            (500, 1_001, 1_000, 1),
            (500, 2_000, 1_000, 250),
            (0, 5_000, 1_000, 0),
            (7, 7, 0, 7),
        ] {
            assert_eq!(surplus(here, all, most), expected, "{here} of {all}, at most {most}");
        }
        // Three partitions with different shares end within the bound together.
        let partitions = [4_000, 900, 100];
        let kept: usize = partitions.iter().map(|here| here - surplus(*here, 5_000, 1_000)).sum();
        assert!((990..=1_000).contains(&kept), "{kept}");
    }
}
