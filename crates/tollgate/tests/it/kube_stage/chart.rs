//! The Helm chart and the plain manifests are the same objects, for the guide and for every variant; Helm finds nothing to
//! complain of, and values that make no sense are refused.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::{guide, variant};
use crate::harness::manifests::{self, without};
use crate::harness::{kube, need, scratch};

/// The labels by which Helm knows its objects; the only difference that is allowed.
const HELM_LABELS: [&str; 5] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
];

/// Runs Helm; `None` after a skip when there is none.
fn helm(arguments: &[&str]) -> Option<Output> {
    let program = need("TOLLGATE_TEST_HELM")?;
    let dir = scratch("helm");
    let mut command = Command::new(program);
    for place in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(place, dir.path());
    }
    Some(command.args(arguments).output().unwrap())
}

fn chart() -> String {
    manifests::root().join("charts/tollgate").to_str().unwrap().to_owned()
}

/// `helm template` of a chart with these `--set` values, in the guide's namespace: the objects, or what Helm said.
fn rendered(chart: &str, values: &str) -> Option<Result<Vec<Value>, String>> {
    let mut arguments = vec!["template", "tollgate", chart, "--namespace", "envoy-gateway-system"];
    if !values.is_empty() {
        arguments.extend(["--set", values]);
    }
    let output = helm(&arguments)?;
    let said = kube::text(&output);
    Some(if output.status.success() { Ok(manifests::parse(&said)) } else { Err(said) })
}

/// The chart's objects with these `--set` values.
pub(super) fn objects(values: &str) -> Option<Vec<Value>> {
    Some(rendered(&chart(), values)?.unwrap_or_else(|error| panic!("{values}: {error}")))
}

/// An object without what Helm adds, and with the configuration inside its ConfigMap as values: there, the order of keys and
/// the comments may differ.
fn normal(object: &Value) -> Value {
    let mut object = object.clone();
    let meta = object["metadata"].as_object_mut().unwrap();
    if let Some(labels) = meta.get_mut("labels").and_then(Value::as_object_mut) {
        labels.retain(|name, _| !HELM_LABELS.contains(&name.as_str()));
        if labels.is_empty() {
            meta.remove("labels");
        }
    }
    if let Some(config) = object["data"].get_mut("config.yaml") {
        *config = serde_saphyr::from_str(config.as_str().unwrap()).unwrap();
    }
    object
}

/// What one side has and the other has not, or has otherwise: `Kind namespace/name/path: one, other`.
fn differences(plain: &[Value], chart: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for object in chart {
        if !plain.iter().any(|other| manifests::id(other) == manifests::id(object)) {
            found.push(format!("{}: only in the chart", manifests::id(object)));
        }
    }
    for object in plain {
        match chart.iter().find(|other| manifests::id(other) == manifests::id(object)) {
            Some(other) => compare(&manifests::id(object), &normal(object), &normal(other), &mut found),
            None => found.push(format!("{}: not in the chart", manifests::id(object))),
        }
    }
    found
}

fn compare(path: &str, plain: &Value, chart: &Value, found: &mut Vec<String>) {
    match (plain, chart) {
        (Value::Object(plain), Value::Object(chart)) => {
            for name in plain.keys().chain(chart.keys().filter(|name| !plain.contains_key(*name))) {
                let member =
                    |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                compare(&format!("{path}/{name}"), &member(plain), &member(chart), found);
            }
        }
        (Value::Array(plain), Value::Array(chart)) if plain.len() == chart.len() => {
            for (number, (plain, chart)) in plain.iter().zip(chart).enumerate() {
                compare(&format!("{path}/{number}"), plain, chart, found);
            }
        }
        _ if plain == chart => {}
        _ => found.push(format!("{path}: {plain} in the manifest, {chart} in the chart")),
    }
}

/// The guide's objects without the namespace of the release, which `helm install --create-namespace` makes.
fn plain(objects: &[Value]) -> Vec<Value> {
    without(objects, "Namespace", "envoy-gateway-system")
}

#[test]
fn it_renders_what_the_manifests_say() {
    let Some(chart) = objects("") else { return };
    assert!(chart.len() >= 25, "{}", chart.len());
    assert_eq!(differences(&plain(&guide()), &chart), [""; 0]);
}

#[test]
fn and_every_variant() {
    for (file, values) in [
        ("adapter.yaml", "gateway.authorization.through=adapter"),
        ("http-door.yaml", "gateway.authorization.through=http"),
        ("gateway-wide.yaml", "gateway.authorization.scope=gateway"),
        ("replicas.yaml", "autoscaling.enabled=true"),
        ("tls.yaml", "tls.enabled=true"),
    ] {
        let mut expected = plain(&variant(file));
        if file == "gateway-wide.yaml" {
            expected = without(&expected, "SecurityPolicy", "self-service-authz");
        }
        let Some(chart) = objects(values) else { return };
        assert_eq!(differences(&expected, &chart), [""; 0], "{file}");
    }
}

