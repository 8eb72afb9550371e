//! What is true of every request: pages, problems, limits, headers.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use axum::routing::get;

use crate::access::Role;
use crate::http::layers;
use crate::tests::{Api, NOWHERE};

#[tokio::test]
async fn no_route_takes_what_it_does_not_know() {
    let api = Api::scripted().await;
    let document = api.get("/openapi.json", "").await.json;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let path = path.strip_prefix("/api/v1").unwrap().replace(['{', '}'], "");
            let route = format!("{} {path}?strange=1&x=2&x=3", method.to_uppercase());
            let answer = api.ask("admin-001", &route, None).await;
            assert_eq!(answer.is_problem(400, "invalid").faults(), ["strange", "x", "x"], "{route}");
        }
    }
    assert_eq!(api.get("/openapi.json?v=3", "").await.status, 400);
}

#[tokio::test]
async fn wrong_bodies_are_told_where() {
    let api = Api::at(NOWHERE).await;
    let login = "/auth/login";
    let cut = api.post(login, r#"{"email": "a@b.c", "#).await;
    assert!(
        cut.is_problem(400, "invalid").json["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("line 1 column")
    );
    let typed = api.post(login, r#"{"email": "a@b.c", "password": 7}"#).await;
    assert_eq!(typed.is_problem(422, "invalid").faults(), ["password"]);
    let more = api.post(login, r#"{"email": "a@b.c", "password": "x", "role": "admin"}"#).await;
    assert_eq!(more.is_problem(422, "invalid").faults(), ["role"]);
    let empty = api.post(login, r#"{"email": "", "password": ""}"#).await;
    assert_eq!(empty.is_problem(422, "invalid").faults(), ["email", "password"]);
    let secret = api.post(login, r#"{"email": ["hunter2"], "password": {"hunter2": 1}, "hunter2": 7}"#).await;
    assert_eq!(secret.is_problem(422, "invalid").faults(), ["email", "password", "hunter2"]);
    let details: Vec<&str> = secret.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["detail"].as_str().unwrap())
        .collect();
    assert!(details.iter().all(|detail| !detail.contains("hunter2")), "{details:?}");
    api.post(login, r#"{} {}"#).await.is_problem(400, "invalid");
    api.post(login, "x".repeat(65 * 1024)).await.is_problem(413, "too-large");
    let form = Request::post("/api/v1/auth/login").body(Body::from("email=a")).unwrap();
    api.send(form).await.is_problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn what_is_down_is_said_to_be_down() {
    let api = Api::at(NOWHERE).await;
    let siti = api.session("customer-001", Role::Customer).await;
    let answer = api.get("/devices", &siti).await;
    answer.is_problem(503, "unavailable");
    assert!(answer.headers.contains_key(RETRY_AFTER));
    assert!(answer.json["detail"].as_str().unwrap().contains("ingest"));
    let admin = api.session("admin-001", Role::Administrator).await;
    for (path, service) in [
        ("/usage/daily?device_id=a", "ingest"),
        ("/balance", "billing"),
        ("/tariffs", "billing"),
        ("/payments", "billing"),
        ("/bills/a", "billing"),
        ("/vouchers/usage", "voucher"),
    ] {
        let answer = api.get(path, &siti).await;
        assert!(
            answer.is_problem(503, "unavailable").json["detail"].as_str().unwrap().contains(service),
            "{path}"
        );
    }
    api.get("/reports/revenue", &admin).await.is_problem(503, "unavailable");
    let login = api.post("/auth/login", r#"{"email": "a@b.c", "password": "x"}"#).await;
    assert!(login.is_problem(503, "unavailable").json["detail"].as_str().unwrap().contains("database"));
    api.get("/me", &siti).await.is_problem(503, "unavailable");
}

#[tokio::test]
async fn strange_routes_and_methods_are_problems_too() {
    let api = Api::at(NOWHERE).await;
    for path in ["/", "/api/v1", "/api/v1/nothing", "/api/v2/me"] {
        api.send(Request::get(path).body(Body::empty()).unwrap()).await.is_problem(404, "no-route");
    }
    let answer = api.send(Request::delete("/api/v1/me").body(Body::empty()).unwrap()).await;
    answer.is_problem(405, "no-method");
    let allow = answer.headers[ALLOW].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("PATCH"), "{allow}");
}

#[tokio::test]
async fn every_answer_carries_an_id_and_security_headers() {
    let api = Api::at(NOWHERE).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request =
        Request::get("/api/v1/openapi.json").header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers["x-request-id"], trace);
    for path in ["/openapi.json", "/me", "/nothing"] {
        let answer = api.get(path, "").await;
        assert_eq!(answer.headers["x-request-id"].len(), 32);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.headers.contains_key("content-security-policy"));
    }
}

#[tokio::test]
async fn only_named_origins_may_call() {
    let api = Api::at(NOWHERE).await;
    for (origin, allowed) in [("https://app.example.com", true), ("https://evil.example.com", false)] {
        let preflight = Request::options("/api/v1/me")
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization");
        let answer = api.send(preflight.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers.contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
}

#[tokio::test]
async fn a_panic_and_a_slow_handler_end_only_their_request() {
    let api = Api::at(NOWHERE).await;
    let sessions = api.gateway.sessions.clone();
    let router = Router::new()
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .route("/slow", get(|| tokio::time::sleep(Duration::from_secs(60))))
        .layer(axum::middleware::from_fn_with_state(Duration::from_millis(20), layers::deadline))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(layers::caught))
        .layer(axum::middleware::from_fn_with_state(sessions, layers::follow));
    let api = Api { router, ..api };
    api.send(Request::get("/panic").body(Body::empty()).unwrap()).await.is_problem(500, "internal");
    api.send(Request::get("/slow").body(Body::empty()).unwrap()).await.is_problem(504, "timeout");
}

/// Whoever checks tokens of ours finds the public keys where such are looked for, and no private ones.
#[tokio::test]
async fn the_public_keys_are_served() {
    let api = Api::at(NOWHERE).await;
    let answer = api.send(Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/jwk-set+json");
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let keys = answer.json["keys"].as_array().unwrap();
    assert!(keys.len() == 1 && keys[0]["crv"] == "Ed25519" && keys[0].get("d").is_none(), "{keys:?}");
}
