//! Kubernetes objects as JSON values: read from YAML, found by kind and name, changed, and written for a program to read.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every object in a YAML text of any number of documents, in order; members of a `List` are taken out of it.
pub fn parse(text: &str) -> Vec<Value> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let members = documents.into_iter().filter(|document| !document.is_null()).flat_map(|document| {
        let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        match document["items"].as_array() {
            Some(items) if is_list => items.clone(),
            _ => vec![document],
        }
    });
    members.collect()
}

/// [`parse`] of a file below the repository's root.
pub fn read(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(root().join(path));
    parse(&text.unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// The manifests in one folder below the repository's root, by name, without the kustomization and Helm values.
pub fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut names: Vec<_> = entries
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap()))
        .filter(|name| name.ends_with(".yaml"))
        .filter(|name| !name.ends_with("kustomization.yaml") && !name.ends_with("-values.yaml"))
        .collect();
    names.sort();
    names
}

/// Objects as documents that every YAML reader understands; JSON is YAML.
pub fn write(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("---\n{object}\n")).collect()
}

/// `Kind namespace/name`; `-` where there is no namespace.
pub fn id(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let meta = &object["metadata"];
    format!("{} {}/{}", text(&object["kind"]), text(&meta["namespace"]), text(&meta["name"]))
}

/// The one object of this kind and name.
pub fn find<'a>(objects: &'a mut [Value], kind: &str, name: &str) -> &'a mut Value {
    let named = |object: &&mut Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter_mut().find(named).unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// Takes one object out.
pub fn without(objects: &[Value], kind: &str, name: &str) -> Vec<Value> {
    let left: Vec<_> = objects
        .iter()
        .filter(|object| object["kind"] != kind || object["metadata"]["name"] != name)
        .cloned()
        .collect();
    assert_eq!(left.len() + 1, objects.len(), "there is no {kind} {name}");
    left
}

/// A member at a path such as `spec.targetRefs.0.name`.
pub fn at<'a>(object: &'a mut Value, path: &str) -> &'a mut Value {
    let id = id(object);
    path.split('.').fold(object, |value, step| {
        let found = match step.parse::<usize>() {
            Ok(index) => value.get_mut(index),
            Err(_) => value.get_mut(step),
        };
        found.unwrap_or_else(|| panic!("{id} has no {path}"))
    })
}

/// Where a Service's port is answered on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Stand<'a> {
    pub namespace: &'a str,
    pub service: &'a str,
    pub service_port: u16,
    /// The port on 127.0.0.1.
    pub port: u16,
}

/// Moves a cluster's Services to this machine, for a gateway that runs without a cluster: each port of a Service that
/// `stands` names becomes a `Backend` under the Service's own name in the cluster's DNS, which [`hosts`] are to be names of
/// this machine; references, grants and other Backends for the Service are turned to it. Everything else stays as it is
/// written.
///
/// With one exception: what a policy refers to stands in the policy's own namespace. Without a cluster Envoy Gateway
/// forgets of what kind a policy is, so that no grant fits it; the grants are judged by `egctl` instead.
pub fn on_this_machine(objects: &[Value], stands: &[Stand<'_>]) -> Vec<Value> {
    const NOT_NEEDED: [&str; 6] = [
        "Deployment",
        "StatefulSet",
        "Service",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "NetworkPolicy",
    ];
    let mut moved = Vec::new();
    let mut backends = Vec::new();
    for object in objects {
        let mut object = object.clone();
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
        match kind.as_str() {
            kind if NOT_NEEDED.contains(&kind) => continue,
            "ReferenceGrant" => grant_backends(&mut object, &namespace, stands),
            "Backend" => turn_endpoints(&mut object, stands),
            _ => {
                let own = kind.ends_with("Policy");
                turn_references(&mut object["spec"], &namespace, stands, own, &mut backends);
            }
        }
        moved.push(object);
    }
    backends.sort_by_key(id);
    backends.dedup_by_key(|backend| id(backend));
    moved.extend(backends);
    moved
}

fn backend(stand: &Stand<'_>, namespace: &str) -> Value {
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "Backend",
        "metadata": {"name": backend_name(stand), "namespace": namespace},
        "spec": {"endpoints": [{"fqdn": {"hostname": host(stand), "port": stand.port}}]},
    })
}

fn host(stand: &Stand<'_>) -> String {
    format!("{}.{}.svc.cluster.local", stand.service, stand.namespace)
}

/// Every name that the Backends among these objects look up.
pub fn hosts(objects: &[Value]) -> Vec<String> {
    let backends = objects.iter().filter(|object| object["kind"] == "Backend");
    let endpoints =
        backends.flat_map(|backend| backend["spec"]["endpoints"].as_array().into_iter().flatten());
    endpoints.filter_map(|endpoint| endpoint["fqdn"]["hostname"].as_str().map(str::to_owned)).collect()
}

fn backend_name(stand: &Stand<'_>) -> String {
    format!("{}-{}", stand.service, stand.service_port)
}

/// A reference is an object with `name` and `port` and, when it says a kind, the kind Service. What it is turned to is added
/// to `backends`, in the referrer's `own` namespace if so asked.
fn turn_references(
    value: &mut Value,
    namespace: &str,
    stands: &[Stand<'_>],
    own: bool,
    backends: &mut Vec<Value>,
) {
    let target = value["namespace"].as_str().unwrap_or(namespace).to_owned();
    let found = stands.iter().find(|stand| {
        stand.namespace == target
            && value["name"] == stand.service
            && value["port"] == stand.service_port
            && value.get("kind").is_none_or(|kind| kind == "Service")
    });
    if let (Some(stand), Some(reference)) = (found, value.as_object_mut()) {
        reference.insert("group".into(), "gateway.envoyproxy.io".into());
        reference.insert("kind".into(), "Backend".into());
        reference.insert("name".into(), backend_name(stand).into());
        reference.remove("port");
        if own {
            reference.remove("namespace");
        }
        backends.push(backend(stand, if own { namespace } else { stand.namespace }));
        return;
    }
    let members: Vec<&mut Value> = match value {
        Value::Object(members) => members.values_mut().collect(),
        Value::Array(members) => members.iter_mut().collect(),
        _ => return,
    };
    for member in members {
        turn_references(member, namespace, stands, own, backends);
    }
}

/// A `Backend` that names a Service by its name in the cluster's DNS.
fn turn_endpoints(backend: &mut Value, stands: &[Stand<'_>]) {
    for endpoint in backend["spec"]["endpoints"].as_array_mut().into_iter().flatten() {
        let fqdn = &mut endpoint["fqdn"];
        let found =
            stands.iter().find(|stand| fqdn["hostname"] == host(stand) && fqdn["port"] == stand.service_port);
        if let Some(stand) = found {
            fqdn["port"] = json!(stand.port);
        }
    }
}

/// A grant for a named Service covers the Backends that stand for it, and for any Service all of them.
fn grant_backends(grant: &mut Value, namespace: &str, stands: &[Stand<'_>]) {
    let Some(targets) = grant["spec"]["to"].as_array_mut() else { return };
    let mut turned = Vec::new();
    for target in targets.iter() {
        if target["kind"] != "Service" {
            turned.push(target.clone());
            continue;
        }
        let covered = stands.iter().filter(|stand| {
            stand.namespace == namespace && target.get("name").is_none_or(|name| name == stand.service)
        });
        turned.extend(covered.map(
            |stand| json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": backend_name(stand)}),
        ));
    }
    *targets = turned;
}