/// That the comparison would see a chart that went its own way.
#[test]
fn a_chart_that_differs_is_found() {
    let dir = scratch("chart");
    let copy = dir.path().join("tollgate");
    let copied = Command::new("cp").arg("-a").arg(chart()).arg(&copy).status().unwrap();
    assert!(copied.success());
    let edit = |file: &str, from: &str, to: &str| {
        let path = copy.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    };
    edit("templates/ext-authz-policy.yaml", "port: 3001", "port: 3002");
    edit("templates/tollgate.yaml", "runAsNonRoot: true", "runAsNonRoot: false");
    edit("values.yaml", "unauthenticated_status: 403", "unauthenticated_status: 401");
    edit("files/setup.sh", "=false", "=true");
    std::fs::remove_file(copy.join("templates/http-route.yaml")).unwrap();
    let Some(chart) = rendered(copy.to_str().unwrap(), "") else { return };
    let found = differences(&plain(&guide()), &chart.unwrap());
    for finding in [
        "SecurityPolicy default/self-service-authz/spec/extAuth/grpc/backendRefs/0/port: 3001",
        "Deployment envoy-gateway-system/self-service-app/spec/template/spec/securityContext/runAsNonRoot",
        "ConfigMap envoy-gateway-system/self-service-config/data/config.yaml/checks/unauthenticated_status",
        "ConfigMap envoy-gateway-system/keycloak-setup/data/setup.sh",
        "HTTPRoute default/ai-http-route: not in the chart",
        "ReferenceGrant model/allow-ai-http-route: not in the chart",
    ] {
        assert!(found.iter().any(|said| said.starts_with(finding)), "{finding}: {found:#?}");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn parts_can_be_left_out() {
    let kinds = |values: &str| {
        let objects = objects(values)?;
        Some(objects.iter().map(manifests::id).collect::<Vec<_>>())
    };
    let Some(all) = kinds("") else { return };
    let gateway = |id: &&String| {
        ["Gateway", "HTTPRoute", "SecurityPolicy", "ClientTrafficPolicy", "EnvoyProxy", "ReferenceGrant"]
            .iter()
            .any(|kind| id.starts_with(kind))
    };
    assert!(all.iter().filter(gateway).count() >= 8, "{all:?}");
    let without_gateway = kinds("gateway.enabled=false").unwrap();
    assert_eq!(without_gateway.iter().filter(gateway).count(), 0, "{without_gateway:?}");
    let of_your_own =
        "postgres.enabled=false,database.existingSecret=mine,keycloak.enabled=false,backend.enabled=false";
    let least = kinds(&format!("{of_your_own},authAdapter.enabled=false,gateway.enabled=false")).unwrap();
    let ours = |id: &String| id.contains("/self-service");
    assert!(least.iter().all(ours), "{least:?}");
    let secret = objects(of_your_own).unwrap();
    let app = secret
        .iter()
        .find(|object| manifests::id(object) == "Deployment envoy-gateway-system/self-service-app");
    assert!(app.unwrap().to_string().contains("\"secretName\":\"mine\""));
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (values, word) in [
        ("postgress.enabled=false", "postgress"),
        ("gateway.authorization.through=carrier", "through"),
        ("gateway.listenerPort=0", "listenerPort"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("replicas=two", "replicas"),
        ("resources.limits.memory=lots", "memory"),
        ("postgres.enabled=false", "database.existingSecret"),
        ("image.digest=sha256:abc", "digest"),
        ("image.digest=latest", "digest"),
        ("postgres.image=postgres@sha256:abc", "postgres/image"),
        ("keycloak.image=", "keycloak/image"),
    ] {
        let Some(rendered) = rendered(&chart(), values) else { return };
        let error = rendered.expect_err(values);
        assert!(error.contains(word), "{values}: {error}");
    }
}

#[test]
fn hard_images_can_be_pinned_by_digest() {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let pinned = |image: &str| format!("{image}@{digest}");
    let values = format!(
        "image.digest={digest},postgres.image={},keycloak.image={},authAdapter.image={}",
        pinned("postgres:17"),
        pinned("registry.test:5000/keycloak"),
        pinned("nginx:1")
    );
    let Some(objects) = objects(&values) else { return };
    let text = Value::from(objects).to_string();
    let images: Vec<&str> =
        text.split("\"image\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(images.len() >= 6, "{images:?}");
    assert!(images.iter().all(|image| image.ends_with(&format!("@{digest}"))), "{images:?}");
    assert!(
        images.contains(&pinned("tollgate:0.1.0").as_str()),
        "the tag still says which it is: {images:?}"
    );
}

#[test]
fn helm_lint_has_nothing_to_say() {
    let Some(output) = helm(&["lint", "--strict", &chart()]) else { return };
    let said = kube::text(&output);
    assert!(output.status.success() && said.contains("0 chart(s) failed"), "{said}");
    assert!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
}

/// The chart's default configuration, and that of a release in another namespace, is one that Tollgate takes.
#[test]
fn its_configuration_is_valid() {
    for namespace in ["envoy-gateway-system", "elsewhere"] {
        let arguments =
            ["template", "tollgate", &chart(), "--namespace", namespace, "-s", "templates/tollgate.yaml"];
        let Some(output) = helm(&arguments) else { return };
        let mut objects = manifests::parse(&kube::text(&output));
        let data = &manifests::find(&mut objects, "ConfigMap", "self-service-config")["data"];
        let config = data["config.yaml"].as_str().unwrap();
        assert!(config.contains(&format!("keycloak.{namespace}.svc")) && !config.contains("{{"), "{config}");
        let dir = scratch("chart-config");
        let secret = dir.path().join("database-url");
        std::fs::write(&secret, "postgres://tollgate:secret@localhost/tollgate").unwrap();
        let file = dir.path().join("config.yaml");
        // The one path of the container that the check reads.
        std::fs::write(&file, config.replace("/app/secrets/database-url", secret.to_str().unwrap())).unwrap();
        checked(&file);
    }
}

fn checked(file: &Path) {
    let output = crate::harness::tollgate::run(&["config", "check", "--config", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", kube::text(&output));
}
