//! Who gets in, and who may do what: every route of the document, for each role, of one's own things and of others'.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use indowater_common::clock;
use serde_json::{Value, json};

use crate::access::{Actor, Role, UserId};
use crate::session::token::{Claims, SessionId};
use crate::tests::{Api, NOWHERE};

/// The route, what stands for its path with a query, its body, and the status for customer-001, whose everything is, for
/// customer-002, for a technician and for an administrator. Those about the caller alone are answered by the database, which is not
/// there: 503 says that the caller came through.
type Row = (&'static str, &'static str, Option<Value>, [u16; 4]);

/// Every row.
fn matrix() -> Vec<Row> {
    [of_people_and_meters(), of_leaks(), of_money(), of_payments(), of_vouchers()].concat()
}

fn of_people_and_meters() -> Vec<Row> {
    vec![
        ("POST /auth/logout", "/auth/logout", None, [503; 4]),
        ("POST /auth/logout-all", "/auth/logout-all", None, [503; 4]),
        ("GET /me", "/me", None, [200; 4]),
        ("PATCH /me", "/me", Some(json!({ "full_name": "X" })), [503; 4]),
        (
            "POST /me/password",
            "/me/password",
            Some(json!({ "old_password": "a", "new_password": "short" })),
            [422; 4],
        ),
        ("GET /properties", "/properties?customer_id=customer-001", None, [200, 403, 200, 200]),
        ("GET /properties/{id}", "/properties/property-001", None, [200, 404, 200, 200]),
        ("GET /devices", "/devices?customer_id=customer-001", None, [200, 403, 200, 200]),
        ("GET /devices/{id}", "/devices/device-001", None, [200, 404, 200, 200]),
        ("GET /devices/{id}/readings", "/devices/device-001/readings", None, [200, 404, 200, 200]),
        ("GET /devices/{id}/quote", "/devices/device-001/quote?volume=1", None, [200, 404, 200, 200]),
        ("GET /usage/hourly", "/usage/hourly?device_id=device-001", None, [200, 404, 200, 200]),
        ("GET /usage/daily", "/usage/daily?property_id=property-001", None, [200, 404, 200, 200]),
        ("GET /usage/monthly", "/usage/monthly?customer_id=customer-001", None, [200, 403, 200, 200]),
    ]
}

fn of_leaks() -> Vec<Row> {
    let nothing = || Some(json!({}));
    let expectations = "/properties/property-001/expectations";
    vec![
        ("GET /leaks", "/leaks?customer_id=customer-001", None, [200, 403, 200, 200]),
        ("GET /leaks/{id}", "/leaks/leak-001", None, [200, 404, 200, 200]),
        ("POST /leaks/{id}/resolve", "/leaks/leak-001/resolve", nothing(), [200, 404, 200, 200]),
        (
            "POST /leaks/{id}/false-positive",
            "/leaks/leak-001/false-positive",
            nothing(),
            [200, 404, 200, 200],
        ),
        ("GET /inspection-queue", "/inspection-queue", None, [403, 403, 200, 200]),
        ("GET /properties/{id}/expectations", expectations, None, [200, 404, 200, 200]),
        ("PUT /properties/{id}/expectations", expectations, nothing(), [200, 404, 200, 200]),
        ("GET /tampering-events", "/tampering-events?customer_id=customer-001", None, [200, 403, 200, 200]),
        ("GET /tampering-events/{id}", "/tampering-events/tampering-001", None, [200, 404, 200, 200]),
        (
            "POST /tampering-events/{id}/investigate",
            "/tampering-events/tampering-001/investigate",
            nothing(),
            [403, 403, 200, 200],
        ),
        (
            "POST /tampering-events/{id}/resolve",
            "/tampering-events/tampering-001/resolve",
            Some(json!({ "resolution": "Sealed" })),
            [403, 403, 200, 200],
        ),
        ("GET /supply-interruptions", "/supply-interruptions?area=DMA-07", None, [200; 4]),
        ("GET /supply-interruptions/{id}", "/supply-interruptions/planned-001", None, [200; 4]),
        (
            "POST /supply-interruptions",
            "/supply-interruptions",
            Some(json!({
                "area": "DMA-07", "from": "2026-12-01T01:00:00Z", "until": "2026-12-01T05:00:00Z", "reason": "A valve",
            })),
            [403, 403, 403, 201],
        ),
        (
            "PATCH /supply-interruptions/{id}",
            "/supply-interruptions/planned-001",
            nothing(),
            [403, 403, 403, 200],
        ),
        (
            "POST /supply-interruptions/{id}/cancel",
            "/supply-interruptions/planned-001/cancel",
            nothing(),
            [403, 403, 403, 200],
        ),
    ]
}

