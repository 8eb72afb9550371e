//! How a gateway is as a whole, as tests decide it: fine, or in the trouble that a real one is sometimes in.

use std::sync::Mutex;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde_json::json;

use super::book::Brand;

/// How a gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weather {
    /// It does what it is asked.
    #[default]
    Fine,
    /// It takes calls, does nothing and never answers.
    Hangs,
    /// It is too busy, and says when to come again.
    Busy,
    /// It is down, and says when to come again.
    Down,
    /// It does not know the merchant's key any more.
    Locked,
    /// It does not let the merchant in.
    Forbidden,
    /// It answers with 200 and nothing, and does nothing.
    Empty,
    /// It does what it is asked, and the connection breaks before the answer.
    Resets,
}

/// How long a busy gateway asks for.
pub const RETRY_AFTER: u64 = 2;

impl Weather {
    /// The weather of that name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "fine" => Self::Fine,
            "hangs" => Self::Hangs,
            "busy" => Self::Busy,
            "down" => Self::Down,
            "locked" => Self::Locked,
            "forbidden" => Self::Forbidden,
            "empty" => Self::Empty,
            "resets" => Self::Resets,
            _ => return None,
        })
    }

    /// A call in this weather.
    pub async fn strikes(self, brand: Brand, request: Request, next: Next, silence: Duration) -> Response {
        let later =
            |status: StatusCode| (status, [(header::RETRY_AFTER, RETRY_AFTER.to_string())]).into_response();
        match self {
            Self::Fine => next.run(request).await,
            Self::Hangs => {
                tokio::time::sleep(silence).await;
                StatusCode::GATEWAY_TIMEOUT.into_response()
            }
            Self::Busy => later(StatusCode::TOO_MANY_REQUESTS),
            Self::Down => later(StatusCode::SERVICE_UNAVAILABLE),
            Self::Locked => refused(brand, StatusCode::UNAUTHORIZED),
            Self::Forbidden => refused(brand, StatusCode::FORBIDDEN),
            Self::Empty => StatusCode::OK.into_response(),
            Self::Resets => {
                next.run(request).await;
                broken()
            }
        }
    }
}

/// Each gateway's way to say that it does not accept the merchant.
fn refused(brand: Brand, status: StatusCode) -> Response {
    let words = "Access denied due to unauthorized transaction, please check client or server key";
    let code = status.as_u16().to_string();
    let body = match brand {
        Brand::Midtrans => json!({ "status_code": code, "status_message": words, "error_messages": [words] }),
        Brand::Xendit => {
            json!({ "error_code": "INVALID_API_KEY", "message": "The API key provided is invalid" })
        }
    };
    (status, Json(body)).into_response()
}

/// An answer that breaks off before it says anything.
pub fn broken() -> Response {
    let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Response::new(Body::from_stream(stream::iter([Err::<Vec<u8>, _>(lost)])))
}

/// The weather at both gateways.
#[derive(Debug, Default)]
pub struct Forecast(Mutex<[Weather; 2]>);

impl Forecast {
    /// How a gateway is.
    pub fn at(&self, brand: Brand) -> Weather {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[brand as usize]
    }

    /// Makes it so.
    pub fn set(&self, brand: Brand, weather: Weather) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[brand as usize] = weather;
    }
}
