//! What gateways of payments send: handed on as it came, kept or refused, and sent again while nobody can keep it.

use axum::body::Body;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::{Answer, Api, NOWHERE};

impl Api {
    /// Sends `body` to a door, without a token of ours and of no particular type.
    async fn notify(&self, door: &str, body: impl Into<Body>, token: Option<&str>) -> Answer {
        let mut request = Request::post(format!("/api/v1/webhooks/{door}"))
            .header("user-agent", "Veritrans")
            .header("x-strange", "1");
        if let Some(token) = token {
            request = request.header("X-Callback-Token", token);
        }
        self.send(request.body(body.into()).unwrap()).await
    }
}

#[tokio::test]
async fn what_is_genuine_is_kept() {
    let api = Api::with_services().await;
    for (door, token) in [("midtrans", None), ("xendit", Some("secret"))] {
        for body in ["{\"order_id\": \"1\"}", "about nothing of ours", ""] {
            let answer = api.notify(door, body, token).await;
            assert_eq!((answer.status, answer.json), (StatusCode::OK, json!({})), "{door} {body}");
        }
    }
    let mut form = Request::post("/api/v1/webhooks/midtrans").header("content-type", "text/plain");
    form = form.header("authorization", "Basic bWlkdHJhbnM6").header("webhook-id", "7");
    assert_eq!(api.send(form.body(Body::from("a=b")).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_genuine_is_refused() {
    let api = Api::with_services().await;
    let forged = api.notify("midtrans", "signed by somebody", None).await;
    forged.is_problem(401, "forged");
    // There is no token to log in with.
    assert!(!forged.headers.contains_key(WWW_AUTHENTICATE));
    for token in [None, Some("guessed")] {
        api.notify("xendit", "{}", token).await.is_problem(401, "forged");
    }
    api.notify("midtrans", vec![0xff, 0xfe], None).await.is_problem(400, "unreadable");
    api.notify("xendit", "x".repeat(65 * 1024), Some("secret")).await.is_problem(413, "too-large");
    api.notify("nobody", "{}", None).await.is_problem(404, "no-route");
    let asked = Request::get("/api/v1/webhooks/midtrans").body(Body::empty()).unwrap();
    api.send(asked).await.is_problem(405, "no-method");
}

#[tokio::test]
async fn what_cannot_be_kept_is_to_be_sent_again() {
    let api = Api::with_services().await;
    for body in ["down", "broken", "refused", "undecided"] {
        let answer = api.notify("midtrans", body, None).await;
        answer.is_problem(503, "unavailable");
        assert!(answer.headers.contains_key(RETRY_AFTER), "{body}");
    }
    let api = Api::at(NOWHERE).await;
    api.notify("xendit", "{}", Some("secret")).await.is_problem(503, "unavailable");
}
