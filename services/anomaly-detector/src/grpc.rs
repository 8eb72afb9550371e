//! The gRPC edge: calls to use cases and back, refusals to status codes.

use indowater_common::clock;
use indowater_common::domain::number;
use indowater_common::grpc::{continue_trace, page_size};
use indowater_proto::anomaly::v1 as pb;
use indowater_proto::anomaly::v1::anomaly_service_server::{AnomalyService, AnomalyServiceServer};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tracing::{Instrument, Span};

use crate::app::desk::{Desk, Word};
use crate::app::plans::{Announcement, Interruption, Plans};
use crate::domain::event::{LeakEvent, Verdict};
use crate::domain::expectation::{Expectations, Statement};
use crate::domain::planned::{Planned, PlannedChange};
use crate::domain::question::{Filter, InterruptionFilter, PageToken, Refusal};
use crate::wire;

/// The service as routes of a server.
pub fn routes(desk: Desk, plans: Plans) -> Routes {
    Routes::new(AnomalyServiceServer::new(Calls(desk, plans)))
}

struct Calls(Desk, Plans);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AnomalyService for Calls {
    async fn list_leaks(&self, request: Request<pb::ListLeaksRequest>) -> Answer<pb::ListLeaksResponse> {
        let span = span("ListLeaks", &request);
        let request = request.into_inner();
        let status = wire::asked_leak_status(request.status());
        let filter = filter(request.filter.unwrap_or_default())?;
        let (leaks, next) = self.0.leaks(&filter, status).instrument(span).await.map_err(refused)?;
        // A list is no place for three days of reads each.
        let leaks = leaks.iter().map(|event| pb::LeakEvent { explanation: None, ..wire::leak(event) });
        Ok(Response::new(pb::ListLeaksResponse { leaks: leaks.collect(), next_page_token: token(next) }))
    }

    async fn get_leak(&self, request: Request<pb::GetLeakRequest>) -> Answer<pb::GetLeakResponse> {
        let span = span("GetLeak", &request);
        let leak = self.0.leak(&request.get_ref().id).instrument(span).await.map_err(refused)?;
        Ok(Response::new(pb::GetLeakResponse { leak: Some(wire::leak(&leak)) }))
    }

    async fn reject_leak(&self, request: Request<pb::RejectLeakRequest>) -> Answer<pb::RejectLeakResponse> {
        let span = span("RejectLeak", &request);
        let pb::RejectLeakRequest { id, by, notes, revision } = request.into_inner();
        let word = Word { id, by, notes, revision };
        let leak = self.0.decide(word, Verdict::NotALeak).instrument(span).await.map_err(refused)?;
        Ok(Response::new(pb::RejectLeakResponse { leak: Some(wire::leak(&leak)) }))
    }

    async fn resolve_leak(
        &self,
        request: Request<pb::ResolveLeakRequest>,
    ) -> Answer<pb::ResolveLeakResponse> {
        let span = span("ResolveLeak", &request);
        let pb::ResolveLeakRequest { id, by, notes, revision } = request.into_inner();
        let word = Word { id, by, notes, revision };
        let leak = self.0.decide(word, Verdict::Mended).instrument(span).await.map_err(refused)?;
        Ok(Response::new(pb::ResolveLeakResponse { leak: Some(wire::leak(&leak)) }))
    }

    async fn list_tampering_events(
        &self,
        request: Request<pb::ListTamperingEventsRequest>,
    ) -> Answer<pb::ListTamperingEventsResponse> {
        let span = span("ListTamperingEvents", &request);
        let request = request.into_inner();
        let status = wire::asked_tampering_status(request.status());
        let filter = filter(request.filter.unwrap_or_default())?;
        let (events, next) = self.0.tampering(&filter, status).instrument(span).await.map_err(refused)?;
        let events = events.iter().map(wire::tampering).collect();
        Ok(Response::new(pb::ListTamperingEventsResponse { events, next_page_token: token(next) }))
    }

    async fn get_tampering_event(
        &self,
        request: Request<pb::GetTamperingEventRequest>,
    ) -> Answer<pb::GetTamperingEventResponse> {
        let span = span("GetTamperingEvent", &request);
        let event = self.0.tampering_event(&request.get_ref().id).instrument(span).await.map_err(refused)?;
        Ok(Response::new(pb::GetTamperingEventResponse { event: Some(wire::tampering(&event)) }))
    }

