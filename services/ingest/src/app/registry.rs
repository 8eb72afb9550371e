//! The registry's use cases, as callers ask for them.
//!
//! What writes runs in a task of its own: a caller that hangs up must not drop a transaction half-way, which the
//! driver does not stand.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use indowater_common::error::Fatal;
use indowater_common::mongo::outbox::Row;
use indowater_common::{clock, telemetry};
use indowater_proto::topics::{DEVICES, PROPERTIES, READINGS};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::domain::registry::{
    Correction, Device, DeviceChange, DeviceDraft, DeviceFilter, MeterExchange, Page, Property,
    PropertyChange, PropertyDraft, Refusal, admit_all,
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
            let new = store.create_devices(devices, again, clock::now()).await?;
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

    /// Puts another meter in at a device.
    ///
    /// # Errors
    /// Why not.
    pub async fn exchange_meter(&self, id: String, exchange: MeterExchange) -> Result<Device, Refusal> {
        let store = self.0.clone();
        to_the_end(async move {
            let device = store.exchange_meter(id, exchange, clock::now()).await?;
            observe::registry_changed("device", 1);
            Ok(device)
        })
        .await
    }

    /// Corrects a device.
    ///
    /// # Errors
    /// Why not.
    pub async fn correct_device(&self, id: String, correction: Correction) -> Result<Device, Refusal> {
        let store = self.0.clone();
        to_the_end(async move {
            let device = store.correct_device(id, correction, clock::now()).await?;
            observe::registry_changed("device", 1);
            Ok(device)
        })
        .await
    }

    /// Keeps the fields of the present true: entries whose next day has come are brought up to it. Whose reads are and how
    /// days are judged does not depend on it, for that follows from the timelines.
    ///
    /// # Errors
    /// None; it goes on until it is stopped.
    pub async fn turn_days(self, stop: CancellationToken) -> Result<(), Fatal> {
        while !stop.is_cancelled() {
            if let Err(refusal) = self.turn_round().await {
                observe::turning_waits(&refusal);
            }
            tokio::select! {
                () = tokio::time::sleep(BETWEEN_TURNS) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    async fn turn_round(&self) -> Result<(), Refusal> {
        let now = clock::now();
        let (properties, devices) = self.0.due(now).await?;
        for id in properties {
            let store = self.0.clone();
            // One that cannot be turned must not keep the others from it.
            match to_the_end(store.turn_property(id, now)).await {
                Ok(()) => observe::registry_changed("property", 1),
                Err(refusal) => observe::turning_waits(&refusal),
            }
        }
        for id in devices {
            let store = self.0.clone();
            match to_the_end(store.turn_device(id, now)).await {
                Ok(()) => observe::registry_changed("device", 1),
                Err(refusal) => observe::turning_waits(&refusal),
            }
        }
        Ok(())
    }
}

/// How late the fields of the present may be after midnight.
const BETWEEN_TURNS: Duration = Duration::from_secs(30);

async fn to_the_end<T: Send + 'static>(
    write: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let task = tokio::spawn(write.in_current_span());
    task.await.unwrap_or_else(|error| Err(Refusal::Unavailable(error.to_string())))
}

/// How changes are told: the whole entry, on its compacted topic, keyed by its id; and where days are to be judged again, a
/// record without reads among the device's readings.
pub fn announce(topics: Topics) -> Announce {
    Arc::new(move |told| {
        let (topic, contract, id, version, updated_at, value) = match told {
            Announced::Property(p) => {
                (&topics.properties, &PROPERTIES, &p.id, p.version, p.updated_at, wire::encode_property(p))
            }
            Announced::Device(d) => {
                (&topics.devices, &DEVICES, &d.id, d.version, d.updated_at, wire::encode_device(d))
            }
            Announced::Facts(d) => {
                let value = wire::encode_facts(&d.facts(), d.updated_at.as_second());
                (&topics.readings, &READINGS, &d.id, d.version, d.updated_at, value)
            }
        };
        let event_id = match told {
            Announced::Facts(_) => format!("facts-{id}-v{version}"),
            _ => format!("{id}-v{version}"),
        };
        Row {
            topic: topic.to_string(),
            key: id.clone(),
            value,
            event_id,
            source: SOURCE.to_owned(),
            kind: contract.message.to_owned(),
            time: updated_at.as_second(),
            traceparent: telemetry::traceparent(&Span::current()),
        }
    })
}
