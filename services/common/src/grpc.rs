//! gRPC's common half: a server with health and reflection, a client channel, and the trace carried through both.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::service::{Interceptor, Routes};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use tracing::Span;

use crate::domain::request::Problems;
use crate::error::Fatal;
use crate::health::Health;
use crate::serve::Protocol;
use crate::telemetry;

/// Serves `routes` with health and reflection until `stop`.
///
/// `grpc.health.v1` answers for the whole server (the empty service name), from the same [`Health`] as `/readyz`.
///
/// # Errors
/// The address cannot be taken.
pub async fn serve(
    address: SocketAddr,
    routes: Routes,
    health: Health,
    stop: CancellationToken,
) -> Result<(), Fatal> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("the gRPC address {address} cannot be taken ({e}); set --grpc-listen"))?;
    tracing::info!(grpc = %listener.local_addr()?, "serving");
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(indowater_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let watcher = tokio::spawn(report(health, reporter));
    let routes = routes.add_service(reflection).add_service(health_service).prepare();
    crate::serve::serve(listener, routes.into_axum_router(), Protocol::Grpc, stop).await;
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

/// A channel to another service; it connects when first used, and again when it must.
///
/// # Errors
/// The address is no URL.
pub fn channel(url: &str) -> Result<Channel, Fatal> {
    Ok(Endpoint::from_shared(url.to_owned())
        .map_err(|e| format!("{url} is not the address of a service: {e}"))?
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(10))
        .http2_keep_alive_interval(Duration::from_secs(30))
        .tcp_nodelay(true)
        .connect_lazy())
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
