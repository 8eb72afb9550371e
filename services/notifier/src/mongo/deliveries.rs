//! `deliveries`: the way of each message beyond the inbox.

use std::time::Duration;

use bson::{DateTime, Document, doc};
use indowater_common::domain::request::Page;
use indowater_common::mongo::{from_bson_time, to_bson_time};
use jiff::Timestamp;
use mongodb::error::Error;
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};

use super::alerts::ALERTS;
use super::inbox::NOTIFICATIONS;
use super::{Store, refused, seconds};
use crate::domain::alert::Status;
use crate::domain::content::Content;
use crate::domain::delivery::{Delivery, Heard, State};
use crate::domain::kinds::{Severity, Tone};
use crate::domain::ladder::{Channel, Try};
use crate::domain::request::Refusal;

/// The collection's name.
pub(super) const DELIVERIES: &str = "deliveries";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeliveryDocument {
    id: String,
    user_id: String,
    /// The name of its kind, for whoever looks into the database.
    kind: String,
    content: Content,
    severity: Severity,
    in_digest: bool,
    alert_id: Option<String>,
    state: State,
    created_at: DateTime,
    since: DateTime,
    due_at: DateTime,
    tries: Vec<Try>,
    /// Until when an instance has it in hand.
    claimed_until: Option<DateTime>,
    revision: i64,
}

impl DeliveryDocument {
    pub(super) fn of(of: Delivery) -> Self {
        Self {
            id: of.id,
            user_id: of.user_id,
            kind: of.content.kind().name().to_owned(),
            content: of.content,
            severity: of.severity,
            in_digest: of.in_digest,
            alert_id: of.alert_id,
            state: of.state,
            created_at: to_bson_time(of.created_at),
            since: seconds(of.since),
            due_at: seconds(of.due),
            tries: of.tries,
            claimed_until: None,
            revision: of.revision,
        }
    }

    fn delivery(self) -> Delivery {
        Delivery {
            id: self.id,
            user_id: self.user_id,
            content: self.content,
            severity: self.severity,
            in_digest: self.in_digest,
            alert_id: self.alert_id,
            state: self.state,
            created_at: from_bson_time(self.created_at),
            since: from_bson_time(self.since).as_second(),
            due: from_bson_time(self.due_at).as_second(),
            tries: self.tries,
            revision: self.revision,
        }
    }
}

