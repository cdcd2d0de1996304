//! One HTTP/1.1 request on a connection of its own, exactly as written: paths are not tidied, headers may repeat, and the
//! pieces of the answer keep the times at which they came.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::target::Gateway;

/// Bytes of an answer that are kept; the rest is read and counted.
const KEPT: usize = 256 * 1024;

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub method: Method,
    /// Path with query, byte for byte.
    pub target: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The first 256 KiB.
    pub body: Vec<u8>,
    /// When each piece of the body came, counted from the sending, and its length.
    pub pieces: Vec<(Duration, usize)>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// Nobody listens, or TLS was refused.
    #[error("no connection: {0:#}")]
    Connect(anyhow::Error),
    /// The connection was closed before an answer came.
    #[error("the connection was closed without an answer: {0}")]
    Closed(String),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
}

impl Request {
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: Vec::new(), body: Bytes::new() }
    }

    pub fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = Bytes::from(body.to_string());
        self.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }
}

impl Answer {
    /// A header's text, or nothing.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Sends one request and reads the answer to its end.
pub(super) async fn send(gateway: &Gateway, request: Request, limit: Duration) -> Result<Answer, WireError> {
    match timeout(limit, exchange(gateway, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(WireError::Late(limit)),
    }
}

async fn exchange(gateway: &Gateway, request: Request) -> Result<Answer, WireError> {
    let stream = connect(gateway).await.map_err(WireError::Connect)?;
    match &gateway.tls {
        None => speak(gateway, stream, request).await,
        Some(tls) => {
            let connector = TlsConnector::from(tls.config.clone());
            let stream = connector.connect(tls.server_name.clone(), stream).await;
            let stream = stream.context("TLS").map_err(WireError::Connect)?;
            speak(gateway, stream, request).await
        }
    }
}

async fn connect(gateway: &Gateway) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect((gateway.name.as_str(), gateway.port)).await;
    let stream = stream.with_context(|| format!("{}:{}", gateway.name, gateway.port))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn speak<S>(gateway: &Gateway, stream: S, request: Request) -> Result<Answer, WireError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let closed = |error: &dyn std::error::Error| WireError::Closed(error.to_string());
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| closed(&error))?;
    // Ends with the stream; what went wrong on it shows as the request's own error.
    let connection = tokio::spawn(connection);
    let target: Uri = request.target.parse().map_err(|error| closed(&error))?;
    let mut message = http::Request::new(Full::new(request.body));
    *message.method_mut() = request.method;
    *message.uri_mut() = target;
    message.headers_mut().insert(header::HOST, gateway.host.clone());
    message.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    message.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in request.headers {
        message.headers_mut().append(name, value);
    }
    let begin = Instant::now();
    let response = sender.send_request(message).await.map_err(|error| closed(&error))?;
    let (head, body) = response.into_parts();
    let (body, pieces) = read(body, begin).await;
    connection.abort();
    Ok(Answer { status: head.status, headers: head.headers, body, pieces })
}

const AGENT: &str = concat!("tollgate-verify/", env!("CARGO_PKG_VERSION"));

/// Reads a body to its end; one that is cut short yields what came.
async fn read(mut body: Incoming, begin: Instant) -> (Vec<u8>, Vec<(Duration, usize)>) {
    let (mut kept, mut pieces) = (Vec::new(), Vec::new());
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            pieces.push((begin.elapsed(), data.len()));
            let room = KEPT.saturating_sub(kept.len()).min(data.len());
            kept.extend_from_slice(&data[..room]);
        }
    }
    (kept, pieces)
}
