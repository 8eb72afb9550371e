//! Who pays, who sees payments, who takes and gives back money by hand, and that nothing of it happens twice.

use axum::http::header::RETRY_AFTER;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Api, NOWHERE, STRANGERS};
use crate::domain::user::Role;

fn top_up() -> Value {
    json!({ "payment_method": "midtrans", "amount": 50_000 })
}

/// `value` with `fields` in it.
fn with(value: &Value, fields: &Value) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    value
}

#[tokio::test]
async fn customers_pay_for_themselves() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    let wish =
        with(&top_up(), &json!({ "voucher_code": "HEMAT10", "return_url": "https://app.example.com/paid" }));
    let made = api.post_keyed("/payments", &siti, Some("wish-1"), &wish).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json);
    assert_eq!(
        made.json,
        json!({
            "id": "payment-004", "reference_id": "customer-001|wish-1", "customer_id": "customer-001",
            "customer_email": "customer-001@indowater.com", "amount": 50_000, "discount_amount": 0,
            "final_amount": 50_000, "payment_method": "midtrans", "payment_type": "balance_topup",
            "status": "pending", "payment_url": "https://app.example.com/paid", "voucher_code": "HEMAT10",
            "voucher_state": null, "bill_id": null, "received_amount": 0, "fee_amount": 0, "uncredited_amount": 0,
            "refunded_amount": 0, "excess_amount": 0, "credited_amount": 0, "reason": null, "made_by": null,
            "notes": [], "needs_attention": [], "created_at": "2026-11-22T03:15:00Z",
            "updated_at": "2026-11-22T03:15:00Z", "paid_at": null, "noticed_at": null,
            "expires_at": "2026-11-23T03:15:00Z", "revision": 2,
        })
    );
    let named = with(&top_up(), &json!({ "customer_id": "customer-001" }));
    assert_eq!(api.post_keyed("/payments", &siti, Some("2"), &named).await.status, StatusCode::CREATED);
    let bill = json!({
        "payment_method": "xendit", "payment_type": "water_bill", "bill_id": "bill:customer-001|2026-10",
    });
    let bill = api.post_keyed("/payments", &siti, Some("3"), &bill).await;
    assert_eq!((bill.status, &bill.json["amount"]), (StatusCode::CREATED, &json!(70_000)));
    assert_eq!(bill.json["bill_id"], "bill:customer-001|2026-10");
}

#[tokio::test]
async fn nobody_pays_for_or_with_what_is_anothers() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    for customer in ["customer-002", "customer-999"] {
        let wish = with(&top_up(), &json!({ "customer_id": customer }));
        api.post_keyed("/payments", &siti, Some("1"), &wish).await.is_problem(403, "forbidden");
    }
    let bill = |id: &str| json!({ "payment_method": "xendit", "payment_type": "water_bill", "bill_id": id });
    let theirs = api.post_keyed("/payments", &siti, Some("1"), &bill("bill:customer-002|2026-10")).await;
    assert_eq!(theirs.is_problem(422, "invalid").faults(), ["bill_id"]);
    theirs.same_as(api.post_keyed("/payments", &siti, Some("1"), &bill("bill of nobody")).await);

    let technician = api.session("tech-001", Role::Technician).await;
    for customer in ["tech-001", "customer-001"] {
        let wish = with(&top_up(), &json!({ "customer_id": customer }));
        api.post_keyed("/payments", &technician, Some("1"), &wish).await.is_problem(403, "forbidden");
    }
    api.post_keyed("/payments", &technician, Some("1"), &top_up()).await.is_problem(403, "forbidden");
}

#[tokio::test]
async fn administrators_enter_what_they_took() {
    let api = Api::with_services().await;
    let admin = api.session("admin-001", Role::Administrator).await;
    let cash = json!({
        "payment_method": "manual", "amount": 50_000, "customer_id": "customer-002", "reason": "Cash at the counter",
    });
    let made = api.post_keyed("/payments", &admin, Some("receipt-7"), &cash).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json);
    for (field, value) in [
        ("reference_id", json!("admin-001|receipt-7")),
        ("customer_id", json!("customer-002")),
        ("customer_email", json!("customer-002@indowater.com")),
        ("payment_method", json!("manual")),
        ("payment_url", Value::Null),
        ("reason", json!("Cash at the counter")),
        ("made_by", json!("admin-001")),
        ("notes", json!(["Budi Santoso"])),
    ] {
        assert_eq!(made.json[field], value, "{field}");
    }
    for nobody in ["customer-999", "tech-001", "admin-001"] {
        let wish = with(&cash, &json!({ "customer_id": nobody }));
        api.post_keyed("/payments", &admin, Some("1"), &wish).await.is_problem(404, "not-found");
    }
    let wrong = api.post_keyed("/payments", &admin, Some("1"), &top_up()).await;
    assert_eq!(wrong.is_problem(422, "invalid").faults(), ["payment_method", "customer_id", "reason"]);
}

