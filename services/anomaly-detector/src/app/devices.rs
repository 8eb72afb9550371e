//! The devices of one partition: take reads, load what judging them needs, write what came of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use indowater_common::error::{Fatal, Retry};
use indowater_common::kafka::Publisher;
use indowater_common::mongo::Guarded;
use indowater_common::quarantine::Spoilt;
use indowater_common::tariffs::Tariffs;
use indowater_common::{clock, telemetry};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::device::{Device, Reading, Rules};
use super::network::Network;
use crate::domain::history::{History, Week};
use crate::domain::leak::{Kind, confidence};
use crate::domain::network::Group;
use crate::domain::silence;
use crate::mongo::Store;
use crate::observe::Observe;

/// What people made of findings so far: of each kind how many they confirmed, and how many they rejected.
#[derive(Clone, Debug, Default)]
pub struct Confidence(Vec<(Kind, u32, u32)>);

impl Confidence {
    /// The share of findings of a kind that were leaks, thousandths.
    pub fn of(&self, kind: Kind) -> u16 {
        let known = self.0.iter().find(|(known, ..)| *known == kind);
        let (confirmed, rejected) = known.map_or((0, 0), |(_, confirmed, rejected)| (*confirmed, *rejected));
        confidence(kind, confirmed, rejected)
    }
}

/// What all partitions of an instance share.
pub struct Shared {
    /// The database.
    pub store: Store,
    /// The tariffs, as billing last published them.
    pub tariffs: Tariffs,
    /// What people made of findings, as of a few minutes ago.
    pub confidence: RwLock<Arc<Confidence>>,
    /// Logs and metrics.
    pub observe: Observe,
    /// What is known of areas and gateways.
    pub network: Network,
    /// The way to the broker for what needs no transaction.
    pub publisher: Publisher,
    /// How many devices an instance keeps in memory.
    pub devices_in_memory: usize,
    /// How many it does, all partitions together.
    pub in_memory: AtomicUsize,
}

/// How often the verdicts of people are counted again.
const COUNT_AGAIN: Duration = Duration::from_secs(300);

