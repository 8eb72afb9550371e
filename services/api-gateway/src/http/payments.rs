//! Routes to payments, receipts and refunds.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Gateway;
use super::extract::{Id, Json, Query};
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::page::Listing;
use crate::domain::payment::{Payment, PaymentMethod, PaymentStatus, PaymentType, Receipt};
use crate::domain::purchase::{
    Confirmation, IdempotencyKey, NewPayment, NewRefund, PaymentsQuestion, PaymentsTexts,
};

/// Which payments.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PaymentsQuery {
    /// Those of this customer only. Administrators may name anyone; customers see their own in any case.
    #[param(example = "customer-001")]
    customer_id: Option<String>,
    /// Those in this status only.
    #[param(value_type = Option<PaymentStatus>)]
    status: Option<String>,
    /// Those through this method only.
    #[param(value_type = Option<PaymentMethod>)]
    payment_method: Option<String>,
    /// Those of this type only.
    #[param(value_type = Option<PaymentType>)]
    payment_type: Option<String>,
    /// `true`: those only that a person should look at. For administrators.
    #[param(value_type = Option<bool>, example = true)]
    needs_attention: Option<String>,
    /// Made from this day in Jakarta or this moment on.
    #[param(example = "2026-11-01")]
    from: Option<String>,
    /// Made until the end of this day in Jakarta, or before this moment.
    #[param(example = "2026-11-22T17:00:00Z")]
    to: Option<String>,
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 1000, default = 100)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// List payments, newest first.
#[utoipa::path(
    get,
    path = "/payments",
    tag = "payments",
    params(PaymentsQuery),
    responses(
        (status = 200, description = "A page of payments.", body = Listing<Payment>),
        (status = 403, description = "A customer named another customer, or a technician asked."),
    ),
)]
pub async fn list_payments(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<PaymentsQuery>,
) -> Result<axum::Json<Listing<Payment>>, Problem> {
    let question = PaymentsQuestion::read(PaymentsTexts {
        customer_id: query.customer_id.as_deref(),
        status: query.status.as_deref(),
        payment_method: query.payment_method.as_deref(),
        payment_type: query.payment_type.as_deref(),
        needs_attention: query.needs_attention.as_deref(),
        from: query.from.as_deref(),
        to: query.to.as_deref(),
        page_size: query.page_size.as_deref(),
        page_token: query.page_token.as_deref(),
    })?;
    Ok(axum::Json(gateway.app.payments(&caller.actor, question).await?))
}

/// Pay: top up a balance or pay a bill.
///
/// Customers get a page of Midtrans or Xendit (`payment_url`) where they pay; administrators enter what they took by hand.
/// The payment is credited when the gateway says that the money came, not when the customer comes back from its page.
#[utoipa::path(
    post,
    path = "/payments",
    tag = "payments",
    params((
        "Idempotency-Key" = String, Header,
        description = "Chosen by the caller, 1 to 200 visible ASCII characters, new for every wish: the same request with \
            the same key is answered with the same payment.",
        example = "9f3b7a52-6c1e-4d0a-8f57-2a1c3e5b7d90",
    )),
    request_body = NewPayment,
    responses(
        (status = 201, description = "The payment, made now or by the same request before.", body = Payment),
        (status = 400, description = "The `Idempotency-Key` is missing or not acceptable, or the body is no JSON."),
        (status = 403, description = "A customer named another customer, or a technician asked."),
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
pub async fn create_payment(
    State(gateway): State<Gateway>,
    caller: Caller,
    key: IdempotencyKey,
    Json(payment): Json<NewPayment>,
) -> Result<(StatusCode, axum::Json<Payment>), Problem> {
    let made = gateway.app.pay(&caller.actor, &key, payment).await;
    Ok((StatusCode::CREATED, axum::Json(made.map_err(|failure| Problem::from(failure).of_body())?)))
}

/// Get a payment.
#[utoipa::path(
    get,
    path = "/payments/{id}",
    tag = "payments",
    params(("id" = String, Path, description = "Its id.", example = "payment-7f3a")),
    responses(
        (status = 200, description = "The payment.", body = Payment),
        (status = 403, description = "A technician asked."),
    ),
)]
pub async fn get_payment(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
) -> Result<axum::Json<Payment>, Problem> {
    Ok(axum::Json(gateway.app.payment(&caller.actor, &id).await?))
}

