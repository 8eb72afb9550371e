//! Vouchers: administrators make and end them, customers see what they would save and what they saved.

#[cfg(test)]
mod tests;
mod types;

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::types::{ApplicableVoucher, NewValidation, NewVoucher, Validation};
use super::gateway::Gateway;
use crate::access::{Resource, UserId, may};
use crate::failure::Failure;
use crate::grpc::{VOUCHER, answer, one};
use crate::http::extract::{Everything, Id, Json, Paged, Query};
use crate::http::reply::{Answer, BodyAnswer, Listing, show};
use crate::session::Caller;
use crate::value::Amount;
use crate::wire::voucher::v1::{
    CreateVoucherRequest, DeactivateVoucherRequest, GetVoucherRequest, ListApplicableVouchersRequest,
    ListVoucherUsageRequest, ListVouchersRequest, ValidateVoucherRequest, Voucher, VoucherStatus,
    VoucherUsage,
};

const LONGEST_TEXT: usize = 100;

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_vouchers, create_voucher))
        .routes(routes!(list_applicable_vouchers))
        .routes(routes!(list_redemptions))
        .routes(routes!(validate_voucher))
        .routes(routes!(get_voucher))
        .routes(routes!(deactivate_voucher))
        .routes(routes!(list_voucher_usage))
}

/// Which vouchers.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct VouchersQuery {
    /// Those in this status only.
    status: Option<VoucherStatus>,
    /// Those with this in code or description, in any case.
    #[param(max_length = 100, example = "hemat")]
    text: Option<String>,
}

/// List vouchers. For administrators.
#[utoipa::path(
    get, path = "/vouchers", tag = "vouchers", params(Paged<VouchersQuery, 50, 500>),
    responses((status = 200, description = "A page of vouchers.", body = Listing<Voucher>)),
)]
async fn list_vouchers(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<VouchersQuery, 50, 500>,
) -> Answer {
    may(&actor, Resource::VoucherManagement)?;
    let text = query.text.unwrap_or_default().trim().to_owned();
    if text.chars().count() > LONGEST_TEXT {
        let detail = format!("must not be longer than {LONGEST_TEXT} characters");
        return Err(Failure::invalid("text", detail).into());
    }
    let status = query.status.unwrap_or_default().into();
    let request = ListVouchersRequest { status, text, page_size: page.size, page_token: page.token.clone() };
    let found = answer(VOUCHER, "voucher", gateway.services.vouchers().list_vouchers(request).await)?;
    show(&actor, page.listing(found))
}

/// Create a voucher. For administrators.
#[utoipa::path(
    post, path = "/vouchers", tag = "vouchers", request_body = NewVoucher,
    responses(
        (status = 201, description = "The voucher.", body = Voucher),
        (status = 409, description = "Another voucher has this code."),
    ),
)]
async fn create_voucher(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Json(new): Json<NewVoucher>,
) -> BodyAnswer {
    may(&actor, Resource::VoucherManagement)?;
    let request = CreateVoucherRequest { voucher: Some(new.draft(&actor.id)?) };
    let made = one(VOUCHER, "voucher", gateway.services.vouchers().create_voucher(request).await)?;
    let place = format!("/vouchers/{}", made.id);
    show(&actor, made).map(|reply| reply.created(&place))
}

/// Get a voucher. For administrators.
#[utoipa::path(
    get, path = "/vouchers/{id}", tag = "vouchers",
    params(("id" = String, Path, description = "Its id.", example = "voucher-001")),
    responses((status = 200, description = "The voucher.", body = Voucher)),
)]
async fn get_voucher(State(gateway): State<Gateway>, Caller { actor, .. }: Caller, Id(id): Id) -> Answer {
    may(&actor, Resource::VoucherManagement)?;
    show(&actor, voucher(&gateway, id).await?)
}

async fn voucher(gateway: &Gateway, id: String) -> Result<Voucher, Failure> {
    let request = GetVoucherRequest { id, code: String::new() };
    one(VOUCHER, "voucher", gateway.services.vouchers().get_voucher(request).await)
}

/// Deactivate a voucher. For administrators.
///
/// Nobody can use it for a new payment; payments under way keep what they were promised.
#[utoipa::path(
    post, path = "/vouchers/{id}/deactivate", tag = "vouchers",
    params(("id" = String, Path, description = "Its id.", example = "voucher-001")),
    responses((status = 200, description = "The voucher as it is now.", body = Voucher)),
)]
async fn deactivate_voucher(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
) -> Answer {
    may(&actor, Resource::VoucherManagement)?;
    let request = DeactivateVoucherRequest { id };
    show(&actor, one(VOUCHER, "voucher", gateway.services.vouchers().deactivate_voucher(request).await)?)
}

