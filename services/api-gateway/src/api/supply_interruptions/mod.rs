//! Interruptions of the supply: those that meters show, and those that the utility announces.

#[cfg(test)]
mod tests;

use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use crate::access::{Resource, may};
use crate::grpc::{ANOMALY_DETECTOR, answer, one, one_by_key};
use crate::http::extract::{Id, IdempotencyKey, Json, Paged};
use crate::http::reply::{Answer, BodyAnswer, Listing, show};
use crate::session::Caller;
use crate::value::{GivenId, Moment};
use crate::wire::anomaly::v1::{
    ChangeSupplyInterruptionRequest, GetSupplyInterruptionRequest, ListSupplyInterruptionsRequest,
    NetworkEvent, PlanSupplyInterruptionRequest,
};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_supply_interruptions, plan_supply_interruption))
        .routes(routes!(get_supply_interruption, change_supply_interruption))
        .routes(routes!(cancel_supply_interruption))
}

/// Which interruptions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct InterruptionQuery {
    /// Those of this district metered area only.
    #[param(value_type = Option<String>, example = "DMA-07")]
    area: Option<GivenId>,
    /// Those that are not over before this moment, in whole seconds.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-20T17:00:00Z")]
    from: Option<Moment>,
    /// Those that begin before this moment, in whole seconds.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-21T17:00:00Z")]
    to: Option<Moment>,
}

/// List interruptions of the supply, seen and planned, the latest first.
#[utoipa::path(
    get, path = "/supply-interruptions", tag = "leaks and tampering", params(Paged<InterruptionQuery, 50, 500>),
    responses((status = 200, description = "A page of interruptions.", body = Listing<NetworkEvent>)),
)]
async fn list_supply_interruptions(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<InterruptionQuery, 50, 500>,
) -> Answer {
    may(&actor, Resource::SupplyInterruption)?;
    let request = ListSupplyInterruptionsRequest {
        areas: query.area.map(|area| area.0).into_iter().collect(),
        from: query.from.map(|at| at.rfc3339()).unwrap_or_default(),
        to: query.to.map(|at| at.rfc3339()).unwrap_or_default(),
        page_size: page.size,
        page_token: page.token.clone(),
    };
    let found = gateway.services.anomalies().list_supply_interruptions(request).await;
    show(&actor, page.listing(answer(ANOMALY_DETECTOR, "interruption", found)?))
}

/// Get an interruption of the supply.
#[utoipa::path(
    get, path = "/supply-interruptions/{id}", tag = "leaks and tampering",
    params(("id" = String, Path, description = "Its id.", example = "network-019f")),
    responses((status = 200, description = "The interruption.", body = NetworkEvent)),
)]
async fn get_supply_interruption(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
) -> Answer {
    may(&actor, Resource::SupplyInterruption)?;
    let request = GetSupplyInterruptionRequest { id };
    let found = gateway.services.anomalies().get_supply_interruption(request).await;
    show(&actor, one(ANOMALY_DETECTOR, "interruption", found)?)
}

/// An interruption to come.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInterruption {
    /// The district metered area.
    #[schema(value_type = String, example = "DMA-07")]
    area: GivenId,
    /// When it begins.
    #[schema(value_type = String, format = DateTime, example = "2026-12-01T01:00:00Z")]
    from: Moment,
    /// When it is over, at most 14 days later.
    #[schema(value_type = String, format = DateTime, example = "2026-12-01T05:00:00Z")]
    until: Moment,
    /// Why, for people.
    #[schema(example = "A valve is exchanged", min_length = 1, max_length = 500)]
    reason: String,
}

