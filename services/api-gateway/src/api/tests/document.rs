//! The OpenAPI document: complete, consistent, and the same list as the router's.

use serde_json::json;

use crate::http::document;
use crate::tests::{Api, NOWHERE};

/// Nothing is served that is not documented: routes are registered in one way only.
#[test]
fn routes_are_registered_with_their_documentation() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let resources = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources: Vec<String> = resources
        .map(|resource| if resource.is_dir() { resource.join("mod.rs") } else { resource })
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    assert!(sources.len() > 10);
    assert!(sources.iter().all(|source| !source.contains(".route(") && !source.contains("nest_service")));
}

#[tokio::test]
async fn every_error_is_documented_with_its_form() {
    let api = Api::at(NOWHERE).await;
    let document = api.get("/openapi.json", "").await.json;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let at = format!("{method} {path}");
            for status in ["400", "500", "503", "504"] {
                assert!(responses.contains_key(status), "{at} does not document {status}");
            }
            assert_eq!(responses.contains_key("413"), operation.get("requestBody").is_some(), "{at}");
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{at} {status}");
            }
            assert!(
                responses.values().all(|response| response["headers"]["X-Request-Id"].is_object()),
                "{at}"
            );
            assert!(responses["503"]["headers"]["Retry-After"].is_object(), "{at}");
            for field in ["summary", "operationId", "tags"] {
                assert!(operation.get(field).is_some(), "{at} has no {field}");
            }
            let success = responses.iter().find(|(status, _)| status.as_str() < "300");
            assert!(success.is_some_and(|(_, response)| response["description"].is_string()), "{at}");
        }
    }
    // Every reference leads somewhere, or clients cannot be generated.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
    let volume = &document["components"]["schemas"]["CubicMetres"];
    assert_eq!((&volume["type"], &volume["format"]), (&json!("string"), &json!("decimal")));
    assert!(volume["description"].as_str().unwrap().contains("binary float"));
    assert!(document["components"]["securitySchemes"]["bearer"].is_object());
}

/// What is shared is written once and referred to; what may be null is there all the same.
#[tokio::test]
async fn schemas_are_shared_and_their_fields_required() {
    let api = Api::at(NOWHERE).await;
    let schemas = api.get("/openapi.json", "").await.json["components"]["schemas"].clone();
    for item in ["Bill", "Payment", "DailyUsage", "Device", "Entry", "Voucher"] {
        let listing = &schemas[format!("Listing_{item}")]["properties"];
        assert_eq!(listing["items"]["items"]["$ref"], format!("#/components/schemas/{item}"));
    }
    let bill = &schemas["Bill"];
    let fields: Vec<&str> = bill["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut required: Vec<&str> =
        bill["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    required.sort_unstable();
    assert_eq!(fields, required);
    assert_eq!(bill["properties"]["carried_to"]["type"], json!(["string", "null"]));
    assert_eq!(bill["properties"]["status"]["$ref"], "#/components/schemas/BillStatus");
    assert_eq!(bill["properties"]["due_date"]["format"], "date");
    assert_eq!(bill["properties"]["charges"]["example"], 71_400);
    assert_eq!(schemas["BillStatus"]["enum"], json!(["open", "paid", "carried"]));
    assert!(schemas["BillStatus"]["description"].as_str().unwrap().contains("`carried`: What was left"));
    assert!(schemas["Device"]["properties"].get("version").is_none(), "what is hidden is hidden here too");
    let set_by = &schemas["BillingAccount"]["properties"]["set_by"]["description"];
    assert!(set_by.as_str().unwrap().contains("administrators only"));
}

#[test]
fn the_document_is_of_this_version() {
    let document = serde_json::to_value(document::base()).unwrap();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["openapi"], "3.1.0");
}
