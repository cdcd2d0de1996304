//! One span per check, joined to the trace that Envoy began. Off unless an OTLP endpoint is configured, and then free.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};
use thiserror::Error;
use tollgate_core::caller::Caller;
use tonic::metadata::MetadataMap;

use super::Decision;

/// The longest `traceparent` and `tracestate` that are looked at (W3C Trace Context sections 3.2 and 3.3.1.5).
const MAX_TRACEPARENT: usize = 128;
const MAX_TRACESTATE: usize = 512;

/// Where spans are sent.
#[derive(Clone, Debug)]
pub struct OtlpOptions {
    /// The collector's gRPC endpoint, such as `http://otel-collector:4317`.
    pub endpoint: String,
    /// The share of checks that begin a trace of their own; a trace that the gateway began keeps its own decision.
    pub sample_ratio: f64,
    /// Headers for the collector, such as an API key. Secret.
    pub headers: http::HeaderMap,
}

/// Why tracing cannot start.
#[derive(Debug, Error)]
#[error("the OTLP exporter cannot start")]
pub struct TracesError(#[from] opentelemetry_otlp::ExporterBuildError);

/// The tracer, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Exporting>);

#[derive(Clone, Debug)]
struct Exporting {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// The span of one check.
#[derive(Debug)]
pub struct CheckSpan(Option<Span>);

impl Traces {
    /// Starts exporting, if there is somewhere to export to. Must be called within the runtime.
    ///
    /// # Errors
    /// The endpoint is not usable.
    pub fn start(options: Option<OtlpOptions>) -> Result<Self, TracesError> {
        let Some(options) = options else { return Ok(Self(None)) };
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(options.endpoint)
            .with_timeout(Duration::from_secs(5))
            .with_metadata(MetadataMap::from_headers(options.headers))
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(options.sample_ratio))))
            .with_resource(Resource::builder().with_service_name("tollgate").build())
            .build();
        let tracer = provider.tracer("tollgate");
        Ok(Self(Some(Exporting { provider, tracer })))
    }

    /// Begins the span of a check. Trace context that is not valid is left aside, and the check begins its own trace.
    pub fn check_span(&self, traceparent: Option<&str>, tracestate: Option<&str>) -> CheckSpan {
        let Some(Exporting { tracer, .. }) = &self.0 else { return CheckSpan(None) };
        let mut carrier = HashMap::new();
        if let Some(parent) = traceparent.filter(|p| p.len() <= MAX_TRACEPARENT) {
            carrier.insert("traceparent".to_owned(), parent.to_owned());
            if let Some(state) = tracestate.filter(|s| s.len() <= MAX_TRACESTATE) {
                carrier.insert("tracestate".to_owned(), state.to_owned());
            }
        }
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        let span = tracer.span_builder("tollgate.check").with_kind(SpanKind::Server);
        CheckSpan(Some(span.start_with_context(tracer, &parent)))
    }

    /// Sends what is queued. Blocks for at most the exporter's timeout; call it outside the runtime's workers.
    pub fn flush(&self) {
        if let Some(Exporting { provider, .. }) = &self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

impl CheckSpan {
    /// Ends the span with what was decided.
    pub fn finish(self, decision: &Decision<'_>) {
        let Some(mut span) = self.0 else { return };
        let text = |name, value: Option<&str>| value.map(|v| KeyValue::new(name, v.to_owned()));
        let code = decision.denial.map(|(code, _)| code.as_str());
        let attributes = [
            text("check.id", Some(&decision.check_id.to_string())),
            text("door", Some(decision.door)),
            text("verdict", Some(if code.is_some() { "deny" } else { "allow" })),
            text("denial.code", code),
            text("caller.subject", decision.caller.map(Caller::subject)),
            text("route", decision.route),
            text("http.request.method", decision.method),
            text("server.address", decision.host),
            text("url.path", decision.path),
        ];
        span.set_attributes(attributes.into_iter().flatten());
        if code == Some("unavailable") {
            span.set_status(Status::error("unavailable"));
        }
        span.end();
    }
}