/// Cancel a payment that nobody paid.
///
/// The gateway's page may still be open; what is paid there all the same is credited.
#[utoipa::path(
    post,
    path = "/payments/{id}/cancel",
    tag = "payments",
    params(("id" = String, Path, description = "Its id.", example = "payment-7f3a")),
    responses(
        (status = 200, description = "The payment as it is now.", body = Payment),
        (status = 403, description = "A technician asked."),
        (status = 409, description = "It is not pending."),
    ),
)]
pub async fn cancel_payment(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
) -> Result<axum::Json<Payment>, Problem> {
    Ok(axum::Json(gateway.app.cancel_payment(&caller.actor, &id).await?))
}

/// Get the receipt of a payment.
#[utoipa::path(
    get,
    path = "/payments/{id}/receipt",
    tag = "payments",
    params(("id" = String, Path, description = "The payment's id.", example = "payment-7f3a")),
    responses(
        (status = 200, description = "The receipt.", body = Receipt),
        (status = 403, description = "A technician asked."),
        (status = 409, description = "It was never paid."),
    ),
)]
pub async fn get_receipt(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
) -> Result<axum::Json<Receipt>, Problem> {
    Ok(axum::Json(gateway.app.receipt(&caller.actor, &id).await?))
}

/// Confirm a payment whose money came. For administrators.
///
/// For those that the gateway does not know about, or of which it says another amount.
#[utoipa::path(
    post,
    path = "/payments/{id}/confirm",
    tag = "payments",
    params(("id" = String, Path, description = "The payment's id.", example = "payment-7f3a")),
    request_body = Confirmation,
    responses(
        (status = 200, description = "The payment as it is now.", body = Payment),
        (status = 403, description = "Whoever asks is no administrator."),
        (status = 409, description = "It is credited already."),
    ),
)]
pub async fn confirm_payment(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
    Json(confirmation): Json<Confirmation>,
) -> Result<axum::Json<Payment>, Problem> {
    let confirmed = gateway.app.confirm_payment(&caller.actor, &id, confirmation).await;
    Ok(axum::Json(confirmed.map_err(|failure| Problem::from(failure).of_body())?))
}

/// Give back some or all of a payment. For administrators.
///
/// `refunded_amount` rises when the gateway says that the money went back, which may be days later.
#[utoipa::path(
    post,
    path = "/payments/{id}/refunds",
    tag = "payments",
    params(
        ("id" = String, Path, description = "The payment's id.", example = "payment-7f3a"),
        (
            "Idempotency-Key" = String, Header,
            description = "Chosen by the caller, 1 to 200 visible ASCII characters, new for every refund of the payment: \
                with the same key it is given once.",
            example = "refund-2026-11-22",
        ),
    ),
    request_body = NewRefund,
    responses(
        (status = 200, description = "The payment as it is now.", body = Payment),
        (status = 400, description = "The `Idempotency-Key` is missing or not acceptable, or the body is no JSON."),
        (status = 403, description = "Whoever asks is no administrator."),
        (status = 409, description = "There is not so much to give back, or the key was used for another refund."),
        (
            status = 503,
            description = "The gateway of payments or billing does not answer; `Retry-After` says when to repeat the same request.",
        ),
    ),
)]
pub async fn refund_payment(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
    key: IdempotencyKey,
    Json(refund): Json<NewRefund>,
) -> Result<axum::Json<Payment>, Problem> {
    let refunded = gateway.app.refund_payment(&caller.actor, &id, &key, refund).await;
    Ok(axum::Json(refunded.map_err(|failure| Problem::from(failure).of_body())?))
}
