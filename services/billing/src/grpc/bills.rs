//! The gRPC edge of bills, of who pays how, and of what came in.

use indowater_common::domain::zone::{Day, Zone};
use indowater_common::grpc::{invalid, page_size};
use indowater_proto::billing::v1 as proto;
use indowater_proto::billing::v1::bill_service_server::BillService;
use tonic::{Request, Response, Status};

use super::{required, unavailable};
use crate::app::bills::BillDesk;
use crate::app::questions::Questions;
use crate::domain::bill::{HOME_ZONE, Mode, Status as BillStatus};
use crate::domain::ledger::AccountDay;
use crate::wire;

pub(super) struct Bills {
    pub(super) desk: BillDesk,
    pub(super) questions: Questions,
}

/// Days of a report at most.
const LONGEST_REPORT: i32 = 400;

#[tonic::async_trait]
impl BillService for Bills {
    async fn list_bills(
        &self,
        request: Request<proto::ListBillsRequest>,
    ) -> Result<Response<proto::ListBillsResponse>, Status> {
        let request = request.into_inner();
        let page = page_size(request.page_size)?;
        let status = match request.status() {
            proto::BillStatus::Unspecified => None,
            proto::BillStatus::Open => Some(BillStatus::Open),
            proto::BillStatus::Paid => Some(BillStatus::Paid),
            proto::BillStatus::Carried => Some(BillStatus::Carried),
        };
        let token = wire::given(request.page_token);
        // A token is the last bill's id, which ends with its month.
        let wrong = || invalid("page_token", "is not one that this list has given");
        let after = token.as_deref().map(|id| id.rsplit_once('|').map(|(_, month)| (month, id)));
        let after = after.map(|read| read.ok_or_else(wrong)).transpose()?;
        let customer = wire::given(request.customer_id);
        let found = self.desk.list(customer.as_deref(), status, after, page).await.map_err(unavailable)?;
        let last = found.last().filter(|_| found.len() == page);
        Ok(Response::new(proto::ListBillsResponse {
            next_page_token: last.map(|last| last.id()).unwrap_or_default(),
            bills: found.iter().map(wire::bill).collect(),
        }))
    }

    async fn get_bill(
        &self,
        request: Request<proto::GetBillRequest>,
    ) -> Result<Response<proto::GetBillResponse>, Status> {
        let id = required("id", request.into_inner().id)?;
        let found = self.desk.bill(&id).await.map_err(unavailable)?;
        let bill = found.ok_or_else(|| Status::not_found(format!("there is no bill {id:?}")))?;
        Ok(Response::new(proto::GetBillResponse { bill: Some(wire::bill(&bill)) }))
    }

    async fn get_account(
        &self,
        request: Request<proto::GetAccountRequest>,
    ) -> Result<Response<proto::GetAccountResponse>, Status> {
        let customer_id = required("customer_id", request.into_inner().customer_id)?;
        let account = self.desk.account(&customer_id).await.map_err(unavailable)?;
        Ok(Response::new(proto::GetAccountResponse { account: Some(wire::account(&account)) }))
    }

    async fn set_account(
        &self,
        request: Request<proto::SetAccountRequest>,
    ) -> Result<Response<proto::SetAccountResponse>, Status> {
        let request = request.into_inner();
        let mode = match request.mode() {
            proto::AccountMode::Unspecified => return Err(invalid("mode", "must be prepaid or postpaid")),
            proto::AccountMode::Prepaid => Mode::Prepaid,
            proto::AccountMode::Postpaid => Mode::Postpaid,
        };
        let zone = wire::given(request.time_zone).unwrap_or_else(|| HOME_ZONE.to_owned());
        let zone = Zone::named(&zone)
            .ok_or_else(|| invalid("time_zone", "must be the IANA name of a zone, such as Asia/Makassar"))?;
        let customer_id = required("customer_id", request.customer_id)?;
        let set_by = required("set_by", request.set_by)?;
        let account = self.desk.set_account(&customer_id, mode, &zone, &set_by).await.map_err(unavailable)?;
        Ok(Response::new(proto::SetAccountResponse { account: Some(wire::account(&account)) }))
    }

    async fn get_revenue(
        &self,
        request: Request<proto::GetRevenueRequest>,
    ) -> Result<Response<proto::GetRevenueResponse>, Status> {
        let proto::GetRevenueRequest { from, to } = request.into_inner();
        let day = |field: &str, text: &str| {
            Day::parse(text).ok_or_else(|| invalid(field, "must be a date YYYY-MM-DD"))
        };
        let (from, to) = (day("from", &from)?, day("to", &to)?);
        if !(0..LONGEST_REPORT).contains(&(to.0 - from.0)) {
            return Err(invalid("to", "must not be before `from`, nor more than 400 days after it"));
        }
        let days = self.questions.revenue(from, to).await.map_err(unavailable)?;
        let day = |day: AccountDay| proto::AccountDay {
            date: day.date,
            account: day.account,
            amount: day.amount,
            legs: day.legs,
        };
        Ok(Response::new(proto::GetRevenueResponse { days: days.into_iter().map(day).collect() }))
    }
}
