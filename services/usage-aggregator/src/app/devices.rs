//! The devices of one partition: merge reads, load what merging needs, write and publish what came of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt;
use indowater_common::clock;
use indowater_common::domain::meter::Meter;
use indowater_common::domain::tariff::{Tariff, TariffBook};
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::error::Retry;
use indowater_common::kafka::Ticket;
use indowater_common::mongo::Guarded;
use tracing::Span;

use crate::domain::day::{Context, DayRecord, Facts, Pending};
use crate::domain::history::History;
use crate::domain::reads::Read;
use crate::kafka::{Outlet, Published};
use crate::mongo::{Loaded, Owner, Store};
use crate::observe::Observe;

/// What all partitions of an instance share.
pub struct Shared {
    /// The database.
    pub store: Store,
    /// The usage topic.
    pub outlet: Outlet,
    /// The tariffs, as billing last published them.
    pub tariffs: RwLock<Arc<TariffBook>>,
    /// Logs and metrics.
    pub observe: Observe,
    /// How many devices an instance keeps in memory.
    pub devices_in_memory: usize,
    /// How many it does, all partitions together.
    pub in_memory: AtomicUsize,
}

impl Shared {
    /// The tariffs of now.
    fn tariffs(&self) -> Arc<TariffBook> {
        self.tariffs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what billing published of a class. Days are priced by the version of their date, and a new version holds from a day
    /// that has not begun, so nothing that was priced changes.
    pub fn set_tariffs(&self, class: &str, versions: Vec<Tariff>) {
        let mut tariffs = self.tariffs.write().unwrap_or_else(PoisonError::into_inner);
        *tariffs = Arc::new(tariffs.with(class, versions));
    }
}

/// The reads of one record of the readings topic, understood.
#[derive(Debug)]
pub struct Reading {
    /// `devices.id`.
    pub device_id: Box<str>,
    /// Whose it is.
    pub facts: Facts,
    /// The meter's facts.
    pub meter: Meter,
    /// The property's zone.
    pub zone: Zone,
    /// At least one.
    pub reads: Vec<Read>,
    /// Open until the effect is durable, if the record is part of a kept trace.
    pub span: Option<Span>,
}

impl Reading {
    fn earliest(&self) -> i64 {
        self.reads.iter().map(|read| read.point.at).min().unwrap_or(i64::MAX)
    }
}

/// A device in memory.
struct Device {
    meter: Meter,
    /// Registry version the meter's facts are from; the newest counts.
    version: i64,
    zone: Zone,
    history: History,
    /// Shared by its days as long as nothing changes.
    facts: Arc<Facts>,
}

/// Devices loaded at once when reads come from before what is in memory.
const LOADS_AT_ONCE: usize = 16;
/// Documents built and written at once.
const BULK: usize = 1_000;
/// A writer that meets newer documents loads and merges; so often another writer does not come first.
const ROUNDS: usize = 10;

/// The devices of one partition.
pub struct Devices {
    shared: Arc<Shared>,
    devices: HashMap<Box<str>, Device>,
    /// Devices with something to write or publish, and the traces that wait for it.
    dirty: HashMap<Box<str>, Vec<Span>>,
}

impl Devices {
    /// No devices yet.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, devices: HashMap::new(), dirty: HashMap::new() }
    }

    /// How many devices wait for a flush.
    pub fn pending(&self) -> usize {
        self.dirty.len()
    }

    /// Merges what came. Doing it again changes nothing.
    ///
    /// # Errors
    /// The database did not answer; some may be merged.
    pub async fn merge(&mut self, readings: Vec<Reading>) -> Result<(), Retry> {
        self.load_tails(&readings).await?;
        let tariffs = self.shared.tariffs();
        let mut late: HashMap<Box<str>, Vec<Reading>> = HashMap::new();
        for reading in readings {
            let known = self.devices.get(&reading.device_id);
            if known.is_some_and(|device| device.history.covers(device.needs(&reading))) {
                self.merge_one(reading, &tariffs);
            } else {
                late.entry(reading.device_id.clone()).or_default().push(reading);
            }
        }
        self.load_older(&late).await?;
        late.into_values().flatten().for_each(|reading| self.merge_one(reading, &tariffs));
        Ok(())
    }

