//! The service that keeps vouchers.

use indowater_common::error::Fatal;
use indowater_common::grpc::{HandOnTrace, channel};
use indowater_proto::voucher::v1 as voucher;
use indowater_proto::voucher::v1::voucher_service_client::VoucherServiceClient;
use tonic::{Response, Status};

use super::wire::Unexpected;
use super::{Traced, answer, listing, read, renamed, wire_vouchers as wire};
use crate::domain::failure::Failure;
use crate::domain::page::{Listing, Page};
use crate::domain::user::UserId;
use crate::domain::voucher::{
    ApplicableVoucher, NewValidation, NewVoucher, Validation, Voucher, VoucherUsage, VouchersQuestion,
};

const VOUCHER: &str = "voucher";

/// Fields of calls by the names they have here.
const NAMES: [(&str, &str); 14] = [
    ("code", "code"),
    ("description", "description"),
    ("discount_type", "discount_type"),
    ("discount_value", "discount_value"),
    ("min_purchase_amount", "min_purchase_amount"),
    ("max_discount_amount", "max_discount_amount"),
    ("usage_limit", "usage_limit"),
    ("per_customer_limit", "per_customer_limit"),
    ("valid_from", "valid_from"),
    ("valid_until", "valid_until"),
    ("customer_id", "customer_id"),
    ("purchase_amount", "amount"),
    ("text", "text"),
    ("page_token", "page_token"),
];

/// Vouchers. Cheap to clone.
#[derive(Clone)]
pub struct Vouchers {
    client: VoucherServiceClient<Traced>,
}

impl Vouchers {
    /// Asks the service at `url`, from the first question on.
    ///
    /// # Errors
    /// It is no URL.
    pub fn at(url: &str) -> Result<Self, Fatal> {
        Ok(Self { client: VoucherServiceClient::with_interceptor(channel(url)?, HandOnTrace) })
    }

    /// A page of vouchers.
    ///
    /// # Errors
    /// A page token that is none, or the service does not answer.
    pub async fn list(&self, question: VouchersQuestion) -> Result<Listing<Voucher>, Failure> {
        let page = told(self.client.clone().list_vouchers(wire::list(question)).await)?;
        listing(VOUCHER, page.vouchers, page.next_page_token, wire::voucher)
    }

    /// A voucher.
    ///
    /// # Errors
    /// There is none of that id, or the service does not answer.
    pub async fn one(&self, id: &str) -> Result<Voucher, Failure> {
        let request = voucher::GetVoucherRequest { id: id.to_owned(), code: String::new() };
        of(told(self.client.clone().get_voucher(request).await)?.voucher)
    }

    /// Makes a voucher; `created_by` answers for it.
    ///
    /// # Errors
    /// It is not acceptable, its code is taken, or the service does not answer.
    pub async fn create(&self, wanted: NewVoucher, created_by: &UserId) -> Result<Voucher, Failure> {
        let request = voucher::CreateVoucherRequest { voucher: Some(wire::draft(wanted, created_by)) };
        of(told(self.client.clone().create_voucher(request).await)?.voucher)
    }

    /// Ends a voucher; places that are reserved are still redeemed.
    ///
    /// # Errors
    /// There is none of that id, or the service does not answer.
    pub async fn deactivate(&self, id: &str) -> Result<Voucher, Failure> {
        let request = voucher::DeactivateVoucherRequest { id: id.to_owned() };
        of(told(self.client.clone().deactivate_voucher(request).await)?.voucher)
    }

    /// A page of the redemptions of a voucher, newest first.
    ///
    /// # Errors
    /// A page token that is none, or the service does not answer; so for the next.
    pub async fn usage_of(&self, id: &str, page: &Page) -> Result<Listing<VoucherUsage>, Failure> {
        self.usage(id, "", page).await
    }

    /// A page of the redemptions of a customer, newest first.
    ///
    /// # Errors
    /// As above.
    pub async fn usage_by(&self, customer: &UserId, page: &Page) -> Result<Listing<VoucherUsage>, Failure> {
        self.usage("", customer.as_str(), page).await
    }

    async fn usage(
        &self,
        voucher_id: &str,
        customer_id: &str,
        page: &Page,
    ) -> Result<Listing<VoucherUsage>, Failure> {
        let request = voucher::ListVoucherUsageRequest {
            voucher_id: voucher_id.to_owned(),
            customer_id: customer_id.to_owned(),
            page_size: page.size,
            page_token: page.token.clone(),
        };
        let page = told(self.client.clone().list_voucher_usage(request).await)?;
        listing(VOUCHER, page.usage, page.next_page_token, wire::usage)
    }

    /// What a customer could use for a purchase, the largest saving first. There is one page.
    ///
    /// # Errors
    /// An amount that is none, or the service does not answer.
    pub async fn applicable(
        &self,
        customer: &UserId,
        amount: i64,
    ) -> Result<Listing<ApplicableVoucher>, Failure> {
        let customer_id = customer.as_str().to_owned();
        let request = voucher::ListApplicableVouchersRequest { customer_id, purchase_amount: amount };
        let found = told(self.client.clone().list_applicable_vouchers(request).await)?;
        listing(VOUCHER, found.vouchers, String::new(), wire::applicable)
    }

    /// What a voucher would save a customer, or why it does not hold. Holds nothing.
    ///
    /// # Errors
    /// As above.
    pub async fn validate(&self, customer: &UserId, asked: NewValidation) -> Result<Validation, Failure> {
        let request = voucher::ValidateVoucherRequest {
            code: asked.code,
            customer_id: customer.as_str().to_owned(),
            purchase_amount: asked.amount,
        };
        let found = told(self.client.clone().validate_voucher(request).await)?;
        read(VOUCHER, found.outcome.ok_or(Unexpected("outcome")).and_then(wire::validation))
    }
}

fn told<T>(outcome: Result<Response<T>, Status>) -> Result<T, Failure> {
    answer(VOUCHER, "voucher", outcome).map_err(|failure| renamed(failure, &NAMES))
}

fn of(found: Option<voucher::Voucher>) -> Result<Voucher, Failure> {
    read(VOUCHER, found.ok_or(Unexpected("voucher")).and_then(wire::voucher))
}
