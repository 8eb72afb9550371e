//! The pipeline end to end: what devices send is what customers read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bson::doc;
use indowater_proto::readings::v1::{DeadLetter, Readings};
use indowater_proto::registry::v1::registry_service_client::RegistryServiceClient;
use indowater_proto::registry::v1::{Device, UpdateDeviceRequest, UpdatePropertyRequest};
use indowater_proto::topics;
use indowater_proto::usage::v1::DailyUsage;
use indowater_tests::base::Base;
use indowater_tests::workload::{Meter, Network, START, garbage, message, messages, meters, partly_bad};
use indowater_tests::world::{CUSTOMER, World, eventually, http};
use prost::Message;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::api::{add_user, log_in};

/// Telemetry, with everything a network does to it, becomes daily records and the customer's own GET, equal to the
/// oracle to the litre and the rupiah; every read of every message ends as accepted or in a dead letter.
pub async fn telemetry_becomes_the_customers_usage(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "pipeline").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", &[]).await?;
    let _api = world.start("api-gateway", &[]).await?;
    let meters = meters(1, 6, 400);
    world.enrol(&meters).await?;

    // The last reads of one meter come in a message of which others are bad, and in no other.
    let mut sent = meters.clone();
    let (partly, dead_reads) = partly_bad(&meters[1], &sent[1].reads.split_off(390));
    let mut all = messages(1, &sent, Network::ROUGH);
    let mut dead: BTreeMap<String, usize> = dead_reads.keys().map(|reason| (reason.clone(), 1)).collect();
    all.push(partly);
    for (place, (reason, bad)) in garbage(&meters[0]).into_iter().enumerate() {
        all.insert(place * 20, bad);
        *dead.entry(reason.to_owned()).or_insert(0) += 1;
    }
    world.send(&all).await?;
    world.expect_days(&meters).await?;

    eventually("the dead letters are there", async || {
        let found = world.dead_letters().await?;
        ensure!(found == dead, "{found:?} instead of {dead:?}");
        Ok(())
    })
    .await?;
    every_read_is_accounted_for(&world, all.len()).await?;

    add_user(&world, CUSTOMER, "customer@indowater.com", "customer").await?;
    let token = log_in(&world, "customer@indowater.com").await?.access;
    for meter in &meters {
        let mut expected = meter.expected();
        let mut page = String::new();
        loop {
            let url = format!(
                "{}/api/v1/usage/daily?device_id={}&from=2026-01-01&to=2026-03-31&page_size=7{page}",
                world.system.api_url.as_deref().context("no gateway")?,
                meter.id
            );
            let answer: Value =
                http()?.get(url).bearer_auth(&token).send().await?.error_for_status()?.json().await?;
            for day in answer["items"].as_array().context("no items")? {
                let date = &day["date"].as_str().context("no date")?[..10];
                let expected = expected.remove(date).with_context(|| format!("{date} was not expected"))?;
                let decimal =
                    |field: &str| -> Result<Decimal> { Ok(day[field].as_str().context("text")?.parse()?) };
                ensure!(decimal("consumption")? == Decimal::new(expected.litres, 3), "{day}");
                ensure!(decimal("cost")? == expected.cost, "{day}");
            }
            match answer["next_page_token"].as_str() {
                Some(token) => page = format!("&page_token={token}"),
                None => break,
            }
        }
        ensure!(expected.is_empty(), "days nobody was shown: {:?}", expected.keys());
    }
    Ok(())
}

/// A day of reads every ten seconds, written piece by piece, with late ones, again ones and another instance in between: what
/// is stored in parts is the whole.
pub async fn a_day_of_ten_second_reads(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "tenseconds").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let usage = world.start("usage-aggregator", &[]).await?;
    let [mut meter] = <[Meter; 1]>::try_from(meters(5, 1, 0)).expect("one meter");
    world.enrol(std::slice::from_ref(&meter)).await?;
    // From midnight in Jakarta on.
    let reads: Vec<(i64, i64)> =
        (0..8_640).map(|nth| (START - 5 * 3_600 + nth * 10, 70_000 + nth / 9 + nth / 1_000 * 40)).collect();
    // Flush by flush in order, but for half an hour that is late.
    for piece in reads[..5_040].chunks(720) {
        let (in_time, _late) = piece.split_at(if piece[0] == reads[2_160] { 540 } else { 720 });
        send_more(&world, &mut meter, in_time).await?;
    }
    send_more(&world, &mut meter, &reads[2_160..2_880]).await?;
    drop(usage);
    let _usage = world.start("usage-aggregator", &[]).await?;
    for piece in reads[4_900..].chunks(720) {
        send_more(&world, &mut meter, piece).await?;
    }
    let days = world.database.collection::<bson::Document>("water_usage");
    let day = days.find_one(doc! { "device_id": &meter.id, "earlier_reads": { "$exists": true } }).await?;
    let day = day.context("the day is not stored in parts")?;
    ensure!(day.get_array("earlier_reads")?.len() >= 5, "the reads are in one part");
    Ok(())
}

/// Sends further reads of a meter, thirty a message, and waits until its days are right.
async fn send_more(world: &World, meter: &mut Meter, reads: &[(i64, i64)]) -> Result<()> {
    let uplinks: Vec<_> = reads.chunks(30).map(|reads| message(meter, reads)).collect();
    world.send(&uplinks).await?;
    meter.reads.extend_from_slice(reads);
    meter.reads.sort_unstable();
    meter.reads.dedup();
    world.expect_days(std::slice::from_ref(meter)).await
}

