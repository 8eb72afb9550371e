//! Telemetry of one partition: decode, load the devices it names, decide read by read, publish; later write what is
//! newest.
//!
//! A batch is decoded before anything is published, so that the devices it needs are loaded by one query and a failed
//! query publishes nothing twice. Each message is published at once; the flush waits until the broker has all of them,
//! writes the last readings, and only then are the offsets committed. Whatever is processed again carries the same
//! event ids and readings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use indowater_common::domain::identifier;
use indowater_common::error::Retry;
use indowater_common::kafka::{Batch, PublishError, Record, Work};
use indowater_common::telemetry;
use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio::sync::mpsc;
use tracing::Span;

use crate::domain::accept::{self, Accepted, Decision};
use crate::domain::cache::Cache;
use crate::domain::facts::{Change, Facts};
use crate::domain::latest::Latest;
use crate::domain::reject::{Reason, Reject};
use crate::domain::uplink::Uplink;
use crate::kafka::{self, Outcome, Outlet, Topics};
use crate::mongo::Reads;
use crate::observe::{self, Tally};
use crate::wire::{self, Encoder, Origin};

/// What the partitions of an instance have in common.
pub struct Shared {
    /// The devices' collections.
    pub reads: Reads,
    /// The topics.
    pub topics: Topics,
    /// The largest message that is accepted.
    pub most_bytes: usize,
    /// Devices each partition surely remembers.
    pub cached_devices: usize,
    /// How old a read may be when it is first received, in seconds.
    pub most_age: i64,
    /// Takes what this process cannot go on after.
    pub fatal: mpsc::UnboundedSender<PublishError>,
}

/// One partition of telemetry on this instance.
pub struct Intake {
    shared: Arc<Shared>,
    partition: i32,
    cache: Cache,
    /// Devices by meters that are not there any more, for the batch at hand: whoever enrols such a meter elsewhere is
    /// noticed by the next.
    former: HashMap<String, Facts>,
    changes: broadcast::Receiver<Arc<Change>>,
    outlet: Outlet,
    encoder: Encoder,
    latest: Latest,
    /// Messages since the last flush.
    pending: usize,
    /// Devices remembered, as last reported.
    reported: i64,
}

impl Intake {
    /// A partition whose state is empty. `changes` must be subscribed to before: nothing may change unnoticed after
    /// the first device is loaded.
    pub fn new(
        shared: Arc<Shared>,
        partition: i32,
        changes: broadcast::Receiver<Arc<Change>>,
        outlet: Outlet,
    ) -> Self {
        let cache = Cache::new(shared.cached_devices);
        Self {
            shared,
            partition,
            cache,
            changes,
            outlet,
            encoder: Encoder::default(),
            latest: Latest::default(),
            former: HashMap::new(),
            pending: 0,
            reported: 0,
        }
    }

