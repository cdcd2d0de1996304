//! `tollgate doctor` without a cluster: configurations, issuers and databases that are right, and ones that are not; and its
//! reading of a cluster through an API server that gives what the test says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Tokens, tool};
use crate::harness::issuer::Document;
use crate::harness::process::Process;
use crate::harness::server::Server;
use crate::harness::{free_port, scratch};
use crate::stand::{Stand, settings};

/// A configuration file of its own, for a Tollgate that does not run.
struct Configuration {
    file: PathBuf,
    _dir: TempDir,
}

impl Configuration {
    fn new(mut settings: Value) -> Self {
        let dir = scratch("doctor");
        for port in ["http", "grpc", "check", "metrics"] {
            settings["server"][port]["listen"] = format!("127.0.0.1:{}", free_port()).into();
        }
        let file = dir.path().join("tollgate.yaml");
        std::fs::write(&file, settings.to_string()).unwrap();
        Self { file, _dir: dir }
    }

    fn doctor(&self, more: &[&str]) -> (i32, Vec<(String, String)>, Value) {
        let file = self.file.to_str().unwrap();
        doctor(&[&["--config", file, "--no-kubernetes"], more].concat())
    }
}

/// Exit code; severity and code of each finding that is worse than a note; the whole report.
fn doctor(arguments: &[&str]) -> (i32, Vec<(String, String)>, Value) {
    let (code, report) = tool(&[&["doctor"], arguments].concat());
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let wrong =
        findings.iter().filter(|finding| !["ok", "note"].contains(&finding["severity"].as_str().unwrap()));
    let wrong = wrong.map(|finding| (text(finding, "severity"), text(finding, "code"))).collect();
    assert_eq!(report["exit_code"], code, "{report:#}");
    (code, wrong, report)
}

fn errors(codes: &[&str]) -> Vec<(String, String)> {
    codes.iter().map(|code| ("error".to_owned(), (*code).to_owned())).collect()
}

