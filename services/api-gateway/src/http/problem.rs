//! Problem details (RFC 9457): what every answer that is no success looks like, and the one place that decides it.
//!
//! A problem travels as an extension of an empty response and becomes bytes in [`finish`], at the very outside, where
//! the request's id is known. So handlers, extractors and layers all say what is wrong in the same way.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::{Failure, Fault, Unauthenticated};

/// The media type of problems.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "urn:indowater:problem:invalid",
    "title": "The request is not valid",
    "status": 400,
    "detail": "See `errors` for what is wrong with it.",
    "instance": "urn:indowater:request:4bf92f3577b34da6a3ce929d0e0e4736",
    "errors": [{ "field": "from", "detail": "is not a date of the form YYYY-MM-DD" }],
}))]
pub struct Problem {
    /// What kind of problem it is. This is what programs compare; the texts may change.
    #[serde(rename = "type")]
    kind: String,
    /// The kind, for a person.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// This occurrence, for a person.
    detail: String,
    /// Names this occurrence: the request's id, which support finds in logs and traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// What is wrong with which value, all of it at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    #[serde(skip)]
    retry_after: Option<Duration>,
    #[serde(skip)]
    challenge: Option<&'static str>,
}

impl Problem {
    /// A problem of a kind, which is a short name in lower case.
    pub fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:indowater:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            instance: None,
            errors: Vec::new(),
            retry_after: None,
            challenge: None,
        }
    }

    /// Values that are wrong: of the URL with 400, of a well-formed body with 422.
    pub fn invalid(status: StatusCode, errors: Vec<Fault>) -> Self {
        let detail = "See `errors` for what is wrong with it.";
        Self { errors, ..Self::new(status, "invalid", "The request is not valid", detail) }
    }

    /// The same, of the body.
    pub fn of_body(self) -> Self {
        if self.errors.is_empty() { self } else { Self { status: 422, ..self } }
    }

    fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    fn unavailable(detail: String) -> Self {
        let title = "A part of the system is unavailable";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title, detail).retry_after(SOON)
    }

    fn unauthenticated(why: Unauthenticated) -> Self {
        const TOKEN: &str = r#"Bearer realm="indowater", error="invalid_token""#;
        let (kind, detail, challenge) = match why {
            Unauthenticated::Missing => {
                let detail = "Send an access token as `Authorization: Bearer …`; log in to get one.";
                ("unauthenticated", detail, r#"Bearer realm="indowater""#)
            }
            Unauthenticated::Bad => ("invalid-token", "The token is none of ours.", TOKEN),
            Unauthenticated::Expired => ("expired-token", "The access token is over; refresh it.", TOKEN),
            Unauthenticated::Ended => ("session-ended", "The session has ended; log in again.", TOKEN),
            Unauthenticated::WrongCredentials => {
                let detail = "There is no such pair of e-mail address and password.";
                ("wrong-credentials", detail, r#"Bearer realm="indowater""#)
            }
        };
        let problem = Self::new(StatusCode::UNAUTHORIZED, kind, "Who is asking is not known", detail);
        Self { challenge: Some(challenge), ..problem }
    }
}

/// Overload and restarts pass within seconds.
const SOON: Duration = Duration::from_secs(2);

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unauthenticated(why) => Self::unauthenticated(why),
            Failure::Forbidden(detail) => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
            }
            Failure::NotFound(what) => Self::new(
                StatusCode::NOT_FOUND,
                "not-found",
                "Not found",
                format!("There is no such {what}."),
            ),
            Failure::Invalid(faults) => Self::invalid(StatusCode::BAD_REQUEST, faults),
            Failure::Conflict { kind, detail } => {
                Self::new(StatusCode::CONFLICT, &kind, "Not possible in the present state", detail)
            }
            Failure::TooMany(wait) => {
                let detail = "Too many attempts; `Retry-After` says in how many seconds the next is welcome.";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", detail)
                    .retry_after(wait)
            }
            Failure::Unavailable(who) => Self::unavailable(format!("{who} does not answer at the moment.")),
            Failure::Unfinished(who, wait) => {
                let problem = Self::unavailable(format!(
                    "{who} does not answer at the moment, so what became of the request is not known. Send the same request \
                     with the same Idempotency-Key again: it goes on where this one stopped, and does nothing twice."
                ));
                match wait {
                    Some(wait) => problem.retry_after(wait),
                    None => problem,
                }
            }
            Failure::TooSlow(who) => {
                let detail = format!("{who} took too long to answer.");
                Self::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "timeout",
                    "A part of the system took too long",
                    detail,
                )
            }
            // Who broke is for the log; a stranger is told that it is not their fault.
            Failure::Broken(_) => Self::broken(),
        }
    }
}

impl Problem {
    /// Something that should not happen did.
    pub fn broken() -> Self {
        let detail = "It is not your request's fault. Tell support the `instance` of this answer.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something broke on our side", detail)
    }
}

/// A problem of a request with a body: values that are wrong are the body's.
#[derive(Clone, Debug)]
pub struct OfBody(Problem);

impl From<Failure> for OfBody {
    fn from(failure: Failure) -> Self {
        Self(Problem::from(failure).of_body())
    }
}

impl IntoResponse for OfBody {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes out the problem a response carries, if it does, as the answer to the request of that id.
pub fn finish(mut response: Response, request_id: &str) -> Response {
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    problem.instance = Some(format!("urn:indowater:request:{request_id}"));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.remove(CONTENT_LENGTH);
    if let Some(challenge) = problem.challenge {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(wait) = problem.retry_after {
        // Rounded up: who comes back on the second must not be early.
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
    }
    // Strings and numbers always have a JSON form.
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_status() {
        for (failure, status, kind) in [
            (Failure::Unauthenticated(Unauthenticated::Missing), 401, "unauthenticated"),
            (Failure::Unauthenticated(Unauthenticated::Bad), 401, "invalid-token"),
            (Failure::Unauthenticated(Unauthenticated::Expired), 401, "expired-token"),
            (Failure::Unauthenticated(Unauthenticated::Ended), 401, "session-ended"),
            (Failure::Unauthenticated(Unauthenticated::WrongCredentials), 401, "wrong-credentials"),
            (Failure::Forbidden("no"), 403, "forbidden"),
            (Failure::NotFound("device"), 404, "not-found"),
            (Failure::Invalid(vec![Fault::new("a", "b")]), 400, "invalid"),
            (Failure::conflict("no"), 409, "conflict"),
            (Failure::TooMany(Duration::from_millis(1_001)), 429, "too-many-requests"),
            (Failure::Unavailable("ingest"), 503, "unavailable"),
            (Failure::Unfinished("billing", None), 503, "unavailable"),
            (Failure::TooSlow("ingest"), 504, "timeout"),
            (Failure::Broken("ingest"), 500, "internal"),
        ] {
            let problem = Problem::from(failure);
            assert_eq!((problem.status, problem.kind.rsplit(':').next()), (status, Some(kind)));
            assert_eq!(problem.challenge.is_some(), status == 401);
            assert_eq!(problem.retry_after.is_some(), status == 429 || status == 503);
            assert_eq!(problem.clone().of_body().status, if status == 400 { 422 } else { status });
        }
    }

    #[test]
    fn what_broke_is_not_told_to_strangers() {
        assert!(
            !format!("{:?}", Problem::from(Failure::Broken("password store"))).contains("password store")
        );
    }

    #[test]
    fn the_wait_is_rounded_up() {
        let response = Problem::from(Failure::TooMany(Duration::from_millis(1_001))).into_response();
        let response = finish(response, "7");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
    }
}
