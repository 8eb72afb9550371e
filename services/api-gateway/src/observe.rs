//! What is worth knowing about the gateway while it runs: for each event the log line and the metric together.
//!
//! Bodies, tokens and passwords appear nowhere; e-mail addresses of failed log-ins neither, for people type their
//! passwords into the wrong field.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use indowater_common::telemetry;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

use crate::access::UserId;
use crate::session::token::SessionId;

/// The gateway's instruments. Cheap to clone.
#[derive(Clone)]
pub struct Observe {
    requests: Histogram<f64>,
    logins: Counter<u64>,
    refreshes: Counter<u64>,
}

/// A request that was answered.
pub struct Answered<'a> {
    /// Its method, of the known ones.
    pub method: &'static str,
    /// The template of its route, never its path, so that there are not as many series as ids.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
    /// What support asks for.
    pub request_id: &'a str,
}

/// How a log-in went.
#[derive(Clone, Copy, Debug)]
pub enum Login {
    /// A session began.
    Accepted,
    /// No such pair of address and password.
    Wrong,
    /// The password was right, the account is deactivated.
    Deactivated,
    /// Too many attempts.
    Limited,
}

/// How a refresh went.
#[derive(Clone, Copy, Debug)]
pub enum Refresh {
    /// The next pair of tokens was handed out.
    Rotated,
    /// No session of ours, or one that is over.
    Unknown,
    /// The user is deactivated.
    Deactivated,
}

impl Observe {
    /// To be made once telemetry has started.
    pub fn new() -> Self {
        Self {
            requests: telemetry::durations(
                "indowater_http_request_duration",
                "Time to answer HTTP requests, by route",
            ),
            logins: telemetry::counter("indowater_logins", "Log-in attempts, by outcome"),
            refreshes: telemetry::counter("indowater_refreshes", "Token refreshes, by outcome"),
        }
    }

    /// A request was answered.
    pub fn answered(&self, answered: &Answered<'_>) {
        let Answered { method, route, status, took, request_id } = *answered;
        let class = match status {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        let labels = [
            KeyValue::new("method", method),
            KeyValue::new("route", route.to_owned()),
            KeyValue::new("status", class),
        ];
        self.requests.record(took.as_secs_f64(), &labels);
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if class == "5xx" {
            tracing::warn!(method, route, status, ms, request_id, "answered");
        } else {
            tracing::info!(method, route, status, ms, request_id, "answered");
        }
    }

    /// Somebody tried to log in from `address`.
    pub fn login(&self, outcome: Login, address: IpAddr, user: Option<&UserId>) {
        let label = match outcome {
            Login::Accepted => "accepted",
            Login::Wrong => "wrong",
            Login::Deactivated => "deactivated",
            Login::Limited => "limited",
        };
        self.logins.add(1, &[KeyValue::new("outcome", label)]);
        let user_id = user.map(UserId::as_str);
        tracing::info!(outcome = label, %address, user_id, "log-in");
    }

    /// A refresh token was presented.
    pub fn refresh(&self, outcome: Refresh) {
        let label = match outcome {
            Refresh::Rotated => "rotated",
            Refresh::Unknown => "unknown",
            Refresh::Deactivated => "deactivated",
        };
        self.count_refresh(label);
    }

    /// A refresh token was presented that had been used before. Its session is ended: either the client repeated
    /// itself, or two hold the token, and one of them stole it.
    pub fn reuse(&self, session: &SessionId, user: &UserId) {
        self.count_refresh("reused");
        tracing::warn!(
            session = session.as_str(),
            user_id = user.as_str(),
            "a refresh token was used twice; its session is ended"
        );
    }

    fn count_refresh(&self, outcome: &'static str) {
        self.refreshes.add(1, &[KeyValue::new("outcome", outcome)]);
    }
}

impl Default for Observe {
    fn default() -> Self {
        Self::new()
    }
}

/// The database failed while `what` was being done.
pub fn database_failed(what: &'static str, error: &dyn Display) {
    tracing::warn!(what, %error, "the database failed");
}

/// A document in the database is not what the data model says.
pub fn database_broken(what: &'static str, id: &str) {
    tracing::error!(what, id, "the database holds what it should not");
}

/// A service answered a call with a failure that is its own, not the caller's.
pub fn service_failed(service: &'static str, code: &dyn Display, message: &str) {
    tracing::warn!(service, %code, message, "a service failed");
}

/// A service answered what it never should.
pub fn service_broken(service: &'static str, field: &'static str) {
    tracing::error!(service, field, "a service answered what it should not");
}

/// An answer cannot be shown, for a service said in it what it never should.
pub fn answer_broken(answer: &'static str, error: &dyn Display) {
    tracing::error!(answer, %error, "a service answered what it should not");
}

/// A service began or ceased to answer.
pub fn service_reachable(service: &'static str, reachable: bool) {
    if reachable {
        tracing::info!(service, "the service answers");
    } else {
        tracing::warn!(service, "the service does not answer");
    }
}

/// A handler panicked.
pub fn panicked(message: &str) {
    tracing::error!(message, "a request made the gateway panic");
}