impl Shared {
    fn confidence(&self) -> Arc<Confidence> {
        self.confidence.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the confidence, and the number of open events, up to date for as long as the service runs.
    ///
    /// # Errors
    /// None: while the database does not answer, what was counted before stands.
    pub async fn count_verdicts(self: Arc<Self>, stop: CancellationToken) -> Result<(), Fatal> {
        while !stop.is_cancelled() {
            match self.store.verdicts().await {
                Ok(verdicts) => {
                    let mut known = self.confidence.write().unwrap_or_else(PoisonError::into_inner);
                    *known = Arc::new(Confidence(verdicts));
                }
                Err(error) => tracing::warn!(%error, "verdicts could not be counted; those of before stand"),
            }
            match self.store.open_leaks().await {
                Ok(open) => open.into_iter().for_each(|(kind, events)| self.observe.open(kind, events)),
                Err(error) => tracing::warn!(%error, "open events could not be counted"),
            }
            tokio::select! {
                () = tokio::time::sleep(COUNT_AGAIN) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }
}

/// Documents built and written at once.
const BULK: usize = 1_000;
/// A writer that meets newer documents loads and merges; so often another writer does not come first.
const ROUNDS: usize = 10;
/// Reads that weigh as much as a device in what waits for a flush.
const READS_PER_DEVICE: usize = 24;

/// The devices of one partition.
pub struct Devices {
    pub(super) shared: Arc<Shared>,
    /// The number of the partition.
    pub(super) partition: i32,
    /// When its newest telemetry was received, seconds since the epoch.
    pub(super) now: i64,
    /// When overdue devices were last looked for, in the same time.
    pub(super) looked_at: i64,
    /// When beats were last sent, in the same time, and what was heard of groups since: the newest moment of each slot.
    pub(super) beaten_at: i64,
    pub(super) heard: BTreeMap<(Group, i64), i64>,
    /// Groups of which is to be known what time it is here, for devices of theirs are missed.
    pub(super) asked: HashSet<Group>,
    /// Overdue devices whose area or gateway may be silent as a whole, and since when they wait for that to be known.
    pub(super) held: HashMap<Box<str>, Instant>,
    pub(super) devices: HashMap<Box<str>, Device>,
    /// Devices with something to judge and write, and the traces that wait for it.
    pub(super) dirty: HashMap<Box<str>, Vec<Span>>,
    /// Reads that came since the last flush.
    reads: usize,
    /// Devices of which a document cannot be read: what came of them since the last flush is to be set aside.
    spoilt: Vec<Spoilt>,
}

impl Devices {
    /// No devices yet.
    pub fn new(shared: Arc<Shared>, partition: i32) -> Self {
        let (devices, dirty) = (HashMap::new(), HashMap::new());
        let (heard, asked) = (BTreeMap::new(), HashSet::new());
        Self {
            shared,
            partition,
            now: 0,
            looked_at: 0,
            beaten_at: 0,
            heard,
            asked,
            held: HashMap::new(),
            devices,
            dirty,
            reads: 0,
            spoilt: Vec::new(),
        }
    }

    /// How much waits for a flush, in devices.
    pub fn pending(&self) -> usize {
        self.dirty.len().max(self.reads / READS_PER_DEVICE)
    }

    /// Takes what came, in its order. Doing it again changes nothing. What follows from it is computed at the flush, once for all of
    /// it.
    ///
    /// # Errors
    /// The database did not answer; some may be taken.
    pub async fn merge(&mut self, readings: Vec<Reading>) -> Result<(), Retry> {
        self.load_newest(&readings).await?;
        let late = readings.iter().filter(|reading| {
            self.devices.get(&reading.device_id).is_some_and(|device| !device.covers(reading))
        });
        let mut late: Vec<Box<str>> = late.map(|reading| reading.device_id.clone()).collect();
        late.sort_unstable();
        late.dedup();
        self.load_older(late).await?;
        readings.into_iter().for_each(|reading| self.take(reading));
        Ok(())
    }

    /// The devices of which a document cannot be read. They are not in memory, and nothing of them is written.
    pub fn spoilt(&mut self) -> &mut Vec<Spoilt> {
        &mut self.spoilt
    }

    pub(super) fn spoil(&mut self, id: &str, reason: String) {
        if self.devices.remove(id).is_some() {
            self.shared.in_memory.fetch_sub(1, Ordering::Relaxed);
        }
        self.dirty.remove(id);
        self.spoilt.push(Spoilt { key: id.into(), reason });
    }

    fn take(&mut self, reading: Reading) {
        let Some(device) = self.devices.get_mut(&reading.device_id) else { return };
        let (id, span) = (reading.device_id.clone(), reading.span.clone());
        self.reads += reading.reads.len();
        let heard_at = reading.uplink.map_or(0, |uplink| uplink.received_at);
        if heard_at > 0 && !self.held.is_empty() {
            self.held.remove(&id);
        }
        self.now = self.now.max(heard_at);
        let too_old = device.take(reading);
        if heard_at > 0 {
            for group in device.groups() {
                let newest = self.heard.entry((group, heard_at.div_euclid(silence::SLOT))).or_default();
                *newest = heard_at.max(*newest);
            }
        }
        if too_old > 0 {
            self.shared.observe.too_old(too_old, &id);
        }
        self.dirty.entry(id).or_default().extend(span);
    }

    /// Judges what came since the last flush.
    async fn settle(&mut self, ids: Vec<Box<str>>) -> Result<(), Retry> {
        let (tariffs, confidence) = (self.shared.tariffs.now(), self.shared.confidence());
        let notices = self.shared.network.now();
        let rules = Rules { tariffs: &tariffs, confidence: &confidence, now: self.now, notices: &notices };
        let needy = ids
            .into_iter()
            .filter(|id| self.devices.get_mut(id).is_some_and(|device| device.settle(id, rules).is_err()));
        let needy: Vec<Box<str>> = needy.collect();
        self.load_older(needy.clone()).await?;
        for id in &needy {
            if let Some(device) = self.devices.get_mut(id)
                && device.settle(id, rules).is_err()
            {
                self.spoil(id, "weeks of it are needed that are not there".to_owned());
            }
        }
        Ok(())
    }

    /// Judges, then writes what changed: events with the records that tell them, then the weeks they follow from. A crash in between
    /// has the same reads come again, and the same found.
    ///
    /// # Errors
    /// The database did not answer. Nothing is forgotten; doing it again is safe.
    pub async fn flush(&mut self) -> Result<(), Retry> {
        self.find_silent().await?;
        self.settle(self.dirty.keys().cloned().collect()).await?;
        let mut round = 0;
        loop {
            let mut stale = self.write_events().await?;
            stale.extend(self.write_weeks(&stale).await?);
            if stale.is_empty() {
                break;
            }
            round += 1;
            self.shared.observe.conflicts(stale.len());
            if round == ROUNDS {
                let why = "its documents keep changing, or an open event of another system stands in the way of its own";
                stale.iter().for_each(|id| self.spoil(id, why.to_owned()));
                break;
            }
            for id in &stale {
                self.reload(id).await?;
            }
            self.settle(stale).await?;
        }
        self.forget().await?;
        self.beat().await?;
        for id in self.dirty.keys() {
            if let Some(device) = self.devices.get_mut(id) {
                device.rest();
            }
        }
        self.dirty.clear();
        self.reads = 0;
        self.evict();
        Ok(())
    }

    /// Writes the events that changed. Returns the devices of which somebody else has written one.
    async fn write_events(&mut self) -> Result<Vec<Box<str>>, Retry> {
        let mut ids = Vec::new();
        let mut changed = Vec::new();
        for (id, spans) in &self.dirty {
            let Some(device) = self.devices.get(id) else { continue };
            let mut of_device = device.changed(id);
            if of_device.is_empty() {
                continue;
            }
            of_device.traceparent = spans.last().and_then(telemetry::traceparent);
            ids.push(id.clone());
            changed.push(of_device);
        }
        let stale = self.shared.store.write_events(&changed).await?;
        let mut stale = stale.into_iter().peekable();
        let mut conflicting = Vec::new();
        for (index, (id, of_device)) in ids.into_iter().zip(changed).enumerate() {
            if stale.next_if_eq(&index).is_some() {
                conflicting.push(id);
            } else if let Some(device) = self.devices.get_mut(&id) {
                device.events_written();
                self.shared.observe.told(&of_device, clock::now());
            }
        }
        Ok(conflicting)
    }

    /// Writes the weeks that changed, but for those of `left_out`. Returns the devices whose documents are not as we knew them.
    async fn write_weeks(&mut self, left_out: &[Box<str>]) -> Result<Vec<Box<str>>, Retry> {
        let now = clock::now();
        let changed = self.dirty.keys().filter(|id| !left_out.contains(id)).flat_map(|id| {
            let weeks = self.devices.get(id).map_or(&[][..], |device| device.history.weeks());
            let oldest = weeks.last().map_or(i32::MIN, |last| Week::of(History::oldest_with(last.number)));
            let dirty = weeks.iter().filter(move |week| week.is_dirty && week.number >= oldest);
            dirty.map(move |week| (id.clone(), week.number))
        });
        let mut changed: Vec<(Box<str>, i32)> = changed.collect();
        changed.sort_unstable();
        let mut stale = Vec::new();
        for bulk in changed.chunks(BULK) {
            let started = Instant::now();
            let documents = bulk.iter().filter_map(|(id, number)| {
                let device = self.devices.get(id)?;
                let week = device.history.weeks().iter().find(|week| week.number == *number)?;
                let (of_device, newest) = device.of_week(id, week, self.partition);
                Some(Store::week(of_device, week, newest, now))
            });
            let documents: Vec<Guarded> = documents.collect();
            let conflicts = self.shared.store.write_weeks(&documents).await?;
            self.shared.observe.written(bulk.len() - conflicts.len(), started.elapsed());
            let mut conflicting = conflicts.into_iter().peekable();
            for (index, (id, number)) in bulk.iter().enumerate() {
                if conflicting.next_if_eq(&index).is_some() {
                    stale.push(id.clone());
                } else if let Some(device) = self.devices.get_mut(id) {
                    device.history.written(*number);
                }
            }
        }
        stale.dedup();
        Ok(stale)
    }

    /// Removes weeks that are older than what is kept, of devices that a new week has begun for.
    async fn forget(&mut self) -> Result<(), Retry> {
        let mut begun: HashMap<i32, Vec<&str>> = HashMap::new();
        for id in self.dirty.keys() {
            let weeks = self.devices.get(id).map_or(&[][..], |device| device.history.weeks());
            if let Some(newest) = weeks.last().filter(|newest| newest.revision == 1) {
                let oldest = Week::of(History::oldest_with(newest.number));
                begun.entry(oldest).or_default().push(id);
            }
        }
        for (oldest, ids) in begun {
            self.shared.store.forget_weeks(&ids, oldest).await?;
        }
        Ok(())
    }

    /// Keeps the memory bounded: this partition forgets its share of what is too much. All of it is stored.
    fn evict(&mut self) {
        let before = self.devices.len();
        let all = self.shared.in_memory.load(Ordering::Relaxed);
        let most = self.shared.devices_in_memory;
        if all <= most {
            return;
        }
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

#[cfg(test)]
mod tests {
    use crate::domain::history::Week;

    use super::*;

    /// Besides it a device in memory has its registers (some 700 bytes for a week of hourly ones) and what the registry says.
    #[test]
    fn a_device_in_memory_is_small() {
        let fixed = size_of::<Device>() + size_of::<Week>();
        assert!(fixed <= 1_540, "{fixed}");
    }
}
