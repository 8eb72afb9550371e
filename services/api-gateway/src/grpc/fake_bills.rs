//! Bills that are answered from memory, for tests of what stands before them: one of customer-001 and one of customer-002.

use indowater_proto::billing::v1 as billing;
use indowater_proto::billing::v1::bill_service_server::BillService;
use tonic::{Request, Response, Status};

use super::fake::Fake;

fn bill(customer: &str) -> billing::Bill {
    billing::Bill {
        id: format!("bill:{customer}|2026-10"),
        customer_id: customer.to_owned(),
        month: "2026-10".to_owned(),
        charges: 71_400,
        carried_over: -1_400,
        amount: 70_000,
        status: billing::BillStatus::Open.into(),
        payment_id: "payment-002".to_owned(),
        issued_at: 1_795_317_300,
        due_date: "2026-11-20".to_owned(),
        open: 10_000,
        surplus: 0,
        payments: vec![billing::BillPayment { payment_id: "payment-001".to_owned(), amount: 60_000 }],
        carried_to: String::new(),
    }
}

fn all() -> Vec<billing::Bill> {
    vec![bill("customer-001"), bill("customer-002")]
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl BillService for Fake {
    async fn list_bills(
        &self,
        request: Request<billing::ListBillsRequest>,
    ) -> Answer<billing::ListBillsResponse> {
        let asked = request.into_inner();
        // Everybody's, whoever was asked for: what is somebody else's must not get past the gateway.
        let found = all().into_iter().filter(|bill| asked.status == 0 || asked.status == bill.status);
        let page = billing::ListBillsResponse { bills: found.collect(), next_page_token: String::new() };
        Ok(Response::new(page))
    }

    async fn get_bill(&self, request: Request<billing::GetBillRequest>) -> Answer<billing::GetBillResponse> {
        let id = request.into_inner().id;
        let bill = all().into_iter().find(|bill| bill.id == id);
        bill.ok_or_else(|| Status::not_found("no"))
            .map(|bill| Response::new(billing::GetBillResponse { bill: Some(bill) }))
    }

    async fn get_account(
        &self,
        request: Request<billing::GetAccountRequest>,
    ) -> Answer<billing::GetAccountResponse> {
        let customer_id = request.into_inner().customer_id;
        assert!(!customer_id.is_empty());
        let account = billing::Account {
            customer_id,
            mode: billing::AccountMode::Postpaid.into(),
            time_zone: "Asia/Makassar".to_owned(),
            since: 1_795_317_300,
            set_by: "admin-001".to_owned(),
        };
        Ok(Response::new(billing::GetAccountResponse { account: Some(account) }))
    }

    async fn set_account(
        &self,
        request: Request<billing::SetAccountRequest>,
    ) -> Answer<billing::SetAccountResponse> {
        let asked = request.into_inner();
        let time_zone = match asked.time_zone.as_str() {
            "" => "Asia/Jakarta",
            "Atlantis" => return Err(Status::invalid_argument("time_zone: is not known")),
            zone => zone,
        };
        let account = billing::Account {
            customer_id: asked.customer_id,
            mode: asked.mode,
            time_zone: time_zone.to_owned(),
            since: 1_795_317_300,
            set_by: asked.set_by,
        };
        Ok(Response::new(billing::SetAccountResponse { account: Some(account) }))
    }

    async fn get_revenue(
        &self,
        request: Request<billing::GetRevenueRequest>,
    ) -> Answer<billing::GetRevenueResponse> {
        let date = request.into_inner().from;
        let day = |account: &str, amount| billing::AccountDay {
            date: date.clone(),
            account: account.to_owned(),
            amount,
            legs: 1,
        };
        let mut days = vec![
            day("revenue:social-1", 2_355),
            day("clearing:midtrans", -90_000),
            day("vouchers", -10_000),
            day("customers", 97_645),
        ];
        if date == "2026-02-02" {
            days.push(day("nobody's", 1));
        }
        Ok(Response::new(billing::GetRevenueResponse { days }))
    }
}
