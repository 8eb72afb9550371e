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
        // Nobody paid for anything here, and nothing leaks.
        let has_any = finding.checked > 0 || ["A1", "B2"].contains(&finding.invariant);
        ensure!(has_any, "nothing was compared: {report}");
    }

    let client = Client::with_uri_str(&world.system.mongodb).await?;
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
    let leaks = database.collection::<Document>("leak_detection_events");
    let open = |id: &str| doc! { "id": id, "device_id": "device", "status": "active", "detected_at": bson::DateTime::MIN };
    leaks.insert_many([open("leak-1"), open("leak-2")]).await?;
    let report = indowater::verify::verify(&world.system, PATIENCE).await?;
    let broken: Vec<_> = report.findings.iter().filter(|finding| finding.broken > 0).collect();
    ensure!(matches!(broken[..], [finding] if finding.invariant == "A1" && finding.broken == 1), "{report}");
    leaks.delete_many(doc! { "device_id": "device" }).await?;
    let report = indowater::verify::verify(&world.system, PATIENCE).await?;
    ensure!(report.holds, "put right again: {report}");
    Ok(())
}
