//! Who sees bills and revenue, and who says whether a customer pays before or after.

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, STRANGERS};
use crate::domain::user::Role;

/// Ids as they stand in a path.
const OWN: &str = "/bills/bill%3Acustomer-001%7C2026-10";
const THEIRS: &str = "/bills/bill%3Acustomer-002%7C2026-10";

impl Api {
    async fn put_as(&self, path: &str, authorization: &str, body: &Value) -> Answer {
        let request = Request::put(format!("/api/v1{path}"))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, authorization);
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

#[tokio::test]
async fn bills_are_seen_by_those_who_owe_them() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    // The service told another customer's too.
    for query in ["", "?customer_id=customer-001&status=open"] {
        assert_eq!(api.get(&format!("/bills{query}"), &siti).await.ids(), ["bill:customer-001|2026-10"]);
    }
    assert_eq!(api.get("/bills?status=paid", &siti).await.ids().len(), 0);
    let bill = api.get(OWN, &siti).await;
    assert_eq!(
        bill.json,
        json!({
            "id": "bill:customer-001|2026-10", "customer_id": "customer-001", "month": "2026-10",
            "charges": 71_400, "carried_over": -1_400, "amount": 70_000, "open": 10_000, "surplus": 0,
            "status": "open", "payment_id": "payment-002",
            "payments": [{ "payment_id": "payment-001", "amount": 60_000 }], "carried_to": null,
            "issued_at": "2026-11-22T03:15:00Z", "due_date": "2026-11-20",
        })
    );
    let theirs = api.get(THEIRS, &siti).await;
    theirs.is_problem(404, "not-found");
    theirs.same_as(api.get("/bills/nothing", &siti).await);
    for customer in ["customer-002", "customer-999"] {
        api.get(&format!("/bills?customer_id={customer}"), &siti).await.is_problem(403, "forbidden");
    }
    let wrong = api.get("/bills?status=late&page_size=0", &siti).await;
    assert_eq!(wrong.is_problem(400, "invalid").faults(), ["status", "page_size"]);

    let admin = api.session("admin-001", Role::Administrator).await;
    assert_eq!(api.get("/bills", &admin).await.ids().len(), 2);
    assert_eq!(api.get(THEIRS, &admin).await.status, StatusCode::OK);
    let technician = api.session("tech-001", Role::Technician).await;
    for path in ["/bills", "/bills?customer_id=tech-001", OWN, "/bills/nothing"] {
        api.get(path, &technician).await.is_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn how_a_customer_pays_is_seen_by_the_customer() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    let own = json!({
        "customer_id": "customer-001", "mode": "postpaid", "time_zone": "Asia/Makassar",
        "since": "2026-11-22T03:15:00Z", "set_by": null,
    });
    for path in ["/billing", "/billing?customer_id=customer-001"] {
        assert_eq!(api.get(path, &siti).await.json, own, "{path}");
    }
    for customer in ["customer-002", "customer-999"] {
        api.get(&format!("/billing?customer_id={customer}"), &siti).await.is_problem(403, "forbidden");
    }
    let technician = api.session("tech-001", Role::Technician).await;
    for query in ["", "?customer_id=customer-001"] {
        api.get(&format!("/billing{query}"), &technician).await.is_problem(403, "forbidden");
    }
    let admin = api.session("admin-001", Role::Administrator).await;
    let theirs = api.get("/billing?customer_id=customer-002", &admin).await;
    assert_eq!(theirs.json["set_by"], "admin-001");
    for query in ["", "?customer_id="] {
        let nobody = api.get(&format!("/billing{query}"), &admin).await;
        assert_eq!(nobody.is_problem(400, "invalid").faults(), ["customer_id"]);
    }
}

#[tokio::test]
async fn only_administrators_say_how_a_customer_pays() {
    let api = Api::with_services().await;
    let path = "/customers/customer-001/billing";
    let mode = json!({ "mode": "postpaid" });
    for (id, role) in STRANGERS {
        let session = api.session(id, role).await;
        for path in [path, "/customers/customer-002/billing", "/customers/nobody/billing"] {
            api.put_as(path, &session, &mode).await.is_problem(403, "forbidden");
        }
    }
    let admin = api.session("admin-001", Role::Administrator).await;
    let set = api.put_as(path, &admin, &mode).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.json);
    assert_eq!((&set.json["mode"], &set.json["time_zone"]), (&json!("postpaid"), &json!("Asia/Jakarta")));
    assert_eq!(set.json["set_by"], "admin-001");
    let zoned = api.put_as(path, &admin, &json!({ "mode": "prepaid", "time_zone": "Asia/Jayapura" })).await;
    assert_eq!(zoned.json["time_zone"], "Asia/Jayapura");
    for (body, fields) in [
        (json!({ "mode": "later" }), vec!["mode"]),
        (json!({ "mode": "prepaid", "time_zone": "" }), vec!["time_zone"]),
        (json!({ "mode": "prepaid", "time_zone": "Atlantis" }), vec!["time_zone"]),
        (json!({ "mode": "prepaid", "set_by": "x" }), vec!["set_by"]),
    ] {
        let wrong = api.put_as(path, &admin, &body).await;
        assert_eq!(wrong.is_problem(422, "invalid").faults(), fields, "{body}");
    }
    for nobody in ["customer-999", "tech-001"] {
        let path = format!("/customers/{nobody}/billing");
        api.put_as(&path, &admin, &mode).await.is_problem(404, "not-found");
    }
}

