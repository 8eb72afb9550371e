use serde_json::json;

use super::*;
use crate::tests::Api;
use crate::tests::things::property;
use crate::wire::registry::v1::ListPropertiesResponse;

#[tokio::test]
async fn properties_are_shown_as_they_are() {
    let api = Api::scripted().await;
    let expected = json!({
        "id": "property-001", "name": "", "address": "", "customer_id": "customer-001", "property_type": "residential",
        "time_zone": "Asia/Jakarta", "tariff_class": "", "created_at": "2026-01-05T02:00:00Z",
        "updated_at": "2026-01-05T02:00:00Z", "area": null,
    });
    assert_eq!(api.ask("customer-001", "GET /properties/property-001", None).await.json, expected);
    let other = Property { customer_id: "customer-002".to_owned(), ..property() };
    let properties = vec![other, property()];
    api.backend
        .answers("ListProperties", ListPropertiesResponse { properties, next_page_token: "next".to_owned() });
    let own = api.ask("customer-001", "GET /properties?page_size=2", None).await;
    assert_eq!((own.ids(), &own.json["items"][0]), (vec!["property-001"], &expected));
    let asked: ListPropertiesRequest = api.backend.received("ListProperties").unwrap();
    assert_eq!((asked.customer_id.as_str(), asked.page_size), ("customer-001", 2));
    let token = own.json["next_page_token"].as_str().unwrap().to_owned();
    api.ask("customer-001", &format!("GET /properties?page_token={token}"), None).await;
    let asked: ListPropertiesRequest = api.backend.received("ListProperties").unwrap();
    assert_eq!((asked.page_token.as_str(), asked.page_size), ("next", 50));
}
