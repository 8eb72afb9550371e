//! The OpenAPI document: complete, consistent, and the same list as the router's.

use axum::body::Body;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::super::openapi;
use super::{Api, NOWHERE};

/// Every documented route: method, path with an id in it, and whether it says that it needs a caller.
fn documented(document: &Value) -> Vec<(Method, String, bool)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = path
                .replace("{id}", "device-001")
                .replace("{customer_id}", "a")
                .replace("{class}", "social-1");
            let open = operation["security"] == json!([{}]);
            all.push((method, path, !open));
        }
    }
    all
}

#[tokio::test]
async fn every_route_but_five_wants_a_token() {
    let api = Api::at(NOWHERE).await;
    let document = api.get("/openapi.json", "").await.json;
    let routes = documented(&document);
    assert_eq!(routes.len(), 47, "{routes:?}");
    let mut open = Vec::new();
    for (method, path, closed) in routes {
        let request = Request::builder().method(&method).uri(&path).body(Body::empty()).unwrap();
        let answer = api.send(request).await;
        if closed {
            answer.is_problem(401, "unauthenticated");
            assert!(answer.headers[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
        } else {
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_ne!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
            open.push(path);
        }
    }
    assert_eq!(
        open,
        [
            "/api/v1/auth/login",
            "/api/v1/auth/refresh",
            "/api/v1/openapi.json",
            "/api/v1/webhooks/midtrans",
            "/api/v1/webhooks/xendit",
        ]
    );
}

/// Nothing is served that is not documented: routes are registered in one way only.
#[test]
fn routes_are_registered_with_their_documentation() {
    let sources = [
        include_str!("../mod.rs"),
        include_str!("../accounts.rs"),
        include_str!("../bills.rs"),
        include_str!("../money.rs"),
        include_str!("../payments.rs"),
        include_str!("../registry.rs"),
        include_str!("../reports.rs"),
        include_str!("../sessions.rs"),
        include_str!("../tariffs.rs"),
        include_str!("../usage.rs"),
        include_str!("../vouchers.rs"),
        include_str!("../webhooks.rs"),
    ];
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
            for status in ["500", "503", "504"] {
                assert!(responses.contains_key(status), "{at} does not document {status}");
            }
            assert_eq!(responses.contains_key("413"), operation.get("requestBody").is_some(), "{at}");
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{at} {status}");
            }
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

#[test]
fn the_document_is_of_this_version() {
    let document = serde_json::to_value(openapi::base()).unwrap();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["openapi"], "3.1.0");
}
