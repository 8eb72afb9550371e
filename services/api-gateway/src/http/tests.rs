//! The whole router, with the real services' place taken by two that answer from memory, and without a database: a
//! session's standing is put where the gateway remembers it.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::routing::get;
use indowater_common::clock;
use serde_json::{Value, json};
use tokio_stream::wrappers::TcpListenerStream;
use tower::ServiceExt;

use super::{Gateway, Surroundings, layers, openapi, router};
use crate::app::{self, App, Lives};
use crate::credentials::{Passwords, Signer};
use crate::domain::token::{Claims, SessionId};
use crate::domain::user::{Actor, Role, UserId};
use crate::grpc::fake::Fake;
use crate::grpc::{Registry, Usage};
use crate::limits::LoginLimits;
use crate::mongo::Store;
use crate::observe::Observe;

/// Nobody listens there, so that a connection is refused at once.
const NOWHERE: &str = "http://127.0.0.1:1";

struct Api {
    router: Router,
    app: Arc<App>,
    signer: Signer,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    json: Value,
}

impl Api {
    /// An API whose services are at `url`.
    async fn at(url: &str) -> Self {
        let nowhere = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50&connectTimeoutMS=50";
        let database = mongodb::Client::with_uri_str(nowhere)
            .await
            .unwrap()
            .database("none");
        let signer = Signer::new(&"0123456789abcdef0123456789abcdef".into());
        let limit = NonZeroU32::new(3).unwrap();
        let app = Arc::new(App {
            store: Store::new(&database),
            registry: Registry::at(url).unwrap(),
            usage: Usage::at(url).unwrap(),
            passwords: Passwords::new(4, NonZeroUsize::MIN).unwrap(),
            signer: signer.clone(),
            limits: LoginLimits::new(limit, limit),
            standings: app::standings(Duration::from_secs(3_600)),
            lives: Lives {
                access: Duration::from_secs(900),
                refresh: Duration::from_secs(9_000),
            },
            observe: Observe::new(),
        });
        let gateway = Gateway {
            app: app.clone(),
            trusted_proxies: 0,
        };
        let cors_origins = vec!["https://app.example.com".to_owned()];
        let surroundings = Surroundings {
            cors_origins,
            request_timeout: Duration::from_secs(5),
        };
        Self {
            router: router(gateway, &surroundings),
            app,
            signer,
        }
    }

    /// An API with services that answer from memory.
    async fn with_services() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_routes(Fake::routes())
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self::at(&format!("http://{address}")).await
    }

    /// A session of that user, as the `Authorization` header says it.
    async fn session(&self, id: &str, role: Role) -> String {
        let actor = Actor {
            id: UserId::new(id).unwrap(),
            role,
        };
        let session = SessionId::new(format!("session of {id}"));
        self.app
            .standings
            .insert(session.clone(), Some(actor.clone()))
            .await;
        let claims = Claims::new(&actor, session, clock::now(), Duration::from_secs(60));
        format!("Bearer {}", self.signer.sign(&claims).unwrap())
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer {
            status: parts.status,
            headers: parts.headers,
            json,
        }
    }

    async fn get(&self, path: &str, authorization: &str) -> Answer {
        let request = Request::get(format!("/api/v1{path}")).header(AUTHORIZATION, authorization);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(format!("/api/v1{path}")).header(CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }
}

impl Answer {
    #[track_caller]
    fn is_problem(&self, status: u16, kind: &str) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.json);
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(self.json["type"], format!("urn:indowater:problem:{kind}"));
        assert_eq!(self.json["status"], status);
        let id = self.headers["x-request-id"].to_str().unwrap();
        assert_eq!(self.json["instance"], format!("urn:indowater:request:{id}"));
        assert!(self.json["title"].is_string() && self.json["detail"].is_string());
        self
    }

    fn faults(&self) -> Vec<&str> {
        self.json["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| fault["field"].as_str().unwrap())
            .collect()
    }

    fn ids(&self) -> Vec<&str> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.json);
        self.json["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].as_str().unwrap())
            .collect()
    }
}

/// Every documented route: method, path with an id in it, and whether it says that it needs a caller.
fn documented(document: &Value) -> Vec<(Method, String, bool)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let open = operation["security"] == json!([{}]);
            all.push((method, path.replace("{id}", "device-001"), !open));
        }
    }
    all
}

#[tokio::test]
async fn every_route_but_three_wants_a_token() {
    let api = Api::at(NOWHERE).await;
    let document = api.get("/openapi.json", "").await.json;
    let routes = documented(&document);
    assert_eq!(routes.len(), 16, "{routes:?}");
    let mut open = Vec::new();
    for (method, path, closed) in routes {
        let request = Request::builder()
            .method(&method)
            .uri(&path)
            .body(Body::empty())
            .unwrap();
        let answer = api.send(request).await;
        if closed {
            answer.is_problem(401, "unauthenticated");
            assert!(
                answer.headers[WWW_AUTHENTICATE]
                    .to_str()
                    .unwrap()
                    .starts_with("Bearer")
            );
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
            "/api/v1/openapi.json"
        ]
    );
}