/// Findings of a configuration that trusts a plain-HTTP issuer, without the warning about that.
fn without_warnings(found: Vec<(String, String)>) -> Vec<(String, String)> {
    found.into_iter().filter(|(severity, _)| severity != "warning").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_tollgate_and_all_that_it_names_are_fine() {
    let dir = scratch("state");
    let url = format!("sqlite://{}", dir.path().join("state.db").display());
    let stand = Stand::with(&json!({"database": {"url": url}})).await;
    let tokens = Tokens::of(&stand);
    let config = stand.tollgate.dir().join("tollgate.yaml");
    let valid = tokens.path("valid");
    let arguments =
        ["--config", config.to_str().unwrap(), "--no-kubernetes", "--token-file", valid.to_str().unwrap()];
    let (code, wrong, report) = doctor(&arguments);
    assert_eq!((code, without_warnings(wrong)), (0, vec![]), "{report:#}");
    let fine: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] == "ok")
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert_eq!(fine, ["config", "issuer", "token", "database", "process"]);
    // The issuer is reached without TLS, and that is a warning.
    assert_eq!(doctor(&[arguments.as_slice(), &["--strict"]].concat()).0, 1);

    let expired = tokens.path("expired");
    let (code, wrong, report) = doctor(&[
        "--config",
        config.to_str().unwrap(),
        "--no-kubernetes",
        "--token-file",
        expired.to_str().unwrap(),
    ]);
    assert_eq!((code, without_warnings(wrong)), (1, errors(&["token_refused"])), "{report:#}");
    assert!(!report.to_string().contains(&stand.token()), "no token is printed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_in_every_bad_state_is_named() {
    let mut stand = Stand::start().await;
    let config = Configuration::new(settings(&stand.issuer, &json!({})));
    let look = |config: &Configuration| {
        let (code, wrong, report) = config.doctor(&[]);
        (code, without_warnings(wrong), report)
    };
    assert_eq!(look(&config).1, vec![], "it is right to begin with");

    let mut other = stand.issuer.discovery();
    other["issuer"] = "https://other.test".into();
    stand.issuer.set_discovery(Document::json(&other));
    let (code, wrong, report) = look(&config);
    assert_eq!((code, wrong), (1, errors(&["issuer_mismatch"])), "{report:#}");
    assert!(report.to_string().contains("issuer: https://other.test"), "the edit is said: {report:#}");
    stand.issuer.set_discovery(Document::json(&stand.issuer.discovery()));

    stand.issuer.set_keys(&[json!({"kty": "oct", "k": "c2VjcmV0", "kid": "s"})]);
    assert_eq!(look(&config).1, errors(&["issuer_keys"]));
    stand.issuer.set_jwks(
        Document::json(&json!({"keys": [stand.key.jwk()]}))
            .with_header("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    );
    assert_eq!(look(&config).1, errors(&["clock"]));
    stand.issuer.set_jwks(Document::status(500));
    assert_eq!(look(&config).1, errors(&["issuer_unreachable"]));
    stand.issuer.set_jwks(Document::json(&json!({"keys": []})).after(Duration::from_secs(5)));
    assert_eq!(look(&config).1, errors(&["issuer_unreachable"]));
    stand.issuer.stop();
    let (_, wrong, report) = look(&config);
    assert_eq!(wrong, errors(&["issuer_unreachable"]));
    assert!(report.to_string().contains("Connection refused"), "{report:#}");

    // A name of the cluster cannot be looked at from here: neither fine nor wrong.
    let inside = json!({
        "issuers": [{"name": "k", "issuer": "http://keycloak.envoy-gateway-system.svc.cluster.local:8080/realms/master",
            "audiences": "any", "allow_http": true}],
        "routes": [{"name": "all", "paths": [{"prefix": "/"}], "access": "authenticated"}],
    });
    let (code, wrong, report) = look(&Configuration::new(inside));
    assert_eq!((code, wrong), (2, vec![("unseen".into(), "issuer_unreachable".into())]), "{report:#}");
    assert!(report.to_string().contains("kubectl exec"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_by_another_name_of_the_issuer_is_explained() {
    let stand = Stand::start().await;
    let tokens = Tokens::of(&stand);
    let cases = [
        (
            "iss",
            json!({"iss": "http://localhost:8080/realms/master"}),
            "token_issuer",
            "add to its accepted_issuers: http://localhost:8080/realms/master",
        ),
        ("aud", json!({"aud": "account"}), "token_refused", "audiences"),
        ("lightweight", json!({"sub": null}), "token_refused", "sub"),
    ];
    let config = Configuration::new(settings(&stand.issuer, &json!({})));
    for (name, claims, code, mend) in cases {
        std::fs::write(tokens.path(name), stand.token_with(&claims)).unwrap();
        let path = tokens.path(name);
        let (exit, wrong, report) = config.doctor(&["--token-file", path.to_str().unwrap()]);
        assert_eq!((exit, without_warnings(wrong)), (1, errors(&[code])), "{report:#}");
        assert!(report.to_string().contains(mend), "{report:#}");
    }
    // The key set is asked for by address, and what answers there calls itself something else.
    let mut by_address = settings(&stand.issuer, &json!({}));
    by_address["issuers"][0]["issuer"] = "http://keycloak:8080/realms/master".into();
    by_address["issuers"][0]["jwks_url"] = stand.issuer.jwks_url().into();
    let path = tokens.path("valid");
    let (_, wrong, report) = Configuration::new(by_address).doctor(&["--token-file", path.to_str().unwrap()]);
    assert_eq!(without_warnings(wrong), errors(&["token_issuer"]), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_database_and_ports_that_are_wrong() {
    let stand = Stand::start().await;
    let mut broken = settings(&stand.issuer, &json!({}));
    broken["routs"] = json!([]);
    broken["checks"]["deadline_ms"] = json!("soon");
    let (code, wrong, report) = Configuration::new(broken).doctor(&[]);
    assert_eq!((code, wrong), (1, errors(&["config_broken", "config_broken"])), "{report:#}");

    let slow = settings(&stand.issuer, &json!({"checks": {"deadline_ms": 300}}));
    let (_, wrong, report) = Configuration::new(slow).doctor(&[]);
    assert!(wrong.contains(&("warning".into(), "config_doubtful".into())), "{report:#}");
    assert!(report.to_string().contains("Envoy gives up first"), "{report:#}");

    let url = format!("postgres://tollgate:s3cr3t@127.0.0.1:{}/tollgate", free_port());
    let away = settings(&stand.issuer, &json!({"database": {"url": url}}));
    let (code, wrong, report) = Configuration::new(away).doctor(&[]);
    assert_eq!((code, without_warnings(wrong)), (1, errors(&["database_unreachable"])), "{report:#}");
    assert!(!report.to_string().contains("s3cr3t"), "{report:#}");

    // Another program has the port for people, and nothing has the others.
    let config = Configuration::new(settings(&stand.issuer, &json!({})));
    let text: Value = serde_json::from_str(&std::fs::read_to_string(&config.file).unwrap()).unwrap();
    let port =
        text["server"]["http"]["listen"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let _other = Server::start_on(port, Router::new().fallback(async || "hello")).await;
    let (_, wrong, report) = config.doctor(&[]);
    let expected = errors(&["port_closed", "port_closed", "port_closed", "port_foreign"]);
    assert_eq!(without_warnings(wrong), expected, "{report:#}");
}

/// A Kubernetes API that gives these objects, in pages of two, and refuses some lists.
async fn api_server(objects: Vec<Value>, refused: &'static [&'static str]) -> Server {
    let kinds: [(&str, &str, &str, &str, bool); 10] = [
        ("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", false),
        ("gateway.networking.k8s.io", "v1", "gateways", "Gateway", true),
        ("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute", true),
        ("gateway.networking.k8s.io", "v1beta1", "referencegrants", "ReferenceGrant", true),
        ("gateway.networking.k8s.io", "v1alpha3", "backendtlspolicies", "BackendTLSPolicy", true),
        ("gateway.envoyproxy.io", "v1alpha1", "securitypolicies", "SecurityPolicy", true),
        ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true),
        ("", "v1", "services", "Service", true),
        ("", "v1", "pods", "Pod", true),
        ("", "v1", "configmaps", "ConfigMap", true),
    ];
    let answer = move |request: Request| -> Response {
        let path = request.uri().path().trim_matches('/').to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        let groups: BTreeMap<&str, Vec<&str>> = kinds.iter().fold(BTreeMap::new(), |mut groups, kind| {
            if !kind.0.is_empty() {
                let versions: &mut Vec<&str> = groups.entry(kind.0).or_default();
                if !versions.contains(&kind.1) {
                    versions.push(kind.1);
                }
            }
            groups
        });
        let (group, version, rest) = match parts.as_slice() {
            ["apis"] => {
                let group = |(name, versions): (&&str, &Vec<&str>)| {
                    let of = |v: &&str| json!({"groupVersion": format!("{name}/{v}"), "version": v});
                    json!({"name": name, "versions": versions.iter().map(of).collect::<Vec<_>>(), "preferredVersion": of(&versions[0])})
                };
                let list: Vec<Value> = groups.iter().map(group).collect();
                return axum::Json(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list}))
                    .into_response();
            }
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            ["api", version, rest @ ..] => ("", *version, rest),
            _ => return StatusCode::NOT_FOUND.into_response(),
        };
        let here = kinds.iter().filter(|kind| (kind.0, kind.1) == (group, version));
        let (namespace, plural) = match rest {
            [] => {
                let resource = |kind: &(&str, &str, &str, &str, bool)| json!({"name": kind.2, "singularName": "", "kind": kind.3, "namespaced": kind.4, "verbs": ["list", "get"]});
                let resources: Vec<Value> = here.map(resource).collect();
                let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
                return axum::Json(
                    json!({"kind": "APIResourceList", "groupVersion": name, "resources": resources}),
                )
                .into_response();
            }
            ["namespaces", namespace, plural] => (Some(*namespace), *plural),
            [plural] => (None, *plural),
            _ => return StatusCode::NOT_FOUND.into_response(),
        };
        if refused.contains(&plural) {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
                "message": format!("{plural} is forbidden: User \"dev\" cannot list resource \"{plural}\"")});
            return (StatusCode::FORBIDDEN, axum::Json(status)).into_response();
        }
        let Some(kind) = here.clone().find(|kind| kind.2 == plural) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let wanted = |object: &&Value| {
            object["kind"] == kind.3
                && namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
        };
        let query = request.uri().query().unwrap_or_default();
        let from =
            query.split('&').find_map(|pair| pair.strip_prefix("continue=")?.parse().ok()).unwrap_or(0);
        let all: Vec<Value> = objects.iter().filter(wanted).cloned().collect();
        let page: Vec<Value> = all.iter().skip(from).take(2).cloned().collect();
        let next = if from + 2 < all.len() { json!((from + 2).to_string()) } else { json!("") };
        let list = json!({"kind": format!("{}List", kind.3), "apiVersion": "v1", "metadata": {"continue": next}, "items": page});
        axum::Json(list).into_response()
    };
    Server::start(Router::new().fallback(move |request: Request| {
        let answer = answer.clone();
        async move { answer(request) }
    }))
    .await
}

fn kubeconfig(dir: &TempDir, port: u16) -> PathBuf {
    let file = dir.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    });
    std::fs::write(&file, text.to_string()).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_read_page_by_page_and_what_may_not_be_read_is_said() {
    let meta = |name: &str, namespace: &str| json!({"name": name, "namespace": namespace, "generation": 1});
    let service = |n: u32| json!({"kind": "Service", "metadata": meta(&format!("s{n}"), "envoy-gateway-system"), "spec": {"ports": []}});
    let mut objects: Vec<Value> = (0..5).map(service).collect();
    objects.push(json!({"kind": "Service", "metadata": meta("self-service-svc", "envoy-gateway-system"),
        "spec": {"selector": {"app": "self-service-app"}, "ports": [{"name": "grpc", "port": 3001}]}}));
    objects.push(json!({"kind": "SecurityPolicy", "metadata": meta("authz", "default"), "spec": {
        "targetRefs": [{"kind": "HTTPRoute", "name": "route"}],
        "extAuth": {"grpc": {"backendRefs": [{"name": "self-service-svc", "namespace": "envoy-gateway-system", "port": 3000}]}},
    }}));
    let dir = scratch("kube");
    let api = api_server(objects.clone(), &[]).await;
    let file = kubeconfig(&dir, api.port());
    let (code, wrong, report) = doctor(&["--kubeconfig", file.to_str().unwrap()]);
    let codes: Vec<&str> = wrong.iter().map(|(_, code)| code.as_str()).collect();
    // The Service was on the third page: its absence is not among these.
    for expected in [
        "gateway_missing",
        "route_missing",
        "policy_target_missing",
        "policy_grant_missing",
        "policy_port_missing",
        "service_no_endpoints",
    ] {
        assert!(codes.contains(&expected), "{expected} is not in {report:#}");
    }
    assert!(code == 1 && !codes.contains(&"service_missing"), "{report:#}");

    let api = api_server(objects, &["pods", "referencegrants"]).await;
    let file = kubeconfig(&dir, api.port());
    let (_, wrong, report) = doctor(&["--kubeconfig", file.to_str().unwrap()]);
    let unseen = wrong.iter().filter(|(severity, _)| severity == "unseen").count();
    assert_eq!(unseen, 3, "pods of two namespaces, grants of the cluster: {report:#}");
    assert!(report.to_string().contains("cannot list resource"), "{report:#}");
    assert!(!wrong.iter().any(|(_, code)| code == "policy_grant_missing"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cluster_it_says_so() {
    let dir = scratch("nokube");
    let log = dir.path().join("log");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["doctor"]).env_remove("KUBECONFIG").env("HOME", dir.path());
    let mut process = Process::start("tollgate", &mut command, &log);
    let status = process.ended(Duration::from_secs(20)).await.unwrap();
    let said = process.log();
    assert_eq!(status.code(), Some(2), "neither a configuration nor a cluster: {said}");
    assert!(said.contains("there is no kubeconfig") && said.contains("--config FILE"), "{said}");

    let file = kubeconfig(&dir, free_port());
    let (code, wrong, report) = doctor(&["--kubeconfig", file.to_str().unwrap()]);
    assert_eq!((code, wrong), (2, vec![("unseen".into(), "kube_unreachable".into())]), "{report:#}");
    let (code, wrong, report) = doctor(&["--kubeconfig", "/nonexistent"]);
    assert_eq!((code, wrong), (2, vec![("unseen".into(), "kube_config".into())]), "{report:#}");
}

/// The codes that the sources give to findings.
fn codes(directory: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                codes(&path, found);
            }
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for severity in ["ok", "note", "warning", "unseen", "error"] {
            for after in text.split(&format!("Finding::{severity}(")).skip(1) {
                if let Some(literal) = after.trim_start().strip_prefix('"') {
                    found.insert(literal.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
}

#[test]
fn the_manual_lists_every_finding_and_no_other() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = std::collections::BTreeSet::new();
    codes(&root.join("src/ops/doctor"), &mut found);
    assert!(found.len() > 60, "{found:?}");
    // Codes that are chosen before the finding is made.
    for chosen in [
        "gateway_api_missing",
        "envoy_gateway_missing",
        "issuer_mismatch",
        "issuer_unreachable",
        "pod_image",
        "pod_not_ready",
        "route_not_accepted",
        "route_refs_unresolved",
    ] {
        found.insert(chosen.to_owned());
    }
    let manual = std::fs::read_to_string(root.join("../../docs/operations/doctor.md")).unwrap();
    let tables = manual.split("\n## ").skip(1).flat_map(str::lines);
    let listed: std::collections::BTreeSet<String> =
        tables.filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect();
    assert_eq!(listed, found);
}
