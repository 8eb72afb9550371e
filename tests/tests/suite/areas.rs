//! What spans meters: an interruption of an area and the silence of a gateway are one event each, whatever is killed.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use futures::TryStreamExt;
use indowater_common::kafka::partition_of;
use indowater_proto::anomaly::v1 as pb;
use indowater_proto::anomaly::v1::anomaly_service_client::AnomalyServiceClient;
use indowater_proto::readings::v1 as readings;
use indowater_proto::telemetry::v1::RegisterUnit;
use indowater_proto::topics;
use indowater_tests::base::Base;
use indowater_tests::world::{World, eventually};
use prost::Message as _;

/// Slow enough that a kill finds work in flight, small enough that flushes are many.
const IMPATIENT: &[(&str, &str)] = &[("INDOWATER_FLUSH_IDLE", "50"), ("INDOWATER_FLUSH_AGE", "300")];

const HOUR: i64 = 3_600;
/// 2026-07-19T00:00 in Jakarta.
const START: i64 = 1_784_394_000;
/// The water goes at five in the morning of the sixteenth day, for nine hours.
const GONE: i64 = 15 * 24 + 5;
const BACK: i64 = GONE + 9;
/// The gateway is heard for the last time at the end of the fourteenth day.
const LAST_HEARD: i64 = 14 * 24;
const PARTITIONS: i32 = 24;

/// A meter, its gateway, and what it took in each hour, litres.
struct Meter {
    id: String,
    area: &'static str,
    gateway: &'static str,
}

/// Meters of an area by which every partition goes on, and more of them; and those of a gateway that falls silent.
fn meters() -> (Vec<Meter>, Vec<Meter>) {
    let mut ids = (0..).map(|number| format!("home-{number:04}"));
    let mut homes: Vec<Meter> = Vec::new();
    for partition in (0..PARTITIONS).chain(0..8) {
        let id = ids.by_ref().find(|id| partition_of(id.as_bytes(), PARTITIONS) == partition);
        homes.push(Meter { id: id.unwrap_or_default(), area: "DMA-07", gateway: "gateway-a" });
    }
    let silent =
        (0..12).map(|number| Meter { id: format!("far-{number:02}"), area: "", gateway: "gateway-b" });
    (homes, silent.collect())
}

/// What a home takes in an hour: mornings, evenings, something at noon; nothing while there is no water, and its tank afterwards.
fn litres(hour: i64, number: i64) -> i64 {
    match hour - BACK {
        -9..0 => return 0,
        0..=1 => return 400,
        _ => {}
    }
    match hour % 24 {
        5..=8 => 20 + (hour * 7 + number * 5) % 40,
        9..=15 if (hour + number) % 3 != 0 => 8,
        17..=21 => 30 + (hour * 3 + number * 11) % 50,
        _ => 0,
    }
}

/// The hourly uplinks of meters, in the order in which they come.
fn uplinks(meters: &[&Meter], hours: std::ops::Range<i64>) -> Vec<(String, Vec<u8>)> {
    let mut uplinks = Vec::new();
    for hour in hours {
        for (number, meter) in (0..).zip(meters) {
            let register = 1_000 + (0..hour).map(|hour| litres(hour, number)).sum::<i64>();
            let readings = readings::Readings {
                device_id: meter.id.clone(),
                customer_id: "customer-001".to_owned(),
                property_id: "property-1".to_owned(),
                time_zone: "Asia/Jakarta".to_owned(),
                tariff_class: "household-middle-1".to_owned(),
                meter: Some(readings::Meter {
                    unit: RegisterUnit::Litre.into(),
                    register_digits: 8,
                    q3_litres_per_hour: 2_500,
                    ..Default::default()
                }),
                registry_version: 1,
                source: readings::ReadSource::Telemetry.into(),
                reads: vec![readings::AcceptedRead {
                    read_at: START + hour * HOUR,
                    register,
                    ..Default::default()
                }],
                received_at: START + hour * HOUR + 5 + number * 60,
                message_reads: 1,
                area: meter.area.to_owned(),
                gateway_id: meter.gateway.to_owned(),
                ..Default::default()
            };
            uplinks.push((meter.id.clone(), readings.encode_to_vec()));
        }
    }
    uplinks
}

async fn judged(world: &World) -> Result<()> {
    eventually("all is judged and decided", async || {
        for (topic, group) in
            [(&topics::READINGS, "anomaly-detector"), (&topics::GROUP_FACTS, "anomaly-detector-groups")]
        {
            let left = world.uncommitted(topic, group).await?;
            ensure!(left == 0, "{left} of {} are not committed", topic.what);
        }
        Ok(())
    })
    .await
}

