//! The gRPC edge: history by hour, day and month, and the reads themselves.

use indowater_common::domain::meter::Unit;
use indowater_common::domain::zone::Day;
use indowater_common::error::Retry;
use indowater_common::grpc::{continue_trace, invalid, page_size};
use indowater_proto::telemetry::v1::RegisterUnit;
use indowater_proto::usage::v1::usage_service_server::{UsageService, UsageServiceServer};
use indowater_proto::usage::v1::{
    DailyUsage, HourlyUsage, ListDailyUsageRequest, ListDailyUsageResponse, ListHourlyUsageRequest,
    ListHourlyUsageResponse, ListMonthlyUsageRequest, ListMonthlyUsageResponse, ListReadsRequest,
    ListReadsResponse, MonthlyUsage, ReadVerdict, StoredRead, UsageFilter,
};
use jiff::Timestamp;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use crate::app::questions::Questions;
use crate::domain::day::{Verdict, cubic_metres};
use crate::domain::question::{Filter, Found, HoursOfDay, JudgedRead, Month, PageToken, Span, Whose};
use crate::wire;
use indowater_common::domain::reads::Source;

/// The service as routes of a server.
pub fn routes(questions: Questions) -> Routes {
    Routes::new(UsageServiceServer::new(Usage { questions }))
}

struct Usage {
    questions: Questions,
}

#[tonic::async_trait]
impl UsageService for Usage {
    async fn list_hourly_usage(
        &self,
        request: Request<ListHourlyUsageRequest>,
    ) -> Result<Response<ListHourlyUsageResponse>, Status> {
        let span = tracing::info_span!("list hourly usage");
        continue_trace(&span, &request);
        let filter = filter(request.into_inner().filter)?;
        let page = self.questions.hours(&filter).instrument(span).await.map_err(unavailable)?;
        let hours = page.entries.iter().flat_map(hourly).collect();
        Ok(Response::new(ListHourlyUsageResponse { hours, next_page_token: token(page.next) }))
    }

    async fn list_daily_usage(
        &self,
        request: Request<ListDailyUsageRequest>,
    ) -> Result<Response<ListDailyUsageResponse>, Status> {
        let span = tracing::info_span!("list daily usage");
        continue_trace(&span, &request);
        let filter = filter(request.into_inner().filter)?;
        let page = self.questions.days(&filter).instrument(span).await.map_err(unavailable)?;
        let days = page.entries.iter().map(daily).collect();
        Ok(Response::new(ListDailyUsageResponse { days, next_page_token: token(page.next) }))
    }

    async fn list_monthly_usage(
        &self,
        request: Request<ListMonthlyUsageRequest>,
    ) -> Result<Response<ListMonthlyUsageResponse>, Status> {
        let span = tracing::info_span!("list monthly usage");
        continue_trace(&span, &request);
        let filter = filter(request.into_inner().filter)?;
        let page = self.questions.months(&filter).instrument(span).await.map_err(unavailable)?;
        let months = page.entries.into_iter().map(monthly).collect();
        Ok(Response::new(ListMonthlyUsageResponse { months, next_page_token: token(page.next) }))
    }

    async fn list_reads(
        &self,
        request: Request<ListReadsRequest>,
    ) -> Result<Response<ListReadsResponse>, Status> {
        let trace = tracing::info_span!("list reads");
        continue_trace(&trace, &request);
        let request = request.into_inner();
        let page = page_size(request.page_size)?;
        if request.device_id.is_empty() {
            return Err(invalid("device_id", "is required"));
        }
        let span = span(request.from, request.to, &request.page_token)?;
        let of =
            Whose { device: given(request.device_id), property: None, customer: given(request.customer_id) };
        let found = self.questions.reads(&of, span, page).instrument(trace).await;
        let found = found.map_err(unavailable)?;
        let reads = found.reads.into_iter().map(stored_read).collect();
        let next_page_token = found.next.map_or_else(String::new, |oldest| oldest.to_string());
        Ok(Response::new(ListReadsResponse { reads, next_page_token }))
    }
}

fn hourly(day: &HoursOfDay) -> impl Iterator<Item = HourlyUsage> + '_ {
    let Found { device_id, zone, .. } = &day.found;
    day.hours.iter().map(move |hour| HourlyUsage {
        device_id: device_id.clone(),
        hour: zone.rfc3339(hour.start),
        consumption: cubic_metres(hour.volume).to_string(),
        quality: wire::quality(hour.quality).into(),
    })
}

fn daily(found: &Found) -> DailyUsage {
    wire::daily_usage(&found.device_id, &found.record, found.zone.name())
}

