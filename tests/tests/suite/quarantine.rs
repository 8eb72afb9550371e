//! What a service cannot process is set aside with its reason; everything else goes on, and what is mended is processed.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bson::{Bson, Document, doc};
use indowater::quarantine::{Kept, kept, release_those};
use indowater::status::status;
use indowater_proto::topics::{self, Topic};
use indowater_tests::base::Base;
use indowater_tests::workload::{Meter, message, meters};
use indowater_tests::world::{Service, World, eventually};

use crate::ledger::{enrol, expect_balances};

/// Topics of our own, the group that reads each, and the service it belongs to.
const INTERNAL: [(&Topic, &str, &str); 5] = [
    (&topics::READINGS, "usage-aggregator", "usage-aggregator"),
    (&topics::METER_FINDINGS, "ingest-findings", "ingest"),
    (&topics::USAGE, "billing-charging", "billing"),
    (&topics::PAYMENTS, "billing-crediting", "billing"),
    (&topics::INSTRUCTIONS, "billing-ledger", "billing"),
];

/// Garbage on each topic of our own, a day's record, a month and an entry of the ledger that nobody can read: none of it keeps the
/// others from their figures, and once the documents are mended, theirs are right too.
pub async fn what_cannot_be_processed_is_set_aside_and_processed_once_mended(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "quarantine").await?;
    let ingest = world.start("ingest", &[]).await?;
    let mut usage = world.start("usage-aggregator", &[]).await?;
    let mut billing = world.start("billing", &[]).await?;
    let meters = meters(77, 4, 160);
    let owned = enrol(&world, &meters, 4).await?;
    let halves = |from: usize, to: usize| -> Vec<Meter> {
        meters.iter().map(|meter| Meter { reads: meter.reads[from..to].to_vec(), ..meter.clone() }).collect()
    };
    send(&world, &halves(0, 80)).await?;
    world.expect_days(&halves(0, 80)).await?;
    eventually("the first half is posted", async || {
        let months = world.database.collection::<Document>("ledger_months");
        let posted = months.distinct("device_id", doc! {}).await?;
        ensure!(posted.len() == meters.len(), "{posted:?}");
        Ok(())
    })
    .await?;

    for service in [&mut usage, &mut billing] {
        service.process.kill().await;
    }
    let day = doc! { "device_id": &meters[0].id };
    let day = spoil(&world, ("water_usage", day), ("date", -1), ("carry", "none".into())).await?;
    let (of_entry, entry) = spoil_an_entry(&world).await?;
    let month = doc! { "device_id": &meters[1].id };
    let month = spoil(&world, ("ledger_months", month), ("_id", -1), ("days", "none".into())).await?;
    for (topic, _, _) in INTERNAL {
        world.publish(topic, &[("somebody".to_owned(), b"\xffgarbage".to_vec())]).await?;
    }
    let usage = world.start("usage-aggregator", &[]).await?;
    let billing = world.start("billing", &[]).await?;
    send(&world, &halves(80, 160)).await?;
    world.expect_days(&meters[1..]).await?;
    let readable = owned.clone().into_iter().skip(2).filter(|(customer_id, _)| *customer_id != of_entry);
    expect_balances(&world, &readable.collect()).await?;
    nothing_waits(&world, [&ingest, &usage, &billing]).await?;

    let aside = kept(&world.system, None).await?;
    let of_month = "customer-1".to_owned();
    let spoilt = [
        (&meters[0].id, "of water_usage"),
        (&of_month, "of ledger_months"),
        (&of_entry, "of ledger_entries"),
    ];
    each_says_why(&world, &aside, spoilt).await?;

    // What is not mended comes back, and is lost as little as before.
    let ids = |aside: &[Kept]| -> BTreeSet<String> { aside.iter().map(|k| k.record.id.clone()).collect() };
    release_those(&world.system, None).await?;
    eventually("all of it failed again", async || {
        let again = kept(&world.system, None).await?;
        ensure!(ids(&again) == ids(&aside), "{} records instead of {}", again.len(), aside.len());
        ensure!(again.iter().all(|kept| !kept.record.released), "some wait still");
        Ok(())
    })
    .await?;

    mend(&world, "water_usage", "carry", day).await?;
    mend(&world, "ledger_months", "days", month).await?;
    mend(&world, "ledger_entries", "amount", entry).await?;
    release_those(&world.system, None).await?;
    world.expect_days(&meters).await?;
    expect_balances(&world, &owned).await?;
    eventually("only the garbage is left", async || {
        let left = kept(&world.system, None).await?;
        ensure!(left.len() == INTERNAL.len() && left.iter().all(is_garbage), "{left:?}");
        Ok(())
    })
    .await
}

