//! Routes to bills, and to whether a customer pays before or after.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Gateway;
use super::extract::{Id, Json, Query};
use super::money::WhoseQuery;
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::bill::{Bill, BillStatus, BillingAccount, BillsQuestion, NewBillingMode};
use crate::domain::page::Listing;

/// Which bills.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BillsQuery {
    /// Those of this customer only. Administrators may name anyone; customers see their own in any case.
    #[param(example = "customer-001")]
    customer_id: Option<String>,
    /// Those in this status only.
    #[param(value_type = Option<BillStatus>)]
    status: Option<String>,
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 1000, default = 100)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// List bills, newest first.
#[utoipa::path(
    get,
    path = "/bills",
    tag = "bills",
    params(BillsQuery),
    responses(
        (status = 200, description = "A page of bills.", body = Listing<Bill>),
        (status = 403, description = "A customer named another customer, or a technician asked."),
    ),
)]
pub async fn list_bills(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<BillsQuery>,
) -> Result<axum::Json<Listing<Bill>>, Problem> {
    let question = BillsQuestion::read(
        query.customer_id.as_deref(),
        query.status.as_deref(),
        query.page_size.as_deref(),
        query.page_token.as_deref(),
    )?;
    Ok(axum::Json(gateway.app.bills(&caller.actor, question).await?))
}

/// Get a bill.
#[utoipa::path(
    get,
    path = "/bills/{id}",
    tag = "bills",
    params((
        "id" = String, Path,
        description = "Its id, percent-encoded.",
        example = "bill:customer-001|2026-10",
    )),
    responses(
        (status = 200, description = "The bill.", body = Bill),
        (status = 403, description = "A technician asked."),
    ),
)]
pub async fn get_bill(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
) -> Result<axum::Json<Bill>, Problem> {
    Ok(axum::Json(gateway.app.bill(&caller.actor, &id).await?))
}

/// Whether a customer pays before or after.
#[utoipa::path(
    get,
    path = "/billing",
    tag = "bills",
    params(WhoseQuery),
    responses(
        (status = 200, description = "How the customer pays.", body = BillingAccount),
        (status = 403, description = "A customer named another customer, or a technician asked."),
    ),
)]
pub async fn get_billing(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<WhoseQuery>,
) -> Result<axum::Json<BillingAccount>, Problem> {
    Ok(axum::Json(gateway.app.billing(&caller.actor, query.customer()?).await?))
}

/// Set whether a customer pays before or after. For administrators.
#[utoipa::path(
    put,
    path = "/customers/{customer_id}/billing",
    tag = "bills",
    params(("customer_id" = String, Path, description = "The customer's id.", example = "customer-001")),
    request_body = NewBillingMode,
    responses(
        (status = 200, description = "How the customer pays now.", body = BillingAccount),
        (status = 403, description = "Whoever asks is no administrator."),
        (status = 409, description = "Not possible in the present state of the customer's bills."),
    ),
)]
pub async fn set_billing(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(customer_id): Id,
    Json(wanted): Json<NewBillingMode>,
) -> Result<axum::Json<BillingAccount>, Problem> {
    let set = gateway.app.set_billing(&caller.actor, &customer_id, wanted).await;
    Ok(axum::Json(set.map_err(|failure| Problem::from(failure).of_body())?))
}
