use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use indowater_common::domain::request::Problems;
use indowater_common::grpc::{RETRY_AFTER as WAIT, refused_for, wrong};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::*;
use crate::tests::Api;
use crate::tests::things::payment;
use crate::wire::billing::v1::{GetPaymentResponse, ListPaymentsResponse};

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
async fn payments_are_shown_as_they_are_and_notes_to_administrators() {
    let api = Api::scripted().await;
    let shown = api.ask("customer-001", "GET /payments/payment-001", None).await.json;
    let expected = json!({
        "id": "payment-001", "reference_id": "order-001", "customer_id": "customer-001",
        "customer_email": "customer-001@indowater.com", "amount": 100_000, "discount_amount": 10_000,
        "final_amount": 90_000, "payment_method": "midtrans", "payment_type": "balance_topup", "status": "paid",
        "payment_url": null, "voucher_code": "HEMAT10", "voucher_state": "granted", "bill_id": null,
        "received_amount": 95_350, "fee_amount": 350, "uncredited_amount": 5_000, "refunded_amount": 0,
        "excess_amount": 0, "credited_amount": 100_000, "reason": null, "made_by": null, "notes": [],
        "needs_attention": [], "created_at": "2026-11-22T03:15:00Z", "updated_at": "2026-11-22T03:15:00Z",
        "paid_at": "2026-11-22T03:15:00Z", "noticed_at": "2026-11-22T03:15:02Z", "expires_at": null, "revision": 2,
    });
    assert_eq!(shown, expected);
    let for_administrators = json!({
        "made_by": "admin-001", "notes": ["look at it"],
        "needs_attention": [{ "reason": "surplus", "amount": 5_000, "text": "look at it" }],
    });
    let told = api.ask("admin-001", "GET /payments/payment-001", None).await.json;
    assert_eq!(told, with(&expected, &for_administrators));
    let listed = api.ask("customer-001", "GET /payments", None).await.json;
    assert_eq!(listed["items"][0], expected);
    for strange in [
        Payment { status: 0, ..payment() },
        Payment { voucher_state: "lost".to_owned(), ..payment() },
        Payment { updated_at: 0, ..payment() },
    ] {
        api.backend.answers("GetPayment", GetPaymentResponse { payment: Some(strange) });
        api.ask("customer-001", "GET /payments/payment-001", None).await.is_problem(500, "internal");
    }
}

