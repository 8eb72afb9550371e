//! The services the gateway asks: their messages become the domain's types here, and their statuses its failures.

use std::error::Error;
use std::time::Duration;

use indowater_common::error::Fatal;
use indowater_common::grpc::{HandOnTrace, channel};
use indowater_common::health::Dependency;
use indowater_proto::registry::v1 as registry;
use indowater_proto::registry::v1::registry_service_client::RegistryServiceClient;
use indowater_proto::usage::v1 as usage;
use indowater_proto::usage::v1::usage_service_client::UsageServiceClient;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use self::wire::Unexpected;
use crate::domain::access::Whose;
use crate::domain::failure::{Failure, Fault};
use crate::domain::metering::{DailyUsage, Device, HourlyUsage, MonthlyUsage, Property, Reading};
use crate::domain::page::{Listing, Page};
use crate::domain::period::Window;
use crate::domain::question::{ListQuestion, Selection};
use crate::observe;

mod bills;
#[cfg(test)]
pub mod fake;
#[cfg(test)]
mod fake_billing;
#[cfg(test)]
mod fake_bills;
#[cfg(test)]
mod fake_payments;
#[cfg(test)]
mod fake_vouchers;
mod money;
mod payments;
mod vouchers;
mod wire;
mod wire_bills;
mod wire_money;
mod wire_payments;
mod wire_vouchers;

pub use self::bills::Bills;
pub use self::money::{Ledger, Tariffs};
pub use self::payments::Payments;
pub use self::vouchers::Vouchers;

/// The service that keeps the registry.
pub const INGEST: &str = "ingest";
/// The service that keeps usage.
pub const USAGE_AGGREGATOR: &str = "usage-aggregator";

type Traced = InterceptedService<Channel, HandOnTrace>;

/// Properties and devices. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    channel: Channel,
    client: RegistryServiceClient<Traced>,
}

impl Registry {
    /// Asks the service at `url`, from the first question on.
    ///
    /// # Errors
    /// It is no URL.
    pub fn at(url: &str) -> Result<Self, Fatal> {
        let channel = channel(url)?;
        Ok(Self { client: RegistryServiceClient::with_interceptor(channel.clone(), HandOnTrace), channel })
    }

    /// The connection, to see whether the service answers.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A property.
    ///
    /// # Errors
    /// There is none of that id, or the service does not answer.
    pub async fn property(&self, id: &str) -> Result<Property, Failure> {
        let request = registry::GetPropertyRequest { id: id.to_owned() };
        let found = answer(INGEST, "property", self.client.clone().get_property(request).await)?.property;
        read(INGEST, found.ok_or(Unexpected("property")).and_then(wire::property))
    }

    /// A page of properties.
    ///
    /// # Errors
    /// A page token that is none, or the service does not answer; so for all lists that follow.
    pub async fn properties(&self, whose: &Whose, page: &Page) -> Result<Listing<Property>, Failure> {
        let request = registry::ListPropertiesRequest {
            customer_id: whose.customer_id().to_owned(),
            page_size: page.size,
            page_token: page.token.clone(),
        };
        let page = answer(INGEST, "property", self.client.clone().list_properties(request).await)?;
        listing(INGEST, page.properties, page.next_page_token, wire::property)
    }

    /// A device.
    ///
    /// # Errors
    /// There is none of that id, or the service does not answer.
    pub async fn device(&self, id: &str) -> Result<Device, Failure> {
        let request = registry::GetDeviceRequest { id: id.to_owned() };
        let found = answer(INGEST, "device", self.client.clone().get_device(request).await)?.device;
        read(INGEST, found.ok_or(Unexpected("device")).and_then(wire::device))
    }

    /// A page of devices.
    ///
    /// # Errors
    /// As above.
    pub async fn devices(&self, whose: &Whose, question: &ListQuestion) -> Result<Listing<Device>, Failure> {
        let request = registry::ListDevicesRequest {
            customer_id: whose.customer_id().to_owned(),
            property_id: question.property.clone(),
            status: question.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            page_size: question.page.size,
            page_token: question.page.token.clone(),
        };
        let page = answer(INGEST, "device", self.client.clone().list_devices(request).await)?;
        listing(INGEST, page.devices, page.next_page_token, wire::device)
    }
}

/// Reads and consumption. Cheap to clone.
#[derive(Clone)]
pub struct Usage {
    channel: Channel,
    client: UsageServiceClient<Traced>,
}

impl Usage {
    /// Asks the service at `url`, from the first question on.
    ///
    /// # Errors
    /// It is no URL.
    pub fn at(url: &str) -> Result<Self, Fatal> {
        let channel = channel(url)?;
        Ok(Self { client: UsageServiceClient::with_interceptor(channel.clone(), HandOnTrace), channel })
    }