fn monthly(month: Month) -> MonthlyUsage {
    MonthlyUsage {
        device_id: month.device_id,
        customer_id: month.customer_id,
        property_id: month.property_id,
        month: month.month.month(),
        consumption: month.consumption.to_string(),
        cost: month.cost.to_string(),
        days: month.days,
        days_estimated: month.estimated,
        days_anomalous: month.anomalous,
    }
}

fn stored_read(judged: JudgedRead) -> StoredRead {
    let JudgedRead { read, register, unit, verdict } = judged;
    StoredRead {
        read_at: Timestamp::from_second(read.at).unwrap_or_default().to_string(),
        reading: cubic_metres(unit.millilitres(register)).to_string(),
        register,
        unit: match unit {
            Unit::Litre => RegisterUnit::Litre,
            Unit::Millilitre => RegisterUnit::Millilitre,
        }
        .into(),
        source: match read.source {
            Source::Telemetry => "telemetry".to_owned(),
            Source::Manual => "manual".to_owned(),
        },
        verdict: match verdict {
            Verdict::Counted => ReadVerdict::Counted,
            Verdict::Conflict => ReadVerdict::Conflict,
            Verdict::Glitch => ReadVerdict::Glitch,
            Verdict::BeforeInstallation => ReadVerdict::BeforeInstallation,
        }
        .into(),
        clock_corrected: read.clock_corrected,
    }
}

fn filter(asked: Option<UsageFilter>) -> Result<Filter, Status> {
    let asked = asked.ok_or_else(|| invalid("filter", "is required"))?;
    let whose = Whose {
        device: given(asked.device_id),
        property: given(asked.property_id),
        customer: given(asked.customer_id),
    };
    if whose.device.is_none() && whose.property.is_none() && whose.customer.is_none() {
        return Err(invalid("customer_id", "or device_id or property_id is required"));
    }
    let (from, to) = (day("from", &asked.from)?, day("to", &asked.to)?);
    if from > to {
        return Err(invalid("from", "is after to"));
    }
    let after = match asked.page_token.split_once('/') {
        None if asked.page_token.is_empty() => None,
        Some((day, id)) => {
            Some(PageToken { day: Day::parse(day).ok_or_else(wrong_token)?, id: id.to_owned() })
        }
        None => return Err(wrong_token()),
    };
    Ok(Filter { whose, from, to, ascending: asked.ascending, page: page_size(asked.page_size)?, after })
}

/// The moments that are asked for and were not on earlier pages.
fn span(from: i64, to: i64, page_token: &str) -> Result<Span, Status> {
    let bound = |field: &str, at: i64| match at {
        0 => Ok(None),
        1.. => Ok(Some(at)),
        _ => Err(invalid(field, "is before 1970")),
    };
    let (from, to) = (bound("from", from)?, bound("to", to)?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(invalid("from", "is after to"));
    }
    let span = Span::new(from, to);
    if page_token.is_empty() {
        return Ok(span);
    }
    Ok(span.up_to(page_token.parse().map_err(|_| wrong_token())?))
}

fn given(id: String) -> Option<String> {
    (!id.is_empty()).then_some(id)
}

fn day(field: &str, text: &str) -> Result<Day, Status> {
    Day::parse(text).ok_or_else(|| invalid(field, "is no date YYYY-MM-DD"))
}

fn token(next: Option<PageToken>) -> String {
    next.map_or_else(String::new, |PageToken { day, id }| format!("{day}/{id}"))
}

fn wrong_token() -> Status {
    invalid("page_token", "is not one that this list has given")
}

fn unavailable(error: Retry) -> Status {
    tracing::warn!(%error, "a question could not be answered");
    Status::unavailable("the database does not answer; try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_bound_and_a_page_goes_on_before_the_last_one() {
        assert_eq!(span(0, 0, "").unwrap(), Span::new(None, None));
        assert_eq!(span(10, 20, "").unwrap(), Span::new(Some(10), Some(20)));
        assert_eq!(span(10, 0, "15").unwrap(), Span::new(Some(10), Some(15)));
        assert_eq!(span(0, 20, "25").unwrap(), Span::new(None, Some(20)), "a token widens nothing");
        assert_eq!(span(10, 10, "").unwrap(), Span::new(Some(10), Some(10)));
    }

    #[test]
    fn a_span_that_makes_no_sense_is_refused() {
        for (from, to, token) in [(-1, 0, ""), (0, -1, ""), (20, 10, ""), (0, 0, "yesterday")] {
            assert_eq!(span(from, to, token).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }
}
