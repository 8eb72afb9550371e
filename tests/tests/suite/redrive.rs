//! Telemetry that was set aside, sent again by the operator.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use indowater::dead_letters::{Which, redrive};
use indowater_proto::readings::v1::{Coordinates, DeadLetter, DeadLetterReason, Readings};
use indowater_proto::topics;
use indowater_tests::base::Base;
use indowater_tests::workload::{Meter, message, meters, partly_bad};
use indowater_tests::world::{World, eventually};
use prost::Message;

/// A message of a meter nobody enrolled is saved by enrolling it, but for its bad reads. Those may be sent again as often
/// as one likes: their good neighbours do not come again, each is one letter to send, and all say where they came from.
pub async fn only_what_was_set_aside_is_sent_again(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "redrive").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let meters = meters(41, 2, 24);
    let (bad, dead) = partly_bad(&meters[0], &meters[0].reads);
    world.send(&[bad]).await?;
    expect(&world, &BTreeMap::from([("unknown_device".to_owned(), 1)])).await?;

    world.enrol(&meters).await?;
    let here =
        Which { device: Some(format!(" {} ", meters[0].device_id.to_uppercase())), ..Which::default() };
    let elsewhere = Which { device: Some(meters[1].device_id.clone()), ..Which::default() };
    let none = redrive(&world.system, &elsewhere, false).await?;
    ensure!(none.sent == 0, "another meter's letters were sent: {none:?}");
    let mut expected = BTreeMap::from([("unknown_device".to_owned(), 1)]);
    for (round, sent) in [1, dead.len() as u64, dead.len() as u64].into_iter().enumerate() {
        let redriven = redrive(&world.system, &here, false).await?;
        ensure!(redriven.sent == sent, "round {round}: {redriven:?} instead of {sent} sent");
        dead.keys().for_each(|reason| *expected.entry(reason.clone()).or_default() += 1);
        expect(&world, &expected).await?;
    }

    let letters = world.records(&topics::DEAD_LETTERS).await?;
    let letters =
        letters.iter().map(|(_, _, value)| DeadLetter::decode(&**value)).collect::<Result<Vec<_>, _>>()?;
    let is_first = |letter: &&DeadLetter| letter.reason() == DeadLetterReason::UnknownDevice;
    let first = letters.iter().find(is_first).context("no first letter")?;
    let place = Coordinates { partition: first.partition, offset: first.offset };
    for letter in letters.iter().filter(|letter| !is_first(letter)) {
        ensure!(letter.first == Some(place), "{letter:?} does not say that it began at {place:?}");
        ensure!(letter.received_at_ms == first.received_at_ms, "{letter:?} forgot when it first came");
    }
    let mut accepted = 0;
    for (_, _, value) in world.records(&topics::READINGS).await? {
        let readings = Readings::decode(&*value)?;
        ensure!(readings.received_at == first.received_at_ms.div_euclid(1_000), "{readings:?}");
        accepted += readings.reads.len();
    }
    ensure!(accepted == 24, "{accepted} reads were accepted instead of 24, once each");

    // Whoever misspells it is told.
    let misspelt = Meter { device_id: meters[0].device_id.replace("MTR", "00-mtr-"), ..meters[0].clone() };
    world.send(&[message(&misspelt, &misspelt.reads)]).await?;
    eventually("the near miss is told", async || {
        let letters = world.records(&topics::DEAD_LETTERS).await?;
        let near = format!("but {:?} is", meters[0].device_id);
        let told = |value: &[u8]| DeadLetter::decode(value).is_ok_and(|letter| letter.detail.contains(&near));
        ensure!(letters.iter().any(|(_, _, value)| told(value)), "no letter says {near}");
        Ok(())
    })
    .await
}

async fn expect(world: &World, dead: &BTreeMap<String, usize>) -> Result<()> {
    eventually("the dead letters are there", async || {
        let found = world.dead_letters().await?;
        ensure!(found == *dead, "{found:?} instead of {dead:?}");
        Ok(())
    })
    .await
}
