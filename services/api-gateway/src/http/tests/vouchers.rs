//! Who makes and ends vouchers, and who sees what they save.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Api, STRANGERS};
use crate::domain::user::Role;

fn draft() -> Value {
    json!({
        "code": "HEMAT20", "discount_type": "fixed_amount", "discount_value": "20000",
        "valid_until": "2026-12-01T00:00:00+07:00",
    })
}

#[tokio::test]
async fn vouchers_are_the_administrators() {
    let api = Api::with_services().await;
    for (id, role) in STRANGERS {
        let session = api.session(id, role).await;
        for path in ["/vouchers", "/vouchers/voucher-001", "/vouchers/nothing", "/vouchers/voucher-001/usage"]
        {
            api.get(path, &session).await.is_problem(403, "forbidden");
        }
        api.post_as("/vouchers", &session, &draft()).await.is_problem(403, "forbidden");
        for id in ["voucher-001", "nothing"] {
            let path = format!("/vouchers/{id}/deactivate");
            api.post_as(&path, &session, &Value::Null).await.is_problem(403, "forbidden");
        }
    }
    let admin = api.session("admin-001", Role::Administrator).await;
    for (query, expected) in
        [("", 1), ("?status=active&text=ten", 1), ("?status=expired", 0), ("?text=twenty", 0)]
    {
        assert_eq!(api.get(&format!("/vouchers{query}"), &admin).await.ids().len(), expected, "{query}");
    }
    let one = api.get("/vouchers/voucher-001", &admin).await;
    assert_eq!(
        one.json,
        json!({
            "id": "voucher-001", "code": "HEMAT10", "description": "Ten percent",
            "discount_type": "percentage", "discount_value": "10.5", "min_purchase_amount": 50_000,
            "max_discount_amount": 25_000, "usage_limit": null, "usage_count": 2, "reserved_count": 0,
            "per_customer_limit": 1, "valid_from": "2026-10-31T17:00:00Z",
            "valid_until": "2026-11-30T17:00:00Z", "status": "active", "created_by": "admin-001",
            "created_at": "2026-10-28T02:00:00Z",
        })
    );
    let usage = api.get("/vouchers/voucher-001/usage?page_size=500", &admin).await;
    assert_eq!(usage.ids(), ["usage of customer-001", "usage of customer-002"]);
    let ended = api.post_as("/vouchers/voucher-001/deactivate", &admin, &Value::Null).await;
    assert_eq!((ended.status, &ended.json["status"]), (StatusCode::OK, &json!("inactive")));
    for path in ["/vouchers/nothing", "/vouchers/nothing/usage"] {
        api.get(path, &admin).await.is_problem(404, "not-found");
    }
    let nothing = api.post_as("/vouchers/nothing/deactivate", &admin, &Value::Null).await;
    nothing.is_problem(404, "not-found");
    for (path, fields) in [
        ("/vouchers?status=used&page_size=501", vec!["status", "page_size"]),
        ("/vouchers?code=HEMAT10", vec!["code"]),
        ("/vouchers/voucher-001/usage?page_size=0", vec!["page_size"]),
    ] {
        assert_eq!(api.get(path, &admin).await.is_problem(400, "invalid").faults(), fields, "{path}");
    }
}

#[tokio::test]
async fn an_administrator_answers_for_a_new_voucher() {
    let api = Api::with_services().await;
    let admin = api.session("admin-001", Role::Administrator).await;
    let made = api.post_as("/vouchers", &admin, &draft()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json);
    assert_eq!((&made.json["id"], &made.json["created_by"]), (&json!("voucher-002"), &json!("admin-001")));
    assert_eq!((&made.json["discount_value"], &made.json["usage_limit"]), (&json!("20000"), &Value::Null));
    for (field, value, fields) in [
        ("code", json!("x"), vec!["code", "valid_until"]),
        ("discount_value", json!(10.5), vec!["discount_value"]),
        ("discount_type", json!("gift"), vec!["discount_type"]),
        ("per_customer_limit", json!(0), vec!["per_customer_limit"]),
        ("created_by", json!("somebody"), vec!["created_by"]),
    ] {
        let mut wish = draft();
        wish[field] = value;
        let wrong = api.post_as("/vouchers", &admin, &wish).await;
        assert_eq!(wrong.is_problem(422, "invalid").faults(), fields, "{field}");
    }
    let mut taken = draft();
    taken["code"] = json!("TAKEN");
    let taken = api.post_as("/vouchers", &admin, &taken).await;
    assert!(taken.is_problem(409, "conflict").json["detail"].as_str().unwrap().contains("is taken"));
}