    async fn investigate_tampering(
        &self,
        request: Request<pb::InvestigateTamperingRequest>,
    ) -> Answer<pb::InvestigateTamperingResponse> {
        let span = span("InvestigateTampering", &request);
        let pb::InvestigateTamperingRequest { id, by, revision } = request.into_inner();
        let word = Word { id, by, notes: String::new(), revision };
        let event = self.0.inspect(word, false).instrument(span).await.map_err(refused)?;
        Ok(Response::new(pb::InvestigateTamperingResponse { event: Some(wire::tampering(&event)) }))
    }

    async fn resolve_tampering(
        &self,
        request: Request<pb::ResolveTamperingRequest>,
    ) -> Answer<pb::ResolveTamperingResponse> {
        let span = span("ResolveTampering", &request);
        let pb::ResolveTamperingRequest { id, by, resolution, revision } = request.into_inner();
        let word = Word { id, by, notes: resolution, revision };
        let event = self.0.inspect(word, true).instrument(span).await.map_err(refused)?;
        Ok(Response::new(pb::ResolveTamperingResponse { event: Some(wire::tampering(&event)) }))
    }

    async fn list_inspections(
        &self,
        request: Request<pb::ListInspectionsRequest>,
    ) -> Answer<pb::ListInspectionsResponse> {
        let span = span("ListInspections", &request);
        let request = request.into_inner();
        let (after, page) = (after(&request.page_token)?, page_size(request.page_size)?);
        let (worth, next) = self.0.worth_a_visit(after, page).instrument(span).await.map_err(refused)?;
        let inspections = worth.iter().map(|(event, saving, value)| pb::Inspection {
            leak: Some(pb::LeakEvent { explanation: None, ..wire::leak(event) }),
            expected_saving_rupiah: *saving,
            expected_value_rupiah: *value,
        });
        let inspections = inspections.collect();
        Ok(Response::new(pb::ListInspectionsResponse { inspections, next_page_token: token(next) }))
    }

    async fn get_expectations(
        &self,
        request: Request<pb::GetExpectationsRequest>,
    ) -> Answer<pb::GetExpectationsResponse> {
        let span = span("GetExpectations", &request);
        let property = request.into_inner().property_id;
        let (said, leaks) = self.0.expectations(&property).instrument(span).await.map_err(refused)?;
        let expectations = Some(expectations(property, &said, &leaks));
        Ok(Response::new(pb::GetExpectationsResponse { expectations }))
    }

    async fn put_expectations(
        &self,
        request: Request<pb::PutExpectationsRequest>,
    ) -> Answer<pb::PutExpectationsResponse> {
        let span = span("PutExpectations", &request);
        let pb::PutExpectationsRequest { expectations: put, by, revision } = request.into_inner();
        let put = put.ok_or_else(|| Status::invalid_argument("expectations is missing"))?;
        let said = statement(&put, by)?;
        let stated = self.0.state(&put.property_id, said, revision).instrument(span).await;
        let (said, leaks) = stated.map_err(refused)?;
        let expectations = Some(expectations(put.property_id, &said, &leaks));
        Ok(Response::new(pb::PutExpectationsResponse { expectations }))
    }

    async fn list_supply_interruptions(
        &self,
        request: Request<pb::ListSupplyInterruptionsRequest>,
    ) -> Answer<pb::ListSupplyInterruptionsResponse> {
        let span = span("ListSupplyInterruptions", &request);
        let asked = request.into_inner();
        let filter = InterruptionFilter {
            areas: (!asked.areas.is_empty()).then_some(asked.areas),
            from: moment("from", &asked.from)?,
            to: moment("to", &asked.to)?,
            page: page_size(asked.page_size)?,
            after: after(&asked.page_token)?,
        };
        let (found, next) = self.1.list(&filter).instrument(span).await.map_err(refused)?;
        let interruptions = found.iter().map(interruption).collect();
        Ok(Response::new(pb::ListSupplyInterruptionsResponse { interruptions, next_page_token: token(next) }))
    }

