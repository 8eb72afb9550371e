//! Balances, statements, corrections and tariffs: ask the service that keeps the money, show what may be seen.

use indowater_common::clock;

use super::App;
use crate::domain::access::{Resource, Whose, may, narrow, sees};
use crate::domain::failure::Failure;
use crate::domain::metering::CubicMetres;
use crate::domain::money::{Balance, DeviceQuote, Entry, Explanation, Quote, TariffSchedule};
use crate::domain::order::{self, Adjustment, NewTariff, Of, QuoteQuestion, StatementQuestion};
use crate::domain::page::{Listing, Page};
use crate::domain::period::{JAKARTA, Period, today};
use crate::domain::question::Selection;
use crate::domain::user::{Actor, UserId};

impl App {
    /// What a customer has left.
    ///
    /// # Errors
    /// Another customer's, nobody's in particular, or billing does not answer; so for the two that follow.
    pub async fn balance(&self, actor: &Actor, asked: Option<UserId>) -> Result<Balance, Failure> {
        self.ledger.balance(&whose_balance(actor, asked)?).await
    }

    /// A page of a customer's statement, newest first.
    ///
    /// # Errors
    /// As above.
    pub async fn entries(
        &self,
        actor: &Actor,
        question: StatementQuestion,
    ) -> Result<Listing<Entry>, Failure> {
        let customer = whose_balance(actor, question.customer)?;
        let mut entries = self.ledger.entries(&customer, &question.page).await?;
        entries.items.retain(|entry| sees(actor, Resource::Balance, &entry.customer_id));
        Ok(entries)
    }

    /// An entry down to what it came from.
    ///
    /// # Errors
    /// As above, or the customer has no such entry.
    pub async fn explanation(
        &self,
        actor: &Actor,
        asked: Option<UserId>,
        entry_id: &str,
    ) -> Result<Explanation, Failure> {
        let customer = whose_balance(actor, asked)?;
        let explanation = self.ledger.explanation(&customer, entry_id).await?;
        if sees(actor, Resource::Balance, &explanation.entry.customer_id) {
            Ok(explanation)
        } else {
            Err(Failure::NotFound("entry"))
        }
    }

    /// Posts a correction that `actor` answers for. The ledger takes any name for a customer's and never forgets an
    /// entry, so a typing error is to be found here.
    ///
    /// # Errors
    /// It is not acceptable, there is no such customer, or billing does not answer.
    pub async fn adjust(
        &self,
        actor: &Actor,
        customer_id: &str,
        adjustment: Adjustment,
    ) -> Result<(), Failure> {
        may(actor, Resource::Adjustment)?;
        let adjustment = adjustment.check()?;
        let customer = UserId::new(customer_id).ok_or(Failure::NotFound("customer"))?;
        self.customer(&customer).await?;
        self.ledger.adjust(&customer, &adjustment, &actor.id).await
    }

    /// Every tariff class.
    ///
    /// # Errors
    /// Billing does not answer.
    pub async fn tariff_schedules(&self, actor: &Actor) -> Result<Listing<TariffSchedule>, Failure> {
        may(actor, Resource::Tariff)?;
        let Listing { items, next_page_token } = self.tariffs.all().await?;
        let items = items.into_iter().map(|schedule| told(actor, schedule)).collect();
        Ok(Listing { items, next_page_token })
    }

    /// A tariff class.
    ///
    /// # Errors
    /// There is none of that name, or billing does not answer.
    pub async fn tariff_schedule(&self, actor: &Actor, class: &str) -> Result<TariffSchedule, Failure> {
        may(actor, Resource::Tariff)?;
        self.tariffs.one(class).await.map(|schedule| told(actor, schedule))
    }

    /// Sets a version of a tariff that `actor` answers for.
    ///
    /// # Errors
    /// It is not acceptable, somebody else changes the class, or billing does not answer.
    pub async fn set_tariff(
        &self,
        actor: &Actor,
        class: &str,
        tariff: &NewTariff,
    ) -> Result<TariffSchedule, Failure> {
        may(actor, Resource::TariffChange)?;
        self.tariffs.set(class, tariff.read()?, &actor.id).await
    }

    /// What a volume costs, or what a sum buys.
    ///
    /// # Errors
    /// There is no such class, its water is free, or billing does not answer.
    pub async fn quote(&self, actor: &Actor, class: &str, question: QuoteQuestion) -> Result<Quote, Failure> {
        may(actor, Resource::Tariff)?;
        // Billing prices an unknown class like the one that is everyone's by default, so that no water is free; a price
        // list for a class that is not there would only hide a typing error.
        self.tariffs.one(class).await?;
        let on = question.on.unwrap_or_else(|| today(clock::now(), Some(JAKARTA)));
        self.tariffs.quote(class, on, question).await
    }

    /// What a volume costs at a meter as its month stands now, or what a sum buys there.
    ///
    /// # Errors
    /// There is no such device that `actor` may see, its water is free, or a service does not answer.
    pub async fn quote_at(&self, actor: &Actor, device_id: &str, of: Of) -> Result<DeviceQuote, Failure> {
        let device = self.device(actor, device_id).await?;
        let today = today(clock::now(), Some(&device.time_zone));
        let selection = Selection {
            device_id: device.id.clone(),
            property_id: String::new(),
            customer_id: String::new(),
            period: Period { from: today.first_of_month(), to: today },
            // One, or one for each owner of the month.
            page: Page { size: 100, token: String::new() },
            ascending: true,
        };
        let months = self.usage.monthly(selection).await?;
        // Blocks begin anew with whoever has the device now.
        let own = months.items.iter().filter(|month| month.customer_id == device.customer_id);
        let month_to_date = CubicMetres::total(own.map(|month| month.consumption));
        let question = QuoteQuestion { of, on: Some(today), month_to_date: month_to_date.decimal() };
        let quote = self.tariffs.quote(&device.tariff_class, today, question).await?;
        Ok(DeviceQuote { device_id: device.id, tariff_class: device.tariff_class, month_to_date, quote })
    }
}

/// A tariff class as `actor` may see it.
fn told(actor: &Actor, schedule: TariffSchedule) -> TariffSchedule {
    if may(actor, Resource::Author).is_ok() { schedule } else { schedule.without_author() }
}

fn whose_balance(actor: &Actor, asked: Option<UserId>) -> Result<UserId, Failure> {
    one_customer(actor, Resource::Balance, asked)
}

/// The one customer whose `resource` is meant.
///
/// # Errors
/// It is not for `actor`, or nobody is named who has to be.
pub(super) fn one_customer(
    actor: &Actor,
    resource: Resource,
    asked: Option<UserId>,
) -> Result<UserId, Failure> {
    match narrow(actor, resource, asked)? {
        Whose::Of(customer) => Ok(customer),
        Whose::Everyones => Err(order::names_nobody()),
    }
}
