//! The services that are asked, and what becomes of their answers: their messages are shown as they are, their statuses
//! become failures here, once.

mod watch;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use indowater_common::credentials::Credentials;
use indowater_common::error::Fatal;
use indowater_common::grpc::{HandOnTrace, RETRY_AFTER, channel};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

pub use self::watch::watch;
use crate::failure::{Failure, Fault};
use crate::observe;
use crate::wire::Single;
use crate::wire::anomaly::v1::anomaly_service_client::AnomalyServiceClient;
use crate::wire::billing::v1::bill_service_client::BillServiceClient;
use crate::wire::billing::v1::ledger_service_client::LedgerServiceClient;
use crate::wire::billing::v1::payment_service_client::PaymentServiceClient;
use crate::wire::billing::v1::tariff_service_client::TariffServiceClient;
use crate::wire::registry::v1::registry_service_client::RegistryServiceClient;
use crate::wire::usage::v1::usage_service_client::UsageServiceClient;
use crate::wire::voucher::v1::voucher_service_client::VoucherServiceClient;

/// The service that keeps the registry.
pub const INGEST: &str = "ingest";
/// The service that keeps usage.
pub const USAGE_AGGREGATOR: &str = "usage-aggregator";
/// The service that keeps balances, tariffs, payments and bills.
pub const BILLING: &str = "billing";
/// The service that keeps vouchers.
pub const VOUCHER: &str = "voucher";
/// The service that finds leaks and tampering.
pub const ANOMALY_DETECTOR: &str = "anomaly-detector";

type Traced = InterceptedService<Channel, HandOnTrace>;

/// The services that are asked, each from the first question on. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// ingest
    pub registry: Channel,
    /// usage-aggregator
    pub usage: Channel,
    /// billing
    pub billing: Channel,
    /// voucher
    pub voucher: Channel,
    /// anomaly-detector
    pub anomalies: Channel,
}

impl Services {
    /// Asks ingest, usage-aggregator, billing, voucher and anomaly-detector at these URLs.
    ///
    /// # Errors
    /// One is no URL.
    pub fn at(
        [registry, usage, billing, voucher, anomalies]: [&str; 5],
        credentials: Option<&Arc<Credentials>>,
    ) -> Result<Self, Fatal> {
        Ok(Self {
            registry: channel(registry, INGEST, credentials)?,
            usage: channel(usage, USAGE_AGGREGATOR, credentials)?,
            billing: channel(billing, BILLING, credentials)?,
            voucher: channel(voucher, VOUCHER, credentials)?,
            anomalies: channel(anomalies, ANOMALY_DETECTOR, credentials)?,
        })
    }

    /// Properties and devices.
    pub fn registry(&self) -> RegistryServiceClient<Traced> {
        RegistryServiceClient::with_interceptor(self.registry.clone(), HandOnTrace)
    }

    /// Reads and consumption.
    pub fn usage(&self) -> UsageServiceClient<Traced> {
        UsageServiceClient::with_interceptor(self.usage.clone(), HandOnTrace)
    }

    /// Balances and statements.
    pub fn ledger(&self) -> LedgerServiceClient<Traced> {
        LedgerServiceClient::with_interceptor(self.billing.clone(), HandOnTrace)
    }

    /// What water costs.
    pub fn tariffs(&self) -> TariffServiceClient<Traced> {
        TariffServiceClient::with_interceptor(self.billing.clone(), HandOnTrace)
    }

    /// Payments.
    pub fn payments(&self) -> PaymentServiceClient<Traced> {
        PaymentServiceClient::with_interceptor(self.billing.clone(), HandOnTrace)
    }

    /// Bills, the way customers pay, and revenue.
    pub fn bills(&self) -> BillServiceClient<Traced> {
        BillServiceClient::with_interceptor(self.billing.clone(), HandOnTrace)
    }

    /// Leaks, tampering, and what is normal.
    pub fn anomalies(&self) -> AnomalyServiceClient<Traced> {
        AnomalyServiceClient::with_interceptor(self.anomalies.clone(), HandOnTrace)
    }

    /// Vouchers.
    pub fn vouchers(&self) -> VoucherServiceClient<Traced> {
        VoucherServiceClient::with_interceptor(self.voucher.clone(), HandOnTrace)
    }
}

