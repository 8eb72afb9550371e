//! Findings of one partition: each becomes a work order, or takes one back.
//!
//! Offsets are committed only after the orders are written, and writing them again changes nothing; so none is lost, and
//! none is raised twice.

use std::collections::HashMap;

use indowater_common::clock;
use indowater_common::error::Retry;
use indowater_common::kafka::{Batch, Work};
use indowater_common::quarantine::Aside;

use crate::domain::finding::{Finding, WorkOrder};
use crate::mongo::Orders;
use crate::{observe, wire};

/// One partition of the findings' topic.
pub struct Findings {
    orders: Orders,
    aside: Aside,
    /// The newest of each finding, by the id of its order.
    waiting: HashMap<String, Finding>,
}

impl Findings {
    /// With nothing in memory.
    pub fn new(orders: Orders, aside: Aside) -> Self {
        Self { orders, aside, waiting: HashMap::new() }
    }

    /// The orders for what was found; texts name the meter, and the time where it stands.
    async fn raised(&self) -> Result<Vec<WorkOrder>, Retry> {
        let found: Vec<&Finding> = self.waiting.values().filter(|finding| !finding.withdrawn).collect();
        let ids: Vec<&str> = found.iter().map(|finding| finding.device_id.as_str()).collect();
        let devices = if ids.is_empty() { HashMap::new() } else { self.orders.devices(&ids).await? };
        let order = |finding: &Finding| {
            let device = devices.get(&finding.device_id);
            let facts = device.map(crate::domain::registry::Device::facts);
            let serial = facts
                .as_ref()
                .and_then(|facts| facts.serial_at(finding.before.at))
                .or(device.map(|device| device.device_id.as_str()));
            let zone = device.map(crate::domain::registry::Device::zone);
            WorkOrder::for_finding(finding, serial, zone.as_ref())
        };
        Ok(found.into_iter().map(order).collect())
    }
}

impl Work for Findings {
    async fn apply(&mut self, batch: &Batch) -> Result<(), Retry> {
        let now = clock::now().as_second();
        for record in batch.records() {
            match wire::decode_finding(record.value, now) {
                Ok(finding) => keep_newest(&mut self.waiting, finding),
                Err(why) => self.aside.record(batch.partition, &record, &why.to_string()).await?,
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Retry> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let raised = self.raised().await?;
        let withdrawn: Vec<&Finding> = self.waiting.values().filter(|finding| finding.withdrawn).collect();
        self.orders.write(&raised, &withdrawn).await?;
        raised.iter().for_each(observe::work_order_raised);
        withdrawn.into_iter().for_each(observe::finding_withdrawn);
        self.waiting.clear();
        Ok(())
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }
}

fn keep_newest(waiting: &mut HashMap<String, Finding>, finding: Finding) {
    let id = finding.order_id();
    if waiting.get(&id).is_none_or(|known| known.revision <= finding.revision) {
        waiting.insert(id, finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::{Kind, example};

    #[test]
    fn of_one_finding_the_newest_revision_waits() {
        let mut waiting = HashMap::new();
        for (revision, withdrawn) in [(1, false), (3, true), (2, false)] {
            keep_newest(&mut waiting, Finding { revision, withdrawn, ..example(Kind::Jump) });
        }
        keep_newest(&mut waiting, example(Kind::Exchange));
        assert_eq!(waiting.len(), 2);
        assert!(waiting["jump-device-1-1970-01-02"].withdrawn);
    }
}
