//! Who calls, and whether they may: the other end of a connection proves who it is by its certificate, and the table of
//! `indowater_proto::callers` says what it may call.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use indowater_proto::callers;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Nobody is asked who they are.
    Anyone,
    /// One who proved it.
    Known(Arc<str>),
    /// One of ours, whose certificate names nobody.
    Nameless,
}

impl Caller {
    /// Why this one may not call `path`, as an answer; nothing if it may.
    pub(super) fn refused(&self, path: &str) -> Option<Response> {
        let why = self.problem(path)?;
        tracing::warn!(caller = ?self, path, "a call is refused: its caller may not make it");
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("7"));
        // Names and paths that arrived as HTTP are of visible characters; what is not is said without them.
        let why = HeaderValue::from_str(&why.replace('%', "%25"));
        headers.insert("grpc-message", why.unwrap_or(HeaderValue::from_static("this may not be called")));
        Some(response)
    }

    fn problem(&self, path: &str) -> Option<String> {
        let may = callers::of(path);
        let caller = match self {
            Self::Anyone => return None,
            Self::Known(caller) if may.contains(&&**caller) => return None,
            Self::Known(caller) => caller,
            Self::Nameless => {
                return Some("the certificate names nobody who may call anything here".to_owned());
            }
        };
        Some(match may {
            [] => format!("{path} may be called by nobody: the table of callers does not know it"),
            may => format!("{caller} may not call {path}; {} may", may.join(" and ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_may_call_what_the_table_says_and_is_told_who_may() {
        let adjust = "/indowater.billing.v1.LedgerService/Adjust";
        let caller = |name: &str| Caller::Known(name.into());
        assert!(Caller::Anyone.refused(adjust).is_none());
        assert!(caller("api-gateway").refused(adjust).is_none());
        let refused = caller("operator").refused(adjust).unwrap();
        assert_eq!(refused.headers()["grpc-status"], "7");
        assert_eq!(
            refused.headers()["grpc-message"],
            format!("operator may not call {adjust}; api-gateway may")
        );
        assert!(Caller::Nameless.refused("/grpc.health.v1.Health/Check").is_some());
        assert!(caller("notifier").refused("/grpc.health.v1.Health/Check").is_none());
        assert!(caller("api-gateway").refused("/indowater.billing.v1.LedgerService/Delete").is_some());
    }
}
