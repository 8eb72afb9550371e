//! The api-gateway: the one HTTP door of the platform, for customers, technicians and administrators. See `README.md`
//! beside this crate.
//!
//! It knows who is asking and what they may see; what there is to see it asks the services for.

mod access;
#[allow(unused_qualifications, reason = "what utoipa makes of `params(…)`")]
mod api;
mod config;
mod customers;
mod failure;
mod grpc;
mod http;
mod observe;
mod session;
#[cfg(test)]
mod tests;
mod value;
mod wire;

use std::sync::Arc;

use indowater_common::error::Fatal;
use indowater_common::kafka::Pace;
use indowater_common::lifecycle::Host;
use indowater_common::mongo::Lease;
use indowater_common::serve::{Protocol, serve};
use indowater_proto::topics::CUSTOMERS;
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::api::Surroundings;
use crate::api::gateway::Gateway;
use crate::customers::Teller;
use crate::grpc::{INGEST, Services, USAGE_AGGREGATOR};
use crate::http::cursor::Cursors;
use crate::http::extract::TrustedProxies;
use crate::observe::Observe;
use crate::session::{Lives, LoginLimits, Passwords, Sessions, Signer, Store};

pub use crate::config::Settings;

/// What the service is for, in one line.
pub const ABOUT: &str = "IndoWater: serves the HTTP API and decides who may see what";

/// Wires the service up.
///
/// # Errors
/// Settings that no waiting mends.
pub async fn start(settings: Settings, host: Host) -> Result<(), Fatal> {
    let address = settings.http_listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("the HTTP address {address} cannot be taken ({e}); set --http-listen"))?;
    let urls = [
        settings.registry_url.as_str(),
        &settings.usage_url,
        &settings.billing_url,
        &settings.voucher_url,
        &settings.anomaly_url,
    ];
    let services = Services::at(urls, host.credentials.as_ref())?;
    // The others are not named as needed: accounts, meters and usage are to be served while the others are not there.
    for (service, channel) in [(INGEST, &services.registry), (USAGE_AGGREGATOR, &services.usage)] {
        let answers = host.health.needs(service);
        host.spawn("service watch", grpc::watch(service, channel.clone(), answers, host.stop.clone()));
    }
    let passwords = {
        let (cost, workers) = (settings.bcrypt_cost, settings.password_workers);
        tokio::task::spawn_blocking(move || Passwords::new(cost, workers)).await??
    };
    indowater_common::kafka::watch(&host, &[&CUSTOMERS]);
    let database = indowater_common::mongo::open(&host).await?;
    let teller = Teller {
        store: Store::new(&database),
        lease: Lease::new(&database, host.name, "api-gateway-customers", &host.instance, customers::TERM),
        publisher: indowater_common::kafka::publisher(&host, Pace::Thrifty)?,
        topic: CUSTOMERS.name(&host.common.kafka.topic_prefix),
    };
    host.spawn("customers", teller.run(host.stop.clone()));

    let sessions = Arc::new(Sessions {
        store: Store::new(&database),
        passwords,
        signer: Signer::new(&settings.token_keys)?,
        limits: LoginLimits::new(settings.logins_per_address, settings.logins_per_account),
        standings: session::standings(settings.standing_life),
        lives: Lives { access: settings.access_token_life, refresh: settings.refresh_token_life },
        observe: Observe::new(),
    });
    let (limited, stop) = (sessions.clone(), host.stop.clone());
    host.spawn("housekeeping", async move {
        limited.limits.forget_the_idle(stop).await;
        Ok(())
    });
    let cursors = Cursors::new(&session::signer::split(&settings.token_keys)?);
    let trusted_proxies = TrustedProxies(settings.trusted_proxies);
    let gateway = Gateway { sessions, services, cursors, trusted_proxies };
    let surroundings =
        Surroundings { cors_origins: settings.cors_origins, request_timeout: settings.request_timeout };
    let router = api::router(gateway, &surroundings);
    tracing::info!(http = %listener.local_addr()?, "serving");
    let stop = host.stop.clone();
    host.spawn("HTTP", async move {
        serve(listener, router, Protocol::Http, stop).await;
        Ok(())
    });

    host.spawn(
        "gRPC",
        indowater_common::grpc::serve(host.grpc(), Routes::default(), host.health.clone(), host.stop.clone()),
    );
    Ok(())
}
