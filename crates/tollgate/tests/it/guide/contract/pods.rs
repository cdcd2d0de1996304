//! What pods may do and use: no root, nothing writable but volumes, no capabilities, pinned images, probes, and together no
//! more than the guide's machine has. And no secret outside a Secret.

use regex::Regex;
use serde_json::Value;

use super::Findings;
use super::references::port_of;
use crate::guide::objects::{Object, Objects, list};

/// Of the guide's 2 processors, what these pods may ask for; k3s, Envoy Gateway and Envoy need the rest.
const MOST_CPU_MILLIS: u64 = 1000;
/// Of its 4 GB, what they may ask for, and what they may take.
const MOST_MEMORY_MIB: (u64, u64) = (1280, 2304);

pub(super) fn check(objects: &Objects, findings: &mut Findings) {
    let (mut cpu, mut asked, mut taken) = (0, 0, 0);
    for workload in objects.workloads() {
        let spec = workload.at("/spec/template/spec");
        let must = [
            ("automountServiceAccountToken", spec["automountServiceAccountToken"] == false),
            ("enableServiceLinks", spec["enableServiceLinks"] == false),
            ("securityContext.runAsNonRoot", spec["securityContext"]["runAsNonRoot"] == true),
            (
                "securityContext.runAsUser",
                spec["securityContext"]["runAsUser"].as_u64().is_some_and(|id| id > 0),
            ),
            (
                "securityContext.seccompProfile",
                spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
            ),
        ];
        for (what, _) in must.iter().filter(|(_, held)| !held) {
            findings.add(workload, format!("its pods are not held back: {what}"));
        }
        for container in workload.containers() {
            held_back(workload, container, findings);
        }
        for container in list(&spec["containers"]) {
            probed(workload, container, findings);
            let amount =
                |which: &str, what: &str| container["resources"][which][what].as_str().map_or(0, quantity);
            cpu += amount("requests", "cpu");
            asked += amount("requests", "memory");
            taken += amount("limits", "memory");
        }
    }
    let (most_asked, most_taken) = MOST_MEMORY_MIB;
    if cpu > MOST_CPU_MILLIS || asked > most_asked || taken > most_taken {
        findings.missing(format!(
            "together the pods ask for {cpu} m and {asked} Mi and may take {taken} Mi; the guide's machine has room for \
             {MOST_CPU_MILLIS} m, {most_asked} Mi and {most_taken} Mi"
        ));
    }
    for object in objects.all() {
        secrets(object, findings);
    }
}

fn held_back(workload: &Object, container: &Value, findings: &mut Findings) {
    let (name, security) = (&container["name"], &container["securityContext"]);
    let resources = &container["resources"];
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let must = [
        ("allowPrivilegeEscalation", security["allowPrivilegeEscalation"] == false),
        ("readOnlyRootFilesystem", security["readOnlyRootFilesystem"] == true),
        ("capabilities", security["capabilities"]["drop"] == serde_json::json!(["ALL"])),
        ("capabilities.add", security["capabilities"]["add"].is_null()),
        ("privileged", security["privileged"] != true),
        ("resources.requests.cpu", resources["requests"]["cpu"].is_string()),
        ("resources.requests.memory", resources["requests"]["memory"].is_string()),
        ("resources.limits.memory", resources["limits"]["memory"].is_string()),
        (
            "a pinned image",
            tag.is_some_and(|tag| tag.contains('.') && tag.starts_with(|c: char| c.is_ascii_digit())),
        ),
    ];
    for (what, _) in must.iter().filter(|(_, held)| !held) {
        findings.add(workload, format!("the container {name} lacks {what}"));
    }
}

fn probed(workload: &Object, container: &Value, findings: &mut Findings) {
    if container["readinessProbe"].is_null() {
        findings.add(workload, format!("the container {} has no readinessProbe", container["name"]));
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        for way in ["httpGet", "tcpSocket"] {
            let port = &container[probe][way]["port"];
            if !port.is_null() && port_of(workload, port).is_none() {
                findings.add(workload, format!("the {probe} asks port {port}, which there is not"));
            }
        }
    }
}

/// Thousandths of a processor, or mebibytes.
fn quantity(text: &str) -> u64 {
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("not a quantity: {text}"));
    if let Some(millis) = text.strip_suffix('m') {
        number(millis)
    } else if let Some(mebi) = text.strip_suffix("Mi") {
        number(mebi)
    } else if let Some(gibi) = text.strip_suffix("Gi") {
        number(gibi) * 1024
    } else {
        number(text) * 1000
    }
}

fn secrets(object: &Object, findings: &mut Findings) {
    if object.kind() == "ConfigMap" {
        let in_url = Regex::new(r"://[^/\s:@]+:[^/\s@]+@").unwrap();
        let in_realm = Regex::new(r#""type"\s*:\s*"password"\s*,\s*"value"\s*:\s*"[^$]"#).unwrap();
        let in_yaml = Regex::new(r"(?im)^\s*(password|secret|token)\s*:\s*\S").unwrap();
        for (key, text) in object.at("/data").as_object().into_iter().flatten() {
            let text = text.as_str().unwrap_or_default();
            if [&in_url, &in_realm, &in_yaml].iter().any(|secret| secret.is_match(text)) {
                findings.add(object, format!("{key} holds a secret; that belongs into a Secret"));
            }
        }
    }
    for container in object.pod().into_iter().flat_map(|_| object.containers()) {
        for variable in list(&container["env"]) {
            let name = variable["name"].as_str().unwrap_or_default();
            let secret = ["PASSWORD", "SECRET", "TOKEN"].iter().any(|word| name.contains(word));
            if secret && !name.ends_with("_FILE") && !variable["value"].is_null() {
                findings.add(object, format!("{name} stands in the open; take it from a Secret"));
            }
        }
    }
}
