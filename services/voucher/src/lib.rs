//! voucher says what a voucher takes off a purchase, and keeps its limits: a payment reserves a place, and commits or
//! releases it. See `README.md` beside this crate.

pub mod app;
pub mod config;
pub mod domain;
mod grpc;
mod mongo;
mod observe;
mod wire;

use indowater_common::error::Fatal;
use indowater_common::kafka::Pace;
use indowater_common::lifecycle::Host;
use indowater_common::mongo::Lease;
use indowater_common::mongo::outbox::Outbox;
use indowater_proto::topics::REDEMPTIONS;

use app::sweep::{sweep, term};
use app::vouchers::{Vouchers, announce};
use config::Settings;

/// What the service is for, in one line.
pub const ABOUT: &str = "IndoWater: validates, reserves, commits and releases vouchers";

/// Wires the service up.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn start(settings: Settings, host: Host) -> Result<(), Fatal> {
    let (common, stop) = (host.common.clone(), host.stop.clone());
    indowater_common::kafka::watch(&host, &[&REDEMPTIONS]);
    let database = indowater_common::mongo::open(&host).await?;
    let publisher = indowater_common::kafka::publisher(&host, Pace::Thrifty)?;

    let outbox = Outbox::open(&database, host.name).await?;
    let announce = announce(host.name, &common.kafka.topic_prefix);
    let vouchers = Vouchers::new(mongo::Store::new(&database, outbox.clone(), announce), settings.terms());
    outbox.relay(&host, publisher);

    let every = settings.sweep;
    let lease = Lease::new(&database, host.name, "voucher-sweep", &host.instance, term(every));
    host.spawn("sweeper", sweep(vouchers.clone(), lease, every, stop.clone()));

    let routes = grpc::routes(vouchers);
    let served = indowater_common::grpc::serve(host.grpc(), routes, host.health.clone(), stop);
    host.spawn("gRPC", served);
    Ok(())
}
