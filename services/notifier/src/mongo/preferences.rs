//! `alert_preferences`: the data model's fields, and beside them WhatsApp and a revision. There is a document for each customer
//! whom anything was ever told of.

use std::collections::HashMap;

use bson::{Document, doc};
use futures::TryStreamExt;
use indowater_common::clock;
use indowater_common::mongo::{is_duplicate_key, to_bson_time, to_decimal128};
use mongodb::error::Error;
use rust_decimal::Decimal;

use super::{Store, refused, scaled};
use crate::domain::preferences::{Preferences, THRESHOLD_BALANCE};
use crate::domain::request::Refusal;

const PREFERENCES: &str = "alert_preferences";

/// What holds of a field that another system left out.
fn read(document: &Document) -> Option<Preferences> {
    let flag = |name: &str| document.get_bool(name).unwrap_or(true);
    Some(Preferences {
        customer_id: document.get_str("customer_id").ok()?.to_owned(),
        leak_alerts: flag("leak_alerts"),
        usage_alerts: flag("usage_alerts"),
        balance_alerts: flag("balance_alerts"),
        device_alerts: flag("device_alerts"),
        email_notifications: flag("email_notifications"),
        push_notifications: flag("push_notifications"),
        whatsapp_notifications: flag("whatsapp_notifications"),
        threshold_usage_ml: scaled(document.get("threshold_usage"), 6),
        threshold_balance: scaled(document.get("threshold_balance"), 0).unwrap_or(THRESHOLD_BALANCE),
        revision: document.get_i64("revision").unwrap_or(0),
    })
}

fn fields(preferences: &Preferences) -> Document {
    let mut fields = doc! {
        "leak_alerts": preferences.leak_alerts,
        "usage_alerts": preferences.usage_alerts,
        "balance_alerts": preferences.balance_alerts,
        "device_alerts": preferences.device_alerts,
        "email_notifications": preferences.email_notifications,
        "push_notifications": preferences.push_notifications,
        "whatsapp_notifications": preferences.whatsapp_notifications,
        "threshold_balance": to_decimal128(preferences.threshold_balance.into()),
        "revision": preferences.revision,
        "updated_at": to_bson_time(clock::now()),
    };
    let usage = preferences.threshold_usage_ml.map(|ml| to_decimal128(Decimal::new(ml, 6).normalize()));
    fields.insert("threshold_usage", usage);
    fields
}

impl Store {
    /// What these customers want. For those who have no document yet one is made, with the defaults.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn preferences(&self, customers: &[&str]) -> Result<HashMap<String, Preferences>, Error> {
        if customers.is_empty() {
            return Ok(HashMap::new());
        }
        let collection = self.collection::<Document>(PREFERENCES);
        let theirs = doc! { "customer_id": { "$in": customers } };
        let documents: Vec<Document> = collection.find(theirs).await?.try_collect().await?;
        let mut known: HashMap<String, Preferences> =
            documents.iter().filter_map(read).map(|one| (one.customer_id.clone(), one)).collect();
        for customer_id in customers {
            if known.contains_key(*customer_id) {
                continue;
            }
            let preferences = Preferences::default_of(customer_id);
            let id = format!("preferences-{customer_id}");
            let mut document = doc! { "_id": &id, "id": &id, "customer_id": customer_id, "created_at": to_bson_time(clock::now()) };
            document.extend(fields(&preferences));
            match collection.insert_one(document).await {
                Ok(_) => {}
                // Another partition was first, with the same.
                Err(error) if is_duplicate_key(&error) => {}
                Err(error) => return Err(error),
            }
            known.insert((*customer_id).to_owned(), preferences);
        }
        Ok(known)
    }

    /// Takes the place of what a customer wanted, if it is still as `revision` says.
    ///
    /// # Errors
    /// It changed meanwhile, or the database does not answer.
    pub async fn put_preferences(
        &self,
        mut new: Preferences,
        revision: Option<i64>,
    ) -> Result<Preferences, Refusal> {
        let stored = self.preferences(&[&new.customer_id]).await.map_err(refused)?;
        let stored = stored.get(&new.customer_id).map_or(0, |known| known.revision);
        if revision.is_some_and(|read| read != stored) {
            return Err(Refusal::Stale);
        }
        new.revision = stored + 1;
        // Documents of another system have no revision.
        let as_read = match stored {
            0 => doc! { "customer_id": &new.customer_id, "revision": null },
            stored => doc! { "customer_id": &new.customer_id, "revision": stored },
        };
        let collection = self.collection::<Document>(PREFERENCES);
        let done = collection.update_one(as_read, doc! { "$set": fields(&new) }).await.map_err(refused)?;
        if done.matched_count == 0 { Err(Refusal::Stale) } else { Ok(new) }
    }
}