    async fn get_supply_interruption(
        &self,
        request: Request<pb::GetSupplyInterruptionRequest>,
    ) -> Answer<pb::GetSupplyInterruptionResponse> {
        let span = span("GetSupplyInterruption", &request);
        let found = self.1.get(&request.get_ref().id).instrument(span).await.map_err(refused)?;
        Ok(Response::new(pb::GetSupplyInterruptionResponse { interruption: Some(interruption(&found)) }))
    }

    async fn plan_supply_interruption(
        &self,
        request: Request<pb::PlanSupplyInterruptionRequest>,
    ) -> Answer<pb::PlanSupplyInterruptionResponse> {
        let span = span("PlanSupplyInterruption", &request);
        let asked = request.into_inner();
        let said = Announcement {
            from: moment("from", &asked.from)?.ok_or_else(|| missing("from"))?,
            until: moment("until", &asked.until)?.ok_or_else(|| missing("until"))?,
            area: asked.area,
            reason: asked.reason,
            by: asked.by,
            key: asked.key,
        };
        let plan = self.1.announce(said).instrument(span).await.map_err(refused)?;
        Ok(Response::new(pb::PlanSupplyInterruptionResponse { interruption: Some(planned(&plan)) }))
    }

    async fn change_supply_interruption(
        &self,
        request: Request<pb::ChangeSupplyInterruptionRequest>,
    ) -> Answer<pb::ChangeSupplyInterruptionResponse> {
        let span = span("ChangeSupplyInterruption", &request);
        let asked = request.into_inner();
        let change = PlannedChange {
            from: moment("from", asked.from.as_deref().unwrap_or_default())?,
            until: moment("until", asked.until.as_deref().unwrap_or_default())?,
            reason: asked.reason,
            cancel: asked.cancel,
            by: asked.by,
        };
        let changed = self.1.change(&asked.id, change, asked.revision).instrument(span).await;
        let changed = changed.map_err(refused)?;
        Ok(Response::new(pb::ChangeSupplyInterruptionResponse { interruption: Some(planned(&changed)) }))
    }
}

fn interruption(found: &Interruption) -> pb::NetworkEvent {
    match found {
        Interruption::Seen(event) => wire::network::seen(event),
        Interruption::Planned(plan) => planned(plan),
    }
}

fn planned(plan: &Planned) -> pb::NetworkEvent {
    wire::network::planned(plan, clock::now().as_second())
}

fn missing(field: &str) -> Status {
    Status::invalid_argument(format!("{field} is missing"))
}

fn span<T>(name: &'static str, request: &Request<T>) -> Span {
    let span = tracing::info_span!("call", name);
    continue_trace(&span, request);
    span
}

/// Millilitres of a litre.
const LITRE: i64 = 1_000;

fn expectations(property_id: String, said: &Expectations, leaks: &[LeakEvent]) -> pb::Expectations {
    let last = said.statements.last();
    let litres = |millilitres: i64| Decimal::new(millilitres, 3).normalize().to_string();
    let learned = leaks.iter().filter_map(|event| {
        let period = event.normal()?;
        let crate::domain::leak::Stated::Normal(flow) = period.what else { return None };
        Some(pb::NormalFlow {
            device_id: event.device_id.clone(),
            normal_flow: litres(flow),
            from: wire::rfc3339(period.from),
            until: wire::rfc3339(period.until),
            leak_id: event.id.clone(),
        })
    });
    let away = last.and_then(|said| said.away);
    pb::Expectations {
        property_id,
        normal_flow: last.and_then(|said| said.normal).map(litres).unwrap_or_default(),
        away_from: away.map(|(from, _)| wire::rfc3339(from)).unwrap_or_default(),
        away_until: away.map(|(_, until)| wire::rfc3339(until)).unwrap_or_default(),
        updated_by: last.map(|said| said.by.clone()).unwrap_or_default(),
        updated_at: last.map(|said| wire::rfc3339(said.at)).unwrap_or_default(),
        revision: said.revision,
        learned: learned.collect(),
    }
}