/// Nothing is served that is not documented: routes are registered in one way only.
#[test]
fn routes_are_registered_with_their_documentation() {
    let sources = [
        include_str!("mod.rs"),
        include_str!("sessions.rs"),
        include_str!("usage.rs"),
    ];
    assert!(
        sources
            .iter()
            .all(|source| !source.contains(".route(") && !source.contains("nest_service"))
    );
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
            assert_eq!(
                responses.contains_key("413"),
                operation.get("requestBody").is_some(),
                "{at}"
            );
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{at} {status}");
            }
            for field in ["summary", "operationId", "tags"] {
                assert!(operation.get(field).is_some(), "{at} has no {field}");
            }
            let success = responses.iter().find(|(status, _)| status.as_str() < "300");
            assert!(
                success.is_some_and(|(_, response)| response["description"].is_string()),
                "{at}"
            );
        }
    }
    // Every reference leads somewhere, or clients cannot be generated.
    let text = document.to_string();
    for reference in text
        .split("\"$ref\":\"#")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
    {
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
    let volume = &document["components"]["schemas"]["CubicMetres"];
    assert_eq!(
        (&volume["type"], &volume["format"]),
        (&json!("string"), &json!("decimal"))
    );
    assert!(volume["description"].as_str().unwrap().contains("binary float"));
    assert!(document["components"]["securitySchemes"]["bearer"].is_object());
}

