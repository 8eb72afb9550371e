//! Corrections as they were asked for: what an id stands for is decided once, before anything is posted.

use bson::{DateTime, doc};
use indowater_common::mongo::{from_bson_time, is_duplicate_key, to_bson_time};
use mongodb::error::Error;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};

use super::ENTRIES;
use super::documents::EntryDocument;
use crate::domain::correction::{Correction, entry_id};

#[derive(Debug, Serialize, Deserialize)]
struct CorrectionDocument {
    #[serde(rename = "_id")]
    id: String,
    customer_id: String,
    amount: i64,
    reason: String,
    made_by: String,
    asked_at: DateTime,
}

impl CorrectionDocument {
    fn correction(self) -> Correction {
        Correction {
            id: self.id,
            customer_id: self.customer_id,
            amount: self.amount,
            reason: self.reason,
            made_by: self.made_by,
            asked_at: from_bson_time(self.asked_at),
        }
    }
}

/// The corrections in the database. Cheap to clone.
#[derive(Clone)]
pub struct CorrectionStore {
    corrections: Collection<CorrectionDocument>,
    entries: Collection<EntryDocument>,
}

impl CorrectionStore {
    /// On the database of billing.
    pub fn new(database: &Database) -> Self {
        Self {
            corrections: database.collection("billing_corrections"),
            entries: database.collection(ENTRIES),
        }
    }

    /// Keeps a correction, if there is none of its id yet; the one that is kept.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep(&self, correction: &Correction) -> Result<Correction, Error> {
        if let Some(known) = self.known(&correction.id).await? {
            return Ok(known);
        }
        let Correction { id, customer_id, amount, reason, made_by, asked_at } = correction.clone();
        let asked_at = to_bson_time(asked_at);
        let new = CorrectionDocument { id, customer_id, amount, reason, made_by, asked_at };
        match self.corrections.insert_one(new).await {
            Ok(_) => Ok(correction.clone()),
            Err(error) if is_duplicate_key(&error) => self.known(&correction.id).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    async fn known(&self, id: &str) -> Result<Option<Correction>, Error> {
        if let Some(known) = self.corrections.find_one(doc! { "_id": id }).await? {
            return Ok(Some(known.correction()));
        }
        // Those of before this was kept are in the ledger only.
        let posted = self.entries.find_one(doc! { "_id": entry_id(id) }).await?;
        let posted = posted.map(EntryDocument::entry).transpose()?;
        posted.map(|(entry, _)| Correction::of_entry(id, entry).map_err(Error::custom)).transpose()
    }
}
