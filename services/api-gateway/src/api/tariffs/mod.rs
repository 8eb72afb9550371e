//! What water costs.

#[cfg(test)]
mod tests;

use axum::extract::State;
use indowater_common::clock;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::devices::visible_device;
use super::gateway::Gateway;
use crate::access::{Resource, Role, may};
use crate::failure::Failure;
use crate::grpc::{BILLING, USAGE_AGGREGATOR, answer, one};
use crate::http::extract::{Id, Json, Query};
use crate::http::reply::{Answer, BodyAnswer, Listing, show};
use crate::session::Caller;
use crate::value::period::{JAKARTA, today};
use crate::value::{Amount, Day, Price, Volume};
use crate::wire::billing::v1::quote_request::Question;
use crate::wire::billing::v1::{
    GetTariffRequest, ListTariffsRequest, QuoteRequest, QuoteResponse, SetTariffRequest, Tariff, TariffBlock,
    TariffSchedule,
};
use crate::wire::usage::v1::{ListMonthlyUsageRequest, MonthlyUsage, UsageFilter};
use crate::wire::{CubicMetres, Shown};

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_tariffs))
        .routes(routes!(get_tariff))
        .routes(routes!(set_tariff))
        .routes(routes!(quote))
        .routes(routes!(quote_at_device))
}

/// List the tariff classes. They are few: there is one page.
#[utoipa::path(
    get, path = "/tariffs", tag = "tariffs",
    responses((status = 200, description = "Every class.", body = Listing<TariffSchedule>)),
)]
async fn list_tariffs(State(gateway): State<Gateway>, Caller { actor, .. }: Caller) -> Answer {
    may(&actor, Resource::Tariff)?;
    let found = gateway.services.tariffs().list_tariffs(ListTariffsRequest {}).await;
    show(&actor, Listing::whole(answer(BILLING, "tariff", found)?.schedules))
}

/// Get a tariff class: what its water costs, from when on.
#[utoipa::path(
    get, path = "/tariffs/{class}", tag = "tariffs",
    params(("class" = String, Path, description = "Its name.", example = "household-middle-1")),
    responses((status = 200, description = "The class.", body = TariffSchedule)),
)]
async fn get_tariff(State(gateway): State<Gateway>, Caller { actor, .. }: Caller, Id(class): Id) -> Answer {
    may(&actor, Resource::Tariff)?;
    show(&actor, schedule(&gateway, class).await?)
}

async fn schedule(gateway: &Gateway, class: String) -> Result<TariffSchedule, Failure> {
    one(BILLING, "tariff", gateway.services.tariffs().get_tariff(GetTariffRequest { class }).await)
}

/// A version of a tariff, to be set. Whether it makes sense is billing's to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTariff {
    /// The first local day it holds: tomorrow at the earliest, for days that have begun are priced already.
    #[schema(value_type = String, format = Date, example = "2027-01-01")]
    from: Day,
    /// Blocks with rising bounds; the last has none.
    #[schema(min_items = 1)]
    blocks: Vec<NewBlock>,
    /// Rupiah a month and meter, written as a block's `price`; nothing without it.
    #[schema(value_type = Option<String>, format = "decimal", pattern = r"^[0-9]+(\.[0-9]{1,2})?$", example = "15000")]
    fixed_charge: Option<Price>,
    /// m³ a month that are paid even if less is used, exact decimal; none without it.
    #[schema(value_type = Option<String>, format = "decimal", example = "10")]
    minimum_volume: Option<Volume>,
}

/// One block of a tariff that is to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBlock {
    /// Its upper bound in m³ a month, inclusive, exact decimal; null for the last block.
    #[schema(value_type = Option<String>, format = "decimal", example = "10")]
    up_to: Option<Volume>,
    /// Rupiah per m³: digits, and after a point at most two more. `5.000` is refused, for some mean five thousand by it.
    #[schema(value_type = String, format = "decimal", pattern = r"^[0-9]+(\.[0-9]{1,2})?$", example = "4900")]
    price: Price,
}

