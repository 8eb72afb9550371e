//! `alerts`: the data model's fields, and beside them what an alert needs to end.

use bson::{DateTime, Document, doc};
use futures::TryStreamExt;
use indowater_common::domain::request::Page;
use indowater_common::mongo::{commit, from_bson_time, to_bson_time};
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::error::Error;
use serde::{Deserialize, Serialize};

use super::{Store, moment, refused, time};
use crate::domain::alert::{Alert, Status};
use crate::domain::content::Content;
use crate::domain::kinds::{AlertType, Severity};
use crate::domain::request::{AlertFilter, Deed, Refusal, Spending};
use crate::domain::words::Text;

/// The collection's name.
pub(super) const ALERTS: &str = "alerts";

#[derive(Serialize, Deserialize)]
pub(super) struct AlertDocument {
    id: String,
    customer_id: String,
    #[serde(rename = "type")]
    alert: AlertType,
    severity: Severity,
    title: String,
    message: String,
    #[serde(default)]
    data: Option<Document>,
    #[serde(default)]
    status: String,
    created_at: DateTime,
    #[serde(default)]
    read_at: Option<DateTime>,
    #[serde(default)]
    acknowledged_at: Option<DateTime>,
    #[serde(default)]
    closed_at: Option<DateTime>,
    #[serde(default)]
    not_helpful_at: Option<DateTime>,
    #[serde(default)]
    subject_id: String,
    /// `type|subject` while it is open: unique, so that A1 holds against whatever else writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_for: Option<String>,
    #[serde(default)]
    is_over_budget: bool,
    #[serde(default)]
    revision: i64,
}

impl AlertDocument {
    pub(super) fn of(alert: &Alert) -> Result<Self, Error> {
        let is_open = alert.closed_at.is_none();
        Ok(Self {
            id: alert.id.clone(),
            customer_id: alert.customer_id.clone(),
            alert: alert.alert,
            severity: alert.severity,
            title: alert.text.title.clone(),
            message: alert.text.message.clone(),
            data: alert.content.as_ref().map(bson::serialize_to_document).transpose()?,
            status: alert.status.name().to_owned(),
            created_at: to_bson_time(alert.created_at),
            read_at: time(alert.read_at),
            acknowledged_at: time(alert.acknowledged_at),
            closed_at: time(alert.closed_at),
            not_helpful_at: time(alert.not_helpful_at),
            subject_id: alert.subject_id.clone(),
            open_for: (is_open && !alert.subject_id.is_empty())
                .then(|| format!("{}|{}", alert.alert.name(), alert.subject_id)),
            is_over_budget: alert.is_over_budget,
            revision: alert.revision,
        })
    }

    fn alert(self) -> Alert {
        let content = self.data.and_then(|data| bson::deserialize_from_document::<Content>(data).ok());
        Alert {
            status: Status::named(&self.status),
            id: self.id,
            customer_id: self.customer_id,
            alert: self.alert,
            severity: self.severity,
            text: Text { title: self.title, message: self.message },
            content,
            subject_id: self.subject_id,
            created_at: from_bson_time(self.created_at),
            read_at: moment(self.read_at),
            acknowledged_at: moment(self.acknowledged_at),
            closed_at: moment(self.closed_at),
            not_helpful_at: moment(self.not_helpful_at),
            is_over_budget: self.is_over_budget,
            revision: self.revision,
        }
    }
}

