//! `notifications`: everybody's inbox.

use bson::{DateTime, Document, doc};
use indowater_common::clock;
use indowater_common::domain::request::Page;
use indowater_common::mongo::{from_bson_time, to_bson_time};
use serde::{Deserialize, Serialize};

use super::{Store, moment, refused};
use crate::domain::delivery::Notice;
use crate::domain::inbox::Notification;
use crate::domain::request::Refusal;

/// The collection's name.
pub(super) const NOTIFICATIONS: &str = "notifications";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NotificationDocument {
    id: String,
    user_id: String,
    #[serde(rename = "type")]
    tone: String,
    title: String,
    message: String,
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    read: bool,
    created_at: DateTime,
    #[serde(default)]
    read_at: Option<DateTime>,
}

impl NotificationDocument {
    pub(super) fn new(notice: &Notice, tone: &str, link: &str) -> Self {
        Self {
            id: notice.id.clone(),
            user_id: notice.user_id.clone(),
            tone: tone.to_owned(),
            title: notice.text.title.clone(),
            message: notice.text.message.clone(),
            link: Some(link.to_owned()),
            read: false,
            created_at: to_bson_time(notice.at),
            read_at: None,
        }
    }

    fn notification(self) -> Notification {
        Notification {
            id: self.id,
            user_id: self.user_id,
            tone: self.tone,
            title: self.title,
            message: self.message,
            link: self.link.unwrap_or_default(),
            read: self.read,
            created_at: from_bson_time(self.created_at),
            read_at: moment(self.read_at),
        }
    }
}

/// Those of a person that they did not throw away. The document stays: it is what keeps the same message from coming again.
fn of(user_id: &str) -> Document {
    doc! { "user_id": user_id, "deleted_at": null }
}

impl Store {
    /// A page of an inbox, newest first, and the token of the next.
    ///
    /// # Errors
    /// A token that no page had, or the database does not answer.
    pub async fn notifications(
        &self,
        user_id: &str,
        unread_only: bool,
        page: &Page,
    ) -> Result<(Vec<Notification>, String), Refusal> {
        let mut filter = of(user_id);
        if unread_only {
            filter.insert("read", doc! { "$ne": true });
        }
        let (found, next) = self.newest::<NotificationDocument>(NOTIFICATIONS, filter, page).await?;
        Ok((found.into_iter().map(NotificationDocument::notification).collect(), next))
    }

    /// How many of them nobody looked at.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn unread(&self, user_id: &str) -> Result<u64, Refusal> {
        let mut unread = of(user_id);
        unread.insert("read", false);
        self.collection::<Document>(NOTIFICATIONS).count_documents(unread).await.map_err(refused)
    }

    /// Somebody looked at one.
    ///
    /// # Errors
    /// There is none, or as above.
    pub async fn read(&self, user_id: &str, id: &str) -> Result<Notification, Refusal> {
        let mut unread = of(user_id);
        unread.extend(doc! { "id": id, "read": { "$ne": true } });
        self.mark_read(unread).await?;
        let mut one = of(user_id);
        one.insert("id", id);
        let inbox = self.collection::<NotificationDocument>(NOTIFICATIONS);
        let found = inbox.find_one(one).await.map_err(refused)?.map(NotificationDocument::notification);
        found.ok_or_else(|| Refusal::NotFound(format!("notification {id}")))
    }

    /// Somebody looked at all of them; returns how many were unread.
    ///
    /// # Errors
    /// As above.
    pub async fn read_all(&self, user_id: &str) -> Result<u64, Refusal> {
        let mut unread = of(user_id);
        unread.insert("read", doc! { "$ne": true });
        self.mark_read(unread).await
    }

    async fn mark_read(&self, which: Document) -> Result<u64, Refusal> {
        let read = doc! { "$set": { "read": true, "read_at": to_bson_time(clock::now()) } };
        let inbox = self.collection::<Document>(NOTIFICATIONS);
        Ok(inbox.update_many(which, read).await.map_err(refused)?.modified_count)
    }

    /// Throws one away.
    ///
    /// # Errors
    /// There is none, or as above.
    pub async fn throw_away(&self, user_id: &str, id: &str) -> Result<(), Refusal> {
        let mut one = of(user_id);
        one.insert("id", id);
        let gone = doc! { "$set": { "deleted_at": to_bson_time(clock::now()) } };
        let inbox = self.collection::<Document>(NOTIFICATIONS);
        match inbox.update_one(one, gone).await.map_err(refused)?.matched_count {
            0 => Err(Refusal::NotFound(format!("notification {id}"))),
            _ => Ok(()),
        }
    }
}
