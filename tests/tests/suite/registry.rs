//! The registry over time: whose the water is and what a meter is hold from a day on, and what is found about meters becomes
//! work for people.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::{DateTime, Document, doc, oid::ObjectId};
use futures::TryStreamExt;
use indowater_proto::readings::v1::{Facts, Readings};
use indowater_proto::registry::v1::registry_service_client::RegistryServiceClient;
use indowater_proto::registry::v1::{
    CorrectDeviceRequest, Device, EnrolDevicesRequest, ExchangeMeterRequest, TransferPropertyRequest,
    UpdatePropertyRequest,
};
use indowater_proto::topics;
use indowater_proto::usage::v1::{MeterFinding, MeterFindingKind, MeterPoint};
use indowater_tests::base::Base;
use indowater_tests::workload::{Meter, START, message, meters};
use indowater_tests::world::{CUSTOMER, World, eventually};
use prost::Message;
use tonic::Code;
use tonic::transport::Channel;

/// A class corrected and a property transferred in the past, an exchanged meter and a wrong resolution are told at once, for a
/// meter that is silent: a record without reads carries the whole timeline. Late telemetry of the old meter is the
/// connection's until the exchange and nobody's after it.
pub async fn facts_hold_from_a_day_on_and_are_told(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "facts").await?;
    let ingest = world.start("ingest", &[]).await?;
    let meters = meters(30, 2, 4);
    world.enrol(&meters).await?;
    let mut registry = RegistryServiceClient::connect(ingest.url.clone()).await?;
    let id = &meters[0].id;
    registry
        .update_property(UpdatePropertyRequest {
            id: "property-1".to_owned(),
            tariff_class: Some("household-simple-2".to_owned()),
            effective_from: "2026-02-01".to_owned(),
            ..Default::default()
        })
        .await?;
    registry
        .transfer_property(TransferPropertyRequest {
            id: "property-1".to_owned(),
            customer_id: "customer-002".to_owned(),
            effective_from: "2026-01-25".to_owned(),
            version: None,
        })
        .await?;
    let told = newest_facts(&world, id).await?;
    let expected = [
        ("", CUSTOMER, "household-middle-1"),
        ("2026-01-25", "customer-002", "household-middle-1"),
        ("2026-02-01", "customer-002", "household-simple-2"),
    ];
    ensure!(owners(&told.facts) == expected, "{told:?}");
    ensure!(told.registry_version == 3 && told.customer_id == "customer-002", "{told:?}");

    let (exchanged_at, serial) = (meters[0].reads[2].0, "NEW-1");
    registry.exchange_meter(exchange(id, exchanged_at, serial)).await?;
    registry
        .correct_device(CorrectDeviceRequest {
            id: id.clone(),
            resolution: Some(10),
            reason: "nameplate".to_owned(),
            by: "admin-001".to_owned(),
            ..Default::default()
        })
        .await?;
    let told = newest_facts(&world, id).await?;
    let meter = |place: usize| told.facts[place].meter.as_ref().map(|meter| meter.resolution);
    ensure!(told.facts.len() == 4 && meter(0) == Some(10) && meter(1) == Some(0), "{told:?}");
    ensure!(told.facts[1].exchange.as_ref().is_some_and(|exchange| exchange.at == exchanged_at), "{told:?}");
    ensure!(told.facts[1].serial == serial && told.facts[0].serial == meters[0].device_id, "{told:?}");

    let new = Meter { device_id: serial.to_lowercase(), ..meters[0].clone() };
    let (before, after) = (&meters[0].reads[..2], &meters[0].reads[3..]);
    world
        .send(&[
            message(&meters[0], before),
            message(&meters[0], after),
            message(&new, after),
            message(&new, before),
        ])
        .await?;
    eventually("each read is of the meter that was there", async || {
        let accepted = readings(&world).await?.into_iter().filter(|readings| readings.device_id == *id);
        let times: Vec<i64> = accepted.flat_map(|readings| readings.reads).map(|read| read.read_at).collect();
        let expected: Vec<i64> = before.iter().chain(after).map(|(at, _)| *at).collect();
        ensure!(times.len() == 3 && expected.iter().all(|at| times.contains(at)), "{times:?}");
        let dead: usize = world.dead_letters().await?.values().sum();
        ensure!(dead == 2, "{dead} dead letters");
        Ok(())
    })
    .await?;
    one_serial_is_one_device(&mut registry, serial).await?;
    an_older_document_is_built_upon(&world, &mut registry).await
}

