//! Changes of devices.

use std::collections::{HashMap, HashSet};

use bson::{Document, doc};
use futures::TryStreamExt;
use indowater_common::domain::identifier::key;
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::{ClientSession, Collection};

use super::documents::{DeviceDocument, PropertyDocument};
use super::registry::{Announced, Changed, Registry, abort, failed, refused};
use crate::domain::registry::{
    Correction, Device, DeviceChange, Enrolled, MeterExchange, Property, Refusal, Surroundings, enrol,
};

/// Meters behind one another: a main, those of its buildings, floors and flats fit in.
const MOST_LEVELS: usize = 8;
/// Entries whose day has come that are brought up to date in one round.
const ROUND: i64 = 500;

impl Registry {
    /// Creates devices at existing properties: all or none. Returns the new ones; with `again`, a device that is there
    /// under the same ids is passed over.
    ///
    /// # Errors
    /// A property is missing, an id is taken, or the database does not answer.
    pub async fn create_devices(
        self,
        candidates: Vec<Device>,
        again: bool,
        now: Timestamp,
    ) -> Result<Vec<Device>, Refusal> {
        let mut session = self.session().await?;
        let created = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let properties = self.properties_of(&candidates, session).await?;
                let present = self.like(&candidates, session).await?;
                let Enrolled { new, parents } =
                    enrol(&candidates, &properties, &present, again, now).map_err(abort)?;
                if new.is_empty() {
                    return Ok(new);
                }
                let documents: Vec<_> = new.iter().map(DeviceDocument::from).collect();
                self.devices.insert_many(&documents).session(&mut *session).await?;
                let before = |after: &Device| present.iter().find(|before| before.id == after.id).cloned();
                let parents: Vec<Changed> = parents
                    .into_iter()
                    .filter_map(|after| Some(Changed { before: before(&after)?, after }))
                    .collect();
                self.save_all(&parents, session).await?;
                let mut told: Vec<_> = new.iter().map(Announced::Device).collect();
                told.extend(parents.iter().flat_map(Changed::records));
                self.tell(&told, session).await?;
                Ok(new)
            })
            .await;
        created.map_err(|error| failed(error, Some(("id or device_id", "of this call"))))
    }

    async fn properties_of(
        &self,
        devices: &[Device],
        session: &mut ClientSession,
    ) -> Result<HashMap<String, Property>, Error> {
        let ids: HashSet<&str> = devices.iter().map(|device| device.property_id.as_str()).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut cursor = self.properties.find(doc! { "id": { "$in": ids } }).session(&mut *session).await?;
        let documents: Vec<PropertyDocument> = cursor.stream(session).try_collect().await?;
        let keyed = |document| {
            let property = Property::try_from(document).map_err(Error::custom)?;
            Ok((property.id.clone(), property))
        };
        documents.into_iter().map(keyed).collect()
    }

    /// The devices that share an identifier with one of these, now or formerly, and those that they are behind.
    async fn like(&self, devices: &[Device], session: &mut ClientSession) -> Result<Vec<Device>, Error> {
        let mut ids: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
        ids.extend(devices.iter().filter_map(|device| device.parent_device_id.as_deref()));
        let serials: Vec<&str> = devices.iter().map(|device| device.device_id.as_str()).collect();
        let mut same = with_serials(&serials);
        same.push(doc! { "id": { "$in": ids } });
        self.find_devices(doc! { "$or": same }, session).await
    }

    /// Changes a device.
    ///
    /// # Errors
    /// There is none, the change cannot be, or the database does not answer.
    pub async fn change_device(
        self,
        id: String,
        change: DeviceChange,
        now: Timestamp,
    ) -> Result<Device, Refusal> {
        let mut session = self.session().await?;
        let changed = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let before = self.find_device(&id, session).await?;
                let property = match &change.property_id {
                    Some(id) => Some(self.find_property(id, session).await.map_err(missing_target)?),
                    None => None,
                };
                let ancestors = match &change.parent_device_id {
                    Some(parent) => self.ancestors(parent, session).await?,
                    None => Vec::new(),
                };
                let around = Surroundings {
                    property: property.as_ref(),
                    ancestors: &ancestors,
                    has_sub_meters: self.has_sub_meters(&id, session).await?,
                };
                let after = before.change(&change, around, now).map_err(abort)?;
                let parent = ancestors.into_iter().next();
                if let Some(parent) = parent.filter(|_| after.parent_device_id != before.parent_device_id) {
                    let behind_from = change.day(&before, now);
                    let after = parent.become_parent(behind_from, now);
                    self.save(&Changed { before: parent, after }, session).await?;
                }
                self.save(&Changed { before, after: after.clone() }, session).await?;
                Ok(after)
            })
            .await;
        changed.map_err(refused)
    }

    /// Corrects a device.
    ///
    /// # Errors
    /// There is none, the correction cannot be, or the database does not answer.
    pub async fn correct_device(
        self,
        id: String,
        correction: Correction,
        now: Timestamp,
    ) -> Result<Device, Refusal> {
        let mut session = self.session().await?;
        let corrected = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let before = self.find_device(&id, session).await?;
                let has_sub_meters = self.has_sub_meters(&id, session).await?;
                let after = before.correct(&correction, has_sub_meters, now).map_err(abort)?;
                self.save(&Changed { before, after: after.clone() }, session).await?;
                Ok(after)
            })
            .await;
        corrected.map_err(refused)
    }

    /// Puts another meter in at a device.
    ///
    /// # Errors
    /// There is none, the exchange cannot be, or the database does not answer.
    pub async fn exchange_meter(
        self,
        id: String,
        exchange: MeterExchange,
        now: Timestamp,
    ) -> Result<Device, Refusal> {
        let serial = exchange.device_id.clone();
        let mut session = self.session().await?;
        let exchanged = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let before = self.find_device(&id, session).await?;
                let after = before.exchange(&exchange, now).map_err(abort)?;
                let others =
                    self.find_devices(doc! { "$or": with_serials(&[&exchange.device_id]) }, session).await?;
                after.check_others(&exchange, &others).map_err(abort)?;
                self.save(&Changed { before, after: after.clone() }, session).await?;
                Ok(after)
            })
            .await;
        exchanged.map_err(|error| failed(error, Some(("device_id", &serial))))
    }

    /// The ids of the properties and the devices whose day has come.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due(&self, now: Timestamp) -> Result<(Vec<String>, Vec<String>), Refusal> {
        let due = doc! { "turns_at": { "$lte": indowater_common::mongo::to_bson_time(now) } };
        let properties = ids(&self.properties.clone_with_type(), &due).await.map_err(refused)?;
        let devices = ids(&self.devices.clone_with_type(), &due).await.map_err(refused)?;
        Ok((properties, devices))
    }

    /// Brings a device up to date whose day has come.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn turn_device(self, id: String, now: Timestamp) -> Result<(), Refusal> {
        let mut session = self.session().await?;
        let turned = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let before = self.find_device(&id, session).await?;
                let after = before.turn(now);
                self.save(&Changed { before, after }, session).await
            })
            .await;
        turned.map_err(refused)
    }

    /// The device of that id and those that it is behind, the nearest first.
    async fn ancestors(&self, id: &str, session: &mut ClientSession) -> Result<Vec<Device>, Error> {
        let mut chain: Vec<Device> = Vec::new();
        let mut next = Some(id.to_owned()).filter(|id| !id.is_empty());
        while let Some(id) = next {
            if chain.len() == MOST_LEVELS {
                let detail = format!("device {:?} is behind too many others", chain[0].id);
                return Err(abort(Refusal::Precondition(detail)));
            }
            let device = self.find_device(&id, session).await.map_err(missing_target)?;
            next = device.parent_device_id.clone();
            chain.push(device);
        }
        Ok(chain)
    }

    async fn has_sub_meters(&self, id: &str, session: &mut ClientSession) -> Result<bool, Error> {
        let found = self.devices.clone_with_type::<Document>();
        let found = found.find_one(doc! { "parent_device_id": id }).projection(doc! { "_id": 1 });
        Ok(found.session(session).await?.is_some())
    }
}

/// What finds the devices that have or had one of these meters; an older system's documents lack the key.
pub(super) fn with_serials(serials: &[&str]) -> Vec<Document> {
    let keys: Vec<String> = serials.iter().map(|serial| key(serial).into_owned()).collect();
    vec![
        doc! { "device_key": { "$in": &keys } },
        doc! { "former_device_keys": { "$in": keys } },
        doc! { "device_id": { "$in": serials } },
    ]
}

async fn ids(collection: &Collection<Document>, filter: &Document) -> Result<Vec<String>, Error> {
    let found = collection.find(filter.clone()).projection(doc! { "id": 1 }).limit(ROUND).await?;
    let documents: Vec<Document> = found.try_collect().await?;
    Ok(documents.iter().filter_map(|document| document.get_str("id").ok().map(str::to_owned)).collect())
}

/// Where a device is to stand or be behind, one that is not there is no answer to "which device?".
fn missing_target(error: Error) -> Error {
    match error.get_custom::<Refusal>() {
        Some(refusal @ Refusal::NotFound { .. }) => abort(Refusal::Precondition(refusal.to_string())),
        _ => error,
    }
}
