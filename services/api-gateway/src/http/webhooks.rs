//! Routes that gateways of payments call. Nobody logs in here: who it was is in the signature, which billing checks.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Gateway;
use super::extract::Raw;
use super::problem::Problem;
use crate::domain::notification::{Notification, Verdict};
use crate::domain::payment::PaymentMethod;

/// The headers that gateways put something into that matters.
const HEADERS: [&str; 4] = ["x-callback-token", "content-type", "user-agent", "webhook-id"];

/// What Midtrans sends when a payment changes.
///
/// The body is handed on byte by byte, whatever its type. It is a hint only: what became of the payment is asked back at
/// the gateway.
#[utoipa::path(
    post,
    path = "/webhooks/midtrans",
    tag = "webhooks",
    security(()),
    request_body(content = Object, content_type = "*/*", description = "An HTTP notification of Midtrans, signed in itself."),
    responses(
        (status = 200, description = "It is stored, and need not be sent again.", body = Object),
        (status = 400, description = "It is nothing that Midtrans sends."),
        (status = 401, description = "Its signature is wrong."),
    ),
)]
pub async fn midtrans(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<axum::Json<Value>, Problem> {
    receive(&gateway, PaymentMethod::Midtrans, &headers, body.into()).await
}

/// What Xendit sends when a payment changes.
///
/// The body is handed on byte by byte, whatever its type. It is a hint only: what became of the payment is asked back at
/// the gateway.
#[utoipa::path(
    post,
    path = "/webhooks/xendit",
    tag = "webhooks",
    security(()),
    request_body(content = Object, content_type = "*/*", description = "A callback of Xendit, with its `x-callback-token`."),
    responses(
        (status = 200, description = "It is stored, and need not be sent again.", body = Object),
        (status = 400, description = "It is nothing that Xendit sends."),
        (status = 401, description = "Its token is wrong."),
    ),
)]
pub async fn xendit(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<axum::Json<Value>, Problem> {
    receive(&gateway, PaymentMethod::Xendit, &headers, body.into()).await
}

async fn receive(
    gateway: &Gateway,
    from: PaymentMethod,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Result<axum::Json<Value>, Problem> {
    let header = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_owned(), value.to_owned()))
    };
    let headers: HashMap<String, String> = HEADERS.into_iter().filter_map(header).collect();
    match gateway.app.receive(Notification { gateway: from, body, headers }).await? {
        Verdict::Kept => Ok(axum::Json(json!({}))),
        Verdict::Forged => {
            let detail = "It does not carry what only the gateway knows.";
            Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "forged",
                "The notification is not the gateway's",
                detail,
            ))
        }
        Verdict::Unreadable => {
            let detail = "It is not of a form that the gateway sends.";
            Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "unreadable",
                "The notification cannot be read",
                detail,
            ))
        }
    }
}