impl Store {
    /// These alerts, by id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn alerts(&self, ids: &[&str]) -> Result<Vec<Alert>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.collection::<AlertDocument>(ALERTS).find(doc! { "id": { "$in": ids } }).await?;
        Ok(found.try_collect::<Vec<_>>().await?.into_iter().map(AlertDocument::alert).collect())
    }

    /// How many alerts of a type a customer has had since then.
    ///
    /// # Errors
    /// As above.
    pub async fn alerts_since(
        &self,
        customer_id: &str,
        alert: AlertType,
        since: Timestamp,
    ) -> Result<u64, Error> {
        let had = doc! {
            "customer_id": customer_id,
            "type": alert.name(),
            "created_at": { "$gte": to_bson_time(since) },
        };
        self.collection::<Document>(ALERTS).count_documents(had).await
    }

    /// A page of alerts, newest first, and the token of the next.
    ///
    /// # Errors
    /// A token that no page had, or the database does not answer.
    pub async fn list_alerts(
        &self,
        wanted: &AlertFilter,
        page: &Page,
    ) -> Result<(Vec<Alert>, String), Refusal> {
        let mut filter = Document::new();
        if let Some(customer_id) = &wanted.customer_id {
            filter.insert("customer_id", customer_id);
        }
        if let Some(alert) = wanted.alert {
            filter.insert("type", alert.name());
        }
        if let Some(status) = wanted.status {
            filter.insert("status", status.name());
        }
        if wanted.open_only {
            filter.insert("closed_at", bson::Bson::Null);
        }
        let (documents, next) = self.newest::<AlertDocument>(ALERTS, filter, page).await?;
        Ok((documents.into_iter().map(AlertDocument::alert).collect(), next))
    }

    /// How many alerts a customer has not looked at.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unread_alerts(&self, customer_id: &str) -> Result<u64, Refusal> {
        let unread = doc! { "customer_id": customer_id, "status": Status::Unread.name() };
        self.collection::<Document>(ALERTS).count_documents(unread).await.map_err(refused)
    }

    /// Does something with an alert, which has to be of `customer_id` if that is said, and tells it. Doing it again changes nothing.
    ///
    /// # Errors
    /// There is none such, or the database does not answer.
    pub async fn deal_with(
        &self,
        id: &str,
        customer_id: Option<&str>,
        deed: Deed,
        now: Timestamp,
    ) -> Result<Alert, Refusal> {
        // Another writer may come first a few times.
        for _ in 0..5 {
            let found = self.alerts(&[id]).await.map_err(refused)?.into_iter().next();
            let mut alert = found
                .filter(|alert| customer_id.is_none_or(|customer_id| alert.customer_id == customer_id))
                .ok_or_else(|| Refusal::NotFound(format!("alert {id}")))?;
            let is_new = match deed {
                Deed::Read => alert.read(now),
                Deed::Acknowledge => alert.acknowledge(now),
                Deed::NotHelpful => alert.not_helpful(now),
            };
            if !is_new || self.write_alert(&alert).await.map_err(refused)? {
                return Ok(alert);
            }
        }
        Err(Refusal::Stale)
    }

    /// Reads all alerts of a customer; returns how many were unread.
    ///
    /// # Errors
    /// As above.
    pub async fn read_all_alerts(&self, customer_id: &str, now: Timestamp) -> Result<u64, Refusal> {
        let unread = AlertFilter {
            customer_id: Some(customer_id.to_owned()),
            status: Some(Status::Unread),
            ..AlertFilter::default()
        };
        let mut read = 0;
        loop {
            let page = Page { size: 100, after: String::new() };
            let (alerts, _) = self.list_alerts(&unread, &page).await?;
            if alerts.is_empty() {
                return Ok(read);
            }
            for alert in alerts {
                self.deal_with(&alert.id, None, Deed::Read, now).await?;
                read += 1;
            }
        }
    }

    /// Writes a changed alert and the record that tells it. False if it changed since it was read.
    async fn write_alert(&self, alert: &Alert) -> Result<bool, Error> {
        let mut session = self.database.client().start_session().await?;
        session.start_transaction().await?;
        if !self.update_alert(&mut session, alert).await? {
            session.abort_transaction().await?;
            return Ok(false);
        }
        self.outbox.put(&mut session, &[(self.announce)(alert)]).await?;
        commit(&mut session).await.map(|()| true)
    }

    /// Writes an alert over its revision before, in a transaction. False if that is not the stored one.
    pub(super) async fn update_alert(
        &self,
        session: &mut ClientSession,
        alert: &Alert,
    ) -> Result<bool, Error> {
        let before = alert.revision - 1;
        // Alerts of another system have no revision.
        let revision = if before == 0 {
            doc! { "$in": [null, 0_i64] }
        } else {
            doc! { "$eq": before }
        };
        let document = bson::serialize_to_document(&AlertDocument::of(alert)?)?;
        let mut update = doc! { "$set": document };
        if alert.closed_at.is_some() {
            update.insert("$unset", doc! { "open_for": "" });
        }
        let alerts = self.collection::<Document>(ALERTS);
        let done = alerts.update_one(doc! { "id": &alert.id, "revision": revision }, update).session(session);
        Ok(done.await?.matched_count == 1)
    }

    /// What became of the alerts of each type that were opened since then.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn spending(&self, since: Timestamp) -> Result<Vec<(AlertType, Spending)>, Refusal> {
        let counted = |field: &str| doc! { "$sum": { "$cond": [{ "$gt": [field, null] }, 1_i64, 0_i64] } };
        let by_customer = doc! { "$group": {
            "_id": { "type": "$type", "customer": "$customer_id" },
            "opened": { "$sum": 1_i64 },
            "acknowledged": counted("$acknowledged_at"),
            "not_helpful": counted("$not_helpful_at"),
            "over_budget": { "$sum": { "$cond": ["$is_over_budget", 1_i64, 0_i64] } },
        } };
        let by_type = doc! { "$group": {
            "_id": "$_id.type",
            "customers": { "$sum": 1_i64 },
            "opened": { "$sum": "$opened" },
            "acknowledged": { "$sum": "$acknowledged" },
            "not_helpful": { "$sum": "$not_helpful" },
            "over_budget": { "$sum": "$over_budget" },
        } };
        let recent = doc! { "$match": { "created_at": { "$gte": to_bson_time(since) } } };
        let alerts = self.collection::<Document>(ALERTS);
        let sums: Vec<Document> = alerts
            .aggregate([recent, by_customer, by_type])
            .await
            .map_err(refused)?
            .try_collect()
            .await
            .map_err(refused)?;
        let of = |alert: AlertType| {
            let sum = sums.iter().find(|sum| sum.get_str("_id").is_ok_and(|name| name == alert.name()));
            let figure = |name| sum.and_then(|sum| sum.get_i64(name).ok()).unwrap_or(0);
            let spending = Spending {
                opened: figure("opened"),
                customers: figure("customers"),
                acknowledged: figure("acknowledged"),
                not_helpful: figure("not_helpful"),
                over_budget: figure("over_budget"),
            };
            (alert, spending)
        };
        Ok(AlertType::ALL.map(of).to_vec())
    }
}
