//! The auditor over a running system: it has nothing to say of what is right, and names what somebody changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use futures::TryStreamExt;
use indowater::registry::Registry;
use indowater::simulate::{self, Bounds, Fleet, Percent, Population, Rates, Reporting, Simulated};
use indowater::uplink::Uplink;
use indowater_common::clock;
use indowater_common::mongo::number;
use indowater_tests::base::Base;
use indowater_tests::workload::{Network, garbage, messages, meters};
use indowater_tests::world::World;
use mongodb::Client;
use rust_decimal::Decimal;
use tokio_util::sync::CancellationToken;

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

    let client = Client::with_uri_str(&world.administrator.mongodb).await?;
    let database = client.database(&world.system.database);
    for (collection, change, invariant, says) in [
        ("water_usage", doc! { "customer_id": "nobody" }, "U1", "customer_id is \"nobody\""),
        ("water_usage", doc! { "quality": "guessed" }, "U1", "quality is \"guessed\""),
        ("water_usage", doc! { "flags": ["imaginary"] }, "U1", "flags is {\"imaginary\"}"),
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

/// A simulated fleet with every fault it knows, properties that change hands while their meters report, and days and payments
/// that another system left, in services that have room for hardly any of it: the auditor computes all of it alike, and the
/// figures of the other system stand as they came.
pub async fn a_fleet_with_every_fault_is_computed_alike(base: Arc<Base>) -> Result<()> {
    const SEED: u64 = 20_261_125;
    let mut world = World::new(&base, "fleet").await?;
    let ingest = world.start("ingest", &[]).await?;
    let registry = Registry::at(&ingest.url, None)?;
    let population = Population { meters: 40, meters_per_property: 4, seed: SEED };
    let meters: Vec<Simulated> = population.meters(simulate::installed_before(clock::now())).collect();
    let chance = |percent: &str| percent.parse::<Percent>().map_err(anyhow::Error::msg);
    let left = simulate::leave(&world.system, &meters, chance("50")?, SEED).await?;
    ensure!(left.days > 40 && left.payments > 8, "{left:?}");
    let before = days(&world).await?;
    ensure!(before.len() as u64 == left.days, "{} days of another system", before.len());
    // So little room that whatever comes again has been let go of, and is loaded.
    let usage = world.start("usage-aggregator", &[("INDOWATER_DEVICES_IN_MEMORY", "3")]).await?;
    let billing = world.start("billing", &[("INDOWATER_LEDGER_MONTHS_IN_MEMORY", "1")]).await?;

    let few = chance("5")?;
    let rates = Rates {
        duplicates: few,
        disorder: few,
        late: few,
        gaps: few,
        resets: chance("1")?,
        dips: few,
        clocks: few,
        garbage: few,
        bad_reads: few,
        sloppy: few,
        moves: few,
    };
    let reporting = Reporting { interval: Duration::from_secs(2), rates, traces: Percent::NEVER, seed: SEED };
    let mut fleet = Fleet::enrol(&registry, meters, reporting).await?;
    let bounds = Bounds { duration: Some(Duration::from_secs(60)), messages: Some(900) };
    let uplink = Uplink::open(&world.system).await?;
    fleet.run(&uplink, &registry, bounds, &CancellationToken::new()).await?;
    let counts = fleet.counts();
    let happened =
        [counts.moves, counts.dips, counts.resets, counts.clocks, counts.duplicates, counts.late_batches];
    ensure!(happened.iter().all(|many| *many > 0), "not every fault happened: {counts}");

    let report = indowater::verify::verify(&world.system, PATIENCE).await?;
    ensure!(report.holds, "{counts}\n{report}");
    for finding in &report.findings {
        ensure!(
            finding.checked > 0 || ["A1", "B2"].contains(&finding.invariant),
            "nothing was compared: {report}"
        );
    }
    for (service, name) in
        [(&usage, "indowater_devices_forgotten_total"), (&billing, "indowater_ledger_months_forgotten_total")]
    {
        let forgotten = service.metric(name, "").await?;
        ensure!(forgotten > Decimal::from(20), "{name} is {forgotten}: nothing was let go of");
    }
    let read = indowater::status::status(&world.system).await;
    ensure!(read.quarantined.values().all(|many| *many == 0), "{:?}", read.quarantined);
    // Where our records stand in for theirs, the figures are the same.
    let after = days(&world).await?;
    for (key, figures) in &before {
        ensure!(after.get(key) == Some(figures), "{key:?} was {figures:?} and is {:?}", after.get(key));
    }
    Ok(())
}

/// The days of `water_usage` by device and date: of whom, m3, rupiah to the sen.
async fn days(world: &World) -> Result<BTreeMap<(String, i64), (String, Decimal, Decimal)>> {
    let documents = world.database.collection::<Document>("water_usage");
    let documents: Vec<Document> = documents.find(doc! {}).await?.try_collect().await?;
    let day = |document: &Document| {
        let figure = |field: &str| document.get(field).and_then(number).context("no figure");
        let key =
            (document.get_str("device_id")?.to_owned(), document.get_datetime("date")?.timestamp_millis());
        let customer = document.get_str("customer_id")?.to_owned();
        Ok((key, (customer, figure("consumption")?.normalize(), figure("cost")?.round_dp(2).normalize())))
    };
    documents.iter().map(day).collect()
}
