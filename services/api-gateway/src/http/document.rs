//! The OpenAPI document: what the routes say of themselves, and what is true of all of them.

use axum::Extension;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ArrayItems, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::extract::KnownParameters;
use super::problem::{self, Problem};
use crate::failure::Fault;

/// What the document says besides its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "IndoWater API",
        description = "The HTTP API of IndoWater, the prepaid smart-water platform.\n\n\
            **Volumes and costs** are decimal strings: `\"12.345\"`. A JSON number becomes a binary float in most \
            clients, and neither a register nor a price survives that. Volumes are m³, money is Indonesian rupiah. What is \
            posted to a balance is whole rupiah, and these are JSON integers.\n\n\
            **Times** are RFC 3339 in UTC; **dates** are local days of the property a meter stands on.\n\n\
            **Lists** come in pages: `{\"items\": […], \"next_page_token\": …}`. Send the token with otherwise the same \
            parameters to get the next page; null means that it was the last.\n\n\
            **Errors** are problem details (RFC 9457). Compare `type`; `errors` says what is wrong with which value, all of \
            it at once; `instance` (also the header `X-Request-Id`) is what support asks for. Unknown query parameters and \
            fields are refused.\n\n\
            **Once**: a request that takes or gives back money carries an `Idempotency-Key`. The same request with the same \
            key is answered with what the first one made, however often it is sent.\n\n\
            **Whose**: customers see what is theirs. What is somebody else's is answered like what is not there.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "Where this document came from.")),
    components(schemas(Problem, Fault)),
    modifiers(&Bearer),
    security(("bearer" = [])),
    tags(
        (name = "sessions", description = "Log in, go on, log out."),
        (name = "account", description = "The user who is asking."),
        (name = "places and meters", description = "Properties and devices."),
        (name = "usage", description = "Reads, consumption and cost."),
        (name = "money", description = "Balances, statements, corrections."),
        (name = "payments", description = "Pay, see what became of it, get it back."),
        (name = "bills", description = "What those owe who pay afterwards."),
        (name = "vouchers", description = "What they take off, and who used them."),
        (name = "tariffs", description = "What water costs."),
        (name = "reports", description = "For the utility."),
        (name = "webhooks", description = "For gateways of payments, which are known by what they sign and not by a token."),
        (name = "meta", description = "This document."),
    ),
)]
struct Base;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The `access_token` of a log-in or refresh."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document without its routes.
pub fn base() -> utoipa::openapi::OpenApi {
    Base::openapi()
}

/// The document as it is served.
#[derive(Clone)]
pub struct Document(Bytes);

impl Document {
    /// Writes the document once, for all who ask.
    pub fn new(document: &utoipa::openapi::OpenApi) -> Self {
        // A document that utoipa made always has a JSON form.
        Self(serde_json::to_vec(document).unwrap_or_default().into())
    }
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "meta",
    security(()),
    responses((status = 200, description = "The OpenAPI document of this API.", body = Object)),
)]
pub async fn document(Extension(Document(bytes)): Extension<Document>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], bytes)
}

/// Adds to every route the errors that come of what it takes and of what surrounds it, and to every error its form. So
/// a route documents only what is its own, and none can forget what is everyone's.
pub fn complete(document: &mut utoipa::openapi::OpenApi) {
    if let Some(components) = &mut document.components {
        components.schemas.iter_mut().for_each(|(name, schema)| share_items(name, schema));
    }
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        for (status, description) in common_errors(operation) {
            let response = || ResponseBuilder::new().description(description).build().into();
            operation.responses.responses.entry(status.to_owned()).or_insert_with(response);
        }
        for (status, response) in &mut operation.responses.responses {
            if let RefOr::T(response) = response {
                if status.starts_with(['4', '5']) {
                    give_form(response);
                }
                give_headers(status, response);
            }
        }
    }
}