    /// Brings the last day of every device into memory that is not there: one query for all of them.
    async fn load_tails(&mut self, readings: &[Reading]) -> Result<(), Retry> {
        let missing: Vec<&str> = {
            let unknown = readings.iter().map(|r| &*r.device_id).filter(|id| !self.devices.contains_key(*id));
            unknown.collect::<std::collections::HashSet<_>>().into_iter().collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let mut tails = self.shared.store.last_days(&missing).await?;
        for reading in readings {
            if let Entry::Vacant(vacant) = self.devices.entry(reading.device_id.clone()) {
                vacant.insert(Device::new(reading, tails.remove(&reading.device_id)));
                self.shared.in_memory.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Brings the days into memory that late reads touch.
    async fn load_older(&mut self, late: &HashMap<Box<str>, Vec<Reading>>) -> Result<(), Retry> {
        let store = &self.shared.store;
        let wanted = late.iter().filter_map(|(id, readings)| {
            let device = self.devices.get(id)?;
            let held = device.history.days().first()?.day;
            let earliest = readings.iter().map(|reading| device.needs(reading)).min()?;
            Some((id.clone(), earliest, held))
        });
        let wanted: Vec<(Box<str>, i64, Day)> = wanted.collect();
        self.shared.observe.late(wanted.len());
        let mut loads = futures::stream::iter(wanted)
            .map(|(id, earliest, held)| async move {
                let loaded = store.days_from(&id, earliest, Some(held)).await;
                (id, loaded)
            })
            .buffer_unordered(LOADS_AT_ONCE);
        while let Some((id, loaded)) = loads.next().await {
            let Loaded { days, truncated, .. } = loaded?;
            if let Some(device) = self.devices.get_mut(&id) {
                device.history.prepend(days, truncated);
            }
        }
        Ok(())
    }

    fn merge_one(&mut self, reading: Reading, tariffs: &TariffBook) {
        let Some(device) = self.devices.get_mut(&reading.device_id) else { return };
        let corrected = device.is_corrected_by(&reading);
        if reading.facts.version > device.version {
            (device.version, device.meter) = (reading.facts.version, reading.meter);
        }
        if *device.facts != reading.facts {
            device.facts = Arc::new(reading.facts);
        }
        let context = Context { meter: &device.meter, zone: &device.zone, tariffs };
        device.history.merge(&device.facts, &reading.reads, context);
        if corrected {
            device.history.judge_again(context);
        }
        self.dirty.entry(reading.device_id).or_default().extend(reading.span);
    }

    /// Writes what changed, publishes what was touched, and keeps of each device the last day.
    ///
    /// # Errors
    /// The database or the broker did not answer. Nothing is forgotten; doing it again is safe.
    pub async fn flush(&mut self) -> Result<(), Retry> {
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
        self.publish().await?;
        for (id, spans) in self.dirty.drain() {
            drop(spans);
            if let Some(device) = self.devices.get_mut(&id) {
                device.history.keep_last();
            }
        }
        self.evict();
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
                Some(Store::document(device.owner(id), device.history.on(*day)?, now))
            });
            let documents: Vec<Guarded> = documents.collect();
            let conflicts = self.shared.store.write(&documents).await?;
            self.shared.observe.written(bulk.len() - conflicts.len(), started.elapsed());
            let mut conflicting = conflicts.into_iter().peekable();
            for (index, (id, day)) in bulk.iter().enumerate() {
                if conflicting.next_if_eq(&index).is_some() {
                    stale.push(id.clone());
                } else if let Some(device) = self.devices.get_mut(id) {
                    device.history.written(*day, now.as_millisecond());
                }
            }
        }
        stale.dedup();
        Ok(stale)
    }

    /// Somebody else wrote this device: take what is stored and merge our reads into it.
    async fn reload(&mut self, id: &str) -> Result<(), Retry> {
        let Some(device) = self.devices.get_mut(id) else { return Ok(()) };
        let ours: Vec<(Arc<Facts>, Vec<Read>)> =
            device.history.days().iter().map(|d| (d.facts.clone(), d.reads.iter().collect())).collect();
        let earliest = ours.iter().flat_map(|(_, reads)| reads).map(|read| read.point.at).min();
        let loaded = self.shared.store.days_from(id, earliest.unwrap_or(i64::MIN), None).await?;
        device.history = History::of(loaded.days, loaded.truncated);
        let tariffs = self.shared.tariffs();
        let context = Context { meter: &device.meter, zone: &device.zone, tariffs: &tariffs };
        for (facts, reads) in &ours {
            device.history.merge(facts, reads, context);
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Retry> {
        let ticket = Ticket::default();
        let mut published = 0;
        for (device_id, spans) in &self.dirty {
            let Some(device) = self.devices.get(device_id) else { continue };
            let (time_zone, unit, span) = (device.zone.name(), device.meter.unit, spans.last());
            for record in device.history.days() {
                if record.pending == Pending::Publish {
                    let record = Published { device_id, record, time_zone, unit, span };
                    self.shared.outlet.publish(&ticket, record).await?;
                    published += 1;
                }
            }
        }
        ticket.delivered().await?;
        self.shared.observe.published(published);
        for id in self.dirty.keys() {
            if let Some(device) = self.devices.get_mut(id) {
                device.history.days_mut().iter_mut().for_each(|record| record.pending = Pending::Nothing);
            }
        }
        Ok(())
    }

    /// Keeps the memory bounded: this partition forgets its share of what is too much. All of it is stored.
    fn evict(&mut self) {
        let all = self.shared.in_memory.load(Ordering::Relaxed);
        let most = self.shared.devices_in_memory;
        if all <= most {
            return;
        }
        let before = self.devices.len();
        let mut surplus = before - before * most / all;
        self.devices.retain(|_, _| {
            let keep = surplus == 0;
            surplus = surplus.saturating_sub(1);
            keep
        });
        self.shared.in_memory.fetch_sub(before - self.devices.len(), Ordering::Relaxed);
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        self.shared.in_memory.fetch_sub(self.devices.len(), Ordering::Relaxed);
    }
}

impl Device {
    /// Whether the registry has corrected the meter's facts: every step has to be judged again.
    fn is_corrected_by(&self, reading: &Reading) -> bool {
        reading.facts.version > self.version && reading.meter != self.meter
    }

    /// The moment from which on days are needed to merge a reading.
    fn needs(&self, reading: &Reading) -> i64 {
        if self.is_corrected_by(reading) { i64::MIN } else { reading.earliest() }
    }

    fn owner<'a>(&'a self, device_id: &'a str) -> Owner<'a> {
        Owner { device_id, meter: &self.meter, meter_version: self.version, zone: &self.zone }
    }

    fn new(reading: &Reading, tail: Option<Loaded>) -> Self {
        let (history, stored_version, stored_meter) = match tail {
            Some(tail) => (History::of(tail.days, tail.truncated), tail.meter_version, Some(tail.meter)),
            None => (History::default(), i64::MIN, None),
        };
        let facts = match history.days().last() {
            Some(DayRecord { facts, .. }) => facts.clone(),
            None => Arc::new(reading.facts.clone()),
        };
        Self {
            meter: stored_meter.unwrap_or(reading.meter),
            version: stored_version,
            zone: reading.zone.clone(),
            history,
            facts,
        }
    }
}
