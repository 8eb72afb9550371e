//! Vouchers over gRPC: calls to use cases and back, refusals to status codes.

use indowater_common::domain::request::{Page, Problems};
use indowater_common::grpc::{continue_trace, invalid, refused_for, wrong};
use indowater_proto::voucher::v1 as pb;
use indowater_proto::voucher::v1::voucher_service_server::{VoucherService, VoucherServiceServer};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tracing::{Instrument, Span};

use crate::app::vouchers::Vouchers;
use crate::domain::list::{UsageFilter, VoucherFilter};
use crate::domain::redemption::PurchaseDraft;
use crate::domain::refusal::Refusal;
use crate::wire;

/// What voucher serves.
pub fn routes(vouchers: Vouchers) -> Routes {
    Routes::new(VoucherServiceServer::new(Calls(vouchers)))
}

struct Calls(Vouchers);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl VoucherService for Calls {
    async fn create_voucher(
        &self,
        request: Request<pb::CreateVoucherRequest>,
    ) -> Answer<pb::CreateVoucherResponse> {
        let span = span("CreateVoucher", &request);
        let voucher = request.into_inner().voucher.ok_or_else(|| missing("voucher"))?;
        let (voucher, now) = self.0.create(wire::draft(voucher)).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::CreateVoucherResponse { voucher: Some(wire::voucher(voucher, now)) }))
    }

    async fn get_voucher(&self, request: Request<pb::GetVoucherRequest>) -> Answer<pb::GetVoucherResponse> {
        let span = span("GetVoucher", &request);
        let pb::GetVoucherRequest { id, code } = request.into_inner();
        let (voucher, now) = self.0.voucher(&id, &code).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::GetVoucherResponse { voucher: Some(wire::voucher(voucher, now)) }))
    }

    async fn list_vouchers(
        &self,
        request: Request<pb::ListVouchersRequest>,
    ) -> Answer<pb::ListVouchersResponse> {
        let span = span("ListVouchers", &request);
        let request = request.into_inner();
        let wanted =
            pb::VoucherStatus::try_from(request.status).map_err(|_| invalid("status", "is not known"))?;
        let filter = VoucherFilter::new(wire::status_from_wire(wanted), &request.text).map_err(status)?;
        let page = page(request.page_size, request.page_token)?;
        let ((vouchers, next_page_token), now) =
            self.0.vouchers(&filter, &page).instrument(span).await.map_err(status)?;
        let vouchers = vouchers.into_iter().map(|voucher| wire::voucher(voucher, now)).collect();
        Ok(Response::new(pb::ListVouchersResponse { vouchers, next_page_token }))
    }

    async fn deactivate_voucher(
        &self,
        request: Request<pb::DeactivateVoucherRequest>,
    ) -> Answer<pb::DeactivateVoucherResponse> {
        let span = span("DeactivateVoucher", &request);
        let (voucher, now) =
            self.0.deactivate(&request.get_ref().id).instrument(span).await.map_err(status)?;
        Ok(Response::new(pb::DeactivateVoucherResponse { voucher: Some(wire::voucher(voucher, now)) }))
    }

    async fn list_voucher_usage(
        &self,
        request: Request<pb::ListVoucherUsageRequest>,
    ) -> Answer<pb::ListVoucherUsageResponse> {
        let span = span("ListVoucherUsage", &request);
        let request = request.into_inner();
        let filter = UsageFilter::new(request.voucher_id, request.customer_id).map_err(status)?;
        let page = page(request.page_size, request.page_token)?;
        let (usage, next_page_token) = self.0.usage(&filter, &page).instrument(span).await.map_err(status)?;
        let usage = usage.into_iter().map(wire::usage).collect();
        Ok(Response::new(pb::ListVoucherUsageResponse { usage, next_page_token }))
    }

    async fn list_applicable_vouchers(
        &self,
        request: Request<pb::ListApplicableVouchersRequest>,
    ) -> Answer<pb::ListApplicableVouchersResponse> {
        let span = span("ListApplicableVouchers", &request);
        let request = request.into_inner();
        let asked = self.0.applicable(request.customer_id, request.purchase_amount);
        let ((applicable, amount), now) = asked.instrument(span).await.map_err(status)?;
        let vouchers = applicable
            .into_iter()
            .map(|(voucher, off)| pb::ApplicableVoucher {
                voucher: Some(wire::voucher(voucher, now)),
                discount_amount: off.get(),
                final_amount: amount.less(off).get(),
            })
            .collect();
        Ok(Response::new(pb::ListApplicableVouchersResponse { vouchers }))
    }

    async fn validate_voucher(
        &self,
        request: Request<pb::ValidateVoucherRequest>,
    ) -> Answer<pb::ValidateVoucherResponse> {
        use pb::validate_voucher_response::Outcome;
        let span = span("ValidateVoucher", &request);
        let request = request.into_inner();
        let asked = self.0.validate(&request.code, request.customer_id, request.purchase_amount);
        let outcome = match asked.instrument(span).await {
            Ok((off, left)) => {
                Outcome::Saving(pb::Saving { discount_amount: off.get(), final_amount: left.get() })
            }
            Err(Refusal::DoesNotHold(refused)) => Outcome::Refused(wire::refused(refused)),
            Err(refusal) => return Err(status(refusal)),
        };
        Ok(Response::new(pb::ValidateVoucherResponse { outcome: Some(outcome) }))
    }

    async fn reserve_voucher(
        &self,
        request: Request<pb::ReserveVoucherRequest>,
    ) -> Answer<pb::ReserveVoucherResponse> {
        use pb::reserve_voucher_response::Outcome;
        let span = span("ReserveVoucher", &request);
        let request = request.into_inner();
        let draft = PurchaseDraft {
            payment_id: request.payment_id,
            code: request.code,
            customer_id: request.customer_id,
            customer_email: request.customer_email,
            purchase_amount: request.purchase_amount,
        };
        let reserved = self.0.reserve(draft, request.time_to_live_seconds).instrument(span).await;
        let outcome = match reserved {
            Ok(reservation) => Outcome::Reservation(wire::reservation(reservation)),
            Err(Refusal::DoesNotHold(refused)) => Outcome::Refused(wire::refused(refused)),
            Err(refusal) => return Err(status(refusal)),
        };
        Ok(Response::new(pb::ReserveVoucherResponse { outcome: Some(outcome) }))
    }

    async fn commit_voucher(
        &self,
        request: Request<pb::CommitVoucherRequest>,
    ) -> Answer<pb::CommitVoucherResponse> {
        let span = span("CommitVoucher", &request);
        let request = request.into_inner();
        let draft = PurchaseDraft {
            payment_id: request.payment_id,
            code: request.code,
            customer_id: request.customer_id,
            customer_email: request.customer_email,
            purchase_amount: request.purchase_amount,
        };
        let settled = self.0.commit(draft, request.discount_amount).instrument(span).await;
        let usage = settled.map_err(status)?.map(wire::usage);
        let outcome = if usage.is_some() { pb::CommitOutcome::Redeemed } else { pb::CommitOutcome::Lapsed };
        Ok(Response::new(pb::CommitVoucherResponse { outcome: outcome.into(), usage }))
    }

    async fn release_voucher(
        &self,
        request: Request<pb::ReleaseVoucherRequest>,
    ) -> Answer<pb::ReleaseVoucherResponse> {
        let span = span("ReleaseVoucher", &request);
        let released = self.0.release(request.into_inner().payment_id).instrument(span).await;
        let state = wire::state_to_wire(released.map_err(status)?);
        Ok(Response::new(pb::ReleaseVoucherResponse { state: state.into() }))
    }
}

fn span<T>(call: &'static str, request: &Request<T>) -> Span {
    let span = tracing::info_span!("voucher", otel.name = call, otel.kind = "server");
    continue_trace(&span, request);
    span
}

fn page(size: i32, token: String) -> Result<Page, Status> {
    Page::new(size, token).map_err(|problems| status(problems.into()))
}

fn missing(field: &'static str) -> Status {
    status(Problems::of(field, "is missing").into())
}

fn status(refusal: Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::Invalid(problems) => wrong(problems),
        Refusal::NotFound(_) => Status::not_found(message),
        Refusal::Taken { field, .. } => {
            refused_for(Code::AlreadyExists, &format!("{}_TAKEN", field.to_uppercase()), message)
        }
        Refusal::Differs { .. } => refused_for(Code::AlreadyExists, "DIFFERS", message),
        Refusal::DoesNotHold(_) => Status::failed_precondition(message),
        Refusal::Unavailable(_) => Status::unavailable(message),
    }
}
