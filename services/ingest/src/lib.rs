//! ingest turns telemetry of strangers into reads that can be billed, and keeps the registry of properties and
//! devices. See `README.md` beside this crate.

pub mod app;
pub mod config;
pub mod domain;
mod grpc;
mod kafka;
mod mongo;
mod observe;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use indowater_common::error::Fatal;
use indowater_common::health::Dependency;
use indowater_common::kafka::{Consume, FlushPolicy, Pace, PublishError};
use indowater_common::lifecycle::Host;
use indowater_common::mongo::Lease;
use indowater_common::mongo::outbox::Outbox;
use indowater_common::mongo::quarantine;
use indowater_common::quarantine::Quarantine;
use indowater_common::upkeep;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use app::findings::Findings;
use app::intake::{Intake, Shared};
use app::registry::{Registry, announce};
use app::upkeep::Entries;
use config::Settings;
use kafka::{Outlet, Topics};

/// What the service is for, in one line.
pub const ABOUT: &str =
    "IndoWater: accepts telemetry as reads, and keeps the registry of properties and devices";

/// Registry changes that are kept for a partition that is busy; one that missed more looks its devices up again.
const CHANGES_KEPT: usize = 16_384;

/// Findings that may wait for their work orders to be written.
const FINDINGS_AT_ONCE: usize = 500;

/// Wires the service up.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn start(settings: Settings, host: Host) -> Result<(), Fatal> {
    let (common, stop) = (host.common.clone(), host.stop.clone());
    let joined = host.health.needs("telemetry");
    let findings_joined = host.health.needs("meter findings");
    indowater_common::kafka::watch(&host, &kafka::TOPICS);
    let database = indowater_common::mongo::open(&host).await?;
    mongo::adopt_eventually(&database).await;
    let topics = Topics::new(&common.kafka.topic_prefix);
    let publisher = indowater_common::kafka::publisher(&host, Pace::Thrifty)?;

    // The registry: served, and told to the world.
    let outbox = Outbox::open(&database, host.name).await?;
    let announce = announce(topics.clone());
    let entries = mongo::Registry::new(&database, outbox.clone(), announce.clone());
    let lease = Lease::new(&database, host.name, "ingest-upkeep", &host.instance, upkeep::TERM);
    let newest = Entries { registry: entries.clone(), announce, topics: topics.clone() };
    upkeep::keep(&host, &publisher, lease, newest.told(), newest);
    let registry = Registry::new(entries);
    outbox.relay(&host, publisher.clone());
    host.spawn("turn of days", registry.clone().turn_days(stop.clone()));
    let routes = grpc::routes(registry);
    let served = indowater_common::grpc::serve(host.grpc(), routes, host.health.clone(), stop.clone());
    host.spawn("gRPC", served);

    // Changes are followed before the first device is loaded, or one could go unnoticed.
    let (changes, _) = broadcast::channel(CHANGES_KEPT);
    let following = kafka::follow_devices(&common.kafka, &topics, changes.clone(), stop.clone()).await?;
    host.spawn("registry follower", following);

    let quarantine = Quarantine::new(quarantine::Store::new(&database, host.name));
    raise_orders(&host, mongo::Orders::new(&database), &quarantine, &topics.findings, findings_joined);

    // Telemetry.
    let (fatal, refusals) = mpsc::unbounded_channel();
    host.spawn("publishing", refused(refusals, stop.clone()));
    let shared = Arc::new(Shared {
        reads: mongo::Reads::new(&database),
        topics: topics.clone(),
        most_bytes: settings.max_telemetry_bytes,
        cached_devices: settings.cached_devices,
        most_age: i64::from(settings.max_read_age_days) * 86_400,
        fatal,
    });
    let consume = Consume {
        kafka: common.kafka.clone(),
        topic: topics.telemetry.to_string(),
        group: "ingest",
        flush: FlushPolicy {
            // A trickle must not be written read by read.
            idle: settings.flush_age,
            age: settings.flush_age,
            pending: settings.flush_messages,
        },
        // What cannot be used becomes a dead letter.
        returned: None,
        joined,
        stop,
    };
    let intake = move |partition| {
        let outlet = Outlet::new(publisher.clone(), topics.clone(), partition);
        Intake::new(shared.clone(), partition, changes.subscribe(), outlet)
    };
    host.spawn("telemetry", indowater_common::kafka::consume(consume, intake));
    Ok(())
}

/// What reads say about meters becomes work orders.
fn raise_orders(
    host: &Host,
    orders: mongo::Orders,
    quarantine: &Quarantine,
    topic: &str,
    joined: Dependency,
) {
    let consume = Consume {
        kafka: host.common.kafka.clone(),
        topic: topic.to_owned(),
        group: "ingest-findings",
        flush: FlushPolicy {
            idle: Duration::from_millis(200),
            age: Duration::from_secs(1),
            pending: FINDINGS_AT_ONCE,
        },
        returned: Some(quarantine.returned(host, topic)),
        joined,
        stop: host.stop.clone(),
    };
    let aside = quarantine.of(topic);
    let findings = move |_| Findings::new(orders.clone(), aside());
    host.spawn("meter findings", indowater_common::kafka::consume(consume, findings));
}

/// Ends the service when the broker refuses a record for good.
async fn refused(
    mut refusals: mpsc::UnboundedReceiver<PublishError>,
    stop: CancellationToken,
) -> Result<(), Fatal> {
    tokio::select! {
        Some(error) = refusals.recv() => Err(error.into()),
        () = stop.cancelled() => Ok(()),
    }
}
