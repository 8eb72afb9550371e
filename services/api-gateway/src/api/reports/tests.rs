use serde_json::json;

use super::*;
use crate::tests::Api;
use crate::wire::billing::v1::{AccountDay, GetRevenueResponse};

async fn api(accounts: &'static [(&str, i64)]) -> Api {
    let api = Api::scripted().await;
    api.backend.on("GetRevenue", |asked: GetRevenueRequest| {
        let day = |(account, amount): &(&str, i64)| AccountDay {
            date: asked.from.clone(),
            account: (*account).to_owned(),
            amount: *amount,
            legs: 1,
        };
        Ok(GetRevenueResponse { days: accounts.iter().map(day).collect() })
    });
    api
}

#[tokio::test]
async fn revenue_is_told_by_day_method_and_class() {
    let api = api(&[
        ("revenue:social-1", 2_355),
        ("clearing:midtrans", -90_000),
        ("vouchers", -10_000),
        ("customers", 97_645),
    ])
    .await;
    let route = "GET /reports/revenue?from=2026-11-01&to=2026-11-02";
    for who in ["customer-001", "tech-001"] {
        api.ask(who, route, None).await.is_problem(403, "forbidden");
    }
    let sums =
        json!({ "water": 2_355, "payments": 90_000, "vouchers": 10_000, "refunds": 0, "adjustments": 0 });
    let expected = json!({
        "from": "2026-11-01", "to": "2026-11-02",
        "by_day": [
            {
                "date": "2026-11-01", "water": 2_355, "payments": 90_000, "vouchers": 10_000, "refunds": 0,
                "adjustments": 0,
            },
            { "date": "2026-11-02", "water": 0, "payments": 0, "vouchers": 0, "refunds": 0, "adjustments": 0 },
        ],
        "by_method": [{ "payment_method": "midtrans", "received": 90_000 }],
        "by_class": [{ "tariff_class": "social-1", "water": 2_355 }],
        "totals": sums,
    });
    assert_eq!(api.ask("admin-001", route, None).await.json, expected);
    let month = api.ask("admin-001", "GET /reports/revenue", None).await;
    assert_eq!(month.json["by_day"].as_array().unwrap().len(), 30);
    for (query, fields) in [
        ("from=2025-01-01&to=2026-11-22", vec!["from"]),
        ("from=today&to=tomorrow", vec!["from", "to"]),
        ("from=2026-11-02&to=2026-11-01", vec!["from"]),
        ("class=social-1", vec!["class"]),
    ] {
        let wrong = api.ask("admin-001", &format!("GET /reports/revenue?{query}"), None).await;
        assert_eq!(wrong.is_problem(400, "invalid").faults(), fields, "{query}");
    }
}

#[tokio::test]
async fn no_figure_is_better_than_a_wrong_one() {
    let api = api(&[("nobody's", 1)]).await;
    api.ask("admin-001", "GET /reports/revenue", None).await.is_problem(500, "internal");
}
