use axum::http::StatusCode;
use axum::http::header::LOCATION;
use indowater_common::grpc::{invalid, refused_for};
use serde_json::{Value, json};
use tonic::Code;

use super::*;
use crate::tests::Api;
use crate::tests::things::redemption;
use crate::wire::voucher::v1::validate_voucher_response::Outcome;
use crate::wire::voucher::v1::{ListVoucherUsageResponse, RefusalReason, Refused, ValidateVoucherResponse};

fn draft(fields: &Value) -> Option<Value> {
    let mut draft = json!({
        "code": "HEMAT20", "discount_type": "fixed_amount", "discount_value": "20000",
        "valid_until": "2026-12-01T00:00:00+07:00",
    });
    draft.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Some(draft)
}

#[tokio::test]
async fn vouchers_are_shown_as_they_are() {
    let api = Api::scripted().await;
    let expected = json!({
        "id": "voucher-001", "code": "HEMAT10", "description": "Ten percent", "discount_type": "percentage",
        "discount_value": "10.5", "min_purchase_amount": 50_000, "max_discount_amount": 25_000, "usage_limit": null,
        "usage_count": 2, "reserved_count": 0, "per_customer_limit": 1, "valid_from": "2026-10-31T17:00:00Z",
        "valid_until": "2026-11-30T17:00:00Z", "status": "active", "created_by": "admin-001",
        "created_at": "2026-10-28T02:00:00Z",
    });
    assert_eq!(api.ask("admin-001", "GET /vouchers/voucher-001", None).await.json, expected);
    assert_eq!(api.ask("admin-001", "GET /vouchers", None).await.json["items"][0], expected);
    let redeemed = api.ask("customer-001", "GET /vouchers/usage", None).await.json;
    assert_eq!(redeemed["items"][0]["transaction_id"], Value::Null);
}

#[tokio::test]
async fn filters_are_handed_on() {
    let api = Api::scripted().await;
    api.ask("admin-001", "GET /vouchers?status=depleted&text=%20hemat%20&page_size=7", None).await;
    let expected =
        ListVouchersRequest { status: 3, text: "hemat".to_owned(), page_size: 7, page_token: String::new() };
    assert_eq!(api.backend.received("ListVouchers"), Some(expected));
    let of = |voucher_id: &str, customer_id: &str| ListVoucherUsageRequest {
        voucher_id: voucher_id.to_owned(),
        customer_id: customer_id.to_owned(),
        page_size: 50,
        page_token: String::new(),
    };
    for (who, route, expected) in [
        ("admin-001", "GET /vouchers/x/usage", of("voucher-001", "")),
        ("admin-001", "GET /vouchers/usage?customer_id=customer-002", of("", "customer-002")),
        ("customer-001", "GET /vouchers/usage", of("", "customer-001")),
    ] {
        api.ask(who, route, None).await;
        assert_eq!(api.backend.received("ListVoucherUsage"), Some(expected), "{route}");
    }
    let other = VoucherUsage { customer_id: "customer-002".to_owned(), ..redemption() };
    let usage = vec![redemption(), other];
    api.backend.answers("ListVoucherUsage", ListVoucherUsageResponse { usage, ..Default::default() });
    assert_eq!(api.ask("customer-001", "GET /vouchers/usage", None).await.ids(), ["usage-001"]);
    let long: &str = Box::leak(format!("GET /vouchers?text={}", "x".repeat(101)).into_boxed_str());
    api.faults(&[
        ("admin-001", "GET /vouchers?status=used&page_size=501", None, &["status", "page_size"]),
        ("admin-001", "GET /vouchers?code=HEMAT10", None, &["code"]),
        ("admin-001", long, None, &["text"]),
        ("admin-001", "GET /vouchers/voucher-001/usage?page_size=0", None, &["page_size"]),
        ("admin-001", "GET /vouchers/usage", None, &["customer_id"]),
        ("customer-001", "GET /vouchers/applicable", None, &["amount"]),
        ("customer-001", "GET /vouchers/applicable?amount=0", None, &["amount"]),
        ("customer-001", "GET /vouchers/applicable?amount=much", None, &["amount"]),
    ])
    .await;
}

