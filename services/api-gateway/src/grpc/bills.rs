//! The service that issues bills and knows what the accounts of the ledger received.

use indowater_common::error::Fatal;
use indowater_common::grpc::{HandOnTrace, channel};
use indowater_proto::billing::v1 as billing;
use indowater_proto::billing::v1::bill_service_client::BillServiceClient;

use super::money::BILLING;
use super::wire::Unexpected;
use super::{Traced, answer, listing, read, renamed, wire_bills as wire};
use crate::domain::access::Whose;
use crate::domain::bill::{Bill, BillingAccount, BillsQuestion, NewBillingMode};
use crate::domain::failure::Failure;
use crate::domain::page::Listing;
use crate::domain::period::Period;
use crate::domain::revenue::Revenue;
use crate::domain::user::UserId;

/// Fields of calls by the names they have here.
const NAMES: [(&str, &str); 6] = [
    ("customer_id", "customer_id"),
    ("mode", "mode"),
    ("time_zone", "time_zone"),
    ("from", "from"),
    ("to", "to"),
    ("page_token", "page_token"),
];

/// Bills, the way customers pay, and revenue. Cheap to clone.
#[derive(Clone)]
pub struct Bills {
    client: BillServiceClient<Traced>,
}

impl Bills {
    /// Asks the service at `url`, from the first question on.
    ///
    /// # Errors
    /// It is no URL.
    pub fn at(url: &str) -> Result<Self, Fatal> {
        Ok(Self { client: BillServiceClient::with_interceptor(channel(url)?, HandOnTrace) })
    }

    /// A page of bills, newest first.
    ///
    /// # Errors
    /// A page token that is none, or the service does not answer.
    pub async fn list(&self, whose: &Whose, question: BillsQuestion) -> Result<Listing<Bill>, Failure> {
        let request = wire::list(whose, question);
        let page = answer(BILLING, "bill", self.client.clone().list_bills(request).await)
            .map_err(|failure| renamed(failure, &NAMES))?;
        listing(BILLING, page.bills, page.next_page_token, wire::bill)
    }

    /// A bill.
    ///
    /// # Errors
    /// There is none of that id, or the service does not answer.
    pub async fn one(&self, id: &str) -> Result<Bill, Failure> {
        let request = billing::GetBillRequest { id: id.to_owned() };
        let found = answer(BILLING, "bill", self.client.clone().get_bill(request).await)?.bill;
        read(BILLING, found.ok_or(Unexpected("bill")).and_then(wire::bill))
    }

    /// How a customer pays. To billing nobody is unknown: of whom nothing was said pays before.
    ///
    /// # Errors
    /// The service does not answer.
    pub async fn account(&self, customer: &UserId) -> Result<BillingAccount, Failure> {
        let request = billing::GetAccountRequest { customer_id: customer.as_str().to_owned() };
        let found = answer(BILLING, "customer", self.client.clone().get_account(request).await)?.account;
        read(BILLING, found.ok_or(Unexpected("account")).and_then(wire::account))
    }

    /// Says how a customer is to pay; `set_by` answers for it.
    ///
    /// # Errors
    /// There is no such zone, it is not possible, or the service does not answer.
    pub async fn set_account(
        &self,
        customer: &UserId,
        wanted: NewBillingMode,
        set_by: &UserId,
    ) -> Result<BillingAccount, Failure> {
        let request = wire::set_account(customer, wanted, set_by);
        let set = answer(BILLING, "customer", self.client.clone().set_account(request).await)
            .map_err(|failure| renamed(failure, &NAMES))?;
        read(BILLING, set.account.ok_or(Unexpected("account")).and_then(wire::account))
    }

    /// What the utility took in on the days of `period`, in Jakarta.
    ///
    /// # Errors
    /// The period is not one that billing reckons, or the service does not answer.
    pub async fn revenue(&self, period: Period) -> Result<Revenue, Failure> {
        let request = billing::GetRevenueRequest { from: period.from.to_string(), to: period.to.to_string() };
        let found = answer(BILLING, "revenue", self.client.clone().get_revenue(request).await)
            .map_err(|failure| renamed(failure, &NAMES))?;
        let days: Result<Vec<_>, _> = found.days.into_iter().map(wire::account_day).collect();
        let report = days.and_then(|days| Revenue::of(period, &days).map_err(|_| Unexpected("account")));
        read(BILLING, report)
    }
}