/// The events of the network of a kind that hold, by when they began.
async fn events(world: &World, kind: &str) -> Result<Vec<Document>> {
    let found = world.database.collection("network_events");
    let found = found.find(doc! { "kind": kind, "withdrawn": false });
    Ok(found.sort(doc! { "from": 1 }).await?.try_collect().await?)
}

fn hour_of(event: &Document, field: &str) -> Result<i64> {
    Ok((event.get_datetime(field)?.timestamp_millis() / 1_000 - START) / HOUR)
}

/// Who is said to be offline at the end.
async fn offline(world: &World) -> Result<Vec<String>> {
    let mut told: BTreeMap<String, bool> = BTreeMap::new();
    for (_, _, value) in world.records(&topics::DEVICE_CONDITION).await? {
        let condition = pb::DeviceCondition::decode(&*value)?;
        told.insert(condition.device_id, condition.is_offline);
    }
    Ok(told.into_iter().filter(|(_, is_offline)| *is_offline).map(|(id, _)| id).collect())
}

/// The topic ends, for each event of the network, on what is stored.
async fn is_told(world: &World) -> Result<()> {
    eventually("the topic ends on what is stored", async || {
        let mut newest: BTreeMap<String, pb::NetworkEvent> = BTreeMap::new();
        for (_, _, value) in world.records(&topics::NETWORK_EVENTS).await? {
            let event = pb::NetworkEvent::decode(&*value)?;
            newest.insert(event.id.clone(), event);
        }
        let stored = world.database.collection::<Document>("network_events");
        let stored: Vec<Document> = stored.find(doc! {}).await?.try_collect().await?;
        for event in &stored {
            let told = newest.get(event.get_str("_id")?).context("an event is not told")?;
            ensure!(told.revision == event.get_i64("revision")?, "{told:?} of {event:?}");
        }
        ensure!(newest.len() == stored.len(), "{} are told, {} stored", newest.len(), stored.len());
        Ok(())
    })
    .await
}

/// An area without water is one event, in which and after which nothing opens on its meters; a gateway that nothing is heard of is one
/// event and none of its devices; both while instances are killed, and with reads that come twice.
pub async fn an_area_without_water_and_a_silent_gateway_are_one_event_each(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "areas").await?;
    let first = world.start("anomaly-detector", IMPATIENT).await?;
    let (homes, far) = meters();
    let all: Vec<&Meter> = homes.iter().chain(&far).collect();
    let homes: Vec<&Meter> = homes.iter().collect();
    world.publish(&topics::READINGS, &uplinks(&all, 0..LAST_HEARD)).await?;
    judged(&world).await?;
    ensure!(events(&world, "supply_interruption").await?.is_empty(), "there is water");
    ensure!(events(&world, "silence").await?.is_empty(), "everything is heard");
    // The water goes; in the middle of it one of two instances is killed.
    let second = world.launch("anomaly-detector", IMPATIENT)?;
    world.publish(&topics::READINGS, &uplinks(&homes, LAST_HEARD..GONE + 3)).await?;
    first.process.kill().await;
    let again = uplinks(&homes, GONE..GONE + 3);
    world.publish(&topics::READINGS, &again).await?;
    world.publish(&topics::READINGS, &uplinks(&homes, GONE + 3..BACK - 1)).await?;
    judged(&world).await?;
    let found = events(&world, "supply_interruption").await?;
    ensure!(found.len() == 1 && found[0].get_datetime("until").is_err(), "{found:?}");
    let silences = events(&world, "silence").await?;
    ensure!(silences.len() == 1 && silences[0].get_datetime("until").is_err(), "{silences:?}");
    ensure!(silences[0].get_str("group")? == "gateway:gateway-b", "{silences:?}");
    ensure!(hour_of(&silences[0], "from")? == LAST_HEARD - 1, "{silences:?}");
    ensure!(
        offline(&world).await?.is_empty(),
        "the gateway's silence is one event: {:?}",
        offline(&world).await?
    );
    second.process.kill().await;
    let third = world.start("anomaly-detector", IMPATIENT).await?;
    world.publish(&topics::READINGS, &uplinks(&homes, BACK - 1..BACK + 12)).await?;
    judged(&world).await?;
    let found = events(&world, "supply_interruption").await?;
    let [event] = &found[..] else { anyhow::bail!("{found:?}") };
    let (from, until) = (hour_of(event, "from")?, hour_of(event, "until")?);
    // Nobody took water at night: it is known to be there until the evening before.
    ensure!(
        (GONE - 7..=GONE + 1).contains(&from) && (BACK..=BACK + 1).contains(&until),
        "{from} to {until}: {event:?}"
    );
    ensure!(event.get_i64("affected")? >= 23 && event.get_i64("meters")? == 32, "{event:?}");
    let leaks = world.database.collection::<Document>("leak_detection_events");
    let leaks: Vec<Document> = leaks.find(doc! { "withdrawn": false }).await?.try_collect().await?;
    ensure!(leaks.is_empty(), "the refill of tanks is no burst: {leaks:?}");
    // The gateway is heard again, but for one of its devices: that one is missed by itself.
    let back: Vec<&Meter> = homes.iter().copied().chain(&far[1..]).collect();
    world.publish(&topics::READINGS, &uplinks(&back, BACK + 12..BACK + 30)).await?;
    judged(&world).await?;
    // Hour by hour, for it is looked for in the time of the others.
    for hour in BACK + 30..BACK + 42 {
        world.publish(&topics::READINGS, &uplinks(&back, hour..hour + 1)).await?;
        judged(&world).await?;
    }
    eventually("the device that stays away is missed", async || {
        let missed = offline(&world).await?;
        ensure!(missed == ["far-00"], "{missed:?}");
        Ok(())
    })
    .await?;
    let silences = events(&world, "silence").await?;
    ensure!(silences.len() == 1 && hour_of(&silences[0], "until")? >= BACK + 12, "{silences:?}");
    is_told(&world).await?;
    people_plan(&third.url, &world).await
}

