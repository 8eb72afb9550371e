//! The independent auditor. From the topics alone it works out again what the system must hold, and compares.
//!
//! It shares no code with the services: of this workspace it uses the schemas and the table of topics, and nothing else. What a
//! set of reads means, local days, tariffs and rounding are written here a second time, the plain way, so that a mistake of
//! theirs is not one of ours.
//!
//! - **U1**: every daily record, in the collection and on the topic, is what the accepted reads and the registry's facts give.
//! - **U2**: for every device the days add up to what its registers say.
//! - **D1**: every read of the telemetry was accepted or set aside.
//! - **A1**: a device has one open leak event, and each event is told and lived as its reads allow.
//! - **B1**: every entry adds up to zero, collections and topics say the same, balances are the sums of their entries.
//! - **B2**: a payment moves the balance by what its record says, once for each movement.
//! - **B3**: what is posted for a device, month and customer is what the month costs, rounded once.
//!
//! The audit may run beside a working system. It waits until the backlog of its start is applied, allows for what comes
//! meanwhile, and says what it did not check.

mod domain;
mod expected;
mod kafka;
mod leaks;
mod ledger;
mod mongo;
mod outcomes;
mod payments;
mod report;
mod usage;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indowater_proto::topics::{INSTRUCTIONS, PAYMENTS, READINGS, TELEMETRY, USAGE};
use tokio::time::Instant;

use kafka::{Extent, Reader, lag};
use mongo::Store;

pub use expected::daily_usage;
pub use report::{Finding, Report};

/// Where the system is.
#[derive(Debug, Clone)]
pub struct Target {
    /// Kafka bootstrap servers.
    pub kafka: String,
    /// Further settings of the client, for TLS and SASL.
    pub kafka_options: Vec<(String, String)>,
    /// MongoDB connection string.
    pub mongodb: String,
    /// Name of the database.
    pub database: String,
    /// What every topic's name begins with.
    pub topic_prefix: String,
}

const PAUSE: Duration = Duration::from_millis(300);

/// Audits a system. The pipeline may take as long as `patience` to catch up with what is there now.
///
/// # Errors
/// The broker or the database does not answer, or the pipeline does not catch up in time.
pub async fn audit(target: &Target, patience: Duration) -> Result<Report> {
    let target = Arc::new(target.clone());
    let store = Store::open(&target.mongodb, &target.database).await?;
    let report = audit_with(&target, &store, patience).await;
    store.close().await;
    report
}

async fn audit_with(target: &Arc<Target>, store: &Store, patience: Duration) -> Result<Report> {
    let until = Instant::now() + patience;
    // In this order: what is told is stored, and the reads that it rests on are in the days once these are caught up.
    let told = blocking(target, leaks::topic).await?;
    let judged = all_judged(target, "anomaly-detector").await?;
    let leaks = store.leaks().await?;
    let received = caught_up(target, &TELEMETRY.name(&target.topic_prefix), "ingest", until).await?;
    let applied = caught_up(target, &READINGS.name(&target.topic_prefix), "usage-aggregator", until).await?;
    // In this order: what is applied for certain, the records, and then every read that they may hold.
    let stored = store.days().await?;
    // What came after the events were read may have ended them.
    let is_behind = judged.is_none() || all_judged(target, "anomaly-detector").await? != judged;
    let a1 = leaks::audit(&told, &leaks, &stored.records, is_behind);
    let applied = ends(applied);
    let usage = blocking(target, move |reader, prefix| {
        let told = usage::topics(reader, prefix, &applied, &received)?;
        Ok(usage::audit(told, stored))
    });
    let mut findings = usage.await?;
    findings.push(a1);
    findings.extend(books(target, store, patience).await?);
    Ok(Report::of(findings))
}

/// Audits the ledger.
async fn books(target: &Arc<Target>, store: &Store, patience: Duration) -> Result<[Finding; 3]> {
    let until = Instant::now() + patience;
    let prefix = &target.topic_prefix;
    let charged = ends(caught_up(target, &USAGE.name(prefix), "billing-charging", until).await?);
    let paid = ends(caught_up(target, &PAYMENTS.name(prefix), "billing-crediting", until).await?);
    // After both that lead to it.
    let instructions = INSTRUCTIONS.name(prefix);
    caught_up(target, &instructions, "billing-ledger", until).await?;
    let stored = store.ledger().await?;
    // What is stored is told before its instruction is committed; then the topics have all of it.
    caught_up(target, &instructions, "billing-ledger", until).await?;
    blocking(target, move |reader, prefix| {
        let books = ledger::topics(reader, prefix, &charged)?;
        // After the entries: what they say of payments is in the payments by then.
        let payments = payments::topic(reader, prefix, &paid)?;
        Ok([books.b1(&stored), payments.b2(books.entries()), books.b3()])
    })
    .await
}

/// Where the extent of each partition ends.
fn ends(extent: Extent) -> BTreeMap<i32, i64> {
    extent.into_iter().map(|(partition, (_, end))| (partition, end)).collect()
}

/// Does what blocks beside the runtime's threads, with a reader and the topics' prefix.
async fn blocking<T: Send + 'static>(
    target: &Arc<Target>,
    work: impl FnOnce(&Reader, &str) -> Result<T> + Send + 'static,
) -> Result<T> {
    let target = target.clone();
    let work = move || work(&Reader::open(&target.kafka, &target.kafka_options)?, &target.topic_prefix);
    tokio::task::spawn_blocking(work).await.context("the thread that talks to the broker died")?
}

/// All readings there are, if `group` is done with them.
async fn all_judged(target: &Arc<Target>, group: &'static str) -> Result<Option<Extent>> {
    blocking(target, move |reader, prefix| {
        let topic = READINGS.name(prefix);
        let extent = reader.extent(&topic)?;
        let committed = reader.committed(&format!("{prefix}.{group}"), &topic, &extent)?;
        Ok((lag(&extent, &committed) == 0).then_some(extent))
    })
    .await
}

/// Waits until `group` has committed all that `topic` holds now. Returns what it has committed, from the topic's start.
async fn caught_up(target: &Arc<Target>, topic: &str, group: &'static str, until: Instant) -> Result<Extent> {
    let mut wanted: Option<Extent> = None;
    loop {
        let topic = topic.to_owned();
        let (extent, committed) = blocking(target, move |reader, prefix| {
            let extent = reader.extent(&topic)?;
            let committed = reader.committed(&format!("{prefix}.{group}"), &topic, &extent)?;
            Ok((extent, committed))
        })
        .await?;
        let left = lag(wanted.get_or_insert_with(|| extent.clone()), &committed);
        if left == 0 {
            let done = extent.into_iter().map(|(partition, (low, _))| {
                (partition, (low, committed.get(&partition).copied().unwrap_or(low).max(low)))
            });
            return Ok(done.collect());
        }
        if Instant::now() >= until {
            bail!(
                "nothing can be said while {group} is {left} records behind: see with `indowater status` whether it \
                 works, and give it longer with --wait"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}
