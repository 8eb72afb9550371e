//! anomaly-detector finds leaks, tampering and silence. See `README.md` beside this crate.

mod app;
mod config;
pub mod domain;
mod grpc;
mod kafka;
mod mongo;
mod observe;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use indowater_common::error::Fatal;
use indowater_common::kafka::{Consume, FlushPolicy, Pace, consume};
use indowater_common::lifecycle::Host;
use indowater_common::mongo::outbox::Outbox;
use indowater_common::mongo::quarantine;
use indowater_common::quarantine::Quarantine;
use indowater_common::tariffs::Tariffs;
use indowater_proto::topics;

pub use config::Settings;

/// What the service is for, in one line.
pub const ABOUT: &str = "IndoWater: finds leaks, tampering and silence";

/// How the registry is heard: few entries matter, and none is urgent.
const HEARING: FlushPolicy =
    FlushPolicy { idle: Duration::from_millis(200), age: Duration::from_secs(5), pending: 5_000 };

/// Wires the service up.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn start(settings: Settings, host: Host) -> Result<(), Fatal> {
    indowater_common::kafka::watch(&host, &kafka::TOPICS);
    let [joined, registry_joined, groups_joined] =
        ["readings", "devices", "groups"].map(|topic| host.health.needs(topic));
    let database = indowater_common::mongo::open(&host).await?;
    let prefix = &host.common.kafka.topic_prefix;
    let publisher = indowater_common::kafka::publisher(&host, Pace::Thrifty)?;
    let quarantine = Quarantine::new(quarantine::Store::new(&database, host.name));
    let outbox = Outbox::open(&database, host.name).await?;
    let tariffs = Tariffs::built_in();
    let shared = Arc::new(app::devices::Shared {
        store: mongo::Store::new(database, outbox.clone(), wire::announce(prefix)),
        tariffs: tariffs.clone(),
        confidence: Default::default(),
        observe: observe::Observe::new(),
        network: app::network::Network::default(),
        publisher: publisher.clone(),
        devices_in_memory: settings.devices_in_memory,
        in_memory: Default::default(),
    });
    outbox.relay(&host, publisher);
    // Before the first loss is priced.
    let following = tariffs.follow(&host.common.kafka, host.stop.clone()).await?;
    host.spawn("tariffs", following);
    // Before the first meter is judged.
    while shared.network.catch_up(&shared.store).await? {}
    host.spawn("network", shared.network.clone().follow(shared.store.clone(), host.stop.clone()));
    host.spawn("verdicts", shared.clone().count_verdicts(host.stop.clone()));
    let plans = app::plans::Plans::new(shared.clone());
    let routes = grpc::routes(app::desk::Desk::new(shared.clone(), settings.visit_cost), plans);
    let consumer = |topic: &topics::Topic, group, flush, joined| {
        let topic = topic.name(prefix);
        let returned = Some(quarantine.returned(&host, &topic));
        let (kafka, stop) = (host.common.kafka.clone(), host.stop.clone());
        Consume { kafka, topic, group, flush, returned, joined, stop }
    };
    let judging =
        FlushPolicy { idle: settings.flush_idle, age: settings.flush_age, pending: settings.flush_pending };
    let readings = consumer(&topics::READINGS, "anomaly-detector", judging, joined);
    let devices = consumer(&topics::DEVICES, "anomaly-detector-devices", HEARING, registry_joined);
    let (hearing, aside) = (shared.clone(), quarantine.of(&devices.topic));
    let partition = move |_| kafka::RegistryPartition::new(hearing.clone(), aside());
    host.spawn("devices", consume(devices, partition));
    let groups = consumer(&topics::GROUP_FACTS, "anomaly-detector-groups", HEARING, groups_joined);
    let (deciding, aside) = (shared.clone(), quarantine.of(&groups.topic));
    let partition = move |_| kafka::GroupPartition::new(deciding.clone(), aside());
    host.spawn("groups", consume(groups, partition));
    let aside = quarantine.of(&readings.topic);
    let partition = move |number| kafka::Partition::new(shared.clone(), number, aside());
    host.spawn("readings", consume(readings, partition));
    let served = indowater_common::grpc::serve(host.grpc(), routes, host.health.clone(), host.stop.clone());
    host.spawn("gRPC", served);
    Ok(())
}
