//! What earlier releases kept otherwise, and how it is given up.
//!
//! Their services shared the collections `leases` and `counters`; now each has its own. Instances of both releases side by side
//! would hold one right in two places, so the old collections go only when nobody holds anything in them any more.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bson::{DateTime, Document, doc};
use mongodb::Database;
use tokio::time::{Instant, sleep};

use crate::access::roles::FORMER;

/// How long leases of instances that were killed may run out; the longest is of one minute.
const PATIENCE: Duration = Duration::from_secs(75);

/// Takes the shared collections away, if they are there. Nothing in them is needed: counters begin anew behind what waits.
///
/// # Errors
/// Services of the earlier release run, or the database does not answer.
pub async fn give_up(database: &Database) -> Result<()> {
    let there = database.list_collection_names().await.context("collections cannot be listed")?;
    let former: Vec<&str> =
        FORMER.into_iter().filter(|name| there.iter().any(|known| known == name)).collect();
    if former.is_empty() {
        return Ok(());
    }
    let leases = database.collection::<Document>("leases");
    let begun = Instant::now();
    while let Some(lease) = leases.find_one(doc! { "until": { "$gt": DateTime::now() } }).await? {
        if begun.elapsed() > PATIENCE {
            bail!(
                "{} holds the lease {} of an earlier release: stop all services of that release, then run this again",
                lease.get_str("holder").unwrap_or("somebody"),
                lease.get_str("_id").unwrap_or("without a name")
            );
        }
        sleep(Duration::from_millis(500)).await;
    }
    for name in former {
        let dropped = database.collection::<Document>(name).drop().await;
        dropped.with_context(|| format!("the former collection {name} cannot be taken away"))?;
    }
    Ok(())
}