/// What `service` answered to a question about a `what`.
///
/// # Errors
/// It refused, or did not answer. What is the caller's to mend keeps its words, all else is for the log only.
pub fn answer<T>(
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

/// The one thing that `service` answered.
///
/// # Errors
/// As [`answer`].
pub fn one<T: Single>(
    service: &'static str,
    what: &'static str,
    outcome: Result<Response<T>, Status>,
) -> Result<T::Item, Failure> {
    held(service, what, answer(service, what, outcome)?)
}

/// The one thing that `service` answered to a call that counts once for its key: after a failure it goes on where it stopped.
///
/// # Errors
/// As [`answer`].
pub fn one_by_key<T: Single>(
    service: &'static str,
    what: &'static str,
    outcome: Result<Response<T>, Status>,
) -> Result<T::Item, Failure> {
    let wait = outcome.as_ref().err().and_then(wait);
    let answered = answer(service, what, outcome).map_err(|failure| match failure {
        Failure::Unavailable(who) | Failure::TooSlow(who) => Failure::Unfinished(who, wait),
        other => other,
    });
    held(service, what, answered?)
}

fn held<T: Single>(service: &'static str, what: &'static str, answer: T) -> Result<T::Item, Failure> {
    answer.into_item().ok_or_else(|| {
        observe::service_broken(service, what);
        Failure::Broken(service)
    })
}

/// How long the service says to wait.
fn wait(status: &Status) -> Option<Duration> {
    let seconds = status.metadata().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn failure(service: &'static str, what: &'static str, status: &Status) -> Failure {
    match status.code() {
        Code::NotFound => Failure::NotFound(what),
        Code::InvalidArgument | Code::OutOfRange => Failure::Invalid(faults(status)),
        Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => {
            let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
            let kind = if reason.is_empty() {
                "conflict".to_owned()
            } else {
                reason.to_lowercase().replace('_', "-")
            };
            Failure::Conflict { kind, detail: status.message().to_owned() }
        }
        Code::Unavailable | Code::ResourceExhausted => Failure::Unavailable(service),
        // The channel's own deadline shows as a cancellation.
        Code::DeadlineExceeded | Code::Cancelled => Failure::TooSlow(service),
        // A status that came over the wire has no source; this one was made of a connection that broke.
        Code::Unknown if status.source().is_some() => Failure::Unavailable(service),
        _ => Failure::Broken(service),
    }
}

/// Fields of calls that are called otherwise over HTTP.
const NAMES: [(&str, &str); 6] = [
    ("method", "payment_method"),
    ("type", "payment_type"),
    ("key", "Idempotency-Key"),
    ("purchase_amount", "amount"),
    ("customer_name", "customer_id"),
    ("customer_email", "customer_id"),
];

/// What is wrong with which field, as the service says it in the details of its status.
fn faults(status: &Status) -> Vec<Fault> {
    let violations = status.get_details_bad_request().map(|wrong| wrong.field_violations).unwrap_or_default();
    if violations.is_empty() {
        return vec![Fault::new("", status.message())];
    }
    let fault = |violation: tonic_types::FieldViolation| {
        let field = violation.field.as_str();
        let field = NAMES.iter().find(|(call, _)| *call == field).map_or(field, |(_, http)| http);
        Fault::new(field, violation.description)
    };
    violations.into_iter().map(fault).collect()
}

#[cfg(test)]
mod tests {
    use indowater_common::domain::request::Problems;
    use indowater_common::grpc::{refused_for, wrong};

    use super::*;

    #[test]
    fn statuses_become_failures_once() {
        let conflict = || Failure::conflict("no");
        for (code, expected) in [
            (Code::NotFound, Failure::NotFound("device")),
            (Code::InvalidArgument, Failure::invalid("", "no")),
            (Code::OutOfRange, Failure::invalid("", "no")),
            (Code::FailedPrecondition, conflict()),
            (Code::AlreadyExists, conflict()),
            (Code::Aborted, conflict()),
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
            assert_eq!(failure(INGEST, "device", &Status::new(code, "no")), expected, "{code:?}");
        }
        let broken = Status::from_error("connection reset".into());
        assert_eq!(failure(INGEST, "device", &broken), Failure::Unavailable(INGEST));
    }

    #[test]
    fn details_say_what_is_wrong_and_why_not() {
        let mut problems = Problems::of("method", "is not known");
        problems.add("reason", "is missing");
        assert_eq!(
            failure(BILLING, "payment", &wrong(problems)),
            Failure::Invalid(vec![
                Fault::new("payment_method", "is not known"),
                Fault::new("reason", "is missing")
            ])
        );
        let paid = refused_for(Code::FailedPrecondition, "BILL_PAID", "The bill is paid.");
        let expected =
            Failure::Conflict { kind: "bill-paid".to_owned(), detail: "The bill is paid.".to_owned() };
        assert_eq!(failure(BILLING, "payment", &paid), expected);
    }
}
