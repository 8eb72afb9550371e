//! The voucher service, as payments need it: a place is held when a payment is made, and redeemed or given back when it ends.

use std::sync::Arc;
use std::time::Duration;

use indowater_common::credentials::Credentials;
use indowater_common::error::{Fatal, Retry};
use indowater_common::grpc::{HandOnTrace, channel};
use indowater_proto::voucher::v1 as voucher;
use indowater_proto::voucher::v1::reserve_voucher_response::Outcome;
use indowater_proto::voucher::v1::voucher_service_client::VoucherServiceClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::app::payments::Refusal;
use crate::domain::payment::Rupiah;
use crate::domain::purchase::Purchase;
use crate::domain::transaction::Transaction;
use crate::observe;

/// The voucher service. Cheap to clone.
#[derive(Clone)]
pub struct Vouchers {
    client: VoucherServiceClient<InterceptedService<Channel, HandOnTrace>>,
}

impl Vouchers {
    /// Asks the service at `url`, from the first question on.
    ///
    /// # Errors
    /// It is no URL.
    pub fn at(url: &str, credentials: Option<&Arc<Credentials>>) -> Result<Self, Fatal> {
        let channel = channel(url, "voucher", credentials)?;
        Ok(Self { client: VoucherServiceClient::with_interceptor(channel, HandOnTrace) })
    }

    /// Holds a place for a payment; what it takes off.
    ///
    /// # Errors
    /// The voucher does not hold, or the service does not answer.
    pub async fn reserve(
        &self,
        payment_id: &str,
        code: &str,
        purchase: &Purchase,
        amount: Rupiah,
        held: Duration,
    ) -> Result<Rupiah, Refusal> {
        let request = voucher::ReserveVoucherRequest {
            payment_id: payment_id.to_owned(),
            code: code.to_owned(),
            customer_id: purchase.customer_id.clone(),
            customer_email: purchase.customer_email.clone(),
            purchase_amount: amount.get(),
            time_to_live_seconds: i64::try_from(held.as_secs()).unwrap_or(i64::MAX),
        };
        let answer = match self.client.clone().reserve_voucher(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Err(not_reserved(&status)),
        };
        match answer.outcome {
            Some(Outcome::Reservation(place)) => {
                if place.state() == voucher::ReservationState::Released {
                    let why = "The voucher's place was given back meanwhile; pay with a new Idempotency-Key.";
                    return Err(Refusal::not("VOUCHER_RELEASED", why));
                }
                Rupiah::new(place.discount_amount).map_err(|error| Refusal::Unavailable(error.into()))
            }
            Some(Outcome::Refused(refused)) => {
                let name = refused.reason().as_str_name();
                let reason = name.strip_prefix("REFUSAL_REASON_").unwrap_or(name);
                Err(Refusal::not(format!("VOUCHER_{reason}"), refused.detail))
            }
            None => Err(Refusal::Unavailable(Retry::because("voucher answered with nothing"))),
        }
    }

    /// Redeems the voucher of a payment that was credited. Whether it is granted: no place may be left for one that is paid late.
    /// The first answer is final.
    ///
    /// # Errors
    /// The service does not answer.
    pub async fn commit(&self, transaction: &Transaction) -> Result<bool, Retry> {
        let id = transaction.payment.id();
        let request = voucher::CommitVoucherRequest {
            payment_id: id.to_owned(),
            code: transaction.voucher_code.clone().unwrap_or_default(),
            customer_id: transaction.customer_id.clone(),
            customer_email: transaction.customer_email.clone(),
            purchase_amount: transaction.payment.amount().get(),
            discount_amount: transaction.payment.discount().get(),
        };
        match self.client.clone().commit_voucher(request).await {
            Ok(answer) => Ok(answer.into_inner().outcome() == voucher::CommitOutcome::Redeemed),
            Err(status) if is_final(&status) => {
                // The voucher is gone, or its place is another payment's: nothing that waiting mends.
                observe::voucher_lost(id, &status.message());
                Ok(false)
            }
            Err(status) => Err(Retry::because(status)),
        }
    }

    /// Gives the place of a payment back, if it holds one.
    ///
    /// # Errors
    /// The service does not answer.
    pub async fn release(&self, payment_id: &str) -> Result<(), Retry> {
        let request = voucher::ReleaseVoucherRequest { payment_id: payment_id.to_owned() };
        match self.client.clone().release_voucher(request).await {
            Ok(_) => Ok(()),
            Err(status) if is_final(&status) => {
                observe::voucher_lost(payment_id, &status.message());
                Ok(())
            }
            Err(status) => Err(Retry::because(status)),
        }
    }
}

fn is_final(status: &Status) -> bool {
    matches!(status.code(), Code::NotFound | Code::AlreadyExists | Code::InvalidArgument)
}

fn not_reserved(status: &Status) -> Refusal {
    match status.code() {
        Code::AlreadyExists => Refusal::KeyTaken,
        Code::InvalidArgument | Code::NotFound => Refusal::not("VOUCHER_NOT_ACCEPTABLE", status.message()),
        _ => Refusal::Unavailable(Retry::because(status)),
    }
}
