//! The broker's edge: what happens comes in. Alerts go out through the outbox.

use indowater_common::error::Retry;
use indowater_common::kafka::{Batch, Work};
use indowater_common::quarantine::Aside;
use indowater_proto::topics::{self, Topic};

use crate::app::desk::Desk;
use crate::wire::{self, Understood};

/// The topics that this service relies on.
pub const TOPICS: [&Topic; 8] = [
    &topics::CUSTOMERS,
    &topics::ANOMALIES,
    &topics::DEVICE_CONDITION,
    &topics::DEVICES,
    &topics::BALANCES,
    &topics::USAGE,
    &topics::PAYMENTS,
    &topics::ALERTS,
];

/// A topic that is consumed.
pub struct Source {
    /// Which.
    pub topic: &'static Topic,
    /// What health, logs and the process call it.
    pub name: &'static str,
    /// Its consumer group.
    pub group: &'static str,
    /// What its records say.
    pub understand: fn(&[u8]) -> Understood,
}

const fn source(
    topic: &'static Topic,
    name: &'static str,
    group: &'static str,
    understand: fn(&[u8]) -> Understood,
) -> Source {
    Source { topic, name, group, understand }
}

/// All of them, each in a group of its own, so that none waits for another.
pub const SOURCES: [Source; 7] = [
    source(&topics::CUSTOMERS, "customers", "notifier-customers", wire::customer),
    source(&topics::ANOMALIES, "anomalies", "notifier-anomalies", wire::anomaly),
    source(&topics::DEVICE_CONDITION, "device condition", "notifier-condition", wire::condition),
    source(&topics::DEVICES, "devices", "notifier-devices", wire::device),
    source(&topics::BALANCES, "balances", "notifier-balances", wire::balance),
    source(&topics::USAGE, "usage", "notifier-usage", wire::usage),
    source(&topics::PAYMENTS, "payments", "notifier-payments", wire::payment),
];

/// One partition of one of them.
pub struct Partition {
    desk: Desk,
    aside: Aside,
    understand: fn(&[u8]) -> Understood,
}

impl Partition {
    /// With nothing that waits.
    pub const fn new(desk: Desk, aside: Aside, understand: fn(&[u8]) -> Understood) -> Self {
        Self { desk, aside, understand }
    }
}

impl Work for Partition {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        let mut items = Vec::with_capacity(batch.len());
        // A record without a value takes its key's last one back; nothing is told of that.
        for record in batch.records().filter(|record| !record.value.is_empty()) {
            match (self.understand)(record.value) {
                Ok(item) => items.extend(item.map(|item| (record.key, item))),
                Err(why) => {
                    let why = format!("no record of ours: {why}");
                    self.aside.record(batch.partition, &record, &why).await?;
                }
            }
        }
        for (key, item) in items {
            self.desk.take(key, item);
        }
        self.aside.keep(batch);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        self.desk.flush().await?;
        // What came of a subject of which the document cannot be read must not be lost, nor hold up the others.
        self.aside.keys(self.desk.spoilt()).await?;
        self.aside.clear();
        Ok(())
    }

    fn pending(&self) -> usize {
        self.desk.pending()
    }
}
