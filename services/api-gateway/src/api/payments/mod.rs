//! Payments, receipts and refunds.

mod rules;
#[cfg(test)]
mod tests;

use axum::extract::State;
use indowater_common::domain::zone::Zone;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::rules::{Confirmation, NewPayment, NewRefund, Receipt};
use super::gateway::Gateway;
use crate::access::{Actor, Resource, UserId, may, narrow, one_customer, visible};
use crate::failure::{Failure, Faults};
use crate::grpc::{BILLING, answer, one, one_by_key};
use crate::http::extract::{Id, IdempotencyKey, Json, Paged};
use crate::http::reply::{Answer, BodyAnswer, Listing, show};
use crate::session::Caller;
use crate::value::DayOrMoment;
use crate::value::period::{JAKARTA, Window};
use crate::wire::billing::v1::{
    CancelPaymentRequest, ConfirmPaymentRequest, CreatePaymentRequest, GetBillRequest, GetPaymentRequest,
    ListPaymentsRequest, Payment, PaymentMethod, PaymentStatus, PaymentType, RefundPaymentRequest,
};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_payments, create_payment))
        .routes(routes!(get_payment))
        .routes(routes!(cancel_payment))
        .routes(routes!(get_receipt))
        .routes(routes!(confirm_payment))
        .routes(routes!(refund_payment))
}

/// Which payments.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PaymentsQuery {
    /// Those of this customer only. Administrators may name anyone; customers see their own in any case.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
    /// Those in this status only.
    status: Option<PaymentStatus>,
    /// Those through this method only.
    payment_method: Option<PaymentMethod>,
    /// Those of this type only.
    payment_type: Option<PaymentType>,
    /// `true`: those only that a person should look at. For administrators.
    #[param(example = true)]
    needs_attention: Option<bool>,
    /// Made from this day in Jakarta or this moment on.
    #[param(value_type = Option<String>, example = "2026-11-01")]
    from: Option<DayOrMoment>,
    /// Made until the end of this day in Jakarta, or before this moment.
    #[param(value_type = Option<String>, example = "2026-11-22T17:00:00Z")]
    to: Option<DayOrMoment>,
}

/// List payments, newest first.
#[utoipa::path(
    get, path = "/payments", tag = "payments", params(Paged<PaymentsQuery, 100, 1000>),
    responses((status = 200, description = "A page of payments.", body = Listing<Payment>)),
)]
async fn list_payments(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<PaymentsQuery, 100, 1000>,
) -> Answer {
    let scope = gateway.scope(&actor, Resource::Payment, query.customer_id).await?;
    let zone = Zone::named(JAKARTA).ok_or(Failure::Broken("the time zones"))?;
    let window = Window::of_days(query.from, query.to, &zone)?;
    let request = ListPaymentsRequest {
        customer_id: scope.into(),
        status: query.status.unwrap_or_default().into(),
        method: query.payment_method.unwrap_or_default().into(),
        r#type: query.payment_type.unwrap_or_default().into(),
        from: window.from,
        to: window.to,
        page_size: page.size,
        page_token: page.token.clone(),
        // What only administrators see is no filter for others.
        needs_attention: query.needs_attention == Some(true) && may(&actor, Resource::Author).is_ok(),
    };
    let found = answer(BILLING, "payment", gateway.services.payments().list_payments(request).await)?;
    show(&actor, page.listing(found).owned(&actor, Resource::Payment))
}

/// Pay: top up a balance or pay a bill.
///
/// Customers get a page of Midtrans or Xendit (`payment_url`) where they pay; administrators enter what they took by hand.
/// The payment is credited when the gateway says that the money came, not when the customer comes back from its page.
#[utoipa::path(
    post, path = "/payments", tag = "payments", request_body = NewPayment,
    params((
        "Idempotency-Key" = String, Header,
        description = "Chosen by the caller, 1 to 200 visible ASCII characters, new for every payment: the same request with \
            the same key is answered with the same payment.",
        example = "9f3b7a52-6c1e-4d0a-8f57-2a1c3e5b7d90",
    )),
    responses(
        (status = 201, description = "The payment, made now or by the same request before.", body = Payment),
        (status = 400, description = "The `Idempotency-Key` is missing or not acceptable, or the body is no JSON."),
        (status = 404, description = "There is no such customer."),
        (
            status = 409,
            description = "The key was used for another request, the voucher does not hold, or the bill cannot be paid.",
        ),
        (
            status = 503,
            description = "The gateway of payments or billing does not answer; `Retry-After` says when to repeat the same request.",
        ),
    ),
)]
async fn create_payment(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewPayment>,
) -> BodyAnswer {
    narrow(&actor, Resource::Payment, new.customer_id.clone())?;
    let by_hand = may(&actor, Resource::Settlement).is_ok();
    new.check(by_hand)?;
    let payer = gateway.sessions.customer(&one_customer(&actor, Resource::Payment, new.customer_id)?).await?;
    if let Some(id) = &new.bill_id {
        check_bill(&gateway, payer.id.as_str(), id).await?;
    }
    let request = CreatePaymentRequest {
        // Two who choose the same word do not mean the same payment.
        key: format!("{}|{key}", actor.id.as_str()),
        customer_id: payer.id.into(),
        customer_name: payer.full_name,
        customer_email: payer.email,
        method: new.payment_method.into(),
        r#type: new.payment_type.into(),
        amount: new.amount.unwrap_or_default(),
        voucher_code: new.voucher_code.unwrap_or_default(),
        bill_id: new.bill_id.unwrap_or_default(),
        return_url: new.return_url.unwrap_or_default(),
        made_by: if by_hand { actor.id.clone().into() } else { String::new() },
        reason: new.reason.unwrap_or_default(),
    };
    let made = one_by_key(BILLING, "payment", gateway.services.payments().create_payment(request).await)?;
    let place = format!("/payments/{}", made.id);
    show(&actor, made).map(|reply| reply.created(&place))
}

