//! billing keeps the ledger, balances, tariffs and payments. See `README.md` beside this crate.

mod app;
mod config;
pub mod domain;
pub mod gateway;
mod grpc;
pub mod http_client;
mod kafka;
pub mod midtrans;
mod mongo;
mod observe;
mod wire;
pub mod xendit;

use std::sync::Arc;
use std::time::Duration;

use indowater_common::error::Fatal;
use indowater_common::kafka::{Consume, FlushPolicy, Publisher, consume};
use indowater_common::lifecycle::Host;
use indowater_common::mongo::outbox::Outbox;
use indowater_proto::topics::{INSTRUCTIONS, USAGE};

use app::books::Shared;
use app::corrections::Corrections;
use app::questions::Questions;
use app::tariffs::{TariffDesk, announce};

pub use config::Settings;

/// What the service is for, in one line.
pub const ABOUT: &str = "IndoWater: keeps the ledger, balances, tariffs and payments";

/// How usage becomes instructions: nothing is computed or kept, so little waits.
const CHARGING: FlushPolicy =
    FlushPolicy { idle: Duration::from_millis(20), age: Duration::from_secs(1), pending: 10_000 };

/// Wires the service up.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn start(settings: Settings, host: Host) -> Result<(), Fatal> {
    let (common, stop) = (host.common.clone(), host.stop.clone());
    let (usage_joined, instructions_joined) = (host.health.needs("usage"), host.health.needs("instructions"));
    indowater_common::kafka::watch(&host);
    let database = indowater_common::mongo::open(&host).await?;
    let prefix = &common.kafka.topic_prefix;
    let publisher = Publisher::open(&common.kafka)?;
    let outlet = kafka::Outlet::new(publisher.clone(), prefix);

    // Tariffs: kept, and told to the world.
    let outbox = Outbox::open(&database, host.name).await?;
    let tariffs = TariffDesk::new(mongo::Tariffs::new(&database, outbox.clone(), announce(prefix)));
    tariffs.begin_eventually().await;
    host.spawn("outbox relay", outbox.relay(publisher, host.instance.to_string(), stop.clone()));

    // What people ask.
    let store = mongo::Store::new(database);
    let questions = Questions::new(store.clone(), tariffs.clone());
    let routes = grpc::routes(questions, Corrections::new(outlet.clone()), tariffs);
    let served = indowater_common::grpc::serve(common.grpc_listen, routes, host.health.clone(), stop.clone());
    host.spawn("gRPC", served);

    // Usage becomes instructions, by customer.
    let usage = Consume {
        kafka: common.kafka.clone(),
        topic: USAGE.name(prefix),
        group: "billing-charging",
        flush: CHARGING,
        joined: usage_joined,
        stop: stop.clone(),
    };
    let charging = outlet.clone();
    host.spawn("charging", consume(usage, move |_| kafka::Charging::new(charging.clone())));

    // Instructions become postings.
    let instructions = Consume {
        kafka: common.kafka.clone(),
        topic: INSTRUCTIONS.name(prefix),
        group: "billing-ledger",
        flush: FlushPolicy {
            idle: settings.ledger_idle,
            age: settings.ledger_age,
            pending: settings.ledger_group,
        },
        joined: instructions_joined,
        stop,
    };
    let shared = Arc::new(Shared { store, outlet, months_in_memory: settings.ledger_months_in_memory });
    host.spawn(
        "ledger",
        consume(instructions, move |partition| kafka::Partition::new(shared.clone(), partition)),
    );
    Ok(())
}
