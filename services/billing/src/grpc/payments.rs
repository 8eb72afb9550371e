//! The gRPC edge of payments.

use std::sync::Arc;
use std::time::Duration;

use indowater_common::grpc::{RETRY_AFTER, continue_trace, invalid, page_size, refused_for, wrong};
use indowater_proto::billing::v1 as proto;
use indowater_proto::billing::v1::payment_service_server::PaymentService;
use jiff::Timestamp;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status};
use tracing::Instrument as _;

use super::{required, unavailable};
use crate::app::payments::{Cashier, RefundWish, Refusal, Verdict};
use crate::domain::payment::{self, Rupiah};
use crate::domain::purchase::{Method, Purchase, Purpose};
use crate::domain::transaction::{After, PaymentFilter, Transaction};
use crate::wire;

pub(super) struct Payments {
    pub(super) cashier: Arc<Cashier>,
}

#[tonic::async_trait]
impl PaymentService for Payments {
    async fn create_payment(
        &self,
        request: Request<proto::CreatePaymentRequest>,
    ) -> Result<Response<proto::CreatePaymentResponse>, Status> {
        let span = tracing::info_span!("create payment");
        continue_trace(&span, &request);
        let purchase = purchase(request.into_inner())?;
        let cashier = self.cashier.clone();
        let payment = to_its_end(async move { cashier.create(purchase).await }.instrument(span)).await?;
        Ok(Response::new(proto::CreatePaymentResponse { payment: Some(payment) }))
    }

    async fn get_payment(
        &self,
        request: Request<proto::GetPaymentRequest>,
    ) -> Result<Response<proto::GetPaymentResponse>, Status> {
        let id = required("id", request.into_inner().id)?;
        let payment = Some(wire::payment(&self.cashier.payment(&id).await.map_err(refused)?));
        Ok(Response::new(proto::GetPaymentResponse { payment }))
    }

    async fn list_payments(
        &self,
        request: Request<proto::ListPaymentsRequest>,
    ) -> Result<Response<proto::ListPaymentsResponse>, Status> {
        let request = request.into_inner();
        let page = page_size(request.page_size)?;
        let wanted = PaymentFilter {
            status: status(request.status()),
            method: method(request.method()),
            bills: match request.r#type() {
                proto::PaymentType::Unspecified => None,
                proto::PaymentType::BalanceTopup => Some(false),
                proto::PaymentType::WaterBill => Some(true),
            },
            from: moment("from", request.from)?,
            to: moment("to", request.to)?,
            customer_id: wire::given(request.customer_id),
            needs_attention: request.needs_attention,
        };
        let found = self.cashier.list(&wanted, after(&request.page_token)?, page).await.map_err(refused)?;
        let last = found.last().filter(|_| found.len() == page);
        let token = last.map(|last| format!("{}|{}", last.created_at.as_millisecond(), last.payment.id()));
        Ok(Response::new(proto::ListPaymentsResponse {
            next_page_token: token.unwrap_or_default(),
            payments: found.iter().map(wire::payment).collect(),
        }))
    }

    async fn cancel_payment(
        &self,
        request: Request<proto::CancelPaymentRequest>,
    ) -> Result<Response<proto::CancelPaymentResponse>, Status> {
        let proto::CancelPaymentRequest { id, made_by } = request.into_inner();
        let (id, made_by) = (required("id", id)?, required("made_by", made_by)?);
        let cashier = self.cashier.clone();
        let payment = to_its_end(async move { cashier.cancel(&id, &made_by).await }).await?;
        Ok(Response::new(proto::CancelPaymentResponse { payment: Some(payment) }))
    }

    async fn confirm_payment(
        &self,
        request: Request<proto::ConfirmPaymentRequest>,
    ) -> Result<Response<proto::ConfirmPaymentResponse>, Status> {
        let proto::ConfirmPaymentRequest { id, reason, made_by } = request.into_inner();
        let (id, reason) = (required("id", id)?, required("reason", reason)?);
        let made_by = required("made_by", made_by)?;
        let confirmed = self.cashier.confirm(&id, &reason, &made_by).await.map_err(refused)?;
        Ok(Response::new(proto::ConfirmPaymentResponse { payment: Some(wire::payment(&confirmed)) }))
    }

    async fn refund_payment(
        &self,
        request: Request<proto::RefundPaymentRequest>,
    ) -> Result<Response<proto::RefundPaymentResponse>, Status> {
        let proto::RefundPaymentRequest { id, key, amount, reason, made_by, by_hand } = request.into_inner();
        let wish = RefundWish {
            id: required("id", id)?,
            key: required("key", key)?,
            amount: (amount != 0).then(|| rupiah("amount", amount)).transpose()?,
            reason: required("reason", reason)?,
            made_by: required("made_by", made_by)?,
            by_hand,
        };
        let cashier = self.cashier.clone();
        let payment = to_its_end(async move { cashier.refund(wish).await }).await?;
        Ok(Response::new(proto::RefundPaymentResponse { payment: Some(payment) }))
    }

    async fn receive_notification(
        &self,
        request: Request<proto::ReceiveNotificationRequest>,
    ) -> Result<Response<proto::ReceiveNotificationResponse>, Status> {
        let span = tracing::info_span!("receive notification");
        continue_trace(&span, &request);
        let request = request.into_inner();
        let method = method(request.gateway()).filter(|method| *method != Method::Manual);
        let method = method.ok_or_else(|| invalid("gateway", "must be one that sends notifications"))?;
        let headers = request.headers.into_iter().collect();
        let received = self.cashier.receive(method, &request.body, headers).instrument(span).await;
        let verdict = match received.map_err(unavailable)? {
            Verdict::Taken => proto::NotificationVerdict::Taken,
            Verdict::UnknownOrder => proto::NotificationVerdict::UnknownOrder,
            Verdict::Forged => proto::NotificationVerdict::Forged,
            Verdict::Unreadable => proto::NotificationVerdict::Unreadable,
        };
        Ok(Response::new(proto::ReceiveNotificationResponse { verdict: verdict.into() }))
    }
}

