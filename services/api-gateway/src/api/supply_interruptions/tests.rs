use serde_json::{Value, json};

use super::*;
use crate::tests::Api;

#[tokio::test]
async fn a_planned_one_is_shown_with_who_planned_it_to_administrators() {
    let api = Api::scripted().await;
    for (who, by) in [("customer-002", Value::Null), ("admin-001", json!("admin-001"))] {
        let shown = api.ask(who, "GET /supply-interruptions/planned-001", None).await.json;
        let expected = json!({
            "id": "planned-001", "kind": "planned_interruption", "area": "DMA-07", "gateway_id": null,
            "status": "planned", "from": "2026-12-01T01:00:00Z", "until": "2026-12-01T05:00:00Z", "seen_at": null,
            "affected_meters": 0, "meters": 0, "reason": "A valve is exchanged", "updated_by": by, "revision": 1,
        });
        assert_eq!(shown, expected, "{who}");
    }
}

#[tokio::test]
async fn administrators_plan_change_and_call_off() {
    let api = Api::scripted().await;
    let new = json!({
        "area": "DMA-07", "from": "2026-12-01T01:00:00Z", "until": "2026-12-01T05:00:00Z", "reason": "A valve is exchanged",
    });
    let made = api.ask("admin-001", "POST /supply-interruptions", Some(&new)).await;
    assert_eq!(made.json["id"], "planned-001");
    let asked: PlanSupplyInterruptionRequest = api.backend.received("PlanSupplyInterruption").unwrap();
    let expected = PlanSupplyInterruptionRequest {
        area: "DMA-07".to_owned(),
        from: "2026-12-01T01:00:00Z".to_owned(),
        until: "2026-12-01T05:00:00Z".to_owned(),
        reason: "A valve is exchanged".to_owned(),
        by: "admin-001".to_owned(),
        key: "admin-001|key-1".to_owned(),
    };
    assert_eq!(asked, expected);
    let later = json!({ "until": "2026-12-01T06:00:00Z", "revision": 1 });
    api.ask("admin-001", "PATCH /supply-interruptions/planned-001", Some(&later)).await;
    let asked: ChangeSupplyInterruptionRequest = api.backend.received("ChangeSupplyInterruption").unwrap();
    assert_eq!(
        (asked.from, asked.until.as_deref(), asked.cancel),
        (None, Some("2026-12-01T06:00:00Z"), false)
    );
    assert_eq!((asked.by.as_str(), asked.revision), ("admin-001", Some(1)));
    api.ask("admin-001", "POST /supply-interruptions/planned-001/cancel", Some(&json!({}))).await;
    let asked: ChangeSupplyInterruptionRequest = api.backend.received("ChangeSupplyInterruption").unwrap();
    assert!(asked.cancel && asked.until.is_none());
}
