//! Logs, traces and metrics: JSON lines on standard output, spans and metrics over OTLP when an endpoint is set, and
//! a Prometheus registry for the admin endpoint.

use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::error::Fatal;

/// What must be flushed before the process ends.
pub struct Telemetry {
    registry: prometheus::Registry,
    meters: SdkMeterProvider,
    traces: Option<SdkTracerProvider>,
}

/// Bounds of duration histograms in seconds: the default ones suit milliseconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Starts logs, metrics and, with an `endpoint`, export over OTLP/gRPC.
///
/// # Errors
/// A wrong filter or endpoint.
pub fn start(
    name: &'static str,
    instance: &str,
    filter: &str,
    endpoint: Option<&str>,
) -> Result<Telemetry, Fatal> {
    let resource = Resource::builder()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.namespace", "indowater"))
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());

    let registry = prometheus::Registry::new();
    let mut meters = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_reader(
            opentelemetry_prometheus::exporter()
                .with_registry(registry.clone())
                .scope_info_enabled(false)
                .build()?,
        )
        .with_view(|instrument: &Instrument| {
            let histogram = instrument.kind() == InstrumentKind::Histogram;
            let aggregation =
                Aggregation::ExplicitBucketHistogram { boundaries: SECONDS.to_vec(), record_min_max: false };
            histogram.then(|| Stream::builder().with_aggregation(aggregation).build().ok()).flatten()
        });
    let mut traces = None;
    if let Some(endpoint) = endpoint {
        let exporter =
            opentelemetry_otlp::MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        meters = meters.with_periodic_exporter(exporter);
        let exporter =
            opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        traces =
            Some(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build());
    }
    let meters = meters.build();
    global::set_meter_provider(meters.clone());

    let log = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_filter(EnvFilter::try_new(filter).map_err(|e| format!("--log: {e}"))?);
    let spans = traces.as_ref().map(|provider| {
        tracing_opentelemetry::layer().with_tracer(provider.tracer("indowater")).with_filter(our_spans())
    });
    tracing_subscriber::registry().with(log).with(spans).try_init()?;
    Ok(Telemetry { registry, meters, traces })
}

/// Spans of the libraries below would drown ours, and the exporter's own would feed themselves.
fn our_spans() -> EnvFilter {
    EnvFilter::new("info,h2=off,hyper=off,tonic=off,tower=off,opentelemetry=off,mongodb=off")
}

impl Telemetry {
    /// What the admin endpoint serves.
    pub fn metrics(&self) -> prometheus::Registry {
        self.registry.clone()
    }

    /// Sends what is left.
    pub fn flush(self) {
        if let Some(traces) = self.traces
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
        if let Err(error) = self.meters.shutdown() {
            tracing::warn!(%error, "the last metrics were not sent");
        }
    }
}

/// Where a service makes its instruments.
pub fn meter() -> Meter {
    global::meter("indowater")
}

/// A counter.
pub fn counter(name: &'static str, help: &'static str) -> Counter<u64> {
    meter().u64_counter(name).with_description(help).build()
}

/// A histogram of durations in seconds.
pub fn durations(name: &'static str, help: &'static str) -> Histogram<f64> {
    meter().f64_histogram(name).with_unit("s").with_description(help).build()
}

struct TraceParent<'a>(&'a str);

impl Extractor for TraceParent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// Makes `span` a child of the W3C `traceparent` that came with a record or a call.
pub fn continue_trace(span: &Span, traceparent: &str) {
    let context = TraceContextPropagator::new().extract(&TraceParent(traceparent));
    // Without an exporter there is no layer that could take the parent; that is no error.
    let _ = span.set_parent(context);
}

/// The W3C `traceparent` that hands `span` on, if it is part of a sampled trace.
pub fn traceparent(span: &Span) -> Option<String> {
    struct Slot(Option<String>);
    impl Injector for Slot {
        fn set(&mut self, key: &str, value: String) {
            if key == "traceparent" {
                self.0 = Some(value);
            }
        }
    }
    let context: Context = span.context();
    if !context.span().span_context().is_sampled() {
        return None;
    }
    let mut slot = Slot(None);
    TraceContextPropagator::new().inject_context(&context, &mut slot);
    slot.0
}

/// Whether a `traceparent` asks for its trace to be kept: its last field is the flags, of which bit 0 says sampled.
/// One of another length than the standard's is a stranger's invention, not to be handed on.
pub fn is_sampled(traceparent: &str) -> bool {
    const LENGTH: usize = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".len();
    if traceparent.len() != LENGTH {
        return false;
    }
    let flags = traceparent.rsplit('-').next().and_then(|flags| u8::from_str_radix(flags, 16).ok());
    flags.is_some_and(|flags| flags & 1 == 1)
}
