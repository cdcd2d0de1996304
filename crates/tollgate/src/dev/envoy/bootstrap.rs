//! Envoy's start-up configuration as JSON (`envoy.config.bootstrap.v3.Bootstrap`): listeners, routes and clusters.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::filters;
use super::options::{Backend, BootstrapOptions, Door, Gateway};

/// Names of the clusters of one gateway.
pub(super) struct Names {
    pub tollgate: String,
    pub backend: String,
    pub stats: String,
}

impl Names {
    /// The first gateway has the plain names, later ones a number.
    fn new(index: usize) -> Self {
        let suffix = if index == 0 { String::new() } else { format!("-{}", index + 1) };
        Self {
            tollgate: format!("tollgate{suffix}"),
            backend: format!("backend{suffix}"),
            stats: format!("gateway{suffix}"),
        }
    }
}

/// The whole configuration. JSON is YAML, so Envoy takes the text as `--config-yaml` or in a file.
pub fn bootstrap(options: &BootstrapOptions) -> Value {
    let mut listeners = Vec::new();
    let mut clusters = Vec::new();
    for (index, gateway) in options.gateways.iter().enumerate() {
        let names = Names::new(index);
        listeners.push(listener(options, gateway, &names));
        clusters.extend(tollgate_cluster(&gateway.door, &names));
        clusters.push(backend_cluster(&gateway.backend, &names));
    }
    json!({
        "admin": { "address": socket_address(options.admin) },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}

/// `envoy.config.core.v3.Address`
fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn listener(options: &BootstrapOptions, gateway: &Gateway, names: &Names) -> Value {
    json!({
        "name": names.stats,
        "address": socket_address(gateway.listen),
        "per_connection_buffer_limit_bytes": 1_048_576,
        // With port sharing a second Envoy on the same port would start and take half of the connections.
        "enable_reuse_port": false,
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(options, gateway, names),
        }] }],
    })
}

fn connection_manager(options: &BootstrapOptions, gateway: &Gateway, names: &Names) -> Value {
    let mut manager = json!({
        "@type": filters::type_url("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": names.stats,
        "codec_type": "AUTO",
        // One spelling of a path reaches the check, and the same one reaches the backend.
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "common_http_protocol_options": { "headers_with_underscores_action": "REJECT_REQUEST" },
        // The client's address is the connection's, unless so many proxies in front are known.
        "use_remote_address": true,
        "xff_num_trusted_hops": gateway.trusted_hops,
        "server_header_transformation": "PASS_THROUGH",
        // A model may think for minutes between two pieces of a stream.
        "stream_idle_timeout": "3600s",
        "request_headers_timeout": "10s",
        "route_config": route_config(gateway, names),
        "http_filters": filters::http_filters(gateway, names),
    });
    if gateway.strip_identity_headers {
        manager["early_header_mutation_extensions"] = json!([filters::strip_identity()]);
    }
    if let Some(path) = &options.access_log {
        manager["access_log"] = json!([filters::access_log(path)]);
    }
    manager
}

fn route_config(gateway: &Gateway, names: &Names) -> Value {
    let backend = &gateway.backend;
    // No time limit on the whole answer: streams end when they end.
    let mut action = json!({ "cluster": names.backend, "timeout": "0s" });
    if let Some(host) = &backend.host_rewrite {
        action["host_rewrite_literal"] = json!(host);
    }
    if !backend.path_prefix.is_empty() {
        action["prefix_rewrite"] = json!(format!("{}/", backend.path_prefix));
    }
    let mut route = json!({ "match": { "prefix": "/" }, "route": action });
    if let Some(settings) = filters::per_route(gateway) {
        route["typed_per_filter_config"] = settings;
    }
    json!({
        "name": names.stats,
        "virtual_hosts": [{ "name": names.stats, "domains": ["*"], "routes": [route] }],
    })
}

fn tollgate_cluster(door: &Door, names: &Names) -> Option<Value> {
    let (address, protocol) = match door {
        Door::Open => return None,
        Door::Grpc { address } => {
            let keepalive = json!({ "connection_keepalive": { "interval": "30s", "timeout": "5s" } });
            (address, json!({ "http2_protocol_options": keepalive }))
        }
        Door::Http { address, .. } => (address, json!({ "http_protocol_options": {} })),
    };
    let host = address.ip().to_string();
    let mut cluster = cluster(&names.tollgate, &host, address.port());
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": filters::type_url("upstreams.http.v3.HttpProtocolOptions"),
            "explicit_http_config": protocol,
        },
    });
    Some(cluster)
}

fn backend_cluster(backend: &Backend, names: &Names) -> Value {
    let mut cluster = cluster(&names.backend, &backend.host, backend.port);
    if let Some(tls) = &backend.tls {
        let by_address = backend.host.parse::<IpAddr>().is_ok();
        let san_type = if by_address { "IP_ADDRESS" } else { "DNS" };
        let mut context = json!({
            "@type": filters::type_url("transport_sockets.tls.v3.UpstreamTlsContext"),
            "common_tls_context": { "validation_context": {
                "trusted_ca": { "filename": tls.ca_file },
                "match_typed_subject_alt_names": [
                    { "san_type": san_type, "matcher": { "exact": backend.host } },
                ],
            } },
        });
        // RFC 6066 section 3: a server name is a name, never an address.
        if !by_address {
            context["sni"] = json!(backend.host);
        }
        cluster["transport_socket"] =
            json!({ "name": "envoy.transport_sockets.tls", "typed_config": context });
    }
    cluster
}

fn cluster(name: &str, host: &str, port: u16) -> Value {
    let fixed = host.parse::<IpAddr>().is_ok();
    let mut cluster = json!({
        "name": name,
        "type": if fixed { "STATIC" } else { "STRICT_DNS" },
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": { "socket_address": {
                "address": host, "port_value": port,
            } } } }] }],
        },
    });
    if !fixed {
        cluster["dns_lookup_family"] = json!("V4_PREFERRED");
    }
    cluster
}
