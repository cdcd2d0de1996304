//! The filters of the gateway's connection manager: identity headers off, ask Tollgate, route, and the access log.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::bootstrap::Names;
use super::options::{Door, Gateway, RequestBody};

/// Prefix of the headers that only the gate may set.
const IDENTITY_PREFIX: &str = "x-tollgate-";
/// The same in every spelling that a backend could read as it, and the compatibility names.
const IDENTITY_NAMES: &str = "x[-_.](tollgate[-_.].*|account[-_.]id|project[-_.]id|api[-_.]key[-_.]id|model[-_.]policy|allowed[-_.]models)";

/// The header in which Envoy names the client: `server.grpc.client_address: header:x-tollgate-client-address`. A backend never
/// gets it.
pub const CLIENT_ADDRESS_HEADER: &str = "x-tollgate-client-address";

/// The `@type` of an Envoy extension message.
pub(super) fn type_url(message: &str) -> String {
    format!("type.googleapis.com/envoy.extensions.{message}")
}

/// Takes every identity header off a client's request before routing and before the check.
pub(super) fn strip_identity() -> Value {
    json!({
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": type_url("http.early_header_mutation.header_mutation.v3.HeaderMutation"),
            "mutations": [{ "remove_on_match": { "key_matcher": { "safe_regex": { "regex": IDENTITY_NAMES } } } }],
        },
    })
}

/// Writes the client's address for the check, over whatever a client wrote there.
///
/// As a filter: an early mutation runs before Envoy has counted the trusted hops of `x-forwarded-for`, and would write the
/// address of the nearest proxy.
fn client_address() -> Value {
    json!({
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {
            "@type": type_url("filters.http.header_mutation.v3.HeaderMutation"),
            "mutations": { "request_mutations": [{ "append": {
                "header": { "key": CLIENT_ADDRESS_HEADER, "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" },
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            } }] },
        },
    })
}

/// The filter chain; the router is last.
pub(super) fn http_filters(gateway: &Gateway, names: &Names) -> Value {
    let mut filters = Vec::new();
    if !matches!(gateway.door, Door::Open) {
        filters.push(client_address());
    }
    filters.extend(
        ext_authz(gateway, names)
            .map(|config| json!({ "name": "envoy.filters.http.ext_authz", "typed_config": config })),
    );
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": type_url("filters.http.router.v3.Router") },
    }));
    Value::Array(filters)
}

fn ext_authz(gateway: &Gateway, names: &Names) -> Option<Value> {
    let timeout = seconds(gateway.check_timeout);
    let mut config = json!({
        "@type": type_url("filters.http.ext_authz.v3.ExtAuthz"),
        "transport_api_version": "V3",
        "failure_mode_allow": gateway.failure_mode_allow,
        // A header that HTTP does not allow is an error here, not something for the backend to make sense of.
        "validate_mutations": true,
        "status_on_error": { "code": "ServiceUnavailable" },
    });
    match &gateway.door {
        Door::Open => return None,
        Door::Grpc { .. } => {
            config["grpc_service"] =
                json!({ "envoy_grpc": { "cluster_name": names.tollgate }, "timeout": timeout });
            config["encode_raw_headers"] = json!(gateway.raw_headers);
        }
        Door::Http { address, path_prefix, allowed_headers } => {
            config["http_service"] = json!({
                "server_uri": { "uri": format!("http://{address}"), "cluster": names.tollgate, "timeout": timeout },
                "path_prefix": path_prefix,
                "authorization_response": {
                    "allowed_upstream_headers": { "patterns": [{ "prefix": IDENTITY_PREFIX }] },
                    "allowed_client_headers": { "patterns": exact(&[
                        "www-authenticate", "content-type", "content-length", "retry-after", "x-tollgate-check-id",
                        "cache-control",
                    ]) },
                },
            });
            config["allowed_headers"] = json!({ "patterns": exact(allowed_headers) });
        }
    }
    if let Some(body) = gateway.request_body {
        config["with_request_body"] = request_body(body);
    }
    Some(config)
}

/// What a route adds to the filter: strings for the check request. Only the gRPC form has a place for them.
pub(super) fn per_route(gateway: &Gateway) -> Option<Value> {
    if gateway.context_extensions.is_empty() || !matches!(gateway.door, Door::Grpc { .. }) {
        return None;
    }
    Some(json!({ "envoy.filters.http.ext_authz": {
        "@type": type_url("filters.http.ext_authz.v3.ExtAuthzPerRoute"),
        "check_settings": { "context_extensions": gateway.context_extensions },
    } }))
}

fn request_body(body: RequestBody) -> Value {
    json!({
        "max_request_bytes": body.max_bytes,
        "allow_partial_message": body.allow_partial,
        "pack_as_bytes": body.as_bytes,
    })
}

fn exact<T: AsRef<str>>(names: &[T]) -> Vec<Value> {
    names.iter().map(|name| json!({ "exact": name.as_ref(), "ignore_case": true })).collect()
}

/// Protobuf's JSON form of a duration.
fn seconds(duration: Duration) -> String {
    format!("{}.{:09}s", duration.as_secs(), duration.subsec_nanos())
}

/// One JSON line per request. The path is without its query, which can hold a key.
pub(super) fn access_log(path: &Path) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": type_url("access_loggers.file.v3.FileAccessLog"),
            "path": path,
            "log_format": { "json_format": {
                "time": "%START_TIME%",
                "method": "%REQ(:METHOD)%",
                "host": "%REQ(:AUTHORITY)%",
                "path": "%PATH(NQ:ORIG_OR_PATH)%",
                "protocol": "%PROTOCOL%",
                "status": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                "bytes_received": "%BYTES_RECEIVED%",
                "bytes_sent": "%BYTES_SENT%",
                "duration_ms": "%DURATION%",
                "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
                "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
                "upstream": "%UPSTREAM_HOST%",
                "request_id": "%REQ(X-REQUEST-ID)%",
                "subject": "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:subject)%",
                "ext_authz": "%DYNAMIC_METADATA(envoy.filters.http.ext_authz)%",
            } },
        },
    })
}