impl Store {
    /// Takes a message in hand for which something is to be done at `now`, for as long as `term`. Whoever dies with it loses it then.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn claim(&self, now: Timestamp, term: Duration) -> Result<Option<Delivery>, Error> {
        let at = to_bson_time(now);
        let due = doc! {
            "state": State::Waiting.name(),
            "due_at": { "$lte": at },
            "$or": [{ "claimed_until": null }, { "claimed_until": { "$lte": at } }],
        };
        let until = now.saturating_add(term).unwrap_or(now);
        let mine = doc! { "$set": { "claimed_until": to_bson_time(until) }, "$inc": { "revision": 1_i64 } };
        let deliveries = self.collection::<DeliveryDocument>(DELIVERIES);
        let claimed = deliveries.find_one_and_update(due, mine).sort(doc! { "due_at": 1 });
        Ok(claimed.return_document(ReturnDocument::After).await?.map(DeliveryDocument::delivery))
    }

    /// Takes what else waits for the same reader's digest in hand.
    ///
    /// # Errors
    /// As above.
    pub async fn claim_digest(
        &self,
        user_id: &str,
        now: Timestamp,
        term: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let at = to_bson_time(now);
        let until = to_bson_time(now.saturating_add(term).unwrap_or(now));
        let waiting = doc! {
            "state": State::Waiting.name(),
            "in_digest": true,
            "user_id": user_id,
            "due_at": { "$lte": at },
            "$or": [{ "claimed_until": null }, { "claimed_until": { "$lte": at } }],
        };
        let mine = doc! { "$set": { "claimed_until": until }, "$inc": { "revision": 1_i64 } };
        let deliveries = self.collection::<DeliveryDocument>(DELIVERIES);
        let mut all = Vec::new();
        while all.len() < DIGEST {
            let claimed =
                deliveries.find_one_and_update(waiting.clone(), mine.clone()).sort(doc! { "due_at": 1 });
            match claimed.return_document(ReturnDocument::After).await? {
                Some(document) => all.push(document.delivery()),
                None => break,
            }
        }
        Ok(all)
    }

    /// Writes what became of a message that this instance has in hand. False if it is in another's hand by now.
    ///
    /// # Errors
    /// As above.
    pub async fn settle(&self, delivery: &Delivery) -> Result<bool, Error> {
        let changed = doc! {
            "state": delivery.state.name(),
            "due_at": seconds(delivery.due),
            "since": seconds(delivery.since),
            "tries": bson::serialize_to_bson(&delivery.tries)?,
            "claimed_until": null,
            "revision": delivery.revision + 1,
        };
        let mine = doc! { "_id": &delivery.id, "revision": delivery.revision };
        let deliveries = self.collection::<Document>(DELIVERIES);
        Ok(deliveries.update_one(mine, doc! { "$set": changed }).await?.matched_count == 1)
    }

    /// What the inbox and the alert say of a message.
    ///
    /// # Errors
    /// As above.
    pub async fn heard(&self, delivery: &Delivery) -> Result<Heard, Error> {
        let notifications = self.collection::<Document>(NOTIFICATIONS);
        let notification = notifications.find_one(doc! { "_id": &delivery.id }).await?;
        let is_read = notification.is_none_or(|one| one.get_bool("read").unwrap_or(false));
        let Some(alert_id) = &delivery.alert_id else {
            return Ok(Heard { is_heard: is_read, is_past: false });
        };
        let alert = self.collection::<Document>(ALERTS).find_one(doc! { "id": alert_id }).await?;
        let status = alert.as_ref().and_then(|alert| alert.get_str("status").ok()).map(Status::named);
        let is_closed = alert.is_none_or(|alert| alert.get_datetime("closed_at").is_ok());
        if delivery.content.kind().row().tone == Tone::Success {
            // That it is over is news only for whoever heard of it.
            let sent = doc! { "alert_id": alert_id, "tries.outcome.sent": { "$exists": true } };
            let was_told = self.collection::<Document>(DELIVERIES).find_one(sent).await?.is_some();
            return Ok(Heard { is_heard: is_read, is_past: !was_told });
        }
        let is_heard = match delivery.severity {
            Severity::Critical => status == Some(Status::Acknowledged),
            _ => is_read || status.is_some_and(|status| status != Status::Unread),
        };
        Ok(Heard { is_heard, is_past: is_closed })
    }

    /// A page of deliveries, newest first, and the token of the next.
    ///
    /// # Errors
    /// A token that no page had, or the database does not answer.
    pub async fn deliveries(
        &self,
        user_id: Option<&str>,
        state: Option<State>,
        page: &Page,
    ) -> Result<(Vec<Delivery>, String), Refusal> {
        let mut filter = Document::new();
        if let Some(user_id) = user_id {
            filter.insert("user_id", user_id);
        }
        if let Some(state) = state {
            filter.insert("state", state.name());
        }
        let (found, next) = self.newest::<DeliveryDocument>(DELIVERIES, filter, page).await?;
        Ok((found.into_iter().map(DeliveryDocument::delivery).collect(), next))
    }

    /// Has a message go its way once more, from the first channel on.
    ///
    /// # Errors
    /// There is none, it is on its way, or the database does not answer.
    pub async fn resend(&self, id: &str, now: Timestamp) -> Result<Delivery, Refusal> {
        let deliveries = self.collection::<DeliveryDocument>(DELIVERIES);
        let found = deliveries.find_one(doc! { "_id": id }).await.map_err(refused)?;
        let absent = || Refusal::NotFound(format!("delivery {id}"));
        let mut delivery = found.map(DeliveryDocument::delivery).ok_or_else(absent)?;
        if delivery.state == State::Waiting {
            return Err(Refusal::Precondition("it is on its way"));
        }
        delivery.again(now.as_second());
        if !self.settle(&delivery).await.map_err(refused)? {
            return Err(Refusal::Stale);
        }
        delivery.revision += 1;
        Ok(delivery)
    }

    /// Who was reached on a channel since then, seconds since the epoch.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn reached(&self, channel: Channel, since: i64) -> Result<Vec<String>, Error> {
        let sent =
            doc! { "channel": channel.name(), "at": { "$gte": since }, "outcome.sent": { "$exists": true } };
        let reached =
            doc! { "created_at": { "$gte": seconds(since - LONGEST) }, "tries": { "$elemMatch": sent } };
        let people = self.collection::<Document>(DELIVERIES).distinct("user_id", reached).await?;
        Ok(people.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
    }

    /// How many messages wait for something to be done by now.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn overdue(&self, now: Timestamp) -> Result<u64, Error> {
        let due = doc! { "state": State::Waiting.name(), "due_at": { "$lte": to_bson_time(now) } };
        self.collection::<Document>(DELIVERIES).count_documents(due).await
    }
}

/// Seconds: no message is on its way for longer than a week, unless somebody sends it again.
const LONGEST: i64 = 7 * 86_400;
/// Messages of one digest at most.
const DIGEST: usize = 50;
