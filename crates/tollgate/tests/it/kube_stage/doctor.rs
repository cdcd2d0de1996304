//! `tollgate doctor` against a real API server that holds our manifests with the statuses that Envoy Gateway gives them, whole
//! and broken.

use std::process::Command;

use serde_json::{Value, json};

use super::{guide, served};
use crate::harness::envoy_gateway::Release;
use crate::harness::kube::Kube;
use crate::harness::manifests::{self, at, find, without};

/// These objects as they would be in a cluster: judged by Envoy Gateway, with its proxy, and with every pod running.
fn live(release: &Release, objects: &[Value]) -> Vec<Value> {
    let mut judged = release.judge(objects).unwrap();
    dated(&mut judged);
    let mut live: Vec<_> = objects.to_vec();
    for object in &mut live {
        let id = manifests::id(object);
        if let Some(status) =
            judged.iter().find(|other| manifests::id(other) == id).map(|other| &other["status"])
        {
            object["status"] = status.clone();
        }
        if object["kind"] == "Gateway" {
            // What a controller adds that sees its proxy run.
            object["status"]["conditions"] = json!([condition("Accepted"), condition("Programmed")]);
            object["status"]["addresses"] = json!([{"type": "IPAddress", "value": "192.168.4.35"}]);
        }
    }
    live.push(proxy());
    let services: Vec<_> = live.iter().filter(|object| object["kind"] == "Service").cloned().collect();
    live.extend(services.iter().map(endpoints));
    live.extend(objects.iter().filter(|object| object["spec"]["template"].is_object()).map(pod));
    live
}

/// egctl knows no time; the server asks for one.
fn dated(values: &mut [Value]) {
    for value in values {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::Null if name == "lastTransitionTime" => {
                            *member = json!("2026-01-01T00:00:00Z");
                        }
                        member => dated(std::slice::from_mut(member)),
                    }
                }
            }
            Value::Array(members) => dated(members),
            _ => {}
        }
    }
}

fn condition(kind: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

/// The Service of the Envoy that Envoy Gateway would run.
fn proxy() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "envoy-envoy-gateway-system-ai-gateway-78adb12c", "namespace": "envoy-gateway-system",
            "labels": {
                "gateway.envoyproxy.io/owning-gateway-name": "ai-gateway",
                "gateway.envoyproxy.io/owning-gateway-namespace": "envoy-gateway-system",
            },
        },
        "spec": {"type": "NodePort", "ports": [{"name": "http-80", "port": 80, "targetPort": 10080}]},
    })
}

fn endpoints(service: &Value) -> Value {
    let (name, ports) =
        (service["metadata"]["name"].as_str().unwrap(), service["spec"]["ports"].as_array().unwrap());
    let ports: Vec<_> =
        ports.iter().map(|port| json!({"name": port["name"], "port": port["port"]})).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": format!("{name}-x7k2p"), "namespace": service["metadata"]["namespace"],
            "labels": {"kubernetes.io/service-name": name},
        },
        "endpoints": [{"addresses": ["10.42.0.9"], "conditions": {"ready": true}}],
        "ports": ports,
    })
}

/// A pod of a workload, as its controller would make it and a node report it.
fn pod(workload: &Value) -> Value {
    let mut spec = workload["spec"]["template"]["spec"].clone();
    // Claims of a StatefulSet become volumes of its pods.
    for claim in workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let volume = json!({"name": claim["metadata"]["name"], "emptyDir": {}});
        spec["volumes"].as_array_mut().unwrap().push(volume);
    }
    let name = workload["metadata"]["name"].as_str().unwrap();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{name}-0"), "namespace": workload["metadata"]["namespace"],
            "labels": workload["spec"]["template"]["metadata"]["labels"],
        },
        "spec": spec,
        "status": {"phase": "Running", "conditions": [condition("PodScheduled"), condition("Ready")]},
    })
}