#[tokio::test]
async fn wrong_wishes_are_told_whole() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    for (fields, expected) in [
        (json!({ "payment_method": "manual", "reason": "x" }), vec!["payment_method", "reason"]),
        (
            json!({ "amount": 0, "bill_id": "b", "return_url": "ftp://a" }),
            vec!["bill_id", "amount", "return_url"],
        ),
        (json!({ "amount": 1.5 }), vec!["amount"]),
        (json!({ "amount": "50000" }), vec!["amount"]),
        (json!({ "payment_method": "cash" }), vec!["payment_method"]),
        (json!({ "payment_type": "water_bill" }), vec!["amount", "bill_id"]),
        (json!({ "made_by": "admin-001" }), vec!["made_by"]),
        (json!({ "customer_id": "" }), vec!["customer_id"]),
        // What billing says, by the names that are known here.
        (json!({ "amount": 999 }), vec!["amount"]),
        (json!({ "amount": 998 }), vec!["payment_type", "payment_method"]),
    ] {
        let wish = with(&top_up(), &fields);
        let answer = api.post_keyed("/payments", &siti, Some("1"), &wish).await;
        assert_eq!(answer.is_problem(422, "invalid").faults(), expected, "{fields}");
    }
    let long = "x".repeat(201);
    for key in [None, Some(""), Some("a b"), Some(long.as_str())] {
        let answer = api.post_keyed("/payments", &siti, key, &top_up()).await;
        assert_eq!(answer.is_problem(400, "invalid").faults(), ["Idempotency-Key"], "{key:?}");
    }
    let twice = Request::post("/api/v1/payments")
        .header("authorization", &siti)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    let answer = api.send(twice.body(top_up().to_string().into()).unwrap()).await;
    assert_eq!(answer.is_problem(400, "invalid").faults(), ["Idempotency-Key"]);
}

#[tokio::test]
async fn what_cannot_be_paid_says_why() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    let used = api.post_keyed("/payments", &siti, Some("used"), &top_up()).await;
    assert!(used.is_problem(409, "key-reused").json["detail"].as_str().unwrap().contains("another request"));
    let old = with(&top_up(), &json!({ "voucher_code": "OLD" }));
    let old = api.post_keyed("/payments", &siti, Some("1"), &old).await;
    assert_eq!(old.is_problem(409, "conflict").json["detail"], "Voucher OLD was valid until 2026-10-31.");
    for amount in [503, 504] {
        let wish = with(&top_up(), &json!({ "amount": amount }));
        let answer = api.post_keyed("/payments", &siti, Some("1"), &wish).await;
        let detail = answer.is_problem(503, "unavailable").json["detail"].as_str().unwrap();
        assert!(detail.contains("same request") && detail.contains("Idempotency-Key"), "{detail}");
        assert!(answer.headers.contains_key(RETRY_AFTER));
    }
    // A gateway that says when to come again is handed on.
    let wish = with(&top_up(), &json!({ "amount": 502 }));
    let answer = api.post_keyed("/payments", &siti, Some("1"), &wish).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[RETRY_AFTER], "17");
}

