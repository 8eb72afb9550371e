//! The registry's collections. Every change and the records that tell it are one transaction, through the outbox.
//!
//! A transaction that changes anything takes numbers from the outbox's counter, so two of them conflict there and one
//! runs again: changes of the registry are serial, and what one of them read still holds when it commits. That is why
//! a device can copy customer and class from its property without a lock.
//!
//! What a transaction needs it is given by value: if its closure borrowed, the compiler could not prove that the
//! future may move between threads (rust-lang/rust #96865).
//!
//! Entries are found by `id`, not `_id`: an older system may have given its documents other keys.

use std::sync::Arc;

use bson::{Document, RawDocumentBuf, doc, rawdoc};
use futures::TryStreamExt;
use indowater_common::mongo::outbox::{Outbox, Row};
use indowater_common::mongo::{is_duplicate_key, update_within};
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};
use serde::Serialize;

use super::documents::{DeviceDocument, PropertyDocument};
use crate::domain::registry::{Device, DeviceFilter, Page, Property, Refusal, Status};
use crate::observe;

/// What is to be told.
#[derive(Clone, Copy, Debug)]
pub enum Announced<'a> {
    /// A property as it now is.
    Property(&'a Property),
    /// A device as it now is.
    Device(&'a Device),
    /// That days of a device are to be judged again, by what is known of it now.
    Facts(&'a Device),
}

/// Makes the record that tells something; it is given to the registry when the service is wired up.
pub type Announce = Arc<dyn Fn(Announced<'_>) -> Row + Send + Sync>;

/// The registry in the database. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    pub(super) database: Database,
    pub(super) properties: Collection<PropertyDocument>,
    pub(super) devices: Collection<DeviceDocument>,
    outbox: Outbox,
    announce: Announce,
}

/// A device before and after a change.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    pub before: Device,
    pub after: Device,
}

/// Devices that are written by one command.
const PER_COMMAND: usize = 500;
/// Fields that telemetry writes meanwhile.
const OF_TELEMETRY: &[&str] = &["last_reading", "last_reading_date"];

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
        let found = self.properties.find_one(doc! { "id": id }).await.map_err(refused)?;
        found.ok_or_else(|| no_property(id))?.try_into().map_err(unreadable)
    }

    /// The device of that id.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn device(&self, id: &str) -> Result<Device, Refusal> {
        let found = self.devices.find_one(doc! { "id": id }).await.map_err(refused)?;
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
        list::<PropertyDocument, _>(&self.properties, filter, page).await
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
        list::<DeviceDocument, _>(&self.devices, filter, page).await
    }

    /// Those of these devices that are there and can be read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn devices_among(&self, ids: impl IntoIterator<Item = &String>) -> Result<Vec<Device>, Error> {
        let found = self.devices.clone_with_type().find(among(ids)).await?;
        let documents: Vec<RawDocumentBuf> = found.try_collect().await?;
        Ok(documents.iter().filter_map(|document| read::<DeviceDocument, _>("devices", document)).collect())
    }

    /// Those of these properties that are there and can be read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn properties_among(
        &self,
        ids: impl IntoIterator<Item = &String>,
    ) -> Result<Vec<Property>, Error> {
        let found = self.properties.clone_with_type().find(among(ids)).await?;
        let documents: Vec<RawDocumentBuf> = found.try_collect().await?;
        Ok(documents
            .iter()
            .filter_map(|document| read::<PropertyDocument, _>("properties", document))
            .collect())
    }

    pub(super) async fn find_property(
        &self,
        id: &str,
        session: &mut ClientSession,
    ) -> Result<Property, Error> {
        let found = self.properties.find_one(doc! { "id": id }).session(session).await?;
        found.ok_or_else(|| abort(no_property(id)))?.try_into().map_err(Error::custom)
    }

    pub(super) async fn find_device(&self, id: &str, session: &mut ClientSession) -> Result<Device, Error> {
        let found = self.devices.find_one(doc! { "id": id }).session(session).await?;
        found.ok_or_else(|| abort(no_device(id)))?.try_into().map_err(Error::custom)
    }

    /// The devices of a filter; those that cannot be read are left out, and told.
    pub(super) async fn find_devices(
        &self,
        filter: Document,
        session: &mut ClientSession,
    ) -> Result<Vec<Device>, Error> {
        let devices = self.devices.clone_with_type::<RawDocumentBuf>();
        let mut cursor = devices.find(filter).session(&mut *session).await?;
        let documents: Vec<RawDocumentBuf> = cursor.stream(session).try_collect().await?;
        Ok(documents.iter().filter_map(|document| read::<DeviceDocument, _>("devices", document)).collect())
    }

    /// Writes a device, and tells it; if it is not changed, nothing.
    pub(super) async fn save(&self, changed: &Changed, session: &mut ClientSession) -> Result<(), Error> {
        if changed.before != changed.after {
            let set = settable(&DeviceDocument::from(&changed.after), OF_TELEMETRY)?;
            self.devices.update_one(doc! { "id": &changed.after.id }, set).session(&mut *session).await?;
            self.tell(&changed.records(), session).await?;
        }
        Ok(())
    }

    /// Writes devices that follow from a change, without telling them yet. Their identifiers stay as they are.
    pub(super) async fn save_all(
        &self,
        changed: &[Changed],
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        for chunk in changed.chunks(PER_COMMAND) {
            let mut statements = Vec::new();
            for Changed { after, .. } in chunk {
                let set = settable(&DeviceDocument::from(after), OF_TELEMETRY)?;
                let set = RawDocumentBuf::try_from(&set)?;
                statements.push(rawdoc! { "q": { "id": after.id.as_str() }, "u": set });
            }
            update_within(session, &self.database, "devices", &statements).await?;
        }
        Ok(())
    }

    /// Puts the records that tell these into the outbox.
    pub(super) async fn tell(
        &self,
        told: &[Announced<'_>],
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        let rows: Vec<Row> = told.iter().map(|one| (self.announce)(*one)).collect();
        self.outbox.put(session, &rows).await
    }

    pub(super) async fn session(&self) -> Result<ClientSession, Refusal> {
        self.database.client().start_session().await.map_err(refused)
    }
}

