//! What identifiers on meters are compared by, stored beside them, for documents that do not have it yet: an older system
//! wrote them.

use bson::raw::RawDocumentBuf;
use bson::{doc, rawdoc};
use futures::TryStreamExt;
use indowater_common::domain::identifier;
use indowater_common::mongo::update;
use mongodb::error::Error;
use mongodb::{Collection, Database};
use serde::Deserialize;

use crate::observe;

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "_id")]
    id: String,
    device_id: String,
}

/// Documents that are filled by one command.
const PAGE: i64 = 1_000;

/// Fills what is missing. Of two devices whose identifiers are the same but for case or blanks the second one is left as it
/// is, and told.
///
/// # Errors
/// The database does not answer. Filling again goes on where it ended.
pub async fn fill(database: &Database) -> Result<(), Error> {
    let devices: Collection<Written> = database.collection("devices");
    let (mut after, mut filled) = (String::new(), 0);
    loop {
        let missing = doc! { "_id": { "$gt": &after }, "device_key": { "$exists": false } };
        let query =
            devices.find(missing).projection(doc! { "device_id": 1 }).sort(doc! { "_id": 1 }).limit(PAGE);
        let page: Vec<Written> = query.await?.try_collect().await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        let refusals = update(database, "devices", page.iter().map(statement).collect()).await?;
        filled += page.len() - refusals.len();
        for refused in refusals.iter().filter_map(|refusal| page.get(refusal.index)) {
            observe::identifier_shared(&refused.id, &refused.device_id);
        }
    }
    if filled > 0 {
        observe::identifiers_filled(filled);
    }
    Ok(())
}

/// Fills as soon as the database answers, for the service's start.
pub async fn fill_eventually(database: &Database) {
    while let Err(error) = fill(database).await {
        tracing::warn!(%error, "identifiers of devices could not be made comparable yet");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

fn statement(Written { id, device_id }: &Written) -> RawDocumentBuf {
    rawdoc! {
        "q": { "_id": id.as_str() },
        "u": { "$set": {
            "device_key": &*identifier::key(device_id),
            "device_alike": identifier::alike(device_id),
        } },
    }
}
