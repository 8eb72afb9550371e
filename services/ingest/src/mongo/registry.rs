//! The registry's collections. Every change and the records that tell it are one transaction, through the outbox.
//!
//! A transaction that changes anything takes numbers from the outbox's counter, so two of them conflict there and one
//! runs again: changes of the registry are serial, and what one of them read still holds when it commits. That is why
//! a device can copy customer and class from its property without a lock.
//!
//! What a transaction needs it is given by value: if its closure borrowed, the compiler could not prove that the
//! future may move between threads (rust-lang/rust #96865).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bson::{Document, doc};
use futures::TryStreamExt;
use indowater_common::domain::identifier;
use indowater_common::mongo::outbox::{Outbox, Row};
use indowater_common::mongo::{is_duplicate_key, to_bson_time};
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};

use super::documents::{DeviceDocument, PropertyDocument};
use crate::domain::registry::{
    Device, DeviceChange, DeviceFilter, Page, Property, PropertyChange, Refusal, Status, enrol,
};

/// An entry that is to be told.
#[derive(Clone, Copy, Debug)]
pub enum Announced<'a> {
    /// A property as it now is.
    Property(&'a Property),
    /// A device as it now is.
    Device(&'a Device),
}

/// Makes the record that tells an entry; it is given to the registry when the service is wired up.
pub type Announce = Arc<dyn Fn(Announced<'_>) -> Row + Send + Sync>;

/// The registry in the database. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    database: Database,
    properties: Collection<PropertyDocument>,
    devices: Collection<DeviceDocument>,
    outbox: Outbox,
    announce: Announce,
}

impl Registry {
    /// On the database of ingest.
    pub fn new(database: &Database, outbox: Outbox, announce: Announce) -> Self {
        Self {
            database: database.clone(),
            properties: database.collection("properties"),
            devices: database.collection("devices"),
            outbox,
            announce,
        }
    }

    /// The property of that id.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn property(&self, id: &str) -> Result<Property, Refusal> {
        let found = self.properties.find_one(doc! { "_id": id }).await.map_err(refused)?;
        found.ok_or_else(|| no_property(id))?.try_into().map_err(unreadable)
    }

    /// The device of that id.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn device(&self, id: &str) -> Result<Device, Refusal> {
        let found = self.devices.find_one(doc! { "_id": id }).await.map_err(refused)?;
        found.ok_or_else(|| no_device(id))?.try_into().map_err(unreadable)
    }

    /// A page of properties, and the token of the next.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn properties(
        &self,
        customer_id: Option<&str>,
        page: &Page,
    ) -> Result<(Vec<Property>, String), Refusal> {
        let filter = customer_id.map_or_else(Document::new, |id| doc! { "customer_id": id });
        list(&self.properties, filter, page, |property: &Property| &property.id).await
    }

    /// A page of devices, and the token of the next.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn devices(
        &self,
        wanted: &DeviceFilter,
        page: &Page,
    ) -> Result<(Vec<Device>, String), Refusal> {
        let mut filter = Document::new();
        for (field, value) in [
            ("customer_id", wanted.customer_id.as_deref()),
            ("property_id", wanted.property_id.as_deref()),
            ("status", wanted.status.map(Status::name)),
        ] {
            if let Some(value) = value {
                filter.insert(field, value);
            }
        }
        list(&self.devices, filter, page, |device: &Device| &device.id).await
    }

    /// Creates a property.
    ///
    /// # Errors
    /// Its id is taken, or the database does not answer.
    pub async fn create_property(self, property: Property) -> Result<Property, Refusal> {
        let id = property.id.clone();
        let mut session = self.session().await?;
        let created = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let document = PropertyDocument::from(&property);
                self.properties.insert_one(document).session(&mut *session).await?;
                self.tell(&[Announced::Property(&property)], session).await?;
                Ok(property.clone())
            })
            .await;
        match created {
            Err(error) if is_duplicate_key(&error) => Err(Refusal::Taken { field: "id", value: id }),
            other => other.map_err(refused),
        }
    }

    /// Changes a property, and with it its devices where they carry what changed.
    ///
    /// # Errors
    /// There is none, the change cannot be, or the database does not answer.
    pub async fn change_property(
        self,
        id: String,
        change: PropertyChange,
        now: Timestamp,
    ) -> Result<(Property, usize), Refusal> {
        let mut session = self.session().await?;
        let changed = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let before = self.find_property(&id, session).await?;
                let after = before.change(&change, now).map_err(abort)?;
                if after == before {
                    return Ok((after, 0));
                }
                let set = settable(&PropertyDocument::from(&after), &[])?;
                self.properties.update_one(doc! { "_id": &id }, set).session(&mut *session).await?;
                let mut devices = Vec::new();
                if before.concerns_devices(&after) {
                    devices = self.follow(&after, session).await?;
                }
                let mut changed = vec![Announced::Property(&after)];
                changed.extend(devices.iter().map(Announced::Device));
                self.tell(&changed, session).await?;
                Ok((after, 1 + devices.len()))
            })
            .await;
        changed.map_err(refused)
    }

    /// Brings the devices of a property after it.
    async fn follow(&self, property: &Property, session: &mut ClientSession) -> Result<Vec<Device>, Error> {
        let mut cursor =
            self.devices.find(doc! { "property_id": &property.id }).session(&mut *session).await?;
        let devices: Vec<DeviceDocument> = cursor.stream(&mut *session).try_collect().await?;
        let set = doc! {
            "customer_id": &property.customer_id,
            "tariff_class": &property.tariff_class,
            "updated_at": to_bson_time(property.updated_at),
        };
        self.devices
            .update_many(
                doc! { "property_id": &property.id },
                doc! { "$set": set, "$inc": { "version": 1_i64 } },
            )
            .session(session)
            .await?;
        let followed = |document| Ok(Device::try_from(document).map_err(Error::custom)?.follow(property));
        devices.into_iter().map(followed).collect()
    }

    /// Creates devices at existing properties: all or none. Returns the new ones; with `again`, a device that is there
    /// under the same ids is passed over.
    ///
    /// # Errors
    /// A property is missing, an id is taken, or the database does not answer.
    pub async fn create_devices(self, candidates: Vec<Device>, again: bool) -> Result<Vec<Device>, Refusal> {
        let mut session = self.session().await?;
        let created = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                let properties = self.properties_of(&candidates, session).await?;
                let present = self.like(&candidates, session).await?;
                let new = enrol(&candidates, &properties, &present, again).map_err(abort)?;
                if !new.is_empty() {
                    let documents: Vec<_> = new.iter().map(DeviceDocument::from).collect();
                    self.devices.insert_many(&documents).session(&mut *session).await?;
                    let entries: Vec<_> = new.iter().map(Announced::Device).collect();
                    self.tell(&entries, session).await?;
                }
                Ok(new)
            })
            .await;
        match created {
            // Another call was faster by a hair: the database knows better than what we read.
            Err(error) if is_duplicate_key(&error) => {
                Err(Refusal::Taken { field: "id or device_id", value: "of this call".to_owned() })
            }
            other => other.map_err(refused),
        }
    }

    async fn properties_of(
        &self,
        devices: &[Device],
        session: &mut ClientSession,
    ) -> Result<HashMap<String, Property>, Error> {
        let ids: HashSet<&str> = devices.iter().map(|device| device.property_id.as_str()).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut cursor = self.properties.find(doc! { "_id": { "$in": ids } }).session(&mut *session).await?;
        let documents: Vec<PropertyDocument> = cursor.stream(session).try_collect().await?;
        let keyed = |document| {
            let property = Property::try_from(document).map_err(Error::custom)?;
            Ok((property.id.clone(), property))
        };
        documents.into_iter().map(keyed).collect()
    }

    /// The devices that share an identifier with one of these.
    async fn like(&self, devices: &[Device], session: &mut ClientSession) -> Result<Vec<Device>, Error> {
        let (ids, device_ids): (Vec<&str>, Vec<&str>) =
            devices.iter().map(|device| (device.id.as_str(), device.device_id.as_str())).unzip();
        let keys: Vec<_> =
            device_ids.iter().map(|device_id| identifier::key(device_id).into_owned()).collect();
        let same = doc! { "$or": [
            { "_id": { "$in": ids } },
            { "device_key": { "$in": keys } },
            { "device_id": { "$in": device_ids } },
        ] };
        let mut cursor = self.devices.find(same).session(&mut *session).await?;
        let documents: Vec<DeviceDocument> = cursor.stream(session).try_collect().await?;
        documents.into_iter().map(|document| Device::try_from(document).map_err(Error::custom)).collect()
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
                let found = self.devices.find_one(doc! { "_id": &id }).session(&mut *session).await?;
                let before: Device =
                    found.ok_or_else(|| abort(no_device(&id)))?.try_into().map_err(Error::custom)?;
                let property = match &change.property_id {
                    Some(id) => Some(self.find_property(id, session).await.map_err(missing_target)?),
                    None => None,
                };
                let after = before.change(&change, property.as_ref(), now).map_err(abort)?;
                if after != before {
                    // Telemetry writes these meanwhile.
                    let set =
                        settable(&DeviceDocument::from(&after), &["last_reading", "last_reading_date"])?;
                    self.devices.update_one(doc! { "_id": &id }, set).session(&mut *session).await?;
                    self.tell(&[Announced::Device(&after)], session).await?;
                }
                Ok(after)
            })
            .await;
        changed.map_err(refused)
    }

    async fn find_property(&self, id: &str, session: &mut ClientSession) -> Result<Property, Error> {
        let found = self.properties.find_one(doc! { "_id": id }).session(session).await?;
        found.ok_or_else(|| abort(no_property(id)))?.try_into().map_err(Error::custom)
    }

    /// Puts the records that tell these entries into the outbox.
    async fn tell(&self, entries: &[Announced<'_>], session: &mut ClientSession) -> Result<(), Error> {
        let rows: Vec<Row> = entries.iter().map(|entry| (self.announce)(*entry)).collect();
        self.outbox.put(session, &rows).await
    }

    async fn session(&self) -> Result<ClientSession, Refusal> {
        self.database.client().start_session().await.map_err(refused)
    }
}

