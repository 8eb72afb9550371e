//! The newest state of devices and properties, for the upkeep of their topics.

use std::collections::BTreeMap;

use indowater_common::error::Retry;
use indowater_common::kafka::{Publisher, Ticket};
use indowater_common::mongo::outbox::send;
use indowater_common::upkeep::Newest;

use crate::kafka::Topics;
use crate::mongo::{Announce, Announced, Registry};
use crate::wire;

/// The registry, and how its entries are told.
pub struct Entries {
    /// Where they are.
    pub registry: Registry,
    /// Makes the record that tells one.
    pub announce: Announce,
    /// The topics.
    pub topics: Topics,
}

impl Entries {
    /// The topics that tell them.
    pub fn told(&self) -> Vec<String> {
        vec![self.topics.devices.to_string(), self.topics.properties.to_string()]
    }
}

impl Newest for Entries {
    async fn publish_newer(
        &self,
        publisher: &Publisher,
        ticket: &Ticket,
        topic: &str,
        values: &[&[u8]],
    ) -> Result<usize, Retry> {
        let mut rows = Vec::new();
        if topic == &*self.topics.devices {
            let told: BTreeMap<String, i64> =
                values.iter().filter_map(|value| wire::device_version(value)).collect();
            let stored = self.registry.devices_among(told.keys()).await?;
            let newer = stored.iter().filter(|device| told[&device.id] < device.version);
            rows.extend(newer.map(|device| (self.announce)(Announced::Device(device))));
        } else {
            let told: BTreeMap<String, i64> =
                values.iter().filter_map(|value| wire::property_version(value)).collect();
            let stored = self.registry.properties_among(told.keys()).await?;
            let newer = stored.iter().filter(|property| told[&property.id] < property.version);
            rows.extend(newer.map(|property| (self.announce)(Announced::Property(property))));
        }
        for row in &rows {
            send(publisher, ticket, row).await?;
        }
        Ok(rows.len())
    }
}
