//! Listeners and their bounds.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::address::{ClientAddress, Listen, Network};

/// Where Tollgate listens, and the bounds on connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The listener for people and probes: `/health`, `/health/ready`, portal, API.
    pub http: HttpListenerSettings,
    /// The listener for Envoy's gRPC checks.
    pub grpc: GrpcListenerSettings,
    /// The listener for checks over HTTP: Envoy's HTTP service, nginx `auth_request`, Traefik and Caddy forward auth.
    pub check: CheckListenerSettings,
    /// The listener for Prometheus.
    pub metrics: MetricsListenerSettings,
    /// Bounds that hold on every listener.
    pub limits: LimitSettings,
    /// Seconds from SIGTERM to the end of the process at the latest, `drain_delay_secs` included.
    #[schemars(range(min = 1, max = 3600))]
    pub shutdown_grace_secs: u64,
    /// Seconds between turning "not ready" and refusing new connections, so that load balancers notice first.
    #[schemars(range(min = 0, max = 600))]
    pub drain_delay_secs: u64,
}

/// The listener for people and probes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpListenerSettings {
    /// Address and port.
    pub listen: Listen,
    /// Concurrent requests on one HTTP/2 connection.
    #[schemars(range(min = 1, max = 64))]
    pub max_streams: u32,
    /// Open connections of one address (IPv6: of one network of 64 bits). Does not hold for `api.trusted_proxies`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections_per_address: u32,
}

/// The listener for Envoy's gRPC checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcListenerSettings {
    /// Address and port.
    pub listen: Listen,
    /// Serve TLS; without it the listener speaks plain HTTP/2.
    pub tls: Option<TlsSettings>,
    /// Whose address the limits of a key and its last use are judged by. `peer`: who is connected to Envoy, which behind a load
    /// balancer or another proxy is that one. `header:NAME`: the address in a header that Envoy writes on every request, over
    /// any copy of the client's; a check without it is one of an unknown client, and keys bound to addresses are refused.
    pub client_address: ClientAddress,
    /// Concurrent checks on one connection.
    #[schemars(range(min = 1, max = 65535))]
    pub max_streams: u32,
    /// Open connections of one address (IPv6: of one network of 64 bits). A gateway has one per worker thread, and one more
    /// for every `max_streams` checks at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections_per_address: u32,
    /// Seconds after which a connection is asked to go (GOAWAY), so that gateways spread over new replicas. 0: never.
    #[schemars(range(min = 0, max = 86400))]
    pub max_connection_age_secs: u64,
    /// Seconds that are added to a connection's age at random, at most, so that not all go at once.
    #[schemars(range(min = 0, max = 86400))]
    pub max_connection_age_jitter_secs: u64,
    /// Seconds of silence after which a connection is probed. 0: never.
    #[schemars(range(min = 0, max = 86400))]
    pub keepalive_interval_secs: u64,
    /// Seconds that the answer to a probe may take.
    #[schemars(range(min = 1, max = 3600))]
    pub keepalive_timeout_secs: u64,
}

/// The listener for checks over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckListenerSettings {
    /// Address and port.
    pub listen: Listen,
    /// Serve TLS; without it the listener speaks plain HTTP/1.1 and HTTP/2.
    pub tls: Option<TlsSettings>,
    /// Open connections of one address (IPv6: of one network of 64 bits). Over HTTP/1.1 each check at once takes one.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections_per_address: u32,
    /// Networks whose peers may say in headers what the original request was (nginx `auth_request`, forward auth).
    /// From anyone else these doors are closed.
    pub trusted_peers: Vec<Network>,
    /// As `server.grpc.client_address`. `peer` is `X-Real-IP` from nginx and the last entry of `X-Forwarded-For` from the others,
    /// read from `trusted_peers` only.
    pub client_address: ClientAddress,
    /// The status by which Envoy's HTTP service is told that Tollgate cannot decide right now: 403 or 503. Envoy reads
    /// any 5xx from an HTTP service as a failed call, and a gateway with `failure_mode_allow` then lets the request
    /// through; 403 denies in every gateway.
    pub unavailable_status: UnavailableStatus,
    /// The `path_prefix` that Envoy's HTTP service is configured with, such as `/envoy`. When set, Envoy's door is closed
    /// to every other path; when not, each path that is no other door's is taken for the client's own.
    #[schemars(extend("format" = "path"))]
    pub envoy_prefix: Option<String>,
}