#[tokio::test]
async fn payments_are_seen_by_those_whose_they_are() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    // The service told another customer's too.
    assert_eq!(api.get("/payments", &siti).await.ids(), ["payment-003", "payment-001"]);
    assert_eq!(api.get("/payments?customer_id=customer-001&status=paid", &siti).await.ids(), ["payment-001"]);
    let payment = api.get("/payments/payment-001", &siti).await.json;
    assert_eq!((&payment["amount"], &payment["final_amount"]), (&json!(100_000), &json!(90_000)));
    assert_eq!((&payment["made_by"], &payment["notes"]), (&Value::Null, &json!([])));
    assert_eq!(payment["needs_attention"], json!([]), "that is the utility's business");
    assert_eq!((&payment["received_amount"], &payment["fee_amount"]), (&json!(95_350), &json!(350)));
    assert_eq!(payment["noticed_at"], "2026-11-22T03:15:02Z");
    // What needs a person is not told by a filter either.
    assert_eq!(api.get("/payments?needs_attention=true", &siti).await.ids(), ["payment-003", "payment-001"]);
    for customer in ["customer-002", "customer-999"] {
        let answer = api.get(&format!("/payments?customer_id={customer}"), &siti).await;
        answer.is_problem(403, "forbidden");
    }
    for part in ["", "/receipt"] {
        let theirs = api.get(&format!("/payments/payment-002{part}"), &siti).await;
        theirs.is_problem(404, "not-found");
        theirs.same_as(api.get(&format!("/payments/nothing{part}"), &siti).await);
    }

    let admin = api.session("admin-001", Role::Administrator).await;
    assert_eq!(api.get("/payments", &admin).await.ids(), ["payment-003", "payment-002", "payment-001"]);
    let payment = api.get("/payments/payment-002", &admin).await.json;
    assert_eq!((&payment["made_by"], &payment["notes"]), (&json!("admin-001"), &json!(["look at it"])));
    let surplus = json!([{ "reason": "surplus", "amount": 5_000, "text": "look at it" }]);
    assert_eq!((&payment["needs_attention"], &payment["uncredited_amount"]), (&surplus, &json!(5_000)));
    assert_eq!(api.get("/payments?needs_attention=true", &admin).await.ids(), ["payment-002"]);
    for (query, expected) in [
        ("payment_method=xendit", 0),
        ("payment_method=midtrans&payment_type=balance_topup&customer_id=customer-002", 3),
        ("from=2026-11-22&to=2026-11-22", 3),
        ("from=2026-11-22T03:15:00Z&to=2026-11-22T03:15:01Z", 3),
        ("to=2026-11-21", 0),
        ("from=2026-11-22T03:15:01Z", 0),
    ] {
        assert_eq!(api.get(&format!("/payments?{query}"), &admin).await.ids().len(), expected, "{query}");
    }
    for (query, fields) in [
        (
            "status=done&payment_method=cash&payment_type=gift",
            vec!["status", "payment_method", "payment_type"],
        ),
        ("from=now&to=2026-13-01&page_size=1001", vec!["from", "to", "page_size"]),
        ("from=2026-11-23&to=2026-11-22", vec!["from"]),
        ("customer_id=", vec!["customer_id"]),
        ("method=xendit", vec!["method"]),
        ("page_token=made-up", vec!["page_token"]),
    ] {
        let answer = api.get(&format!("/payments?{query}"), &admin).await;
        assert_eq!(answer.is_problem(400, "invalid").faults(), fields, "{query}");
    }

    let technician = api.session("tech-001", Role::Technician).await;
    for path in ["", "?customer_id=tech-001", "/payment-001", "/nothing", "/payment-001/receipt"] {
        api.get(&format!("/payments{path}"), &technician).await.is_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_receipt_is_of_what_was_paid() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    let receipt = api.get("/payments/payment-001/receipt", &siti).await;
    assert_eq!(
        receipt.json,
        json!({
            "number": "payment-001", "customer_id": "customer-001", "customer_name": "Siti Rahayu",
            "customer_email": "customer-001@example.com", "paid_at": "2026-11-22T03:15:00Z",
            "description": "Balance top-up", "amount": 100_000, "discount_amount": 10_000,
            "final_amount": 90_000, "voucher_code": "HEMAT10", "payment_method": "midtrans",
            "reference_id": "order of payment-001", "status": "paid", "refunded_amount": 0,
        })
    );
    api.get("/payments/payment-003/receipt", &siti).await.is_problem(409, "conflict");
    let admin = api.session("admin-001", Role::Administrator).await;
    let theirs = api.get("/payments/payment-002/receipt", &admin).await;
    assert_eq!(theirs.json["customer_name"], "Budi Santoso");
}

#[tokio::test]
async fn a_pending_payment_is_cancelled_by_its_owner() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    let cancelled = api.post_as("/payments/payment-003/cancel", &siti, &Value::Null).await;
    assert_eq!((cancelled.status, &cancelled.json["status"]), (StatusCode::OK, &json!("failed")));
    let paid = api.post_as("/payments/payment-001/cancel", &siti, &Value::Null).await;
    assert_eq!(paid.is_problem(409, "conflict").json["detail"], "The payment is paid.");
    let theirs = api.post_as("/payments/payment-002/cancel", &siti, &Value::Null).await;
    theirs.is_problem(404, "not-found");
    theirs.same_as(api.post_as("/payments/nothing/cancel", &siti, &Value::Null).await);

    let technician = api.session("tech-001", Role::Technician).await;
    for id in ["payment-003", "nothing"] {
        let answer = api.post_as(&format!("/payments/{id}/cancel"), &technician, &Value::Null).await;
        answer.is_problem(403, "forbidden");
    }
    let admin = api.session("admin-001", Role::Administrator).await;
    let cancelled = api.post_as("/payments/payment-003/cancel", &admin, &Value::Null).await;
    assert_eq!(cancelled.json["made_by"], "admin-001");
}