fn exchange(id: &str, at: i64, serial: &str) -> ExchangeMeterRequest {
    ExchangeMeterRequest {
        id: id.to_owned(),
        at: DateTime::from_millis(at * 1_000).try_to_rfc3339_string().expect("a time"),
        final_register: "100.5".to_owned(),
        initial_register: "0".to_owned(),
        device_id: serial.to_owned(),
        reason: "five years old".to_owned(),
        by: "technician-001".to_owned(),
        ..Default::default()
    }
}

/// Whoever asks at the same time, in whatever spelling: an identifier is one device's.
async fn one_serial_is_one_device(registry: &mut RegistryServiceClient<Channel>, taken: &str) -> Result<()> {
    let device = |id: &str, serial: &str| EnrolDevicesRequest {
        devices: vec![Device {
            id: id.to_owned(),
            device_id: serial.to_owned(),
            property_id: "property-1".to_owned(),
            ..Default::default()
        }],
    };
    let refused = registry.enrol_devices(device("device-x", &taken.to_lowercase())).await;
    ensure!(refused.is_err_and(|status| status.code() == Code::AlreadyExists), "{taken} was given twice");
    let race = (0..8).map(|place| {
        let (mut registry, serial) = (registry.clone(), if place % 2 == 0 { "RACE-1" } else { " race-1 " });
        let wanted = device(&format!("race-{place}"), serial);
        async move { registry.enrol_devices(wanted).await }
    });
    let outcomes = futures::future::join_all(race).await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    ensure!(won == 1, "{won} of the same identifier were enrolled: {outcomes:?}");
    ensure!(
        outcomes.iter().flat_map(|outcome| outcome.as_ref().err()).all(|s| s.code() == Code::AlreadyExists),
        "{outcomes:?}"
    );
    Ok(())
}

/// Documents as the data model has them and nothing more: a key of another kind, a float, no fields of ours.
async fn an_older_document_is_built_upon(
    world: &World,
    registry: &mut RegistryServiceClient<Channel>,
) -> Result<()> {
    let at = DateTime::from_millis((START - 86_400) * 1_000);
    let older = doc! {
        "_id": ObjectId::new(), "id": "device-old", "device_id": "OLD-1", "property_id": "property-1",
        "customer_id": "customer-009", "type": "water_meter", "status": "active", "location": "cellar",
        "installation_date": at, "last_reading": 12.25_f64, "last_reading_date": at, "calibration_date": at,
        "created_at": at, "updated_at": at, "colour": "blue",
    };
    let devices = world.database.collection::<Document>("devices");
    devices.insert_one(older).await?;
    let old = Meter {
        id: "device-old".to_owned(),
        device_id: "OLD-1".to_owned(),
        reads: vec![(START, 13_000), (START + 3_600, 13_100)],
    };
    world.send(&[message(&old, &old.reads)]).await?;
    eventually("its last reading is written", async || {
        let found = devices.find_one(doc! { "id": "device-old" }).await?.context("it is gone")?;
        ensure!(found.get_datetime("last_reading_date")?.timestamp_millis() == (START + 3_600) * 1_000);
        ensure!(found.get_str("_id")? == "device-old" && found.get_str("colour")? == "blue", "{found}");
        Ok(())
    })
    .await?;
    let corrected = registry
        .correct_device(CorrectDeviceRequest {
            id: "device-old".to_owned(),
            from: "2026-02-01".to_owned(),
            billable: Some(false),
            reason: "a fountain".to_owned(),
            by: "admin-001".to_owned(),
            ..Default::default()
        })
        .await?
        .into_inner()
        .device
        .context("no device")?;
    ensure!(corrected.version == 2 && corrected.remarks.len() == 1, "{corrected:?}");
    let told = newest_facts(world, "device-old").await?;
    let billable: Vec<bool> = told.facts.iter().map(|facts| facts.billable).collect();
    ensure!(billable == [true, false] && told.facts[0].customer_id == "customer-009", "{told:?}");
    Ok(())
}

fn owners(facts: &[Facts]) -> Vec<(&str, &str, &str)> {
    facts.iter().map(|facts| (&*facts.from, &*facts.customer_id, &*facts.tariff_class)).collect()
}

async fn readings(world: &World) -> Result<Vec<Readings>> {
    let records = world.records(&topics::READINGS).await?;
    records.iter().map(|(_, _, value)| Ok(Readings::decode(&**value)?)).collect()
}

