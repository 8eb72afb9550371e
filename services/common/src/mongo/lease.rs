//! A lease: of several instances at most one holds it, and a dead one's runs out.

use std::time::Duration;

use bson::doc;
use mongodb::error::Error;
use mongodb::{Collection, Database};

use super::{is_duplicate_key, to_bson_time};
use crate::clock;

/// A named right that one instance holds at a time.
pub struct Lease {
    leases: Collection<bson::Document>,
    name: String,
    holder: String,
    term: Duration,
}

impl Lease {
    /// A lease called `name` for this `holder`, to be renewed well within `term`.
    pub fn new(database: &Database, name: &str, holder: &str, term: Duration) -> Self {
        let holder = clock::new_id(holder);
        Self { leases: database.collection("leases"), name: name.to_owned(), holder, term }
    }

    /// Takes or renews it. False if another instance holds it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hold(&self) -> Result<bool, Error> {
        let now = clock::now();
        let until = now.saturating_add(self.term).unwrap_or(now);
        let mine_or_free = doc! {
            "_id": &self.name,
            "$or": [{ "holder": &self.holder }, { "until": { "$lt": to_bson_time(now) } }],
        };
        let taken = doc! { "$set": { "holder": &self.holder, "until": to_bson_time(until) } };
        match self.leases.update_one(mine_or_free, taken).upsert(true).await {
            Ok(_) => Ok(true),
            Err(error) if is_duplicate_key(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives it back, so that another instance need not wait for its end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn release(&self) -> Result<(), Error> {
        self.leases.delete_one(doc! { "_id": &self.name, "holder": &self.holder }).await.map(|_| ())
    }
}
