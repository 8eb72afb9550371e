//! What happens around every handler: the span, the request's id, the log line and the metric; who is asking; how long
//! it may take; what becomes of a panic; which headers keep browsers out of trouble.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    RETRY_AFTER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use indowater_common::telemetry;
use tower_http::cors::CorsLayer;
use tracing::{Instrument, Span, field};

use super::problem::{self, Problem};
use crate::failure::{Failure, Unauthenticated};
use crate::observe::{self, Answered};
use crate::session::Sessions;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Follows a request from its first byte to its last: one span, one log line, one measurement, one id.
pub async fn follow(State(sessions): State<Arc<Sessions>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    // Not the path: whoever scans for holes must not make a series of each.
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
    );
    let incoming =
        request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(trace_id);
    if let Some((traceparent, _)) = &incoming {
        telemetry::continue_trace(&span, traceparent);
    }
    let request_id = request_id(&span, incoming.map(|(_, id)| id));
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = problem::finish(response, &request_id);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    span.record("http.response.status_code", status);
    let answered = Answered { method, route, status, took: started.elapsed(), request_id: &request_id };
    span.in_scope(|| sessions.observe.answered(&answered));
    response
}

/// The id of a request is that of its trace, so that one string leads to logs and spans alike.
fn request_id(span: &Span, incoming: Option<String>) -> String {
    let own = telemetry::traceparent(span).as_deref().and_then(trace_id).map(|(_, id)| id);
    own.or(incoming).unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()))
}

/// A W3C `traceparent` of the version we know, and the trace id in it.
fn trace_id(traceparent: &str) -> Option<(String, String)> {
    let fields: Vec<&str> = traceparent.split('-').collect();
    let [version, trace, parent, flags] = fields[..] else {
        return None;
    };
    let hex =
        |text: &str, digits| text.len() == digits && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    let some = |text: &str| text.chars().any(|c| c != '0');
    let valid =
        version == "00" && hex(trace, 32) && some(trace) && hex(parent, 16) && some(parent) && hex(flags, 2);
    valid.then(|| (traceparent.to_owned(), trace.to_owned()))
}

/// A method as a label: strangers may send any word.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Lets a request through once it is known who is asking.
pub async fn authenticate(
    State(sessions): State<Arc<Sessions>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = bearer(request.headers()).ok_or(Failure::Unauthenticated(Unauthenticated::Missing))?;
    let caller = sessions.authenticate(token).await?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Ends a request that takes too long. What it has written stays written; nothing it does is left half.
pub async fn deadline(State(timeout): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::from(Failure::TooSlow("The request")).into_response(),
    }
}

/// A panic is the end of a request, not of the gateway.
#[allow(clippy::needless_pass_by_value, reason = "the shape of a panic handler")]
pub fn caught(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    observe::panicked(message.or_else(|| panic.downcast_ref().copied()).unwrap_or("no message"));
    Problem::broken().into_response()
}

/// What every answer says to browsers: this is data, not a page; do not keep it, frame it or guess what it is.
const SECURITY: [(HeaderName, &str); 6] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
];

/// Adds the security headers that a handler did not set itself.
pub async fn secure(mut response: Response) -> Response {
    for (name, value) in SECURITY {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Which other origins' pages may call. Tokens travel in a header, never in a cookie, so credentials are not allowed.
pub fn cors(origins: &[String]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.iter().filter_map(|origin| origin.parse().ok()).collect::<Vec<HeaderValue>>())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, TRACEPARENT, IDEMPOTENCY_KEY])
        .expose_headers([REQUEST_ID, RETRY_AFTER])
        .max_age(Duration::from_secs(3_600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_is_continued() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace_id(valid).unwrap().1, "4bf92f3577b34da6a3ce929d0e0e4736");
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47\n6-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_bearer_token_is_what_follows_the_scheme() {
        let header = |text: &str| HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())]);
        assert_eq!(bearer(&header("Bearer abc")), Some("abc"));
        assert_eq!(bearer(&header("bearer  abc")), Some("abc"));
        for wrong in ["Basic abc", "Bearer", "abc", ""] {
            assert_eq!(bearer(&header(wrong)), None, "{wrong}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
