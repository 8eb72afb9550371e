//! notifier turns facts into messages to people. See `README.md` beside this crate.
//!
//! So far it owns its collections, connects and serves health; what it is for comes later, and it pretends nothing.

pub mod domain;

use clap::Args;
use indowater_common::config::Settings;
use indowater_common::error::Fatal;
use indowater_common::lifecycle::Host;
use indowater_common::{grpc, kafka, mongo};
use tonic::service::Routes;

/// What the service is for, in one line.
pub const ABOUT: &str = "IndoWater: turns facts into messages to people";

/// No settings of its own yet.
#[derive(Args, Clone, Debug)]
pub struct NoSettings {}

impl Settings for NoSettings {}

/// Wires the service up.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn start(_: NoSettings, host: Host) -> Result<(), Fatal> {
    kafka::watch(&host, &[]);
    mongo::open(&host).await?;
    let address = host.common.grpc_listen;
    host.spawn("gRPC", grpc::serve(address, Routes::default(), host.health.clone(), host.stop.clone()));
    Ok(())
}
