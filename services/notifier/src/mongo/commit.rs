//! What follows from facts, written as one: watches, alerts, inboxes, deliveries, and the records that tell alerts.

use std::collections::HashSet;

use bson::{Document, doc};
use futures::TryStreamExt;
use indowater_common::mongo::{commit, insert_within, update_within};
use mongodb::ClientSession;
use mongodb::error::Error;

use super::alerts::{ALERTS, AlertDocument};
use super::deliveries::{DELIVERIES, DeliveryDocument};
use super::inbox::{NOTIFICATIONS, NotificationDocument};
use super::watches::{self, WATCHES};
use super::{Store, raw};
use crate::domain::alert::Alert;
use crate::domain::delivery::{Delivery, Notice};
use crate::domain::watch::Watch;

/// What is to be written.
#[derive(Debug, Default)]
pub struct Changes {
    /// Watches, as they were read but for what they learned.
    pub watches: Vec<Watch>,
    /// Alerts that open.
    pub opened: Vec<Alert>,
    /// Alerts that changed, as their next revision.
    pub changed: Vec<Alert>,
    /// Messages. One whose id is there already is not written again.
    pub notices: Vec<Notice>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty() && self.notices.is_empty()
    }
}

impl Store {
    /// Writes all of it, or nothing. False if a watch or an alert changed since it was read: then it is all judged anew.
    ///
    /// # Errors
    /// The database does not answer, or another writer was in between. Nothing is written then, or nobody knows; writing again is
    /// guarded.
    pub async fn commit(&self, changes: &Changes) -> Result<bool, Error> {
        let new = self.new_notices(&changes.notices).await?;
        let mut session = self.database.client().start_session().await?;
        session.start_transaction().await?;
        let statements = changes.watches.iter().map(watches::statement).collect::<Result<Vec<_>, Error>>()?;
        let met = update_within(&mut session, &self.database, WATCHES, &statements).await?;
        if usize::try_from(met) != Ok(statements.len()) || !self.write_alerts(&mut session, changes).await? {
            session.abort_transaction().await?;
            return Ok(false);
        }
        self.write_notices(&mut session, &new).await?;
        let told: Vec<_> =
            changes.opened.iter().chain(&changes.changed).map(|alert| (self.announce)(alert)).collect();
        self.outbox.put(&mut session, &told).await?;
        commit(&mut session).await.map(|()| true)
    }

    /// Closes before it opens, so that the one place of a subject is free.
    async fn write_alerts(&self, session: &mut ClientSession, changes: &Changes) -> Result<bool, Error> {
        for alert in &changes.changed {
            if !self.update_alert(session, alert).await? {
                return Ok(false);
            }
        }
        let opened = changes.opened.iter().map(|alert| with_id(&AlertDocument::of(alert)?));
        let opened = opened.collect::<Result<Vec<_>, Error>>()?;
        insert_within(session, &self.database, ALERTS, &opened).await.map(|()| true)
    }

    async fn write_notices(&self, session: &mut ClientSession, notices: &[&Notice]) -> Result<(), Error> {
        let inbox = notices.iter().map(|notice| {
            let row = notice.content.kind().row();
            with_id(&NotificationDocument::new(notice, row.tone.name(), row.link))
        });
        let inbox = inbox.collect::<Result<Vec<_>, Error>>()?;
        insert_within(session, &self.database, NOTIFICATIONS, &inbox).await?;
        let deliveries = notices.iter().map(|notice| with_id(&DeliveryDocument::of(Delivery::of(notice))));
        let deliveries = deliveries.collect::<Result<Vec<_>, Error>>()?;
        insert_within(session, &self.database, DELIVERIES, &deliveries).await
    }

    async fn new_notices<'a>(&self, notices: &'a [Notice]) -> Result<Vec<&'a Notice>, Error> {
        if notices.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = notices.iter().map(|notice| &*notice.id).collect();
        let (inbox, known) = (self.collection(NOTIFICATIONS), doc! { "_id": { "$in": ids } });
        let known: Vec<Document> =
            inbox.find(known).projection(doc! { "_id": 1 }).await?.try_collect().await?;
        let mut known: HashSet<&str> = known.iter().filter_map(|one| one.get_str("_id").ok()).collect();
        // Told twice in one flush, it is one message too.
        Ok(notices.iter().filter(|notice| known.insert(&notice.id)).collect())
    }
}

/// A document whose `_id` is its `id`.
fn with_id<T: serde::Serialize>(document: &T) -> Result<bson::RawDocumentBuf, Error> {
    let mut document = bson::serialize_to_document(document)?;
    let id = document.get("id").cloned().unwrap_or_default();
    document.insert("_id", id);
    raw(&document)
}