fn of_money() -> Vec<Row> {
    vec![
        ("GET /balance", "/balance?customer_id=customer-001", None, [200, 403, 403, 200]),
        ("GET /balance/entries", "/balance/entries?customer_id=customer-001", None, [200, 403, 403, 200]),
        (
            "GET /balance/entries/{id}/explanation",
            "/balance/entries/x/explanation?customer_id=customer-001",
            None,
            [200, 403, 403, 200],
        ),
        (
            "POST /customers/{customer_id}/adjustments",
            "/customers/customer-001/adjustments",
            Some(json!({ "id": "a", "amount": 1, "reason": "Mine now" })),
            [403, 403, 403, 202],
        ),
        ("GET /tariffs", "/tariffs", None, [200; 4]),
        ("GET /tariffs/{class}", "/tariffs/social-1", None, [200; 4]),
        (
            "POST /tariffs/{class}/versions",
            "/tariffs/social-1/versions",
            Some(json!({ "from": "2027-01-01", "blocks": [{ "up_to": null, "price": "0" }] })),
            [403, 403, 403, 201],
        ),
        ("GET /tariffs/{class}/quote", "/tariffs/social-1/quote?amount=1", None, [200; 4]),
    ]
}

fn of_payments() -> Vec<Row> {
    let why = || Some(json!({ "reason": "Cash" }));
    let bill = "/bills/bill%3Acustomer-001%7C2026-10";
    vec![
        ("GET /payments", "/payments?customer_id=customer-001", None, [200, 403, 403, 200]),
        (
            "POST /payments",
            "/payments",
            Some(json!({ "payment_method": "midtrans", "amount": 50_000, "customer_id": "customer-001" })),
            [201, 403, 403, 422],
        ),
        ("GET /payments/{id}", "/payments/payment-001", None, [200, 404, 403, 200]),
        ("POST /payments/{id}/cancel", "/payments/payment-001/cancel", None, [200, 404, 403, 200]),
        ("GET /payments/{id}/receipt", "/payments/payment-001/receipt", None, [200, 404, 403, 200]),
        ("POST /payments/{id}/confirm", "/payments/payment-001/confirm", why(), [403, 403, 403, 200]),
        ("POST /payments/{id}/refunds", "/payments/payment-001/refunds", why(), [403, 403, 403, 200]),
        ("GET /bills", "/bills?customer_id=customer-001", None, [200, 403, 403, 200]),
        ("GET /bills/{id}", bill, None, [200, 404, 403, 200]),
        ("GET /billing", "/billing?customer_id=customer-001", None, [200, 403, 403, 200]),
        (
            "PUT /customers/{customer_id}/billing",
            "/customers/customer-001/billing",
            Some(json!({ "mode": "postpaid" })),
            [403, 403, 403, 200],
        ),
        ("GET /reports/revenue", "/reports/revenue", None, [403, 403, 403, 200]),
    ]
}

fn of_vouchers() -> Vec<Row> {
    vec![
        ("GET /vouchers", "/vouchers", None, [403, 403, 403, 200]),
        (
            "POST /vouchers",
            "/vouchers",
            Some(json!({
                "code": "MINE", "discount_type": "percentage", "discount_value": "100",
                "valid_until": "2027-01-01T00:00:00Z",
            })),
            [403, 403, 403, 201],
        ),
        ("GET /vouchers/{id}", "/vouchers/voucher-001", None, [403, 403, 403, 200]),
        ("POST /vouchers/{id}/deactivate", "/vouchers/voucher-001/deactivate", None, [403, 403, 403, 200]),
        ("GET /vouchers/{id}/usage", "/vouchers/voucher-001/usage", None, [403, 403, 403, 200]),
        ("GET /vouchers/usage", "/vouchers/usage?customer_id=customer-001", None, [200, 403, 403, 200]),
        (
            "GET /vouchers/applicable",
            "/vouchers/applicable?amount=1&customer_id=customer-001",
            None,
            [200, 403, 403, 200],
        ),
        (
            "POST /vouchers/validate",
            "/vouchers/validate",
            Some(json!({ "code": "HEMAT10", "amount": 1, "customer_id": "customer-001" })),
            [200, 403, 403, 200],
        ),
    ]
}

/// The routes of the document: all, and those that need no token.
async fn documented(api: &Api) -> (BTreeSet<String>, BTreeSet<String>) {
    let document = api.get("/openapi.json", "").await.json;
    let (mut all, mut open) = (BTreeSet::new(), BTreeSet::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let route = format!("{} {}", method.to_uppercase(), path.strip_prefix("/api/v1").unwrap());
            if operation["security"] == json!([{}]) {
                open.insert(route.clone());
            }
            all.insert(route);
        }
    }
    (all, open)
}