/// Who redeemed a voucher, newest first. For administrators.
#[utoipa::path(
    get, path = "/vouchers/{id}/usage", tag = "vouchers",
    params(("id" = String, Path, description = "The voucher's id.", example = "voucher-001"), Paged<Everything, 50, 500>),
    responses((status = 200, description = "A page of redemptions.", body = Listing<VoucherUsage>)),
)]
async fn list_voucher_usage(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Paged { page, .. }: Paged<Everything, 50, 500>,
) -> Answer {
    may(&actor, Resource::VoucherManagement)?;
    // Of a voucher that is not there the service knows no redemptions, which is not the same as none.
    let voucher_id = voucher(&gateway, id).await?.id;
    let (page_size, page_token) = (page.size, page.token.clone());
    let request = ListVoucherUsageRequest { voucher_id, customer_id: String::new(), page_size, page_token };
    let found = answer(VOUCHER, "voucher", gateway.services.vouchers().list_voucher_usage(request).await)?;
    show(&actor, page.listing(found))
}

/// Whose redemptions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RedemptionsQuery {
    /// Of this customer. Administrators have to name one; customers see their own in any case.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
}

/// What a customer redeemed, newest first.
#[utoipa::path(
    get, path = "/vouchers/usage", tag = "vouchers", params(Paged<RedemptionsQuery, 50, 500>),
    responses((status = 200, description = "A page of redemptions.", body = Listing<VoucherUsage>)),
)]
async fn list_redemptions(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<RedemptionsQuery, 50, 500>,
) -> Answer {
    let customer_id = gateway.one_customer(&actor, Resource::VoucherUse, query.customer_id).await?.into();
    let (page_size, page_token) = (page.size, page.token.clone());
    let request = ListVoucherUsageRequest { voucher_id: String::new(), customer_id, page_size, page_token };
    let found = answer(VOUCHER, "voucher", gateway.services.vouchers().list_voucher_usage(request).await)?;
    show(&actor, page.listing(found).owned(&actor, Resource::VoucherUse))
}

/// For what purchase of whom.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ApplicableQuery {
    /// What is to be bought, whole rupiah.
    #[param(value_type = i64, minimum = 1, example = 100_000)]
    amount: Amount,
    /// Of this customer. Administrators have to name one; customers see their own in any case.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
}

/// Which vouchers a customer could use for a purchase, the largest saving first. There is one page.
#[utoipa::path(
    get, path = "/vouchers/applicable", tag = "vouchers", params(ApplicableQuery),
    responses(
        (status = 200, description = "The vouchers, with what each would save.", body = Listing<ApplicableVoucher>),
    ),
)]
async fn list_applicable_vouchers(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Query(query): Query<ApplicableQuery>,
) -> Answer {
    let customer = gateway.one_customer(&actor, Resource::VoucherUse, query.customer_id).await?;
    if query.amount.0 == 0 {
        return Err(Failure::invalid("amount", "must be above 0").into());
    }
    let request =
        ListApplicableVouchersRequest { customer_id: customer.into(), purchase_amount: query.amount.0 };
    let found = gateway.services.vouchers().list_applicable_vouchers(request).await;
    let found = answer(VOUCHER, "voucher", found)?;
    let applicable: Option<Vec<_>> = found.vouchers.into_iter().map(ApplicableVoucher::of).collect();
    show(&actor, Listing::whole(applicable.ok_or(Failure::Broken(VOUCHER))?))
}

/// What a voucher would save, or why it does not hold.
///
/// It holds nothing: until a payment is made with it somebody else may take the last place.
#[utoipa::path(
    post, path = "/vouchers/validate", tag = "vouchers", request_body = NewValidation,
    responses((status = 200, description = "What it would save, or why it does not hold.", body = Validation)),
)]
async fn validate_voucher(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Json(new): Json<NewValidation>,
) -> BodyAnswer {
    let customer = gateway.one_customer(&actor, Resource::VoucherUse, new.customer_id.clone()).await?;
    new.check()?;
    let request =
        ValidateVoucherRequest { code: new.code, customer_id: customer.into(), purchase_amount: new.amount };
    let found = answer(VOUCHER, "voucher", gateway.services.vouchers().validate_voucher(request).await)?;
    show(&actor, Validation::of(found.outcome.ok_or(Failure::Broken(VOUCHER))?))
}