#[tokio::test]
async fn only_administrators_confirm_and_refund() {
    let api = Api::with_services().await;
    let why = json!({ "reason": "Seen on the statement" });
    for (id, role) in STRANGERS {
        let session = api.session(id, role).await;
        for payment in ["payment-001", "payment-002", "nothing"] {
            let confirm = format!("/payments/{payment}/confirm");
            api.post_as(&confirm, &session, &why).await.is_problem(403, "forbidden");
            let refund = format!("/payments/{payment}/refunds");
            api.post_keyed(&refund, &session, Some("1"), &why).await.is_problem(403, "forbidden");
        }
    }
    let admin = api.session("admin-001", Role::Administrator).await;
    let confirmed = api.post_as("/payments/payment-003/confirm", &admin, &why).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{}", confirmed.json);
    assert_eq!(
        (&confirmed.json["status"], &confirmed.json["made_by"]),
        (&json!("paid"), &json!("admin-001"))
    );
    assert_eq!(confirmed.json["reason"], "Seen on the statement");
    api.post_as("/payments/payment-001/confirm", &admin, &why).await.is_problem(409, "conflict");
    api.post_as("/payments/nothing/confirm", &admin, &why).await.is_problem(404, "not-found");
    let silent = api.post_as("/payments/payment-003/confirm", &admin, &json!({ "reason": " " })).await;
    assert_eq!(silent.is_problem(422, "invalid").faults(), ["reason"]);

    let refund = "/payments/payment-001/refunds";
    let part = with(&why, &json!({ "amount": 45_000, "by_hand": true }));
    let part = api.post_keyed(refund, &admin, Some("r-1"), &part).await;
    assert_eq!((part.status, &part.json["refunded_amount"]), (StatusCode::OK, &json!(45_000)));
    assert_eq!(part.json["reference_id"], "r-1 true");
    let all = api.post_keyed(refund, &admin, Some("r-2"), &why).await;
    assert_eq!(
        (&all.json["refunded_amount"], &all.json["reference_id"]),
        (&json!(90_000), &json!("r-2 false"))
    );
    let unpaid = api.post_keyed("/payments/payment-003/refunds", &admin, Some("1"), &why).await;
    assert_eq!(unpaid.is_problem(409, "conflict").json["detail"], "The payment is not credited.");
    api.post_keyed("/payments/nothing/refunds", &admin, Some("1"), &why).await.is_problem(404, "not-found");
    api.post_keyed(refund, &admin, Some("used"), &why).await.is_problem(409, "key-reused");
    let down = with(&why, &json!({ "amount": 503 }));
    api.post_keyed(refund, &admin, Some("1"), &down).await.is_problem(503, "unavailable");
    let keyless = api.post_as(refund, &admin, &why).await;
    assert_eq!(keyless.is_problem(400, "invalid").faults(), ["Idempotency-Key"]);
    let wrong = json!({ "amount": 0, "reason": "" });
    let wrong = api.post_keyed(refund, &admin, Some("1"), &wrong).await;
    assert_eq!(wrong.is_problem(422, "invalid").faults(), ["amount", "reason"]);
}

#[tokio::test]
async fn what_is_down_is_said_to_be_down() {
    let api = Api::at(NOWHERE).await;
    let admin = api.session("admin-001", Role::Administrator).await;
    for path in
        ["/payments", "/payments/a", "/bills", "/bills/a", "/billing?customer_id=a", "/reports/revenue"]
    {
        let answer = api.get(path, &admin).await;
        assert!(answer.is_problem(503, "unavailable").json["detail"].as_str().unwrap().contains("billing"));
    }
    let siti = api.session("customer-001", Role::Customer).await;
    for path in ["/vouchers/usage", "/vouchers/applicable?amount=1"] {
        let answer = api.get(path, &siti).await;
        assert!(answer.is_problem(503, "unavailable").json["detail"].as_str().unwrap().contains("voucher"));
    }
    // Who pays the database says, and here it does not answer.
    api.post_keyed("/payments", &siti, Some("1"), &top_up()).await.is_problem(503, "unavailable");
}
