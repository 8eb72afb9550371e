//! Who gets in, and who sees what.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use indowater_common::clock;
use serde_json::Value;

use super::{Api, NOWHERE};
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
async fn a_former_owners_days_stay_hidden() {
    let api = Api::with_services().await;
    // device-003 is customer-002's now; the service knows a day of customer-001 on it.
    let budi = api.session("customer-002", Role::Customer).await;
    assert_eq!(api.get("/usage/daily?device_id=device-003", &budi).await.ids(), ["device-003|2026-11-21"]);
    let staff = api.session("tech-001", Role::Technician).await;
    let all = api.get("/usage/daily?device_id=device-003", &staff).await;
    assert_eq!(all.ids(), ["device-003|2026-11-21", "device-003|2026-01-01"]);
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
