//! Routes to balances, statements and corrections.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Gateway;
use super::extract::{Id, Json, Query};
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::failure::Failure;
use crate::domain::money::{Balance, Entry, Explanation};
use crate::domain::order::{self, Adjustment, StatementQuestion};
use crate::domain::page::Listing;
use crate::domain::user::UserId;

/// Whose.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WhoseQuery {
    /// Of this customer. Administrators have to name one; customers see their own in any case.
    #[param(example = "customer-001")]
    customer_id: Option<String>,
}

impl WhoseQuery {
    /// The customer who is named, if one is.
    ///
    /// # Errors
    /// It is no customer's id.
    pub fn customer(&self) -> Result<Option<UserId>, Failure> {
        order::customer(self.customer_id.as_deref())
    }
}

/// What is left, and for how long.
///
/// Rupiah are whole here, and JSON integers. What is left is what is posted less what is accrued.
#[utoipa::path(
    get,
    path = "/balance",
    tag = "money",
    params(WhoseQuery),
    responses(
        (status = 200, description = "The balance.", body = Balance),
        (status = 403, description = "A customer named another customer, or a technician asked."),
    ),
)]
pub async fn get_balance(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<WhoseQuery>,
) -> Result<axum::Json<Balance>, Problem> {
    Ok(axum::Json(gateway.app.balance(&caller.actor, query.customer()?).await?))
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EntriesQuery {
    /// Of this customer. Administrators have to name one; customers see their own in any case.
    #[param(example = "customer-001")]
    customer_id: Option<String>,
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 1000, default = 100)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// The statement: every entry, newest first.
#[utoipa::path(
    get,
    path = "/balance/entries",
    tag = "money",
    params(EntriesQuery),
    responses(
        (status = 200, description = "A page of entries.", body = Listing<Entry>),
        (status = 403, description = "A customer named another customer, or a technician asked."),
    ),
)]
pub async fn list_entries(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<EntriesQuery>,
) -> Result<axum::Json<Listing<Entry>>, Problem> {
    let question = StatementQuestion::read(
        query.customer_id.as_deref(),
        query.page_size.as_deref(),
        query.page_token.as_deref(),
    )?;
    Ok(axum::Json(gateway.app.entries(&caller.actor, question).await?))
}

/// Why an entry is what it is.
///
/// An entry for usage down to its days, their volumes, blocks and prices, and from there to the register reads.
#[utoipa::path(
    get,
    path = "/balance/entries/{id}/explanation",
    tag = "money",
    params(
        (
            "id" = String, Path,
            description = "The entry's id, percent-encoded.",
            example = "usage:customer-001|device-001|2026-11@3",
        ),
        WhoseQuery,
    ),
    responses(
        (status = 200, description = "The entry and what it came from.", body = Explanation),
        (status = 403, description = "A customer named another customer, or a technician asked."),
    ),
)]
pub async fn explain_entry(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<WhoseQuery>,
) -> Result<axum::Json<Explanation>, Problem> {
    Ok(axum::Json(gateway.app.explanation(&caller.actor, query.customer()?, &id).await?))
}

/// Correct a balance. For administrators.
///
/// The correction is in the statement soon after, with whoever is asking as the one who answers for it. The same id with the same
/// content is answered the same and posted once.
#[utoipa::path(
    post,
    path = "/customers/{customer_id}/adjustments",
    tag = "money",
    params(("customer_id" = String, Path, description = "The customer's id.", example = "customer-001")),
    request_body = Adjustment,
    responses(
        (status = 202, description = "It will be posted, once for its id however often it is sent."),
        (status = 403, description = "Whoever asks is no administrator."),
        (status = 409, description = "The id was used for another correction of the customer."),
    ),
)]
pub async fn adjust(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(customer_id): Id,
    Json(adjustment): Json<Adjustment>,
) -> Result<StatusCode, Problem> {
    let adjusted = gateway.app.adjust(&caller.actor, &customer_id, adjustment).await;
    adjusted.map_err(|failure| Problem::from(failure).of_body())?;
    Ok(StatusCode::ACCEPTED)
}
