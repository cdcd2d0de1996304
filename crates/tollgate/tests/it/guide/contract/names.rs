//! The names that the guide's commands type: kinds, namespaces, labels, ports, and the name of Envoy's own Service.

use super::Findings;
use crate::guide::objects::{Objects, SYSTEM};

/// Kind, namespace and name.
const EXPECTED: [(&str, &str, &str); 18] = [
    ("Service", SYSTEM, "postgresql"),
    ("StatefulSet", SYSTEM, "postgresql"),
    ("Service", SYSTEM, "keycloak"),
    ("Deployment", SYSTEM, "keycloak"),
    ("Namespace", "", SYSTEM),
    ("ConfigMap", SYSTEM, "self-service-config"),
    ("Deployment", SYSTEM, "self-service-app"),
    ("Service", SYSTEM, "self-service-svc"),
    ("PodDisruptionBudget", SYSTEM, "self-service-app"),
    ("GatewayClass", "", "envoy"),
    ("Gateway", SYSTEM, "ai-gateway"),
    ("Namespace", "", "model"),
    ("Deployment", "model", "ai-backend"),
    ("Service", "model", "ai-backend"),
    ("HTTPRoute", "default", "ai-http-route"),
    ("Deployment", SYSTEM, "auth-adapter"),
    ("Service", SYSTEM, "auth-adapter"),
    ("ReferenceGrant", SYSTEM, "allow-security-policy-refs"),
];

/// Namespace, Service and its ports.
const PORTS: [(&str, &str, &[u64]); 5] = [
    (SYSTEM, "postgresql", &[5432]),
    (SYSTEM, "keycloak", &[8080]),
    (SYSTEM, "self-service-svc", &[3000, 3001, 3002]),
    ("model", "ai-backend", &[80]),
    (SYSTEM, "auth-adapter", &[8080]),
];

/// The end of the name of Envoy's Service, as Step 6 types it.
const PROXY_SERVICE: &str = "envoy-envoy-gateway-system-ai-gateway-78adb12c";

pub(super) fn check(objects: &Objects, findings: &mut Findings) {
    for (kind, namespace, name) in EXPECTED {
        if objects.find(kind, namespace, name).is_none() {
            findings.missing(format!("the guide needs the {kind} {name} in namespace '{namespace}'"));
        }
    }
    for (namespace, name, ports) in PORTS {
        let Some(service) = objects.find("Service", namespace, name) else { continue };
        let has: Vec<_> =
            service.list("/spec/ports").iter().filter_map(|port| port["port"].as_u64()).collect();
        if has != ports {
            findings.add(service, format!("must have the ports {ports:?}, has {has:?}"));
        }
    }
    for workload in objects.workloads() {
        if workload.at("/spec/template/metadata/labels/app") != workload.name() {
            findings.add(workload, format!("its pods must have the label app: {}", workload.name()));
        }
    }
    for object in objects.all() {
        let cluster_wide = matches!(object.kind(), "Namespace" | "GatewayClass");
        if object.namespace().is_empty() != cluster_wide {
            findings.add(object, "says a namespace exactly when it is in one");
        }
        let namespace = object.namespace();
        if !matches!(namespace, "" | "default") && objects.find("Namespace", "", namespace).is_none() {
            findings.add(object, format!("nothing makes the namespace '{namespace}'"));
        }
    }
    for gateway in objects.of_kind("Gateway") {
        let name = proxy_service(gateway.namespace(), gateway.name());
        if name != PROXY_SERVICE {
            findings.add(gateway, format!("Envoy's Service would be {name}; Step 6 types {PROXY_SERVICE}"));
        }
    }
}

/// What Envoy Gateway calls the Service of a Gateway.
pub fn proxy_service(namespace: &str, name: &str) -> String {
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{namespace}/{name}").as_bytes());
    let end: String = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let start: String = format!("{namespace}-{name}").chars().take(48).collect();
    format!("envoy-{start}-{end}")
}
