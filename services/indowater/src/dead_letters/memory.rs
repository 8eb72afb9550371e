//! What was sent again, so that nothing is sent again twice.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use futures::TryStreamExt as _;
use indowater_common::clock;
use indowater_common::mongo::{is_duplicate_key, to_bson_time};
use mongodb::{Collection, Database};

use crate::clients;
use crate::system::System;

/// Which letters were sent again, by their identity.
pub struct Memory(Collection<Document>);

impl Memory {
    /// The memory in a database.
    pub fn of(database: &Database) -> Self {
        Self(database.collection("redriven_dead_letters"))
    }

    /// Every letter that was sent again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn all(&self) -> Result<HashSet<String>> {
        let unreadable = "what was sent again before cannot be read";
        let found = self.0.find(doc! {}).projection(doc! { "_id": 1 }).await.context(unreadable)?;
        let ids = found.map_ok(|document| document.get_str("_id").unwrap_or_default().to_owned());
        ids.try_collect().await.context(unreadable)
    }

    /// Notes that these were sent again.
    ///
    /// # Errors
    /// The database does not answer; they will be sent once more then.
    pub async fn remember(&self, letters: &[String]) -> Result<()> {
        if letters.is_empty() {
            return Ok(());
        }
        let now = to_bson_time(clock::now());
        let documents = letters.iter().map(|letter| doc! { "_id": letter, "redriven_at": now });
        match self.0.insert_many(documents).ordered(false).await {
            // Two calls at once may both have sent a letter; remembering it once is enough.
            Err(error) if !is_duplicate_key(&error) => {
                Err(error).context("the letters were sent again, but that cannot be remembered")
            }
            _ => Ok(()),
        }
    }
}

/// Every letter of a system that was sent again.
///
/// # Errors
/// The database does not answer.
pub async fn remembered(system: &System) -> Result<HashSet<String>> {
    clients::with_database(system, async |database| Memory::of(database).all().await).await
}
