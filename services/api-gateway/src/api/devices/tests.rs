use serde_json::json;

use super::*;
use crate::tests::Api;
use crate::tests::things::device;
use crate::wire::registry::v1::{GetDeviceResponse, ListDevicesResponse};

#[tokio::test]
async fn devices_are_shown_as_they_are() {
    let api = Api::scripted().await;
    let shown = api.ask("customer-001", "GET /devices/device-001", None).await.json;
    let expected = json!({
        "id": "device-001", "device_id": "", "property_id": "property-001", "customer_id": "customer-001",
        "type": "water_meter", "status": "active", "location": "", "installation_date": null,
        "last_reading": "120.512", "last_reading_date": null, "calibration_date": null, "unit": "litre",
        "register_digits": 0, "q3_litres_per_hour": 0, "time_zone": "Asia/Jakarta", "tariff_class": "social-1",
        "created_at": "2026-01-05T02:00:00Z", "updated_at": "2026-01-05T02:00:00Z",
    });
    assert_eq!(shown, expected);
    for strange in [
        Device { unit: 0, ..device() },
        Device { status: "asleep".to_owned(), ..device() },
        Device { last_reading: Some("much".to_owned()), ..device() },
    ] {
        api.backend.answers("GetDevice", GetDeviceResponse { device: Some(strange) });
        api.ask("customer-001", "GET /devices/device-001", None).await.is_problem(500, "internal");
    }
    api.backend.answers("GetDevice", GetDeviceResponse { device: None });
    api.ask("customer-001", "GET /devices/device-001", None).await.is_problem(500, "internal");
}

#[tokio::test]
async fn filters_are_handed_on() {
    let api = Api::scripted().await;
    let nothing = ListDevicesRequest { page_size: 50, ..ListDevicesRequest::default() };
    let own = ListDevicesRequest { customer_id: "customer-001".to_owned(), ..nothing.clone() };
    for (who, query, expected) in [
        ("customer-001", "", own.clone()),
        ("tech-001", "", nothing.clone()),
        ("tech-001", "?customer_id=customer-001", own.clone()),
        (
            "customer-001",
            "?property_id=property-001&status=maintenance&page_size=2",
            ListDevicesRequest {
                property_id: "property-001".to_owned(),
                status: "maintenance".to_owned(),
                page_size: 2,
                ..own
            },
        ),
    ] {
        api.statuses(&[(who, &format!("GET /devices{query}"), None, 200)]).await;
        assert_eq!(api.backend.received("ListDevices"), Some(expected), "{who} {query}");
    }
    let other = Device { customer_id: "customer-002".to_owned(), ..device() };
    api.backend
        .answers("ListDevices", ListDevicesResponse { devices: vec![other, device()], ..Default::default() });
    assert_eq!(api.ask("customer-001", "GET /devices", None).await.ids(), ["device-001"]);
    api.faults(&[
        ("tech-001", "GET /devices?status=asleep&page_size=501", None, &["status", "page_size"]),
        ("tech-001", "GET /devices?customer_id=&property_id=", None, &["customer_id", "property_id"]),
        ("tech-001", "GET /devices?status=active&status=active", None, &["status"]),
    ])
    .await;
}

#[tokio::test]
async fn reads_are_of_a_day_or_between_moments() {
    let api = Api::scripted().await;
    let read = &api.ask("customer-001", "GET /devices/device-001/readings", None).await.json["items"][0];
    let expected = json!({
        "read_at": "2026-11-22T03:15:00Z", "reading": "120.512", "register": 120_512, "unit": "litre",
        "source": "telemetry", "verdict": "before_installation", "clock_corrected": true,
    });
    assert_eq!(*read, expected);
    api.backend.received::<()>("");
    for (who, query, customer, from, to) in [
        ("customer-001", "", "customer-001", 0, 0),
        ("tech-001", "", "", 0, 0),
        // The day of Jakarta, from 17:00 UTC to 17:00 UTC.
        ("tech-001", "?date=2026-11-22", "", 1_795_280_400, 1_795_366_800),
        ("tech-001", "?from=2026-11-22T03:15:00Z", "", 1_795_317_300, 0),
        ("tech-001", "?to=2026-11-22T10:15:00%2B07:00", "", 0, 1_795_317_300),
    ] {
        api.statuses(&[(who, &format!("GET /devices/device-001/readings{query}"), None, 200)]).await;
        let expected = ListReadsRequest {
            device_id: "device-001".to_owned(),
            customer_id: customer.to_owned(),
            page_size: 100,
            from,
            to,
            ..ListReadsRequest::default()
        };
        assert_eq!(api.backend.received("ListReads"), Some(expected), "{who} {query}");
    }
    let route = |query: &str| format!("GET /devices/device-001/readings?{query}");
    for (query, fields) in [
        ("date=today&page_size=1001", vec!["date", "page_size"]),
        ("date=2026-11-21&from=2026-11-21T00:00:00Z", vec!["date"]),
        ("date=1970-01-01", vec!["date"]),
        ("from=2026-11-21&to=now", vec!["from", "to"]),
        ("from=2026-11-22T00:00:00Z&to=2026-11-21T00:00:00Z", vec!["from"]),
    ] {
        api.faults(&[("customer-001", &route(query), None, &fields)]).await;
    }
}
