//! The one way to answer: what a caller may not see is taken away, and what a service should never have said is found.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{OfBody, Problem};
use crate::access::{Actor, Owned, Resource, Role, sees};
use crate::failure::Failure;
use crate::observe;
use crate::wire::Shown;

/// What a handler without a body answers.
pub type Answer = Result<Reply, Problem>;
/// What a handler with a body answers: wrong values in it are answered with 422.
pub type BodyAnswer = Result<Reply, OfBody>;

/// A success.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    json: Vec<u8>,
    location: Option<HeaderValue>,
}

/// Shows `value` to `actor`.
///
/// # Errors
/// A service said what it never should.
pub fn show<T: Shown, E: From<Failure>>(actor: &Actor, mut value: T) -> Result<Reply, E> {
    value.redact(actor.role);
    let json = serde_json::to_vec(&value).map_err(|error| {
        observe::answer_broken(std::any::type_name::<T>(), &error);
        Failure::Broken("a service")
    })?;
    Ok(Reply { status: StatusCode::OK, json, location: None })
}

impl Reply {
    /// An answer that says no more than its status.
    pub const fn empty(status: StatusCode) -> Self {
        Self { status, json: Vec::new(), location: None }
    }

    /// An answer without anything in it, for those who look for JSON all the same.
    pub fn nothing() -> Self {
        Self { status: StatusCode::OK, json: b"{}".to_vec(), location: None }
    }

    /// Says that the thing was made, and that it is found at `place` under `/api/v1`.
    pub fn created(mut self, place: &str) -> Self {
        self.status = StatusCode::CREATED;
        self.location = HeaderValue::from_str(&format!("/api/v1{place}")).ok();
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, Body::from(self.json)).into_response();
        let headers = response.headers_mut();
        headers.remove(CONTENT_TYPE);
        if self.status != StatusCode::NO_CONTENT && self.status != StatusCode::ACCEPTED {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(location) = self.location {
            headers.insert(LOCATION, location);
        }
        response
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Listing<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Asks for the next page, all other parameters being the same; null on the last page.
    #[schema(required = true, example = "bWV0ZXItMDA0Mg")]
    pub next_page_token: Option<String>,
}

impl<T> Listing<T> {
    /// A list that comes at once.
    pub const fn whole(items: Vec<T>) -> Self {
        Self { items, next_page_token: None }
    }

    /// The items that `actor` may see of a `resource`. A service is asked for no others; this is the second lock.
    pub fn owned(mut self, actor: &Actor, resource: Resource) -> Self
    where
        T: Owned,
    {
        self.items.retain(|item| sees(actor, resource, item.customer_id()));
        self
    }
}

impl<T: Shown> Shown for Listing<T> {
    fn redact(&mut self, role: Role) {
        self.items.iter_mut().for_each(|item| item.redact(role));
    }
}