/// Set what water costs from a day on. For administrators.
///
/// Days that have begun somewhere are priced already, so it holds from tomorrow at the earliest. A version for the same
/// day is replaced, a class that is not there is made.
#[utoipa::path(
    post, path = "/tariffs/{class}/versions", tag = "tariffs", request_body = NewTariff,
    params(("class" = String, Path, description = "The class's name.", example = "household-middle-1")),
    responses(
        (status = 201, description = "The class with all its versions.", body = TariffSchedule),
        (status = 409, description = "Somebody else changes the class at the same time; try again."),
    ),
)]
async fn set_tariff(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(class): Id,
    Json(new): Json<NewTariff>,
) -> BodyAnswer {
    may(&actor, Resource::TariffChange)?;
    if new.blocks.is_empty() {
        return Err(Failure::invalid("blocks", "must be at least one").into());
    }
    let block = |block: NewBlock| TariffBlock {
        up_to: block.up_to.map(|bound| bound.0.to_string()).unwrap_or_default(),
        price: block.price.0.to_string(),
    };
    let tariff = Tariff {
        from: new.from.0.to_string(),
        blocks: new.blocks.into_iter().map(block).collect(),
        fixed_charge: new.fixed_charge.unwrap_or_default().0.to_string(),
        minimum_volume: new.minimum_volume.unwrap_or_default().0.to_string(),
        set_by: actor.id.clone().into(),
    };
    let request = SetTariffRequest { class, tariff: Some(tariff) };
    let set = one(BILLING, "tariff", gateway.services.tariffs().set_tariff(request).await)?;
    let place = format!("/tariffs/{}", set.class);
    show(&actor, set).map(|reply| reply.created(&place))
}

fn question(volume: Option<Volume>, amount: Option<Amount>) -> Result<Question, Failure> {
    match (volume, amount) {
        (Some(volume), None) => Ok(Question::Volume(volume.0.to_string())),
        (None, Some(amount)) => Ok(Question::Rupiah(amount.0)),
        (None, None) => Err(Failure::invalid("volume", "a volume or an amount is required")),
        (Some(_), Some(_)) => Err(Failure::invalid("amount", "only one of volume and amount may be given")),
    }
}

async fn ask_quote(
    gateway: &Gateway,
    class: &str,
    on: Date,
    month_to_date: Decimal,
    question: Question,
) -> Result<QuoteResponse, Failure> {
    let request = QuoteRequest {
        class: class.to_owned(),
        on: on.to_string(),
        month_to_date: month_to_date.to_string(),
        question: Some(question),
    };
    answer(BILLING, "tariff", gateway.services.tariffs().quote(request).await)
}

/// Of what, and when. Either `volume` or `amount` is given.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct QuoteQuery {
    /// What so many m³ cost, exact decimal.
    #[param(value_type = Option<String>, format = "decimal", example = "12.5")]
    volume: Option<Volume>,
    /// How many m³ so many whole rupiah buy.
    #[param(value_type = Option<i64>, minimum = 0)]
    amount: Option<Amount>,
    /// Under the tariff of this local day; today in Jakarta without it.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-22")]
    on: Option<Day>,
    /// Volume of the month before, m³, exact decimal; none without it. It decides in which block the water begins.
    #[param(value_type = Option<String>, format = "decimal", example = "3.2")]
    month_to_date: Option<Volume>,
}

/// What a volume costs, or what a sum buys.
///
/// By the blocks alone, without a fixed charge and a minimum.
#[utoipa::path(
    get, path = "/tariffs/{class}/quote", tag = "tariffs",
    params(("class" = String, Path, description = "The class's name.", example = "household-middle-1"), QuoteQuery),
    responses(
        (status = 200, description = "The volume, its cost, and the blocks it falls into.", body = QuoteResponse),
        (status = 409, description = "Water of this class is free, so a sum buys without end."),
    ),
)]
async fn quote(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(class): Id,
    Query(query): Query<QuoteQuery>,
) -> Answer {
    may(&actor, Resource::Tariff)?;
    let question = question(query.volume, query.amount)?;
    // Billing prices an unknown class like the one that is everyone's by default, so that no water is free; a price list for
    // a class that is not there would only hide a typing error.
    let class = schedule(&gateway, class).await?.class;
    let on = query.on.map_or_else(|| today(clock::now(), Some(JAKARTA)), |on| on.0);
    let month_to_date = query.month_to_date.unwrap_or_default().0;
    show(&actor, ask_quote(&gateway, &class, on, month_to_date, question).await?)
}