async fn list<D, T>(
    collection: &Collection<D>,
    mut filter: Document,
    page: &Page,
    id: impl Fn(&T) -> &String,
) -> Result<(Vec<T>, String), Refusal>
where
    D: serde::de::DeserializeOwned + Send + Sync + Unpin,
    T: TryFrom<D, Error: std::fmt::Display>,
{
    if !page.after.is_empty() {
        filter.insert("_id", doc! { "$gt": &page.after });
    }
    // One more than the page tells whether there is another.
    let limit = i64::try_from(page.size).unwrap_or(i64::MAX).saturating_add(1);
    let cursor = collection.find(filter).sort(doc! { "_id": 1 }).limit(limit).await.map_err(refused)?;
    let documents: Vec<D> = cursor.try_collect().await.map_err(refused)?;
    let entries =
        documents.into_iter().map(|d| d.try_into().map_err(unreadable)).collect::<Result<Vec<T>, _>>()?;
    Ok(page.cut(entries, |entry| id(entry).to_owned()))
}

/// The update that writes a document's fields, but for its key and those that are not ours to write.
fn settable<D: serde::Serialize>(document: &D, but: &[&str]) -> Result<Document, Error> {
    let mut fields = bson::serialize_to_document(document)?;
    for field in std::iter::once(&"_id").chain(but) {
        fields.remove(field);
    }
    Ok(doc! { "$set": fields })
}

fn no_property(id: &str) -> Refusal {
    Refusal::NotFound { what: "property", id: id.to_owned() }
}

fn no_device(id: &str) -> Refusal {
    Refusal::NotFound { what: "device", id: id.to_owned() }
}

/// Where a device is to move, a property that is not there is no answer to "which device?".
fn missing_target(error: Error) -> Error {
    match error.get_custom::<Refusal>() {
        Some(refusal @ Refusal::NotFound { .. }) => abort(Refusal::Precondition(refusal.to_string())),
        _ => error,
    }
}

/// Takes a refusal out of a transaction, which ends it.
fn abort(refusal: Refusal) -> Error {
    Error::custom(refusal)
}

fn refused(error: Error) -> Refusal {
    match error.get_custom::<Refusal>() {
        Some(refusal) => refusal.clone(),
        None => Refusal::Unavailable(error.to_string()),
    }
}

fn unreadable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}
