//! The whole router, with the real services' place taken by some that answer from memory, and without a database: a
//! session's standing is put where the gateway remembers it.

mod access;
mod bills;
mod connections;
mod document;
mod money;
mod payments;
mod protocol;
mod vouchers;
mod webhooks;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use indowater_common::clock;
use jiff::Timestamp;
use serde_json::Value;
use tokio_stream::wrappers::TcpListenerStream;
use tower::ServiceExt;

use super::{Gateway, Surroundings, router};
use crate::app::{self, App, Lives};
use crate::credentials::{Passwords, Signer};
use crate::domain::token::{Claims, SessionId};
use crate::domain::user::{Account, Actor, Role, User, UserId};
use crate::grpc::fake::Fake;
use crate::grpc::{Bills, Ledger, Payments, Registry, Tariffs, Usage, Vouchers};
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

/// Two customers, a technician and an administrator.
fn people() -> Vec<Account> {
    let person = |id: &str, full_name: &str, role| {
        let user = User {
            id: UserId::new(id).unwrap(),
            email: format!("{id}@indowater.com"),
            full_name: full_name.to_owned(),
            role,
            phone: None,
            address: None,
            is_active: true,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        Account { user, hashed_password: String::new().into() }
    };
    vec![
        person("customer-001", "Siti Rahayu", Role::Customer),
        person("customer-002", "Budi Santoso", Role::Customer),
        person("tech-001", "Agus Wijaya", Role::Technician),
        person("admin-001", "Dewi Lestari", Role::Administrator),
    ]
}

/// Those for whom the utility's own business is not.
const STRANGERS: [(&str, Role); 2] = [("customer-001", Role::Customer), ("tech-001", Role::Technician)];

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    json: Value,
}

impl Api {
    /// An API whose services are at `url`.
    async fn at(url: &str) -> Self {
        Self::knowing(None, url).await
    }

    /// The same, with these users and no others, or with a database that is not there.
    async fn knowing(users: Option<Vec<Account>>, url: &str) -> Self {
        let nowhere = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50&connectTimeoutMS=50";
        let database = mongodb::Client::with_uri_str(nowhere).await.unwrap().database("none");
        let signer = Signer::new(&"0123456789abcdef0123456789abcdef".into());
        let limit = NonZeroU32::new(3).unwrap();
        let mut store = Store::new(&database);
        store.known = users;
        let app = Arc::new(App {
            store,
            registry: Registry::at(url).unwrap(),
            usage: Usage::at(url).unwrap(),
            ledger: Ledger::at(url).unwrap(),
            tariffs: Tariffs::at(url).unwrap(),
            payments: Payments::at(url).unwrap(),
            bills: Bills::at(url).unwrap(),
            vouchers: Vouchers::at(url).unwrap(),
            passwords: Passwords::new(4, NonZeroUsize::MIN).unwrap(),
            signer: signer.clone(),
            limits: LoginLimits::new(limit, limit),
            standings: app::standings(Duration::from_secs(3_600)),
            lives: Lives { access: Duration::from_secs(900), refresh: Duration::from_secs(9_000) },
            observe: Observe::new(),
        });
        let gateway = Gateway { app: app.clone(), trusted_proxies: 0 };
        let cors_origins = vec!["https://app.example.com".to_owned()];
        let surroundings = Surroundings { cors_origins, request_timeout: Duration::from_secs(5) };
        Self { router: router(gateway, &surroundings), app, signer }
    }

    /// An API with services that answer from memory.
    async fn with_services() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_routes(Fake::routes())
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self::knowing(Some(people()), &format!("http://{address}")).await
    }

    /// A session of that user, as the `Authorization` header says it.
    async fn session(&self, id: &str, role: Role) -> String {
        let actor = Actor { id: UserId::new(id).unwrap(), role };
        let session = SessionId::new(format!("session of {id}"));
        self.app.standings.insert(session.clone(), Some(actor.clone())).await;
        let claims = Claims::new(&actor, session, clock::now(), Duration::from_secs(60));
        format!("Bearer {}", self.signer.sign(&claims).unwrap())
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, json }
    }

    async fn get(&self, path: &str, authorization: &str) -> Answer {
        let request = Request::get(format!("/api/v1{path}")).header(AUTHORIZATION, authorization);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post_as(&self, path: &str, authorization: &str, body: &Value) -> Answer {
        self.post_keyed(path, authorization, None, body).await
    }

    /// With an `Idempotency-Key`.
    async fn post_keyed(&self, path: &str, authorization: &str, key: Option<&str>, body: &Value) -> Answer {
        let mut request = Request::post(format!("/api/v1{path}"))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, authorization);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
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

    /// Whether the two answers are the same but for the occurrence.
    #[track_caller]
    fn same_as(mut self, mut other: Self) {
        self.json["instance"] = Value::Null;
        other.json["instance"] = Value::Null;
        assert_eq!((self.status, self.json), (other.status, other.json));
    }

    fn faults(&self) -> Vec<&str> {
        self.json["errors"].as_array().unwrap().iter().map(|fault| fault["field"].as_str().unwrap()).collect()
    }

    fn ids(&self) -> Vec<&str> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.json);
        self.json["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
    }
}
