//! The service that takes payments.

use std::time::Duration;

use indowater_common::error::Fatal;
use indowater_common::grpc::{HandOnTrace, RETRY_AFTER, channel};
use indowater_proto::billing::v1 as billing;
use indowater_proto::billing::v1::payment_service_client::PaymentServiceClient;
use tonic::{Code, Response, Status};

use super::money::BILLING;
use super::wire::Unexpected;
use super::{Traced, answer, listing, read, renamed, wire_payments as wire};
use crate::domain::access::Whose;
use crate::domain::failure::Failure;
use crate::domain::notification::{Notification, Verdict};
use crate::domain::page::Listing;
use crate::domain::payment::Payment;
use crate::domain::purchase::{IDEMPOTENCY_KEY, IdempotencyKey, NewRefund, PaymentsQuestion, Purchase};
use crate::domain::user::{User, UserId};

/// Fields of calls by the names they have here.
const NAMES: [(&str, &str); 15] = [
    ("key", IDEMPOTENCY_KEY),
    ("customer_id", "customer_id"),
    ("customer_name", "customer_id"),
    ("customer_email", "customer_id"),
    ("method", "payment_method"),
    ("type", "payment_type"),
    ("payment_method", "payment_method"),
    ("payment_type", "payment_type"),
    ("amount", "amount"),
    ("voucher_code", "voucher_code"),
    ("bill_id", "bill_id"),
    ("return_url", "return_url"),
    ("reason", "reason"),
    ("by_hand", "by_hand"),
    ("page_token", "page_token"),
];

/// Payments. Cheap to clone.
#[derive(Clone)]
pub struct Payments {
    client: PaymentServiceClient<Traced>,
}

impl Payments {
    /// Asks the service at `url`, from the first question on.
    ///
    /// # Errors
    /// It is no URL.
    pub fn at(url: &str) -> Result<Self, Fatal> {
        Ok(Self { client: PaymentServiceClient::with_interceptor(channel(url)?, HandOnTrace) })
    }

    /// Makes a payment of `payer`, once for its key; `made_by` is who took the money, if a person did.
    ///
    /// # Errors
    /// It is not acceptable or not possible, the key stands for another payment, or the service does not answer.
    pub async fn create(
        &self,
        key: String,
        payer: &User,
        purchase: Purchase,
        made_by: Option<&UserId>,
    ) -> Result<Payment, Failure> {
        let request = wire::create(key, payer, purchase, made_by);
        let made = changed(self.client.clone().create_payment(request).await)?.payment;
        payment(made)
    }

    /// A payment.
    ///
    /// # Errors
    /// There is none of that id, or the service does not answer.
    pub async fn one(&self, id: &str) -> Result<Payment, Failure> {
        let request = billing::GetPaymentRequest { id: id.to_owned() };
        payment(answer(BILLING, "payment", self.client.clone().get_payment(request).await)?.payment)
    }

    /// A page of payments, newest first.
    ///
    /// # Errors
    /// A page token that is none, or the service does not answer.
    pub async fn list(&self, whose: &Whose, question: PaymentsQuestion) -> Result<Listing<Payment>, Failure> {
        let request = wire::list(whose, question);
        let page = answer(BILLING, "payment", self.client.clone().list_payments(request).await)
            .map_err(|failure| renamed(failure, &NAMES))?;
        listing(BILLING, page.payments, page.next_page_token, wire::payment)
    }

    /// Ends a payment that nobody paid.
    ///
    /// # Errors
    /// It is not pending, there is none of that id, or the service does not answer; so for the next.
    pub async fn cancel(&self, id: &str, made_by: &UserId) -> Result<Payment, Failure> {
        let made_by = made_by.as_str().to_owned();
        let request = billing::CancelPaymentRequest { id: id.to_owned(), made_by };
        payment(answer(BILLING, "payment", self.client.clone().cancel_payment(request).await)?.payment)
    }

    /// Says that `made_by` saw the money of a payment that is not credited.
    ///
    /// # Errors
    /// As above, if it is credited.
    pub async fn confirm(&self, id: &str, reason: String, made_by: &UserId) -> Result<Payment, Failure> {
        let made_by = made_by.as_str().to_owned();
        let request = billing::ConfirmPaymentRequest { id: id.to_owned(), reason, made_by };
        let confirmed = answer(BILLING, "payment", self.client.clone().confirm_payment(request).await)
            .map_err(|failure| renamed(failure, &NAMES))?;
        payment(confirmed.payment)
    }

    /// Gives back some or all of a payment, once for its key.
    ///
    /// # Errors
    /// It is not possible, the key stands for another refund, or the service does not answer.
    pub async fn refund(
        &self,
        id: &str,
        key: &IdempotencyKey,
        refund: NewRefund,
        made_by: &UserId,
    ) -> Result<Payment, Failure> {
        let request = billing::RefundPaymentRequest {
            id: id.to_owned(),
            key: key.as_str().to_owned(),
            amount: refund.amount.unwrap_or_default(),
            reason: refund.reason,
            made_by: made_by.as_str().to_owned(),
            by_hand: refund.by_hand,
        };
        payment(changed(self.client.clone().refund_payment(request).await)?.payment)
    }

    /// Hands on what a gateway sent. It is stored when this returns.
    ///
    /// # Errors
    /// It is not: whatever the reason, the gateway is to send it again.
    pub async fn receive(&self, notification: Notification) -> Result<Verdict, Failure> {
        let request = wire::notification(notification);
        let outcome = self.client.clone().receive_notification(request).await;
        let verdict = answer(BILLING, "notification", outcome)
            .and_then(|received| read(BILLING, wire::verdict(received.verdict())));
        verdict.map_err(|_| Failure::Unavailable(BILLING))
    }
}

fn payment(found: Option<billing::Payment>) -> Result<Payment, Failure> {
    read(BILLING, found.ok_or(Unexpected("payment")).and_then(wire::payment))
}

/// The answer to a call that counts once for its key.
fn changed<T>(outcome: Result<Response<T>, Status>) -> Result<T, Failure> {
    let used = matches!(&outcome, Err(status) if status.code() == Code::AlreadyExists);
    let wait = outcome.as_ref().err().and_then(wait);
    answer(BILLING, "payment", outcome).map_err(|failure| match failure {
        Failure::Conflict(_) if used => {
            Failure::Reused(format!("This {IDEMPOTENCY_KEY} was used for another request; choose a new one."))
        }
        Failure::Unavailable(who) | Failure::TooSlow(who) => Failure::Unfinished(who, wait),
        other => renamed(other, &NAMES),
    })
}

/// How long the service says to wait.
fn wait(status: &Status) -> Option<Duration> {
    let seconds = status.metadata().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