/// One of the entries that were written last, which the next owner of their partition tells again, becomes unreadable. Returns
/// whose it is, its id and what stood there.
async fn spoil_an_entry(world: &World) -> Result<(String, (Bson, Bson))> {
    let partitions = world.database.collection::<Document>("ledger_partitions");
    let last = partitions.distinct("entries", doc! {}).await?;
    let which = doc! { "_id": { "$in": last }, "customer_id": { "$in": ["customer-2", "customer-3"] } };
    let entries = world.database.collection::<Document>("ledger_entries");
    let entry = entries.find_one(which).await?.context("no last entry of these customers")?;
    let this = doc! { "_id": entry.get("_id") };
    let spoilt = spoil(world, ("ledger_entries", this), ("sequence", -1), ("amount", "a lot".into())).await?;
    Ok((entry.get_str("customer_id")?.to_owned(), spoilt))
}

/// The garbage is with its service, what has these keys names the collection that is to be mended, and `status` counts all.
async fn each_says_why(world: &World, aside: &[Kept], spoilt: [(&String, &str); 3]) -> Result<()> {
    for (topic, _, service) in INTERNAL {
        let found = aside.iter().find(|kept| is_garbage(kept) && kept.record.topic == name(world, topic));
        let found = found.with_context(|| format!("{} has none of {aside:?}", topic.what))?;
        ensure!(found.collection == format!("quarantine_{}", service.replace('-', "_")), "{found:?}");
    }
    for (key, named) in spoilt {
        let mut of = aside.iter().filter(|kept| kept.record.key.bytes == key.as_bytes()).peekable();
        ensure!(of.peek().is_some(), "nothing of {key} was set aside");
        let unexplained = of.find(|kept| !kept.record.reason.contains(named));
        ensure!(unexplained.is_none(), "{unexplained:?} does not say what to mend");
    }
    let told = status(&world.system).await.quarantined;
    ensure!(told.values().sum::<u64>() == aside.len() as u64, "{told:?} and {} records", aside.len());
    Ok(())
}

async fn send(world: &World, meters: &[Meter]) -> Result<()> {
    let of = |meter: &Meter| meter.reads.chunks(8).map(|reads| message(meter, reads)).collect::<Vec<_>>();
    world.send(&meters.iter().flat_map(of).collect::<Vec<_>>()).await
}

/// Puts a value of the wrong kind into one document of ours. Returns its id and what stood there.
async fn spoil(
    world: &World,
    (collection, which): (&str, Document),
    (field, direction): (&str, i32),
    (spoilt, nonsense): (&str, Bson),
) -> Result<(Bson, Bson)> {
    let documents = world.database.collection::<Document>(collection);
    let mut last = doc! {};
    last.insert(field, direction);
    let found = documents.find_one(which).sort(last).await?.with_context(|| format!("no {collection}"))?;
    let id = found.get("_id").context("no id")?.clone();
    let before = found.get(spoilt).with_context(|| format!("no {spoilt}"))?.clone();
    mend(world, collection, spoilt, (id.clone(), nonsense)).await?;
    Ok((id, before))
}

async fn mend(world: &World, collection: &str, field: &str, (id, value): (Bson, Bson)) -> Result<()> {
    let mut change = doc! {};
    change.insert(field, value);
    let documents = world.database.collection::<Document>(collection);
    let changed = documents.update_one(doc! { "_id": id }, doc! { "$set": change }).await?;
    ensure!(changed.matched_count == 1, "there is no such document of {collection} any more");
    Ok(())
}

/// Every partition went on past what was set aside, and its service says that it is ready.
async fn nothing_waits(world: &World, services: [&Service; 3]) -> Result<()> {
    eventually("everything is committed", async || {
        for (topic, group, _) in INTERNAL {
            let left = world.uncommitted(topic, group).await?;
            ensure!(left == 0, "{left} records of {} wait", topic.what);
        }
        for service in services {
            ensure!(service.ready_now().await? == 200, "{} is not ready", service.process.name());
        }
        Ok(())
    })
    .await
}

fn is_garbage(kept: &Kept) -> bool {
    kept.record.key.bytes == b"somebody"
}

fn name(world: &World, topic: &Topic) -> String {
    topic.name(&world.system.topic_prefix)
}
