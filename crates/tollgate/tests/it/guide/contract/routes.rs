//! References between objects of the Gateway API and Envoy Gateway: route to gateway and backend, policy to route and
//! Tollgate, and the grants that references into another namespace need.

use serde_json::Value;

use super::Findings;
use super::references::port_of;
use crate::guide::objects::{Object, Objects, config_map, list};
use crate::harness::IDENTITY_HEADERS;

const GATEWAY_API: &str = "gateway.networking.k8s.io";
const ENVOY_GATEWAY: &str = "gateway.envoyproxy.io";

pub(super) fn check(objects: &Objects, findings: &mut Findings) {
    for gateway in objects.of_kind("Gateway") {
        let class = gateway.text("/spec/gatewayClassName");
        if objects.find("GatewayClass", "", class).is_none() {
            findings.add(gateway, format!("there is no GatewayClass {class}"));
        }
        let (kind, name) = (
            gateway.text("/spec/infrastructure/parametersRef/kind"),
            gateway.text("/spec/infrastructure/parametersRef/name"),
        );
        if !kind.is_empty() && objects.find(kind, gateway.namespace(), name).is_none() {
            findings.add(gateway, format!("there is no {kind} {name}"));
        }
        if !gateway.list("/spec/listeners").iter().any(|l| l["protocol"] == "HTTP" && l["port"] == 80) {
            findings.add(gateway, "needs an HTTP listener on port 80, which Step 6 looks up");
        }
    }
    for route in objects.of_kind("HTTPRoute") {
        attached(route, objects, findings);
        for backend in route.list("/spec/rules").iter().flat_map(|rule| list(&rule["backendRefs"])) {
            service(route, backend, GATEWAY_API, objects, findings);
        }
    }
    for policy in objects.of_kind("SecurityPolicy") {
        targets(policy, objects, findings);
        external_check(policy, objects, findings);
    }
    for policy in objects.of_kind("ClientTrafficPolicy") {
        targets(policy, objects, findings);
        let removed = policy.list("/spec/headers/earlyRequestHeaders/remove");
        // What Envoy itself writes for Tollgate, the names of older gateways, and samples of names in other spellings.
        let more = [
            "x-envoy-external-address",
            "x-account-id",
            "x-project-id",
            "x-api-key-id",
            "x-model-policy",
            "x-allowed-models",
            "x.tollgate.user",
            "x-tollgate.key.id",
            "x.account.id",
        ];
        for name in
            IDENTITY_HEADERS.iter().chain(&more).filter(|name| !removed.contains(&Value::from(**name)))
        {
            findings.add(policy, format!("lets a client's own {name} in"));
        }
    }
    if objects.of_kind("ClientTrafficPolicy").next().is_none() {
        findings.missing("no ClientTrafficPolicy takes identity headers off clients' requests");
    }
    for policy in objects.of_kind("BackendTLSPolicy") {
        for target in policy.list("/spec/targetRefs") {
            let found =
                objects.find("Service", policy.namespace(), target["name"].as_str().unwrap_or_default());
            let ports = found.map(|service| service.list("/spec/ports")).unwrap_or_default();
            if !ports.iter().any(|port| port["name"] == target["sectionName"]) {
                findings
                    .add(policy, format!("there is no port {} at {}", target["sectionName"], target["name"]));
            }
        }
    }
}

/// A route's gateways, listeners and hosts.
fn attached(route: &Object, objects: &Objects, findings: &mut Findings) {
    for parent in route.list("/spec/parentRefs") {
        let namespace = parent["namespace"].as_str().unwrap_or(route.namespace());
        let Some(gateway) = objects.find("Gateway", namespace, parent["name"].as_str().unwrap_or_default())
        else {
            findings.add(route, format!("there is no Gateway {namespace}/{}", parent["name"]));
            continue;
        };
        let listeners = gateway.list("/spec/listeners").iter();
        let mut wanted =
            listeners.filter(|l| parent["sectionName"].is_null() || l["name"] == parent["sectionName"]);
        match wanted.next() {
            None => findings.add(route, format!("{gateway} has no listener {}", parent["sectionName"])),
            Some(listener)
                if namespace != route.namespace()
                    && listener["allowedRoutes"]["namespaces"]["from"] != "All" =>
            {
                findings.add(route, format!("{gateway} takes no routes from other namespaces"));
            }
            Some(_) => {}
        }
    }
    let config: Value = serde_saphyr::from_str(config_map(objects)).unwrap_or_default();
    for host in route.list("/spec/hostnames") {
        if !list(&config["routes"]).iter().any(|rule| list(&rule["hosts"]).contains(host)) {
            findings.add(route, format!("no entry of Tollgate's routes is for {host}; it would be denied"));
        }
    }
}

