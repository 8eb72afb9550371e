//! The gRPC edge: history by hour, day and month, and the reads themselves.

use indowater_common::domain::meter::Unit;
use indowater_common::domain::zone::Day;
use indowater_common::grpc::continue_trace;
use indowater_proto::telemetry::v1::RegisterUnit;
use indowater_proto::usage::v1::usage_service_server::{UsageService, UsageServiceServer};
use indowater_proto::usage::v1::{
    DailyUsage, HourlyUsage, ListDailyUsageRequest, ListDailyUsageResponse, ListHourlyUsageRequest,
    ListHourlyUsageResponse, ListMonthlyUsageRequest, ListMonthlyUsageResponse, ListReadsRequest,
    ListReadsResponse, MonthlyUsage, StoredRead, UsageFilter, UsageQuality,
};
use jiff::Timestamp;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use crate::domain::day::Quality;
use crate::domain::hourly;
use crate::domain::reads::Source;
use crate::mongo::{Filter, Found, PageToken, Store};
use crate::wire;

/// The service as routes of a server.
pub fn routes(store: Store) -> Routes {
    Routes::new(UsageServiceServer::new(Usage { store }))
}

struct Usage {
    store: Store,
}

const DEFAULT_PAGE: i32 = 100;
const LARGEST_PAGE: i32 = 1_000;

#[tonic::async_trait]
impl UsageService for Usage {
    async fn list_hourly_usage(
        &self,
        request: Request<ListHourlyUsageRequest>,
    ) -> Result<Response<ListHourlyUsageResponse>, Status> {
        let span = tracing::info_span!("list hourly usage");
        continue_trace(&span, &request);
        let asked = request.into_inner().filter;
        async move {
            let mut filter = filter(asked)?;
            // A page is whole days: as many as fit, at least one.
            filter.page = (filter.page / 24).max(1);
            let found = self.store.days(&filter).await.map_err(unavailable)?;
            let next_page_token = next_token(&found, filter.page, token_of);
            let mut hours = Vec::new();
            for found in found {
                hours.extend(self.hours(found, filter.ascending).await?);
            }
            Ok(Response::new(ListHourlyUsageResponse { hours, next_page_token }))
        }
        .instrument(span)
        .await
    }

    async fn list_daily_usage(
        &self,
        request: Request<ListDailyUsageRequest>,
    ) -> Result<Response<ListDailyUsageResponse>, Status> {
        let span = tracing::info_span!("list daily usage");
        continue_trace(&span, &request);
        let asked = request.into_inner().filter;
        async move {
            let filter = filter(asked)?;
            let found = self.store.days(&filter).await.map_err(unavailable)?;
            let next_page_token = next_token(&found, filter.page, token_of);
            let days = found.iter().map(daily).collect();
            Ok(Response::new(ListDailyUsageResponse { days, next_page_token }))
        }
        .instrument(span)
        .await
    }

    async fn list_monthly_usage(
        &self,
        request: Request<ListMonthlyUsageRequest>,
    ) -> Result<Response<ListMonthlyUsageResponse>, Status> {
        let span = tracing::info_span!("list monthly usage");
        continue_trace(&span, &request);
        let asked = request.into_inner().filter;
        async move {
            let filter = filter(asked)?;
            let found = self.store.months(&filter).await.map_err(unavailable)?;
            let token = |month: &crate::mongo::Month| PageToken { day: month.month, id: month.device_id.clone() };
            let next_page_token = next_token(&found, filter.page, token);
            let months = found.into_iter().map(|month| MonthlyUsage {
                device_id: month.device_id,
                customer_id: month.customer_id,
                property_id: month.property_id,
                month: month.month.date().strftime("%Y-%m").to_string(),
                consumption: month.consumption.to_string(),
                cost: month.cost.to_string(),
                days: month.days,
                days_estimated: month.estimated,
                days_anomalous: month.anomalous,
            });
            Ok(Response::new(ListMonthlyUsageResponse { months: months.collect(), next_page_token }))
        }
        .instrument(span)
        .await
    }

