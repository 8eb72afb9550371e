//! The HTTP API: routes, their documentation, and what surrounds them.
//!
//! Routes are registered through `OpenApiRouter` alone, so that what is served and what is documented are one list.
//! Those that need a caller stand in one router behind one layer; a new route is private unless it is put elsewhere on
//! purpose.

mod accounts;
#[allow(unused_qualifications, reason = "what utoipa makes of `params(…)`")]
mod bills;
mod extract;
mod layers;
#[allow(unused_qualifications, reason = "what utoipa makes of `params(…)`")]
mod money;
mod openapi;
#[allow(unused_qualifications, reason = "what utoipa makes of `params(…)`")]
mod payments;
mod problem;
#[allow(unused_qualifications, reason = "what utoipa makes of `params(…)`")]
mod registry;
#[allow(unused_qualifications, reason = "what utoipa makes of `params(…)`")]
mod reports;
mod sessions;
#[allow(unused_qualifications, reason = "what utoipa makes of `params(…)`")]
mod tariffs;
#[cfg(test)]
mod tests;
#[allow(unused_qualifications, reason = "what utoipa makes of `params(…)`")]
mod usage;
#[allow(unused_qualifications, reason = "what utoipa makes of `params(…)`")]
mod vouchers;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn_with_state, map_response};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::problem::Problem;
use crate::app::App;

/// The largest body that is read. What people send here is a form, not a file.
const LARGEST_BODY: usize = 64 * 1024;

/// What handlers are given.
#[derive(Clone)]
pub struct Gateway {
    /// The use cases.
    pub app: Arc<App>,
    /// How many reverse proxies of ours stand before the gateway.
    pub trusted_proxies: usize,
}

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
        .routes(routes!(sessions::log_in))
        .routes(routes!(sessions::refresh))
        .routes(routes!(webhooks::midtrans))
        .routes(routes!(webhooks::xendit))
        .routes(routes!(openapi::document));
    let private = OpenApiRouter::new()
        .routes(routes!(sessions::log_out))
        .routes(routes!(sessions::log_out_everywhere))
        .routes(routes!(accounts::me, accounts::change_me))
        .routes(routes!(accounts::change_password))
        .routes(routes!(registry::list_properties))
        .routes(routes!(registry::get_property))
        .routes(routes!(registry::list_devices))
        .routes(routes!(registry::get_device))
        .routes(routes!(usage::list_readings))
        .routes(routes!(usage::hourly_usage))
        .routes(routes!(usage::daily_usage))
        .routes(routes!(usage::monthly_usage))
        .routes(routes!(money::get_balance))
        .routes(routes!(money::list_entries))
        .routes(routes!(money::explain_entry))
        .routes(routes!(money::adjust))
        .routes(routes!(tariffs::list_tariffs))
        .routes(routes!(tariffs::get_tariff))
        .routes(routes!(tariffs::set_tariff))
        .routes(routes!(tariffs::quote))
        .routes(routes!(tariffs::quote_at))
        .merge(payment_routes())
        .merge(voucher_routes())
        .route_layer(from_fn_with_state(gateway.clone(), layers::authenticate));
    OpenApiRouter::with_openapi(openapi::base()).nest("/api/v1", open.merge(private))
}

fn payment_routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(payments::list_payments, payments::create_payment))
        .routes(routes!(payments::get_payment))
        .routes(routes!(payments::cancel_payment))
        .routes(routes!(payments::get_receipt))
        .routes(routes!(payments::confirm_payment))
        .routes(routes!(payments::refund_payment))
        .routes(routes!(bills::list_bills))
        .routes(routes!(bills::get_bill))
        .routes(routes!(bills::get_billing))
        .routes(routes!(bills::set_billing))
        .routes(routes!(reports::revenue))
}

fn voucher_routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(vouchers::list_vouchers, vouchers::create_voucher))
        .routes(routes!(vouchers::list_applicable_vouchers))
        .routes(routes!(vouchers::list_redemptions))
        .routes(routes!(vouchers::validate_voucher))
        .routes(routes!(vouchers::get_voucher))
        .routes(routes!(vouchers::deactivate_voucher))
        .routes(routes!(vouchers::list_voucher_usage))
}

/// The whole API.
pub fn router(gateway: Gateway, surroundings: &Surroundings) -> Router {
    let (router, mut document) = routes(&gateway).split_for_parts();
    openapi::complete(&mut document);
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(Extension(openapi::Document::new(&document)))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(surroundings.request_timeout, layers::deadline))
        .layer(CatchPanicLayer::custom(layers::caught))
        .layer(layers::cors(&surroundings.cors_origins))
        .layer(map_response(layers::secure))
        .layer(from_fn_with_state(gateway.clone(), layers::follow))
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
