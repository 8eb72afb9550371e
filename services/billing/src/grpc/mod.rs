//! The gRPC edge: balances, statements, explanations, corrections, tariffs, payments, bills; and the voucher service.

mod bills;
mod payments;
mod vouchers;

use std::sync::Arc;

use indowater_common::clock;
use indowater_common::domain::request::to_milliseconds;
use indowater_common::domain::tariff::Part;
use indowater_common::domain::zone::Day;
use indowater_common::error::Retry;
use indowater_common::grpc::{continue_trace, invalid, page_size, refused_for};
use indowater_common::wire::{decimal, tariff};
use indowater_proto::billing::v1 as proto;
use indowater_proto::billing::v1::bill_service_server::BillServiceServer;
use indowater_proto::billing::v1::ledger_service_server::{LedgerService, LedgerServiceServer};
use indowater_proto::billing::v1::payment_service_server::PaymentServiceServer;
use indowater_proto::billing::v1::quote_request::Question as Asked;
use indowater_proto::billing::v1::tariff_service_server::{TariffService, TariffServiceServer};
use rust_decimal::Decimal;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tracing::Instrument;

use crate::app::bills::BillDesk;
use crate::app::corrections::{Corrections, NotCorrected};
use crate::app::payments::Cashier;
use crate::app::questions::{ExplainedDay, Questions};
use crate::app::tariffs::{Question, Refusal, TariffDesk};
use crate::domain::correction::Correction;
use crate::domain::schedule::Version;
use crate::wire;

pub use vouchers::Vouchers;

/// Everything that answers calls.
pub struct Answering {
    /// From the ledger.
    pub questions: Questions,
    /// By people.
    pub corrections: Corrections,
    /// What water costs.
    pub tariffs: TariffDesk,
    /// Payments.
    pub cashier: Arc<Cashier>,
    /// Bills.
    pub bills: BillDesk,
}

/// The services as routes of a server.
pub fn routes(answering: Answering) -> Routes {
    let Answering { questions, corrections, tariffs, cashier, bills } = answering;
    let bills = bills::Bills { desk: bills, questions: questions.clone() };
    Routes::new(LedgerServiceServer::new(Ledger { questions, corrections }))
        .add_service(TariffServiceServer::new(Desk { tariffs }))
        .add_service(PaymentServiceServer::new(payments::Payments { cashier }))
        .add_service(BillServiceServer::new(bills))
}

/// Rupiah beyond which a correction is a typing error.
const LARGEST_ADJUSTMENT: u64 = 1_000_000_000_000;

struct Ledger {
    questions: Questions,
    corrections: Corrections,
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    async fn get_balance(
        &self,
        request: Request<proto::GetBalanceRequest>,
    ) -> Result<Response<proto::GetBalanceResponse>, Status> {
        let span = tracing::info_span!("get balance");
        continue_trace(&span, &request);
        let customer_id = required("customer_id", request.into_inner().customer_id)?;
        let standing = self.questions.standing(&customer_id).instrument(span).await.map_err(unavailable)?;
        Ok(Response::new(proto::GetBalanceResponse {
            balance: Some(wire::balance(&customer_id, standing.balance, standing.updated_at)),
            daily_cost: standing.daily_cost.map_or_else(String::new, |cost| cost.round_dp(2).to_string()),
            runway_days: standing.runway_days(),
        }))
    }

    async fn list_entries(
        &self,
        request: Request<proto::ListEntriesRequest>,
    ) -> Result<Response<proto::ListEntriesResponse>, Status> {
        let span = tracing::info_span!("list entries");
        continue_trace(&span, &request);
        let request = request.into_inner();
        let customer_id = required("customer_id", request.customer_id)?;
        let page = page_size(request.page_size)?;
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(
                token.parse().map_err(|_| invalid("page_token", "is not one that this list has given"))?,
            ),
        };
        let found = self.questions.statement(&customer_id, before, page).instrument(span).await;
        let found = found.map_err(unavailable)?;
        let full = found.len() == page;
        let next = found.last().filter(|(last, _)| full && last.sequence > 1);
        Ok(Response::new(proto::ListEntriesResponse {
            next_page_token: next.map_or_else(String::new, |(last, _)| last.sequence.to_string()),
            entries: found.iter().map(|(entry, posted_at)| wire::entry(entry, *posted_at)).collect(),
        }))
    }

    async fn explain_entry(
        &self,
        request: Request<proto::ExplainEntryRequest>,
    ) -> Result<Response<proto::ExplainEntryResponse>, Status> {
        let span = tracing::info_span!("explain entry");
        continue_trace(&span, &request);
        let proto::ExplainEntryRequest { customer_id, entry_id } = request.into_inner();
        let customer_id = required("customer_id", customer_id)?;
        let explained = self.questions.explain(&customer_id, &entry_id).instrument(span).await;
        let Some(((entry, posted_at), days)) = explained.map_err(unavailable)? else {
            return Err(Status::not_found(format!("customer {customer_id} has no entry {entry_id:?}")));
        };
        Ok(Response::new(proto::ExplainEntryResponse {
            entry: Some(wire::entry(&entry, posted_at)),
            days: days.iter().map(explained_day).collect(),
        }))
    }

    async fn adjust(
        &self,
        request: Request<proto::AdjustRequest>,
    ) -> Result<Response<proto::AdjustResponse>, Status> {
        let proto::AdjustRequest { id, customer_id, amount, reason, made_by } = request.into_inner();
        let (id, reason) = (required("id", id)?, required("reason", reason)?);
        if amount == 0 || amount.unsigned_abs() > LARGEST_ADJUSTMENT {
            return Err(invalid("amount", "must be a number of rupiah other than 0, of at most 10^12"));
        }
        let correction = Correction {
            id,
            customer_id: required("customer_id", customer_id)?,
            amount,
            reason,
            made_by: required("made_by", made_by)?,
            asked_at: to_milliseconds(clock::now()),
        };
        self.corrections.ask(correction).await.map_err(|why| match why {
            NotCorrected::Taken => refused_for(
                Code::AlreadyExists,
                "KEY_REUSED",
                "The id was used for another correction of the customer; choose a new one.",
            ),
            NotCorrected::Unavailable(error) => unavailable(error),
        })?;
        Ok(Response::new(proto::AdjustResponse {}))
    }
}

