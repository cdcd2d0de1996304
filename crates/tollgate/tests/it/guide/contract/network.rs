//! Who reaches which port: checks come from Envoy or the adapter only, the database hears Tollgate only, and the backend
//! hears Envoy only.

use serde_json::{Value, json};

use super::Findings;
use super::references::port_of;
use crate::guide::objects::{Object, Objects, SYSTEM, list, selects};

/// Workload, port, and the labels of pods that may reach it.
fn rules() -> Vec<(&'static str, u64, Vec<Value>)> {
    // Labels that Envoy Gateway gives to the Envoys it runs.
    let envoy =
        json!({"app.kubernetes.io/managed-by": "envoy-gateway", "app.kubernetes.io/component": "proxy"});
    let app = |name: &str| json!({"app": name});
    vec![
        ("self-service-app", 3001, vec![envoy.clone()]),
        ("self-service-app", 3002, vec![envoy.clone(), app("auth-adapter")]),
        ("auth-adapter", 8080, vec![envoy.clone()]),
        ("ai-backend", 8080, vec![envoy]),
        ("postgresql", 5432, vec![app("self-service-app")]),
    ]
}

pub(super) fn check(objects: &Objects, findings: &mut Findings) {
    for (name, port, allowed) in rules() {
        let Some(workload) = objects.workloads().find(|workload| workload.name() == name) else { continue };
        let policies: Vec<_> =
            objects.of_kind("NetworkPolicy").filter(|policy| covers(policy, workload)).collect();
        if policies.is_empty() {
            findings.add(workload, format!("no NetworkPolicy guards port {port}"));
        }
        let mut reached = vec![false; allowed.len()];
        for policy in policies {
            for rule in policy.list("/spec/ingress").iter().filter(|rule| opens(rule, workload, port)) {
                let peers = list(&rule["from"]);
                if peers.is_empty() {
                    findings.add(policy, format!("lets everybody reach port {port} of {name}"));
                }
                for peer in peers {
                    match allowed.iter().position(|labels| is_peer(peer, labels, policy)) {
                        Some(at) => reached[at] = true,
                        None => findings.add(policy, format!("lets {peer} reach port {port} of {name}")),
                    }
                }
            }
        }
        for (labels, _) in allowed.iter().zip(reached).filter(|(_, reached)| !reached) {
            findings.add(workload, format!("nobody lets {labels} reach port {port}"));
        }
    }
    // Metrics say who calls how often; the gateway's side has no business there.
    for service in objects.of_kind("Service") {
        if service
            .list("/spec/ports")
            .iter()
            .any(|port| port["port"] == 9464 || port["targetPort"] == "metrics")
        {
            findings.add(service, "must not offer the metrics port");
        }
    }
}

fn covers(policy: &Object, workload: &Object) -> bool {
    policy.namespace() == workload.namespace()
        && list(policy.at("/spec/policyTypes")).contains(&Value::from("Ingress"))
        && selects(policy.at("/spec/podSelector/matchLabels"), workload.at("/spec/template/metadata/labels"))
}

/// Whether a rule is about this port; a rule without ports is about all.
fn opens(rule: &Value, workload: &Object, port: u64) -> bool {
    let ports = list(&rule["ports"]);
    ports.is_empty() || ports.iter().any(|entry| port_of(workload, &entry["port"]) == Some(port))
}

/// Whether a peer is no more than pods with exactly these labels in the namespace of the gateway.
fn is_peer(peer: &Value, labels: &Value, policy: &Object) -> bool {
    let home = json!({"matchLabels": {"kubernetes.io/metadata.name": SYSTEM}});
    let here = peer["namespaceSelector"].is_null() && policy.namespace() == SYSTEM;
    peer["podSelector"]["matchLabels"] == *labels
        && peer["ipBlock"].is_null()
        && (here || peer["namespaceSelector"] == home)
}
