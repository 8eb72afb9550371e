//! What handlers take from a request. Whatever is wrong is a [`Problem`] that says what and where.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, FromRef, FromRequest, FromRequestParts, MatchedPath, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::cursor::{self, Cursors};
use super::problem::Problem;
use super::read::{self, Node};
use super::reply::Listing;
use crate::failure::{Failure, Fault, Unauthenticated};
use crate::session::Caller;
use crate::wire;

/// The largest body that is read. What people send here is a form, not a file.
pub const LARGEST_BODY: usize = 64 * 1024;

/// A JSON body.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "The body must be JSON, sent as `Content-Type: application/json`.";
            let (status, title) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of the wrong kind");
            return Err(Problem::new(status, "unsupported-media-type", title, detail));
        }
        let body = Bytes::from_request(request, state).await.map_err(unread)?;
        let node = serde_json::from_slice(&body).map_err(|error| {
            let detail = format!("is no JSON: see line {} column {}", error.line(), error.column());
            Problem::invalid(StatusCode::BAD_REQUEST, vec![Fault::new("", detail)])
        })?;
        let value = read::read(node);
        value.map(Self).map_err(|faults| Problem::invalid(StatusCode::UNPROCESSABLE_ENTITY, faults))
    }
}

/// The bytes of a body, whatever they are.
pub struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(unread)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn unread(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("The body must not be larger than {} bytes.", LARGEST_BODY);
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail);
    }
    Problem::new(StatusCode::BAD_REQUEST, "bad-body", "The body did not arrive whole", "Send it again.")
}

/// The query parameters. Those that the route does not know, and those given twice, are refused before.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parameters(parts).and_then(|parameters| read::read(values(parameters))).map(Self).map_err(of_url)
    }
}

/// The query parameters of a list that comes in pages, of `DEFAULT` items by default and `MAX` at most.
pub struct Paged<T, const DEFAULT: i32, const MAX: i32> {
    /// What is listed.
    pub query: T,
    /// Which page of it.
    pub page: Page,
}

/// Which page of a list, and how many items on it.
#[derive(Clone)]
pub struct Page {
    /// How many items at most.
    pub size: i32,
    /// The service's token; empty for the first page.
    pub token: String,
    cursors: Cursors,
    list: cursor::Query,
}

impl Page {
    /// A service's answer as a page of this list.
    pub fn listing<A: wire::Page>(&self, answer: A) -> Listing<A::Item> {
        let (items, next) = answer.into_items();
        let next_page_token = (!next.is_empty()).then(|| self.cursors.seal(&self.list, &next));
        Listing { items, next_page_token }
    }
}

impl<S, T, const DEFAULT: i32, const MAX: i32> FromRequestParts<S> for Paged<T, DEFAULT, MAX>
where
    S: Send + Sync,
    T: DeserializeOwned,
    Cursors: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let of_page = |(name, _): &(String, String)| name == PAGE_SIZE || name == PAGE_TOKEN;
        let (page, rest): (Vec<_>, Vec<_>) =
            parameters(parts).map_err(of_url)?.into_iter().partition(of_page);
        let caller = parts.extensions.get::<Caller>().map(|caller| caller.actor.id.as_str());
        let list = cursor::Query::new(caller.unwrap_or_default(), parts.uri.path(), rest.clone());
        let (query, mut faults) = match read::read(values(rest)) {
            Ok(query) => (Some(query), Vec::new()),
            Err(faults) => (None, faults),
        };
        let mut page_of =
            Page { size: DEFAULT, token: String::new(), cursors: Cursors::from_ref(state), list };
        for (name, text) in page {
            if name == PAGE_SIZE {
                let size = text.parse().ok().filter(|size| (1..=MAX).contains(size));
                page_of.size = size.unwrap_or_else(|| {
                    faults.push(Fault::new(PAGE_SIZE, format!("must be a whole number from 1 to {MAX}")));
                    DEFAULT
                });
            } else if let Some(token) = page_of.cursors.open(&page_of.list, &text) {
                page_of.token = token;
            } else if !text.is_empty() {
                faults.push(Fault::new(
                    PAGE_TOKEN,
                    "must be the next_page_token of the page before, of the same query",
                ));
            }
        }
        match query {
            Some(query) if faults.is_empty() => Ok(Self { query, page: page_of }),
            _ => Err(of_url(faults)),
        }
    }
}