    /// Applies what the registry changed since the last batch.
    fn catch_up(&mut self) {
        loop {
            match self.changes.try_recv() {
                Ok(change) => self.cache.change(&change),
                Err(TryRecvError::Lagged(missed)) => {
                    observe::cache_cleared(self.partition, missed);
                    self.cache.clear();
                }
                // The follower's end is the process's end.
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Loads the devices that the uplinks name and the partition does not remember. Returns the identifiers that are
    /// enrolled and look like one that is not.
    async fn load(&mut self, uplinks: &[Result<Uplink<'_>, Reject>]) -> Result<NearMisses, Retry> {
        self.former.clear();
        let mut strange: HashMap<&str, &str> = HashMap::new();
        for uplink in uplinks.iter().flatten() {
            if self.cache.get(&uplink.device_key).is_none() {
                strange.insert(&uplink.device_key, uplink.device_id.trim());
            }
        }
        if strange.is_empty() {
            return Ok(NearMisses::new());
        }
        let written: Vec<&str> = strange.values().copied().collect();
        let started = Instant::now();
        let devices = self.shared.reads.devices(&written).await?;
        observe::devices_loaded(self.partition, strange.len(), devices.len(), started.elapsed());
        for device in &devices {
            self.cache.insert(&device.device_id, device.facts());
            for serial in device.former_device_ids() {
                self.former.insert(identifier::key(&serial).into_owned(), device.facts());
            }
        }
        strange.retain(|key, _| self.cache.get(key).is_none() && !self.former.contains_key(*key));
        let unknown: Vec<String> = strange.keys().map(|key| identifier::alike(key)).collect();
        Ok(self.shared.reads.alike(&unknown).await?)
    }

    /// Decides the reads of one message and publishes what becomes of them.
    async fn decide(
        &mut self,
        record: &Record<'_>,
        uplink: Result<Uplink<'_>, Reject>,
        near_misses: &NearMisses,
        tally: &mut Tally,
    ) -> Result<(), PublishError> {
        let origin = Origin {
            topic: &self.shared.topics.telemetry,
            partition: self.partition,
            offset: record.offset,
            arrival: kafka::arrival(record),
            key: record.key,
            value: record.value,
            content_type: record.content_type,
        };
        let sampled = record.traceparent.filter(|traceparent| telemetry::is_sampled(traceparent));
        let (device, decision) = match uplink {
            Err(reject) => (None, reject.into()),
            Ok(uplink) => {
                let found = self.cache.get(&uplink.device_key);
                match found.or_else(|| self.former.get_mut(&*uplink.device_key)) {
                    None => (None, unknown(&uplink, near_misses).into()),
                    Some(facts) => {
                        let most_age = self.shared.most_age;
                        let decision = accept::accept(&uplink, facts, &origin.arrival, most_age);
                        (Some(facts), decision)
                    }
                }
            }
        };
        let Decision { accepted, rejects } = decision;
        if let (Some(accepted), Some(facts)) = (&accepted, device) {
            tally.reads += accepted.reads.len() as u64;
            tally.corrections += accepted.corrected as u64;
            self.latest.note(facts, accepted);
            let value = self.encoder.readings(facts, accepted, &origin);
            let outcome = Outcome::Readings { device: &facts.id, newest: accepted.newest.at };
            let span = sampled.map(|traceparent| (span(facts, accepted, traceparent), traceparent));
            // Without an exporter the span has no trace of its own; the device's goes on.
            let traceparent = span
                .as_ref()
                .map(|(span, given)| telemetry::traceparent(span).unwrap_or_else(|| (*given).to_owned()));
            self.outlet.publish(record, outcome, value, traceparent.as_deref()).await?;
        }
        for reject in rejects {
            let value = self.encoder.dead_letter(&reject, &origin);
            self.outlet.publish(record, Outcome::DeadLetter(reject.reason), value, sampled).await?;
            tally.dead(reject);
        }
        Ok(())
    }

    fn report_cache(&mut self, devices: usize) {
        let devices = i64::try_from(devices).unwrap_or(i64::MAX);
        observe::cache_grew(devices - self.reported);
        self.reported = devices;
    }

    /// A refused record cannot be sent ever, so trying again is no answer: the process ends, and the input, which is
    /// not committed, comes again to one that is configured right.
    fn give_up(&self, error: PublishError) -> Retry {
        let retry = Retry::because(&error);
        // Closed only when the process is ending already.
        let _ = self.shared.fatal.send(error);
        retry
    }
}

/// Identifiers that are enrolled, by [what their misspellings have in common](identifier::alike).
type NearMisses = HashMap<String, String>;

fn unknown(uplink: &Uplink<'_>, near_misses: &NearMisses) -> Reject {
    let device_id = &uplink.device_id;
    let detail = match near_misses.get(&identifier::alike(device_id)) {
        Some(near) => {
            format!("device {device_id:?} is not in the registry, but {near:?} is: is it the same meter?")
        }
        None => format!("device {device_id:?} is not in the registry"),
    };
    Reject::new(Reason::UnknownDevice, detail).of(uplink.message_reads)
}

fn span(facts: &Facts, accepted: &Accepted, traceparent: &str) -> Span {
    let span = tracing::info_span!(
        "ingest telemetry",
        otel.kind = "consumer",
        device.id = &*facts.id,
        reads = accepted.reads.len()
    );
    telemetry::continue_trace(&span, traceparent);
    span
}

impl Work for Intake {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        self.catch_up();
        self.cache.settle();
        let most_bytes = self.shared.most_bytes;
        let uplinks: Vec<_> = batch
            .records()
            .map(|record| {
                let uplink = wire::decode(record.content_type, record.value, most_bytes)?;
                accept::check(&uplink, record.key).map(|()| uplink)
            })
            .collect();
        let near_misses = self.load(&uplinks).await?;
        self.report_cache(self.cache.len());
        let mut tally = Tally::of(batch.len());
        for (record, uplink) in std::iter::zip(batch.records(), uplinks) {
            self.decide(&record, uplink, &near_misses, &mut tally)
                .await
                .map_err(|error| self.give_up(error))?;
        }
        self.pending += batch.len();
        observe::batch_decided(self.partition, &tally);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.outlet.delivered().await.map_err(|error| self.give_up(error))?;
        if self.latest.iter().len() > 0 {
            let started = Instant::now();
            self.shared.reads.write_latest(&self.latest).await?;
            observe::last_readings_written(self.latest.iter().len(), started.elapsed());
            self.latest.clear();
        }
        self.pending = 0;
        Ok(())
    }

    fn pending(&self) -> usize {
        self.pending
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.report_cache(0);
    }
}