struct Desk {
    tariffs: TariffDesk,
}

#[tonic::async_trait]
impl TariffService for Desk {
    async fn list_tariffs(
        &self,
        _: Request<proto::ListTariffsRequest>,
    ) -> Result<Response<proto::ListTariffsResponse>, Status> {
        let schedules = self.tariffs.schedules().await.map_err(unavailable)?;
        let schedules = schedules.iter().map(wire::published_schedule).collect();
        Ok(Response::new(proto::ListTariffsResponse { schedules }))
    }

    async fn get_tariff(
        &self,
        request: Request<proto::GetTariffRequest>,
    ) -> Result<Response<proto::GetTariffResponse>, Status> {
        let class = required("class", request.into_inner().class)?;
        let schedule = self.tariffs.schedule(&class).await.map_err(unavailable)?;
        let schedule =
            schedule.ok_or_else(|| Status::not_found(format!("there is no tariff class {class:?}")))?;
        Ok(Response::new(proto::GetTariffResponse { schedule: Some(wire::published_schedule(&schedule)) }))
    }

    async fn set_tariff(
        &self,
        request: Request<proto::SetTariffRequest>,
    ) -> Result<Response<proto::SetTariffResponse>, Status> {
        let proto::SetTariffRequest { class, tariff: version } = request.into_inner();
        let version = version.ok_or_else(|| invalid("tariff", "is required"))?;
        let set_by = required("tariff.set_by", version.set_by.clone())?;
        let tariff = tariff(&class, &version).map_err(|why| invalid("tariff", &why))?;
        let schedule =
            self.tariffs.set(Version { tariff, set_by }).await.map_err(|refusal| match refusal {
                Refusal::Wrong(wrong) => invalid(&wrong.field, &wrong.why),
                Refusal::Busy => refused_for(
                    Code::Aborted,
                    "CHANGED_MEANWHILE",
                    "Somebody else changes this class; try again.",
                ),
                Refusal::Unavailable(error) => unavailable(error),
            })?;
        Ok(Response::new(proto::SetTariffResponse { schedule: Some(wire::published_schedule(&schedule)) }))
    }

    async fn quote(
        &self,
        request: Request<proto::QuoteRequest>,
    ) -> Result<Response<proto::QuoteResponse>, Status> {
        let request = request.into_inner();
        let class = required("class", request.class)?;
        let day = Day::parse(&request.on).ok_or_else(|| invalid("on", "must be a date YYYY-MM-DD"))?;
        let month_to_date = match request.month_to_date.as_str() {
            "" => Decimal::ZERO,
            text => positive("month_to_date", text)?,
        };
        let question = match request.question {
            Some(Asked::Volume(volume)) => Question::Volume(positive("volume", &volume)?),
            Some(Asked::Rupiah(rupiah)) if rupiah >= 0 => Question::Rupiah(rupiah),
            Some(Asked::Rupiah(_)) => return Err(invalid("rupiah", "must not be negative")),
            None => return Err(invalid("question", "a volume or a sum is required")),
        };
        let quote = self.tariffs.quote(&class, day, month_to_date, question).await.map_err(unavailable)?;
        let quote = quote.ok_or_else(|| {
            refused_for(
                Code::FailedPrecondition,
                "WATER_IS_FREE",
                "Water of this class is free: a sum buys without end.",
            )
        })?;
        let block = |part: &Part| proto::QuotedBlock {
            volume: part.volume.normalize().to_string(),
            price: part.price.normalize().to_string(),
            cost: part.cost().normalize().to_string(),
        };
        Ok(Response::new(proto::QuoteResponse {
            volume: quote.volume.normalize().to_string(),
            cost: quote.parts.iter().map(Part::cost).sum::<Decimal>().normalize().to_string(),
            blocks: quote.parts.iter().map(block).collect(),
        }))
    }
}

fn explained_day(day: &ExplainedDay) -> proto::ExplainedDay {
    let part = |part: &Part| proto::QuotedPart {
        volume: part.volume.normalize().to_string(),
        price: part.price.normalize().to_string(),
        cost: part.cost().normalize().to_string(),
    };
    proto::ExplainedDay {
        day: Some(wire::charged_day(&day.day)),
        parts: day.parts.iter().map(part).collect(),
        fixed_and_minimum: day.fixed_and_minimum.normalize().to_string(),
    }
}

fn required(field: &str, text: String) -> Result<String, Status> {
    wire::given(text).ok_or_else(|| invalid(field, "is required"))
}

fn positive(field: &str, text: &str) -> Result<Decimal, Status> {
    let value = decimal(field, text).map_err(|_| invalid(field, "must be a decimal number"))?;
    if value.is_sign_negative() { Err(invalid(field, "must not be negative")) } else { Ok(value) }
}

fn unavailable(error: Retry) -> Status {
    tracing::warn!(%error, "a question could not be answered");
    Status::unavailable("the database or the broker does not answer; try again")
}