/// Lets the schema of a listing refer to that of its items, which utoipa repeats in each.
fn share_items(name: &str, schema: &mut RefOr<Schema>) {
    if let (Some(item), RefOr::T(Schema::Object(listing))) = (name.strip_prefix("Listing_"), schema)
        && let Some(RefOr::T(Schema::Array(items))) = listing.properties.get_mut("items")
    {
        items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
    }
}

/// The query parameters of each route.
pub fn parameters(document: &utoipa::openapi::OpenApi) -> KnownParameters {
    let named = |operation: &Operation| -> Vec<String> {
        let all = operation.parameters.iter().flatten();
        let in_query = all.filter_map(|parameter| match parameter {
            RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
                Some(parameter.name.clone())
            }
            _ => None,
        });
        in_query.collect()
    };
    let routes = document.paths.paths.iter().flat_map(|(path, item)| {
        let methods = [
            ("GET", &item.get),
            ("PUT", &item.put),
            ("POST", &item.post),
            ("DELETE", &item.delete),
            ("PATCH", &item.patch),
        ];
        methods.into_iter().filter_map(move |(method, operation)| {
            operation.as_ref().map(|operation| ((method.to_owned(), path.clone()), named(operation)))
        })
    });
    KnownParameters::new(routes)
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Whether a route needs no caller.
fn is_open(operation: &Operation) -> bool {
    operation.security.as_ref().is_some_and(|ways| ways.contains(&SecurityRequirement::default()))
}

/// Tags of what users of every role may have, or have of themselves.
const EVERYONES: [&str; 3] = ["sessions", "account", "tariffs"];

fn common_errors(operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let takes = |place: ParameterIn| {
        let mut parameters = operation.parameters.iter().flatten();
        parameters
            .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == place))
    };
    let mut errors = vec![
        ("500", "Something broke on our side."),
        ("503", "A part of the system is unavailable; `Retry-After` says how many seconds to wait."),
        ("504", "A part of the system took too long."),
    ];
    if let Some(body) = &operation.request_body {
        errors.push(("413", "The body is larger than 64 KiB."));
        let is_json = |body: &RequestBody| body.content.contains_key("application/json");
        if matches!(body, RefOr::T(body) if is_json(body)) {
            errors.extend([
                ("400", "The body is no JSON."),
                ("415", "The body is not sent as `application/json`."),
                ("422", "The body is JSON, but a value in it is not acceptable."),
            ]);
        }
    }
    errors.push(("400", "A query parameter is unknown, given twice, or not acceptable."));
    if takes(ParameterIn::Header) {
        errors.push(("400", "A header is missing or not acceptable."));
    }
    if takes(ParameterIn::Path) {
        errors.push(("404", "There is no such thing, or it is somebody else's."));
    }
    let tag = operation.tags.iter().flatten().next().map(String::as_str).unwrap_or_default();
    let office = operation.summary.as_deref().is_some_and(|summary| summary.contains("For administrators"));
    if !is_open(operation) && (office || !EVERYONES.contains(&tag)) {
        errors.push(("403", "It is for users of other roles, or a customer named another customer."));
    }
    if !is_open(operation) {
        errors.push(("401", "No access token, or one that does not count, or not any more."));
    }
    errors
}

/// The headers that answers of a status carry.
fn give_headers(status: &str, response: &mut Response) {
    let about = match status {
        "201" => Some(("Location", "Where the thing is found.")),
        "401" => Some(("WWW-Authenticate", "How to say who is asking.")),
        "429" | "503" => Some(("Retry-After", "In how many seconds the next request is welcome.")),
        _ => None,
    };
    let id = ("X-Request-Id", "The id of the request, which support finds in logs and traces.");
    for (name, about) in about.into_iter().chain([id]) {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let header = HeaderBuilder::new().schema(Some(text)).description(Some(about)).build();
        response.headers.insert(name.to_owned(), header.into());
    }
}

fn give_form(response: &mut Response) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    response.content.entry(problem::MEDIA_TYPE.to_owned()).or_insert_with(|| RefOr::T(problem));
}
