//! Routes to reports.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Gateway;
use super::extract::Query;
use super::problem::Problem;
use crate::app::Caller;
use crate::domain::failure::Faults;
use crate::domain::period::Wish;
use crate::domain::revenue::Revenue;

/// Of which days.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// The first day in Jakarta, inclusive; thirty days without it.
    #[param(format = Date, example = "2026-11-01")]
    from: Option<String>,
    /// The last day in Jakarta, inclusive; today without it. At most 400 days.
    #[param(format = Date, example = "2026-11-22")]
    to: Option<String>,
}

/// What the utility took in: by day, by way to pay and by tariff class. For administrators.
///
/// Everything is told by the day it was posted, from the ledger alone. Rupiah are whole here, and JSON integers.
#[utoipa::path(
    get,
    path = "/reports/revenue",
    tag = "reports",
    params(ReportQuery),
    responses(
        (status = 200, description = "The report.", body = Revenue),
        (status = 403, description = "Whoever asks is no administrator."),
    ),
)]
pub async fn revenue(
    State(gateway): State<Gateway>,
    caller: Caller,
    Query(query): Query<ReportQuery>,
) -> Result<axum::Json<Revenue>, Problem> {
    let mut faults = Faults::default();
    let wish = Wish::read(query.from.as_deref(), query.to.as_deref(), &mut faults);
    let wish = faults.settle(wish)?;
    Ok(axum::Json(gateway.app.revenue(&caller.actor, wish).await?))
}
