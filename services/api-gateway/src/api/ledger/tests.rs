use indowater_common::grpc::refused_for;
use serde_json::json;
use tonic::Code;

use super::*;
use crate::tests::Api;
use crate::tests::things::{balance, charged_day, entry};

#[tokio::test]
async fn balances_are_shown_as_they_are() {
    let api = Api::scripted().await;
    let expected = json!({
        "customer_id": "customer-001", "balance": -4810, "posted": -4710, "accrued": 100, "sequence": 2,
        "updated_at": "2026-11-22T03:15:00Z", "daily_cost": "2355.2", "runway_days": 0,
    });
    assert_eq!(api.ask("customer-001", "GET /balance", None).await.json, expected);
    let new = billing::Balance { customer_id: "customer-002".to_owned(), ..Default::default() };
    api.backend.answers("GetBalance", GetBalanceResponse { balance: Some(new), ..Default::default() });
    let new = api.ask("customer-002", "GET /balance", None).await.json;
    assert!(new["updated_at"].is_null() && new["daily_cost"].is_null() && new["runway_days"].is_null());
    api.backend.answers("GetBalance", GetBalanceResponse { balance: None, ..balance() });
    api.ask("customer-001", "GET /balance", None).await.is_problem(500, "internal");
    api.faults(&[
        ("admin-001", "GET /balance", None, &["customer_id"]),
        ("admin-001", "GET /balance?customer_id=", None, &["customer_id"]),
        ("admin-001", "GET /balance/entries?page_size=0", None, &["page_size"]),
        ("admin-001", "GET /balance/entries/x/explanation", None, &["customer_id"]),
    ])
    .await;
}

#[tokio::test]
async fn entries_come_down_to_their_reads() {
    let api = Api::scripted().await;
    let other = LedgerEntry { customer_id: "customer-002".to_owned(), ..entry() };
    let entries = vec![other, entry()];
    api.backend.answers("ListEntries", billing::ListEntriesResponse { entries, ..Default::default() });
    let listed = api.ask("customer-001", "GET /balance/entries?page_size=7", None).await;
    assert_eq!(listed.ids(), ["usage:customer-001|device-001|2026-11@2"]);
    let asked: billing::ListEntriesRequest = api.backend.received("ListEntries").unwrap();
    assert_eq!((asked.customer_id.as_str(), asked.page_size), ("customer-001", 7));
    let day = json!({
        "date": "2026-11-21", "revision": 3, "volume": "0.512001", "cost": "2355.2", "cost_before": "0",
        "tariff_class": "social-1", "month_to_date_before": "1.5", "charged": true,
    });
    let expected = json!({
        "id": "usage:customer-001|device-001|2026-11@2", "customer_id": "customer-001", "kind": "usage", "amount": -2355,
        "balance_after": -4710, "sequence": 2, "description": "Water, November 2026", "payment_id": null,
        "occurred_at": "2026-11-22T03:15:00Z", "posted_at": "2026-11-22T03:15:00Z", "made_by": null,
        "legs": [{ "account": "customer:customer-001", "amount": -2355 }],
        "usage": {
            "device_id": "device-001", "month": "2026-11", "month_cost": "4710.4", "posted_before": 2355, "days": [day],
        },
    });
    assert_eq!(listed.json["items"][0], expected);

    let part =
        billing::QuotedPart { volume: "0.512001".into(), price: "4600".into(), cost: "2355.2046".into() };
    let explained = billing::ExplainedDay {
        day: Some(charged_day()),
        parts: vec![part],
        fixed_and_minimum: "0".to_owned(),
    };
    api.backend.answers(
        "ExplainEntry",
        billing::ExplainEntryResponse { entry: Some(entry()), days: vec![explained] },
    );
    let route = "GET /balance/entries/usage%3Acustomer-001%7Cdevice-001%7C2026-11%402/explanation";
    let explained = api.ask("customer-001", route, None).await.json;
    let mut linked = day;
    linked["parts"] = json!([{ "volume": "0.512001", "price": "4600", "cost": "2355.2046" }]);
    linked["fixed_and_minimum"] = json!("0");
    linked["reads"] = json!("/api/v1/devices/device-001/readings?date=2026-11-21");
    linked["record"] = json!("/api/v1/usage/daily?device_id=device-001&from=2026-11-21&to=2026-11-21");
    assert_eq!(explained, json!({ "entry": expected, "days": [linked] }));
    for link in ["reads", "record"] {
        let link = linked[link].as_str().unwrap().replace("/api/v1", "GET ");
        api.statuses(&[("customer-001", &link.replace("GET  ", "GET "), None, 200)]).await;
    }
    let other = LedgerEntry { customer_id: "customer-002".to_owned(), ..entry() };
    api.backend
        .answers("ExplainEntry", billing::ExplainEntryResponse { entry: Some(other), days: Vec::new() });
    api.ask("customer-001", route, None).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn corrections_need_an_id_an_amount_and_a_reason() {
    let api = Api::scripted().await;
    let route = "POST /customers/customer-001/adjustments";
    let good = json!({ "id": "goodwill-1", "amount": 5000, "reason": "Goodwill" });
    let answer = api.ask("admin-001", route, Some(&good)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let expected = billing::AdjustRequest {
        id: "customer-001|goodwill-1".to_owned(),
        customer_id: "customer-001".to_owned(),
        amount: 5_000,
        reason: "Goodwill".to_owned(),
        made_by: "admin-001".to_owned(),
    };
    assert_eq!(api.backend.received("Adjust"), Some(expected));
    api.faults(&[
        (
            "admin-001",
            route,
            Some(json!({ "id": "a b", "amount": 0, "reason": " " })),
            &["id", "amount", "reason"],
        ),
        (
            "admin-001",
            route,
            Some(json!({ "id": "a|b", "amount": 1, "reason": "x".repeat(501) })),
            &["id", "reason"],
        ),
        ("admin-001", route, Some(json!({ "id": "a", "amount": 5000.0, "reason": "x" })), &["amount"]),
        (
            "admin-001",
            route,
            Some(json!({ "id": "a", "amount": "5.000", "made_by": "me", "reason": "x" })),
            &["amount", "made_by"],
        ),
    ])
    .await;
    api.statuses(&[
        ("admin-001", "POST /customers/customer-999/adjustments", Some(good.clone()), 404),
        ("admin-001", "POST /customers/tech-001/adjustments", Some(good.clone()), 404),
        ("tech-001", "POST /customers/nobody/adjustments", Some(good.clone()), 403),
    ])
    .await;
    api.backend.refuses("Adjust", refused_for(Code::AlreadyExists, "KEY_REUSED", "used"));
    api.ask("admin-001", route, Some(&good)).await.is_problem(409, "key-reused");
}

#[test]
fn ids_in_links_are_encoded() {
    assert_eq!(encoded("device-001"), "device-001");
    assert_eq!(encoded("a/b?c=d&e ü"), "a%2Fb%3Fc%3Dd%26e%20%C3%BC");
}
