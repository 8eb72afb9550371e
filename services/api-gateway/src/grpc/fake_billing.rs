//! A billing that answers from memory, for tests of what stands before it: two customers with an entry each, one tariff
//! class.

use indowater_proto::billing::v1 as billing;
use indowater_proto::billing::v1::ledger_service_server::LedgerService;
use indowater_proto::billing::v1::tariff_service_server::TariffService;
use tonic::{Request, Response, Status};

use super::fake::Fake;

/// The month's second posting of a customer's device: `usage:<customer>|<device>|<month>@2`.
fn entry(customer: &str, device: &str) -> billing::LedgerEntry {
    let leg = |account: String, amount| billing::Leg { account, amount };
    billing::LedgerEntry {
        id: format!("usage:{customer}|{device}|2026-11@2"),
        customer_id: customer.to_owned(),
        kind: billing::EntryKind::Usage.into(),
        legs: vec![leg(format!("customer:{customer}"), -2_355), leg("revenue:social-1".to_owned(), 2_355)],
        amount: -2_355,
        balance_after: -4_710,
        sequence: 2,
        description: "Water".to_owned(),
        occurred_at: 1_795_317_300,
        posted_at: 1_795_317_300,
        usage: Some(billing::UsageSource {
            device_id: device.to_owned(),
            month: "2026-11".to_owned(),
            month_cost: "4710.4".to_owned(),
            posted_before: 2_355,
            days: vec![day()],
        }),
        ..billing::LedgerEntry::default()
    }
}

fn day() -> billing::ChargedDay {
    billing::ChargedDay {
        date: "2026-11-21".to_owned(),
        revision: 3,
        volume_ml: 512_001,
        cost: "2355.2".to_owned(),
        cost_before: "0".to_owned(),
        tariff_class: "social-1".to_owned(),
        month_to_date_before_ml: 1_500_000,
        not_charged: false,
    }
}

fn entry_of(customer: &str) -> Option<billing::LedgerEntry> {
    match customer {
        "customer-001" => Some(entry(customer, "device-001")),
        "customer-002" => Some(entry(customer, "device-002")),
        _ => None,
    }
}

fn schedule() -> billing::TariffSchedule {
    let block = |up_to: &str, price: &str| billing::TariffBlock { up_to: up_to.into(), price: price.into() };
    let version = billing::Tariff {
        blocks: vec![block("10", "4600"), block("", "9500")],
        fixed_charge: "0".to_owned(),
        minimum_volume: "0".to_owned(),
        set_by: "admin-001".to_owned(),
        ..billing::Tariff::default()
    };
    billing::TariffSchedule {
        class: "social-1".to_owned(),
        versions: vec![version],
        revision: 1,
        updated_at: 1_795_317_300,
    }
}

fn known(class: &str) -> Result<(), Status> {
    if class == "social-1" { Ok(()) } else { Err(Status::not_found("no")) }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl LedgerService for Fake {
    async fn get_balance(
        &self,
        request: Request<billing::GetBalanceRequest>,
    ) -> Answer<billing::GetBalanceResponse> {
        let customer_id = request.into_inner().customer_id;
        assert!(!customer_id.is_empty());
        let entry = entry_of(&customer_id);
        let balance = billing::Balance {
            customer_id,
            balance: entry.as_ref().map_or(0, |entry| entry.balance_after - 100),
            posted: entry.as_ref().map_or(0, |entry| entry.balance_after),
            accrued: entry.as_ref().map_or(0, |_| 100),
            sequence: entry.as_ref().map_or(0, |entry| entry.sequence),
            updated_at: entry.as_ref().map_or(0, |entry| entry.posted_at),
        };
        Ok(Response::new(billing::GetBalanceResponse {
            balance: Some(balance),
            daily_cost: entry.as_ref().map_or_else(String::new, |_| "2355.20".to_owned()),
            runway_days: entry.map(|_| 0),
        }))
    }

    async fn list_entries(
        &self,
        request: Request<billing::ListEntriesRequest>,
    ) -> Answer<billing::ListEntriesResponse> {
        let request = request.into_inner();
        if !request.page_token.is_empty() {
            return Err(Status::invalid_argument("page_token: is not one that this list has given"));
        }
        // More than was asked for: what is somebody else's must not get past the gateway.
        let entries = [request.customer_id.as_str(), "customer-002"].into_iter().filter_map(entry_of);
        Ok(Response::new(billing::ListEntriesResponse {
            entries: entries.collect(),
            next_page_token: String::new(),
        }))
    }

    async fn explain_entry(
        &self,
        request: Request<billing::ExplainEntryRequest>,
    ) -> Answer<billing::ExplainEntryResponse> {
        let request = request.into_inner();
        let found = entry_of(&request.customer_id).filter(|entry| entry.id == request.entry_id);
        let entry = found.ok_or_else(|| Status::not_found("no"))?;
        let part = billing::QuotedPart {
            volume: "0.512001".to_owned(),
            price: "4600".to_owned(),
            cost: "2355.2046".to_owned(),
        };
        let explained =
            billing::ExplainedDay { day: Some(day()), parts: vec![part], fixed_and_minimum: "0".to_owned() };
        Ok(Response::new(billing::ExplainEntryResponse { entry: Some(entry), days: vec![explained] }))
    }

    async fn adjust(&self, request: Request<billing::AdjustRequest>) -> Answer<billing::AdjustResponse> {
        if request.into_inner().id.ends_with("|used") {
            return Err(Status::already_exists("the id was used for another correction"));
        }
        Ok(Response::new(billing::AdjustResponse {}))
    }
}

#[tonic::async_trait]
impl TariffService for Fake {
    async fn list_tariffs(
        &self,
        _: Request<billing::ListTariffsRequest>,
    ) -> Answer<billing::ListTariffsResponse> {
        Ok(Response::new(billing::ListTariffsResponse { schedules: vec![schedule()] }))
    }

    async fn get_tariff(
        &self,
        request: Request<billing::GetTariffRequest>,
    ) -> Answer<billing::GetTariffResponse> {
        known(&request.into_inner().class)?;
        Ok(Response::new(billing::GetTariffResponse { schedule: Some(schedule()) }))
    }

    async fn set_tariff(
        &self,
        request: Request<billing::SetTariffRequest>,
    ) -> Answer<billing::SetTariffResponse> {
        let tariff = request.into_inner().tariff.unwrap();
        match tariff.from.as_str() {
            "2026-01-01" => Err(Status::invalid_argument("from: must be 2026-11-24 or later")),
            "2027-02-02" => Err(Status::aborted("somebody else changes this class; try again")),
            _ => {
                let mut schedule = schedule();
                schedule.versions.push(tariff);
                schedule.revision += 1;
                Ok(Response::new(billing::SetTariffResponse { schedule: Some(schedule) }))
            }
        }
    }

    async fn quote(&self, request: Request<billing::QuoteRequest>) -> Answer<billing::QuoteResponse> {
        let request = request.into_inner();
        known(&request.class)?;
        if request.on.len() != "YYYY-MM-DD".len() {
            return Err(Status::invalid_argument("on: must be a date YYYY-MM-DD"));
        }
        let (volume, cost) = match request.question.unwrap() {
            billing::quote_request::Question::Volume(volume) => (volume, "4600".to_owned()),
            billing::quote_request::Question::Rupiah(rupiah) => ("1".to_owned(), rupiah.to_string()),
        };
        let block =
            billing::QuotedBlock { volume: volume.clone(), price: "4600".to_owned(), cost: cost.clone() };
        Ok(Response::new(billing::QuoteResponse { volume, cost, blocks: vec![block] }))
    }
}
