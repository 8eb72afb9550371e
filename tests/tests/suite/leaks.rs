//! Leaks and tampering, from the meter to the event: found once, in the right litres and rupiah, whatever is killed, late or repeated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use indowater::gateways::Options;
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use indowater_proto::anomaly::v1 as pb;
use indowater_proto::anomaly::v1::anomaly_service_client::AnomalyServiceClient;
use indowater_proto::readings::v1 as readings;
use indowater_proto::registry::v1::Device;
use indowater_proto::telemetry::v1::RegisterUnit;
use indowater_proto::topics;
use indowater_tests::base::Base;
use indowater_tests::workload::{self, Meter, Network, messages};
use indowater_tests::world::{Service, World, eventually};
use prost::Message as _;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use rustix::process::{Pid, Signal, kill_process};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::payments::shop::Shop;

type Client = AnomalyServiceClient<Channel>;

/// Slow enough that a kill finds work in flight, small enough that flushes are many.
const IMPATIENT: &[(&str, &str)] = &[("INDOWATER_FLUSH_IDLE", "50"), ("INDOWATER_FLUSH_AGE", "300")];

const HOUR: i64 = 3_600;
/// 2026-07-19T00:00 in Jakarta. The leaks begin three weeks later, so that all they lose is lost in August.
const START: i64 = 1_784_394_000;
const LEARNING: i64 = 21 * 24;
/// Hours of reads: what comes last is within what is kept, for what comes late.
const HOURS: i64 = 32 * 24;
/// What the leaks lose, litres an hour.
const LEAK: i64 = 25;

fn client(service: &Service) -> Result<Client> {
    let endpoint = Endpoint::from_shared(service.url.clone())?.timeout(Duration::from_secs(20));
    Ok(Client::new(endpoint.connect_lazy()))
}

/// Homes with mornings and evenings; every second one leaks from the end of the third week on.
fn homes(seed: u64, many: usize, hours: i64) -> Vec<Meter> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let home = |number: usize| {
        let mut litres = chance.random_range(10_000..90_000);
        let reads = (0..hours).map(|hour| {
            litres += match (hour % 24, chance.random_bool(0.8)) {
                (6 | 7 | 18..=20, true) => chance.random_range(15..90),
                (8..=17, true) => chance.random_range(0_i64..25).saturating_sub(10),
                _ => 0,
            };
            litres += if number % 2 == 1 && hour >= LEARNING { LEAK } else { 0 };
            (START + (hour + 1) * HOUR, litres)
        });
        let reads = reads.collect();
        Meter { id: format!("device-{number:04}"), device_id: format!("MTR{number:06}"), reads }
    };
    (0..many).map(home).collect()
}

/// The leak events of a device, oldest first.
async fn events(world: &World, device_id: &str) -> Result<Vec<Document>> {
    let leaks = world.database.collection("leak_detection_events");
    let found = leaks.find(doc! { "device_id": device_id });
    Ok(found.sort(doc! { "detected_at": 1 }).await?.try_collect().await?)
}

/// What must be the same however the reads came: an event without its names and without when it was written.
fn facts(mut event: Document) -> Document {
    for told in ["_id", "id", "revision", "updated_at", "explanation"] {
        event.remove(told);
    }
    event
}

/// Waits until a service has judged and committed all that is on the readings topic.
async fn judged(world: &World, messages: usize) -> Result<()> {
    eventually("all readings are judged", async || {
        let readings = world.records(&topics::READINGS).await?.len();
        ensure!(readings >= messages, "{readings} of {messages} are accepted");
        let left = world.uncommitted(&topics::READINGS, "anomaly-detector").await?;
        ensure!(left == 0, "{left} are not committed");
        Ok(())
    })
    .await
}

fn number(event: &Document, field: &str) -> Result<Decimal> {
    let Some(Bson::Decimal128(value)) = event.get(field) else {
        anyhow::bail!("{field} is no Decimal128: {event:?}")
    };
    let text = value.to_string();
    Ok(text.parse().or_else(|_| Decimal::from_scientific(&text))?)
}

/// The register of a meter at a moment, litres.
fn register(meter: &Meter, at: i64) -> i64 {
    meter.reads.iter().rfind(|(read, _)| *read <= at).map_or(0, |(_, litres)| *litres)
}