fn statement(put: &pb::Expectations, by: String) -> Result<Statement, Status> {
    let normal = match put.normal_flow.as_str() {
        "" => None,
        text => {
            let litres = number::limited(text, 3).ok_or_else(|| {
                Status::invalid_argument(
                    "expectations.normal_flow must be litres an hour, such as 12.5, with at most three decimals",
                )
            })?;
            let millilitres = litres.checked_mul(LITRE.into()).and_then(|flow| flow.to_i64());
            Some(
                millilitres
                    .ok_or_else(|| Status::invalid_argument("expectations.normal_flow is too large"))?,
            )
        }
    };
    let away = match (
        moment("expectations.away_from", &put.away_from)?,
        moment("expectations.away_until", &put.away_until)?,
    ) {
        (None, None) => None,
        (Some(from), Some(until)) => Some((from, until)),
        _ => return Err(Status::invalid_argument("expectations.away_from and away_until go together")),
    };
    Ok(Statement { at: 0, by, normal, away })
}

fn moment(field: &str, text: &str) -> Result<Option<i64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let at: Result<Timestamp, _> = text.parse();
    at.map(|at| Some(at.as_second())).map_err(|_| {
        Status::invalid_argument(format!("{field} must be a time in RFC 3339, such as 2026-01-31T08:00:00Z"))
    })
}

fn filter(asked: pb::EventFilter) -> Result<Filter, Status> {
    let given = |id: String| (!id.is_empty()).then_some(id);
    Ok(Filter {
        customer_id: given(asked.customer_id),
        device_id: given(asked.device_id),
        property_id: given(asked.property_id),
        from: moment("filter.from", &asked.from)?,
        to: moment("filter.to", &asked.to)?,
        page: page_size(asked.page_size)?,
        after: after(&asked.page_token)?,
    })
}

fn after(page_token: &str) -> Result<Option<PageToken>, Status> {
    match page_token.split_once('/') {
        None if page_token.is_empty() => Ok(None),
        Some((at, id)) => {
            Ok(Some(PageToken { at: at.parse().map_err(|_| wrong_token())?, id: id.to_owned() }))
        }
        None => Err(wrong_token()),
    }
}

fn token(next: Option<PageToken>) -> String {
    next.map_or_else(String::new, |PageToken { at, id }| format!("{at}/{id}"))
}

fn wrong_token() -> Status {
    Status::invalid_argument("page_token: is not one that this list has given")
}

fn refused(refusal: Refusal) -> Status {
    match refusal {
        Refusal::NotFound => Status::not_found("there is no such event"),
        Refusal::Stale => Status::aborted("it has changed since it was read; read it again"),
        Refusal::Settled => Status::failed_precondition("it is settled already"),
        Refusal::Wrong(what) => Status::invalid_argument(what),
        Refusal::Unavailable(error) => {
            tracing::warn!(error, "a call could not be answered");
            Status::unavailable("the database does not answer; try again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_says_a_flow_or_an_absence_or_takes_all_back() {
        let put = |normal: &str, from: &str, until: &str| pb::Expectations {
            normal_flow: normal.into(),
            away_from: from.into(),
            away_until: until.into(),
            ..Default::default()
        };
        let said = statement(&put("12.5", "", ""), "customer-1".into()).unwrap();
        assert_eq!((said.normal, said.away), (Some(12_500), None));
        let said =
            statement(&put("", "1970-01-01T01:00:00+01:00", "1970-01-02T00:00:00Z"), String::new()).unwrap();
        assert_eq!((said.normal, said.away), (None, Some((0, 86_400))));
        assert_eq!(statement(&put("", "", ""), String::new()).unwrap().normal, None);
        for (normal, from, until) in [
            ("a lot", "", ""),
            ("1e3", "", ""),
            ("-1", "", ""),
            ("", "tomorrow", ""),
            ("", "2026-01-31T08:00:00Z", ""),
        ] {
            let refused = statement(&put(normal, from, until), String::new()).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{normal:?} {from:?}");
        }
    }

    #[test]
    fn a_page_goes_on_after_its_token() {
        let page_token = token(Some(PageToken { at: 5, id: "leak-1/2".into() }));
        let after = filter(pb::EventFilter { page_token, ..Default::default() }).unwrap().after;
        assert_eq!(after, Some(PageToken { at: 5, id: "leak-1/2".into() }));
        for page_token in ["5", "a/b"] {
            let asked = pb::EventFilter { page_token: page_token.into(), ..Default::default() };
            assert_eq!(filter(asked).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }
}
