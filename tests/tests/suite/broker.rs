//! What the services rely on of the broker: settings of topics, and that no batch unpacks to more than there is memory for.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::{Binary, Document, doc, spec::BinarySubtype};
use indowater_common::kafka::base_config;
use indowater_proto::billing::v1::Balance;
use indowater_proto::registry::v1::registry_service_client::RegistryServiceClient;
use indowater_proto::registry::v1::{Device, UpdateDeviceRequest};
use indowater_proto::topics::{BALANCES, DEVICES, TELEMETRY, Topic, USAGE};
use indowater_proto::usage::v1::DailyUsage;
use indowater_tests::base::Base;
use indowater_tests::workload::{Meter, message, meters};
use indowater_tests::world::{Service, World, eventually, http};
use prost::Message as _;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::ledger::{enrol, expect_balances};

/// Topics whose settings somebody changed keep a service from being ready, which says why; `init` sets them right, keeps what
/// else was set, and the service becomes ready by itself.
pub async fn topics_stand_as_they_are_relied_on(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "topics").await?;
    set(
        &world,
        &TELEMETRY,
        &[("message.timestamp.type", "CreateTime"), ("segment.bytes", "10485760"), ("retention.ms", "-1")],
    )
    .await?;
    set(&world, &USAGE, &[("cleanup.policy", "delete")]).await?;
    let services = [world.launch("ingest", &[])?, world.launch("usage-aggregator", &[])?];
    for (service, word) in
        services.iter().zip(["message.timestamp.type is CreateTime", "cleanup.policy is delete"])
    {
        eventually("the service says what is wrong", async || {
            let says = http()?.get(format!("{}/readyz", service.admin)).send().await?.text().await?;
            ensure!(says.contains(word), "{says}");
            Ok(())
        })
        .await?;
        ensure!(service.ready_now().await? == 503, "{} is ready all the same", service.process.name());
    }
    let made = indowater::init::init(&world.administrator, 1).await?;
    for wrong in ["message.timestamp.type is CreateTime", "cleanup.policy is delete"] {
        ensure!(made.mended.iter().any(|mended| mended.contains(wrong)), "{made:?} does not tell {wrong}");
    }
    for service in &services {
        service.ready().await?;
    }
    ensure!(
        indowater::init::init(&world.administrator, 1).await?.mended.is_empty(),
        "it is mended again and again"
    );
    for (key, kept) in [("segment.bytes", "10485760"), ("retention.ms", "-1")] {
        ensure!(setting(&world, &TELEMETRY, key).await? == kept, "{key} is not as the operator set it");
    }
    Ok(())
}

/// A row that the broker never takes keeps those behind it waiting, in order, and the service says so; those before it are on the
/// topic, once, and when the row is gone so are the others.
pub async fn a_refused_row_of_an_outbox_has_nothing_sent_again(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "outbox").await?;
    let ingest = world.start("ingest", &[("INDOWATER_STALL_LIMIT", "3")]).await?;
    let rows = world.database.collection::<Document>("outbox_ingest");
    let (before, refused, behind) = (1_000_001_i64, 1_000_003_i64, 1_000_004_i64);
    let row = |sequence: i64, bytes: usize| {
        doc! {
            "_id": sequence, "topic": DEVICES.name(&world.system.topic_prefix), "key": "a-row",
            "value": Binary { subtype: BinarySubtype::Generic, bytes: vec![7; bytes] },
            "event_id": format!("row-{sequence}"), "source": "/indowater/ingest", "kind": "row", "time": 0_i64,
            "traceparent": null,
        }
    };
    // More than the client of a service ever sends in one record.
    rows.insert_many([row(before, 3), row(before + 1, 4), row(refused, 3 << 20), row(behind, 5)]).await?;
    let sizes = async || -> Result<Vec<usize>> {
        Ok(world.records(&DEVICES).await?.into_iter().map(|(_, _, value)| value.len()).collect())
    };
    eventually("the service says which row waits", async || {
        let says = http()?.get(format!("{}/readyz", ingest.admin)).send().await?.text().await?;
        ensure!(says.contains(&format!("row {refused} of outbox_ingest")), "{says}");
        Ok(())
    })
    .await?;
    let sent = sizes().await?;
    ensure!(sent == [3, 4], "those before it are sent once each: {sent:?}");
    ensure!(
        rows.count_documents(doc! { "_id": { "$lt": refused } }).await? == 0,
        "they are kept all the same"
    );

    rows.delete_one(doc! { "_id": refused }).await?;
    eventually("the rest is sent", async || {
        ensure!(rows.count_documents(doc! {}).await? == 0, "rows wait");
        Ok(())
    })
    .await?;
    let sent = sizes().await?;
    ensure!(sent == [3, 4, 5], "{sent:?}");
    ingest.ready().await
}