#[tokio::test]
async fn revenue_is_the_utilitys_own_business() {
    let api = Api::with_services().await;
    for (id, role) in STRANGERS {
        let session = api.session(id, role).await;
        api.get("/reports/revenue?from=2026-11-01&to=2026-11-02", &session)
            .await
            .is_problem(403, "forbidden");
    }
    let admin = api.session("admin-001", Role::Administrator).await;
    let report = api.get("/reports/revenue?from=2026-11-01&to=2026-11-02", &admin).await;
    let sums =
        json!({ "water": 2_355, "payments": 90_000, "vouchers": 10_000, "refunds": 0, "adjustments": 0 });
    assert_eq!(
        report.json,
        json!({
            "from": "2026-11-01", "to": "2026-11-02",
            "by_day": [
                {
                    "date": "2026-11-01", "water": 2_355, "payments": 90_000, "vouchers": 10_000, "refunds": 0,
                    "adjustments": 0,
                },
                {
                    "date": "2026-11-02", "water": 0, "payments": 0, "vouchers": 0, "refunds": 0,
                    "adjustments": 0,
                },
            ],
            "by_method": [{ "payment_method": "midtrans", "received": 90_000 }],
            "by_class": [{ "tariff_class": "social-1", "water": 2_355 }],
            "totals": sums,
        })
    );
    assert_eq!(api.get("/reports/revenue", &admin).await.json["by_day"].as_array().unwrap().len(), 30);
    for (query, fields) in [
        ("from=2025-01-01&to=2026-11-22", vec!["from"]),
        ("from=today&to=tomorrow", vec!["from", "to"]),
        ("from=2026-11-02&to=2026-11-01", vec!["from"]),
        ("class=social-1", vec!["class"]),
    ] {
        let wrong = api.get(&format!("/reports/revenue?{query}"), &admin).await;
        assert_eq!(wrong.is_problem(400, "invalid").faults(), fields, "{query}");
    }
    let long = api.get("/reports/revenue?from=2025-01-01&to=2026-11-22", &admin).await;
    assert!(long.json["errors"][0]["detail"].as_str().unwrap().contains("400 days"));
    // An account that this report does not know: no figure is better than a wrong one.
    let strange = api.get("/reports/revenue?from=2026-02-02&to=2026-02-03", &admin).await;
    strange.is_problem(500, "internal");
}