/// Every home's events are as they must be: none, or one that is right in time, litres and rupiah.
async fn are_right(world: &World, homes: &[Meter]) -> Result<()> {
    for (number_of, home) in homes.iter().enumerate() {
        let found = events(world, &home.id).await?;
        if number_of % 2 == 0 {
            ensure!(found.is_empty(), "{} is tight: {found:?}", home.id);
            continue;
        }
        let [event] = &found[..] else { anyhow::bail!("{} has {} events", home.id, found.len()) };
        ensure!(event.get_str("status")? == "active", "{event:?}");
        let begun = START + LEARNING * HOUR;
        let detected = event.get_datetime("detected_at")?.timestamp_millis() / 1_000;
        ensure!((begun..=begun + 30 * HOUR).contains(&detected), "after {} h", (detected - begun) / HOUR);
        let flow = number(event, "flow_rate")? * Decimal::from(60);
        ensure!((flow - Decimal::from(LEAK)).abs() <= Decimal::from(6), "{flow} L/h");
        // As of the newest of its steps.
        let last = event.get_array("steps")?.last().and_then(Bson::as_document).context("no steps")?;
        let until = last.get_datetime("at")?.timestamp_millis() / 1_000;
        let lost = number(event, "estimated_loss")?;
        let truth = Decimal::new((until - begun) / HOUR * LEAK, 3);
        ensure!((lost - truth).abs() * Decimal::from(4) <= truth, "{lost} m3 of {truth}");
        let august =
            Zone::named("Asia/Jakarta").context("zone")?.start_of(Day::parse("2026-08-01").context("day")?);
        let month = Decimal::new(register(home, until) - register(home, august), 3);
        let book = TariffBook::built_in();
        let tariff = book.on("household-middle-1", Day::parse("2026-08-10").context("day")?);
        let cost = (tariff.cost(month) - tariff.cost(month - lost)).round();
        let rupiah = event.get_i64("estimated_loss_rupiah")?;
        ensure!(Decimal::from(rupiah) == cost, "Rp {rupiah} instead of {cost} for {lost} m3 of {month}");
    }
    Ok(())
}

/// The anomalies topic ends, for each event, on what is stored.
async fn is_told(world: &World, homes: &[Meter]) -> Result<()> {
    eventually("the topic ends on what is stored", async || {
        let mut newest: BTreeMap<String, pb::Anomaly> = BTreeMap::new();
        for (_, _, value) in world.records(&topics::ANOMALIES).await? {
            let anomaly = pb::Anomaly::decode(&*value)?;
            newest.insert(anomaly.id.clone(), anomaly);
        }
        let mut stored = 0;
        for home in homes {
            for event in events(world, &home.id).await? {
                stored += 1;
                let told = newest.get(event.get_str("id")?).context("an event is not told")?;
                ensure!(told.revision == event.get_i64("revision")?, "{told:?} of {event:?}");
                let Some(pb::anomaly::Event::Leak(leak)) = &told.event else { anyhow::bail!("{told:?}") };
                ensure!(leak.steps.len() == event.get_array("steps")?.len());
            }
        }
        ensure!(newest.len() == stored, "{} are told, {stored} stored", newest.len());
        Ok(())
    })
    .await
}

/// A1 and U1 over events: the same reads in order, or repeated, late, out of order and with the service killed in the middle, are the
/// same events; of a leak there is one, right in litres and rupiah, with its whole life.
pub async fn a_leak_is_one_event_whatever_is_killed(base: Arc<Base>) -> Result<()> {
    let homes = homes(31, 8, HOURS);
    let mut calm = World::new(&base, "leaks-calm").await?;
    let _ingest = calm.start("ingest", &[]).await?;
    let _detector = calm.start("anomaly-detector", &[]).await?;
    calm.enrol(&homes).await?;
    let in_order =
        messages(1, &homes, Network { batch: 24, repeat: 1_000_000, late: 1_000_000, disorder: 1 });
    calm.send(&in_order).await?;
    judged(&calm, in_order.len()).await?;
    are_right(&calm, &homes).await?;
    is_told(&calm, &homes).await?;

    let mut rough = World::new(&base, "leaks-rough").await?;
    let _ingest = rough.start("ingest", &[]).await?;
    let mut detector = rough.start("anomaly-detector", IMPATIENT).await?;
    rough.enrol(&homes).await?;
    let all = messages(2, &homes, Network::ROUGH);
    let mut chance = ChaCha8Rng::seed_from_u64(3);
    for part in all.chunks(all.len() / 6 + 1) {
        rough.send(part).await?;
        tokio::time::sleep(Duration::from_millis(chance.random_range(50..900))).await;
        detector.process.kill().await;
        detector = rough.launch("anomaly-detector", IMPATIENT)?;
    }
    judged(&rough, all.len()).await?;
    for home in &homes {
        let expected: Vec<Document> = events(&calm, &home.id).await?.into_iter().map(facts).collect();
        let found = events(&rough, &home.id).await?;
        let found: Vec<Document> =
            found.into_iter().filter(|e| !e.get_bool("withdrawn").unwrap_or_default()).map(facts).collect();
        ensure!(found == expected, "{}: {found:#?} instead of {expected:#?}", home.id);
    }
    is_told(&rough, &homes).await?;
    ensure!(detector.process.is_running(), "the service ended by itself");
    Ok(())
}

