//! Routes to what water costs.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Gateway;
use super::extract::{Id, Json, Query};
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::money::{DeviceQuote, Quote, TariffSchedule};
use crate::domain::order::{NewTariff, QuoteQuestion, QuoteTexts};
use crate::domain::page::Listing;

/// List the tariff classes. They are few: there is one page.
#[utoipa::path(
    get,
    path = "/tariffs",
    tag = "tariffs",
    responses((status = 200, description = "Every class.", body = Listing<TariffSchedule>)),
)]
pub async fn list_tariffs(
    State(gateway): State<Gateway>,
    caller: Caller,
) -> Result<axum::Json<Listing<TariffSchedule>>, Problem> {
    Ok(axum::Json(gateway.app.tariff_schedules(&caller.actor).await?))
}

/// Get a tariff class: what its water costs, from when on.
#[utoipa::path(
    get,
    path = "/tariffs/{class}",
    tag = "tariffs",
    params(("class" = String, Path, description = "Its name.", example = "household-middle-1")),
    responses((status = 200, description = "The class.", body = TariffSchedule)),
)]
pub async fn get_tariff(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(class): Id,
) -> Result<axum::Json<TariffSchedule>, Problem> {
    Ok(axum::Json(gateway.app.tariff_schedule(&caller.actor, &class).await?))
}

/// Set what water costs from a day on. For administrators.
///
/// Days that have begun somewhere are priced already, so it holds from tomorrow at the earliest. A version for the same
/// day is replaced, a class that is not there is made.
#[utoipa::path(
    post,
    path = "/tariffs/{class}/versions",
    tag = "tariffs",
    params(("class" = String, Path, description = "The class's name.", example = "household-middle-1")),
    request_body = NewTariff,
    responses(
        (status = 201, description = "The class with all its versions.", body = TariffSchedule),
        (status = 403, description = "Whoever asks is no administrator."),
        (status = 409, description = "Somebody else changes the class at the same time; try again."),
    ),
)]
pub async fn set_tariff(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(class): Id,
    Json(tariff): Json<NewTariff>,
) -> Result<(StatusCode, axum::Json<TariffSchedule>), Problem> {
    let set = gateway.app.set_tariff(&caller.actor, &class, &tariff).await;
    let schedule = set.map_err(|failure| Problem::from(failure).of_body())?;
    Ok((StatusCode::CREATED, axum::Json(schedule)))
}

/// Of what. Either `volume` or `amount` is given.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeviceQuoteQuery {
    /// What so many m³ cost, exact decimal.
    #[param(format = "decimal", example = "12.5")]
    volume: Option<String>,
    /// How many m³ so many whole rupiah buy.
    #[param(value_type = Option<i64>, minimum = 0)]
    amount: Option<String>,
}

/// What a volume costs at a meter now, or what a sum buys there.
///
/// By the class of the meter's property and what the meter has used of its month; by the blocks alone, without a fixed charge and a
/// minimum.
#[utoipa::path(
    get,
    path = "/devices/{id}/quote",
    tag = "tariffs",
    params(("id" = String, Path, description = "The device's id.", example = "device-001"), DeviceQuoteQuery),
    responses(
        (status = 200, description = "The volume, its cost, and the blocks it falls into.", body = DeviceQuote),
        (status = 409, description = "Water of this meter is free, so a sum buys without end."),
    ),
)]
pub async fn quote_at(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<DeviceQuoteQuery>,
) -> Result<axum::Json<DeviceQuote>, Problem> {
    let texts = QuoteTexts {
        volume: query.volume.as_deref(),
        amount: query.amount.as_deref(),
        ..QuoteTexts::default()
    };
    let question = QuoteQuestion::read(texts)?;
    Ok(axum::Json(gateway.app.quote_at(&caller.actor, &id, question.of).await?))
}

/// Of what, and when. Either `volume` or `amount` is given.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QuoteQuery {
    /// What so many m³ cost, exact decimal.
    #[param(format = "decimal", example = "12.5")]
    volume: Option<String>,
    /// How many m³ so many whole rupiah buy.
    #[param(value_type = Option<i64>, minimum = 0)]
    amount: Option<String>,
    /// Under the tariff of this local day; today in Jakarta without it.
    #[param(format = Date, example = "2026-11-22")]
    on: Option<String>,
    /// Volume of the month before, m³, exact decimal; none without it. It decides in which block the water begins.
    #[param(format = "decimal", example = "3.2")]
    month_to_date: Option<String>,
}

/// What a volume costs, or what a sum buys.
///
/// By the blocks alone, without a fixed charge and a minimum.
#[utoipa::path(
    get,
    path = "/tariffs/{class}/quote",
    tag = "tariffs",
    params(
        ("class" = String, Path, description = "The class's name.", example = "household-middle-1"),
        QuoteQuery,
    ),
    responses(
        (status = 200, description = "The volume, its cost, and the blocks it falls into.", body = Quote),
        (status = 409, description = "Water of this class is free, so a sum buys without end."),
    ),
)]
pub async fn quote(
    State(gateway): State<Gateway>,
    caller: Caller,
    Id(class): Id,
    Query(query): Query<QuoteQuery>,
) -> Result<axum::Json<Quote>, Problem> {
    let question = QuoteQuestion::read(QuoteTexts {
        volume: query.volume.as_deref(),
        amount: query.amount.as_deref(),
        on: query.on.as_deref(),
        month_to_date: query.month_to_date.as_deref(),
    })?;
    Ok(axum::Json(gateway.app.quote(&caller.actor, &class, question).await?))
}