    /// The connection, to see whether the service answers.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Consumption by hour.
    ///
    /// # Errors
    /// As above.
    pub async fn hourly(&self, selection: Selection) -> Result<Listing<HourlyUsage>, Failure> {
        let request = usage::ListHourlyUsageRequest { filter: Some(filter(selection)) };
        let page = answer(USAGE_AGGREGATOR, "usage", self.client.clone().list_hourly_usage(request).await)?;
        listing(USAGE_AGGREGATOR, page.hours, page.next_page_token, wire::hour)
    }

    /// Consumption by day.
    ///
    /// # Errors
    /// As above.
    pub async fn daily(&self, selection: Selection) -> Result<Listing<DailyUsage>, Failure> {
        let request = usage::ListDailyUsageRequest { filter: Some(filter(selection)) };
        let page = answer(USAGE_AGGREGATOR, "usage", self.client.clone().list_daily_usage(request).await)?;
        listing(USAGE_AGGREGATOR, page.days, page.next_page_token, wire::day)
    }

    /// Consumption by month.
    ///
    /// # Errors
    /// As above.
    pub async fn monthly(&self, selection: Selection) -> Result<Listing<MonthlyUsage>, Failure> {
        let request = usage::ListMonthlyUsageRequest { filter: Some(filter(selection)) };
        let page = answer(USAGE_AGGREGATOR, "usage", self.client.clone().list_monthly_usage(request).await)?;
        listing(USAGE_AGGREGATOR, page.months, page.next_page_token, wire::month)
    }

    /// The reads of a device in `window`, newest first; only those from days of `customer_id` unless it is empty.
    ///
    /// # Errors
    /// As above.
    pub async fn readings(
        &self,
        device_id: &str,
        customer_id: &str,
        window: Window,
        page: &Page,
    ) -> Result<Listing<Reading>, Failure> {
        let request = usage::ListReadsRequest {
            device_id: device_id.to_owned(),
            customer_id: customer_id.to_owned(),
            page_size: page.size,
            page_token: page.token.clone(),
            from: window.from,
            to: window.to,
        };
        let page = answer(USAGE_AGGREGATOR, "reading", self.client.clone().list_reads(request).await)?;
        listing(USAGE_AGGREGATOR, page.reads, page.next_page_token, wire::reading)
    }
}

fn filter(selection: Selection) -> usage::UsageFilter {
    usage::UsageFilter {
        device_id: selection.device_id,
        property_id: selection.property_id,
        customer_id: selection.customer_id,
        from: selection.period.from.to_string(),
        to: selection.period.to.to_string(),
        page_size: selection.page.size,
        page_token: selection.page.token,
        ascending: selection.ascending,
    }
}

fn read<T>(service: &'static str, message: Result<T, Unexpected>) -> Result<T, Failure> {
    message.map_err(|Unexpected(field)| {
        observe::service_broken(service, field);
        Failure::Broken(service)
    })
}

fn listing<W, T>(
    service: &'static str,
    items: Vec<W>,
    next_page_token: String,
    convert: impl FnMut(W) -> Result<T, Unexpected>,
) -> Result<Listing<T>, Failure> {
    let items = read(service, items.into_iter().map(convert).collect())?;
    Ok(Listing::new(items, next_page_token))
}

/// The one mapping of statuses: what is the caller's to mend keeps its words, all else is told only to the log.
fn answer<T>(
    service: &'static str,
    what: &'static str,
    outcome: Result<Response<T>, Status>,
) -> Result<T, Failure> {
    outcome.map(Response::into_inner).map_err(|status| {
        let failure = failure(service, what, &status);
        if matches!(failure, Failure::Unavailable(_) | Failure::TooSlow(_) | Failure::Broken(_)) {
            observe::service_failed(service, &status.code(), status.message());
        }
        failure
    })
}

fn failure(service: &'static str, what: &'static str, status: &Status) -> Failure {
    match status.code() {
        Code::NotFound => Failure::NotFound(what),
        Code::InvalidArgument | Code::OutOfRange => Failure::Invalid(vec![fault(status.message())]),
        Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => {
            Failure::Conflict(status.message().to_owned())
        }
        Code::Unavailable | Code::ResourceExhausted => Failure::Unavailable(service),
        // The channel's own deadline shows as a cancellation.
        Code::DeadlineExceeded | Code::Cancelled => Failure::TooSlow(service),
        // A status that came over the wire has no source; this one was made of a connection that broke.
        Code::Unknown if status.source().is_some() => Failure::Unavailable(service),
        _ => Failure::Broken(service),
    }
}

/// Our services write `field: what is wrong with it`.
fn fault(message: &str) -> Fault {
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.[]".contains(c))
    };
    match message.split_once(": ") {
        Some((field, detail)) if is_name(field) => {
            Fault::new(field.strip_prefix("filter.").unwrap_or(field), detail)
        }
        _ => Fault::new("", message),
    }
}