/// An instance that lost its partitions without knowing wakes up with old reads in memory and writes: no event is there twice, and
/// nothing newer is overwritten.
pub async fn a_zombie_opens_nothing_twice(base: Arc<Base>) -> Result<()> {
    let homes = homes(34, 6, HOURS);
    let mut world = World::new(&base, "leaks-zombie").await?;
    let _ingest = world.start("ingest", &[]).await?;
    // It holds what it has read for a long time, so that it wakes up with something to write.
    let patient = [("INDOWATER_FLUSH_IDLE", "60000"), ("INDOWATER_FLUSH_AGE", "60000")];
    let zombie = world.start("anomaly-detector", &patient).await?;
    world.enrol(&homes).await?;
    let all = messages(5, &homes, Network { batch: 24, repeat: 9, late: 1_000_000, disorder: 5 });
    let (early, later) = all.split_at(all.len() * 9 / 10);
    world.send(early).await?;
    eventually("the zombie-to-be has read of the leaks", async || {
        let reads = zombie.metric("indowater_reads_total", "").await?;
        ensure!(reads > Decimal::from(4_000), "only {reads}");
        Ok(())
    })
    .await?;
    let pid = Pid::from_raw(i32::try_from(zombie.process.pid())?).context("no pid")?;
    kill_process(pid, Signal::STOP)?;
    let _heir = world.start("anomaly-detector", IMPATIENT).await?;
    world.send(later).await?;
    judged(&world, all.len()).await?;
    are_right(&world, &homes).await?;
    kill_process(pid, Signal::CONT)?;
    // Stopping makes it write what it still holds.
    zombie.process.stop().await;
    are_right(&world, &homes).await?;
    is_told(&world, &homes).await
}

/// What follows from "not a leak" is shown, and what is said of a property stands beside it.
async fn what_is_normal_is_heard(client: &mut Client, rejected: &str) -> Result<()> {
    let property_id = "property-1".to_owned();
    let heard =
        client.get_expectations(pb::GetExpectationsRequest { property_id: property_id.clone() }).await?;
    let heard = heard.into_inner().expectations.context("no expectations")?;
    ensure!(heard.learned.len() == 1 && heard.learned[0].leak_id == rejected, "{heard:?}");
    let put = pb::PutExpectationsRequest {
        expectations: Some(pb::Expectations {
            property_id,
            normal_flow: "40".to_owned(),
            ..Default::default()
        }),
        by: "customer-001".to_owned(),
        revision: Some(0),
    };
    let said = client.put_expectations(put).await?.into_inner().expectations.context("no expectations")?;
    ensure!(said.normal_flow == "40" && said.revision == 1, "{said:?}");
    Ok(())
}

