//! The Kubernetes objects in `deployment/`, as values that a test can look into and break.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The guide's nine files, in the order in which it applies them.
pub const NINE: [&str; 9] = [
    "postgres.yaml",
    "keycloak.yaml",
    "self-service-deployment.yaml",
    "gateway.yaml",
    "ai-backend.yaml",
    "http-route.yaml",
    "reference-grant.yaml",
    "auth-adapter.yaml",
    "ext-authz-policy.yaml",
];

/// Files that replace an object of the nine or stand beside them.
pub const VARIANTS: [&str; 5] = [
    "variants/adapter.yaml",
    "variants/http-door.yaml",
    "variants/gateway-wide.yaml",
    "variants/replicas.yaml",
    "variants/tls.yaml",
];

/// Something that is not there, so that looking into it further gives nothing instead of a panic.
static NOTHING: Value = Value::Null;

/// One object and the file it is in.
#[derive(Clone, Debug)]
pub struct Object {
    pub file: String,
    pub value: Value,
}

impl Object {
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// Empty for objects of the whole cluster.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// What is at a JSON pointer; null when nothing is.
    pub fn at(&self, pointer: &str) -> &Value {
        self.value.pointer(pointer).unwrap_or(&NOTHING)
    }

    /// The text at a JSON pointer; empty when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// The list at a JSON pointer; empty when there is none.
    pub fn list(&self, pointer: &str) -> &[Value] {
        list(self.at(pointer))
    }

    /// The pod that this makes, when it makes pods: where its `metadata` and `spec` are.
    pub fn pod(&self) -> Option<&Value> {
        matches!(self.kind(), "Deployment" | "StatefulSet").then(|| self.at("/spec/template"))
    }

    /// Containers of its pod, those that run first included.
    pub fn containers(&self) -> impl Iterator<Item = &Value> {
        let of = |which: &str| self.list(&format!("/spec/template/spec/{which}"));
        of("initContainers").iter().chain(of("containers"))
    }

    /// A container of its pod.
    pub fn container(&self, name: &str) -> &Value {
        let mut named = self.containers().filter(|container| container["name"] == name);
        named.next().unwrap_or_else(|| panic!("{self} has no container {name}"))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.file, self.kind(), self.name())
    }
}

/// A list, or nothing.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether these labels have everything that a selector asks for. Nothing asked for is everything.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let asked = selector.as_object().into_iter().flat_map(Map::iter);
    asked.fold(true, |so_far, (name, value)| so_far && labels[name] == *value)
}

/// Objects as they would be in a cluster.
#[derive(Clone, Debug, Default)]
pub struct Objects(Vec<Object>);

impl Objects {
    /// The nine files.
    pub fn shipped() -> Self {
        NINE.iter().fold(Self::default(), |objects, file| objects.with(file))
    }

    /// After one more file was applied: an object that is there already is replaced.
    #[must_use]
    pub fn with(mut self, file: &str) -> Self {
        for object in parse(file, &std::fs::read_to_string(deployment().join(file)).unwrap()) {
            self.0.retain(|old| {
                (old.kind(), old.namespace(), old.name())
                    != (object.kind(), object.namespace(), object.name())
            });
            self.0.push(object);
        }
        self
    }

    pub fn all(&self) -> impl Iterator<Item = &Object> {
        self.0.iter()
    }

    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Object> {
        self.0.iter().filter(move |object| object.kind() == kind)
    }

    pub fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        self.of_kind(kind).find(|object| object.namespace() == namespace && object.name() == name)
    }

    /// One that must be there.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> &Object {
        self.find(kind, namespace, name).unwrap_or_else(|| panic!("no {kind} {namespace}/{name}"))
    }

    /// Objects that make pods.
    pub fn workloads(&self) -> impl Iterator<Item = &Object> {
        self.0.iter().filter(|object| object.pod().is_some())
    }

    /// Workloads of a namespace whose pods a selector chooses.
    pub fn selected(&self, namespace: &str, selector: &Value) -> Vec<&Object> {
        let here = self.workloads().filter(|workload| workload.namespace() == namespace);
        here.filter(|workload| selects(selector, workload.at("/spec/template/metadata/labels"))).collect()
    }

    /// Changes one object, for a test of what that breaks.
    pub fn edit(&mut self, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut found = self.0.iter_mut().filter(|object| object.kind() == kind && object.name() == name);
        change(&mut found.next().unwrap_or_else(|| panic!("no {kind} {name}")).value);
    }

    /// Takes one object away.
    pub fn remove(&mut self, kind: &str, name: &str) {
        let before = self.0.len();
        self.0.retain(|object| object.kind() != kind || object.name() != name);
        assert!(self.0.len() < before, "no {kind} {name}");
    }
}

/// The objects of one file.
pub fn parse(file: &str, text: &str) -> Vec<Object> {
    let values: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let objects = values.into_iter().filter(|value| !value.is_null());
    objects.map(|value| Object { file: file.to_owned(), value }).collect()
}

/// The directory of the manifests.
pub fn deployment() -> PathBuf {
    root().join("deployment")
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The configuration in self-service-deployment.yaml, as text.
pub fn config_map(objects: &Objects) -> &str {
    objects.get("ConfigMap", SYSTEM, "self-service-config").text("/data/config.yaml")
}

/// The namespace of almost everything.
pub const SYSTEM: &str = "envoy-gateway-system";
