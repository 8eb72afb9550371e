//! `alert_watches`: what is known of each subject, and its open alert. Guarded by `revision`.

use std::collections::HashMap;

use bson::{Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use indowater_common::clock;
use indowater_common::mongo::to_bson_time;
use mongodb::error::Error;
use serde::{Deserialize, Serialize};

use super::{Found, Store, raw};
use crate::domain::kinds::AlertType;
use crate::domain::watch::{Episode, Facts, Subject, Watch};

/// The collection's name.
pub(super) const WATCHES: &str = "alert_watches";

#[derive(Serialize, Deserialize)]
struct WatchDocument {
    #[serde(rename = "_id")]
    id: String,
    alert: AlertType,
    subject_id: String,
    customer_id: String,
    facts: Facts,
    open: Option<Episode>,
    /// What an average day costs, whole rupiah: of `high_usage` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    daily_cost: Option<i64>,
    revision: i64,
    updated_at: bson::DateTime,
}

/// The statement that writes a watch as its next revision, if it is as it was read.
pub(super) fn statement(watch: &Watch) -> Result<RawDocumentBuf, Error> {
    let id = watch.subject.key();
    let daily_cost = match &watch.facts {
        Facts::Days(days) => days.daily_cost(),
        _ => None,
    };
    let document = WatchDocument {
        id: id.clone(),
        alert: watch.subject.alert,
        subject_id: watch.subject.id.clone(),
        customer_id: watch.customer_id.clone(),
        facts: watch.facts.clone(),
        open: watch.open.clone(),
        daily_cost,
        revision: watch.revision + 1,
        updated_at: to_bson_time(clock::now()),
    };
    let document = bson::serialize_to_document(&document)?;
    raw(&doc! {
        "q": { "_id": id, "revision": watch.revision },
        "u": document,
        "upsert": watch.revision == 0,
    })
}

impl Store {
    /// What is known of these subjects.
    ///
    /// # Errors
    /// The database does not answer; so for the next one.
    pub async fn watches(&self, subjects: &[String]) -> Result<Found<Watch>, Error> {
        let ids: Vec<&str> = subjects.iter().map(String::as_str).collect();
        let found = self.by_id::<WatchDocument>(WATCHES, &ids).await?;
        let watch = |document: WatchDocument| Watch {
            subject: Subject { alert: document.alert, id: document.subject_id },
            customer_id: document.customer_id,
            facts: document.facts,
            open: document.open,
            revision: document.revision,
        };
        Ok(found.into_iter().map(|(id, read)| (id, read.map(watch))).collect())
    }

    /// What an average day costs each of these customers, whole rupiah, all of their meters together, where enough is known.
    ///
    /// # Errors
    /// As above.
    pub async fn daily_costs(&self, customers: &[&str]) -> Result<HashMap<String, i64>, Error> {
        if customers.is_empty() {
            return Ok(HashMap::new());
        }
        let theirs = doc! { "customer_id": { "$in": customers }, "daily_cost": { "$gt": 0 } };
        let (watches, parts) = (self.collection(WATCHES), doc! { "customer_id": 1, "daily_cost": 1 });
        let documents: Vec<Document> = watches.find(theirs).projection(parts).await?.try_collect().await?;
        let mut costs = HashMap::new();
        for document in documents {
            if let (Ok(customer_id), Ok(cost)) =
                (document.get_str("customer_id"), document.get_i64("daily_cost"))
            {
                *costs.entry(customer_id.to_owned()).or_insert(0) += cost;
            }
        }
        Ok(costs)
    }
}
