//! References between objects of Kubernetes itself: pods to ConfigMaps and Secrets, Services to pods, policies to pods, names
//! in configuration to Services.

use regex::Regex;
use serde_json::Value;

use super::Findings;
use crate::guide::objects::{Object, Objects, list};

pub(super) fn check(objects: &Objects, findings: &mut Findings) {
    for workload in objects.workloads() {
        sources(workload, objects, findings);
        mounts(workload, findings);
    }
    for service in objects.of_kind("Service") {
        let pods = objects.selected(service.namespace(), service.at("/spec/selector"));
        let [workload] = pods.as_slice() else {
            findings.add(service, format!("its selector chooses the pods of {} workloads", pods.len()));
            continue;
        };
        for port in service.list("/spec/ports") {
            if port_of(workload, &port["targetPort"]).is_none() {
                findings.add(service, format!("{workload} has no port {}", port["targetPort"]));
            }
        }
    }
    for object in objects.all() {
        let selector = match object.kind() {
            "PodDisruptionBudget" => object.at("/spec/selector/matchLabels"),
            "NetworkPolicy" => object.at("/spec/podSelector/matchLabels"),
            _ => continue,
        };
        let chosen = objects.selected(object.namespace(), selector);
        if chosen.is_empty() || selector.is_null() {
            findings.add(object, "its selector chooses no pod");
        }
        for port in object.list("/spec/ingress").iter().flat_map(|rule| list(&rule["ports"])) {
            if !chosen.iter().all(|workload| port_of(workload, &port["port"]).is_some()) {
                findings.add(object, format!("its pods have no port {}", port["port"]));
            }
        }
    }
    for scaler in objects.of_kind("HorizontalPodAutoscaler") {
        let (kind, name) =
            (scaler.text("/spec/scaleTargetRef/kind"), scaler.text("/spec/scaleTargetRef/name"));
        match objects.find(kind, scaler.namespace(), name) {
            None => findings.add(scaler, format!("there is no {kind} {name}")),
            Some(target) if !target.at("/spec/replicas").is_null() => {
                findings.add(target, format!("says a number of replicas, which {scaler} does too"));
            }
            Some(_) => {}
        }
    }
    for object in objects.all() {
        hosts(object, objects, findings);
    }
}

/// The number of a container port that a name or number means.
pub fn port_of(workload: &Object, wanted: &Value) -> Option<u64> {
    let ports = workload.containers().flat_map(|container| list(&container["ports"]));
    let mut meant = ports.filter(|port| port["name"] == *wanted || port["containerPort"] == *wanted);
    meant.next()?["containerPort"].as_u64()
}

/// ConfigMaps and Secrets that a pod takes files and variables from, with their keys.
fn sources(workload: &Object, objects: &Objects, findings: &mut Findings) {
    let mut needs: Vec<(&str, &Value, Vec<&Value>)> = Vec::new();
    for volume in workload.list("/spec/template/spec/volumes") {
        for (kind, source, name) in
            [("ConfigMap", &volume["configMap"], "name"), ("Secret", &volume["secret"], "secretName")]
        {
            if source.is_object() && source["optional"] != true {
                needs.push((
                    kind,
                    &source[name],
                    list(&source["items"]).iter().map(|item| &item["key"]).collect(),
                ));
            }
        }
    }
    for container in workload.containers() {
        for variable in list(&container["env"]) {
            let from = &variable["valueFrom"];
            for (kind, source) in [("ConfigMap", &from["configMapKeyRef"]), ("Secret", &from["secretKeyRef"])]
            {
                if source.is_object() {
                    needs.push((kind, &source["name"], vec![&source["key"]]));
                }
            }
        }
        for from in list(&container["envFrom"]) {
            for (kind, source) in [("ConfigMap", &from["configMapRef"]), ("Secret", &from["secretRef"])] {
                if source.is_object() && source["optional"] != true {
                    needs.push((kind, &source["name"], Vec::new()));
                }
            }
        }
    }
    for (kind, name, keys) in needs {
        let name = name.as_str().unwrap_or_default();
        let Some(source) = objects.find(kind, workload.namespace(), name) else {
            findings.add(workload, format!("there is no {kind} {name}"));
            continue;
        };
        for key in keys.iter().filter_map(|key| key.as_str()) {
            if source.at("/data")[key].is_null() && source.at("/stringData")[key].is_null() {
                findings.add(workload, format!("the {kind} {name} has no key {key}"));
            }
        }
    }
}

/// Mounts of volumes that the pod has, and volumes that somebody mounts.
fn mounts(workload: &Object, findings: &mut Findings) {
    let named = |entries: &[Value]| -> Vec<String> {
        entries.iter().filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect()
    };
    let mut volumes = named(workload.list("/spec/template/spec/volumes"));
    let claims = workload.list("/spec/volumeClaimTemplates").iter().map(|claim| &claim["metadata"]["name"]);
    volumes.extend(claims.filter_map(|name| name.as_str().map(str::to_owned)));
    let mounted: Vec<String> =
        workload.containers().flat_map(|container| named(list(&container["volumeMounts"]))).collect();
    for name in mounted.iter().filter(|name| !volumes.contains(name)) {
        findings.add(workload, format!("mounts the volume {name}, which it does not have"));
    }
    for name in volumes.iter().filter(|name| !mounted.contains(name)) {
        findings.add(workload, format!("has the volume {name}, which nothing mounts"));
    }
}

/// Names of Services anywhere in an object's text: in configurations, URLs and scripts.
fn hosts(object: &Object, objects: &Objects, findings: &mut Findings) {
    let name = Regex::new(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc\.cluster\.local(?::([0-9]+))?").unwrap();
    let text = object.value.to_string();
    for found in name.captures_iter(&text) {
        let Some(service) = objects.find("Service", &found[2], &found[1]) else {
            findings.add(object, format!("names {}, and there is no such Service", &found[0]));
            continue;
        };
        let Some(port) = found.get(3).and_then(|port| port.as_str().parse::<u64>().ok()) else { continue };
        if !service.list("/spec/ports").iter().any(|has| has["port"] == port) {
            findings.add(object, format!("names {}, and that Service has no such port", &found[0]));
        }
    }
}
