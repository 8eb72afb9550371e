//! Bills, and whether a customer pays before or after.

#[cfg(test)]
mod tests;

use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use crate::access::{Resource, UserId, may, narrow, visible};
use crate::failure::Failure;
use crate::grpc::{BILLING, answer, one};
use crate::http::extract::{Id, Json, Paged, Query};
use crate::http::reply::{Answer, BodyAnswer, Listing, show};
use crate::session::Caller;
use crate::wire::billing::v1::{
    Account, AccountMode, Bill, BillStatus, GetAccountRequest, GetBillRequest, ListBillsRequest,
    SetAccountRequest,
};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_bills))
        .routes(routes!(get_bill))
        .routes(routes!(get_billing))
        .routes(routes!(set_billing))
}

/// Which bills.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BillsQuery {
    /// Those of this customer only. Administrators may name anyone; customers see their own in any case.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
    /// Those in this status only.
    status: Option<BillStatus>,
}

/// List bills, newest first.
#[utoipa::path(
    get, path = "/bills", tag = "bills", params(Paged<BillsQuery, 100, 1000>),
    responses((status = 200, description = "A page of bills.", body = Listing<Bill>)),
)]
async fn list_bills(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<BillsQuery, 100, 1000>,
) -> Answer {
    let request = ListBillsRequest {
        customer_id: gateway.scope(&actor, Resource::Bill, query.customer_id).await?.into(),
        status: query.status.unwrap_or_default().into(),
        page_size: page.size,
        page_token: page.token.clone(),
    };
    let found = answer(BILLING, "bill", gateway.services.bills().list_bills(request).await)?;
    show(&actor, page.listing(found).owned(&actor, Resource::Bill))
}

/// Get a bill.
#[utoipa::path(
    get, path = "/bills/{id}", tag = "bills",
    params(("id" = String, Path, description = "Its id, percent-encoded.", example = "bill:customer-001|2026-10")),
    responses((status = 200, description = "The bill.", body = Bill)),
)]
async fn get_bill(State(gateway): State<Gateway>, Caller { actor, .. }: Caller, Id(id): Id) -> Answer {
    narrow(&actor, Resource::Bill, None)?;
    let found = one(BILLING, "bill", gateway.services.bills().get_bill(GetBillRequest { id }).await)?;
    show(&actor, visible(&actor, Resource::Bill, "bill", found)?)
}

/// Whose.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BillingQuery {
    /// Of this customer. Administrators have to name one; customers see their own in any case.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
}

/// Whether a customer pays before or after.
#[utoipa::path(
    get, path = "/billing", tag = "bills", params(BillingQuery),
    responses((status = 200, description = "How the customer pays.", body = Account)),
)]
async fn get_billing(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Query(query): Query<BillingQuery>,
) -> Answer {
    let customer = gateway.one_customer(&actor, Resource::BillingMode, query.customer_id).await?;
    let request = GetAccountRequest { customer_id: customer.into() };
    show(&actor, one(BILLING, "customer", gateway.services.bills().get_account(request).await)?)
}

/// How a customer is to pay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBillingMode {
    /// Before or after.
    mode: AccountMode,
    /// IANA name of the zone in which the customer's months begin; Asia/Jakarta without it.
    #[schema(example = "Asia/Makassar", min_length = 1)]
    time_zone: Option<String>,
}

/// Set whether a customer pays before or after. For administrators.
#[utoipa::path(
    put, path = "/customers/{customer_id}/billing", tag = "bills",
    params(("customer_id" = String, Path, description = "The customer's id.", example = "customer-001")),
    request_body = NewBillingMode,
    responses(
        (status = 200, description = "How the customer pays now.", body = Account),
        (status = 409, description = "Not possible in the present state of the customer's bills."),
    ),
)]
async fn set_billing(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(customer_id): Id,
    Json(wanted): Json<NewBillingMode>,
) -> BodyAnswer {
    may(&actor, Resource::BillingModeChange)?;
    // An empty one would mean Jakarta, which is not what an empty field says.
    if wanted.time_zone.as_deref().is_some_and(|zone| zone.trim().is_empty()) {
        let form = "must be the name of a time zone, such as Asia/Makassar";
        return Err(Failure::invalid("time_zone", form).into());
    }
    let request = SetAccountRequest {
        customer_id: gateway.sessions.customer_of(&customer_id).await?.id.into(),
        mode: wanted.mode.into(),
        time_zone: wanted.time_zone.unwrap_or_default(),
        set_by: actor.id.clone().into(),
    };
    show(&actor, one(BILLING, "customer", gateway.services.bills().set_account(request).await)?)
}
