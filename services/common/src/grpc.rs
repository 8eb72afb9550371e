//! gRPC's common half: a server with health, a client channel, mutual TLS and the trace through both.

#[cfg(test)]
#[path = "grpc_tests.rs"]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::service::{Interceptor, Routes};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use tower::service_fn;
use tracing::Span;

use crate::credentials::Credentials;
use crate::domain::request::Problems;
use crate::error::Fatal;
use crate::health::Health;
use crate::serve::Connector;
use crate::telemetry;

/// Where and to whom gRPC is served.
#[derive(Clone)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// With these, to those alone who prove who they are and may call what they call; without, to anyone.
    pub credentials: Option<Arc<Credentials>>,
    /// Whether the schemas can be asked for, which tools like and production does without.
    pub reflection: bool,
}

/// Serves `routes` with health, and reflection where it is wanted, until `stop`.
///
/// `grpc.health.v1` answers for the whole server (the empty service name), from the same [`Health`] as `/readyz`.
///
/// # Errors
/// The address cannot be taken.
pub async fn serve(
    listen: Listen,
    mut routes: Routes,
    health: Health,
    stop: CancellationToken,
) -> Result<(), Fatal> {
    let Listen { address, credentials, reflection } = listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("the gRPC address {address} cannot be taken ({e}); set --grpc-listen"))?;
    let mutual = credentials.is_some();
    tracing::info!(grpc = %listener.local_addr()?, mutual_tls = mutual, "serving");
    if !mutual && !listener.local_addr()?.ip().is_loopback() {
        tracing::warn!("gRPC is served beyond this machine to anyone who reaches it: set --certificates");
    }
    if reflection {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(indowater_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        routes = routes.add_service(reflection);
    }
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let watcher = tokio::spawn(report(health, reporter));
    let routes = routes.add_service(health_service).prepare();
    crate::serve::serve_grpc(listener, routes.into_axum_router(), credentials, stop).await;
    watcher.abort();
    Ok(())
}

async fn report(health: Health, reporter: tonic_health::server::HealthReporter) {
    loop {
        let status = if health.missing().is_empty() {
            tonic_health::ServingStatus::Serving
        } else {
            tonic_health::ServingStatus::NotServing
        };
        reporter.set_service_status("", status).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A channel to the service called `service` at `url`; it connects when first used, and again when it must.
///
/// With `credentials` both ends prove who they are, and the address begins with `https://`; without, with `http://`.
///
/// # Errors
/// The address is no URL, or one of the other kind.
pub fn channel(url: &str, service: &str, credentials: Option<&Arc<Credentials>>) -> Result<Channel, Fatal> {
    let wrong = |what: &str| Fatal::from(format!("{url} is not the address of {service}: {what}"));
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|e| wrong(&e.to_string()))?;
    let endpoint = endpoint
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(10))
        .http2_keep_alive_interval(Duration::from_secs(30))
        .tcp_nodelay(true);
    match (credentials, endpoint.uri().scheme_str()) {
        (None, Some("http")) => Ok(endpoint.connect_lazy()),
        (Some(credentials), Some("https")) => {
            let connector = Connector::new(service, credentials);
            Ok(endpoint.connect_with_connector_lazy(service_fn(move |uri| connector.clone().connect(uri))))
        }
        (None, Some("https")) => Err(wrong("https:// needs a certificate of our own: set --certificates")),
        (Some(_), Some("http")) => Err(wrong("with certificates it must begin with https://")),
        _ => Err(wrong("it must begin with http://, or with certificates https://")),
    }
}

/// Puts the current span's `traceparent` on every call of a client.
#[derive(Clone, Copy, Debug)]
pub struct HandOnTrace;

impl Interceptor for HandOnTrace {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(traceparent) = telemetry::traceparent(&Span::current())
            && let Ok(value) = MetadataValue::try_from(traceparent)
        {
            request.metadata_mut().insert("traceparent", value);
        }
        Ok(request)
    }
}

/// Makes `span` a child of the trace a call came with.
pub fn continue_trace<T>(span: &Span, request: &Request<T>) {
    if let Some(traceparent) = request.metadata().get("traceparent").and_then(|v| v.to_str().ok()) {
        telemetry::continue_trace(span, traceparent);
    }
}

/// A status that says which field of a request is wrong, and how, as `google.rpc.BadRequest`.
pub fn invalid(field: &str, what: &str) -> Status {
    wrong(Problems::of(field, what))
}

/// The same of all fields that are wrong.
pub fn wrong(problems: Problems) -> Status {
    let message = problems.to_string();
    let violations: Vec<_> =
        problems.into_iter().map(|(field, what)| FieldViolation::new(field, what)).collect();
    Status::with_error_details(Code::InvalidArgument, message, ErrorDetails::with_bad_request(violations))
}

/// Of whom the reasons of [`refused_for`] are.
const DOMAIN: &str = "indowater";

/// A status that says why something is not possible as things stand: to programs by a `reason` in upper case, as
/// `google.rpc.ErrorInfo`, to people by the message.
pub fn refused_for(code: Code, reason: &str, message: impl Into<String>) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new()))
}

const DEFAULT_PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;

/// Metadata of a status `UNAVAILABLE`: in how many seconds it is worth while to ask again, as HTTP's header of that name.
pub const RETRY_AFTER: &str = "retry-after";

/// How many entries a page has, of `page_size` as it was asked: 0 means 100.
///
/// # Errors
/// A size out of bounds.
pub fn page_size(asked: i32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(DEFAULT_PAGE),
        Ok(size) if size <= LARGEST_PAGE => Ok(size),
        _ => Err(invalid("page_size", &format!("must be 1 to {LARGEST_PAGE}"))),
    }
}
