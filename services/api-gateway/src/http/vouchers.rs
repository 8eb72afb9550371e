//! Routes to vouchers and what they save.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Gateway;
use super::extract::{Id, Json, Query};
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::page::{self, Listing};
use crate::domain::question;
use crate::domain::voucher::{
    ApplicableQuestion, ApplicableVoucher, NewValidation, NewVoucher, RedemptionsQuestion, Validation,
    Voucher, VoucherStatus, VoucherUsage, VouchersQuestion,
};

/// Which vouchers.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VouchersQuery {
    /// Those in this status only.
    #[param(value_type = Option<VoucherStatus>)]
    status: Option<String>,
    /// Those with this in code or description, in any case.
    #[param(max_length = 100, example = "hemat")]
    text: Option<String>,
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 500, default = 50)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// List vouchers. For administrators.
#[utoipa::path(
    get,
    path = "/vouchers",
    tag = "vouchers",
    params(VouchersQuery),
    responses(
        (status = 200, description = "A page of vouchers.", body = Listing<Voucher>),
        (status = 403, description = "Whoever asks is no administrator."),
    ),
)]
pub async fn list_vouchers(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<VouchersQuery>,
) -> Result<axum::Json<Listing<Voucher>>, Problem> {
    let question = VouchersQuestion::read(
        query.status.as_deref(),
        query.text.as_deref(),
        query.page_size.as_deref(),
        query.page_token.as_deref(),
    )?;
    Ok(axum::Json(gateway.app.vouchers(&caller.actor, question).await?))
}

/// Create a voucher. For administrators.
#[utoipa::path(
    post,
    path = "/vouchers",
    tag = "vouchers",
    request_body = NewVoucher,
    responses(
        (status = 201, description = "The voucher.", body = Voucher),
        (status = 403, description = "Whoever asks is no administrator."),
        (status = 409, description = "Another voucher has this code."),
    ),
)]
pub async fn create_voucher(
    State(gateway): State<Gateway>,
    caller: Caller,
    Json(voucher): Json<NewVoucher>,
) -> Result<(StatusCode, axum::Json<Voucher>), Problem> {
    let created = gateway.app.create_voucher(&caller.actor, voucher).await;
    Ok((StatusCode::CREATED, axum::Json(created.map_err(|failure| Problem::from(failure).of_body())?)))
}

/// Get a voucher. For administrators.
#[utoipa::path(
    get,
    path = "/vouchers/{id}",
    tag = "vouchers",
    params(("id" = String, Path, description = "Its id.", example = "voucher-001")),
    responses(
        (status = 200, description = "The voucher.", body = Voucher),
        (status = 403, description = "Whoever asks is no administrator."),
    ),
)]
pub async fn get_voucher(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
) -> Result<axum::Json<Voucher>, Problem> {
    Ok(axum::Json(gateway.app.voucher(&caller.actor, &id).await?))
}

/// Deactivate a voucher. For administrators.
///
/// Nobody can use it for a new payment; payments under way keep what they were promised.
#[utoipa::path(
    post,
    path = "/vouchers/{id}/deactivate",
    tag = "vouchers",
    params(("id" = String, Path, description = "Its id.", example = "voucher-001")),
    responses(
        (status = 200, description = "The voucher as it is now.", body = Voucher),
        (status = 403, description = "Whoever asks is no administrator."),
    ),
)]
pub async fn deactivate_voucher(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
) -> Result<axum::Json<Voucher>, Problem> {
    Ok(axum::Json(gateway.app.deactivate_voucher(&caller.actor, &id).await?))
}

/// Which redemptions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VoucherUsageQuery {
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 500, default = 50)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// Who redeemed a voucher, newest first. For administrators.
#[utoipa::path(
    get,
    path = "/vouchers/{id}/usage",
    tag = "vouchers",
    params(
        ("id" = String, Path, description = "The voucher's id.", example = "voucher-001"),
        VoucherUsageQuery,
    ),
    responses(
        (status = 200, description = "A page of redemptions.", body = Listing<VoucherUsage>),
        (status = 403, description = "Whoever asks is no administrator."),
    ),
)]
pub async fn list_voucher_usage(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<VoucherUsageQuery>,
) -> Result<axum::Json<Listing<VoucherUsage>>, Problem> {
    let page = question::page(query.page_size.as_deref(), query.page_token.as_deref(), page::VOUCHERS)?;
    Ok(axum::Json(gateway.app.voucher_usage(&caller.actor, &id, &page).await?))
}

/// For what purchase of whom.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ApplicableQuery {
    /// What is to be bought, whole rupiah.
    #[param(value_type = i64, required = true, minimum = 1, example = 100_000)]
    amount: Option<String>,
    /// Of this customer. Administrators have to name one; customers see their own in any case.
    #[param(example = "customer-001")]
    customer_id: Option<String>,
}

/// Which vouchers a customer could use for a purchase, the largest saving first. There is one page.
#[utoipa::path(
    get,
    path = "/vouchers/applicable",
    tag = "vouchers",
    params(ApplicableQuery),
    responses(
        (status = 200, description = "The vouchers, with what each would save.", body = Listing<ApplicableVoucher>),
        (status = 403, description = "A customer named another customer, or a technician asked."),
    ),
)]
pub async fn list_applicable_vouchers(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<ApplicableQuery>,
) -> Result<axum::Json<Listing<ApplicableVoucher>>, Problem> {
    let question = ApplicableQuestion::read(query.customer_id.as_deref(), query.amount.as_deref())?;
    Ok(axum::Json(gateway.app.applicable_vouchers(&caller.actor, question).await?))
}

/// What a voucher would save, or why it does not hold.
///
/// It holds nothing: until a payment is made with it somebody else may take the last place.
#[utoipa::path(
    post,
    path = "/vouchers/validate",
    tag = "vouchers",
    request_body = NewValidation,
    responses(
        (status = 200, description = "What it would save, or why it does not hold.", body = Validation),
        (status = 403, description = "A customer named another customer, or a technician asked."),
    ),
)]
pub async fn validate_voucher(
    State(gateway): State<Gateway>,
    caller: Caller,
    Json(asked): Json<NewValidation>,
) -> Result<axum::Json<Validation>, Problem> {
    let told = gateway.app.validate_voucher(&caller.actor, asked).await;
    Ok(axum::Json(told.map_err(|failure| Problem::from(failure).of_body())?))
}

/// Whose redemptions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RedemptionsQuery {
    /// Of this customer. Administrators have to name one; customers see their own in any case.
    #[param(example = "customer-001")]
    customer_id: Option<String>,
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 500, default = 50)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// What a customer redeemed, newest first.
#[utoipa::path(
    get,
    path = "/vouchers/usage",
    tag = "vouchers",
    params(RedemptionsQuery),
    responses(
        (status = 200, description = "A page of redemptions.", body = Listing<VoucherUsage>),
        (status = 403, description = "A customer named another customer, or a technician asked."),
    ),
)]
pub async fn list_redemptions(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<RedemptionsQuery>,
) -> Result<axum::Json<Listing<VoucherUsage>>, Problem> {
    let question = RedemptionsQuestion::read(
        query.customer_id.as_deref(),
        query.page_size.as_deref(),
        query.page_token.as_deref(),
    )?;
    Ok(axum::Json(gateway.app.redemptions(&caller.actor, question).await?))
}