/// What people plan stands beside what was seen, and is refused where it cannot be.
async fn people_plan(url: &str, world: &World) -> Result<()> {
    let mut client = AnomalyServiceClient::connect(url.to_owned()).await?;
    let new = pb::PlanSupplyInterruptionRequest {
        area: "DMA-07".to_owned(),
        from: "2026-12-01T01:00:00Z".to_owned(),
        until: "2026-12-01T05:00:00Z".to_owned(),
        reason: "A valve is exchanged".to_owned(),
        by: "admin-001".to_owned(),
        key: "admin-001|k".to_owned(),
    };
    let made =
        client.plan_supply_interruption(new.clone()).await?.into_inner().interruption.context("none")?;
    let again =
        client.plan_supply_interruption(new.clone()).await?.into_inner().interruption.context("none")?;
    ensure!(made == again && made.status() == pb::NetworkEventStatus::Planned, "{made:?} {again:?}");
    let wrong = pb::PlanSupplyInterruptionRequest { until: new.from.clone(), key: String::new(), ..new };
    let refused = client.plan_supply_interruption(wrong).await.err().context("it cannot be")?;
    ensure!(
        refused.code() == tonic::Code::InvalidArgument && refused.message().contains("until"),
        "{refused:?}"
    );
    let change = pb::ChangeSupplyInterruptionRequest {
        id: made.id.clone(),
        until: Some("2026-12-01T06:00:00Z".to_owned()),
        by: "admin-001".to_owned(),
        revision: Some(1),
        ..Default::default()
    };
    let changed = client.change_supply_interruption(change.clone()).await?.into_inner().interruption;
    ensure!(
        changed.as_ref().is_some_and(|plan| plan.revision == 2 && plan.until.contains("T06")),
        "{changed:?}"
    );
    let stale = client.change_supply_interruption(change).await.err().context("it has changed")?;
    ensure!(stale.code() == tonic::Code::Aborted, "{stale:?}");
    let off = pb::ChangeSupplyInterruptionRequest {
        id: made.id,
        cancel: true,
        by: "admin-001".to_owned(),
        ..Default::default()
    };
    client.change_supply_interruption(off).await?;
    let listed = client.list_supply_interruptions(pb::ListSupplyInterruptionsRequest::default()).await?;
    let listed = listed.into_inner().interruptions;
    let kinds: Vec<_> = listed.iter().map(|one| (one.kind(), one.status())).collect();
    ensure!(
        kinds.contains(&(pb::NetworkEventKind::SupplyInterruption, pb::NetworkEventStatus::Over))
            && kinds[0] == (pb::NetworkEventKind::PlannedInterruption, pb::NetworkEventStatus::Cancelled),
        "{listed:?}"
    );
    is_told_of_plans(world).await
}

async fn is_told_of_plans(world: &World) -> Result<()> {
    eventually("the plan is told as it is", async || {
        let mut last = None;
        for (_, _, value) in world.records(&topics::NETWORK_EVENTS).await? {
            let event = pb::NetworkEvent::decode(&*value)?;
            if event.kind() == pb::NetworkEventKind::PlannedInterruption {
                last = Some(event.revision);
            }
        }
        ensure!(last == Some(3), "{last:?}");
        Ok(())
    })
    .await
}
