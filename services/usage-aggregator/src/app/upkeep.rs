//! The newest state of the days that the service's topics tell of, for their upkeep.

use std::collections::HashMap;

use indowater_common::error::Retry;
use indowater_common::kafka::{Publisher, Ticket};
use indowater_common::upkeep::Newest;
use indowater_proto::topics::USAGE;

use crate::kafka::{Outlet, Published};
use crate::mongo::Store;
use crate::wire;

/// The stored days.
pub struct Days {
    /// Where they are.
    pub store: Store,
    /// The prefix of the topics.
    pub prefix: String,
}

impl Newest for Days {
    async fn publish_newer(
        &self,
        publisher: &Publisher,
        ticket: &Ticket,
        topic: &str,
        values: &[&[u8]],
    ) -> Result<usize, Retry> {
        let is_usage = topic == USAGE.name(&self.prefix);
        let revision = if is_usage { wire::usage_revision } else { wire::finding_revision };
        let told: HashMap<String, i64> = values.iter().filter_map(|value| revision(value)).collect();
        let outlet = Outlet::new(publisher.clone(), &self.prefix);
        let mut stale = 0;
        for found in self.store.days_of(told.keys()).await? {
            let (device_id, record) = (found.device_id.as_str(), &found.record);
            if told.get(&record.id(device_id)).is_some_and(|revision| *revision < record.revision) {
                let time_zone = found.zone.name();
                outlet.publish(ticket, Published { device_id, record, time_zone, span: None }).await?;
                stale += 1;
            }
        }
        Ok(stale)
    }
}