/// The listener for Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsListenerSettings {
    /// Address and port.
    pub listen: Listen,
}

/// A server certificate, and whom it talks to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file with the certificate and its chain.
    pub cert_file: PathBuf,
    /// PEM file with the private key.
    pub key_file: PathBuf,
    /// PEM file with the authorities whose clients may connect. Without it any client may.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
    /// Seconds between looks at the files for a renewed certificate.
    #[serde(default = "default_reload_secs")]
    #[schemars(range(min = 1, max = 86400))]
    pub reload_secs: u64,
}

/// Bounds that hold on every listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Bytes that a request's headers may have together.
    #[schemars(range(min = 1024, max = 1_048_576))]
    pub max_header_bytes: u32,
    /// Seconds that a client may take to send its headers.
    #[schemars(range(min = 1, max = 600))]
    pub header_read_timeout_secs: u64,
    /// Open connections on one listener; more are closed at once. Probes of `/health` are answered all the same.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: u32,
    /// Milliseconds that the whole body of a request to the listener for people may take.
    #[schemars(range(min = 1, max = 600_000))]
    pub body_timeout_ms: u64,
    /// Milliseconds that the whole message or body of a check may take; `checks.deadline_ms` begins when it is there.
    #[schemars(range(min = 1, max = 600_000))]
    pub check_timeout_ms: u64,
    /// Bytes that requests on all listeners may hold together, at most a quarter of them on the listener for people. When
    /// they are taken, what has been arriving for the longest time is refused with 503. At most a quarter of the memory
    /// that the process may use.
    #[schemars(range(min = 8_388_608, max = 1_099_511_627_776_u64))]
    pub max_bytes_in_flight: u64,
}

/// What Envoy's HTTP service is told when Tollgate cannot decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum UnavailableStatus {
    /// A plain denial; no gateway setting turns it into a pass.
    #[default]
    Forbidden,
    /// Service Unavailable; only for gateways without `failure_mode_allow`.
    ServiceUnavailable,
}

const fn default_reload_secs() -> u64 {
    60
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            http: HttpListenerSettings::default(),
            grpc: GrpcListenerSettings::default(),
            check: CheckListenerSettings::default(),
            metrics: MetricsListenerSettings::default(),
            limits: LimitSettings::default(),
            shutdown_grace_secs: 30,
            drain_delay_secs: 5,
        }
    }
}

impl Default for HttpListenerSettings {
    fn default() -> Self {
        Self { listen: Listen::any(3000), max_streams: 64, max_connections_per_address: 128 }
    }
}

impl Default for GrpcListenerSettings {
    fn default() -> Self {
        Self {
            listen: Listen::any(3001),
            tls: None,
            client_address: ClientAddress::default(),
            max_streams: 128,
            max_connections_per_address: 256,
            max_connection_age_secs: 1800,
            max_connection_age_jitter_secs: 300,
            keepalive_interval_secs: 60,
            keepalive_timeout_secs: 20,
        }
    }
}

impl Default for CheckListenerSettings {
    fn default() -> Self {
        const LOOPBACK_V4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        const LOOPBACK_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
        Self {
            listen: Listen::any(3002),
            tls: None,
            max_connections_per_address: 1024,
            trusted_peers: vec![Network(IpNet::V4(LOOPBACK_V4)), Network(IpNet::V6(LOOPBACK_V6))],
            client_address: ClientAddress::default(),
            unavailable_status: UnavailableStatus::default(),
            envoy_prefix: None,
        }
    }
}

impl Default for MetricsListenerSettings {
    fn default() -> Self {
        Self { listen: Listen::any(9464) }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            max_header_bytes: 64 << 10,
            header_read_timeout_secs: 10,
            max_connections: 2048,
            body_timeout_ms: 5000,
            check_timeout_ms: 1000,
            max_bytes_in_flight: 48 << 20,
        }
    }
}

impl TryFrom<u16> for UnavailableStatus {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        match status {
            403 => Ok(Self::Forbidden),
            503 => Ok(Self::ServiceUnavailable),
            _ => Err("write 403 or 503".into()),
        }
    }
}

impl From<UnavailableStatus> for u16 {
    fn from(status: UnavailableStatus) -> Self {
        match status {
            UnavailableStatus::Forbidden => 403,
            UnavailableStatus::ServiceUnavailable => 503,
        }
    }
}

impl JsonSchema for UnavailableStatus {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UnavailableStatus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "enum": [403, 503]})
    }
}
