use axum::http::StatusCode;
use indowater_common::grpc::{invalid, refused_for};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::*;
use crate::tests::Api;
use crate::tests::things::month;
use crate::wire::usage::v1::ListMonthlyUsageResponse;

fn tariff(price: &str) -> Value {
    json!({ "from": "2027-01-01", "blocks": [{ "up_to": "10.50", "price": price }, { "up_to": null, "price": "9500.5" }] })
}

#[tokio::test]
async fn tariffs_are_told_to_everyone_but_not_who_set_them() {
    let api = Api::scripted().await;
    for (who, set_by) in
        [("customer-001", Value::Null), ("tech-001", Value::Null), ("admin-001", json!("admin-001"))]
    {
        let expected = json!({
            "class": "social-1", "revision": 1, "updated_at": "2026-11-22T03:15:00Z",
            "versions": [{
                "from": null, "fixed_charge": "0", "minimum_volume": "0", "set_by": set_by,
                "blocks": [{ "up_to": "10", "price": "4600" }, { "up_to": null, "price": "9500.5" }],
            }],
        });
        assert_eq!(api.ask(who, "GET /tariffs/social-1", None).await.json, expected, "{who}");
        let all = json!({ "items": [expected], "next_page_token": null });
        assert_eq!(api.ask(who, "GET /tariffs", None).await.json, all, "{who}");
    }
}

#[tokio::test]
async fn a_quote_is_of_a_volume_or_a_sum() {
    let api = Api::scripted().await;
    let shown = json!({
        "volume": "1", "cost": "4600", "blocks": [{ "volume": "1", "price": "4600", "cost": "4600" }],
    });
    for (query, month_to_date, question) in [
        ("volume=1.0&on=2026-11-22&month_to_date=3", "3", Question::Volume("1".to_owned())),
        ("amount=4600&on=2026-11-22", "0", Question::Rupiah(4_600)),
    ] {
        let quote = api.ask("customer-001", &format!("GET /tariffs/social-1/quote?{query}"), None).await;
        assert_eq!(quote.json, shown, "{query}");
        let expected = QuoteRequest {
            class: "social-1".to_owned(),
            on: "2026-11-22".to_owned(),
            month_to_date: month_to_date.to_owned(),
            question: Some(question),
        };
        assert_eq!(api.backend.received("Quote"), Some(expected), "{query}");
    }
    let route = "GET /tariffs/social-1/quote?volume=-1&on=today&month_to_date=x";
    api.faults(&[
        ("customer-001", "GET /tariffs/social-1/quote", None, &["volume"]),
        ("customer-001", "GET /tariffs/social-1/quote?volume=1&amount=1", None, &["amount"]),
        ("customer-001", route, None, &["volume", "on", "month_to_date"]),
        ("customer-001", "GET /devices/device-001/quote", None, &["volume"]),
    ])
    .await;
    api.backend.refuses("Quote", refused_for(Code::FailedPrecondition, "WATER_IS_FREE", "free"));
    api.ask("customer-001", "GET /tariffs/social-1/quote?amount=1", None)
        .await
        .is_problem(409, "water-is-free");
    api.backend.refuses("GetTariff", Status::not_found("no"));
    api.ask("customer-001", "GET /tariffs/nothing/quote?volume=1", None).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn water_is_priced_at_a_meter_as_its_month_stands() {
    let api = Api::scripted().await;
    // One for each owner of the month: it changed hands.
    let former =
        MonthlyUsage { customer_id: "customer-009".to_owned(), consumption: "12.5".to_owned(), ..month() };
    let months = vec![former, month()];
    api.backend.answers("ListMonthlyUsage", ListMonthlyUsageResponse { months, ..Default::default() });
    let quote = api.ask("customer-001", "GET /devices/device-001/quote?amount=4600", None).await;
    let expected = json!({
        "device_id": "device-001", "tariff_class": "social-1", "month_to_date": "3.25", "volume": "1", "cost": "4600",
        "blocks": [{ "volume": "1", "price": "4600", "cost": "4600" }],
    });
    assert_eq!(quote.json, expected);
    let backwards = MonthlyUsage { consumption: "-1".to_owned(), ..month() };
    assert_eq!(used(&[backwards], "customer-001"), Some(Decimal::ZERO));
    let strange = MonthlyUsage { consumption: "much".to_owned(), ..month() };
    assert_eq!(used(&[strange], "customer-001"), None);
}

#[tokio::test]
async fn a_version_is_written_as_billing_reads_it() {
    let api = Api::scripted().await;
    let route = "POST /tariffs/social-1/versions";
    let set = api.ask("admin-001", route, Some(&tariff("4900"))).await;
    assert_eq!(set.status, StatusCode::CREATED, "{}", set.json);
    let block = |up_to: &str, price: &str| TariffBlock { up_to: up_to.to_owned(), price: price.to_owned() };
    let expected = Tariff {
        from: "2027-01-01".to_owned(),
        blocks: vec![block("10.5", "4900"), block("", "9500.5")],
        fixed_charge: "0".to_owned(),
        minimum_volume: "0".to_owned(),
        set_by: "admin-001".to_owned(),
    };
    let expected = SetTariffRequest { class: "social-1".to_owned(), tariff: Some(expected) };
    assert_eq!(api.backend.received("SetTariff"), Some(expected));
    let wrong = json!({ "from": "soon", "blocks": [{ "price": "x" }], "minimum_volume": "-1", "fixed_charge": "5.000" });
    api.faults(&[
        ("admin-001", route, Some(wrong), &["blocks[0].price", "fixed_charge", "from", "minimum_volume"]),
        ("admin-001", route, Some(json!({ "from": "2027-01-01", "blocks": [] })), &["blocks"]),
        ("admin-001", route, Some(tariff("5.000")), &["blocks[0].price"]),
        (
            "admin-001",
            route,
            Some(json!({ "from": "2027-01-01", "blocks": [{ "price": 4900 }] })),
            &["blocks[0].price"],
        ),
    ])
    .await;
    let thousands = api.ask("admin-001", route, Some(&tariff("5.000"))).await;
    assert!(thousands.json["errors"][0]["detail"].as_str().unwrap().contains("no thousands sign"));
    // What billing says about a field is told as if the gateway had said it.
    api.backend.refuses("SetTariff", invalid("from", "must be 2026-11-24 or later"));
    api.faults(&[("admin-001", route, Some(tariff("4900")), &["from"])]).await;
    api.backend.refuses("SetTariff", refused_for(Code::Aborted, "CHANGED_MEANWHILE", "busy"));
    api.ask("admin-001", route, Some(&tariff("4900"))).await.is_problem(409, "changed-meanwhile");
}