/// D1: of every telemetry message each read is accepted or in exactly one dead letter; what cannot be read counts as one.
async fn every_read_is_accounted_for(world: &World, sent: usize) -> Result<()> {
    /// The reads of a message that were accepted, the places of those that were not, and how many there are.
    #[derive(Default)]
    struct Told {
        accepted: usize,
        dead: BTreeSet<u32>,
        is_whole: bool,
        all: Option<u32>,
    }
    let telemetry = world.records(&topics::TELEMETRY).await?;
    ensure!(telemetry.len() == sent, "{} of {sent} messages are on the topic", telemetry.len());
    let mut told: BTreeMap<(i32, i64), Told> = BTreeMap::new();
    for (_, _, value) in world.records(&topics::READINGS).await? {
        let readings = Readings::decode(&*value)?;
        let message = told.entry((readings.telemetry_partition, readings.telemetry_offset)).or_default();
        message.accepted = readings.reads.len();
        message.all = Some(readings.message_reads);
    }
    for (_, _, value) in world.records(&topics::DEAD_LETTERS).await? {
        let letter = DeadLetter::decode(&*value)?;
        let message = told.entry((letter.partition, letter.offset)).or_default();
        message.is_whole |= letter.places.is_empty();
        ensure!(
            letter.places.iter().all(|place| message.dead.insert(*place)),
            "{letter:?} says a read again"
        );
        ensure!(*message.all.get_or_insert(letter.message_reads) == letter.message_reads, "{letter:?}");
    }
    for (partition, offset, _) in telemetry {
        let message = told.remove(&(partition, offset));
        let Told { accepted, dead, is_whole, all } =
            message.with_context(|| format!("{partition}:{offset} is neither accepted nor dead"))?;
        let told = accepted + dead.len();
        let holds =
            if is_whole { told == 0 } else { all.is_some_and(|all| told == all as usize && told > 0) };
        ensure!(holds, "{partition}:{offset}: {accepted} accepted, {dead:?} dead, of {all:?}");
    }
    ensure!(told.is_empty(), "something became of what nobody sent: {:?}", told.keys());
    Ok(())
}

/// A read of any age revises its days; the usage topic ends with the newest revision of every day, as stored.
pub async fn late_reads_revise_the_days_they_touch(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "late").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let _usage = world.start("usage-aggregator", &[]).await?;
    let mut meters = meters(2, 3, 300);
    world.enrol(&meters).await?;
    // Every third read is missing at first: gaps are interpolated over, then filled from the newest to the oldest.
    let complete = meters.clone();
    for meter in &mut meters {
        let mut place = 0;
        meter.reads.retain(|_| {
            place += 1;
            place % 3 != 2
        });
    }
    let punctual = Network { batch: 24, repeat: 1_000, late: 1_000, disorder: 1 };
    world.send(&messages(2, &meters, punctual)).await?;
    world.expect_days(&meters).await?;
    for meter in &complete {
        let missing: Vec<_> =
            meter.reads.iter().skip(1).step_by(3).rev().map(|read| message(meter, &[*read])).collect();
        world.send(&missing).await?;
    }
    world.expect_days(&complete).await?;

    eventually("the usage topic tells the same", async || {
        let mut newest: BTreeMap<String, DailyUsage> = BTreeMap::new();
        for (_, _, value) in world.records(&topics::USAGE).await? {
            let usage = DailyUsage::decode(&*value)?;
            let known = newest.get(&usage.id).map_or(0, |known| known.revision);
            if usage.revision >= known {
                newest.insert(usage.id.clone(), usage);
            }
        }
        for meter in &complete {
            for (date, day) in meter.expected() {
                let id = format!("{}|{date}", meter.id);
                let told = newest.get(&id).with_context(|| format!("{id} was never published"))?;
                ensure!(
                    told.volume_ml == day.litres * 1_000,
                    "{id}: {} ml, not {} L",
                    told.volume_ml,
                    day.litres
                );
                ensure!(
                    told.cost.parse::<Decimal>()? == day.cost,
                    "{id}: {} Rp, not {}",
                    told.cost,
                    day.cost
                );
            }
        }
        Ok(())
    })
    .await
}

/// Every change of the registry reaches the compacted topics, newest last; a property's change reaches its devices.
pub async fn the_registry_publishes_every_change(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "registry").await?;
    let ingest = world.start("ingest", &[]).await?;
    let meters = meters(3, 2, 1);
    world.enrol(&meters).await?;
    world.enrol(&meters).await.context("enrolling again is no error")?;
    let mut registry = RegistryServiceClient::connect(ingest.url.clone()).await?;
    registry
        .update_property(UpdatePropertyRequest {
            id: "property-1".to_owned(),
            tariff_class: Some("household-simple-2".to_owned()),
            ..Default::default()
        })
        .await?;
    registry
        .update_device(UpdateDeviceRequest {
            id: meters[0].id.clone(),
            status: Some("maintenance".to_owned()),
            ..Default::default()
        })
        .await?;
    let refused = registry
        .update_property(UpdatePropertyRequest {
            id: "property-1".to_owned(),
            tariff_class: Some("palace".to_owned()),
            ..Default::default()
        })
        .await;
    let refused = refused.err().context("an unknown tariff class was taken")?;
    ensure!(refused.message().contains("tariff_class"), "{refused}");

    eventually("the topic holds the newest state", async || {
        let mut newest: BTreeMap<String, Device> = BTreeMap::new();
        for (_, _, value) in world.records(&topics::DEVICES).await? {
            let device = Device::decode(&*value)?;
            let before = newest.insert(device.id.clone(), device.clone());
            ensure!(before.is_none_or(|before| before.version <= device.version), "a stale state came last");
        }
        ensure!(newest.len() == 2, "{} devices", newest.len());
        ensure!(
            newest.values().all(|device| device.tariff_class == "household-simple-2"),
            "the class did not cascade"
        );
        ensure!(newest[&meters[0].id].status == "maintenance", "the status is not there");
        Ok(())
    })
    .await
}