/// The same faults by the names that HTTP has for the fields; `names` has those of the call on the left. Besides
/// `field: what`, services say `field what; field what`, which only a list of fields can tell from a sentence.
fn renamed(failure: Failure, names: &[(&str, &str)]) -> Failure {
    let Failure::Invalid(faults) = failure else {
        return failure;
    };
    let name = |field: &str| names.iter().find(|(wire, _)| *wire == field).map(|(_, http)| *http);
    let told = |fault: Fault| {
        if !fault.field.is_empty() {
            let field = name(&fault.field).map_or(fault.field, str::to_owned);
            return vec![Fault { field, ..fault }];
        }
        let part = |part: &str| {
            let (field, detail) = part.split_once(' ')?;
            name(field.trim_end_matches(':')).map(|field| Fault::new(field, detail))
        };
        fault.detail.split("; ").map(part).collect::<Option<_>>().unwrap_or_else(|| vec![fault])
    };
    Failure::Invalid(faults.into_iter().flat_map(told).collect())
}

/// How often a service that answers is asked again.
const CALM: Duration = Duration::from_secs(5);
/// How often one that does not is.
const EAGER: Duration = Duration::from_millis(500);
/// How long a service may be silent before the gateway calls itself not ready: a restart is shorter.
const LATELY: Duration = Duration::from_secs(15);

/// Keeps `answers` up to date: whether the service has answered a health check lately.
///
/// Any answer counts, even that it is not ready itself. Its readiness steers its own traffic; a gateway that repeated
/// it would refuse log-ins because a broker is slow.
pub async fn watch(
    service: &'static str,
    channel: Channel,
    answers: Dependency,
    stop: CancellationToken,
) -> Result<(), Fatal> {
    let mut health = HealthClient::new(channel);
    let mut last_answer: Option<Instant> = None;
    loop {
        let asked = health.check(HealthCheckRequest::default());
        let Some(outcome) = stop.run_until_cancelled(asked).await else {
            return Ok(());
        };
        let answered = outcome.is_ok();
        if answered {
            last_answer = Some(Instant::now());
        }
        let lately = last_answer.is_some_and(|at| at.elapsed() < LATELY);
        if answers.set(lately) {
            observe::service_reachable(service, lately);
        }
        let pause = tokio::time::sleep(if answered { CALM } else { EAGER });
        if stop.run_until_cancelled(pause).await.is_none() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_become_failures_once() {
        for (code, expected) in [
            (Code::NotFound, Failure::NotFound("device")),
            (Code::InvalidArgument, Failure::Invalid(vec![Fault::new("page_token", "is none of ours")])),
            (Code::OutOfRange, Failure::Invalid(vec![Fault::new("page_token", "is none of ours")])),
            (Code::FailedPrecondition, Failure::Conflict("page_token: is none of ours".to_owned())),
            (Code::AlreadyExists, Failure::Conflict("page_token: is none of ours".to_owned())),
            (Code::Aborted, Failure::Conflict("page_token: is none of ours".to_owned())),
            (Code::Unavailable, Failure::Unavailable(INGEST)),
            (Code::ResourceExhausted, Failure::Unavailable(INGEST)),
            (Code::DeadlineExceeded, Failure::TooSlow(INGEST)),
            (Code::Cancelled, Failure::TooSlow(INGEST)),
            (Code::Unknown, Failure::Broken(INGEST)),
            (Code::Internal, Failure::Broken(INGEST)),
            (Code::Unimplemented, Failure::Broken(INGEST)),
            (Code::PermissionDenied, Failure::Broken(INGEST)),
            (Code::Unauthenticated, Failure::Broken(INGEST)),
            (Code::DataLoss, Failure::Broken(INGEST)),
        ] {
            let status = Status::new(code, "page_token: is none of ours");
            assert_eq!(failure(INGEST, "device", &status), expected, "{code:?}");
        }
    }

    #[test]
    fn a_connection_that_broke_is_unavailable() {
        let broken = Status::from_error("connection reset".into());
        assert_eq!(
            (broken.code(), failure(INGEST, "device", &broken)),
            (Code::Unknown, Failure::Unavailable(INGEST))
        );
    }

    #[test]
    fn fields_are_told_by_the_names_they_have_here() {
        let names = [("method", "payment_method"), ("amount", "amount")];
        let told = |message: &str| match renamed(Failure::Invalid(vec![fault(message)]), &names) {
            Failure::Invalid(faults) => faults.into_iter().map(|fault| fault.field).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told("method: is not known"), ["payment_method"]);
        assert_eq!(told("reason: is missing"), ["reason"]);
        assert_eq!(told("method is not known; amount must be from 1 to 5"), ["payment_method", "amount"]);
        assert_eq!(told("method is not known; so there"), [""]);
        assert_eq!(told("there is no method"), [""]);
        assert_eq!(renamed(Failure::NotFound("payment"), &names), Failure::NotFound("payment"));
    }

    #[test]
    fn a_message_names_the_field_it_is_about() {
        assert_eq!(fault("filter.from: is no date"), Fault::new("from", "is no date"));
        assert_eq!(fault("reads[3].register: is negative"), Fault::new("reads[3].register", "is negative"));
        assert_eq!(fault("no such thing: sorry"), Fault::new("", "no such thing: sorry"));
        assert_eq!(fault("sorry"), Fault::new("", "sorry"));
    }
}
