//! Places, meters, reads and consumption: ask the service that owns them, show what may be seen.

use indowater_common::clock;
use indowater_common::domain::zone::Zone;

use super::App;
use crate::domain::access::{Resource, Whose, narrow, sees};
use crate::domain::failure::Failure;
use crate::domain::metering::{DailyUsage, Device, HourlyUsage, MonthlyUsage, Property, Reading};
use crate::domain::page::Listing;
use crate::domain::period::{Grain, Window, today};
use crate::domain::question::{ListQuestion, ReadingsQuestion, Selection, Subject, UsageQuestion, When};
use crate::domain::user::Actor;

impl App {
    /// A page of properties.
    ///
    /// # Errors
    /// Another customer's, or the registry does not answer.
    pub async fn properties(
        &self,
        actor: &Actor,
        question: ListQuestion,
    ) -> Result<Listing<Property>, Failure> {
        let whose = narrow(actor, Resource::Property, question.customer)?;
        self.registry.properties(&whose, &question.page).await
    }

    /// A property.
    ///
    /// # Errors
    /// There is none that `actor` may see, or the registry does not answer.
    pub async fn property(&self, actor: &Actor, id: &str) -> Result<Property, Failure> {
        self.visible_property(actor, Resource::Property, id).await
    }

    /// A page of devices.
    ///
    /// # Errors
    /// Another customer's, or the registry does not answer.
    pub async fn devices(&self, actor: &Actor, question: ListQuestion) -> Result<Listing<Device>, Failure> {
        let whose = narrow(actor, Resource::Device, question.customer.clone())?;
        self.registry.devices(&whose, &question).await
    }

    /// A device.
    ///
    /// # Errors
    /// There is none that `actor` may see, or the registry does not answer.
    pub async fn device(&self, actor: &Actor, id: &str) -> Result<Device, Failure> {
        self.visible_device(actor, Resource::Device, id).await
    }

    /// The reads of a device, newest first.
    ///
    /// # Errors
    /// There is no such device that `actor` may see, or a service does not answer.
    pub async fn readings(
        &self,
        actor: &Actor,
        device_id: &str,
        question: ReadingsQuestion,
    ) -> Result<Listing<Reading>, Failure> {
        let device = self.visible_device(actor, Resource::Reading, device_id).await?;
        let window = match question.when {
            When::Between(window) => window,
            When::On(date) => {
                // The registry names no zone that nobody knows.
                let zone = Zone::named(&device.time_zone).ok_or(Failure::Broken("the registry"))?;
                Window::of_day(date, &zone)
            }
        };
        let whose = narrow(actor, Resource::Reading, None)?;
        self.usage.readings(&device.id, whose.customer_id(), window, &question.page).await
    }

    /// Consumption by hour.
    ///
    /// # Errors
    /// There is no such subject that `actor` may see, the period is too long, or a service does not answer; so for
    /// the two that follow.
    pub async fn hourly_usage(
        &self,
        actor: &Actor,
        question: UsageQuestion,
    ) -> Result<Listing<HourlyUsage>, Failure> {
        self.usage.hourly(self.select(actor, question, Grain::Hour).await?).await
    }

    /// Consumption and cost by local day.
    ///
    /// # Errors
    /// As above.
    pub async fn daily_usage(
        &self,
        actor: &Actor,
        question: UsageQuestion,
    ) -> Result<Listing<DailyUsage>, Failure> {
        let mut days = self.usage.daily(self.select(actor, question, Grain::Day).await?).await?;
        days.items.retain(|day| sees(actor, Resource::Usage, &day.customer_id));
        Ok(days)
    }

    /// Consumption and cost by local month.
    ///
    /// # Errors
    /// As above.
    pub async fn monthly_usage(
        &self,
        actor: &Actor,
        question: UsageQuestion,
    ) -> Result<Listing<MonthlyUsage>, Failure> {
        let mut months = self.usage.monthly(self.select(actor, question, Grain::Month).await?).await?;
        months.items.retain(|month| sees(actor, Resource::Usage, &month.customer_id));
        Ok(months)
    }

    /// What exactly is asked of the usage service.
    ///
    /// A customer's question carries the customer's id beside that of the device or property: a meter may have been
    /// somebody else's before, and that one's days are not the present owner's to see. What comes back with an owner
    /// on it is held against the same table once more.
    async fn select(
        &self,
        actor: &Actor,
        question: UsageQuestion,
        grain: Grain,
    ) -> Result<Selection, Failure> {
        let UsageQuestion { subject, wish, page, ascending } = question;
        let (device_id, property_id, asked, zone) = match subject {
            Subject::Device(id) => {
                let device = self.visible_device(actor, Resource::Usage, &id).await?;
                (device.id, String::new(), None, Some(device.time_zone))
            }
            Subject::Property(id) => {
                let property = self.visible_property(actor, Resource::Usage, &id).await?;
                (String::new(), property.id, None, Some(property.time_zone))
            }
            Subject::Customer(asked) => (String::new(), String::new(), asked, None),
        };
        let whose = narrow(actor, Resource::Usage, asked)?;
        if whose == Whose::Everyones && device_id.is_empty() && property_id.is_empty() {
            return Err(UsageQuestion::names_nobody());
        }
        let today = today(clock::now(), zone.as_deref());
        let period = wish.settle(grain, today).map_err(|fault| Failure::Invalid(vec![fault]))?;
        let customer_id = whose.customer_id().to_owned();
        Ok(Selection { device_id, property_id, customer_id, period, page, ascending })
    }

    async fn visible_device(&self, actor: &Actor, resource: Resource, id: &str) -> Result<Device, Failure> {
        let device = self.registry.device(id).await?;
        if sees(actor, resource, &device.customer_id) { Ok(device) } else { Err(Failure::NotFound("device")) }
    }

    async fn visible_property(
        &self,
        actor: &Actor,
        resource: Resource,
        id: &str,
    ) -> Result<Property, Failure> {
        let property = self.registry.property(id).await?;
        if sees(actor, resource, &property.customer_id) {
            Ok(property)
        } else {
            Err(Failure::NotFound("property"))
        }
    }
}