#[tokio::test]
async fn an_administrator_answers_for_a_new_voucher() {
    let api = Api::scripted().await;
    let made = api.ask("admin-001", "POST /vouchers", draft(&json!({})).as_ref()).await;
    assert_eq!(
        (made.status, &made.headers[LOCATION]),
        (StatusCode::CREATED, &"/api/v1/vouchers/voucher-001".parse().unwrap())
    );
    let asked = api.backend.received::<CreateVoucherRequest>("CreateVoucher").unwrap().voucher.unwrap();
    let expected = Voucher {
        code: "HEMAT20".to_owned(),
        discount_type: 2,
        discount_value: "20000".to_owned(),
        valid_until: "2026-12-01T00:00:00+07:00".to_owned(),
        created_by: "admin-001".to_owned(),
        ..Voucher::default()
    };
    assert_eq!(asked, expected);
    let route = "POST /vouchers";
    api.faults(&[
        (
            "admin-001",
            route,
            draft(&json!({ "discount_value": 10.5, "created_by": "x" })),
            &["created_by", "discount_value"],
        ),
        ("admin-001", route, draft(&json!({ "discount_type": "gift" })), &["discount_type"]),
        (
            "admin-001",
            route,
            draft(&json!({ "per_customer_limit": 0, "valid_from": "" })),
            &["per_customer_limit", "valid_from"],
        ),
    ])
    .await;
    api.backend.refuses("CreateVoucher", invalid("code", "is too short"));
    api.faults(&[("admin-001", route, draft(&json!({})), &["code"])]).await;
    api.backend.refuses("CreateVoucher", refused_for(Code::AlreadyExists, "CODE_TAKEN", "code is taken"));
    api.ask("admin-001", route, draft(&json!({})).as_ref()).await.is_problem(409, "code-taken");
}

#[tokio::test]
async fn customers_see_what_they_would_save() {
    let api = Api::scripted().await;
    let applicable = api.ask("customer-001", "GET /vouchers/applicable?amount=100000", None).await;
    // How often others used it is not theirs to know.
    let expected = json!({
        "items": [{
            "code": "HEMAT10", "description": "Ten percent", "discount_type": "percentage", "discount_value": "10.5",
            "min_purchase_amount": 50_000, "max_discount_amount": 25_000, "valid_until": "2026-11-30T17:00:00Z",
            "discount_amount": 10_000, "final_amount": 90_000,
        }],
        "next_page_token": null,
    });
    assert_eq!(applicable.json, expected);
    let route = "POST /vouchers/validate";
    let asked = json!({ "code": "HEMAT10", "amount": 100_000 });
    let holds = api.ask("customer-001", route, Some(&asked)).await;
    assert_eq!(holds.json, json!({ "valid": true, "discount_amount": 10_000, "final_amount": 90_000 }));
    let refused = Refused { reason: RefusalReason::BelowMinimum.into(), detail: "too small".to_owned() };
    let outcome = Some(Outcome::Refused(refused));
    api.backend.answers("ValidateVoucher", ValidateVoucherResponse { outcome });
    let small = api.ask("customer-001", route, Some(&asked)).await;
    assert_eq!(small.json, json!({ "valid": false, "reason": "below_minimum", "detail": "too small" }));
    api.faults(&[
        ("customer-001", route, Some(json!({ "code": " ", "amount": 0 })), &["code", "amount"]),
        ("customer-001", route, Some(json!({ "code": "A", "amount": 0.5 })), &["amount"]),
        ("admin-001", route, Some(asked.clone()), &["customer_id"]),
    ])
    .await;
    // What the service calls otherwise.
    api.backend.refuses("ValidateVoucher", invalid("purchase_amount", "is too much"));
    api.faults(&[("customer-001", route, Some(asked), &["amount"])]).await;
    api.backend.answers("ValidateVoucher", ValidateVoucherResponse { outcome: None });
    api.ask("customer-001", route, Some(&json!({ "code": "A", "amount": 1 })))
        .await
        .is_problem(500, "internal");
}