/// Does something that speaks to a gateway in a task of its own: whoever asks may give up, and what was begun is brought to its end
/// all the same.
async fn to_its_end(
    work: impl Future<Output = Result<Transaction, Refusal>> + Send + 'static,
) -> Result<proto::Payment, Status> {
    let done = tokio::spawn(work).await.map_err(|_| Status::internal("it was not brought to its end"))?;
    Ok(wire::payment(&done.map_err(refused)?))
}

fn purchase(request: proto::CreatePaymentRequest) -> Result<Purchase, Status> {
    let method = method(request.method()).ok_or_else(|| invalid("payment_method", "is required"))?;
    let purpose = match request.r#type() {
        proto::PaymentType::Unspecified => return Err(invalid("payment_type", "is required")),
        proto::PaymentType::BalanceTopup => Purpose::TopUp(rupiah("amount", request.amount)?),
        proto::PaymentType::WaterBill => Purpose::Bill(request.bill_id),
    };
    Ok(Purchase {
        key: request.key,
        customer_id: request.customer_id,
        customer_name: request.customer_name,
        customer_email: request.customer_email,
        method,
        purpose,
        voucher_code: wire::given(request.voucher_code),
        return_url: wire::given(request.return_url),
        made_by: wire::given(request.made_by),
        reason: wire::given(request.reason),
    })
}

fn method(method: proto::PaymentMethod) -> Option<Method> {
    match method {
        proto::PaymentMethod::Unspecified => None,
        proto::PaymentMethod::Midtrans => Some(Method::Midtrans),
        proto::PaymentMethod::Xendit => Some(Method::Xendit),
        proto::PaymentMethod::Manual => Some(Method::Manual),
    }
}

fn status(status: proto::PaymentStatus) -> Option<payment::Status> {
    match status {
        proto::PaymentStatus::Unspecified => None,
        proto::PaymentStatus::Pending => Some(payment::Status::Pending),
        proto::PaymentStatus::Paid => Some(payment::Status::Paid),
        proto::PaymentStatus::Failed => Some(payment::Status::Failed),
        proto::PaymentStatus::Expired => Some(payment::Status::Expired),
        proto::PaymentStatus::Reversed => Some(payment::Status::Reversed),
        proto::PaymentStatus::Refunded => Some(payment::Status::Refunded),
    }
}

fn rupiah(field: &str, amount: i64) -> Result<Rupiah, Status> {
    Rupiah::new(amount).map_err(|error| invalid(field, &error.to_string()))
}

fn moment(field: &str, seconds: i64) -> Result<Option<Timestamp>, Status> {
    let moment = (seconds != 0).then(|| Timestamp::from_second(seconds)).transpose();
    moment.map_err(|_| invalid(field, "is beyond the calendar"))
}

fn after(token: &str) -> Result<Option<After>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (at, id) = token.split_once('|')?;
        Some((Timestamp::from_millisecond(at.parse().ok()?).ok()?, id.to_owned()))
    };
    read().map(Some).ok_or_else(|| invalid("page_token", "is not one that this list has given"))
}

fn refused(refusal: Refusal) -> Status {
    match refusal {
        Refusal::Wrong(problems) => wrong(problems),
        Refusal::KeyTaken => refused_for(
            Code::AlreadyExists,
            "KEY_REUSED",
            "The key was used for another request; choose a new one.",
        ),
        Refusal::NotFound => Status::not_found("there is no such payment"),
        Refusal::Not { reason, why } => refused_for(Code::FailedPrecondition, &reason, why),
        Refusal::Unavailable(error) => unavailable(error),
        Refusal::Later { why, after } => {
            tracing::warn!(why, "a gateway is not available");
            later("the gateway of payments does not answer; try again", after)
        }
    }
}

/// Not now: again after the wait, which is told in whole seconds.
fn later(message: &str, after: Duration) -> Status {
    let mut status = Status::unavailable(message);
    status.metadata_mut().insert(RETRY_AFTER, MetadataValue::from(after.as_secs().saturating_add(1)));
    status
}
