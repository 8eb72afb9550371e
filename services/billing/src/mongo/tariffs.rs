//! The tariffs' collection: one document for each class. Every change and the record that tells it are one transaction, through
//! the outbox, whose counter makes changes serial.

use std::sync::Arc;

use bson::{Binary, doc, spec::BinarySubtype};
use futures::TryStreamExt;
use indowater_common::mongo::is_duplicate_key;
use indowater_common::mongo::outbox::{Outbox, Row};
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};
use serde::{Deserialize, Serialize};

use super::documents::time;

/// Makes the record that tells an encoded schedule: class, revision, moment, value.
pub type Announce = Arc<dyn Fn(&str, i64, i64, &[u8]) -> Row + Send + Sync>;

/// A schedule as it is kept: what is asked for beside the message that is published.
#[derive(Debug, Serialize, Deserialize)]
struct ScheduleDocument {
    #[serde(rename = "_id")]
    class: String,
    revision: i64,
    updated_at: bson::DateTime,
    schedule: Binary,
}

/// The tariffs in the database. Cheap to clone.
#[derive(Clone)]
pub struct Tariffs {
    database: Database,
    schedules: Collection<ScheduleDocument>,
    outbox: Outbox,
    announce: Announce,
}

impl Tariffs {
    /// On the database of billing.
    pub fn new(database: &Database, outbox: Outbox, announce: Announce) -> Self {
        Self { database: database.clone(), schedules: database.collection("tariffs"), outbox, announce }
    }

    /// Every schedule, encoded, by class.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn all(&self) -> Result<Vec<Vec<u8>>, Error> {
        let found = self.schedules.find(doc! {}).sort(doc! { "_id": 1 }).await?;
        let found: Vec<ScheduleDocument> = found.try_collect().await?;
        Ok(found.into_iter().map(|document| document.schedule.bytes).collect())
    }

    /// The schedule of a class, encoded.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn one(&self, class: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = self.schedules.find_one(doc! { "_id": class }).await?;
        Ok(found.map(|document| document.schedule.bytes))
    }

    /// Writes a schedule in the place of its revision before, and the record that tells it. False if another revision is there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn put(
        self,
        class: &str,
        revision: i64,
        updated_at: i64,
        schedule: Vec<u8>,
    ) -> Result<bool, Error> {
        let row = (self.announce)(class, revision, updated_at, &schedule);
        let known = doc! { "_id": class, "revision": revision - 1 };
        let document = ScheduleDocument {
            class: class.to_owned(),
            revision,
            updated_at: time(updated_at),
            schedule: Binary { subtype: BinarySubtype::Generic, bytes: schedule },
        };
        let mut session = self.database.client().start_session().await?;
        let put = session
            .start_transaction()
            .and_run2(async move |session: &mut ClientSession| {
                if revision == 1 {
                    self.schedules.insert_one(&document).session(&mut *session).await?;
                } else {
                    let replacing = self.schedules.replace_one(known.clone(), &document);
                    if replacing.session(&mut *session).await?.matched_count == 0 {
                        return Ok(false);
                    }
                }
                self.outbox.put(session, std::slice::from_ref(&row)).await?;
                Ok(true)
            })
            .await;
        match put {
            Err(error) if is_duplicate_key(&error) => Ok(false),
            other => other,
        }
    }
}