/// Whether there is such a bill of the customer. Somebody else's is answered like one that is not there.
async fn check_bill(gateway: &Gateway, customer: &str, id: &str) -> Result<(), Failure> {
    let request = GetBillRequest { id: id.to_owned() };
    match one(BILLING, "bill", gateway.services.bills().get_bill(request).await) {
        Ok(bill) if bill.customer_id == customer => Ok(()),
        Ok(_) | Err(Failure::NotFound(_) | Failure::Invalid(_)) => {
            Err(Failure::invalid("bill_id", "there is no such bill of the customer"))
        }
        Err(failure) => Err(failure),
    }
}

/// Get a payment.
#[utoipa::path(
    get, path = "/payments/{id}", tag = "payments",
    params(("id" = String, Path, description = "Its id.", example = "payment-7f3a")),
    responses((status = 200, description = "The payment.", body = Payment)),
)]
async fn get_payment(State(gateway): State<Gateway>, Caller { actor, .. }: Caller, Id(id): Id) -> Answer {
    show(&actor, visible_payment(&gateway, &actor, id).await?)
}

async fn visible_payment(gateway: &Gateway, actor: &Actor, id: String) -> Result<Payment, Failure> {
    // For whom no payment is, none is looked up.
    narrow(actor, Resource::Payment, None)?;
    let found = gateway.services.payments().get_payment(GetPaymentRequest { id }).await;
    visible(actor, Resource::Payment, "payment", one(BILLING, "payment", found)?)
}

/// Cancel a payment that nobody paid.
///
/// The gateway's page may still be open; what is paid there all the same is credited.
#[utoipa::path(
    post, path = "/payments/{id}/cancel", tag = "payments",
    params(("id" = String, Path, description = "Its id.", example = "payment-7f3a")),
    responses(
        (status = 200, description = "The payment as it is now.", body = Payment),
        (status = 409, description = "It is not pending."),
    ),
)]
async fn cancel_payment(State(gateway): State<Gateway>, Caller { actor, .. }: Caller, Id(id): Id) -> Answer {
    let id = visible_payment(&gateway, &actor, id).await?.id;
    let request = CancelPaymentRequest { id, made_by: actor.id.clone().into() };
    show(&actor, one(BILLING, "payment", gateway.services.payments().cancel_payment(request).await)?)
}

/// Get the receipt of a payment.
#[utoipa::path(
    get, path = "/payments/{id}/receipt", tag = "payments",
    params(("id" = String, Path, description = "The payment's id.", example = "payment-7f3a")),
    responses(
        (status = 200, description = "The receipt.", body = Receipt),
        (status = 409, description = "It was never paid."),
    ),
)]
async fn get_receipt(State(gateway): State<Gateway>, Caller { actor, .. }: Caller, Id(id): Id) -> Answer {
    let payment = visible_payment(&gateway, &actor, id).await?;
    let name = match UserId::new(&payment.customer_id) {
        Some(customer) => {
            gateway.sessions.store.account_by_id(&customer).await?.map(|account| account.user.full_name)
        }
        None => None,
    };
    show(&actor, Receipt::of(payment, name)?)
}

/// Confirm a payment whose money came. For administrators.
///
/// For those that the gateway does not know about, or of which it says another amount.
#[utoipa::path(
    post, path = "/payments/{id}/confirm", tag = "payments", request_body = Confirmation,
    params(("id" = String, Path, description = "The payment's id.", example = "payment-7f3a")),
    responses(
        (status = 200, description = "The payment as it is now.", body = Payment),
        (status = 409, description = "It is credited already."),
    ),
)]
async fn confirm_payment(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Json(Confirmation { reason }): Json<Confirmation>,
) -> BodyAnswer {
    may(&actor, Resource::Settlement)?;
    let mut faults = Faults::default();
    faults.check_reason(&reason);
    faults.none()?;
    let request = ConfirmPaymentRequest { id, reason, made_by: actor.id.clone().into() };
    show(&actor, one(BILLING, "payment", gateway.services.payments().confirm_payment(request).await)?)
}

/// Give back some or all of a payment. For administrators.
///
/// `refunded_amount` rises when the gateway says that the money went back, which may be days later.
#[utoipa::path(
    post, path = "/payments/{id}/refunds", tag = "payments", request_body = NewRefund,
    params(
        ("id" = String, Path, description = "The payment's id.", example = "payment-7f3a"),
        (
            "Idempotency-Key" = String, Header,
            description = "Chosen by the caller, 1 to 200 visible ASCII characters, new for every refund of the payment: \
                with the same key it is given once.",
            example = "refund-2026-11-22",
        ),
    ),
    responses(
        (status = 200, description = "The payment as it is now.", body = Payment),
        (status = 400, description = "The `Idempotency-Key` is missing or not acceptable, or the body is no JSON."),
        (status = 409, description = "There is not so much to give back, or the key was used for another refund."),
        (
            status = 503,
            description = "The gateway of payments or billing does not answer; `Retry-After` says when to repeat the same request.",
        ),
    ),
)]
async fn refund_payment(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    IdempotencyKey(key): IdempotencyKey,
    Json(refund): Json<NewRefund>,
) -> BodyAnswer {
    may(&actor, Resource::Settlement)?;
    refund.check()?;
    let request = RefundPaymentRequest {
        id,
        key,
        amount: refund.amount.unwrap_or_default(),
        reason: refund.reason,
        made_by: actor.id.clone().into(),
        by_hand: refund.by_hand,
    };
    show(&actor, one_by_key(BILLING, "payment", gateway.services.payments().refund_payment(request).await)?)
}
