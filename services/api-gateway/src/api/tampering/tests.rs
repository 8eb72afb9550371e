use serde_json::{Value, json};

use super::*;
use crate::tests::Api;

#[tokio::test]
async fn an_event_is_shown_with_its_evidence_and_who_looked_to_administrators() {
    let api = Api::scripted().await;
    for (who, by) in [("customer-001", Value::Null), ("admin-001", json!("tech-001"))] {
        let shown = api.ask(who, "GET /tampering-events/tampering-001", None).await.json;
        let expected = json!({
            "id": "tampering-001", "device_id": "device-001", "customer_id": "customer-001",
            "property_id": "property-001", "detected_at": "2026-11-22T03:15:00Z", "tampering_type": "magnetic",
            "severity": "medium", "description": "A magnet was reported.", "status": "investigated",
            "investigated_by": by, "investigated_at": "2026-11-23T02:00:00Z", "resolution": null, "revision": 2,
            "evidence": [{ "kind": "magnet", "date": "2026-11-22", "at": "2026-11-22T03:15:00Z" }],
        });
        assert_eq!(shown, expected, "{who}");
    }
}

#[tokio::test]
async fn technicians_settle_it() {
    let api = Api::scripted().await;
    let said = json!({ "resolution": "The seal was replaced", "revision": 2 });
    api.ask("tech-001", "POST /tampering-events/tampering-001/resolve", Some(&said)).await;
    let expected = ResolveTamperingRequest {
        id: "tampering-001".to_owned(),
        by: "tech-001".to_owned(),
        resolution: "The seal was replaced".to_owned(),
        revision: Some(2),
    };
    assert_eq!(api.backend.received("ResolveTampering"), Some(expected));
}
