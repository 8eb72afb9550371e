//! Leaks that were found, what people say of them, what is normal at a property, and which leaks are worth a visit.

#[cfg(test)]
mod tests;

use axum::extract::State;
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use super::properties::visible_property;
use crate::access::{Actor, Resource, UserId, may, narrow, visible};
use crate::failure::Failure;
use crate::grpc::{ANOMALY_DETECTOR, answer, one};
use crate::http::extract::{Id, Json, Paged};
use crate::http::reply::{Answer, BodyAnswer, Listing, show};
use crate::session::Caller;
use crate::value::{GivenId, Moment};
use crate::wire::anomaly::v1::{
    EventFilter, Expectations, GetExpectationsRequest, GetLeakRequest, Inspection, LeakEvent, LeakStatus,
    ListInspectionsRequest, ListLeaksRequest, PutExpectationsRequest, RejectLeakRequest, ResolveLeakRequest,
};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_leaks))
        .routes(routes!(get_leak))
        .routes(routes!(resolve_leak))
        .routes(routes!(reject_leak))
        .routes(routes!(list_inspections))
        .routes(routes!(get_expectations, put_expectations))
}

/// Which leaks.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LeaksQuery {
    /// Those of this customer only. Staff may name anyone; customers see their own in any case.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
    /// Those at this device only.
    #[param(value_type = Option<String>, example = "device-001")]
    device_id: Option<GivenId>,
    /// Those at this property only.
    #[param(value_type = Option<String>, example = "property-001")]
    property_id: Option<GivenId>,
    /// Detected from this moment on, in whole seconds.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-20T17:00:00Z")]
    from: Option<Moment>,
    /// Detected before this moment, in whole seconds.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-21T17:00:00Z")]
    to: Option<Moment>,
    /// Those in this status only.
    status: Option<LeakStatus>,
}

/// List leaks, newest first.
#[utoipa::path(
    get, path = "/leaks", tag = "leaks and tampering", params(Paged<LeaksQuery, 50, 500>),
    responses((status = 200, description = "A page of leaks.", body = Listing<LeakEvent>)),
)]
async fn list_leaks(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<LeaksQuery, 50, 500>,
) -> Answer {
    let filter = EventFilter {
        customer_id: gateway.scope(&actor, Resource::Leak, query.customer_id).await?.into(),
        device_id: query.device_id.map(|id| id.0).unwrap_or_default(),
        property_id: query.property_id.map(|id| id.0).unwrap_or_default(),
        from: query.from.map(|at| at.rfc3339()).unwrap_or_default(),
        to: query.to.map(|at| at.rfc3339()).unwrap_or_default(),
        page_size: page.size,
        page_token: page.token.clone(),
    };
    let request = ListLeaksRequest { filter: Some(filter), status: query.status.unwrap_or_default().into() };
    let found = answer(ANOMALY_DETECTOR, "leak", gateway.services.anomalies().list_leaks(request).await)?;
    show(&actor, page.listing(found).owned(&actor, Resource::Leak))
}

async fn visible_leak(gateway: &Gateway, actor: &Actor, id: String) -> Result<LeakEvent, Failure> {
    narrow(actor, Resource::Leak, None)?;
    let found = gateway.services.anomalies().get_leak(GetLeakRequest { id }).await;
    visible(actor, Resource::Leak, "leak", one(ANOMALY_DETECTOR, "leak", found)?)
}

/// Get a leak, with its life and the hours that it rests on.
#[utoipa::path(
    get, path = "/leaks/{id}", tag = "leaks and tampering",
    params(("id" = String, Path, description = "Its id.", example = "leak-019f")),
    responses((status = 200, description = "The leak.", body = LeakEvent)),
)]
async fn get_leak(State(gateway): State<Gateway>, Caller { actor, .. }: Caller, Id(id): Id) -> Answer {
    show(&actor, visible_leak(&gateway, &actor, id).await?)
}

/// What somebody says of a leak.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Verdict {
    /// What was found there.
    #[schema(example = "The cistern was mended", max_length = 1000)]
    #[serde(default)]
    notes: String,
    /// The `revision` that was read: if the leak has changed since, the answer is 409.
    revision: Option<i64>,
}

/// Say that a leak is mended.
///
/// A flow that goes on for a day and a half opens it again.
#[utoipa::path(
    post, path = "/leaks/{id}/resolve", tag = "leaks and tampering",
    params(("id" = String, Path, description = "The leak's id.", example = "leak-019f")),
    request_body = Verdict,
    responses(
        (status = 200, description = "The leak as it is now.", body = LeakEvent),
        (status = 409, description = "It is settled already, or has changed since it was read."),
    ),
)]
async fn resolve_leak(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Json(said): Json<Verdict>,
) -> BodyAnswer {
    let id = visible_leak(&gateway, &actor, id).await?.id;
    let Verdict { notes, revision } = said;
    let request = ResolveLeakRequest { id, by: actor.id.clone().into(), notes, revision };
    show(&actor, one(ANOMALY_DETECTOR, "leak", gateway.services.anomalies().resolve_leak(request).await)?)
}

