use serde_json::{Value, json};

use super::*;
use crate::tests::{Api, things};
use crate::wire::anomaly::v1::{ListLeaksResponse, RejectLeakResponse};

#[tokio::test]
async fn a_leak_is_shown_as_it_is_and_who_decided_to_administrators() {
    let api = Api::scripted().await;
    for (who, decided_by) in
        [("customer-001", Value::Null), ("tech-001", Value::Null), ("admin-001", json!("tech-001"))]
    {
        let shown = api.ask(who, "GET /leaks/leak-001", None).await.json;
        let expected = json!({
            "id": "leak-001", "device_id": "device-001", "customer_id": "customer-001", "property_id": "property-001",
            "detected_at": "2026-11-22T03:15:00Z", "flow_rate": "0.63", "duration_minutes": "1815",
            "estimated_loss": "1.14", "confidence": "0.93", "status": "active", "resolved_at": null, "notes": null,
            "kind": "constant", "estimated_loss_rupiah": 5_244, "since": "2026-11-20T21:00:00Z",
            "until": "2026-11-22T03:00:00Z", "revision": 2, "withdrawn": false, "decided_by": decided_by,
            "explanation": null,
            "steps": [{
                "at": "2026-11-22T03:15:00Z", "change": "opened", "kind": "constant", "flow_rate": "0.63",
                "estimated_loss": "1.14", "estimated_loss_rupiah": 5_244,
            }],
        });
        assert_eq!(shown, expected, "{who}");
    }
}

#[tokio::test]
async fn lists_are_of_those_whose_they_are() {
    let api = Api::scripted().await;
    let others = LeakEvent { customer_id: "customer-002".to_owned(), ..things::leak() };
    let leaks = vec![things::leak(), others];
    api.backend.answers("ListLeaks", ListLeaksResponse { leaks, next_page_token: String::new() });
    let query = "from=2026-11-20T17:00:00Z&status=active&device_id=device-001&page_size=7";
    for (who, customer_id, shown) in [("customer-001", "customer-001", 1), ("tech-001", "", 2)] {
        let found = api.ask(who, &format!("GET /leaks?{query}"), None).await;
        assert_eq!(found.ids().len(), shown, "{who}");
        let filter = EventFilter {
            customer_id: customer_id.to_owned(),
            device_id: "device-001".to_owned(),
            from: "2026-11-20T17:00:00Z".to_owned(),
            page_size: 7,
            ..EventFilter::default()
        };
        let expected = ListLeaksRequest { filter: Some(filter), status: LeakStatus::Active.into() };
        assert_eq!(api.backend.received("ListLeaks"), Some(expected), "{who}");
    }
}

#[tokio::test]
async fn what_somebody_says_is_handed_on_with_who_said_it() {
    let api = Api::scripted().await;
    api.backend.answers("RejectLeak", RejectLeakResponse { leak: Some(things::leak()) });
    let said = json!({ "notes": "A fountain", "revision": 2 });
    api.ask("customer-001", "POST /leaks/leak-001/false-positive", Some(&said)).await;
    let expected = RejectLeakRequest {
        id: "leak-001".to_owned(),
        by: "customer-001".to_owned(),
        notes: "A fountain".to_owned(),
        revision: Some(2),
    };
    assert_eq!(api.backend.received("RejectLeak"), Some(expected));
    let wrong = api.ask("admin-001", "POST /leaks/leak-001/resolve", Some(&json!({ "by": "me" }))).await;
    assert_eq!(wrong.is_problem(422, "invalid").faults(), ["by"]);
}

#[tokio::test]
async fn expectations_are_said_whole() {
    let api = Api::scripted().await;
    let said = json!({ "normal_flow": "12.5", "away_from": "2026-12-20T00:00:00Z", "away_until": "2027-01-03T00:00:00Z" });
    api.ask("customer-001", "PUT /properties/property-001/expectations", Some(&said)).await;
    let asked: PutExpectationsRequest = api.backend.received("PutExpectations").unwrap();
    let expected = Expectations {
        property_id: "property-001".to_owned(),
        normal_flow: "12.5".to_owned(),
        away_from: "2026-12-20T00:00:00Z".to_owned(),
        away_until: "2027-01-03T00:00:00Z".to_owned(),
        ..Expectations::default()
    };
    assert_eq!((asked.expectations, asked.by.as_str()), (Some(expected), "customer-001"));
}