/// Memory of ingest while it takes the largest batch there can be, in KiB: it has about 45 MiB at rest.
const MOST_MEMORY: u64 = 160 << 10;

/// What a stranger packs a thousandfold, the broker packs anew at most 22-fold: a message of 160 MB never reaches a service, and
/// one of 20 MB, which does, is one dead letter, cut. Others go on.
pub async fn a_message_that_packs_well_takes_no_memory_that_is_not_there(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "unpacked").await?;
    let ingest = world.start("ingest", &[]).await?;
    let meters = meters(5, 1, 8);
    world.enrol(&meters).await?;
    let producer: FutureProducer = base_config(&world.kafka())
        .set("message.max.bytes", "1000000000")
        .set("queue.buffering.max.kbytes", "1000000")
        .set("compression.codec", "gzip")
        .create()?;
    let topic = TELEMETRY.name(&world.system.topic_prefix);
    for (bytes, is_taken) in [(160 << 20, false), (20 << 20, true)] {
        let value = vec![b' '; bytes];
        let record = FutureRecord::to(&topic).key("packed").payload(&value);
        let sent = producer.send(record, Duration::from_secs(60)).await;
        ensure!(sent.is_ok() == is_taken, "{bytes} bytes: {:?}", sent.map_err(|(error, _)| error));
    }
    world.send(&[message(&meters[0], &meters[0].reads)]).await?;
    eventually("it is a dead letter, and others are not", async || {
        let dead = world.dead_letters().await?;
        ensure!(dead.get("oversized") == Some(&1), "{dead:?}");
        ensure!(ingest.metric("indowater_reads_accepted_total", "").await? == 8.into(), "the others wait");
        Ok(())
    })
    .await?;
    let most = most_memory(&ingest)?;
    ensure!(most < MOST_MEMORY, "ingest took {most} KiB");
    Ok(())
}

/// What a record says of its key, and which state of it: by rising numbers.
type State = fn(&[u8]) -> Result<(String, i64)>;

/// The compacted topics that tell what changed in the story, and how their records are read.
const COMPACTED: [(&Topic, State); 3] = [
    (&USAGE, |value| DailyUsage::decode(value).map(|usage| (usage.id, usage.revision)).map_err(Into::into)),
    (&BALANCES, |value| Balance::decode(value).map(|of| (of.customer_id, of.sequence)).map_err(Into::into)),
    (&DEVICES, |value| Device::decode(value).map(|device| (device.id, device.version)).map_err(Into::into)),
];

