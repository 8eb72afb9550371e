//! What gateways of payments call. Nobody logs in here: who it was is in the signature, which billing checks.

#[cfg(test)]
mod tests;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use crate::failure::Failure;
use crate::grpc::{BILLING, answer};
use crate::http::extract::Raw;
use crate::http::problem::Problem;
use crate::http::reply::{Answer, Reply};
use crate::wire::billing::v1::{NotificationVerdict, PaymentMethod, ReceiveNotificationRequest};

/// The routes. They need no token.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(midtrans)).routes(routes!(xendit))
}

/// The headers that gateways put something into that matters.
const HEADERS: [&str; 4] = ["x-callback-token", "content-type", "user-agent", "webhook-id"];

/// What Midtrans sends when a payment changes.
///
/// The body is handed on byte by byte, whatever its type. It is a hint only: what became of the payment is asked back at
/// the gateway.
#[utoipa::path(
    post, path = "/webhooks/midtrans", tag = "webhooks", security(()),
    request_body(content = Object, content_type = "*/*", description = "An HTTP notification of Midtrans, signed in itself."),
    responses(
        (status = 200, description = "It is stored, and need not be sent again.", body = Object),
        (status = 400, description = "It is nothing that Midtrans sends."),
        (status = 401, description = "Its signature is wrong."),
    ),
)]
async fn midtrans(State(gateway): State<Gateway>, headers: HeaderMap, Raw(body): Raw) -> Answer {
    receive(&gateway, PaymentMethod::Midtrans, &headers, body.into()).await
}

/// What Xendit sends when a payment changes.
///
/// The body is handed on byte by byte, whatever its type. It is a hint only: what became of the payment is asked back at
/// the gateway.
#[utoipa::path(
    post, path = "/webhooks/xendit", tag = "webhooks", security(()),
    request_body(content = Object, content_type = "*/*", description = "A callback of Xendit, with its `x-callback-token`."),
    responses(
        (status = 200, description = "It is stored, and need not be sent again.", body = Object),
        (status = 400, description = "It is nothing that Xendit sends."),
        (status = 401, description = "Its token is wrong."),
    ),
)]
async fn xendit(State(gateway): State<Gateway>, headers: HeaderMap, Raw(body): Raw) -> Answer {
    receive(&gateway, PaymentMethod::Xendit, &headers, body.into()).await
}

async fn receive(gateway: &Gateway, from: PaymentMethod, headers: &HeaderMap, body: Vec<u8>) -> Answer {
    let header = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_owned(), value.to_owned()))
    };
    let headers = HEADERS.into_iter().filter_map(header).collect();
    let request = ReceiveNotificationRequest { gateway: from.into(), body, headers };
    let received =
        answer(BILLING, "notification", gateway.services.payments().receive_notification(request).await);
    // Whatever the reason that it is not stored, the gateway is to send it again.
    let again = || Failure::Unavailable(BILLING);
    match received.map_err(|_| again())?.verdict() {
        NotificationVerdict::Taken | NotificationVerdict::UnknownOrder => Ok(Reply::nothing()),
        NotificationVerdict::Forged => {
            let (title, detail) =
                ("The notification is not the gateway's", "It does not carry what only the gateway knows.");
            Err(Problem::new(StatusCode::UNAUTHORIZED, "forged", title, detail))
        }
        NotificationVerdict::Unreadable => {
            let (title, detail) =
                ("The notification cannot be read", "It is not of a form that the gateway sends.");
            Err(Problem::new(StatusCode::BAD_REQUEST, "unreadable", title, detail))
        }
        NotificationVerdict::Unspecified => Err(again().into()),
    }
}