/// Plan an interruption of the supply. For administrators.
///
/// While it lasts, and for four hours after it, no leak is found on the meters of the area.
#[utoipa::path(
    post, path = "/supply-interruptions", tag = "leaks and tampering", request_body = NewInterruption,
    params((
        "Idempotency-Key" = String, Header,
        description = "Chosen by the caller, 1 to 200 visible ASCII characters, new for every interruption: the same request with \
            the same key is answered with the same one.",
        example = "9f3b7a52-6c1e-4d0a-8f57-2a1c3e5b7d90",
    )),
    responses(
        (status = 201, description = "The interruption, planned now or by the same request before.", body = NetworkEvent),
        (status = 400, description = "The `Idempotency-Key` is missing or not acceptable, or the body is no JSON."),
        (status = 409, description = "The key was used for another interruption."),
    ),
)]
async fn plan_supply_interruption(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    IdempotencyKey(key): IdempotencyKey,
    Json(NewInterruption { area, from, until, reason }): Json<NewInterruption>,
) -> BodyAnswer {
    may(&actor, Resource::SupplyPlan)?;
    let request = PlanSupplyInterruptionRequest {
        area: area.0,
        from: from.rfc3339(),
        until: until.rfc3339(),
        reason,
        by: actor.id.clone().into(),
        // Two who choose the same word do not mean the same interruption.
        key: format!("{}|{key}", actor.id.as_str()),
    };
    let made = gateway.services.anomalies().plan_supply_interruption(request).await;
    let made = one_by_key(ANOMALY_DETECTOR, "interruption", made)?;
    let place = format!("/supply-interruptions/{}", made.id);
    show(&actor, made).map(|reply| reply.created(&place))
}

/// What is different of a planned interruption.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InterruptionChange {
    /// When it begins.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-12-01T01:00:00Z")]
    from: Option<Moment>,
    /// When it is over.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-12-01T06:00:00Z")]
    until: Option<Moment>,
    /// Why, for people.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// The `revision` that was read: if it has changed since, the answer is 409.
    revision: Option<i64>,
}

/// Change a planned interruption. For administrators.
#[utoipa::path(
    patch, path = "/supply-interruptions/{id}", tag = "leaks and tampering", request_body = InterruptionChange,
    params(("id" = String, Path, description = "Its id.", example = "planned-019f")),
    responses(
        (status = 200, description = "The interruption as it is now.", body = NetworkEvent),
        (status = 409, description = "It was called off, or has changed since it was read."),
    ),
)]
async fn change_supply_interruption(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Json(InterruptionChange { from, until, reason, revision }): Json<InterruptionChange>,
) -> BodyAnswer {
    may(&actor, Resource::SupplyPlan)?;
    let request = ChangeSupplyInterruptionRequest {
        id,
        from: from.map(Moment::rfc3339),
        until: until.map(Moment::rfc3339),
        reason,
        cancel: false,
        by: actor.id.clone().into(),
        revision,
    };
    let changed = gateway.services.anomalies().change_supply_interruption(request).await;
    show(&actor, one(ANOMALY_DETECTOR, "planned interruption", changed)?)
}

/// That it does not take place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelledInterruption {
    /// The `revision` that was read: if it has changed since, the answer is 409.
    revision: Option<i64>,
}

/// Call off a planned interruption. For administrators.
#[utoipa::path(
    post, path = "/supply-interruptions/{id}/cancel", tag = "leaks and tampering", request_body = CancelledInterruption,
    params(("id" = String, Path, description = "Its id.", example = "planned-019f")),
    responses(
        (status = 200, description = "The interruption as it is now.", body = NetworkEvent),
        (status = 409, description = "It has changed since it was read."),
    ),
)]
async fn cancel_supply_interruption(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Json(CancelledInterruption { revision }): Json<CancelledInterruption>,
) -> BodyAnswer {
    may(&actor, Resource::SupplyPlan)?;
    let request = ChangeSupplyInterruptionRequest {
        id,
        cancel: true,
        by: actor.id.clone().into(),
        revision,
        ..ChangeSupplyInterruptionRequest::default()
    };
    let changed = gateway.services.anomalies().change_supply_interruption(request).await;
    show(&actor, one(ANOMALY_DETECTOR, "planned interruption", changed)?)
}