/// What a policy is attached to: in its own namespace, and there.
fn targets(policy: &Object, objects: &Objects, findings: &mut Findings) {
    let targets = policy.list("/spec/targetRefs");
    if targets.is_empty() {
        findings.add(policy, "is attached to nothing");
    }
    for target in targets {
        let (kind, name) =
            (target["kind"].as_str().unwrap_or_default(), target["name"].as_str().unwrap_or_default());
        if objects.find(kind, policy.namespace(), name).is_none() {
            findings.add(policy, format!("there is no {kind} {name} in its namespace"));
        }
    }
}

fn external_check(policy: &Object, objects: &Objects, findings: &mut Findings) {
    let external = policy.at("/spec/extAuth");
    if external["failOpen"] != false {
        findings.add(policy, "must say failOpen: false; no answer is a denial");
    }
    let by = if external["grpc"].is_object() { "grpc" } else { "http" };
    let backends = list(&external[by]["backendRefs"]);
    if backends.is_empty() {
        findings.add(policy, "asks nobody");
    }
    for backend in backends {
        let Some(asked) = service(policy, backend, ENVOY_GATEWAY, objects, findings) else { continue };
        let door = match (by, asked.name()) {
            ("grpc", "self-service-svc") => 3001,
            ("http", "self-service-svc") => 3002,
            ("http", "auth-adapter") => 8080,
            (_, name) => {
                findings.add(policy, format!("{name} does not answer checks over {by}"));
                continue;
            }
        };
        if backend["port"] != door {
            findings.add(
                policy,
                format!("checks over {by} are answered on port {door}, not {}", backend["port"]),
            );
        }
    }
    if by == "http" {
        let copied = list(&external["http"]["headersToBackend"]);
        for name in IDENTITY_HEADERS.iter().filter(|name| !copied.contains(&Value::from(**name))) {
            findings.add(policy, format!("does not copy {name} to the backend"));
        }
        let config: Value = serde_saphyr::from_str(config_map(objects)).unwrap_or_default();
        if external["http"]["path"] != config["server"]["check"]["envoy_prefix"] {
            findings.add(policy, "its path is not server.check.envoy_prefix in Tollgate's configuration");
        }
    }
}

/// The Service that a reference means, when it may be meant.
fn service<'a>(
    from: &Object,
    reference: &Value,
    group: &str,
    objects: &'a Objects,
    findings: &mut Findings,
) -> Option<&'a Object> {
    let name = reference["name"].as_str().unwrap_or_default();
    let namespace = reference["namespace"].as_str().unwrap_or(from.namespace());
    let Some(service) = objects.find("Service", namespace, name) else {
        findings.add(from, format!("there is no Service {namespace}/{name}"));
        return None;
    };
    let ports = service.list("/spec/ports");
    let Some(port) = ports.iter().find(|port| port["port"] == reference["port"]) else {
        findings.add(from, format!("{service} has no port {}", reference["port"]));
        return Some(service);
    };
    let pods = objects.selected(namespace, service.at("/spec/selector"));
    if !pods.iter().any(|workload| port_of(workload, &port["targetPort"]).is_some()) {
        findings.add(from, format!("nothing listens behind {service}"));
    }
    if namespace != from.namespace() && !granted(from, group, namespace, name, objects) {
        findings.add(from, format!("no ReferenceGrant in {namespace} lets it name the Service {name}"));
    }
    Some(service)
}

fn granted(from: &Object, group: &str, namespace: &str, service: &str, objects: &Objects) -> bool {
    objects.of_kind("ReferenceGrant").filter(|grant| grant.namespace() == namespace).any(|grant| {
        let who = grant.list("/spec/from").iter().any(|who| {
            who["group"] == group && who["kind"] == from.kind() && who["namespace"] == from.namespace()
        });
        // A grant without a name would open every Service of the namespace, so it does not count.
        let what = grant
            .list("/spec/to")
            .iter()
            .any(|what| what["group"] == "" && what["kind"] == "Service" && what["name"] == service);
        who && what
    })
}
