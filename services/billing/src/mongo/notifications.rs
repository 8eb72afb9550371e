//! What gateways sent, byte by byte, with what was thought of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};
use indowater_common::mongo::to_bson_time;
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::{Collection, Database};

/// For how long notifications are kept: longer than any gateway takes to settle a dispute.
const KEPT: Duration = Duration::from_secs(400 * 86_400);

/// The notifications in the database. Cheap to clone.
#[derive(Clone)]
pub struct Notifications(Collection<Document>);

impl Notifications {
    /// On the database of billing.
    pub fn new(database: &Database) -> Self {
        Self(database.collection("payment_notifications"))
    }

    /// Stores one as it came.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep(
        &self,
        id: &str,
        gateway: &str,
        body: &[u8],
        headers: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let headers: Document =
            headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let expires_at = now.saturating_add(KEPT).unwrap_or(now);
        let notification = doc! {
            "_id": id,
            "gateway": gateway,
            "received_at": to_bson_time(now),
            "headers": headers,
            "body": Binary { subtype: BinarySubtype::Generic, bytes: body.to_vec() },
            "expires_at": to_bson_time(expires_at),
        };
        self.0.insert_one(notification).await.map(drop)
    }

    /// Writes down what was thought of one: a word, the payment it is about, and what it says in the gateway's words.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn judge(
        &self,
        id: &str,
        verdict: &str,
        payment_id: Option<&str>,
        says: &str,
    ) -> Result<(), Error> {
        let judged = doc! { "$set": { "verdict": verdict, "payment_id": payment_id, "says": says } };
        self.0.update_one(doc! { "_id": id }, judged).await.map(drop)
    }
}