/// The codes of everything that the doctor finds wrong, and its exit code.
fn examined(kube: &Kube) -> (Vec<String>, i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("doctor").arg("--kubeconfig").arg(kube.kubeconfig()).args(["--output", "json"]);
    command.env_remove("CONFIG_PATH");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|error| {
        panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr));
    });
    let findings = report["findings"].as_array().unwrap().iter();
    let wrong = findings.filter(|finding| !["ok", "note"].iter().any(|fine| finding["severity"] == *fine));
    let codes = wrong.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
    (codes, output.status.code().unwrap(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_cluster_is_fine() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        let Some(kube) = served(&release).await else { return };
        kube.apply(&live(&release, &guide()));
        let (wrong, exit, said) = examined(&kube);
        assert_eq!((wrong, exit), (Vec::new(), 0), "{}: {said}", release.name);
        for fine in ["gateway", "proxy", "route", "policy", "service", "pods"] {
            assert!(said.contains(&format!("\"code\": \"{fine}\"")), "{}: {fine}: {said}", release.name);
        }
    }
}

/// What is wrong in the manifests, and the findings that name it. Envoy Gateway's own verdict is in the statuses.
type Broken = (&'static str, fn(&[Value]) -> Vec<Value>, &'static [&'static str]);

fn asked(objects: &[Value], member: &str, value: Value) -> Vec<Value> {
    let mut objects = objects.to_vec();
    let path = format!("spec.extAuth.grpc.backendRefs.0.{member}");
    *at(find(&mut objects, "SecurityPolicy", "self-service-authz"), &path) = value;
    objects
}

const BROKEN: [Broken; 7] = [
    (
        "no grant for the policy",
        |objects| without(objects, "ReferenceGrant", "allow-security-policy-refs"),
        &["policy_grant_missing"],
    ),
    (
        "no grant for the route",
        |objects| without(objects, "ReferenceGrant", "allow-ai-http-route"),
        &["route_grant_missing"],
    ),
    ("a wrong name", |objects| asked(objects, "name", json!("self-service")), &["policy_service_missing"]),
    ("a port that is not there", |objects| asked(objects, "port", json!(4001)), &["policy_port_missing"]),
    // Envoy Gateway has nothing against these two.
    ("the port for people", |objects| asked(objects, "port", json!(3000)), &["policy_port_wrong"]),
    (
        "a policy that fails open",
        |objects| {
            let mut objects = objects.to_vec();
            let open =
                at(find(&mut objects, "SecurityPolicy", "self-service-authz"), "spec.extAuth.failOpen");
            *open = json!(true);
            objects
        },
        &["policy_fails_open"],
    ),
    ("no Tollgate", |objects| without(objects, "Deployment", "self-service-app"), &["service_no_endpoints"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_found() {
    let Some(release) = Release::new() else { return };
    let Some(kube) = served(&release).await else { return };
    let good = live(&release, &guide());
    for (what, change, expected) in BROKEN {
        let broken = change(&guide());
        let mut objects = live(&release, &broken);
        if what == "no Tollgate" {
            objects = without(&objects, "EndpointSlice", "self-service-svc-x7k2p");
        }
        kube.apply(&good);
        kube.apply(&objects);
        for gone in good
            .iter()
            .filter(|object| !objects.iter().any(|other| manifests::id(other) == manifests::id(object)))
        {
            kube.delete(gone);
        }
        let (wrong, exit, said) = examined(&kube);
        assert_eq!(exit, 1, "{what}: {said}");
        for code in expected {
            assert!(wrong.iter().any(|found| found == code), "{what}: {wrong:?}\n{said}");
        }
        // What Envoy Gateway says of the same mistake, and nothing else, may be beside it.
        let also = ["policy_not_accepted", "route_refs_unresolved", "service_port_unserved"];
        let stray =
            wrong.iter().find(|code| !expected.contains(&code.as_str()) && !also.contains(&code.as_str()));
        assert_eq!(stray, None, "{what}: {wrong:?}\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_envoy_gateway_is_named() {
    let Some(kube) = Kube::start().await else { return };
    let (wrong, exit, said) = examined(&kube);
    assert_eq!(exit, 1, "{said}");
    assert_eq!(wrong, ["gateway_api_missing", "envoy_gateway_missing", "service_missing"], "{said}");
}
