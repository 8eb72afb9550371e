//! Reports for the utility.

mod revenue;
#[cfg(test)]
mod tests;

use axum::extract::State;
use indowater_common::clock;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::revenue::Revenue;
use super::gateway::Gateway;
use crate::access::{Resource, may};
use crate::failure::Failure;
use crate::grpc::{BILLING, answer};
use crate::http::extract::Query;
use crate::http::reply::{Answer, show};
use crate::observe;
use crate::session::Caller;
use crate::value::Day;
use crate::value::period::{JAKARTA, Range, today};
use crate::wire::billing::v1::GetRevenueRequest;

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(get_revenue))
}

/// Of which days.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReportQuery {
    /// The first day in Jakarta, inclusive; thirty days without it.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    from: Option<Day>,
    /// The last day in Jakarta, inclusive; today without it. At most 400 days.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-22")]
    to: Option<Day>,
}

/// What the utility took in: by day, by way to pay and by tariff class. For administrators.
///
/// Everything is reported by the day it was posted, from the ledger alone. Rupiah are whole here, and JSON integers.
#[utoipa::path(
    get, path = "/reports/revenue", tag = "reports", params(ReportQuery),
    responses((status = 200, description = "The report.", body = Revenue)),
)]
async fn get_revenue(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Query(query): Query<ReportQuery>,
) -> Answer {
    may(&actor, Resource::Revenue)?;
    let today = today(clock::now(), Some(JAKARTA));
    let period = Range::new(query.from, query.to)?.resolve_report(today)?;
    let request = GetRevenueRequest { from: period.from.to_string(), to: period.to.to_string() };
    let found = answer(BILLING, "revenue", gateway.services.bills().get_revenue(request).await)?;
    let report = Revenue::of(period, &found.days).map_err(|unaccountable| {
        observe::answer_broken("Revenue", &unaccountable);
        Failure::Broken(BILLING)
    })?;
    show(&actor, report)
}