/// The newest record without reads of a device, once it is as new as the registry's entry.
async fn newest_facts(world: &World, id: &str) -> Result<Readings> {
    let entry = world.database.collection::<Document>("devices").find_one(doc! { "id": id }).await?;
    let version = entry.context("no such device")?.get_i64("version")?;
    eventually("the change is told among the readings", async || {
        let told = readings(world).await?;
        let of_it = told.into_iter().filter(|one| one.device_id == id && one.reads.is_empty());
        let newest = of_it.max_by_key(|one| one.registry_version).context("nothing is told")?;
        ensure!(newest.registry_version == version, "version {} of {version}", newest.registry_version);
        let coordinates = (newest.telemetry_partition, newest.telemetry_offset, newest.message_reads);
        ensure!(coordinates == (-1, -1, 0), "{coordinates:?}");
        Ok(newest)
    })
    .await
}

const FINDINGS: usize = 30;

/// Each finding is one work order, whatever is killed and however often it is told; one that is withdrawn takes its order
/// back, unless somebody is on the way.
pub async fn findings_become_work_orders(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "findings").await?;
    let mut ingest = world.start("ingest", &[]).await?;
    let meters = meters(31, 1, 1);
    world.enrol(&meters).await?;
    let orders = world.database.collection::<Document>("work_orders");
    let all: Vec<MeterFinding> = (0..FINDINGS).map(|place| finding(&meters[0].id, place)).collect();
    for (round, part) in all.chunks(10).enumerate() {
        publish(&world, part).await?;
        tokio::time::sleep(Duration::from_millis(300 * round as u64)).await;
        ingest.process.kill().await;
        ingest = world.launch("ingest", &[])?;
    }
    // Told again, they are the same.
    publish(&world, &all).await?;
    let settled = async |what: &str, expected: &[(&str, usize)]| {
        eventually(what, async || {
            let open = world.uncommitted(&topics::METER_FINDINGS, "ingest-findings").await?;
            ensure!(open == 0, "{open} findings are not committed");
            for (status, many) in expected {
                let found = orders.count_documents(doc! { "status": status }).await?;
                ensure!(found == *many as u64, "{found} are {status}, not {many}");
            }
            Ok(())
        })
        .await
    };
    settled("every finding is an order", &[("pending", FINDINGS)]).await?;
    let id = format!("jump-{}-{}", meters[0].id, all[0].date);
    let order = orders.find_one(doc! { "_id": &id }).await?.context("no order")?;
    let description = order.get_str("description")?;
    ensure!(order.get_str("title")?.contains(&meters[0].device_id), "{order}");
    ensure!(description.contains("300 m3 at 2026-01-20T05:00:00+07:00"), "{description}");

    orders.update_one(doc! { "_id": &id }, doc! { "$set": { "status": "in_progress" } }).await?;
    let withdrawn: Vec<MeterFinding> = all[..10]
        .iter()
        .map(|finding| MeterFinding { withdrawn: true, revision: 2, ..finding.clone() })
        .collect();
    publish(&world, &withdrawn).await?;
    let after = [("pending", FINDINGS - 10), ("cancelled", 9), ("in_progress", 1)];
    settled("withdrawn findings take their orders back", &after).await?;
    // What is told late of before the withdrawal changes nothing.
    publish(&world, &all[..10]).await?;
    settled("an older revision changes nothing", &after).await?;
    let cancelled: Vec<Document> = orders.find(doc! { "status": "cancelled" }).await?.try_collect().await?;
    ensure!(cancelled.iter().all(|order| order.get_str("notes").is_ok_and(|notes| !notes.is_empty())));
    ensure!(ingest.process.is_running(), "it ended by itself");
    Ok(())
}

fn finding(device_id: &str, place: usize) -> MeterFinding {
    let date = format!("2026-01-{:02}", place % 10 + 20);
    let kind =
        [MeterFindingKind::Jump, MeterFindingKind::Exchange, MeterFindingKind::AboveCeiling][place / 10];
    let name = kind.as_str_name().trim_start_matches("METER_FINDING_KIND_").to_lowercase();
    let point = |read_at, register_ml| Some(MeterPoint { read_at, register_ml });
    MeterFinding {
        id: format!("{device_id}|{name}|{date}"),
        device_id: device_id.to_owned(),
        customer_id: CUSTOMER.to_owned(),
        property_id: "property-1".to_owned(),
        date,
        kind: kind.into(),
        before: point(START, 300_000_000),
        after: point(START + 3_600, 900_000_000),
        withdrawn: false,
        revision: 1,
    }
}

async fn publish(world: &World, findings: &[MeterFinding]) -> Result<()> {
    let records: Vec<_> =
        findings.iter().map(|finding| (finding.id.clone(), finding.encode_to_vec())).collect();
    world.publish(&topics::METER_FINDINGS, &records).await
}
