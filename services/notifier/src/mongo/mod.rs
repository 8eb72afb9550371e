//! The database's edge: who is told (`people`), what they want (`alert_preferences`), what is watched (`alert_watches`), what they
//! were told (`alerts`, `notifications`), its way to them (`deliveries`), and tips.

mod alerts;
mod commit;
mod deliveries;
mod inbox;
mod people;
mod preferences;
mod tips;
mod watches;

use std::collections::HashMap;
use std::sync::Arc;

use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use indowater_common::domain::request::{Page, Problems};
use indowater_common::mongo::outbox::{Outbox, Row};
use indowater_common::mongo::{from_bson_time, to_bson_time};
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::{Collection, Database};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::alert::Alert;
use crate::domain::request::Refusal;

pub use commit::Changes;

/// Makes the record that tells an alert; it is given to the store when the service is wired up.
pub type Announce = Arc<dyn Fn(&Alert) -> Row + Send + Sync>;

/// Everything of notifier in the database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    outbox: Outbox,
    announce: Announce,
}

/// By id; what cannot be read, with the reason.
pub type Found<T> = HashMap<String, Result<T, String>>;

impl Store {
    /// On the database of notifier.
    pub fn new(database: Database, outbox: Outbox, announce: Announce) -> Self {
        Self { database, outbox, announce }
    }

    fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.database.collection(name)
    }

    /// The documents of a collection with these `_id`s.
    async fn by_id<T: DeserializeOwned>(&self, name: &str, ids: &[&str]) -> Result<Found<T>, Error> {
        if ids.is_empty() {
            return Ok(Found::new());
        }
        let documents: Vec<Document> =
            self.collection(name).find(doc! { "_id": { "$in": ids } }).await?.try_collect().await?;
        let understood = documents.into_iter().filter_map(|document| {
            let id = document.get_str("_id").ok()?.to_owned();
            let read =
                bson::deserialize_from_document(document).map_err(|error| format!("{name} {id}: {error}"));
            Some((id, read))
        });
        Ok(understood.collect())
    }

    /// A page of documents, the newest first, and the token of the next. What cannot be read is left out and logged.
    async fn newest<T: DeserializeOwned>(
        &self,
        name: &str,
        mut filter: Document,
        page: &Page,
    ) -> Result<(Vec<T>, String), Refusal> {
        if !page.after.is_empty() {
            let (at, id) =
                page.after.split_once('|').and_then(|(at, id)| Some((at.parse().ok()?, id))).ok_or_else(
                    || Refusal::Invalid(Problems::of("page_token", "must be that of another page")),
                )?;
            let at = DateTime::from_millis(at);
            let before =
                vec![doc! { "created_at": { "$lt": at } }, doc! { "created_at": at, "id": { "$lt": id } }];
            filter.insert("$or", before);
        }
        let many = i64::try_from(page.size + 1).unwrap_or(i64::MAX);
        let (collection, newest_first) =
            (self.collection::<Document>(name), doc! { "created_at": -1, "id": -1 });
        let found = collection.find(filter).sort(newest_first).limit(many).await.map_err(refused)?;
        let (documents, next) = page.cut(found.try_collect::<Vec<_>>().await.map_err(refused)?, token);
        let readable = documents.into_iter().filter_map(|document| {
            let id = document.get_str("id").unwrap_or_default().to_owned();
            bson::deserialize_from_document(document)
                .map_err(|error| tracing::error!(%error, collection = name, id, "a document cannot be read"))
                .ok()
        });
        Ok((readable.collect(), next))
    }
}

fn refused(error: Error) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

fn token(document: &Document) -> String {
    let at = document.get_datetime("created_at").map_or(0, |at| at.timestamp_millis());
    format!("{at}|{}", document.get_str("id").unwrap_or_default())
}

fn raw<T: Serialize>(document: &T) -> Result<RawDocumentBuf, Error> {
    Ok(bson::serialize_to_raw_document_buf(document)?)
}

fn moment(at: Option<DateTime>) -> Option<Timestamp> {
    at.map(from_bson_time)
}

fn time(at: Option<Timestamp>) -> Option<DateTime> {
    at.map(to_bson_time)
}

fn seconds(at: i64) -> DateTime {
    DateTime::from_millis(at.saturating_mul(1_000))
}

/// A figure of another system, or of ours, scaled by a power of ten and rounded to a whole number.
fn scaled(value: Option<&Bson>, places: u32) -> Option<i64> {
    let figure = indowater_common::mongo::number(value?)?;
    let scaled = figure.checked_mul(10_i64.checked_pow(places)?.into())?.round();
    scaled.try_into().ok()
}
