//! The registry's use cases, as callers ask for them.
//!
//! What writes runs in a task of its own: a caller that hangs up must not drop a transaction half-way, which the
//! driver does not stand.

use std::future::Future;
use std::sync::Arc;

use indowater_common::mongo::outbox::Row;
use indowater_common::{clock, telemetry};
use indowater_proto::topics::{DEVICES, PROPERTIES};
use tracing::{Instrument, Span};

use crate::domain::registry::{
    Device, DeviceChange, DeviceDraft, DeviceFilter, Page, Property, PropertyChange, PropertyDraft, Refusal,
    admit_all,
};
use crate::kafka::{SOURCE, Topics};
use crate::mongo::{self, Announce, Announced};
use crate::{observe, wire};

/// The registry of properties and devices. Cheap to clone.
#[derive(Clone)]
pub struct Registry(mongo::Registry);

impl Registry {
    /// On its store.
    pub fn new(store: mongo::Registry) -> Self {
        Self(store)
    }

    /// The property of that id.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub async fn property(&self, id: &str) -> Result<Property, Refusal> {
        self.0.property(id).await
    }

    /// The device of that id.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub async fn device(&self, id: &str) -> Result<Device, Refusal> {
        self.0.device(id).await
    }

    /// A page of properties, and the token of the next.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn properties(
        &self,
        customer_id: Option<&str>,
        page: &Page,
    ) -> Result<(Vec<Property>, String), Refusal> {
        self.0.properties(customer_id, page).await
    }

    /// A page of devices, and the token of the next.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn devices(
        &self,
        filter: &DeviceFilter,
        page: &Page,
    ) -> Result<(Vec<Device>, String), Refusal> {
        self.0.devices(filter, page).await
    }

    /// Creates a property.
    ///
    /// # Errors
    /// Why not.
    pub async fn create_property(&self, draft: PropertyDraft) -> Result<Property, Refusal> {
        let property = Property::admit(draft, clock::new_id("property"), clock::now())?;
        let store = self.0.clone();
        to_the_end(async move {
            let property = store.create_property(property).await?;
            observe::registry_changed("property", 1);
            Ok(property)
        })
        .await
    }

    /// Changes a property, and its devices with it.
    ///
    /// # Errors
    /// Why not.
    pub async fn change_property(&self, id: String, change: PropertyChange) -> Result<Property, Refusal> {
        let store = self.0.clone();
        to_the_end(async move {
            let (property, entries) = store.change_property(id, change, clock::now()).await?;
            observe::registry_changed("property", entries);
            Ok(property)
        })
        .await
    }

    /// Creates a device.
    ///
    /// # Errors
    /// Why not.
    pub async fn create_device(&self, draft: DeviceDraft) -> Result<Device, Refusal> {
        let device = Device::admit(draft, clock::new_id("device"), clock::now())?;
        let created = self.create_devices(vec![device], false).await?;
        created.into_iter().next().ok_or_else(|| Refusal::Unavailable("it kept no device".to_owned()))
    }

    /// Enrols devices, all or none; returns how many were new.
    ///
    /// # Errors
    /// Why not.
    pub async fn enrol(&self, drafts: Vec<DeviceDraft>) -> Result<usize, Refusal> {
        let devices = admit_all(drafts, || clock::new_id("device"), clock::now())?;
        self.create_devices(devices, true).await.map(|new| new.len())
    }

    async fn create_devices(&self, devices: Vec<Device>, again: bool) -> Result<Vec<Device>, Refusal> {
        let store = self.0.clone();
        to_the_end(async move {
            let new = store.create_devices(devices, again).await?;
            observe::registry_changed("device", new.len());
            Ok(new)
        })
        .await
    }

    /// Changes a device.
    ///
    /// # Errors
    /// Why not.
    pub async fn change_device(&self, id: String, change: DeviceChange) -> Result<Device, Refusal> {
        let store = self.0.clone();
        to_the_end(async move {
            let device = store.change_device(id, change, clock::now()).await?;
            observe::registry_changed("device", 1);
            Ok(device)
        })
        .await
    }
}

async fn to_the_end<T: Send + 'static>(
    write: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let task = tokio::spawn(write.in_current_span());
    task.await.unwrap_or_else(|error| Err(Refusal::Unavailable(error.to_string())))
}

/// How changes are told: the whole entry, on its compacted topic, keyed by its id.
pub fn announce(topics: Topics) -> Announce {
    Arc::new(move |entry| {
        let (topic, kind, key, version, updated_at, value) = match entry {
            Announced::Property(p) => (
                &topics.properties,
                PROPERTIES.message,
                &p.id,
                p.version,
                p.updated_at,
                wire::encode_property(p),
            ),
            Announced::Device(d) => {
                (&topics.devices, DEVICES.message, &d.id, d.version, d.updated_at, wire::encode_device(d))
            }
        };
        Row {
            topic: topic.to_string(),
            key: key.clone(),
            value,
            event_id: format!("{key}-v{version}"),
            source: SOURCE.to_owned(),
            kind: kind.to_owned(),
            time: updated_at.as_second(),
            traceparent: telemetry::traceparent(&Span::current()),
        }
    })
}
