//! Consumption and its cost.

#[cfg(test)]
mod tests;

use axum::extract::State;
use indowater_common::clock;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::devices::visible_device;
use super::gateway::Gateway;
use super::properties::visible_property;
use crate::access::{Actor, Resource, Scope, UserId, narrow};
use crate::failure::Failure;
use crate::grpc::{USAGE_AGGREGATOR, answer};
use crate::http::extract::{Page, Paged};
use crate::http::reply::{Answer, Listing, show};
use crate::session::Caller;
use crate::value::period::{Grain, Range, today};
use crate::value::{Day, GivenId};
use crate::wire::usage::v1::{
    DailyUsage, HourlyUsage, ListDailyUsageRequest, ListHourlyUsageRequest, ListMonthlyUsageRequest,
    MonthlyUsage, UsageFilter,
};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_hourly_usage))
        .routes(routes!(list_daily_usage))
        .routes(routes!(list_monthly_usage))
}

/// Which end of a history comes first.
#[derive(Clone, Copy, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// Whose usage, and when. Of the three ids one may be given; customers who give none see all that is theirs.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// Of this device.
    #[param(value_type = Option<String>, example = "device-001")]
    device_id: Option<GivenId>,
    /// Of all devices of this property.
    #[param(value_type = Option<String>, example = "property-001")]
    property_id: Option<GivenId>,
    /// Of all devices of this customer; for staff.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
    /// The first local day, inclusive. Without it: 7 days by hour, 30 days by day, 12 months by month.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    from: Option<Day>,
    /// The last local day, inclusive; today without it. At most 93 days by hour, 1096 by day, ten years by month.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-22")]
    to: Option<Day>,
    /// `asc` is oldest first, `desc` newest first.
    #[param(inline, default = "desc")]
    order: Option<Order>,
}

impl UsageQuery {
    /// What exactly the service is asked.
    ///
    /// Of a customer it is asked with the customer's id beside that of the device or property: a meter may have been
    /// somebody else's before, and that one's days are not the present owner's to see. What comes back with an owner on it is
    /// held against the same table once more.
    async fn filter(
        self,
        gateway: &Gateway,
        actor: &Actor,
        grain: Grain,
        page: &Page,
    ) -> Result<UsageFilter, Failure> {
        let range = Range::new(self.from, self.to)?;
        let (mut device_id, mut property_id, mut zone) = (String::new(), String::new(), None);
        let scope = match (self.device_id, self.property_id, self.customer_id) {
            (Some(GivenId(id)), None, None) => {
                let device = visible_device(gateway, actor, Resource::Usage, id).await?;
                (device_id, zone) = (device.id, Some(device.time_zone));
                narrow(actor, Resource::Usage, None)?
            }
            (None, Some(GivenId(id)), None) => {
                let property = visible_property(gateway, actor, Resource::Usage, id).await?;
                (property_id, zone) = (property.id, Some(property.time_zone));
                narrow(actor, Resource::Usage, None)?
            }
            (None, None, customer) => match gateway.scope(actor, Resource::Usage, customer).await? {
                // A question about everyone at once would be one to the whole database.
                Scope::Everyone => {
                    let detail = "staff name a device_id, a property_id or a customer_id";
                    return Err(Failure::invalid("customer_id", detail));
                }
                scope => scope,
            },
            (device, ..) => {
                let field = if device.is_some() { "device_id" } else { "property_id" };
                let detail = "only one of device_id, property_id and customer_id may be given";
                return Err(Failure::invalid(field, detail));
            }
        };
        let period = range.resolve(grain, today(clock::now(), zone.as_deref()))?;
        Ok(UsageFilter {
            device_id,
            property_id,
            customer_id: scope.into(),
            from: period.from.to_string(),
            to: period.to.to_string(),
            page_size: page.size,
            page_token: page.token.clone(),
            ascending: self.order == Some(Order::Asc),
        })
    }
}

/// Consumption by hour.
#[utoipa::path(
    get, path = "/usage/hourly", tag = "usage", params(Paged<UsageQuery, 100, 1000>),
    responses(
        (status = 200, description = "A page of hours.", body = Listing<HourlyUsage>),
        (status = 404, description = "There is no such device or property, or it is somebody else's."),
    ),
)]
async fn list_hourly_usage(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<UsageQuery, 100, 1000>,
) -> Answer {
    let filter = Some(query.filter(&gateway, &actor, Grain::Hour, &page).await?);
    let found = gateway.services.usage().list_hourly_usage(ListHourlyUsageRequest { filter }).await;
    show(&actor, page.listing(answer(USAGE_AGGREGATOR, "usage", found)?))
}

/// Consumption and cost by local day.
///
/// A day is revised when late reads come; `complete` says whether its end is known, `quality` how sure it is.
#[utoipa::path(
    get, path = "/usage/daily", tag = "usage", params(Paged<UsageQuery, 100, 1000>),
    responses(
        (status = 200, description = "A page of days.", body = Listing<DailyUsage>),
        (status = 404, description = "There is no such device or property, or it is somebody else's."),
    ),
)]
async fn list_daily_usage(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<UsageQuery, 100, 1000>,
) -> Answer {
    let filter = Some(query.filter(&gateway, &actor, Grain::Day, &page).await?);
    let found = gateway.services.usage().list_daily_usage(ListDailyUsageRequest { filter }).await;
    show(&actor, page.listing(answer(USAGE_AGGREGATOR, "usage", found)?).owned(&actor, Resource::Usage))
}

/// Consumption and cost by local month.
///
/// The months that `from` and `to` touch are reported whole.
#[utoipa::path(
    get, path = "/usage/monthly", tag = "usage", params(Paged<UsageQuery, 100, 1000>),
    responses(
        (status = 200, description = "A page of months.", body = Listing<MonthlyUsage>),
        (status = 404, description = "There is no such device or property, or it is somebody else's."),
    ),
)]
async fn list_monthly_usage(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<UsageQuery, 100, 1000>,
) -> Answer {
    let filter = Some(query.filter(&gateway, &actor, Grain::Month, &page).await?);
    let found = gateway.services.usage().list_monthly_usage(ListMonthlyUsageRequest { filter }).await;
    show(&actor, page.listing(answer(USAGE_AGGREGATOR, "usage", found)?).owned(&actor, Resource::Usage))
}
