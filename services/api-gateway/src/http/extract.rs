//! What handlers take from a request. Whatever is wrong is a [`Problem`] that says what and where.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use utoipa::IntoParams;

use super::Gateway;
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::failure::{Failure, Fault, Unauthenticated};
use crate::domain::purchase::{IDEMPOTENCY_KEY, IdempotencyKey};

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Gateway> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "The body must be JSON, sent as `Content-Type: application/json`.";
            let (status, title) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of the wrong kind");
            return Err(Problem::new(status, "unsupported-media-type", title, detail));
        }
        let body = Bytes::from_request(request, gateway).await.map_err(unread)?;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            misread(if path == "." { "" } else { &path }, error.inner())
        })?;
        json.end().map_err(|error| misread("", &error))?;
        Ok(Self(value))
    }
}

/// The bytes of a body, whatever they are.
pub struct Raw(pub Bytes);

impl FromRequest<Gateway> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Problem> {
        Bytes::from_request(request, gateway).await.map(Self).map_err(unread)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn unread(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("The body must not be larger than {} bytes.", super::LARGEST_BODY);
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail);
    }
    Problem::new(StatusCode::BAD_REQUEST, "bad-body", "The body did not arrive whole", "Send it again.")
}

fn misread(field: &str, error: &serde_json::Error) -> Problem {
    let fault = vec![Fault::new(field, error.to_string())];
    match error.classify() {
        Category::Data => Problem::invalid(StatusCode::UNPROCESSABLE_ENTITY, fault),
        Category::Syntax | Category::Eof | Category::Io => Problem::invalid(StatusCode::BAD_REQUEST, fault),
    }
}

/// The query parameters, as the texts they are; the domain reads them. Their names are those that the OpenAPI document
/// knows: an unknown one is refused, for a filter with a typing error would silently show everything.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + IntoParams> FromRequestParts<Gateway> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Problem> {
        use axum::extract::Query;
        let unreadable = |error: &dyn std::error::Error| {
            Problem::invalid(StatusCode::BAD_REQUEST, vec![Fault::new("", error.to_string())])
        };
        let Query(pairs) =
            Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|e| unreadable(&e))?;
        let known: Vec<String> =
            T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect();
        let mut seen = HashSet::new();
        let mut faults = Vec::new();
        for (name, _) in &pairs {
            if !known.contains(name) {
                let detail = format!("is no parameter of this route; it has {}", known.join(", "));
                faults.push(Fault::new(name.as_str(), detail));
            } else if !seen.insert(name) {
                faults.push(Fault::new(name.as_str(), "is given twice"));
            }
        }
        if !faults.is_empty() {
            return Err(Problem::invalid(StatusCode::BAD_REQUEST, faults));
        }
        Query::<T>::try_from_uri(&parts.uri).map(|Query(query)| Self(query)).map_err(|e| unreadable(&e))
    }
}

/// The id in the path.
pub struct Id(pub String);

impl FromRequestParts<Gateway> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        // What is no text is no id of anything.
        let path = axum::extract::Path::<String>::from_request_parts(parts, gateway).await;
        path.map(|axum::extract::Path(id)| Self(id)).map_err(|_| Failure::NotFound("thing").into())
    }
}

/// The header that makes a request count once.
impl FromRequestParts<Gateway> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        // Of two keys nobody knows which is meant.
        let value = values.next().filter(|_| values.next().is_none());
        Ok(Self::read(value.and_then(|value| value.to_str().ok()))?)
    }
}

/// Who is asking. The routes that need it stand behind a layer that knows.
impl FromRequestParts<Gateway> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Failure::Unauthenticated(Unauthenticated::Missing).into())
    }
}

/// The address of the client.
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<Gateway> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Ok(Self(client_address(peer, &parts.headers, gateway.trusted_proxies)))
    }
}

/// Each proxy appends the address it was called from, so with n of them of ours the n-th from the right is the client's;
/// what stands further left the client may have made up. Where it is not there, nobody but the peer is known.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted_proxies: usize) -> IpAddr {
    let Some(from_the_right) = trusted_proxies.checked_sub(1) else {
        return peer;
    };
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let addresses: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let claimed = addresses.iter().rev().nth(from_the_right).and_then(|text| text.parse().ok());
    claimed.unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_our_proxies_appended_is_believed() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 192.0.2.7".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.9".parse().unwrap());
        for (proxies, address) in
            [(0, "10.0.0.1"), (1, "10.0.0.9"), (2, "192.0.2.7"), (3, "6.6.6.6"), (4, "10.0.0.1")]
        {
            assert_eq!(client_address(peer, &headers, proxies).to_string(), address, "{proxies} proxies");
        }
        assert_eq!(client_address(peer, &HeaderMap::new(), 1), peer);
    }

    #[test]
    fn json_is_json_by_name() {
        for (kind, expected) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("Application/JSON", true),
            ("application/merge-patch+json", true),
            ("text/json", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
            assert_eq!(is_json(&headers), expected, "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