/// "Not a leak" and "mended" stand, whatever instance hears them, and what is normal is heard as well.
pub async fn people_have_the_last_word(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "leaks-people").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let detector = world.start("anomaly-detector", IMPATIENT).await?;
    let homes = homes(32, 4, HOURS);
    world.enrol(&homes).await?;
    let all = messages(4, &homes, Network { batch: 24, repeat: 5, late: 1_000_000, disorder: 1 });
    world.send(&all).await?;
    judged(&world, all.len()).await?;
    // Whoever is asked need not be the one that holds the device.
    let other = world.start("anomaly-detector", IMPATIENT).await?;
    let mut client = client(&other)?;
    let leaks = client.list_leaks(pb::ListLeaksRequest::default()).await?.into_inner().leaks;
    ensure!(leaks.len() == 2, "{leaks:?}");
    let worth =
        client.list_inspections(pb::ListInspectionsRequest::default()).await?.into_inner().inspections;
    ensure!(
        worth.len() == 2 && worth[0].expected_value_rupiah >= worth[1].expected_value_rupiah,
        "{worth:?}"
    );
    ensure!(worth[1].expected_value_rupiah > 0 && worth[1].expected_saving_rupiah < 1_000_000, "{worth:?}");
    let rejected = pb::RejectLeakRequest {
        id: leaks[0].id.clone(),
        by: "customer-001".to_owned(),
        notes: "a pool is being filled".to_owned(),
        revision: Some(leaks[0].revision),
    };
    let said = client.reject_leak(rejected.clone()).await?.into_inner().leak.context("no leak")?;
    ensure!(
        said.status() == pb::LeakStatus::FalsePositive && said.revision == leaks[0].revision + 1,
        "{said:?}"
    );
    let again =
        client.reject_leak(rejected).await.expect_err("the revision that was read is not there any more");
    ensure!(again.code() == Code::Aborted, "{again}");
    let mended = pb::ResolveLeakRequest {
        id: leaks[1].id.clone(),
        by: "technician-001".to_owned(),
        ..Default::default()
    };
    let said = client.resolve_leak(mended).await?.into_inner().leak.context("no leak")?;
    ensure!(said.status() == pb::LeakStatus::Resolved && said.decided_by == "technician-001", "{said:?}");
    what_is_normal_is_heard(&mut client, &leaks[0].id).await?;
    let worth =
        client.list_inspections(pb::ListInspectionsRequest::default()).await?.into_inner().inspections;
    ensure!(worth.is_empty(), "{worth:?}");
    // All of it again, and one leaves: what was decided stands, and the events are the ones that were there.
    detector.process.stop().await;
    world.send(&all).await?;
    judged(&world, 2 * all.len()).await?;
    let after = client.list_leaks(pb::ListLeaksRequest::default()).await?.into_inner().leaks;
    let statuses: Vec<_> = after.iter().map(|leak| (leak.id.clone(), leak.status())).collect();
    let expected = [pb::LeakStatus::FalsePositive, pb::LeakStatus::Resolved];
    let expected: Vec<_> = leaks.iter().map(|leak| leak.id.clone()).zip(expected).collect();
    ensure!(statuses == expected, "{statuses:?}");
    let detail = client.get_leak(pb::GetLeakRequest { id: leaks[0].id.clone() }).await?.into_inner();
    let explanation = detail.leak.and_then(|leak| leak.explanation).context("no explanation")?;
    ensure!(
        explanation.hours.len() > 24 && explanation.words_id.starts_with("Air mengalir"),
        "{explanation:?}"
    );
    is_told(&world, &homes).await
}

/// What a meter says of itself becomes one event of its type, which a technician settles.
pub async fn a_meter_that_complains_is_looked_at(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "tampering").await?;
    let _ingest = world.start("ingest", &[]).await?;
    let mut detector = world.start("anomaly-detector", IMPATIENT).await?;
    let homes = homes(33, 1, 48);
    world.enrol(&homes).await?;
    let complaints = |reads: &[(i64, i64)], alarms: &[&str]| {
        let reads: Vec<_> =
            reads.iter().map(|(at, litres)| serde_json::json!({ "time": at, "register": litres })).collect();
        let value = serde_json::json!({ "device_id": homes[0].device_id, "unit": "L", "reads": reads, "alarms": alarms });
        workload::json(&homes[0].device_id, value.to_string().into_bytes())
    };
    let (first, second) = homes[0].reads.split_at(24);
    let messages = [complaints(first, &["magnetic"]), complaints(second, &["magnetic", "low_battery"])];
    let twice = [messages.clone(), messages].concat();
    world.send(&twice).await?;
    judged(&world, twice.len()).await?;
    detector.process.kill().await;
    detector = world.start("anomaly-detector", IMPATIENT).await?;
    let mut client = client(&detector)?;
    let asked =
        pb::ListTamperingEventsRequest { status: pb::TamperingStatus::Active.into(), ..Default::default() };
    let found = client.list_tampering_events(asked.clone()).await?.into_inner().events;
    ensure!(found.len() == 1 && found[0].evidence.len() == 2, "{found:?}");
    let (id, by) = (found[0].id.clone(), "technician-001".to_owned());
    ensure!(found[0].tampering_type() == pb::TamperingType::Magnetic, "{found:?}");
    ensure!(found[0].severity() == pb::TamperingSeverity::Medium, "{found:?}");
    let looking = pb::InvestigateTamperingRequest { id: id.clone(), by: by.clone(), revision: None };
    let event = client.investigate_tampering(looking).await?.into_inner().event.context("no event")?;
    ensure!(event.status() == pb::TamperingStatus::Investigated && event.investigated_by == by, "{event:?}");
    let settled =
        pb::ResolveTamperingRequest { id, by, resolution: "a loudspeaker".to_owned(), revision: None };
    let event = client.resolve_tampering(settled).await?.into_inner().event.context("no event")?;
    ensure!(
        event.status() == pb::TamperingStatus::Resolved && event.resolution == "a loudspeaker",
        "{event:?}"
    );
    ensure!(client.list_tampering_events(asked).await?.into_inner().events.is_empty());
    let told = world.records(&topics::ANOMALIES).await?;
    ensure!(!told.is_empty(), "nothing is told");
    Ok(())
}