/// Of what. Either `volume` or `amount` is given.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DeviceQuoteQuery {
    /// What so many m³ cost, exact decimal.
    #[param(value_type = Option<String>, format = "decimal", example = "12.5")]
    volume: Option<Volume>,
    /// How many m³ so many whole rupiah buy.
    #[param(value_type = Option<i64>, minimum = 0)]
    amount: Option<Amount>,
}

/// What a volume costs at a meter now, or what a sum buys there.
#[derive(Debug, Serialize, ToSchema)]
struct DeviceQuote {
    /// Which meter.
    #[schema(example = "device-001")]
    device_id: String,
    /// By whose prices.
    #[schema(example = "household-middle-1")]
    tariff_class: String,
    /// What the meter has used of its month: it decides in which block the water begins.
    month_to_date: CubicMetres,
    /// The price.
    #[serde(flatten)]
    quote: QuoteResponse,
}

impl Shown for DeviceQuote {
    fn redact(&mut self, role: Role) {
        self.quote.redact(role);
    }
}

/// What a volume costs at a meter now, or what a sum buys there.
///
/// By the class of the meter's property and what the meter has used of its month; by the blocks alone, without a fixed charge and a
/// minimum.
#[utoipa::path(
    get, path = "/devices/{id}/quote", tag = "tariffs",
    params(("id" = String, Path, description = "The device's id.", example = "device-001"), DeviceQuoteQuery),
    responses(
        (status = 200, description = "The volume, its cost, and the blocks it falls into.", body = DeviceQuote),
        (status = 409, description = "Water of this meter is free, so a sum buys without end."),
    ),
)]
async fn quote_at_device(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(id): Id,
    Query(query): Query<DeviceQuoteQuery>,
) -> Answer {
    let question = question(query.volume, query.amount)?;
    let device = visible_device(&gateway, &actor, Resource::Device, id).await?;
    let today = today(clock::now(), Some(&device.time_zone));
    let filter = UsageFilter {
        device_id: device.id.clone(),
        from: today.first_of_month().to_string(),
        to: today.to_string(),
        // One, or one for each owner of the month.
        page_size: 100,
        ascending: true,
        ..UsageFilter::default()
    };
    let request = ListMonthlyUsageRequest { filter: Some(filter) };
    let found = gateway.services.usage().list_monthly_usage(request).await;
    let months = answer(USAGE_AGGREGATOR, "usage", found)?.months;
    let month_to_date = used(&months, &device.customer_id).ok_or(Failure::Broken(USAGE_AGGREGATOR))?;
    let quote = ask_quote(&gateway, &device.tariff_class, today, month_to_date, question).await?;
    let month_to_date = CubicMetres(month_to_date);
    show(
        &actor,
        DeviceQuote { device_id: device.id, tariff_class: device.tariff_class, month_to_date, quote },
    )
}

/// What a customer used in these months. Blocks begin anew with whoever has the device now; a month that ran backwards is not
/// in any block. None where a service wrote what is no volume.
fn used(months: &[MonthlyUsage], customer_id: &str) -> Option<Decimal> {
    let own = months.iter().filter(|month| month.customer_id == customer_id);
    let volumes: Option<Vec<Decimal>> =
        own.map(|month| Decimal::from_str_exact(&month.consumption).ok()).collect();
    Some(volumes?.into_iter().sum::<Decimal>().max(Decimal::ZERO).normalize())
}