#[tokio::test]
async fn filters_are_handed_on() {
    let api = Api::scripted().await;
    let nothing = ListPaymentsRequest { page_size: 100, ..ListPaymentsRequest::default() };
    let own = ListPaymentsRequest { customer_id: "customer-001".to_owned(), ..nothing.clone() };
    for (who, query, expected) in [
        ("customer-001", "", own.clone()),
        // What needs a person is told by no filter either.
        ("customer-001", "?needs_attention=true", own.clone()),
        ("admin-001", "?customer_id=customer-001", own),
        (
            "admin-001",
            "?needs_attention=true",
            ListPaymentsRequest { needs_attention: true, ..nothing.clone() },
        ),
        (
            "admin-001",
            "?status=paid&payment_method=manual&payment_type=water_bill&page_size=7",
            ListPaymentsRequest { status: 2, method: 3, r#type: 2, page_size: 7, ..nothing.clone() },
        ),
        // A day of Jakarta, from 17:00 UTC to 17:00 UTC.
        (
            "admin-001",
            "?from=2026-11-22&to=2026-11-22",
            ListPaymentsRequest { from: 1_795_280_400, to: 1_795_366_800, ..nothing.clone() },
        ),
        (
            "admin-001",
            "?from=2026-11-22T03:15:00Z",
            ListPaymentsRequest { from: 1_795_317_300, ..nothing.clone() },
        ),
    ] {
        let answer = api.ask(who, &format!("GET /payments{query}"), None).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        assert_eq!(api.backend.received("ListPayments"), Some(expected), "{who} {query}");
    }
    let other = Payment { customer_id: "customer-002".to_owned(), ..payment() };
    let payments = vec![other, payment()];
    api.backend.answers("ListPayments", ListPaymentsResponse { payments, ..Default::default() });
    assert_eq!(api.ask("customer-001", "GET /payments", None).await.ids(), ["payment-001"]);
    api.faults(&[
        ("admin-001", "GET /payments?status=done&payment_method=cash", None, &["status", "payment_method"]),
        (
            "admin-001",
            "GET /payments?from=now&to=2026-13-01&page_size=1001",
            None,
            &["from", "to", "page_size"],
        ),
        ("admin-001", "GET /payments?from=2026-11-23&to=2026-11-22", None, &["from"]),
        ("admin-001", "GET /payments?needs_attention=perhaps", None, &["needs_attention"]),
        ("admin-001", "GET /payments?method=xendit", None, &["method"]),
    ])
    .await;
}

#[tokio::test]
async fn customers_pay_for_themselves_and_administrators_enter_what_they_took() {
    let api = Api::scripted().await;
    let siti = CreatePaymentRequest {
        key: "customer-001|key-1".to_owned(),
        customer_id: "customer-001".to_owned(),
        customer_name: "Siti Rahayu".to_owned(),
        customer_email: "customer-001@indowater.com".to_owned(),
        method: PaymentMethod::Midtrans.into(),
        r#type: PaymentType::BalanceTopup.into(),
        amount: 50_000,
        ..CreatePaymentRequest::default()
    };
    let bill = json!({ "payment_method": "xendit", "payment_type": "water_bill", "bill_id": "bill:customer-001|2026-10" });
    let cash =
        json!({ "payment_method": "manual", "amount": 1, "customer_id": "customer-002", "reason": "Cash" });
    for (who, body, expected) in [
        ("customer-001", top_up(), siti.clone()),
        (
            "customer-001",
            with(
                &top_up(),
                &json!({ "voucher_code": "HEMAT10", "return_url": "https://app.example.com/paid" }),
            ),
            CreatePaymentRequest {
                voucher_code: "HEMAT10".to_owned(),
                return_url: "https://app.example.com/paid".to_owned(),
                ..siti.clone()
            },
        ),
        (
            "customer-001",
            bill,
            CreatePaymentRequest {
                method: 2,
                r#type: 2,
                amount: 0,
                bill_id: "bill:customer-001|2026-10".to_owned(),
                ..siti.clone()
            },
        ),
        (
            "admin-001",
            cash,
            CreatePaymentRequest {
                key: "admin-001|key-1".to_owned(),
                customer_id: "customer-002".to_owned(),
                customer_name: "Budi Santoso".to_owned(),
                customer_email: "customer-002@indowater.com".to_owned(),
                method: 3,
                amount: 1,
                made_by: "admin-001".to_owned(),
                reason: "Cash".to_owned(),
                ..siti
            },
        ),
    ] {
        let made = api.ask(who, "POST /payments", Some(&body)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json);
        assert_eq!(made.headers[LOCATION], "/api/v1/payments/payment-001");
        assert_eq!(api.backend.received("CreatePayment"), Some(expected), "{body}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_told_whole() {
    let api = Api::scripted().await;
    let body = |fields: Value| Some(with(&top_up(), &fields));
    let route = "POST /payments";
    api.faults(&[
        ("customer-001", route, body(json!({ "payment_method": "manual", "reason": "x" })), &["payment_method", "reason"]),
        ("customer-001", route, body(json!({ "amount": 0, "bill_id": "b", "return_url": "ftp://a" })), &["bill_id", "amount", "return_url"]),
        ("customer-001", route, body(json!({ "amount": 1.5, "made_by": "admin-001" })), &["amount", "made_by"]),
        ("customer-001", route, body(json!({ "amount": "50000" })), &["amount"]),
        ("customer-001", route, body(json!({ "payment_method": "cash" })), &["payment_method"]),
        ("customer-001", route, body(json!({ "payment_type": "water_bill" })), &["amount", "bill_id"]),
        ("customer-001", route, body(json!({ "voucher_code": " ", "customer_id": "" })), &["customer_id"]),
        // Somebody else's bill is like none.
        (
            "customer-002",
            route,
            Some(json!({ "payment_method": "xendit", "payment_type": "water_bill", "bill_id": "bill:customer-001|2026-10" })),
            &["bill_id"],
        ),
        ("admin-001", route, Some(top_up()), &["payment_method", "customer_id", "reason"]),
        (
            "admin-001",
            route,
            body(json!({ "payment_method": "manual", "customer_id": "c", "reason": " ", "return_url": "https://a" })),
            &["reason", "return_url"],
        ),
        ("admin-001", "POST /payments/payment-001/confirm", Some(json!({ "reason": " " })), &["reason"]),
        ("admin-001", "POST /payments/payment-001/refunds", Some(json!({ "amount": 0, "reason": "" })), &["amount", "reason"]),
    ])
    .await;
    let cash = |customer: &str| {
        body(json!({ "payment_method": "manual", "customer_id": customer, "reason": "Cash" }))
    };
    api.statuses(&[
        ("admin-001", route, cash("customer-999"), 404),
        ("admin-001", route, cash("tech-001"), 404),
        ("customer-001", route, body(json!({ "customer_id": "customer-002" })), 403),
    ])
    .await;
    let session = api.of("customer-001").await;
    let long = "x".repeat(201);
    for keys in [vec![], vec![""], vec!["a b"], vec![long.as_str()], vec!["a", "b"]] {
        let mut request = Request::post("/api/v1/payments").header("authorization", &session);
        request = request.header("content-type", "application/json");
        for key in &keys {
            request = request.header("idempotency-key", *key);
        }
        let answer = api.send(request.body(top_up().to_string().into()).unwrap()).await;
        assert_eq!(answer.is_problem(400, "invalid").faults(), ["Idempotency-Key"], "{keys:?}");
    }
}

#[tokio::test]
async fn what_billing_says_is_told_in_our_names() {
    let api = Api::scripted().await;
    let mut problems = Problems::of("type", "is not known");
    problems.add("method", "is not known");
    api.backend.refuses("CreatePayment", wrong(problems));
    api.faults(&[("customer-001", "POST /payments", Some(top_up()), &["payment_type", "payment_method"])])
        .await;
    for (status, kind, detail) in [
        (refused_for(Code::AlreadyExists, "KEY_REUSED", "used"), "key-reused", "used"),
        (refused_for(Code::FailedPrecondition, "VOUCHER_EXPIRED", "over"), "voucher-expired", "over"),
        (Status::failed_precondition("so it is"), "conflict", "so it is"),
    ] {
        api.backend.refuses("CreatePayment", status);
        let refused = api.ask("customer-001", "POST /payments", Some(&top_up())).await;
        assert_eq!(refused.is_problem(409, kind).json["detail"], detail);
    }
    let mut later = Status::unavailable("down");
    later.metadata_mut().insert(WAIT, "17".parse().unwrap());
    for (status, wait) in [(later, "17"), (Status::deadline_exceeded("slow"), "2")] {
        for (method, route) in
            [("CreatePayment", "POST /payments"), ("RefundPayment", "POST /payments/payment-001/refunds")]
        {
            api.backend.refuses(method, status.clone());
            let (who, body) = match method {
                "CreatePayment" => ("customer-001", top_up()),
                _ => ("admin-001", json!({ "reason": "Paid twice" })),
            };
            let answer = api.ask(who, route, Some(&body)).await;
            let detail = answer.is_problem(503, "unavailable").json["detail"].as_str().unwrap();
            assert!(detail.contains("same request") && detail.contains("Idempotency-Key"), "{detail}");
            assert_eq!(answer.headers[RETRY_AFTER], wait, "{route}");
        }
    }
}

#[tokio::test]
async fn changes_name_who_answers_for_them() {
    let api = Api::scripted().await;
    let why = json!({ "reason": "Seen on the statement" });
    api.ask("customer-001", "POST /payments/payment-001/cancel", None).await;
    let cancel = CancelPaymentRequest { id: "payment-001".to_owned(), made_by: "customer-001".to_owned() };
    assert_eq!(api.backend.received("CancelPayment"), Some(cancel));
    api.ask("admin-001", "POST /payments/payment-001/confirm", Some(&why)).await;
    let (id, made_by) = ("payment-001".to_owned(), "admin-001".to_owned());
    let confirm = ConfirmPaymentRequest {
        id: id.clone(),
        reason: "Seen on the statement".to_owned(),
        made_by: made_by.clone(),
    };
    assert_eq!(api.backend.received("ConfirmPayment"), Some(confirm));
    let refund = with(&why, &json!({ "amount": 45_000, "by_hand": true }));
    api.ask("admin-001", "POST /payments/payment-001/refunds", Some(&refund)).await;
    let reason = "Seen on the statement".to_owned();
    let expected =
        RefundPaymentRequest { id, key: "key-1".to_owned(), amount: 45_000, reason, made_by, by_hand: true };
    assert_eq!(api.backend.received("RefundPayment"), Some(expected));
}

#[tokio::test]
async fn a_receipt_is_of_what_was_paid() {
    let api = Api::scripted().await;
    let receipt = api.ask("customer-001", "GET /payments/payment-001/receipt", None).await;
    let expected = json!({
        "number": "payment-001", "customer_id": "customer-001", "customer_name": "Siti Rahayu",
        "customer_email": "customer-001@indowater.com", "paid_at": "2026-11-22T03:15:00Z",
        "description": "Balance top-up", "amount": 100_000, "discount_amount": 10_000, "final_amount": 90_000,
        "voucher_code": "HEMAT10", "payment_method": "midtrans", "reference_id": "order-001", "status": "paid",
        "refunded_amount": 0,
    });
    assert_eq!(receipt.json, expected);
    let unpaid = Payment { paid_at: 0, ..payment() };
    api.backend.answers("GetPayment", GetPaymentResponse { payment: Some(unpaid) });
    api.ask("customer-001", "GET /payments/payment-001/receipt", None).await.is_problem(409, "never-paid");
}
