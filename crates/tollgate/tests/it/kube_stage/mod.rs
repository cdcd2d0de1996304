//! The Kubernetes stage: our manifests before those who decide about them. Two Envoy Gateways judge and serve them, a real
//! API server validates them, Helm renders the chart, Envoy AI Gateway routes models behind our check.
//!
//! `scripts/test kube` builds the programs and runs exactly these tests; the plain `scripts/test` leaves them out.

mod accepted;
mod ai_gateway;
mod chart;
mod doctor;
mod dry_run;
mod standalone;

use serde_json::Value;

use crate::harness::envoy_gateway::Release;
use crate::harness::kube::Kube;
use crate::harness::manifests;

/// The guide's objects: every file that `kubectl apply -k deployment/` applies.
fn guide() -> Vec<Value> {
    let kustomization = manifests::read("deployment/kustomization.yaml").remove(0);
    let files = kustomization["resources"].as_array().unwrap().iter();
    files.flat_map(|file| manifests::read(&format!("deployment/{}", file.as_str().unwrap()))).collect()
}

/// The guide's objects after `kubectl apply` of one of `deployment/variants/`: same kind and name replaces, else adds.
fn variant(file: &str) -> Vec<Value> {
    let mut objects = guide();
    for object in manifests::read(&format!("deployment/variants/{file}")) {
        match objects.iter_mut().find(|other| manifests::id(other) == manifests::id(&object)) {
            Some(other) => *other = object,
            None => objects.push(object),
        }
    }
    objects
}

/// An API server with the definitions of `release`, and the namespaces that the guide makes first.
async fn served(release: &Release) -> Option<Kube> {
    let kube = Kube::start().await?;
    kube.install(&[release.definitions()]);
    for namespace in ["envoy-gateway-system", "model"] {
        kube.run(&["create", "namespace", namespace], "");
    }
    Some(kube)
}
