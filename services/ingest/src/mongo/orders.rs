//! Work orders for what was found about meters.
//!
//! One statement for each finding, which may be repeated and come late: an order carries the revision of the finding it
//! is from, and an older one changes nothing.

use std::collections::HashMap;

use bson::raw::RawDocumentBuf;
use bson::{DateTime, doc, rawdoc};
use futures::TryStreamExt;
use indowater_common::mongo::update;
use mongodb::error::Error;
use mongodb::{Collection, Database};

use super::documents::DeviceDocument;
use super::registry::read;
use crate::domain::finding::{Finding, WITHDRAWN, WorkOrder};
use crate::domain::registry::Device;

/// Work orders and the devices they are about. Cheap to clone.
#[derive(Clone)]
pub struct Orders {
    database: Database,
    devices: Collection<RawDocumentBuf>,
}

impl Orders {
    /// On the database of ingest.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone(), devices: database.collection("devices") }
    }

    /// The devices of these ids; those that are not enrolled are left out.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn devices(&self, ids: &[&str]) -> Result<HashMap<String, Device>, Error> {
        let documents: Vec<RawDocumentBuf> =
            self.devices.find(doc! { "id": { "$in": ids } }).await?.try_collect().await?;
        let found =
            documents.iter().filter_map(|document| read::<DeviceDocument, Device>("devices", document));
        Ok(found.map(|device| (device.id.clone(), device)).collect())
    }

    /// Raises these orders and takes back those of findings that were withdrawn. At most one of each id.
    ///
    /// # Errors
    /// The database does not answer. Writing all again is safe.
    pub async fn write(&self, raised: &[WorkOrder], withdrawn: &[&Finding]) -> Result<(), Error> {
        let statements = raised.iter().map(raise).chain(withdrawn.iter().map(|finding| take_back(finding)));
        let refusals = update(&self.database, "work_orders", statements.collect()).await?;
        refusals.into_iter().next().map_or(Ok(()), |refusal| {
            Err(Error::custom(format!("work orders could not be written: {}", refusal.message)))
        })
    }
}

/// Inserts an order; one that was taken back is opened again if its finding is there again.
fn raise(order: &WorkOrder) -> RawDocumentBuf {
    let raised_at = time(order.raised_at);
    let new = rawdoc! {
        "id": order.id.as_str(),
        "title": order.title.as_str(),
        "description": order.description.as_str(),
        "property_id": order.property_id.as_str(),
        "customer_id": order.customer_id.as_str(),
        "device_id": order.device_id.as_str(),
        "priority": "high",
        "status": "pending",
        "created_at": raised_at,
        "updated_at": raised_at,
        "finding_revision": order.finding_revision,
    };
    let again = rawdoc! {
        "status": "pending",
        "withdrawn": false,
        "updated_at": raised_at,
        "finding_revision": order.finding_revision,
    };
    let is_new = rawdoc! { "$eq": [{ "$type": "$status" }, "missing"] };
    let was_taken_back = rawdoc! { "$and": [
        { "$eq": ["$status", "cancelled"] },
        { "$eq": ["$withdrawn", true] },
        { "$lt": ["$finding_revision", order.finding_revision] },
    ] };
    rawdoc! {
        "q": { "_id": order.id.as_str() },
        "u": [{ "$replaceWith": { "$switch": {
            "branches": [
                { "case": is_new, "then": { "$mergeObjects": ["$$ROOT", { "$literal": new }] } },
                { "case": was_taken_back, "then": { "$mergeObjects": ["$$ROOT", { "$literal": again }] } },
            ],
            "default": "$$ROOT",
        } } }],
        "upsert": true,
    }
}

/// Cancels the order of a finding that is none any more, if nobody is on the way.
fn take_back(finding: &Finding) -> RawDocumentBuf {
    let revision = finding.revision;
    let with_note = rawdoc! { "$cond": [
        { "$gt": [{ "$strLenCP": { "$ifNull": ["$notes", ""] } }, 0] },
        { "$concat": ["$notes", "\n", WITHDRAWN] },
        WITHDRAWN,
    ] };
    rawdoc! {
        "q": {
            "_id": finding.order_id(),
            "status": "pending",
            // Also where an order has none: it was raised before findings had revisions.
            "finding_revision": { "$not": { "$gte": revision } },
        },
        "u": [{ "$set": {
            "status": "cancelled",
            "withdrawn": true,
            "notes": with_note,
            "updated_at": time(finding.told_at),
            "finding_revision": revision,
        } }],
    }
}

fn time(seconds: i64) -> DateTime {
    DateTime::from_millis(seconds.saturating_mul(1_000))
}