/// T1: what a former owner still had in its client comes after what its successor published; the topic ends on the newest state all
/// the same.
pub async fn compacted_topics_end_on_the_newest_state(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "newest").await?;
    let services = [
        world.start("ingest", &[]).await?,
        world.start("usage-aggregator", &[]).await?,
        world.start("billing", &[]).await?,
    ];
    let meters = meters(6, 2, 60);
    let owned = enrol(&world, &meters, 2).await?;
    let mut registry = RegistryServiceClient::connect(services[0].url.clone()).await?;
    for meter in &meters {
        let change = UpdateDeviceRequest {
            id: meter.id.clone(),
            location: Some("Halaman belakang".to_owned()),
            ..Default::default()
        };
        registry.update_device(change).await?;
    }
    // One by one, so that days and balances have several states.
    for place in 0..6 {
        let part = |meter: &Meter| message(meter, &meter.reads[place * 10..(place + 1) * 10]);
        world.send(&meters.iter().map(part).collect::<Vec<_>>()).await?;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    world.expect_days(&meters).await?;
    expect_balances(&world, &owned).await?;

    let producer: FutureProducer = base_config(&world.kafka()).create()?;
    let mut keys = Vec::new();
    for (topic, state) in COMPACTED {
        let records = world.records(topic).await?;
        let newest = newest(&records, state)?;
        let stale = records.iter().find(|(_, _, value)| {
            state(value).is_ok_and(|(key, number)| newest.get(&key).is_some_and(|last| number < *last))
        });
        let (partition, _, value) = stale.with_context(|| format!("{} has one state of each", topic.what))?;
        let (key, _) = state(value)?;
        let writer =
            Header { key: "indowater-writer", value: Some("w-00000000-0000-7000-8000-000000000000") };
        let name = topic.name(&world.system.topic_prefix);
        let headers = OwnedHeaders::new().insert(writer);
        let record = FutureRecord::to(&name).partition(*partition).key(&key).payload(value).headers(headers);
        producer.send(record, Duration::from_secs(20)).await.map_err(|(error, _)| error)?;
        keys.push((topic, state, newest[&key], key));
    }
    for (topic, state, last, key) in &keys {
        eventually("the topic ends on the newest state", async || {
            let ends = stands_last(&world.records(topic).await?, *state, key)?;
            ensure!(ends == *last, "{} ends on state {ends} of {key}, and {last} is the newest", topic.what);
            Ok(())
        })
        .await?;
    }
    for service in &services {
        let stale = service.metric("indowater_stale_records_total", "").await?;
        // One, or the same one again where an instance had to read back from the beginning.
        ensure!(stale >= 1.into(), "{} found {stale} stale records", service.process.name());
    }
    Ok(())
}

/// The newest state of each key, wherever it stands.
fn newest(records: &[(i32, i64, Vec<u8>)], state: State) -> Result<BTreeMap<String, i64>> {
    let mut newest = BTreeMap::new();
    for (_, _, value) in records {
        let (key, number) = state(value)?;
        let known = newest.entry(key).or_insert(number);
        *known = number.max(*known);
    }
    Ok(newest)
}

/// The state of a key that stands last.
fn stands_last(records: &[(i32, i64, Vec<u8>)], state: State, key: &str) -> Result<i64> {
    let mut last = None;
    for (_, offset, value) in records {
        let (of, number) = state(value)?;
        if of == key {
            last = last.max(Some((*offset, number)));
        }
    }
    last.map(|(_, number)| number).context("there is none")
}

/// The most memory that a process ever had, in KiB.
fn most_memory(service: &Service) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", service.process.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn admin(world: &World) -> Result<AdminClient<DefaultClientContext>> {
    Ok(base_config(&world.kafka()).create()?)
}

async fn set(world: &World, topic: &Topic, settings: &[(&str, &str)]) -> Result<()> {
    let name = topic.name(&world.system.topic_prefix);
    let change = AlterConfig::new(ResourceSpecifier::Topic(&name));
    let change = settings.iter().fold(change, |change, (key, value)| change.set(key, value));
    for answer in admin(world)?.alter_configs(&[change], &AdminOptions::new()).await? {
        answer.map_err(|(_, code)| code)?;
    }
    // The controller answers before the broker knows, by much where a machine is busy; services would look in between.
    eventually("the broker tells what was set", async || {
        for (key, value) in settings {
            ensure!(setting(world, topic, key).await? == *value, "{key} is otherwise");
        }
        Ok(())
    })
    .await
}

async fn setting(world: &World, topic: &Topic, key: &str) -> Result<String> {
    let name = topic.name(&world.system.topic_prefix);
    let asked = [ResourceSpecifier::Topic(&name)];
    let answer = admin(world)?.describe_configs(&asked, &AdminOptions::new()).await?;
    let topic = answer.into_iter().next().context("no answer")??;
    let entry = topic.entries.into_iter().find(|entry| entry.name == key).context("no such setting")?;
    entry.value.context("no value")
}