impl Changed {
    /// What tells the change: the entry, and that days are to be judged again where they are judged otherwise now.
    pub(super) fn records(&self) -> Vec<Announced<'_>> {
        let mut records = vec![Announced::Device(&self.after)];
        if !self.after.is_judged_like(&self.before) {
            records.push(Announced::Facts(&self.after));
        }
        records
    }
}

async fn list<D, T>(
    collection: &Collection<D>,
    mut filter: Document,
    page: &Page,
) -> Result<(Vec<T>, String), Refusal>
where
    D: serde::de::DeserializeOwned + Send + Sync,
    T: TryFrom<D, Error: std::fmt::Display>,
{
    if !page.after.is_empty() {
        filter.insert("id", doc! { "$gt": &page.after });
    }
    // One more than the page tells whether there is another.
    let limit = i64::try_from(page.size).unwrap_or(i64::MAX).saturating_add(1);
    let raw = collection.clone_with_type::<RawDocumentBuf>();
    let cursor = raw.find(filter).sort(doc! { "id": 1 }).limit(limit).await.map_err(refused)?;
    let documents: Vec<RawDocumentBuf> = cursor.try_collect().await.map_err(refused)?;
    let id = |document: &RawDocumentBuf| document.get_str("id").unwrap_or_default().to_owned();
    let (documents, next) = page.cut(documents, id);
    let entries = documents.iter().filter_map(|document| read(collection.name(), document)).collect();
    Ok((entries, next))
}

fn among<'a>(ids: impl IntoIterator<Item = &'a String>) -> Document {
    doc! { "id": { "$in": ids.into_iter().collect::<Vec<_>>() } }
}

/// An entry out of its document. One that cannot be read stops nothing: it is told, and passed over.
pub(super) fn read<D, T>(collection: &str, document: &RawDocumentBuf) -> Option<T>
where
    D: serde::de::DeserializeOwned,
    T: TryFrom<D, Error: std::fmt::Display>,
{
    let entry = bson::deserialize_from_slice::<D>(document.as_bytes())
        .map_err(|error| error.to_string())
        .and_then(|document| T::try_from(document).map_err(|error| error.to_string()));
    entry.map_err(|error| observe::document_unreadable(collection, &error)).ok()
}

/// The update that writes a document's fields, but for its key and those that are not ours to write.
pub(super) fn settable<D: Serialize>(document: &D, but: &[&str]) -> Result<Document, Error> {
    let mut fields = bson::serialize_to_document(document)?;
    for field in std::iter::once(&"_id").chain(but) {
        fields.remove(field);
    }
    Ok(doc! { "$set": fields })
}

pub(super) fn no_property(id: &str) -> Refusal {
    Refusal::NotFound { what: "property", id: id.to_owned() }
}

fn no_device(id: &str) -> Refusal {
    Refusal::NotFound { what: "device", id: id.to_owned() }
}

/// Takes a refusal out of a transaction, which ends it.
pub(super) fn abort(refusal: Refusal) -> Error {
    Error::custom(refusal)
}

/// Why a transaction failed. Where `taken` is named, an identifier that another call was faster to take by a hair is
/// refused as that: the database knows better than what was read.
pub(super) fn failed(error: Error, taken: Option<(&'static str, &str)>) -> Refusal {
    match taken {
        Some((field, value)) if is_duplicate_key(&error) => Refusal::Taken { field, value: value.to_owned() },
        _ => refused(error),
    }
}

pub(super) fn refused(error: Error) -> Refusal {
    match error.get_custom::<Refusal>() {
        Some(refusal) => refusal.clone(),
        None => Refusal::Unavailable(error.to_string()),
    }
}

fn unreadable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(error.to_string())
}