/// Hourly uplinks of a device, of which the record's key brings all to one partition.
fn uplinks(device: &str, hours: std::ops::Range<i64>) -> Vec<(String, Vec<u8>)> {
    let readings = hours.map(|hour| readings::Readings {
        device_id: device.to_owned(),
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
            register: hour,
            ..Default::default()
        }],
        received_at: START + hour * HOUR + 5,
        message_reads: 1,
        ..Default::default()
    });
    readings
        .map(|readings| (format!("gateway-1|{device}|{}", readings.received_at), readings.encode_to_vec()))
        .collect()
}

/// Whether each device is said to be silent, in the order in which that was told.
async fn silent(world: &World) -> Result<BTreeMap<String, Vec<bool>>> {
    let mut told: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for (_, _, value) in world.records(&topics::DEVICE_CONDITION).await? {
        let condition = pb::DeviceCondition::decode(&*value)?;
        told.entry(condition.device_id).or_default().push(condition.is_offline);
    }
    Ok(told)
}

/// Who is silent follows from when the others of its partition were heard, and is told once, whatever is killed.
pub async fn a_device_is_silent_by_the_time_of_the_others(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "silence").await?;
    let mut detector = world.start("anomaly-detector", IMPATIENT).await?;
    // Nobody misses one that is out of service.
    let resting = Device {
        id: "device-c".to_owned(),
        status: "maintenance".to_owned(),
        version: 2,
        updated_at: "2026-07-01T00:00:00Z".to_owned(),
        ..Default::default()
    };
    world.publish(&topics::DEVICES, &[("device-c".to_owned(), resting.encode_to_vec())]).await?;
    eventually("the registry is heard", async || {
        let rests = world.database.collection::<Document>("device_rests");
        let resting = rests.find_one(doc! { "_id": "device-c" }).await?;
        ensure!(resting.is_some(), "it is in service");
        Ok(())
    })
    .await?;
    let all = ["device-a", "device-b", "device-c"].map(|device| uplinks(device, 0..24)).concat();
    world.publish(&topics::READINGS, &all).await?;
    judged(&world, 72).await?;
    ensure!(silent(&world).await?.is_empty(), "all are heard");
    // The pipeline may stand still for as long as it likes; what comes later tells how much time has passed.
    detector.process.kill().await;
    detector = world.start("anomaly-detector", IMPATIENT).await?;
    world.publish(&topics::READINGS, &uplinks("device-b", 24..40)).await?;
    eventually("the silence is told", async || {
        let told = silent(&world).await?;
        ensure!(told == BTreeMap::from([("device-a".to_owned(), vec![true])]), "{told:?}");
        Ok(())
    })
    .await?;
    world.publish(&topics::READINGS, &uplinks("device-a", 40..41)).await?;
    judged(&world, 89).await?;
    detector.process.kill().await;
    let _detector = world.start("anomaly-detector", IMPATIENT).await?;
    world.publish(&topics::READINGS, &uplinks("device-b", 40..42)).await?;
    judged(&world, 91).await?;
    eventually("its return is told", async || {
        let told = silent(&world).await?;
        ensure!(told == BTreeMap::from([("device-a".to_owned(), vec![true, false])]), "{told:?}");
        Ok(())
    })
    .await
}

/// A newcomer's demo has a leak, and it is found in half a year of reads that come all at once.
pub async fn the_demo_shows_a_leak(base: Arc<Base>) -> Result<()> {
    let mut shop = Shop::open(&base, "leaks-demo", Options::default()).await?;
    let detector = shop.world.start("anomaly-detector", &[]).await?;
    let produced = shop.become_demo(180).await?;
    judged(&shop.world, produced).await?;
    let filter = Some(pb::EventFilter { device_id: "device-002".to_owned(), ..Default::default() });
    let leaks = client(&detector)?.list_leaks(pb::ListLeaksRequest { filter, ..Default::default() }).await?;
    let leaks = leaks.into_inner().leaks;
    let told: Vec<_> = leaks.iter().map(|leak| (&*leak.customer_id, leak.status(), leak.kind())).collect();
    ensure!(told == [("customer-001", pb::LeakStatus::Active, pb::LeakKind::Constant)], "{leaks:?}");
    Ok(())
}
