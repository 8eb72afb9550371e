use serde_json::{Value, json};

use super::*;
use crate::tests::Api;
use crate::tests::things::day;
use crate::wire::usage::v1::ListDailyUsageResponse;

#[tokio::test]
async fn usage_is_shown_as_it_is() {
    let api = Api::scripted().await;
    let day = api.ask("customer-001", "GET /usage/daily", None).await.json["items"][0].clone();
    let expected = json!({
        "id": "device-001|2026-11-21", "device_id": "device-001", "customer_id": "customer-001",
        "property_id": "property-001", "date": "2026-11-21", "time_zone": "Asia/Jakarta", "consumption": "0.512001",
        "reverse_consumption": "0", "cost": "2355.2", "tariff_class": "social-1", "month_to_date_before": "0",
        "billable": true, "unbilled": "80", "timestamp": "2026-11-22T03:15:00Z", "reading_type": "automatic",
        "quality": "estimated", "error_bound": "0", "reads_count": 0, "glitches": 1,
        "flags": ["glitch", "prolonged_gap"], "is_anomaly": false, "complete": true, "revision": 3,
    });
    assert_eq!(day, expected);
    let hour = &api.ask("customer-001", "GET /usage/hourly", None).await.json["items"][0];
    let expected = json!({ "device_id": "device-001", "hour": "2026-11-22T03:00:00Z", "consumption": "0.012", "quality": null });
    assert_eq!(*hour, expected);
    let month = &api.ask("customer-001", "GET /usage/monthly", None).await.json["items"][0];
    assert_eq!((&month["consumption"], &month["days"]), (&json!("3.25"), &json!(21)));
}

#[tokio::test]
async fn what_never_should_be_is_an_error() {
    let api = Api::scripted().await;
    for strange in [
        DailyUsage { cost: "free".to_owned(), ..day() },
        DailyUsage { flags: vec![99], ..day() },
        DailyUsage { reading_type: 0, ..day() },
        DailyUsage { date: "yesterday".to_owned(), ..day() },
    ] {
        api.backend
            .answers("ListDailyUsage", ListDailyUsageResponse { days: vec![strange], ..Default::default() });
        api.ask("customer-001", "GET /usage/daily", None).await.is_problem(500, "internal");
    }
}

#[tokio::test]
async fn a_customers_question_carries_the_customer() {
    let api = Api::scripted().await;
    let filter = |device_id: &str, property_id: &str, customer_id: &str| UsageFilter {
        device_id: device_id.to_owned(),
        property_id: property_id.to_owned(),
        customer_id: customer_id.to_owned(),
        from: "2026-11-01".to_owned(),
        to: "2026-11-30".to_owned(),
        page_size: 100,
        ..UsageFilter::default()
    };
    let device = filter("device-001", "", "customer-001");
    for (who, query, expected) in [
        ("customer-001", "", filter("", "", "customer-001")),
        ("customer-001", "device_id=device-001", device.clone()),
        ("customer-001", "property_id=property-001", filter("", "property-001", "customer-001")),
        ("tech-001", "device_id=device-001", filter("device-001", "", "")),
        ("tech-001", "customer_id=customer-001", filter("", "", "customer-001")),
        (
            "customer-001",
            "device_id=device-001&order=asc&page_size=3",
            UsageFilter { ascending: true, page_size: 3, ..device },
        ),
    ] {
        let route = format!("GET /usage/daily?from=2026-11-01&to=2026-11-30&{query}");
        api.statuses(&[(who, &route, None, 200)]).await;
        let asked = api.backend.received::<ListDailyUsageRequest>("ListDailyUsage").unwrap();
        assert_eq!(asked.filter, Some(expected), "{who} {query}");
    }
    // What comes back with another owner on it is held back.
    let other = DailyUsage { customer_id: "customer-009".to_owned(), ..day() };
    api.backend
        .answers("ListDailyUsage", ListDailyUsageResponse { days: vec![other, day()], ..Default::default() });
    assert_eq!(api.ask("customer-001", "GET /usage/daily?device_id=device-001", None).await.ids().len(), 1);
    assert_eq!(api.ask("admin-001", "GET /usage/daily?device_id=device-001", None).await.ids().len(), 2);
}

#[tokio::test]
async fn months_are_told_whole() {
    let api = Api::scripted().await;
    api.ask("customer-001", "GET /usage/monthly?from=2026-02-14&to=2026-03-03", None).await;
    let asked = api.backend.received::<ListMonthlyUsageRequest>("ListMonthlyUsage").unwrap().filter.unwrap();
    assert_eq!((asked.from.as_str(), asked.to.as_str()), ("2026-02-01", "2026-03-31"));
}

#[tokio::test]
async fn wrong_queries_are_told_whole() {
    let api = Api::scripted().await;
    let wrong: [(&str, Option<Value>, &[&str]); 8] = [
        ("GET /usage/daily?from=2026-11-31&order=up&page_size=0", None, &["from", "order", "page_size"]),
        ("GET /usage/daily?device_id=&from=soon&to=later", None, &["device_id", "from", "to"]),
        ("GET /usage/daily?from=2026-11-02&to=2026-11-01", None, &["from"]),
        ("GET /usage/daily?from=2000-01-01", None, &["from"]),
        ("GET /usage/hourly?from=2026-08-21&to=2026-11-22", None, &["from"]),
        ("GET /usage/daily?device_id=a&property_id=b", None, &["device_id"]),
        ("GET /usage/daily?customer_id=a&property_id=b", None, &["property_id"]),
        ("GET /usage/daily?limit=3", None, &["limit"]),
    ];
    for (route, body, fields) in wrong {
        api.faults(&[("customer-001", route, body, fields)]).await;
    }
    api.faults(&[("tech-001", "GET /usage/daily", None, &["customer_id"])]).await;
}
