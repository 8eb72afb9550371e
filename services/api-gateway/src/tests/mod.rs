//! The whole router for tests, without a database: a session's standing is put where the gateway remembers it, and services
//! answer what a test says.

mod backend;
pub mod things;

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
use tower::ServiceExt;

pub use self::backend::Backend;

use crate::access::{Actor, Role, UserId};
use crate::api::gateway::Gateway;
use crate::api::{Surroundings, router};
use crate::grpc::Services;
use crate::http::cursor::Cursors;
use crate::http::extract::TrustedProxies;
use crate::observe::Observe;
use crate::session::signer::tests::KEYS;
use crate::session::token::{Claims, SessionId};
use crate::session::user::{Account, User};
use crate::session::{Lives, LoginLimits, Passwords, Sessions, Signer, Store, standings};

/// Nobody listens there, so that a connection is refused at once.
pub const NOWHERE: &str = "http://127.0.0.1:1";

pub struct Api {
    pub router: Router,
    pub gateway: Gateway,
    pub signer: Signer,
    /// What services answer.
    pub backend: Backend,
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

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
}

impl Api {
    /// An API whose services are at `url`.
    pub async fn at(url: &str) -> Self {
        Self::knowing(None, url).await
    }

    /// The same, with these users and no others, or with a database that is not there.
    async fn knowing(users: Option<Vec<Account>>, url: &str) -> Self {
        let nowhere = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50&connectTimeoutMS=50";
        let database = mongodb::Client::with_uri_str(nowhere).await.unwrap().database("none");
        let signer = Signer::new(&KEYS[0].into()).unwrap();
        let limit = NonZeroU32::new(3).unwrap();
        let mut store = Store::new(&database);
        store.known = users;
        let sessions = Arc::new(Sessions {
            store,
            passwords: Passwords::new(4, NonZeroUsize::MIN).unwrap(),
            signer: signer.clone(),
            limits: LoginLimits::new(limit, limit),
            standings: standings(Duration::from_secs(3_600)),
            lives: Lives { access: Duration::from_secs(900), refresh: Duration::from_secs(9_000) },
            observe: Observe::new(),
        });
        let gateway = Gateway {
            sessions,
            services: Services::at([url; 5], None).unwrap(),
            cursors: Cursors::new(&["0123456789abcdef0123456789abcdef".into()]),
            trusted_proxies: TrustedProxies(0),
        };
        let cors_origins = vec!["https://app.example.com".to_owned()];
        let surroundings = Surroundings { cors_origins, request_timeout: Duration::from_secs(5) };
        let backend = Backend::default();
        Self { router: router(gateway.clone(), &surroundings), gateway, signer, backend }
    }

    /// An API with services that have one of everything, all of customer-001, until the test says otherwise.
    pub async fn scripted() -> Self {
        let backend = Backend::default();
        things::answer_everything(&backend);
        let url = backend.serve().await;
        Self { backend, ..Self::knowing(Some(people()), &url).await }
    }

    /// The session of one of the people, by the id.
    pub async fn of(&self, id: &str) -> String {
        let role = match id.split('-').next() {
            Some("admin") => Role::Administrator,
            Some("tech") => Role::Technician,
            _ => Role::Customer,
        };
        self.session(id, role).await
    }

    /// Sends `body`, if there is one, as `who`; `route` is a method and a path.
    pub async fn ask(&self, who: &str, route: &str, body: Option<&Value>) -> Answer {
        self.send_as(&self.of(who).await, route, body).await
    }

    /// The same with that `Authorization`.
    pub async fn send_as(&self, authorization: &str, route: &str, body: Option<&Value>) -> Answer {
        let (method, path) = route.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        let request = request.header(AUTHORIZATION, authorization).header("Idempotency-Key", "key-1");
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    /// Asks each row, which is who, the route and the body, and the status that is to come of it.
    pub async fn statuses(&self, rows: &[(&str, &str, Option<Value>, u16)]) {
        for (who, route, body, status) in rows {
            let answer = self.ask(who, route, body.as_ref()).await;
            assert_eq!(answer.status.as_u16(), *status, "{who}: {route} {body:?}: {}", answer.json);
        }
    }

    /// Asks each row, which is who, the route and the body, and the fields that are to be wrong with it: of a body if there is one,
    /// of the URL otherwise.
    pub async fn faults(&self, rows: &[(&str, &str, Option<Value>, &[&str])]) {
        for (who, route, body, fields) in rows {
            let answer = self.ask(who, route, body.as_ref()).await;
            let status = if body.is_some() { 422 } else { 400 };
            assert_eq!(answer.is_problem(status, "invalid").faults(), *fields, "{who}: {route} {body:?}");
        }
    }

    /// A session of that user, as the `Authorization` header says it.
    pub async fn session(&self, id: &str, role: Role) -> String {
        let actor = Actor { id: UserId::new(id).unwrap(), role };
        let session = SessionId::new(format!("session of {id}"));
        self.gateway.sessions.standings.insert(session.clone(), Some(actor.clone())).await;
        let claims = Claims::new(&actor, session, clock::now(), Duration::from_secs(60));
        format!("Bearer {}", self.signer.sign(&claims).unwrap())
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, json }
    }

    pub async fn get(&self, path: &str, authorization: &str) -> Answer {
        let request = Request::get(format!("/api/v1{path}")).header(AUTHORIZATION, authorization);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(format!("/api/v1{path}")).header(CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }
}

impl Answer {
    #[track_caller]
    pub fn is_problem(&self, status: u16, kind: &str) -> &Self {
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
    pub fn same_as(mut self, mut other: Self) {
        self.json["instance"] = Value::Null;
        other.json["instance"] = Value::Null;
        assert_eq!((self.status, self.json), (other.status, other.json));
    }

    pub fn faults(&self) -> Vec<&str> {
        self.json["errors"].as_array().unwrap().iter().map(|fault| fault["field"].as_str().unwrap()).collect()
    }

    pub fn ids(&self) -> Vec<&str> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.json);
        self.json["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
    }
}