/// Say that a leak is none.
///
/// For 90 days 1.2 times its flow is normal at its meter.
#[utoipa::path(
    post, path = "/leaks/{id}/false-positive", tag = "leaks and tampering",
    params(("id" = String, Path, description = "The leak's id.", example = "leak-019f")),
    request_body = Verdict,
    responses(
        (status = 200, description = "The leak as it is now.", body = LeakEvent),
        (status = 409, description = "It is settled already, or has changed since it was read."),
    ),
)]
async fn reject_leak(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Json(said): Json<Verdict>,
) -> BodyAnswer {
    let id = visible_leak(&gateway, &actor, id).await?.id;
    let Verdict { notes, revision } = said;
    let request = RejectLeakRequest { id, by: actor.id.clone().into(), notes, revision };
    show(&actor, one(ANOMALY_DETECTOR, "leak", gateway.services.anomalies().reject_leak(request).await)?)
}

/// Nothing besides the page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct InspectionsQuery {}

/// List the open leaks that are worth a visit, the most first. For technicians and administrators.
#[utoipa::path(
    get, path = "/inspection-queue", tag = "leaks and tampering", params(Paged<InspectionsQuery, 50, 500>),
    responses((status = 200, description = "A page of leaks with what a visit is worth.", body = Listing<Inspection>)),
)]
async fn list_inspections(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { page, .. }: Paged<InspectionsQuery, 50, 500>,
) -> Answer {
    may(&actor, Resource::Inspection)?;
    let request = ListInspectionsRequest { page_size: page.size, page_token: page.token.clone() };
    let found = gateway.services.anomalies().list_inspections(request).await;
    show(&actor, page.listing(answer(ANOMALY_DETECTOR, "leak", found)?))
}

/// What is normal at a property.
#[utoipa::path(
    get, path = "/properties/{id}/expectations", tag = "leaks and tampering",
    params(("id" = String, Path, description = "The property's id.", example = "property-001")),
    responses((status = 200, description = "What people said, and what was learned of them.", body = Expectations)),
)]
async fn get_expectations(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
) -> Answer {
    let property_id = visible_property(&gateway, &actor, Resource::Expectation, id).await?.id;
    let found = gateway.services.anomalies().get_expectations(GetExpectationsRequest { property_id }).await;
    show(&actor, one(ANOMALY_DETECTOR, "property", found)?)
}

/// What is to be normal at a property from now on; it takes the place of what was said before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewExpectations {
    /// Litres an hour that flow all the time and are no leak; null or nothing: none do.
    #[schema(value_type = Option<String>, format = "decimal", example = "12")]
    normal_flow: Option<Decimal>,
    /// From when on nobody is there; with `away_until`.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-12-20T00:00:00Z")]
    away_from: Option<Moment>,
    /// Until when nobody is there: any flow in that time is news.
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-03T00:00:00Z")]
    away_until: Option<Moment>,
    /// The `revision` that was read: if it has changed since, the answer is 409.
    revision: Option<i64>,
}

/// Say what is normal at a property.
#[utoipa::path(
    put, path = "/properties/{id}/expectations", tag = "leaks and tampering",
    params(("id" = String, Path, description = "The property's id.", example = "property-001")),
    request_body = NewExpectations,
    responses(
        (status = 200, description = "What holds now.", body = Expectations),
        (status = 409, description = "It has changed since it was read."),
    ),
)]
async fn put_expectations(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Json(said): Json<NewExpectations>,
) -> BodyAnswer {
    let property_id = visible_property(&gateway, &actor, Resource::Expectation, id).await?.id;
    let expectations = Expectations {
        property_id,
        normal_flow: said.normal_flow.map(|flow| flow.to_string()).unwrap_or_default(),
        away_from: said.away_from.map(|at| at.rfc3339()).unwrap_or_default(),
        away_until: said.away_until.map(|at| at.rfc3339()).unwrap_or_default(),
        ..Expectations::default()
    };
    let request = PutExpectationsRequest {
        expectations: Some(expectations),
        by: actor.id.clone().into(),
        revision: said.revision,
    };
    let put = gateway.services.anomalies().put_expectations(request).await;
    show(&actor, one(ANOMALY_DETECTOR, "property", put)?)
}
