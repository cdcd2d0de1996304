//! Envoy's configuration for a policy as Envoy Gateway 1.5 makes it, from the manifests themselves: the check filter is off on
//! the listener and on per route, headers are taken off early, paths are normalised, hosts are matched without their port.
//!
//! What a real Envoy Gateway makes of the same files is tested where one can be built; this is for everywhere else.

use serde_json::{Map, Value, json};

use super::objects::{Object, Objects, SYSTEM, list};

/// Ports on 127.0.0.1 that stand for what a cluster has.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Where Envoy listens and answers its administrator.
    pub gateway: u16,
    pub admin: u16,
    /// Behind `ai-backend:80`.
    pub backend: u16,
    /// Behind `auth-adapter:8080`.
    pub adapter: u16,
}

fn type_url(message: &str) -> String {
    format!("type.googleapis.com/envoy.{message}")
}

/// A bootstrap for the Gateway, its routes, and this SecurityPolicy.
pub fn bootstrap(objects: &Objects, policy: &Object, ports: Ports) -> Value {
    let filter = format!(
        "envoy.filters.http.ext_authz/securitypolicy/{}/{}",
        policy.namespace().to_lowercase(),
        policy.name()
    );
    let http_routes: Vec<&Object> = objects.of_kind("HTTPRoute").collect();
    let hosts: Vec<Value> = http_routes.iter().map(|route| virtual_host(route, policy, &filter)).collect();
    let gateway = objects.get("Gateway", SYSTEM, "ai-gateway");
    let clients = objects.get("ClientTrafficPolicy", SYSTEM, "ai-gateway");
    let proxy = objects.get("EnvoyProxy", SYSTEM, gateway.text("/spec/infrastructure/parametersRef/name"));
    let removed = clients.list("/spec/headers/earlyRequestHeaders/remove").iter();
    let mutations: Vec<Value> = removed.map(|name| json!({"remove": name})).collect();
    let manager = json!({
        "@type": type_url("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "http-10080",
        "normalize_path": true,
        "merge_slashes": clients.at("/spec/path/disableMergeSlashes") == false,
        "path_with_escaped_slashes_action": constant(clients.text("/spec/path/escapedSlashesAction")),
        "common_http_protocol_options": {
            "headers_with_underscores_action": constant(clients.text("/spec/headers/withUnderscoresAction")),
        },
        "server_header_transformation": "PASS_THROUGH",
        "use_remote_address": true,
        "early_header_mutation_extensions": [{
            "name": "envoy.http.early_header_mutation.header_mutation",
            "typed_config": {
                "@type": type_url("extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"),
                "mutations": mutations,
            },
        }],
        "http_filters": [
            {"name": filter, "disabled": true, "typed_config": ext_authz(policy)},
            {"name": "envoy.filters.http.router", "typed_config": {
                "@type": type_url("extensions.filters.http.router.v3.Router"), "suppress_envoy_headers": true,
            }},
        ],
        "access_log": access_log(proxy),
        "route_config": {
            "name": "envoy-gateway-system/ai-gateway/http",
            "ignore_port_in_host_matching": true,
            "virtual_hosts": hosts,
        },
    });
    json!({
        "admin": {"address": address(ports.admin)},
        "static_resources": {
            "listeners": [{
                "name": "envoy-gateway-system/ai-gateway/http",
                "address": address(ports.gateway),
                "filter_chains": [{
                    "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
                }],
            }],
            "clusters": [
                cluster("backend", ports.backend, false),
                cluster("check", check_port(policy, ports), policy.at("/spec/extAuth/grpc").is_object()),
            ],
        },
    })
}

/// `UnescapeAndRedirect` as Envoy writes it.
fn constant(camel: &str) -> String {
    let mut constant = String::new();
    for character in camel.chars() {
        if character.is_uppercase() && !constant.is_empty() {
            constant.push('_');
        }
        constant.extend(character.to_uppercase());
    }
    constant
}

fn virtual_host(route: &Object, policy: &Object, filter: &str) -> Value {
    let targets = policy.list("/spec/targetRefs").iter();
    let checked = targets.fold(false, |so_far, target| {
        so_far || target["kind"] == "Gateway" || target["name"] == route.name()
    });
    let rule = &route.list("/spec/rules")[0];
    assert_eq!(
        rule["matches"],
        json!([{"path": {"type": "PathPrefix", "value": "/"}}]),
        "translated for this match only"
    );
    let mut entry = json!({
        "match": {"prefix": "/"},
        "route": {"cluster": "backend", "timeout": rule["timeouts"]["request"]},
    });
    if checked {
        entry["typed_per_filter_config"] =
            json!({filter: {"@type": type_url("config.route.v3.FilterConfig"), "config": {}}});
    }
    json!({"name": route.name(), "domains": route.at("/spec/hostnames"), "routes": [entry]})
}

/// `extAuth` of a SecurityPolicy.
fn ext_authz(policy: &Object) -> Value {
    let external = policy.at("/spec/extAuth");
    let exact = |names: &Value| -> Value {
        let names = list(names).iter();
        let patterns: Vec<Value> = names.map(|name| json!({"exact": name, "ignore_case": true})).collect();
        json!({"patterns": patterns})
    };
    let mut config = json!({
        "@type": type_url("extensions.filters.http.ext_authz.v3.ExtAuthz"),
        "transport_api_version": "V3",
        "failure_mode_allow": external["failOpen"],
    });
    if !external["headersToExtAuth"].is_null() {
        config["allowed_headers"] = exact(&external["headersToExtAuth"]);
    }
    if external["grpc"].is_object() {
        config["grpc_service"] = json!({
            "envoy_grpc": {"cluster_name": "check", "authority": authority(&external["grpc"], policy)},
            "timeout": "10s",
        });
    } else {
        let http = &external["http"];
        let path = http["path"].as_str().unwrap();
        config["http_service"] = json!({
            "server_uri": {
                "cluster": "check", "timeout": "10s", "uri": format!("http://{}{path}", authority(http, policy)),
            },
            "path_prefix": path,
            "authorization_response": {"allowed_upstream_headers": exact(&http["headersToBackend"])},
        });
    }
    config
}

fn authority(service: &Value, policy: &Object) -> String {
    let backend = &service["backendRefs"][0];
    let namespace = backend["namespace"].as_str().unwrap_or(policy.namespace());
    format!("{}.{namespace}:{}", backend["name"].as_str().unwrap(), backend["port"])
}

/// Where checks go: Tollgate has its own ports here.
fn check_port(policy: &Object, ports: Ports) -> u16 {
    let external = policy.at("/spec/extAuth");
    let service = if external["grpc"].is_object() { &external["grpc"] } else { &external["http"] };
    let backend = &service["backendRefs"][0];
    match backend["name"].as_str() {
        Some("self-service-svc") => u16::try_from(backend["port"].as_u64().unwrap()).unwrap(),
        Some("auth-adapter") => ports.adapter,
        other => panic!("{policy} asks {other:?}"),
    }
}

fn access_log(proxy: &Object) -> Value {
    let settings = proxy.list("/spec/telemetry/accessLog/settings").iter();
    let log = |setting: &Value| {
        let format: &Map<String, Value> = setting["format"]["json"].as_object().unwrap();
        json!({
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": type_url("extensions.access_loggers.file.v3.FileAccessLog"),
                "path": setting["sinks"][0]["file"]["path"],
                "log_format": {"json_format": format},
            },
        })
    };
    settings.map(log).collect()
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn cluster(name: &str, port: u16, http2: bool) -> Value {
    let protocol = if http2 { "http2_protocol_options" } else { "http_protocol_options" };
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "10s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": type_url("extensions.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {protocol: {}},
            },
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
        },
    })
}
