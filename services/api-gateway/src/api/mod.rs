//! The API by resource: each folder has its routes and their types, rules where the gateway decides something, and its
//! tests.
//!
//! Routes are registered through `OpenApiRouter` alone, so that what is served and what is documented are one list.
//! Those that need a caller stand in one router behind one layer; a new route is private unless it is put elsewhere on
//! purpose.

mod auth;
mod bills;
mod devices;
pub mod gateway;
mod leaks;
mod ledger;
mod me;
mod payments;
mod properties;
mod reports;
mod supply_interruptions;
mod tampering;
mod tariffs;
#[cfg(test)]
mod tests;
mod usage;
mod vouchers;
mod webhooks;

use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::gateway::Gateway;
use crate::http::extract::{LARGEST_BODY, known_parameters};
use crate::http::problem::Problem;
use crate::http::{document, keys, layers};

/// How the API is served.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Origins whose pages may call.
    pub cors_origins: Vec<String>,
    /// How long a request may take.
    pub request_timeout: Duration,
}

/// Every route, with its documentation.
fn routes(gateway: &Gateway) -> OpenApiRouter<Gateway> {
    let open = OpenApiRouter::new()
        .merge(auth::open_routes())
        .merge(webhooks::routes())
        .routes(routes!(document::document))
        .route_layer(from_fn(known_parameters));
    let private = OpenApiRouter::new()
        .merge(auth::routes())
        .merge(me::routes())
        .merge(properties::routes())
        .merge(devices::routes())
        .merge(usage::routes())
        .merge(ledger::routes())
        .merge(tariffs::routes())
        .merge(payments::routes())
        .merge(bills::routes())
        .merge(reports::routes())
        .merge(vouchers::routes())
        .merge(leaks::routes())
        .merge(tampering::routes())
        .merge(supply_interruptions::routes())
        .route_layer(from_fn(known_parameters))
        .route_layer(from_fn_with_state(gateway.sessions.clone(), layers::authenticate));
    OpenApiRouter::with_openapi(document::base()).nest("/api/v1", open.merge(private))
}

/// The whole API.
pub fn router(gateway: Gateway, surroundings: &Surroundings) -> Router {
    let (router, mut openapi) = routes(&gateway).split_for_parts();
    document::complete(&mut openapi);
    router
        .route_layer(Extension(document::parameters(&openapi)))
        .merge(keys::router(gateway.sessions.signer.clone()))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(Extension(document::Document::new(&openapi)))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(surroundings.request_timeout, layers::deadline))
        .layer(CatchPanicLayer::custom(layers::caught))
        .layer(layers::cors(&surroundings.cors_origins))
        .layer(map_response(layers::secure))
        .layer(from_fn_with_state(gateway.sessions.clone(), layers::follow))
        .with_state(gateway)
}

async fn no_route(uri: Uri) -> Problem {
    let detail = format!("There is no route {}; GET /api/v1/openapi.json lists all there are.", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "no-route", "Not found", detail)
}

async fn no_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} cannot be asked to {method}; `Allow` says what it can.", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-method", "Method not allowed", detail)
}