    async fn list_reads(
        &self,
        request: Request<ListReadsRequest>,
    ) -> Result<Response<ListReadsResponse>, Status> {
        let span = tracing::info_span!("list reads");
        continue_trace(&span, &request);
        let request = request.into_inner();
        async move {
            let page = usize::try_from(page_size(request.page_size)?).unwrap_or_default();
            if request.device_id.is_empty() {
                return Err(Status::invalid_argument("device_id: is required"));
            }
            // The token is the moment of the oldest read shown; a page never splits a moment.
            let before = match request.page_token.as_str() {
                "" => i64::MAX / 1_000,
                token => token.parse().map_err(|_| wrong_token())?,
            };
            let mut reads = Vec::new();
            let mut upper = before;
            while reads.len() < page {
                let days = self.store.days_with_reads(&request.device_id, upper, 8).await.map_err(unavailable)?;
                let Some(oldest) = days.last().and_then(|found| found.record.reads.iter().next()) else { break };
                upper = oldest.point.at;
                for found in &days {
                    let mut of_day: Vec<_> =
                        found.record.reads.effective().filter(|read| read.point.at < before).collect();
                    of_day.reverse();
                    reads.extend(of_day.into_iter().map(|read| (read, found.meter.unit)));
                }
            }
            let more = reads.len() >= page;
            reads.truncate(page);
            let next_page_token = match reads.last() {
                Some((oldest, _)) if more => oldest.point.at.to_string(),
                _ => String::new(),
            };
            let reads = reads.into_iter().map(|(read, unit)| StoredRead {
                read_at: Timestamp::from_second(read.point.at).unwrap_or_default().to_string(),
                register: read.point.register,
                unit: match unit {
                    Unit::Litre => RegisterUnit::Litre,
                    Unit::Millilitre => RegisterUnit::Millilitre,
                }
                .into(),
                source: match read.source {
                    Source::Telemetry => "telemetry".to_owned(),
                    Source::Manual => "manual".to_owned(),
                },
            });
            Ok(Response::new(ListReadsResponse { reads: reads.collect(), next_page_token }))
        }
        .instrument(span)
        .await
    }
}

impl Usage {
    async fn hours(&self, found: Found, ascending: bool) -> Result<Vec<HourlyUsage>, Status> {
        let Found { device_id, record, zone, meter } = found;
        let next = if record.figures.complete {
            self.store.first_read_after(&device_id, record.day).await.map_err(unavailable)?
        } else {
            None
        };
        let mut hours: Vec<_> = hourly::hours(&record, next, &zone, &meter)
            .into_iter()
            .map(|hour| HourlyUsage {
                device_id: device_id.clone(),
                hour: zone.rfc3339(hour.start),
                consumption: meter.unit.cubic_metres(hour.volume).to_string(),
                quality: match hour.quality {
                    Quality::Measured => UsageQuality::Measured,
                    Quality::Interpolated => UsageQuality::Interpolated,
                    Quality::Estimated => UsageQuality::Estimated,
                }
                .into(),
            })
            .collect();
        if !ascending {
            hours.reverse();
        }
        Ok(hours)
    }
}

fn daily(found: &Found) -> DailyUsage {
    wire::daily_usage(&found.device_id, &found.record, found.zone.name(), found.meter.unit)
}

fn token_of(found: &Found) -> PageToken {
    PageToken { day: found.record.day, id: wire::record_id(&found.device_id, &found.record) }
}

/// The token of the last one if the page is full; empty otherwise.
fn next_token<T>(found: &[T], page: i64, token: impl Fn(&T) -> PageToken) -> String {
    match found.last() {
        Some(last) if i64::try_from(found.len()).is_ok_and(|len| len == page) => {
            let PageToken { day, id } = token(last);
            format!("{day}/{id}")
        }
        _ => String::new(),
    }
}

fn filter(asked: Option<UsageFilter>) -> Result<Filter, Status> {
    let asked = asked.ok_or_else(|| Status::invalid_argument("filter: is required"))?;
    let named = [
        ("device_id", &asked.device_id),
        ("property_id", &asked.property_id),
        ("customer_id", &asked.customer_id),
    ];
    let Some((field, value)) = named.into_iter().find(|(_, value)| !value.is_empty()) else {
        return Err(Status::invalid_argument("filter: device_id, property_id or customer_id is required"));
    };
    let day = |field: &str, text: &str| {
        Day::parse(text).ok_or_else(|| Status::invalid_argument(format!("{field}: \"{text}\" is no date YYYY-MM-DD")))
    };
    let (from, to) = (day("from", &asked.from)?, day("to", &asked.to)?);
    if from > to {
        return Err(Status::invalid_argument("from: is after to"));
    }
    let after = match asked.page_token.split_once('/') {
        None if asked.page_token.is_empty() => None,
        Some((day, id)) => Some(PageToken { day: Day::parse(day).ok_or_else(wrong_token)?, id: id.to_owned() }),
        None => return Err(wrong_token()),
    };
    Ok(Filter {
        field,
        value: value.clone(),
        from,
        to,
        ascending: asked.ascending,
        page: page_size(asked.page_size)?,
        after,
    })
}

fn page_size(asked: i32) -> Result<i64, Status> {
    match asked {
        0 => Ok(DEFAULT_PAGE.into()),
        1..=LARGEST_PAGE => Ok(asked.into()),
        _ => Err(Status::invalid_argument(format!("page_size: must be 1 to {LARGEST_PAGE}"))),
    }
}

fn wrong_token() -> Status {
    Status::invalid_argument("page_token: is not one that this list has given")
}

fn unavailable(error: mongodb::error::Error) -> Status {
    tracing::warn!(%error, "a question could not be answered");
    Status::unavailable("the database does not answer; try again")
}
