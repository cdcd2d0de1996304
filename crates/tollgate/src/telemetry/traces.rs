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
            text("gen_ai.request.model", decision.model),
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::mpsc;

    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
        TraceService, TraceServiceServer,
    };
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
    };
    use opentelemetry_proto::tonic::trace::v1::Span as ReceivedSpan;
    use tollgate_core::denial::DenialCode;
    use tollgate_core::input::CheckId;
    use tollgate_core::time::Timestamp;
    use tonic::{Request, Response, Status as RpcStatus};

    use super::*;

    struct Collector(mpsc::Sender<ReceivedSpan>);

    #[tonic::async_trait]
    impl TraceService for Collector {
        async fn export(
            &self,
            request: Request<ExportTraceServiceRequest>,
        ) -> Result<Response<ExportTraceServiceResponse>, RpcStatus> {
            let scopes =
                request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            for span in scopes.flat_map(|scope| scope.spans) {
                self.0.send(span).unwrap();
            }
            Ok(Response::new(ExportTraceServiceResponse::default()))
        }
    }

    fn decision() -> Decision<'static> {
        Decision {
            check_id: CheckId::from_bits(7),
            door: "envoy_grpc",
            now: Timestamp::from_secs(1),
            denial: Some((DenialCode::TokenExpired, "the token has expired")),
            caller: None,
            model: Some("gpt-4o"),
            route: Some("all"),
            method: Some("GET"),
            host: Some("ai.test"),
            path: Some("/v1/models"),
            client: None,
            client_problem: None,
            peer: None,
            request_id: None,
            latency: Duration::from_micros(20),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn spans_join_the_gateways_trace_and_bad_context_is_left_aside() {
        let (sender, spans) = mpsc::channel();
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", socket.local_addr().unwrap());
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(socket);
        let server =
            tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector(sender)));
        tokio::spawn(server.serve_with_incoming(incoming));
        let options = OtlpOptions { endpoint, sample_ratio: 1.0, headers: http::HeaderMap::new() };
        let traces = Traces::start(Some(options)).unwrap();
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let parent = format!("00-{trace}-b7ad6b7169203331-01");
        let long = format!("{parent}{}", "0".repeat(10_000));
        for traceparent in [Some(parent.as_str()), Some("nonsense"), Some(long.as_str()), None] {
            traces.check_span(traceparent, Some("vendor=x")).finish(&decision());
        }
        tokio::task::spawn_blocking(move || traces.flush()).await.unwrap();
        let received: Vec<ReceivedSpan> = spans.try_iter().collect();
        assert_eq!(received.len(), 4);
        let id =
            |span: &ReceivedSpan| span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            received.iter().filter(|span| id(span) == trace).count(),
            1,
            "only the valid context is joined"
        );
        for span in &received {
            assert_eq!(span.name, "tollgate.check");
            let names: Vec<&str> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
            assert!(names.contains(&"denial.code") && !names.contains(&"denial.reason"), "{names:?}");
        }
    }

    #[test]
    fn off_is_off() {
        Traces::start(None).unwrap().check_span(None, None).finish(&decision());
    }
}
