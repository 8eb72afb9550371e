//! Who gets in, and who sees what.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Request, StatusCode};
use indowater_common::clock;
use serde_json::{Value, json};

use super::{Api, NOWHERE, STRANGERS};
use crate::domain::token::{Claims, SessionId};
use crate::domain::user::{Actor, Role, UserId};

#[tokio::test]
async fn customers_see_what_is_theirs_and_nothing_else() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    assert_eq!(api.get("/properties", &siti).await.ids(), ["property-001"]);
    assert_eq!(api.get("/devices", &siti).await.ids(), ["device-001"]);
    assert_eq!(api.get("/devices?customer_id=customer-001", &siti).await.ids(), ["device-001"]);
    assert_eq!(api.get("/properties/property-001", &siti).await.json["id"], "property-001");
    assert_eq!(api.get("/devices/device-001", &siti).await.json["last_reading"], "120.512");
    assert_eq!(api.get("/devices/device-001/readings", &siti).await.json["items"][0]["reading"], "120.512");
    for path in ["/usage/daily?device_id=device-001", "/usage/daily?property_id=property-001"] {
        assert_eq!(api.get(path, &siti).await.ids(), ["device-001|2026-11-21"], "{path}");
    }
    // Whose a day is does not change with the device.
    assert_eq!(
        api.get("/usage/daily", &siti).await.ids(),
        ["device-001|2026-11-21", "device-003|2026-01-01"]
    );

    // Somebody else's, and what is not there: the same answer but for the occurrence.
    for (theirs, nobodys) in [
        ("/properties/property-002", "/properties/property-999"),
        ("/devices/device-002", "/devices/device-999"),
        ("/devices/device-002/readings", "/devices/device-999/readings"),
        ("/usage/hourly?device_id=device-002", "/usage/hourly?device_id=device-999"),
        ("/usage/daily?property_id=property-002", "/usage/daily?property_id=property-999"),
        ("/usage/monthly?device_id=device-002", "/usage/monthly?device_id=device-999"),
    ] {
        let (mut theirs, mut nobodys) = (api.get(theirs, &siti).await, api.get(nobodys, &siti).await);
        theirs.is_problem(404, "not-found");
        nobodys.is_problem(404, "not-found");
        theirs.json["instance"] = Value::Null;
        nobodys.json["instance"] = Value::Null;
        assert_eq!(theirs.json, nobodys.json);
    }
    for list in ["/properties", "/devices", "/usage/hourly", "/usage/daily", "/usage/monthly"] {
        for customer in ["customer-002", "customer-999"] {
            let answer = api.get(&format!("{list}?customer_id={customer}"), &siti).await;
            answer.is_problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn reads_are_of_a_day_or_between_moments() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    let (first, second) = ("2026-11-21T03:15:00Z", "2026-11-22T03:15:00Z");
    for (query, expected) in [
        ("", vec![second, first]),
        // The day of Jakarta, from 17:00 UTC to 17:00 UTC.
        ("?date=2026-11-21", vec![first]),
        ("?date=2026-11-22", vec![second]),
        ("?date=2026-11-20", vec![]),
        ("?from=2026-11-22T03:15:00Z", vec![second]),
        ("?to=2026-11-22T03:15:00Z", vec![first]),
        ("?from=2026-11-21T10:15:00%2B07:00&to=2026-11-21T10:15:01%2B07:00", vec![first]),
    ] {
        let answer = api.get(&format!("/devices/device-001/readings{query}"), &siti).await;
        let items = answer.json["items"].as_array().unwrap();
        let at: Vec<&str> = items.iter().map(|read| read["read_at"].as_str().unwrap()).collect();
        assert_eq!(at, expected, "{query}");
    }
    for (query, fields) in [
        ("date=today", vec!["date"]),
        ("date=2026-11-21&from=2026-11-21T00:00:00Z", vec!["date"]),
        ("from=2026-11-21&to=now", vec!["from", "to"]),
        ("from=2026-11-22T00:00:00Z&to=2026-11-21T00:00:00Z", vec!["from"]),
    ] {
        let answer = api.get(&format!("/devices/device-001/readings?{query}"), &siti).await;
        assert_eq!(answer.is_problem(400, "invalid").faults(), fields, "{query}");
    }
    let read = &api.get("/devices/device-001/readings", &siti).await.json["items"][0];
    assert_eq!((&read["verdict"], &read["clock_corrected"]), (&json!("before_installation"), &json!(true)));
    let theirs = api.get("/devices/device-002/readings?date=2026-11-21", &siti).await;
    theirs.same_as(api.get("/devices/device-999/readings?date=2026-11-21", &siti).await);
}

#[tokio::test]
async fn a_former_owners_days_stay_hidden() {
    let api = Api::with_services().await;
    // device-003 is customer-002's now; the service knows a day of customer-001 on it.
    let budi = api.session("customer-002", Role::Customer).await;
    assert_eq!(api.get("/usage/daily?device_id=device-003", &budi).await.ids(), ["device-003|2026-11-21"]);
    let staff = api.session("tech-001", Role::Technician).await;
    let all = api.get("/usage/daily?device_id=device-003", &staff).await;
    assert_eq!(all.ids(), ["device-003|2026-11-21", "device-003|2026-01-01"]);
    // What is not billed of it, and why.
    let day = &all.json["items"][0];
    assert_eq!((&day["billable"], &day["glitches"]), (&json!(false), &json!(1)));
    assert_eq!((&day["unbilled"], &day["flags"]), (&json!("80"), &json!(["glitch"])));
}

#[tokio::test]
async fn staff_see_everything_and_may_name_a_customer() {
    let api = Api::with_services().await;
    for (id, role) in [("tech-001", Role::Technician), ("admin-001", Role::Administrator)] {
        let staff = api.session(id, role).await;
        assert_eq!(api.get("/properties", &staff).await.ids(), ["property-001", "property-002"]);
        assert_eq!(api.get("/devices", &staff).await.ids(), ["device-001", "device-002", "device-003"]);
        let theirs = api.get("/devices?customer_id=customer-002&status=active", &staff).await;
        assert_eq!(theirs.ids(), ["device-002", "device-003"]);
        assert_eq!(api.get("/devices/device-002", &staff).await.status, StatusCode::OK);
        assert_eq!(api.get("/usage/daily?customer_id=customer-001", &staff).await.ids().len(), 2);
        let everyones = api.get("/usage/daily", &staff).await;
        assert_eq!(everyones.is_problem(400, "invalid").faults(), ["customer_id"]);
    }
}

/// What a route with a body takes, so that whoever asks is refused for who they are.
fn body_of(path: &str) -> Value {
    let last = path.rsplit('/').next().unwrap();
    match last {
        "payments" => json!({ "payment_method": "midtrans", "amount": 50_000 }),
        "confirm" | "refunds" => json!({ "reason": "Mine now" }),
        "billing" => json!({ "mode": "postpaid" }),
        "adjustments" => json!({ "id": "a", "amount": 1, "reason": "Mine now" }),
        "validate" => json!({ "code": "HEMAT10", "amount": 100_000 }),
        "versions" => json!({ "from": "2027-01-01", "blocks": [{ "up_to": null, "price": "0" }] }),
        "vouchers" => json!({
            "code": "MINE", "discount_type": "percentage", "discount_value": "100",
            "valid_until": "2027-01-01T00:00:00Z",
        }),
        _ => panic!("say here what {path} takes"),
    }
}

/// Holds the whole document against what is served: no route about money is a technician's, and those that say that they
/// are for administrators are nobody else's.
#[tokio::test]
async fn money_is_refused_on_every_route() {
    let api = Api::with_services().await;
    let document = api.get("/openapi.json", "").await.json;
    let mut refused = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let tag = operation["tags"][0].as_str().unwrap();
            let texts = [&operation["summary"], &operation["description"]];
            let office =
                texts.iter().any(|text| text.as_str().unwrap_or_default().contains("For administrators"));
            let money = ["money", "payments", "bills", "vouchers", "reports"].contains(&tag);
            let who = match (office, money) {
                (true, _) => &STRANGERS[..],
                (false, true) => &STRANGERS[1..],
                (false, false) => continue,
            };
            let query = if path.ends_with("/applicable") { "?amount=1" } else { "" };
            let uri = path
                .replace("{id}", "payment-001")
                .replace("{customer_id}", "customer-001")
                .replace("{class}", "social-1");
            for (id, role) in who {
                let session = api.session(id, *role).await;
                let request = Request::builder()
                    .method(method.to_uppercase().as_str())
                    .uri(format!("{uri}{query}"))
                    .header(AUTHORIZATION, session)
                    .header(CONTENT_TYPE, "application/json")
                    .header("Idempotency-Key", "1");
                let body = operation.get("requestBody").map(|_| body_of(path).to_string());
                let answer = api.send(request.body(body.unwrap_or_default().into()).unwrap()).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} of {id}: {}", answer.json);
                refused += 1;
            }
        }
    }
    assert!(refused >= 30, "{refused}");
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
    api.app.standings.insert(SessionId::new("session of customer-001"), None).await;
    api.get("/devices", &siti).await.is_problem(401, "session-ended");
    api.post("/auth/refresh", r#"{"refresh_token": "nonsense"}"#).await.is_problem(401, "invalid-token");
}

#[tokio::test]
async fn the_role_is_the_one_the_user_has_now() {
    let api = Api::with_services().await;
    let was_admin = api.session("customer-001", Role::Administrator).await;
    let now = Actor { id: UserId::new("customer-001").unwrap(), role: Role::Customer };
    api.app.standings.insert(SessionId::new("session of customer-001"), Some(now)).await;
    assert_eq!(api.get("/devices", &was_admin).await.ids(), ["device-001"]);
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
