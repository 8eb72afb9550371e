//! What tests and impatient people do to an order, `POST /_control/orders/{order}/{act}`, or to a whole gateway, `POST
//! /_control/weather/{gateway}/{weather}`, and what there is to see.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use indowater_common::clock;
use serde::Deserialize;

use super::attacker;
use super::book::{Act, Brand};
use super::desk::Desk;
use super::weather::Weather;

/// The routes.
pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/orders", get(orders))
        .route("/orders/{order}", get(order))
        .route("/orders/{order}/{act}", post(act))
        .route("/deliveries", get(deliveries))
        .route("/weather/{gateway}/{weather}", post(weather))
}

/// How something happens.
#[derive(Debug, Default, Deserialize)]
pub struct How {
    /// For `pay`: what is paid, if it is not what was asked. For `refund`: how much.
    amount: Option<i64>,
    /// For `pay`: what the gateway adds for itself.
    #[serde(default)]
    fee: i64,
    /// For `refund`: the refund's key.
    key: Option<String>,
    /// `qris` if it is not said.
    method: Option<String>,
    /// Whether nobody is told.
    #[serde(default)]
    silent: bool,
}

async fn orders(Shared(desk): Shared<Arc<Desk>>) -> Response {
    Json(desk.book().all().collect::<Vec<_>>()).into_response()
}

async fn order(Shared(desk): Shared<Arc<Desk>>, Path(name): Path<String>) -> Response {
    Json(desk.book().named(&name)).into_response()
}

async fn deliveries(Shared(desk): Shared<Arc<Desk>>) -> Response {
    Json(desk.deliveries()).into_response()
}

async fn weather(
    Shared(desk): Shared<Arc<Desk>>,
    Path((gateway, weather)): Path<(String, String)>,
) -> Result<StatusCode, (StatusCode, String)> {
    let brand = match gateway.as_str() {
        "midtrans" => Brand::Midtrans,
        "xendit" => Brand::Xendit,
        other => return Err((StatusCode::NOT_FOUND, format!("there is no gateway {other}\n"))),
    };
    let unknown = || (StatusCode::NOT_FOUND, format!("no weather is called {weather}\n"));
    desk.weather.set(brand, Weather::named(&weather).ok_or_else(unknown)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn act(
    Shared(desk): Shared<Arc<Desk>>,
    Path((name, act)): Path<(String, String)>,
    Query(how): Query<How>,
) -> Result<Response, (StatusCode, String)> {
    let found = desk.book().named(&name).into_iter().next().cloned();
    let order = found.ok_or_else(|| (StatusCode::NOT_FOUND, format!("there is no order {name}\n")))?;
    let act = match act.as_str() {
        "choose" => Act::Choose,
        "pay" => Act::Pay { amount: how.amount, fee: how.fee },
        "challenge" => Act::Challenge,
        "accept" => Act::Accept,
        // A deny after the settlement is the reversal.
        "deny" | "reverse" => Act::Deny,
        "cancel" => Act::Cancel,
        "expire" => Act::Expire,
        "chargeback" => Act::ChargeBack,
        "refund" => Act::Refund {
            key: how.key.unwrap_or_else(|| clock::new_id("refund")),
            amount: how.amount.unwrap_or(order.amount - order.refunded()),
        },
        "attack" => {
            attacker::attack(&desk, &order);
            return Ok(Json(order).into_response());
        }
        other => return Err((StatusCode::NOT_FOUND, format!("nothing is called {other}\n"))),
    };
    let method = how.method.as_deref().unwrap_or(if act == Act::Challenge { "credit_card" } else { "qris" });
    let order = desk
        .act(&order.reference, &act, method, how.silent)
        .map_err(|no| (StatusCode::CONFLICT, format!("not as the order stands: {no:?}\n")))?;
    Ok(Json(order).into_response())
}
