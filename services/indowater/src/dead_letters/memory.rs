//! What was sent again, so that nothing is sent again twice.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use futures::TryStreamExt as _;
use indowater_common::clock;
use indowater_common::mongo::{is_duplicate_key, to_bson_time};
use indowater_proto::topics::DEAD_LETTERS;
use mongodb::{Collection, Database};

use super::letter::Place;
use crate::clients;
use crate::system::System;

/// Which letters were sent again.
pub struct Memory {
    collection: Collection<Document>,
    /// Full name of the topic of dead letters.
    pub topic: String,
}

impl Memory {
    /// The memory of a system.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open(system: &System) -> Result<Self> {
        let database: Database = clients::database(system).await?;
        let topic = DEAD_LETTERS.name(&system.topic_prefix);
        Ok(Self {
            collection: database.collection("redriven_dead_letters"),
            topic,
        })
    }

    /// Every letter that was sent again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn all(&self) -> Result<HashSet<Place>> {
        let unreadable = "what was sent again before cannot be read";
        let found = self
            .collection
            .find(doc! { "topic": &self.topic })
            .await
            .context(unreadable)?;
        found
            .map_ok(|document| {
                document
                    .get_str("place")
                    .ok()
                    .and_then(|place| place.parse::<Place>().ok())
            })
            .try_filter_map(|place| async move { Ok(place) })
            .try_collect()
            .await
            .context(unreadable)
    }

    /// Notes that these were sent again.
    ///
    /// # Errors
    /// The database does not answer; they will be sent once more then.
    pub async fn remember(&self, places: &[Place]) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let now = to_bson_time(clock::now());
        let documents = places.iter().map(|place| {
            let place = place.to_string();
            doc! { "_id": format!("{}:{place}", self.topic), "topic": &self.topic, "place": place, "redriven_at": now }
        });
        let written = self.collection.insert_many(documents).ordered(false).await;
        // Two calls at once may both have sent a letter; remembering it once is enough.
        match written {
            Err(error) if !is_duplicate_key(&error) => {
                Err(error).context("the letters were sent again, but that cannot be remembered")
            }
            _ => Ok(()),
        }
    }
}
