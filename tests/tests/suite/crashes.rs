//! U1 under fire: whatever is killed, paused or restarted, the records are the oracle's.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use indowater_proto::topics;
use indowater_tests::base::Base;
use indowater_tests::workload::{Network, messages, meters};
use indowater_tests::world::{World, eventually};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use rustix::process::{Pid, Signal, kill_process};

/// Slow enough that a kill finds work in flight, small enough that flushes are many.
const IMPATIENT: &[(&str, &str)] = &[("INDOWATER_FLUSH_IDLE", "50"), ("INDOWATER_FLUSH_AGE", "300")];

/// Both services are killed with SIGKILL at random points under load, again and again.
pub async fn killed_services_change_nothing(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "killed").await?;
    let mut ingest = world.start("ingest", &[]).await?;
    let mut usage = world.start("usage-aggregator", IMPATIENT).await?;
    let meters = meters(10, 40, 250);
    world.enrol(&meters).await?;
    let all = messages(10, &meters, Network::ROUGH);
    let mut chance = ChaCha8Rng::seed_from_u64(10);
    for part in all.chunks(all.len() / 6 + 1) {
        world.send(part).await?;
        tokio::time::sleep(Duration::from_millis(chance.random_range(50..700))).await;
        if chance.random_bool(0.5) {
            ingest.process.kill().await;
            ingest = world.launch("ingest", &[])?;
        }
        usage.process.kill().await;
        usage = world.launch("usage-aggregator", IMPATIENT)?;
    }
    world.expect_days(&meters).await?;
    ensure!(usage.process.is_running() && ingest.process.is_running(), "a service ended by itself");
    Ok(())
}

/// A second instance of each joins, then the first ones leave, all under load.
pub async fn instances_share_and_hand_over_under_load(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "share").await?;
    let first = (world.start("ingest", &[]).await?, world.start("usage-aggregator", IMPATIENT).await?);
    let meters = meters(11, 60, 200);
    world.enrol(&meters).await?;
    let all = messages(11, &meters, Network::ROUGH);
    let parts: Vec<_> = all.chunks(all.len() / 4 + 1).collect();
    world.send(parts[0]).await?;
    let second = (world.launch("ingest", &[])?, world.launch("usage-aggregator", IMPATIENT)?);
    world.send(parts[1]).await?;
    second.0.ready().await?;
    second.1.ready().await?;
    world.send(parts[2]).await?;
    eventually("both instances work", async || {
        for service in [&first.0, &first.1, &second.0, &second.1] {
            let applied = service.metric("indowater_consumed_records_total", "").await?;
            ensure!(applied > Decimal::ZERO, "an instance has nothing");
        }
        Ok(())
    })
    .await?;
    // One leaves in good order, the other one dies.
    first.0.process.stop().await;
    first.1.process.kill().await;
    world.send(parts[3]).await?;
    world.expect_days(&meters).await
}

/// The broker and the database are stopped and started in the middle of the work; the services wait and go on.
pub async fn broker_and_database_restart_in_the_middle(base: Arc<Base>) -> Result<()> {
    let mut own = Base::beside(base.programs.clone(), base.security.is_some()).await?;
    let mut world = World::new(&own, "restart").await?;
    let ingest = world.start("ingest", &[]).await?;
    let usage = world.start("usage-aggregator", IMPATIENT).await?;
    let meters = meters(12, 30, 200);
    world.enrol(&meters).await?;
    let all = messages(12, &meters, Network::ROUGH);
    let parts: Vec<_> = all.chunks(all.len() / 3 + 1).collect();
    world.send(parts[0]).await?;
    own.stack.mongodb.kill().await;
    world.send(parts[1]).await?;
    eventually("the services say that the database is away", async || {
        ensure!(usage.ready_now().await? == 503 && ingest.ready_now().await? == 503, "still ready");
        Ok(())
    })
    .await?;
    own.stack.mongodb.restart().await?;
    own.stack.kafka.restart().await?;
    world.send(parts[2]).await?;
    world.expect_days(&meters).await?;
    for service in [&ingest, &usage] {
        ensure!(service.process.is_running(), "{} did not outlive the restart", service.process.name());
        service.ready().await?;
    }
    drop((ingest, usage));
    own.stop().await;
    Ok(())
}

/// An instance that lost its partitions without knowing wakes up with old state in memory and writes: nothing newer
/// is overwritten.
pub async fn a_zombie_overwrites_nothing(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "zombie").await?;
    let _ingest = world.start("ingest", &[]).await?;
    // It holds what it has read for a long time, so that it wakes up with something to write.
    let patient = [("INDOWATER_FLUSH_IDLE", "60000"), ("INDOWATER_FLUSH_AGE", "60000")];
    let zombie = world.start("usage-aggregator", &patient).await?;
    let meters = meters(13, 20, 150);
    world.enrol(&meters).await?;
    let all = messages(13, &meters, Network { batch: 3, repeat: 9, late: 1_000, disorder: 10 });
    let (early, later) = all.split_at(all.len() / 2);
    world.send(early).await?;
    eventually("the zombie-to-be has read it", async || {
        let applied = zombie.metric("indowater_reads_total", "").await?;
        ensure!(applied > Decimal::from(300), "only {applied}");
        Ok(())
    })
    .await?;
    let pid = Pid::from_raw(i32::try_from(zombie.process.pid())?).context("no pid")?;
    kill_process(pid, Signal::STOP)?;
    let _heir = world.start("usage-aggregator", IMPATIENT).await?;
    world.send(later).await?;
    world.expect_days(&meters).await?;
    kill_process(pid, Signal::CONT)?;
    // Stopping makes it write what it still holds.
    zombie.process.stop().await;
    world.expect_days(&meters).await
}

/// SIGTERM while reads are in flight: what was taken is durable and committed, nothing is done twice after.
pub async fn a_graceful_stop_loses_nothing_and_commits(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "graceful").await?;
    let ingest = world.start("ingest", &[]).await?;
    let usage = world.start("usage-aggregator", &[]).await?;
    let meters = meters(14, 30, 100);
    world.enrol(&meters).await?;
    let all = messages(14, &meters, Network::ROUGH);
    world.send(&all).await?;
    eventually("the readings are there", async || {
        let accepted = world.records(&topics::READINGS).await?.len();
        ensure!(accepted == all.len(), "{accepted} of {}", all.len());
        Ok(())
    })
    .await?;
    for service in [&ingest, &usage] {
        service.process.stop().await;
        let status = service.process.ended().await;
        ensure!(
            status.success(),
            "{} ended with {status}: {}",
            service.process.name(),
            service.process.last_words()
        );
    }
    ensure!(world.uncommitted(&topics::TELEMETRY, "ingest").await? == 0, "ingest did not commit");
    let again = (world.start("ingest", &[]).await?, world.start("usage-aggregator", &[]).await?);
    world.expect_days(&meters).await?;
    ensure!(world.records(&topics::READINGS).await?.len() == all.len(), "telemetry was taken twice");
    eventually("everything is committed", async || {
        let open = world.uncommitted(&topics::READINGS, "usage-aggregator").await?;
        ensure!(open == 0, "{open} readings are not committed");
        Ok(())
    })
    .await?;
    drop(again);
    Ok(())
}
