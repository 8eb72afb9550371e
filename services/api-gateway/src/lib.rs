//! The api-gateway: the one HTTP door of the platform, for customers, technicians and administrators. See `README.md`
//! beside this crate.
//!
//! It knows who is asking and what they may see; what there is to see it asks the services for.

mod app;
mod config;
mod credentials;
mod domain;
mod grpc;
mod http;
mod limits;
mod mongo;
mod observe;

use std::sync::Arc;

use indowater_common::error::Fatal;
use indowater_common::lifecycle::Host;
use indowater_common::serve::{Protocol, serve};
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::app::{App, Lives};
use crate::credentials::{Passwords, Signer};
use crate::grpc::{Bills, INGEST, Ledger, Payments, Registry, Tariffs, USAGE_AGGREGATOR, Usage, Vouchers};
use crate::http::{Gateway, Surroundings};
use crate::limits::LoginLimits;
use crate::mongo::Store;
use crate::observe::Observe;

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
    let (registry, usage) = (Registry::at(&settings.registry_url)?, Usage::at(&settings.usage_url)?);
    // Not named as needed: accounts, meters and usage are to be served while billing or voucher is not there.
    let (ledger, tariffs) = (Ledger::at(&settings.billing_url)?, Tariffs::at(&settings.billing_url)?);
    let (payments, bills) = (Payments::at(&settings.billing_url)?, Bills::at(&settings.billing_url)?);
    let vouchers = Vouchers::at(&settings.voucher_url)?;
    for (service, channel) in [(INGEST, registry.channel()), (USAGE_AGGREGATOR, usage.channel())] {
        let answers = host.health.needs(service);
        host.spawn("service watch", grpc::watch(service, channel, answers, host.stop.clone()));
    }
    let passwords = {
        let (cost, workers) = (settings.bcrypt_cost, settings.password_workers);
        tokio::task::spawn_blocking(move || Passwords::new(cost, workers)).await??
    };
    let database = indowater_common::mongo::open(&host).await?;

    let app = Arc::new(App {
        store: Store::new(&database),
        registry,
        usage,
        ledger,
        tariffs,
        payments,
        bills,
        vouchers,
        passwords,
        signer: Signer::new(&settings.jwt_secret),
        limits: LoginLimits::new(settings.logins_per_address, settings.logins_per_account),
        standings: app::standings(settings.standing_life),
        lives: Lives { access: settings.access_token_life, refresh: settings.refresh_token_life },
        observe: Observe::new(),
    });
    let (limited, stop) = (app.clone(), host.stop.clone());
    host.spawn("housekeeping", async move {
        limited.limits.forget_the_idle(stop).await;
        Ok(())
    });
    let gateway = Gateway { app, trusted_proxies: settings.trusted_proxies };
    let surroundings =
        Surroundings { cors_origins: settings.cors_origins, request_timeout: settings.request_timeout };
    let router = http::router(gateway, &surroundings);
    tracing::info!(http = %listener.local_addr()?, "serving");
    let stop = host.stop.clone();
    host.spawn("HTTP", async move {
        serve(listener, router, Protocol::Http, stop).await;
        Ok(())
    });

    let address = host.common.grpc_listen;
    host.spawn(
        "gRPC",
        indowater_common::grpc::serve(address, Routes::default(), host.health.clone(), host.stop.clone()),
    );
    Ok(())
}
