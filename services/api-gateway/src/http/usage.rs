//! Routes to reads and consumption.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Gateway;
use super::extract::{Id, Query};
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::failure::Failure;
use crate::domain::metering::{DailyUsage, HourlyUsage, MonthlyUsage, Reading};
use crate::domain::page::Listing;
use crate::domain::question::{ReadingsQuestion, ReadingsTexts, UsageQuestion, UsageTexts};

/// Which reads.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadingsQuery {
    /// On this day of the device's property; instead of `from` and `to`.
    #[param(format = Date, example = "2026-11-21")]
    date: Option<String>,
    /// From this moment on, in whole seconds.
    #[param(format = DateTime, example = "2026-11-20T17:00:00Z")]
    from: Option<String>,
    /// Before this moment, in whole seconds.
    #[param(format = DateTime, example = "2026-11-21T17:00:00Z")]
    to: Option<String>,
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 1000, default = 100)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// List the reads of a device, newest first.
///
/// Without bounds the latest. The link of an entry's explanation leads here, to the reads of one day.
#[utoipa::path(
    get,
    path = "/devices/{id}/readings",
    tag = "usage",
    params(("id" = String, Path, description = "The device's id.", example = "device-001"), ReadingsQuery),
    responses((status = 200, description = "A page of reads.", body = Listing<Reading>)),
)]
pub async fn list_readings(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<ReadingsQuery>,
) -> Result<axum::Json<Listing<Reading>>, Problem> {
    let question = ReadingsQuestion::read(ReadingsTexts {
        from: query.from.as_deref(),
        to: query.to.as_deref(),
        date: query.date.as_deref(),
        page_size: query.page_size.as_deref(),
        page_token: query.page_token.as_deref(),
    })?;
    Ok(axum::Json(gateway.app.readings(&caller.actor, &id, question).await?))
}

/// Whose usage, and when. Of the three ids one may be given; customers who give none see all that is theirs.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Of this device.
    #[param(example = "device-001")]
    device_id: Option<String>,
    /// Of all devices of this property.
    property_id: Option<String>,
    /// Of all devices of this customer; for staff.
    customer_id: Option<String>,
    /// The first local day, inclusive. Without it: 7 days by hour, 30 days by day, 12 months by month.
    #[param(format = Date, example = "2026-11-01")]
    from: Option<String>,
    /// The last local day, inclusive; today without it. At most 93 days by hour, 1096 by day, ten years by month.
    #[param(format = Date, example = "2026-11-22")]
    to: Option<String>,
    /// `asc` is oldest first, `desc` newest first.
    #[param(pattern = "^(asc|desc)$", default = "desc", example = "desc")]
    order: Option<String>,
    /// How many items on a page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 1000, default = 100)]
    page_size: Option<String>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

impl UsageQuery {
    fn question(&self) -> Result<UsageQuestion, Failure> {
        UsageQuestion::read(UsageTexts {
            device_id: self.device_id.as_deref(),
            property_id: self.property_id.as_deref(),
            customer_id: self.customer_id.as_deref(),
            from: self.from.as_deref(),
            to: self.to.as_deref(),
            order: self.order.as_deref(),
            page_size: self.page_size.as_deref(),
            page_token: self.page_token.as_deref(),
        })
    }
}

/// Consumption by hour.
#[utoipa::path(
    get,
    path = "/usage/hourly",
    tag = "usage",
    params(UsageQuery),
    responses(
        (status = 200, description = "A page of hours.", body = Listing<HourlyUsage>),
        (status = 403, description = "A customer named another customer."),
        (status = 404, description = "There is no such device or property, or it is somebody else's."),
    ),
)]
pub async fn hourly_usage(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<UsageQuery>,
) -> Result<axum::Json<Listing<HourlyUsage>>, Problem> {
    Ok(axum::Json(gateway.app.hourly_usage(&caller.actor, query.question()?).await?))
}

/// Consumption and cost by local day.
///
/// A day is revised when late reads come; `complete` says whether its end is known, `quality` how sure it is.
#[utoipa::path(
    get,
    path = "/usage/daily",
    tag = "usage",
    params(UsageQuery),
    responses(
        (status = 200, description = "A page of days.", body = Listing<DailyUsage>),
        (status = 403, description = "A customer named another customer."),
        (status = 404, description = "There is no such device or property, or it is somebody else's."),
    ),
)]
pub async fn daily_usage(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<UsageQuery>,
) -> Result<axum::Json<Listing<DailyUsage>>, Problem> {
    Ok(axum::Json(gateway.app.daily_usage(&caller.actor, query.question()?).await?))
}

/// Consumption and cost by local month.
///
/// The months that `from` and `to` touch are told whole.
#[utoipa::path(
    get,
    path = "/usage/monthly",
    tag = "usage",
    params(UsageQuery),
    responses(
        (status = 200, description = "A page of months.", body = Listing<MonthlyUsage>),
        (status = 403, description = "A customer named another customer."),
        (status = 404, description = "There is no such device or property, or it is somebody else's."),
    ),
)]
pub async fn monthly_usage(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<UsageQuery>,
) -> Result<axum::Json<Listing<MonthlyUsage>>, Problem> {
    Ok(axum::Json(gateway.app.monthly_usage(&caller.actor, query.question()?).await?))
}
