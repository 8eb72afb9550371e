//! Stand-ins for WhatsApp's Cloud API and for Firebase Cloud Messaging, with the paths, fields, answers and errors of the real ones.
//! State is in memory; tests decide how each is today.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// WhatsApp's access token, and the one that Firebase gives.
pub const TOKEN: &str = "EAAindowater";
/// What the token of a phone begins with that the app is gone from.
pub const GONE: &str = "gone-";

/// How a messenger is today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// It takes messages.
    #[default]
    Fine,
    /// It has had too many: 429.
    Busy,
    /// It is down: 503.
    Down,
    /// It cannot deliver to anybody: 131026 of WhatsApp, INVALID_ARGUMENT of Firebase.
    Unknown,
}

/// A message that was taken, as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The number or the phone's token.
    pub to: String,
    /// The whole request.
    pub message: Value,
}

#[derive(Default)]
struct Kept {
    whatsapp: (Weather, Vec<Taken>),
    fcm: (Weather, Vec<Taken>),
}

/// Both stand-ins, running. Cheap to clone.
#[derive(Clone)]
pub struct Messengers {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Messengers {
    /// Listens; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn listen(address: &str) -> Result<Self> {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("{address} cannot be taken"))?;
        let messengers = Self { address: listener.local_addr()?, kept: Arc::default() };
        let router = Router::new()
            .route("/{version}/{number}/messages", post(whatsapp))
            .route("/token", post(token))
            .route("/v1/projects/{project}/messages:send", post(fcm))
            .with_state(messengers.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(messengers)
    }

    /// `http://…` of both.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A key file of a service account that gets its tokens here.
    pub fn account(&self, private_key: &str) -> String {
        json!({
            "type": "service_account",
            "project_id": "indowater",
            "client_email": "notifier@indowater.iam.gserviceaccount.com",
            "private_key": private_key,
            "token_uri": format!("{}/token", self.url()),
        })
        .to_string()
    }

    /// How both are from now on.
    pub fn set_weather(&self, whatsapp: Weather, fcm: Weather) {
        let mut kept = self.kept();
        (kept.whatsapp.0, kept.fcm.0) = (whatsapp, fcm);
    }

    /// What WhatsApp took, oldest first.
    pub fn whatsapp(&self) -> Vec<Taken> {
        self.kept().whatsapp.1.clone()
    }

    /// What Firebase took, oldest first.
    pub fn pushed(&self) -> Vec<Taken> {
        self.kept().fcm.1.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_known(headers: &HeaderMap) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")) == Some(TOKEN)
}

async fn whatsapp(
    State(messengers): State<Messengers>,
    Path((_, number)): Path<(String, String)>,
    headers: HeaderMap,
    Json(message): Json<Value>,
) -> Response {
    let refuse = |status: StatusCode, code: i64, said: &str| {
        let error = json!({ "message": format!("(#{code}) {said}"), "type": "OAuthException", "code": code, "fbtrace_id": "A" });
        (status, Json(json!({ "error": error }))).into_response()
    };
    let (bad, mut kept) = (StatusCode::BAD_REQUEST, messengers.kept());
    if !is_known(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, 190, "Invalid OAuth access token");
    }
    match kept.whatsapp.0 {
        Weather::Busy => return refuse(StatusCode::TOO_MANY_REQUESTS, 130_429, "Rate limit hit"),
        Weather::Down => return refuse(StatusCode::SERVICE_UNAVAILABLE, 131_016, "Service unavailable"),
        Weather::Unknown => return refuse(bad, 131_026, "Message undeliverable"),
        Weather::Fine => {}
    }
    let Some(to) = message["to"].as_str().filter(|to| to.bytes().all(|byte| byte.is_ascii_digit())) else {
        return refuse(bad, 131_009, "Parameter value is not valid: to");
    };
    match message["type"].as_str() {
        // Nobody writes to this number first, so it may answer nobody.
        Some("text") => return refuse(bad, 131_047, "Re-engagement message"),
        Some("template") if message["template"]["name"].is_string() => {}
        _ => return refuse(bad, 100, "Invalid parameter"),
    }
    let id = format!("wamid.{number}.{}", kept.whatsapp.1.len());
    let contacts = json!([{ "input": to, "wa_id": to }]);
    kept.whatsapp.1.push(Taken { to: to.to_owned(), message: message.clone() });
    let taken = json!({ "messaging_product": "whatsapp", "contacts": contacts, "messages": [{ "id": id }] });
    Json(taken).into_response()
}

async fn token(form: String) -> Response {
    let signed = form.split('&').find_map(|field| field.strip_prefix("assertion="));
    // Whose signature it is, the real one knows; that it is one, this one sees.
    if signed.is_some_and(|signed| signed.split('.').filter(|part| !part.is_empty()).count() == 3) {
        Json(json!({ "access_token": TOKEN, "expires_in": 3_599, "token_type": "Bearer" })).into_response()
    } else {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response()
    }
}

async fn fcm(
    State(messengers): State<Messengers>,
    Path(project): Path<String>,
    headers: HeaderMap,
    Json(message): Json<Value>,
) -> Response {
    let refuse = |status: StatusCode, name: &str, code: &str| {
        let detail =
            json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code });
        let error = json!({ "code": status.as_u16(), "message": code, "status": name, "details": [detail] });
        (status, Json(json!({ "error": error }))).into_response()
    };
    let mut kept = messengers.kept();
    if !is_known(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR");
    }
    match kept.fcm.0 {
        Weather::Busy => {
            return refuse(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED");
        }
        Weather::Down => return refuse(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "UNAVAILABLE"),
        Weather::Unknown => return refuse(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        Weather::Fine => {}
    }
    match message["message"]["token"].as_str() {
        None => refuse(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        Some(token) if token.starts_with(GONE) => refuse(StatusCode::NOT_FOUND, "NOT_FOUND", "UNREGISTERED"),
        Some(token) => {
            let to = token.to_owned();
            kept.fcm.1.push(Taken { to, message: message.clone() });
            let number = kept.fcm.1.len();
            Json(json!({ "name": format!("projects/{project}/messages/{number}") })).into_response()
        }
    }
}
