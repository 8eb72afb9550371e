//! What looks like tampering, and what technicians found there.

#[cfg(test)]
mod tests;

use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use crate::access::{Resource, UserId, may, narrow, visible};
use crate::grpc::{ANOMALY_DETECTOR, answer, one};
use crate::http::extract::{Id, Json, Paged};
use crate::http::reply::{Answer, BodyAnswer, Listing, show};
use crate::session::Caller;
use crate::value::{GivenId, Moment};
use crate::wire::anomaly::v1::{
    EventFilter, GetTamperingEventRequest, InvestigateTamperingRequest, ListTamperingEventsRequest,
    ResolveTamperingRequest, TamperingEvent, TamperingStatus,
};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_tampering_events))
        .routes(routes!(get_tampering_event))
        .routes(routes!(investigate_tampering))
        .routes(routes!(resolve_tampering))
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TamperingQuery {
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
    status: Option<TamperingStatus>,
}

/// List what looks like tampering, newest first.
#[utoipa::path(
    get, path = "/tampering-events", tag = "leaks and tampering", params(Paged<TamperingQuery, 50, 500>),
    responses((status = 200, description = "A page of events.", body = Listing<TamperingEvent>)),
)]
async fn list_tampering_events(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<TamperingQuery, 50, 500>,
) -> Answer {
    let filter = EventFilter {
        customer_id: gateway.scope(&actor, Resource::Tampering, query.customer_id).await?.into(),
        device_id: query.device_id.map(|id| id.0).unwrap_or_default(),
        property_id: query.property_id.map(|id| id.0).unwrap_or_default(),
        from: query.from.map(|at| at.rfc3339()).unwrap_or_default(),
        to: query.to.map(|at| at.rfc3339()).unwrap_or_default(),
        page_size: page.size,
        page_token: page.token.clone(),
    };
    let request =
        ListTamperingEventsRequest { filter: Some(filter), status: query.status.unwrap_or_default().into() };
    let found = gateway.services.anomalies().list_tampering_events(request).await;
    let found = page.listing(answer(ANOMALY_DETECTOR, "tampering event", found)?);
    show(&actor, found.owned(&actor, Resource::Tampering))
}

/// Get what looks like tampering, with its evidence.
#[utoipa::path(
    get, path = "/tampering-events/{id}", tag = "leaks and tampering",
    params(("id" = String, Path, description = "Its id.", example = "tampering-019f")),
    responses((status = 200, description = "The event.", body = TamperingEvent)),
)]
async fn get_tampering_event(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
) -> Answer {
    narrow(&actor, Resource::Tampering, None)?;
    let found = gateway.services.anomalies().get_tampering_event(GetTamperingEventRequest { id }).await;
    let found = one(ANOMALY_DETECTOR, "tampering event", found)?;
    show(&actor, visible(&actor, Resource::Tampering, "tampering event", found)?)
}

/// That somebody looks into it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Investigation {
    /// The `revision` that was read: if the event has changed since, the answer is 409.
    revision: Option<i64>,
}

/// Look into what looks like tampering. For technicians and administrators.
#[utoipa::path(
    post, path = "/tampering-events/{id}/investigate", tag = "leaks and tampering",
    params(("id" = String, Path, description = "The event's id.", example = "tampering-019f")),
    request_body = Investigation,
    responses(
        (status = 200, description = "The event as it is now.", body = TamperingEvent),
        (status = 409, description = "It is settled already, or has changed since it was read."),
    ),
)]
async fn investigate_tampering(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Json(Investigation { revision }): Json<Investigation>,
) -> BodyAnswer {
    may(&actor, Resource::Inspection)?;
    let request = InvestigateTamperingRequest { id, by: actor.id.clone().into(), revision };
    let found = gateway.services.anomalies().investigate_tampering(request).await;
    show(&actor, one(ANOMALY_DETECTOR, "tampering event", found)?)
}

/// What was found.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Settlement {
    /// What was found and done.
    #[schema(example = "The seal was replaced", min_length = 1, max_length = 1000)]
    resolution: String,
    /// The `revision` that was read: if the event has changed since, the answer is 409.
    revision: Option<i64>,
}

/// Settle what looked like tampering. For technicians and administrators.
#[utoipa::path(
    post, path = "/tampering-events/{id}/resolve", tag = "leaks and tampering",
    params(("id" = String, Path, description = "The event's id.", example = "tampering-019f")),
    request_body = Settlement,
    responses(
        (status = 200, description = "The event as it is now.", body = TamperingEvent),
        (status = 409, description = "It is settled already, or has changed since it was read."),
    ),
)]
async fn resolve_tampering(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Json(Settlement { resolution, revision }): Json<Settlement>,
) -> BodyAnswer {
    may(&actor, Resource::Inspection)?;
    let request = ResolveTamperingRequest { id, by: actor.id.clone().into(), resolution, revision };
    let found = gateway.services.anomalies().resolve_tampering(request).await;
    show(&actor, one(ANOMALY_DETECTOR, "tampering event", found)?)
}
