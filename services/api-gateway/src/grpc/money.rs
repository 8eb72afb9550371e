//! The service that keeps the money.

use indowater_common::error::Fatal;
use indowater_common::grpc::{HandOnTrace, channel};
use indowater_proto::billing::v1 as billing;
use indowater_proto::billing::v1::ledger_service_client::LedgerServiceClient;
use indowater_proto::billing::v1::quote_request::Question;
use indowater_proto::billing::v1::tariff_service_client::TariffServiceClient;
use jiff::civil::Date;
use tonic::Code;

use super::wire::Unexpected;
use super::{Traced, answer, listing, read, wire_money as wire};
use crate::domain::failure::Failure;
use crate::domain::money::{Balance, Entry, Explanation, Quote, TariffSchedule};
use crate::domain::order::{Adjustment, Of, QuoteQuestion, Version};
use crate::domain::page::{Listing, Page};
use crate::domain::user::UserId;

/// The service that keeps balances and tariffs.
pub const BILLING: &str = "billing";

/// Balances and statements. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    client: LedgerServiceClient<Traced>,
}

impl Ledger {
    /// Asks the service at `url`, from the first question on.
    ///
    /// # Errors
    /// It is no URL.
    pub fn at(url: &str) -> Result<Self, Fatal> {
        Ok(Self { client: LedgerServiceClient::with_interceptor(channel(url)?, HandOnTrace) })
    }

    /// What a customer has left. To the ledger nobody is unknown: without entries it is nothing.
    ///
    /// # Errors
    /// The service does not answer.
    pub async fn balance(&self, customer: &UserId) -> Result<Balance, Failure> {
        let request = billing::GetBalanceRequest { customer_id: customer.as_str().to_owned() };
        let found = answer(BILLING, "balance", self.client.clone().get_balance(request).await)?;
        read(BILLING, wire::balance(found))
    }

    /// A page of a customer's entries, newest first.
    ///
    /// # Errors
    /// A page token that is none, or the service does not answer.
    pub async fn entries(&self, customer: &UserId, page: &Page) -> Result<Listing<Entry>, Failure> {
        let request = billing::ListEntriesRequest {
            customer_id: customer.as_str().to_owned(),
            page_size: page.size,
            page_token: page.token.clone(),
        };
        let page = answer(BILLING, "entry", self.client.clone().list_entries(request).await)?;
        listing(BILLING, page.entries, page.next_page_token, wire::entry)
    }

    /// An entry of a customer down to what it came from.
    ///
    /// # Errors
    /// The customer has no such entry, or the service does not answer.
    pub async fn explanation(&self, customer: &UserId, entry_id: &str) -> Result<Explanation, Failure> {
        let request = billing::ExplainEntryRequest {
            customer_id: customer.as_str().to_owned(),
            entry_id: entry_id.to_owned(),
        };
        let found = answer(BILLING, "entry", self.client.clone().explain_entry(request).await)?;
        read(BILLING, wire::explanation(found))
    }

    /// Has a correction posted that `made_by` answers for.
    ///
    /// # Errors
    /// The ledger does not take it, its id was used for another one, or the service does not answer.
    pub async fn adjust(
        &self,
        customer: &UserId,
        adjustment: &Adjustment,
        made_by: &UserId,
    ) -> Result<(), Failure> {
        let request = billing::AdjustRequest {
            id: adjustment.ledger_id(customer),
            customer_id: customer.as_str().to_owned(),
            amount: adjustment.amount,
            reason: adjustment.reason.clone(),
            made_by: made_by.as_str().to_owned(),
        };
        let outcome = self.client.clone().adjust(request).await;
        let used = matches!(&outcome, Err(status) if status.code() == Code::AlreadyExists);
        match answer(BILLING, "customer", outcome) {
            Err(Failure::Conflict(_)) if used => Err(Failure::Reused(
                "This id was used for another correction of the customer; choose a new one.".to_owned(),
            )),
            answered => answered.map(drop),
        }
    }
}

/// Tariffs. Cheap to clone.
#[derive(Clone)]
pub struct Tariffs {
    client: TariffServiceClient<Traced>,
}

impl Tariffs {
    /// Asks the service at `url`, from the first question on.
    ///
    /// # Errors
    /// It is no URL.
    pub fn at(url: &str) -> Result<Self, Fatal> {
        Ok(Self { client: TariffServiceClient::with_interceptor(channel(url)?, HandOnTrace) })
    }

    /// Every class. There are few; they come at once.
    ///
    /// # Errors
    /// The service does not answer.
    pub async fn all(&self) -> Result<Listing<TariffSchedule>, Failure> {
        let request = billing::ListTariffsRequest {};
        let found = answer(BILLING, "tariff", self.client.clone().list_tariffs(request).await)?;
        listing(BILLING, found.schedules, String::new(), wire::schedule)
    }

    /// A class.
    ///
    /// # Errors
    /// There is none of that name, or the service does not answer.
    pub async fn one(&self, class: &str) -> Result<TariffSchedule, Failure> {
        let request = billing::GetTariffRequest { class: class.to_owned() };
        let found = answer(BILLING, "tariff", self.client.clone().get_tariff(request).await)?.schedule;
        read(BILLING, found.ok_or(Unexpected("schedule")).and_then(wire::schedule))
    }

    /// Sets a version of a class that `set_by` answers for.
    ///
    /// # Errors
    /// It makes no sense, somebody else changes the class, or the service does not answer.
    pub async fn set(
        &self,
        class: &str,
        version: Version,
        set_by: &UserId,
    ) -> Result<TariffSchedule, Failure> {
        let tariff = Some(wire::version(version, set_by.as_str()));
        let request = billing::SetTariffRequest { class: class.to_owned(), tariff };
        let set = answer(BILLING, "tariff", self.client.clone().set_tariff(request).await)?.schedule;
        read(BILLING, set.ok_or(Unexpected("schedule")).and_then(wire::schedule))
    }

    /// What a volume costs, or what a sum buys, on a day.
    ///
    /// # Errors
    /// Water of the class is free, so that a sum buys without end, or the service does not answer.
    pub async fn quote(&self, class: &str, on: Date, question: QuoteQuestion) -> Result<Quote, Failure> {
        let request = billing::QuoteRequest {
            class: class.to_owned(),
            on: on.to_string(),
            month_to_date: question.month_to_date.to_string(),
            question: Some(match question.of {
                Of::Volume(volume) => Question::Volume(volume.to_string()),
                Of::Amount(amount) => Question::Rupiah(amount),
            }),
        };
        let quote = answer(BILLING, "tariff", self.client.clone().quote(request).await)?;
        read(BILLING, wire::quote(quote))
    }
}
