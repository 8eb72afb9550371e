//! The collection `quarantine_<service>`: records of topics that a service cannot process, kept whole until a person has
//! mended the cause.

use std::time::Duration;

use bson::{Binary, DateTime, Document, RawDocumentBuf, doc, rawdoc, spec::BinarySubtype};
use futures::TryStreamExt;
use mongodb::error::Error;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};

/// What the names of these collections begin with.
pub const PREFIX: &str = "quarantine_";

/// The name of a service's collection.
pub fn collection_of(service: &str) -> String {
    format!("{PREFIX}{}", service.replace('-', "_"))
}

/// A record that was set aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetAside {
    /// `topic:partition:offset`: a record is set aside once, however often it comes.
    #[serde(rename = "_id")]
    pub id: String,
    /// Full name of the topic.
    pub topic: String,
    /// Where it stands.
    pub partition: i32,
    /// Where it stands there.
    pub offset: i64,
    /// The record's key.
    pub key: Binary,
    /// The record's value.
    pub value: Binary,
    /// Its `content-type` header.
    pub content_type: Option<String>,
    /// Its time stamp on the broker.
    pub stamped_at: DateTime,
    /// Why it cannot be processed, and what would have to be mended.
    pub reason: String,
    /// When it was set aside last.
    pub set_aside_at: DateTime,
    /// Whether it is to be processed again.
    pub released: bool,
}

/// The quarantine of one service. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    records: Collection<SetAside>,
}

/// Records that are processed again at once.
const AT_ONCE: i64 = 200;

impl Store {
    /// The quarantine of `service` in that database.
    pub fn new(database: &Database, service: &str) -> Self {
        Self { records: database.collection(&collection_of(service)), database: database.clone() }
    }

    /// Keeps records. One that is there already takes the new reason, and is not released any more.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn put(&self, records: &[SetAside]) -> Result<(), Error> {
        let statement = |record: &SetAside| {
            let document = bson::serialize_to_raw_document_buf(record)?;
            Ok(rawdoc! { "q": { "_id": &*record.id }, "u": document, "upsert": true })
        };
        let statements = records.iter().map(statement).collect::<Result<Vec<RawDocumentBuf>, Error>>()?;
        let refused = super::update(&self.database, self.records.name(), statements).await?;
        match refused.into_iter().next() {
            Some(refusal) => Err(Error::custom(format!("a record could not be kept: {}", refusal.message))),
            None => Ok(()),
        }
    }

    /// Records of `topic` that are to be processed again, the oldest of each partition first.
    ///
    /// # Errors
    /// As above.
    pub async fn released(&self, topic: &str) -> Result<Vec<SetAside>, Error> {
        let wanted = doc! { "topic": topic, "released": true };
        let order = doc! { "partition": 1, "offset": 1 };
        self.records.find(wanted).sort(order).limit(AT_ONCE).await?.try_collect().await
    }

    /// Forgets those of these records that were not set aside again since they were read: they were processed.
    ///
    /// # Errors
    /// As above.
    pub async fn forget(&self, records: &[(String, DateTime)]) -> Result<(), Error> {
        let as_read: Vec<Document> =
            records.iter().map(|(id, at)| doc! { "_id": id, "set_aside_at": at, "released": true }).collect();
        self.records.delete_many(doc! { "$or": as_read }).await.map(drop)
    }

    /// How many records of `topic` there are.
    ///
    /// # Errors
    /// As above.
    pub async fn count(&self, topic: &str) -> Result<u64, Error> {
        let bound = Duration::from_secs(5);
        self.records.count_documents(doc! { "topic": topic }).max_time(bound).await
    }
}

/// Bytes as the collection keeps them.
pub fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// Says of records of a quarantine, of all of them if no ids are given, that they are to be processed again. Returns how many.
///
/// # Errors
/// The database does not answer.
pub async fn release(database: &Database, collection: &str, ids: Option<&[String]>) -> Result<u64, Error> {
    let which = ids.map_or_else(Document::new, |ids| doc! { "_id": { "$in": ids } });
    let released = doc! { "$set": { "released": true } };
    let records = database.collection::<Document>(collection);
    Ok(records.update_many(which, released).await?.matched_count)
}