#[tokio::test]
async fn every_route_says_who_may() {
    let api = Api::scripted().await;
    let (all, open) = documented(&api).await;
    let named: BTreeSet<String> = matrix().iter().map(|row| row.0.to_owned()).collect();
    let closed: BTreeSet<String> = all.difference(&open).cloned().collect();
    assert_eq!(named, closed, "each route of the document has its row");
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
    assert_eq!(
        open,
        [
            "GET /openapi.json",
            "POST /auth/login",
            "POST /auth/refresh",
            "POST /webhooks/midtrans",
            "POST /webhooks/xendit"
        ]
    );
    for (route, path, body, statuses) in matrix() {
        let method = route.split(' ').next().unwrap();
        let asked = format!("{method} {path}");
        for (who, status) in
            ["customer-001", "customer-002", "tech-001", "admin-001"].into_iter().zip(statuses)
        {
            let answer = api.ask(who, &asked, body.as_ref()).await;
            assert_eq!(answer.status.as_u16(), status, "{who}: {asked}: {}", answer.json);
        }
        let nobody = api.send_as("", &asked, body.as_ref()).await;
        assert!(nobody.is_problem(401, "unauthenticated").headers.contains_key(WWW_AUTHENTICATE), "{asked}");
    }
}

#[tokio::test]
async fn what_is_anothers_is_like_what_is_not_there() {
    let api = Api::scripted().await;
    for (route, path, body, statuses) in matrix() {
        if statuses[1] != 404 {
            continue;
        }
        let asked = format!("{} {path}", route.split(' ').next().unwrap());
        let theirs = api.ask("customer-002", &asked, body.as_ref()).await;
        for method in ["GetProperty", "GetDevice", "GetPayment", "GetBill", "GetLeak", "GetTamperingEvent"] {
            api.backend.refuses(method, tonic::Status::not_found("no"));
        }
        theirs.same_as(api.ask("customer-002", &asked, body.as_ref()).await);
        crate::tests::things::answer_everything(&api.backend);
    }
}

#[tokio::test]
async fn an_unknown_customer_is_not_one_who_has_nothing() {
    let api = Api::scripted().await;
    for (route, path, _, statuses) in matrix() {
        if !path.contains("customer_id=") {
            continue;
        }
        for unknown in ["customer-999", "tech-001", "admin-001"] {
            let path = path.replace("customer_id=customer-001", &format!("customer_id={unknown}"));
            let asked = format!("{} {path}", route.split(' ').next().unwrap());
            for (who, status) in [("tech-001", statuses[2]), ("admin-001", statuses[3])] {
                if status == 200 && who != unknown {
                    api.ask(who, &asked, None).await.is_problem(404, "not-found");
                }
            }
        }
    }
}

#[tokio::test]
async fn tokens_that_do_not_count() {
    let api = Api::at(NOWHERE).await;
    for token in ["Bearer nonsense", "Bearer a.b.c"] {
        api.get("/me", token).await.is_problem(401, "invalid-token");
    }
    let actor = Actor { id: UserId::new("customer-001").unwrap(), role: Role::Customer };
    let hour_ago = clock::now().saturating_sub(Duration::from_secs(3_600)).unwrap();
    let old = Claims::new(&actor, SessionId::new("s"), hour_ago, Duration::from_secs(900));
    let old = format!("Bearer {}", api.signer.sign(&old).unwrap());
    let answer = api.get("/me", &old).await;
    answer.is_problem(401, "expired-token");
    assert!(answer.headers[WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));

    let siti = api.session("customer-001", Role::Customer).await;
    api.gateway.sessions.standings.insert(SessionId::new("session of customer-001"), None).await;
    api.get("/devices", &siti).await.is_problem(401, "session-ended");
    api.post("/auth/refresh", r#"{"refresh_token": "nonsense"}"#).await.is_problem(401, "invalid-token");
}

#[tokio::test]
async fn the_role_is_the_one_the_user_has_now() {
    let api = Api::scripted().await;
    let was_admin = api.session("customer-001", Role::Administrator).await;
    let now = Actor { id: UserId::new("customer-001").unwrap(), role: Role::Customer };
    api.gateway.sessions.standings.insert(SessionId::new("session of customer-001"), Some(now)).await;
    api.get("/vouchers", &was_admin).await.is_problem(403, "forbidden");
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let api = Api::at(NOWHERE).await;
    for _ in 0..3 {
        api.post("/auth/login", r#"{"email": "a@b.c", "password": "x"}"#)
            .await
            .is_problem(503, "unavailable");
    }
    let answer = api.post("/auth/login", r#"{"email": "A@B.C", "password": "x"}"#).await;
    answer.is_problem(429, "too-many-requests");
    let wait: u64 = answer.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
}
