//! What the services rely on of the broker: settings of topics, and that no batch unpacks to more than there is memory for.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use indowater_common::kafka::base_config;
use indowater_proto::topics::{TELEMETRY, Topic, USAGE};
use indowater_tests::base::Base;
use indowater_tests::workload::{message, meters};
use indowater_tests::world::{Service, World, eventually, http};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};

/// Topics whose settings somebody changed keep a service from being ready, which says why; `init` sets them right, keeps what
/// else was set, and the service becomes ready by itself.
pub async fn topics_stand_as_they_are_relied_on(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "topics").await?;
    set(&world, &TELEMETRY, &[("message.timestamp.type", "CreateTime"), ("segment.bytes", "10485760")])
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
    let made = indowater::init::init(&world.system, 1).await?;
    for wrong in ["message.timestamp.type is CreateTime", "cleanup.policy is delete"] {
        ensure!(made.mended.iter().any(|mended| mended.contains(wrong)), "{made:?} does not tell {wrong}");
    }
    for service in &services {
        service.ready().await?;
    }
    ensure!(indowater::init::init(&world.system, 1).await?.mended.is_empty(), "it is mended again and again");
    ensure!(setting(&world, &TELEMETRY, "segment.bytes").await? == "10485760", "another setting is gone");
    Ok(())
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
    Ok(())
}

async fn setting(world: &World, topic: &Topic, key: &str) -> Result<String> {
    let name = topic.name(&world.system.topic_prefix);
    let asked = [ResourceSpecifier::Topic(&name)];
    let answer = admin(world)?.describe_configs(&asked, &AdminOptions::new()).await?;
    let topic = answer.into_iter().next().context("no answer")??;
    let entry = topic.entries.into_iter().find(|entry| entry.name == key).context("no such setting")?;
    entry.value.context("no value")
}
