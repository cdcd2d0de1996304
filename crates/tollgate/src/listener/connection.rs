//! One connection under the port's bounds, from its first byte to goodbye.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::answers::Answers;
use super::budget::{Budget, Full};
use super::head::{Patient, Progress, Version, listen};
use super::intake::Room;
use super::{Limits, PeerAddr, PeerVerified};

/// What one connection is served with.
pub struct Job {
    pub router: Router,
    pub peer: PeerAddr,
    pub limits: Arc<Limits>,
    pub closing: CancellationToken,
    /// When it is asked to end.
    pub age: Option<Duration>,
    /// All other places are taken: one request of a probe is answered, until this is cancelled.
    pub reserved: Option<CancellationToken>,
}

/// For everything on a reserved place. Probes wait for a second.
const RESERVED_LIFE: Duration = Duration::from_secs(2);
/// What is charged for a request beside its head: its task, and its place among the streams.
const REQUEST_BYTES: usize = 2048;
/// What is charged for a line of a head beside its name and value.
const LINE_BYTES: usize = 64;

impl Job {
    /// Serves HTTP/1.1 or HTTP/2, whichever the peer speaks, until it leaves, grows old, or the port closes.
    pub async fn run<S>(self, mut stream: S, verified: PeerVerified)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, peer, limits, closing, age, reserved } = self;
        let opening = tokio::time::timeout(limits.header_read_timeout, listen(&mut stream));
        let opening = match closing.run_until_cancelled(opening).await {
            Some(Ok(Ok(Some(opening)))) => opening,
            Some(Err(_)) => {
                tracing::debug!(peer = %peer.0, "connection closed: nothing was asked in time");
                return;
            }
            // It left, it broke, or the port closes.
            _ => return,
        };
        let probes_only = reserved.is_some();
        if probes_only && opening.version == Version::Http2 {
            return;
        }
        let builder = builder(&limits, opening.version, probes_only);
        let progress = Progress::new(limits.budget.open());
        let most = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX).saturating_add(32 << 10);
        let stream = Patient::new(stream, opening, limits.header_read_timeout, most, Arc::clone(&progress));
        let answers = Arc::new(Answers::default());
        let (ready, budget) = (Arc::clone(&answers), limits.budget.clone());
        let probed = limits.probed;
        let service = service_fn(move |request: http::Request<Incoming>| {
            let under = progress.begin();
            let room = room(&budget, &request);
            let mut request = request.map(Body::new);
            let extensions = request.extensions_mut();
            extensions.insert(room.clone());
            extensions.insert(peer);
            extensions.insert(verified);
            extensions.insert(axum::extract::ConnectInfo(peer.0));
            let refused = probes_only && !probed.contains(&request.uri().path());
            let answer = (!refused).then(|| router.clone().call(request));
            let ready = Arc::clone(&ready);
            async move {
                let _under = under;
                let response = match answer {
                    Some(answer) => answer.await?,
                    None => too_many_connections(),
                };
                Ok::<_, std::convert::Infallible>(response.map(|body| ready.ready(body, room)))
            }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut old = pin!(async {
            match age {
                Some(age) => tokio::time::sleep(age).await,
                None => std::future::pending().await,
            }
        });
        let given_up = async {
            match &reserved {
                Some(token) => drop(tokio::time::timeout(RESERVED_LIFE, token.cancelled()).await),
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = old.as_mut() => None,
            () = closing.cancelled() => None,
            () = answers.overdue(limits.answer_timeout) => {
                tracing::debug!(peer = %peer.0, "connection cut off: an answer was not read in time");
                return;
            }
            () = given_up => return,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                // GOAWAY on HTTP/2, `connection: close` on HTTP/1.1; what is under way may finish.
                connection.as_mut().graceful_shutdown();
                let end = Instant::now() + limits.grace;
                match tokio::time::timeout_at(end, connection).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        tracing::debug!(peer = %peer.0, "connection cut off at the end of the grace");
                        return;
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %peer.0, %error, "connection ended with an error");
        }
    }
}

/// Lines of a large but honest request; Envoy's own bound is 100 (`max_headers_count`).
const HEADER_LINES: u32 = 128;
/// What HTTP/2 counts for a header line besides its name and value (RFC 9113 section 10.5.1).
const HEADER_LINE_OVERHEAD: u32 = 32;

/// HTTP/2 flow control: what a peer may send of one body before it is read, in bytes.
const STREAM_WINDOW: u32 = 64 << 10;
/// The same for all bodies of a connection together.
const CONNECTION_WINDOW: u32 = 256 << 10;

/// Charges a request's head.
fn room<B>(budget: &Budget, request: &http::Request<B>) -> Room {
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_BYTES);
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let held = budget.open();
    match held.grow(REQUEST_BYTES + path + lines.sum::<usize>()) {
        Ok(()) => Room::Held(Arc::new(held)),
        Err(Full) => Room::Full,
    }
}

fn too_many_connections() -> http::Response<Body> {
    let text = "Too many connections are open here. Try again shortly.\n";
    let mut response = http::Response::new(Body::from(text));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn builder(limits: &Limits, version: Version, once: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let max_header_bytes = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
    builder
        .http1()
        .timer(TokioTimer::new())
        // hyper's timer also runs while a connection is idle: it is the idle bound here, and `Patient` bounds heads.
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(max_header_bytes.max(8192))
        .keep_alive(!once)
        .max_headers(1000);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.max_header_bytes.saturating_add(HEADER_LINES * HEADER_LINE_OVERHEAD))
        .max_concurrent_streams(limits.max_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        // Streams that a peer opens and resets at once (CVE-2023-44487) end the connection after this many.
        .max_pending_accept_reset_streams(Some(64))
        .max_local_error_reset_streams(Some(256));
    match version {
        Version::Http1 => builder.http1_only(),
        Version::Http2 => builder.http2_only(),
    }
}
