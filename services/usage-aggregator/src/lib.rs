//! usage-aggregator turns accepted reads into daily consumption and cost. See `README.md` beside this crate.

mod app;
mod config;
pub mod domain;
mod grpc;
mod kafka;
mod mongo;
mod observe;
pub mod wire;

use std::sync::Arc;

use indowater_common::error::Fatal;
use indowater_common::kafka::{Consume, FlushPolicy, Pace, consume};
use indowater_common::lifecycle::Host;
use indowater_common::mongo::Lease;
use indowater_common::mongo::quarantine::Store;
use indowater_common::quarantine::Quarantine;
use indowater_common::tariffs::Tariffs;
use indowater_common::upkeep;
use indowater_proto::topics;

pub use config::Settings;

/// What the service is for, in one line.
pub const ABOUT: &str = "IndoWater: turns accepted reads into daily consumption and cost";

/// Wires the service up.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn start(settings: Settings, host: Host) -> Result<(), Fatal> {
    indowater_common::kafka::watch(&host, &kafka::TOPICS);
    let joined = host.health.needs("readings");
    let database = indowater_common::mongo::open(&host).await?;
    let prefix = &host.common.kafka.topic_prefix;
    let topic = topics::READINGS.name(prefix);
    let quarantine = Quarantine::new(Store::new(&database, host.name));
    let returned = quarantine.returned(&host, &topic);
    let publisher = indowater_common::kafka::publisher(&host, Pace::Thrifty)?;
    let lease = Lease::new(&database, host.name, "usage-aggregator-upkeep", &host.instance, upkeep::TERM);
    let store = mongo::Store::new(database);
    let days = app::upkeep::Days { store: store.clone(), prefix: prefix.clone() };
    let told = [&topics::USAGE, &topics::METER_FINDINGS].map(|topic| topic.name(prefix));
    upkeep::keep(&host, &publisher, lease, told.into(), days);
    let tariffs = Tariffs::built_in();
    let shared = Arc::new(app::devices::Shared {
        store,
        outlet: kafka::Outlet::new(publisher, prefix),
        tariffs: tariffs.clone(),
        observe: observe::Observe::new(),
        devices_in_memory: settings.devices_in_memory,
        in_memory: Default::default(),
    });
    // Before the first day is priced.
    let following = tariffs.follow(&host.common.kafka, host.stop.clone()).await?;
    host.spawn("tariffs", following);
    let routes = grpc::routes(app::questions::Questions::new(shared.store.clone()));
    let readings = Consume {
        kafka: host.common.kafka.clone(),
        topic: topic.clone(),
        group: "usage-aggregator",
        flush: FlushPolicy {
            idle: settings.flush_idle,
            age: settings.flush_age,
            pending: settings.flush_pending,
        },
        returned: Some(returned),
        joined,
        stop: host.stop.clone(),
    };
    let aside = quarantine.of(&topic);
    let partition = move |_| kafka::Partition::new(shared.clone(), aside());
    host.spawn("readings", consume(readings, partition));
    let served = indowater_common::grpc::serve(host.grpc(), routes, host.health.clone(), host.stop.clone());
    host.spawn("gRPC", served);
    Ok(())
}