impl<T: IntoParams, const DEFAULT: i32, const MAX: i32> IntoParams for Paged<T, DEFAULT, MAX> {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name, about: &str, schema: ObjectBuilder| {
            let builder = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
            builder.description(Some(about)).schema(Some(schema)).build()
        };
        let size = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(MAX))
            .default(Some(DEFAULT.into()));
        let token = ObjectBuilder::new().schema_type(Type::String);
        let mut parameters = T::into_params(place);
        parameters.push(parameter(PAGE_SIZE, "How many items on a page.", size));
        parameters.push(parameter(
            PAGE_TOKEN,
            "`next_page_token` of the page before, all other parameters being the same; the first page without it.",
            token,
        ));
        parameters
    }
}

/// A list without filters.
#[derive(serde::Deserialize, IntoParams)]
pub struct Everything {}

/// What is wrong with anything but the body.
fn of_url(faults: Vec<Fault>) -> Problem {
    Problem::invalid(StatusCode::BAD_REQUEST, faults)
}

const PAGE_SIZE: &str = "page_size";
const PAGE_TOKEN: &str = "page_token";

fn parameters(parts: &Parts) -> Result<Vec<(String, String)>, Vec<Fault>> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    pairs
        .map(|axum::extract::Query(pairs)| pairs)
        .map_err(|_| vec![Fault::new("", "the query cannot be read")])
}

fn values(parameters: Vec<(String, String)>) -> Node {
    Node::Fields(parameters.into_iter().map(|(name, text)| (name, Node::Value(text))).collect())
}

/// Refuses query parameters that the route's documentation does not name, for a filter with a typing error would
/// silently show everything, and those given twice, for nobody knows which is meant.
pub async fn known_parameters(
    Extension(known): Extension<KnownParameters>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    match known.check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(faults) => of_url(faults).into_response(),
    }
}

/// The query parameters of each route: (method, path) with their names.
#[derive(Clone)]
pub struct KnownParameters(Arc<HashMap<(String, String), Vec<String>>>);

impl KnownParameters {
    /// Those that these routes name.
    pub fn new(routes: impl IntoIterator<Item = ((String, String), Vec<String>)>) -> Self {
        Self(Arc::new(routes.into_iter().collect()))
    }

    fn check(&self, parts: &Parts) -> Result<(), Vec<Fault>> {
        let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
        // What answers to GET answers to HEAD too.
        let method = if parts.method == Method::HEAD { "GET" } else { parts.method.as_str() };
        let known = self.0.get(&(method.to_owned(), route.to_owned())).map(Vec::as_slice).unwrap_or_default();
        let mut seen = HashSet::new();
        let mut faults = Vec::new();
        for (name, _) in parameters(parts)? {
            if !known.contains(&name) {
                let detail = if known.is_empty() {
                    "is no parameter of this route; it has none".to_owned()
                } else {
                    format!("is no parameter of this route; it has {}", known.join(", "))
                };
                faults.push(Fault::new(name, detail));
            } else if !seen.insert(name.clone()) {
                faults.push(Fault::new(name, "is given twice"));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// The id in the path.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What is no text is no id of anything.
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(id)| Self(id)).map_err(|_| Failure::NotFound("thing").into())
    }
}

/// A word of the caller's for one request: the same request with the same word counts once.
pub struct IdempotencyKey(pub String);

/// The header that carries it.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
const LONGEST_KEY: usize = 200;

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        // Of two keys nobody knows which is meant.
        let key = values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok());
        let visible =
            |key: &&str| key.len() <= LONGEST_KEY && key.bytes().all(|byte| byte.is_ascii_graphic());
        key.filter(|key| !key.is_empty()).filter(visible).map(|key| Self(key.to_owned())).ok_or_else(|| {
            let form =
                "this header is required once: 1 to 200 visible ASCII characters, new for every request";
            of_url(vec![Fault::new(IDEMPOTENCY_KEY, form)])
        })
    }
}

/// Who is asking. The routes that need it stand behind a layer that knows.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Failure::Unauthenticated(Unauthenticated::Missing).into())
    }
}

/// How many reverse proxies of ours stand before the gateway.
#[derive(Clone, Copy, Debug)]
pub struct TrustedProxies(pub usize);

/// The address of the client.
pub struct ClientAddress(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress
where
    TrustedProxies: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Ok(Self(client_address(peer, &parts.headers, TrustedProxies::from_ref(state).0)))
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