#[tokio::test]
async fn customers_see_what_is_theirs_and_nothing_else() {
    let api = Api::with_services().await;
    let siti = api.session("customer-001", Role::Customer).await;
    assert_eq!(api.get("/properties", &siti).await.ids(), ["property-001"]);
    assert_eq!(api.get("/devices", &siti).await.ids(), ["device-001"]);
    assert_eq!(
        api.get("/devices?customer_id=customer-001", &siti).await.ids(),
        ["device-001"]
    );
    assert_eq!(
        api.get("/properties/property-001", &siti).await.json["id"],
        "property-001"
    );
    assert_eq!(
        api.get("/devices/device-001", &siti).await.json["last_reading"],
        "120.512"
    );
    assert_eq!(
        api.get("/devices/device-001/readings", &siti).await.json["items"][0]["reading"],
        "120.512"
    );
    for path in [
        "/usage/daily?device_id=device-001",
        "/usage/daily?property_id=property-001",
    ] {
        assert_eq!(
            api.get(path, &siti).await.ids(),
            ["device-001|2026-11-21"],
            "{path}"
        );
    }
    // Whose a day is does not change with the device.
    assert_eq!(
        api.get("/usage/daily", &siti).await.ids(),
        ["device-001|2026-11-21", "device-003|2026-01-01"]
    );

    // Somebody else's, and what is not there: the same answer but for the occurrence.
    for (theirs, nobodys) in [
        ("/properties/property-002", "/properties/property-999"),
        ("/devices/device-002", "/devices/device-999"),
        ("/devices/device-002/readings", "/devices/device-999/readings"),
        (
            "/usage/hourly?device_id=device-002",
            "/usage/hourly?device_id=device-999",
        ),
        (
            "/usage/daily?property_id=property-002",
            "/usage/daily?property_id=property-999",
        ),
        (
            "/usage/monthly?device_id=device-002",
            "/usage/monthly?device_id=device-999",
        ),
    ] {
        let (mut theirs, mut nobodys) = (api.get(theirs, &siti).await, api.get(nobodys, &siti).await);
        theirs.is_problem(404, "not-found");
        nobodys.is_problem(404, "not-found");
        theirs.json["instance"] = Value::Null;
        nobodys.json["instance"] = Value::Null;
        assert_eq!(theirs.json, nobodys.json);
    }
    for list in [
        "/properties",
        "/devices",
        "/usage/hourly",
        "/usage/daily",
        "/usage/monthly",
    ] {
        for customer in ["customer-002", "customer-999"] {
            let answer = api.get(&format!("{list}?customer_id={customer}"), &siti).await;
            answer.is_problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn a_former_owners_days_stay_hidden() {
    let api = Api::with_services().await;
    // device-003 is customer-002's now; the service knows a day of customer-001 on it.
    let budi = api.session("customer-002", Role::Customer).await;
    assert_eq!(
        api.get("/usage/daily?device_id=device-003", &budi).await.ids(),
        ["device-003|2026-11-21"]
    );
    let staff = api.session("tech-001", Role::Technician).await;
    let all = api.get("/usage/daily?device_id=device-003", &staff).await;
    assert_eq!(all.ids(), ["device-003|2026-11-21", "device-003|2026-01-01"]);
}

#[tokio::test]
async fn staff_see_everything_and_may_name_a_customer() {
    let api = Api::with_services().await;
    for (id, role) in [("tech-001", Role::Technician), ("admin-001", Role::Administrator)] {
        let staff = api.session(id, role).await;
        assert_eq!(
            api.get("/properties", &staff).await.ids(),
            ["property-001", "property-002"]
        );
        assert_eq!(
            api.get("/devices", &staff).await.ids(),
            ["device-001", "device-002", "device-003"]
        );
        let theirs = api
            .get("/devices?customer_id=customer-002&status=active", &staff)
            .await;
        assert_eq!(theirs.ids(), ["device-002", "device-003"]);
        assert_eq!(
            api.get("/devices/device-002", &staff).await.status,
            StatusCode::OK
        );
        assert_eq!(
            api.get("/usage/daily?customer_id=customer-001", &staff)
                .await
                .ids()
                .len(),
            2
        );
        let everyones = api.get("/usage/daily", &staff).await;
        assert_eq!(everyones.is_problem(400, "invalid").faults(), ["customer_id"]);
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = Api::with_services().await;
    let staff = api.session("admin-001", Role::Administrator).await;
    let first = api.get("/devices?page_size=2", &staff).await;
    assert_eq!(first.ids(), ["device-001", "device-002"]);
    let token = first.json["next_page_token"].as_str().unwrap();
    let last = api
        .get(&format!("/devices?page_size=2&page_token={token}"), &staff)
        .await;
    assert_eq!(
        (last.ids(), &last.json["next_page_token"]),
        (vec!["device-003"], &Value::Null)
    );
    // What the service says about a field is told as if the gateway had said it.
    let wrong = api.get("/devices?page_token=made-up", &staff).await;
    assert_eq!(wrong.is_problem(400, "invalid").faults(), ["page_token"]);
}

#[tokio::test]
async fn wrong_queries_are_told_whole() {
    let api = Api::at(NOWHERE).await;
    let siti = api.session("customer-001", Role::Customer).await;
    for (path, fields) in [
        ("/devices?propertyid=x&limit=3", vec!["propertyid", "limit"]),
        ("/devices?status=active&status=active", vec!["status"]),
        ("/devices?status=broken&page_size=0", vec!["status", "page_size"]),
        ("/usage/daily?from=2026-11-31&order=up", vec!["from", "order"]),
        ("/usage/daily?from=2026-11-02&to=2026-11-01", vec!["from"]),
        ("/usage/daily?from=2000-01-01", vec!["from"]),
        ("/usage/daily?device_id=a&property_id=b", vec!["device_id"]),
        ("/devices/device-001/readings?page_size=1001", vec!["page_size"]),
    ] {
        assert_eq!(
            api.get(path, &siti).await.is_problem(400, "invalid").faults(),
            fields,
            "{path}"
        );
    }
}

#[tokio::test]
async fn wrong_bodies_are_told_where() {
    let api = Api::at(NOWHERE).await;
    let login = "/auth/login";
    let cut = api.post(login, r#"{"email": "a@b.c", "#).await;
    assert!(
        cut.is_problem(400, "invalid").json["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("line 1 column")
    );
    let typed = api.post(login, r#"{"email": "a@b.c", "password": 7}"#).await;
    assert_eq!(typed.is_problem(422, "invalid").faults(), ["password"]);
    let more = api
        .post(login, r#"{"email": "a@b.c", "password": "x", "role": "admin"}"#)
        .await;
    assert_eq!(more.is_problem(422, "invalid").faults(), ["role"]);
    let empty = api.post(login, r#"{"email": "", "password": ""}"#).await;
    assert_eq!(empty.is_problem(422, "invalid").faults(), ["email", "password"]);
    api.post(login, r#"{} {}"#).await.is_problem(422, "invalid");
    api.post(login, "x".repeat(65 * 1024))
        .await
        .is_problem(413, "too-large");
    let form = Request::post("/api/v1/auth/login")
        .body(Body::from("email=a"))
        .unwrap();
    api.send(form).await.is_problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn tokens_that_do_not_count() {
    let api = Api::at(NOWHERE).await;
    for token in ["Bearer nonsense", "Bearer a.b.c"] {
        api.get("/me", token).await.is_problem(401, "invalid-token");
    }
    let actor = Actor {
        id: UserId::new("customer-001").unwrap(),
        role: Role::Customer,
    };
    let hour_ago = clock::now().saturating_sub(Duration::from_secs(3_600)).unwrap();
    let old = Claims::new(&actor, SessionId::new("s"), hour_ago, Duration::from_secs(900));
    let old = format!("Bearer {}", api.signer.sign(&old).unwrap());
    let answer = api.get("/me", &old).await;
    answer.is_problem(401, "expired-token");
    assert!(
        answer.headers[WWW_AUTHENTICATE]
            .to_str()
            .unwrap()
            .contains("invalid_token")
    );

    let siti = api.session("customer-001", Role::Customer).await;
    api.app
        .standings
        .insert(SessionId::new("session of customer-001"), None)
        .await;
    api.get("/devices", &siti).await.is_problem(401, "session-ended");
    api.post("/auth/refresh", r#"{"refresh_token": "nonsense"}"#)
        .await
        .is_problem(401, "invalid-token");
}

#[tokio::test]
async fn the_role_is_the_one_the_user_has_now() {
    let api = Api::with_services().await;
    let was_admin = api.session("customer-001", Role::Administrator).await;
    let now = Actor {
        id: UserId::new("customer-001").unwrap(),
        role: Role::Customer,
    };
    api.app
        .standings
        .insert(SessionId::new("session of customer-001"), Some(now))
        .await;
    assert_eq!(api.get("/devices", &was_admin).await.ids(), ["device-001"]);
}

#[tokio::test]
async fn what_is_down_is_said_to_be_down() {
    let api = Api::at(NOWHERE).await;
    let siti = api.session("customer-001", Role::Customer).await;
    let answer = api.get("/devices", &siti).await;
    answer.is_problem(503, "unavailable");
    assert!(answer.headers.contains_key(RETRY_AFTER));
    assert!(answer.json["detail"].as_str().unwrap().contains("ingest"));
    let login = api
        .post("/auth/login", r#"{"email": "a@b.c", "password": "x"}"#)
        .await;
    assert!(
        login.is_problem(503, "unavailable").json["detail"]
            .as_str()
            .unwrap()
            .contains("database")
    );
    api.get("/me", &siti).await.is_problem(503, "unavailable");
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let api = Api::at(NOWHERE).await;
    for _ in 0..3 {
        api.post("/auth/login", r#"{"email": "a@b.c", "password": "x"}"#)
            .await
            .is_problem(503, "unavailable");
    }
    let answer = api
        .post("/auth/login", r#"{"email": "A@B.C", "password": "x"}"#)
        .await;
    answer.is_problem(429, "too-many-requests");
    let wait: u64 = answer.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
}

#[tokio::test]
async fn strange_routes_and_methods_are_problems_too() {
    let api = Api::at(NOWHERE).await;
    for path in ["/", "/api/v1", "/api/v1/nothing", "/api/v2/me"] {
        api.send(Request::get(path).body(Body::empty()).unwrap())
            .await
            .is_problem(404, "no-route");
    }
    let answer = api
        .send(Request::delete("/api/v1/me").body(Body::empty()).unwrap())
        .await;
    answer.is_problem(405, "no-method");
    let allow = answer.headers[ALLOW].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("PATCH"), "{allow}");
}

#[tokio::test]
async fn every_answer_carries_an_id_and_security_headers() {
    let api = Api::at(NOWHERE).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request =
        Request::get("/api/v1/openapi.json").header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers["x-request-id"], trace);
    for path in ["/openapi.json", "/me", "/nothing"] {
        let answer = api.get(path, "").await;
        assert_eq!(answer.headers["x-request-id"].len(), 32);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.headers.contains_key("content-security-policy"));
    }
}

#[tokio::test]
async fn only_named_origins_may_call() {
    let api = Api::at(NOWHERE).await;
    for (origin, allowed) in [
        ("https://app.example.com", true),
        ("https://evil.example.com", false),
    ] {
        let preflight = Request::options("/api/v1/me")
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization");
        let answer = api.send(preflight.body(Body::empty()).unwrap()).await;
        assert_eq!(
            answer.headers.contains_key("access-control-allow-origin"),
            allowed,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn a_panic_and_a_slow_handler_end_only_their_request() {
    let api = Api::at(NOWHERE).await;
    let gateway = Gateway {
        app: api.app.clone(),
        trusted_proxies: 0,
    };
    let router = Router::new()
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .route("/slow", get(|| tokio::time::sleep(Duration::from_secs(60))))
        .layer(axum::middleware::from_fn_with_state(
            Duration::from_millis(20),
            layers::deadline,
        ))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(layers::caught))
        .layer(axum::middleware::from_fn_with_state(gateway, layers::follow));
    let api = Api { router, ..api };
    api.send(Request::get("/panic").body(Body::empty()).unwrap())
        .await
        .is_problem(500, "internal");
    api.send(Request::get("/slow").body(Body::empty()).unwrap())
        .await
        .is_problem(504, "timeout");
}

#[test]
fn the_document_is_of_this_version() {
    let document = serde_json::to_value(openapi::base()).unwrap();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["openapi"], "3.1.0");
}
