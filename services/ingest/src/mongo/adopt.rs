//! Taking over documents of an older system: those that lack the identifier as it is compared.
//!
//! Telemetry writes by `_id` alone, and a device is found in any spelling by its `device_key`; a document that has
//! neither is given both, once, with all its fields kept. Its zone and class, where it names none, are its property's.

use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use indowater_common::domain::identifier;
use indowater_common::mongo::is_duplicate_key;
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};

use crate::observe;

/// Takes over as soon as the database answers, for the service's start.
pub async fn adopt_eventually(database: &Database) {
    loop {
        match adopt_all(database).await {
            Ok(0) => return,
            Ok(count) => return observe::devices_adopted(count),
            Err(error) => tracing::warn!(%error, "devices of an older system could not be taken over yet"),
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

/// Takes over every device that is not yet.
async fn adopt_all(database: &Database) -> Result<usize, Error> {
    let devices: Collection<Document> = database.collection("devices");
    let mut found = devices.find(doc! { "device_key": { "$exists": false } }).await?;
    let mut adopted = 0;
    while let Some(document) = found.try_next().await? {
        adopt(database, document).await?;
        adopted += 1;
    }
    Ok(adopted)
}

/// Takes over one device.
///
/// # Errors
/// The database does not answer.
pub(super) async fn adopt(database: &Database, document: Document) -> Result<(), Error> {
    let key = document.get("_id").cloned().unwrap_or(Bson::Null);
    let mut session = database.client().start_session().await?;
    let (database, taken) = (database.clone(), key.clone());
    let adopted = session
        .start_transaction()
        .and_run2(async move |session: &mut ClientSession| take_over(&database, &key, session).await)
        .await;
    match adopted {
        // Two devices whose identifiers differ by case only: a person has to say which is which.
        Err(error) if is_duplicate_key(&error) => {
            observe::identifier_shared(&taken.to_string(), &error);
            Ok(())
        }
        other => other,
    }
}

async fn take_over(database: &Database, key: &Bson, session: &mut ClientSession) -> Result<(), Error> {
    let devices: Collection<Document> = database.collection("devices");
    // It may have been taken over, or changed, since it was seen.
    let Some(mut device) = devices.find_one(doc! { "_id": key }).session(&mut *session).await? else {
        return Ok(());
    };
    let text = |field: &str| device.get_str(field).map(str::to_owned);
    let (Ok(id), Ok(device_id)) = (text("id"), text("device_id")) else { return Ok(()) };
    let property = doc! { "id": text("property_id").unwrap_or_default() };
    device.insert("device_key", identifier::key(&device_id).into_owned());
    device.insert("device_alike", identifier::alike(&device_id));
    let properties: Collection<Document> = database.collection("properties");
    if let Some(property) = properties.find_one(property).session(&mut *session).await? {
        for field in ["time_zone", "tariff_class"] {
            if let (false, Some(value)) = (device.contains_key(field), property.get(field)) {
                device.insert(field, value.clone());
            }
        }
    }
    device.insert("_id", &id);
    devices.delete_one(doc! { "_id": key }).session(&mut *session).await?;
    devices.insert_one(device).session(session).await?;
    Ok(())
}
