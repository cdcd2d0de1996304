//! What Envoy's configuration is made from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::filters::CLIENT_ADDRESS_HEADER;

/// Everything one Envoy serves.
#[derive(Clone, Debug)]
pub struct BootstrapOptions {
    /// Where Envoy's admin interface listens; keep it on loopback.
    pub admin: SocketAddr,
    /// File for one JSON line per request; `None` writes none.
    pub access_log: Option<PathBuf>,
    /// One listener each. The clusters of the first are `tollgate` and `backend`, of the second `tollgate-2` and so on.
    pub gateways: Vec<Gateway>,
}

impl BootstrapOptions {
    /// Without an access log.
    pub fn new(admin: SocketAddr, gateways: Vec<Gateway>) -> Self {
        Self { admin, access_log: None, gateways }
    }
}

/// One port that clients use, the door it asks at, and the backend behind it.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// How Tollgate is asked.
    pub door: Door,
    /// Where permitted requests go.
    pub backend: Backend,
    /// How long Envoy waits for a verdict.
    pub check_timeout: Duration,
    /// Whether requests pass when no verdict comes. A gate that means it leaves this off.
    pub failure_mode_allow: bool,
    /// Whether (and how much of) the body goes into the check.
    pub request_body: Option<RequestBody>,
    /// Send headers as Envoy got them (`header_map` with raw bytes) instead of as joined strings. gRPC door only.
    pub raw_headers: bool,
    /// Proxies in front of Envoy whose entries in `x-forwarded-for` are believed.
    pub trusted_hops: u32,
    /// Remove `x-tollgate-*` from client requests before anything looks at them. Off only to test the layer below.
    pub strip_identity_headers: bool,
    /// Strings for every check of this gateway (`context_extensions`). gRPC door only.
    pub context_extensions: BTreeMap<String, String>,
}

impl Gateway {
    /// With Envoy's usual 200 ms, fail closed, no bodies, raw headers, identity headers stripped.
    pub fn new(listen: SocketAddr, door: Door, backend: Backend) -> Self {
        Self {
            listen,
            door,
            backend,
            check_timeout: Duration::from_millis(200),
            failure_mode_allow: false,
            request_body: None,
            raw_headers: true,
            trusted_hops: 0,
            strip_identity_headers: true,
            context_extensions: BTreeMap::new(),
        }
    }
}

/// The way from Envoy to Tollgate.
#[derive(Clone, Debug)]
pub enum Door {
    /// No question is asked. For measuring what the gate costs.
    Open,
    /// `envoy.service.auth.v3.Authorization` over HTTP/2.
    Grpc {
        /// Tollgate's gRPC port.
        address: SocketAddr,
    },
    /// Envoy's HTTP form: the request's method and path, below a prefix.
    Http {
        /// Tollgate's check port.
        address: SocketAddr,
        /// Put before the path, such as `/envoy`; may be empty.
        path_prefix: String,
        /// Request headers that Tollgate sees besides method, path, host and `authorization`.
        allowed_headers: Vec<String>,
    },
}

impl Door {
    /// The gRPC door at `address`.
    pub fn grpc(address: SocketAddr) -> Self {
        Self::Grpc { address }
    }

    /// The HTTP door at `address` with the credential and tracing headers that Tollgate reads.
    pub fn http(address: SocketAddr, path_prefix: &str) -> Self {
        const READ: [&str; 10] = [
            CLIENT_ADDRESS_HEADER,
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "x-request-id",
            "x-forwarded-for",
            "traceparent",
            "tracestate",
            "content-type",
            "content-encoding",
        ];
        let allowed_headers = READ.iter().map(|&name| name.to_owned()).collect();
        Self::Http { address, path_prefix: path_prefix.to_owned(), allowed_headers }
    }
}

/// How much of a request's body a check carries. A larger body is answered with 413 unless `allow_partial`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBody {
    /// Bytes that Envoy buffers.
    pub max_bytes: u32,
    /// Send the first `max_bytes` of a larger body, and say so.
    pub allow_partial: bool,
    /// As bytes (`raw_body`) instead of as text. gRPC door only.
    pub as_bytes: bool,
}

/// Where permitted requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS towards the backend.
    pub tls: Option<Tls>,
    /// `Host` of forwarded requests; `None` leaves the client's.
    pub host_rewrite: Option<String>,
    /// Put before the path of forwarded requests: `/api` or empty, no slash at the end.
    pub path_prefix: String,
}

/// TLS towards the backend: its certificate must be issued by one of the file's authorities and name the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of certificate authorities.
    pub ca_file: PathBuf,
}

/// Why a backend address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BackendUrlError {
    /// Not a URL.
    #[error("backend {0:?} is not a URL such as http://127.0.0.1:8000 or https://api.example.com")]
    Syntax(String),
    /// Not `http` or `https`, or with parts that a gateway cannot forward to.
    #[error("backend {0:?} must be an http or https URL without user, query or fragment")]
    Parts(String),
    /// `https` without any authority to trust.
    #[error(
        "no file of certificate authorities was found for {0:?}; install ca-certificates or set SSL_CERT_FILE"
    )]
    NoAuthorities(String),
}

impl Backend {
    /// Plain HTTP; the client's `Host` stays.
    pub fn plain(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, tls: None, host_rewrite: None, path_prefix: String::new() }
    }

    /// From a URL as people write it. The URL's host becomes the `Host` that the backend sees. `ca_file` is what
    /// [`system_ca_file`] found; it is needed for `https` only.
    pub fn from_url(text: &str, ca_file: Option<&Path>) -> Result<Self, BackendUrlError> {
        let url = Url::parse(text).map_err(|_| BackendUrlError::Syntax(text.to_owned()))?;
        let parts = || BackendUrlError::Parts(text.to_owned());
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(parts)?;
        let port = url.port_or_known_default().ok_or_else(parts)?;
        let bare = url.username().is_empty() && url.password().is_none();
        if !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(parts());
        }
        let tls = match url.scheme() {
            "http" => None,
            "https" => {
                let ca_file =
                    ca_file.ok_or_else(|| BackendUrlError::NoAuthorities(text.to_owned()))?.to_owned();
                Some(Tls { ca_file })
            }
            _ => return Err(parts()),
        };
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            tls,
            host_rewrite: Some(authority),
            path_prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// The machine's file of certificate authorities: `SSL_CERT_FILE`, else where distributions keep it.
#[expect(clippy::disallowed_methods, reason = "the operator's CA bundle is said by the environment")]
pub fn system_ca_file() -> Option<PathBuf> {
    const USUAL: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
        "/etc/ssl/ca-bundle.pem",
    ];
    std::env::var_os("SSL_CERT_FILE")
        .map(PathBuf::from)
        .into_iter()
        .chain(USUAL.iter().map(PathBuf::from))
        .find(|path| path.is_file())
}