#[tokio::test]
async fn customers_see_what_they_would_save() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    let applicable = api.get("/vouchers/applicable?amount=100000", &siti).await;
    // How often others used it is not theirs to know.
    assert_eq!(
        applicable.json,
        json!({
            "items": [{
                "code": "HEMAT10", "description": "Ten percent", "discount_type": "percentage",
                "discount_value": "10.5", "min_purchase_amount": 50_000, "max_discount_amount": 25_000,
                "valid_until": "2026-11-30T17:00:00Z", "discount_amount": 10_000, "final_amount": 90_000,
            }],
            "next_page_token": null,
        })
    );
    for query in ["", "?amount=0", "?amount=much"] {
        let wrong = api.get(&format!("/vouchers/applicable{query}"), &siti).await;
        assert_eq!(wrong.is_problem(400, "invalid").faults(), ["amount"], "{query}");
    }
    let asked = |amount: i64| json!({ "code": "HEMAT10", "amount": amount });
    let holds = api.post_as("/vouchers/validate", &siti, &asked(100_000)).await;
    assert_eq!(holds.json, json!({ "valid": true, "discount_amount": 10_000, "final_amount": 90_000 }));
    let small = api.post_as("/vouchers/validate", &siti, &asked(49_999)).await;
    assert_eq!(
        (small.status, &small.json),
        (
            StatusCode::OK,
            &json!({
                "valid": false, "reason": "below_minimum",
                "detail": "HEMAT10 is for purchases from 50000 rupiah on",
            })
        )
    );
    for (body, fields) in [
        (json!({ "code": "", "amount": 0 }), vec!["code", "amount"]),
        (json!({ "code": "A", "amount": 0.5 }), vec!["amount"]),
        // What the service calls otherwise.
        (asked(1_000_000_001), vec!["amount"]),
    ] {
        let wrong = api.post_as("/vouchers/validate", &siti, &body).await;
        assert_eq!(wrong.is_problem(422, "invalid").faults(), fields, "{body}");
    }
    // The service told another customer's too.
    let own = api.get("/vouchers/usage", &siti).await;
    assert_eq!(own.ids(), ["usage of customer-001"]);
    assert_eq!(own.json["items"][0]["transaction_id"], Value::Null);
}

#[tokio::test]
async fn nobody_sees_what_others_save() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    let technician = api.session("tech-001", Role::Technician).await;
    let admin = api.session("admin-001", Role::Administrator).await;
    for path in ["/vouchers/applicable?amount=100000", "/vouchers/usage?page_size=10"] {
        for customer in ["customer-002", "customer-999"] {
            api.get(&format!("{path}&customer_id={customer}"), &siti).await.is_problem(403, "forbidden");
        }
        api.get(path, &technician).await.is_problem(403, "forbidden");
        api.get(&format!("{path}&customer_id=tech-001"), &technician).await.is_problem(403, "forbidden");
        let nobody = api.get(path, &admin).await;
        assert_eq!(nobody.is_problem(400, "invalid").faults(), ["customer_id"], "{path}");
        let named = api.get(&format!("{path}&customer_id=customer-002"), &admin).await;
        assert_eq!(named.status, StatusCode::OK, "{path}");
    }
    let asked = |customer: &str| json!({ "code": "HEMAT10", "amount": 100_000, "customer_id": customer });
    let path = "/vouchers/validate";
    api.post_as(path, &siti, &asked("customer-002")).await.is_problem(403, "forbidden");
    assert_eq!(api.post_as(path, &siti, &asked("customer-001")).await.json["valid"], true);
    api.post_as(path, &technician, &asked("customer-001")).await.is_problem(403, "forbidden");
    assert_eq!(api.post_as(path, &admin, &asked("customer-001")).await.json["valid"], true);
    let nobody = api.post_as(path, &admin, &json!({ "code": "HEMAT10", "amount": 1 })).await;
    assert_eq!(nobody.is_problem(422, "invalid").faults(), ["customer_id"]);
}
