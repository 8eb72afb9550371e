//! Vouchers that are answered from memory, for tests of what stands before them: one voucher, which customer-001 and
//! customer-002 redeemed.

use indowater_proto::voucher::v1 as pb;
use indowater_proto::voucher::v1::voucher_service_server::VoucherService;
use tonic::{Request, Response, Status};

use super::fake::Fake;

fn voucher() -> pb::Voucher {
    pb::Voucher {
        id: "voucher-001".to_owned(),
        code: "HEMAT10".to_owned(),
        description: "Ten percent".to_owned(),
        discount_type: pb::DiscountType::Percentage.into(),
        discount_value: "10.5".to_owned(),
        min_purchase_amount: 50_000,
        max_discount_amount: Some(25_000),
        usage_count: 2,
        per_customer_limit: 1,
        valid_from: "2026-10-31T17:00:00Z".to_owned(),
        valid_until: "2026-11-30T17:00:00Z".to_owned(),
        status: pb::VoucherStatus::Active.into(),
        created_by: "admin-001".to_owned(),
        created_at: "2026-10-28T02:00:00Z".to_owned(),
        ..pb::Voucher::default()
    }
}

fn usage(customer: &str) -> pb::VoucherUsage {
    pb::VoucherUsage {
        id: format!("usage of {customer}"),
        voucher_id: "voucher-001".to_owned(),
        voucher_code: "HEMAT10".to_owned(),
        customer_id: customer.to_owned(),
        customer_email: format!("{customer}@example.com"),
        purchase_amount: 100_000,
        discount_amount: 10_000,
        final_amount: 90_000,
        used_at: "2026-11-22T03:17:00Z".to_owned(),
        transaction_id: String::new(),
    }
}

fn known(id: &str) -> Result<pb::Voucher, Status> {
    if id == "voucher-001" { Ok(voucher()) } else { Err(Status::not_found("no")) }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl VoucherService for Fake {
    async fn create_voucher(
        &self,
        request: Request<pb::CreateVoucherRequest>,
    ) -> Answer<pb::CreateVoucherResponse> {
        let asked = request.into_inner().voucher.unwrap();
        match asked.code.as_str() {
            "TAKEN" => return Err(Status::already_exists("code \"TAKEN\" is taken")),
            "x" => {
                let text = "code must be 3 to 32 of A-Z 0-9 _ -; valid_until must be a time in RFC 3339";
                return Err(Status::invalid_argument(text));
            }
            _ => {}
        }
        let made = pb::Voucher { status: pb::VoucherStatus::Active.into(), usage_count: 0, ..asked };
        let made = pb::Voucher {
            id: "voucher-002".to_owned(),
            valid_from: voucher().valid_from,
            created_at: voucher().created_at,
            ..made
        };
        Ok(Response::new(pb::CreateVoucherResponse { voucher: Some(made) }))
    }

    async fn get_voucher(&self, request: Request<pb::GetVoucherRequest>) -> Answer<pb::GetVoucherResponse> {
        let voucher = Some(known(&request.into_inner().id)?);
        Ok(Response::new(pb::GetVoucherResponse { voucher }))
    }

    async fn list_vouchers(
        &self,
        request: Request<pb::ListVouchersRequest>,
    ) -> Answer<pb::ListVouchersResponse> {
        let asked = request.into_inner();
        let found = [voucher()].into_iter().filter(|voucher| {
            (asked.status == 0 || asked.status == voucher.status)
                && voucher.description.to_lowercase().contains(&asked.text)
        });
        Ok(Response::new(pb::ListVouchersResponse { vouchers: found.collect(), ..Default::default() }))
    }

    async fn deactivate_voucher(
        &self,
        request: Request<pb::DeactivateVoucherRequest>,
    ) -> Answer<pb::DeactivateVoucherResponse> {
        let found = known(&request.into_inner().id)?;
        let voucher = Some(pb::Voucher { status: pb::VoucherStatus::Inactive.into(), ..found });
        Ok(Response::new(pb::DeactivateVoucherResponse { voucher }))
    }

    async fn list_voucher_usage(
        &self,
        request: Request<pb::ListVoucherUsageRequest>,
    ) -> Answer<pb::ListVoucherUsageResponse> {
        let asked = request.into_inner();
        assert_ne!(asked.voucher_id.is_empty(), asked.customer_id.is_empty());
        // Everybody's, whoever was asked for: what is somebody else's must not get past the gateway.
        let usage = vec![usage("customer-001"), usage("customer-002")];
        Ok(Response::new(pb::ListVoucherUsageResponse { usage, next_page_token: String::new() }))
    }

    async fn list_applicable_vouchers(
        &self,
        request: Request<pb::ListApplicableVouchersRequest>,
    ) -> Answer<pb::ListApplicableVouchersResponse> {
        let asked = request.into_inner();
        assert!(!asked.customer_id.is_empty());
        let applicable = pb::ApplicableVoucher {
            voucher: Some(voucher()),
            discount_amount: 10_000,
            final_amount: asked.purchase_amount - 10_000,
        };
        Ok(Response::new(pb::ListApplicableVouchersResponse { vouchers: vec![applicable] }))
    }

    async fn validate_voucher(
        &self,
        request: Request<pb::ValidateVoucherRequest>,
    ) -> Answer<pb::ValidateVoucherResponse> {
        use pb::validate_voucher_response::Outcome;
        let asked = request.into_inner();
        assert!(!asked.customer_id.is_empty());
        let outcome = match asked.purchase_amount {
            1_000_000_001.. => {
                return Err(Status::invalid_argument(
                    "purchase_amount must be between 1 and 1000000000 rupiah",
                ));
            }
            50_000.. => Outcome::Saving(pb::Saving {
                discount_amount: 10_000,
                final_amount: asked.purchase_amount - 10_000,
            }),
            _ => Outcome::Refused(pb::Refused {
                reason: pb::RefusalReason::BelowMinimum.into(),
                detail: "HEMAT10 is for purchases from 50000 rupiah on".to_owned(),
            }),
        };
        Ok(Response::new(pb::ValidateVoucherResponse { outcome: Some(outcome) }))
    }

    async fn reserve_voucher(
        &self,
        _: Request<pb::ReserveVoucherRequest>,
    ) -> Answer<pb::ReserveVoucherResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn commit_voucher(
        &self,
        _: Request<pb::CommitVoucherRequest>,
    ) -> Answer<pb::CommitVoucherResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn release_voucher(
        &self,
        _: Request<pb::ReleaseVoucherRequest>,
    ) -> Answer<pb::ReleaseVoucherResponse> {
        Err(Status::unimplemented("not asked for"))
    }
}
