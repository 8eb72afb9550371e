use axum::body::Body;
use axum::http::Request;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;
use tonic::Status;

use super::*;
use crate::tests::{Answer, Api};
use crate::wire::billing::v1::ReceiveNotificationResponse;

async fn notify(api: &Api, door: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(format!("/api/v1/webhooks/{door}"))
        .header("user-agent", "Veritrans")
        .header("x-strange", "1")
        .header("authorization", "Basic bWlkdHJhbnM6")
        .header("X-Callback-Token", "secret");
    api.send(request.body(body.into()).unwrap()).await
}

fn says(api: &Api, verdict: NotificationVerdict) {
    api.backend.answers("ReceiveNotification", ReceiveNotificationResponse { verdict: verdict.into() });
}

#[tokio::test]
async fn what_came_is_handed_on_byte_by_byte() {
    let api = Api::scripted().await;
    for (door, gateway, body, verdict) in [
        ("midtrans", PaymentMethod::Midtrans, &b"{\"order_id\": \"1\"}"[..], NotificationVerdict::Taken),
        ("xendit", PaymentMethod::Xendit, &[0xff, 0xfe], NotificationVerdict::UnknownOrder),
        ("xendit", PaymentMethod::Xendit, b"", NotificationVerdict::Taken),
    ] {
        says(&api, verdict);
        let answer = notify(&api, door, body.to_vec()).await;
        assert_eq!((answer.status, answer.json), (StatusCode::OK, json!({})), "{door}");
        let headers = [("x-callback-token", "secret"), ("user-agent", "Veritrans")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let expected = ReceiveNotificationRequest { gateway: gateway.into(), body: body.to_vec(), headers };
        assert_eq!(api.backend.received("ReceiveNotification"), Some(expected), "{door}");
    }
}

#[tokio::test]
async fn what_is_not_genuine_is_refused() {
    let api = Api::scripted().await;
    says(&api, NotificationVerdict::Forged);
    let forged = notify(&api, "midtrans", "{}").await;
    forged.is_problem(401, "forged");
    // There is no token to log in with.
    assert!(!forged.headers.contains_key(WWW_AUTHENTICATE));
    says(&api, NotificationVerdict::Unreadable);
    notify(&api, "midtrans", "{}").await.is_problem(400, "unreadable");
    notify(&api, "xendit", "x".repeat(65 * 1024)).await.is_problem(413, "too-large");
    notify(&api, "nobody", "{}").await.is_problem(404, "no-route");
    let asked = Request::get("/api/v1/webhooks/midtrans").body(Body::empty()).unwrap();
    api.send(asked).await.is_problem(405, "no-method");
}

#[tokio::test]
async fn what_cannot_be_kept_is_to_be_sent_again() {
    let api = Api::scripted().await;
    says(&api, NotificationVerdict::Unspecified);
    notify(&api, "midtrans", "{}").await.is_problem(503, "unavailable");
    for status in [Status::unavailable("no"), Status::internal("no"), Status::invalid_argument("no")] {
        api.backend.refuses("ReceiveNotification", status);
        let answer = notify(&api, "midtrans", "{}").await;
        assert!(answer.is_problem(503, "unavailable").headers.contains_key(RETRY_AFTER));
    }
}
