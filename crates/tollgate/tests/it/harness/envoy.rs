//! A real Envoy, with or without a door to a check service.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::{IDENTITY_HEADERS, free_port, scratch};

/// The two ends of the supported range, as the variables that name their binaries.
pub const BINARIES: [&str; 2] = ["TOLLGATE_TEST_ENVOY_OLD", "TOLLGATE_TEST_ENVOY_NEW"];

/// How Envoy asks for a check.
#[derive(Clone, Debug)]
pub enum Door {
    /// gRPC ext_authz on this port.
    Grpc { port: u16 },
    /// HTTP ext_authz on this port, every original path put behind `path_prefix`.
    Http { port: u16, path_prefix: String },
}

/// The ext_authz filter's settings; the defaults are Envoy's own, except for a one-second timeout.
#[derive(Clone, Debug)]
pub struct Gate {
    pub door: Door,
    pub failure_mode_allow: bool,
    /// `max_request_bytes` and `allow_partial_message`; `None` sends no body.
    pub with_request_body: Option<(u32, bool)>,
    /// Header bytes as they are, in `header_map` (gRPC only).
    pub encode_raw_headers: bool,
    pub timeout: Duration,
}

impl Gate {
    pub fn new(door: Door) -> Self {
        let timeout = Duration::from_secs(1);
        Self { door, failure_mode_allow: false, with_request_body: None, encode_raw_headers: false, timeout }
    }

    fn filter(&self) -> Value {
        let timeout = format!("{}s", self.timeout.as_secs_f64());
        let mut config = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "failure_mode_allow": self.failure_mode_allow,
            "encode_raw_headers": self.encode_raw_headers,
        });
        match &self.door {
            Door::Grpc { .. } => {
                config["grpc_service"] = json!({"envoy_grpc": {"cluster_name": "check"}, "timeout": timeout});
            }
            Door::Http { path_prefix, port } => {
                let names = |names: &[&str]| {
                    let patterns: Vec<_> =
                        names.iter().map(|name| json!({"exact": name, "ignore_case": true})).collect();
                    json!({"patterns": patterns})
                };
                config["http_service"] = json!({
                    "server_uri": {"uri": format!("http://127.0.0.1:{port}"), "cluster": "check", "timeout": timeout},
                    "path_prefix": path_prefix,
                    "authorization_response": {"allowed_upstream_headers": names(&IDENTITY_HEADERS)},
                });
                // The last two say what a forwarded body is.
                config["allowed_headers"] = names(&[
                    "x-api-key",
                    "api-key",
                    "x-goog-api-key",
                    "x-request-id",
                    "content-type",
                    "content-encoding",
                ]);
            }
        }
        if let Some((max, partial)) = self.with_request_body {
            config["with_request_body"] =
                json!({"max_request_bytes": max, "allow_partial_message": partial, "pack_as_bytes": true});
        }
        json!({"name": "envoy.filters.http.ext_authz", "typed_config": config})
    }
}

/// A bootstrap that listens on `port`, answers its administrator on `admin`, and forwards everything to `upstream` after
/// asking `gate`, when there is one. Plain Envoy defaults otherwise.
pub fn bootstrap(port: u16, admin: u16, upstream: u16, gate: Option<&Gate>) -> Value {
    let mut filters = Vec::new();
    let mut clusters = vec![cluster("upstream", upstream, false)];
    if let Some(gate) = gate {
        filters.push(gate.filter());
        clusters.push(match gate.door {
            Door::Grpc { port } => cluster("check", port, true),
            Door::Http { port, .. } => cluster("check", port, false),
        });
    }
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "codec_type": "AUTO",
        "http_filters": filters,
        "route_config": {
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}],
            }],
        },
    });
    json!({
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [{
                "name": "gateway",
                "address": address(port),
                "filter_chains": [{
                    "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
                }],
            }],
            "clusters": clusters,
        },
    })
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn cluster(name: &str, port: u16, http2: bool) -> Value {
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
        },
    });
    if http2 {
        cluster["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        });
    }
    cluster
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    /// Where clients connect.
    pub port: u16,
    /// Envoy's administration interface (`/stats`, `/config_dump`).
    pub admin: u16,
    pub process: Process,
    _dir: TempDir,
}

impl Envoy {
    /// Starts `binary` in front of `upstream` and waits until it serves.
    pub async fn start(binary: &Path, upstream: u16, gate: Option<&Gate>) -> Self {
        let (port, admin) = (free_port(), free_port());
        Self::start_with(binary, port, admin, &bootstrap(port, admin, upstream, gate)).await
    }

    /// Starts `binary` on a bootstrap of the test's own making that uses these two ports.
    pub async fn start_with(binary: &Path, port: u16, admin: u16, bootstrap: &Value) -> Self {
        let dir = scratch("envoy");
        let config = dir.path().join("bootstrap.json");
        std::fs::write(&config, bootstrap.to_string()).unwrap();
        let mut command = Command::new(binary);
        command.arg("-c").arg(&config);
        // Several at once: no shared memory between them.
        command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]);
        let mut process = Process::start("envoy", &mut command, &dir.path().join("envoy.log"));
        process.ready(&format!("http://127.0.0.1:{admin}/ready"), Duration::from_secs(30)).await;
        Self { port, admin, process, _dir: dir }
    }

    /// One counter or gauge by its full name; 0 when Envoy has not made it yet.
    pub async fn stat(&self, name: &str) -> u64 {
        let url = format!("http://127.0.0.1:{}/stats?usedonly", self.admin);
        let stats = super::client::http().get(url).send().await.unwrap().text().await.unwrap();
        let lines = stats.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| *other == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(0)
    }
}
