//! The auditor over a running system: it has nothing to say of what is right, and names what somebody changed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bson::{Document, doc};
use indowater_tests::base::Base;
use indowater_tests::workload::{Network, garbage, messages, meters};
use indowater_tests::world::World;
use mongodb::Client;

const PATIENCE: Duration = Duration::from_secs(60);

/// Reads with everything a network does to them, garbage among them, become days and money that the auditor computes alike;
/// a figure changed in the database, in whichever collection, is found with its place.
pub async fn what_is_right_holds_and_what_is_changed_is_named(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "audit").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", &[]).await?;
    let _billing = world.start("billing", &[]).await?;
    let meters = meters(7, 4, 300);
    world.enrol(&meters).await?;
    let mut all = messages(7, &meters, Network::ROUGH);
    for (place, (_, bad)) in garbage(&meters[0]).into_iter().enumerate() {
        all.insert(place * 10, bad);
    }
    world.send(&all).await?;
    world.expect_days(&meters).await?;

    let report = indowater::verify::verify(&world.system, PATIENCE).await?;
    ensure!(report.holds, "{report}");
    for finding in &report.findings {
        // Nobody paid for anything here.
        ensure!(finding.checked > 0 || finding.invariant == "B2", "nothing was compared: {report}");
    }

    let client = Client::with_uri_str(&world.administrator.mongodb).await?;
    let database = client.database(&world.system.database);
    for (collection, change, invariant, says) in [
        ("water_usage", doc! { "customer_id": "nobody" }, "U1", "customer_id is \"nobody\""),
        ("ledger_entries", doc! { "balance_after": 7_i64 }, "B1", "balance_after is 7"),
        ("balances", doc! { "balance": 7_i64 }, "B1", "7"),
    ] {
        let documents = database.collection::<Document>(collection);
        let Some(before) = documents.find_one_and_update(doc! {}, doc! { "$set": change }).await? else {
            anyhow::bail!("{collection} is empty");
        };
        let report = indowater::verify::verify(&world.system, PATIENCE).await?;
        let broken: Vec<_> = report.findings.iter().filter(|finding| finding.broken > 0).collect();
        let named = broken.iter().any(|finding| finding.first.iter().any(|line| line.contains(says)));
        let only = broken.iter().all(|finding| finding.invariant == invariant);
        ensure!(!report.holds && named && only, "{collection}: {report}");
        documents.replace_one(doc! { "_id": before.get("_id") }, &before).await?;
    }
    let report = indowater::verify::verify(&world.system, PATIENCE).await?;
    ensure!(report.holds, "put right again: {report}");
    Ok(())
}
