//! What Envoy Gateway itself says of our manifests: everything accepted and every reference resolved, and each way to break
//! them reported.

use serde_json::{Value, json};

use super::{guide, variant};
use crate::harness::envoy_gateway::{Release, complaints, conditions};
use crate::harness::manifests::{self, at, find, without};

/// The kinds that Envoy Gateway gives a status in these manifests.
const JUDGED: [&str; 5] = ["GatewayClass", "Gateway", "HTTPRoute", "SecurityPolicy", "ClientTrafficPolicy"];

/// Judged without a complaint, and really judged: each object of a kind that has a status says Accepted.
fn assert_accepted(release: &Release, what: &str, objects: &[Value]) {
    let judged = release.judge(objects).unwrap_or_else(|error| panic!("{} {what}: {error}", release.name));
    assert_eq!(complaints(&judged), [""; 0], "{} {what}", release.name);
    for object in objects.iter().filter(|object| JUDGED.iter().any(|kind| object["kind"] == *kind)) {
        let id = manifests::id(object);
        let found = judged.iter().find(|other| manifests::id(other) == id);
        let status =
            &found.unwrap_or_else(|| panic!("{} {what}: nothing was said of {id}", release.name))["status"];
        let accepted = |condition: &&Value| condition["type"] == "Accepted" && condition["status"] == "True";
        assert!(conditions(status).iter().any(accepted), "{} {what}: {id}: {status}", release.name);
        if object["kind"] == "HTTPRoute" {
            let resolved =
                |condition: &&Value| condition["type"] == "ResolvedRefs" && condition["status"] == "True";
            assert!(conditions(status).iter().any(resolved), "{} {what}: {id}: {status}", release.name);
        }
    }
}

#[test]
fn the_guides_manifests() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        assert_accepted(&release, "guide", &guide());
    }
}

#[test]
fn every_variant() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        for file in manifests::files("deployment/variants") {
            let file = file.rsplit('/').next().unwrap();
            let mut objects = variant(file);
            match file {
                "gateway-wide.yaml" => objects = without(&objects, "SecurityPolicy", "self-service-authz"),
                // The file tells how to make these two; that Envoy Gateway finds and can read them is the point here.
                "tls.yaml" => objects.push(authority()),
                _ => {}
            }
            assert_accepted(&release, file, &objects);
        }
    }
}

/// The ConfigMap that `variants/tls.yaml` says to make.
fn authority() -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["authority.test".into()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "self-service-ca", "namespace": "envoy-gateway-system"},
        "data": {"ca.crt": parameters.self_signed(&key).unwrap().pem()},
    })
}

/// One way to break the guide's manifests, and what Envoy Gateway must say then.
struct Broken {
    what: &'static str,
    change: fn(Vec<Value>) -> Vec<Value>,
    /// The object that is complained of, and a word of the complaint.
    finding: [&'static str; 2],
}

fn set(mut objects: Vec<Value>, kind: &str, name: &str, path: &str, value: Value) -> Vec<Value> {
    *at(find(&mut objects, kind, name), path) = value;
    objects
}

const AUTHZ: &str = "spec.extAuth.grpc.backendRefs.0";

const BROKEN: [Broken; 10] = [
    Broken {
        what: "no grant for the policy",
        change: |objects| without(&objects, "ReferenceGrant", "allow-security-policy-refs"),
        finding: ["SecurityPolicy default/self-service-authz", "ReferenceGrant"],
    },
    Broken {
        what: "a grant for another namespace",
        change: |objects| {
            set(
                objects,
                "ReferenceGrant",
                "allow-security-policy-refs",
                "spec.from.0.namespace",
                json!("elsewhere"),
            )
        },
        finding: ["SecurityPolicy default/self-service-authz", "ReferenceGrant"],
    },
    Broken {
        what: "a grant for another kind",
        change: |objects| {
            set(
                objects,
                "ReferenceGrant",
                "allow-security-policy-refs",
                "spec.from.0.kind",
                json!("HTTPRoute"),
            )
        },
        finding: ["SecurityPolicy default/self-service-authz", "ReferenceGrant"],
    },
    Broken {
        what: "a grant for another Service",
        change: |objects| {
            set(objects, "ReferenceGrant", "allow-security-policy-refs", "spec.to.0.name", json!("other-svc"))
        },
        finding: ["SecurityPolicy default/self-service-authz", "ReferenceGrant"],
    },
    Broken {
        what: "a Service that is not there",
        change: |objects| {
            set(
                objects,
                "SecurityPolicy",
                "self-service-authz",
                &format!("{AUTHZ}.name"),
                json!("auth-adapter-2"),
            )
        },
        finding: ["SecurityPolicy default/self-service-authz", ""],
    },
    Broken {
        what: "a port that the Service does not have",
        change: |objects| {
            set(objects, "SecurityPolicy", "self-service-authz", &format!("{AUTHZ}.port"), json!(3005))
        },
        finding: ["SecurityPolicy default/self-service-authz", "3005"],
    },
    Broken {
        what: "a route that is not there",
        change: |objects| {
            set(
                objects,
                "SecurityPolicy",
                "self-service-authz",
                "spec.targetRefs.0.name",
                json!("ai-http-rout"),
            )
        },
        finding: ["SecurityPolicy default/self-service-authz", ""],
    },
    Broken {
        what: "no grant for the route",
        change: |objects| without(&objects, "ReferenceGrant", "allow-ai-http-route"),
        finding: ["HTTPRoute default/ai-http-route", "RefNotPermitted"],
    },
    Broken {
        what: "a backend port that is not there",
        change: |objects| {
            set(objects, "HTTPRoute", "ai-http-route", "spec.rules.0.backendRefs.0.port", json!(8081))
        },
        finding: ["HTTPRoute default/ai-http-route", "8081"],
    },
    Broken {
        what: "a listener that is not there",
        change: |objects| {
            set(objects, "HTTPRoute", "ai-http-route", "spec.parentRefs.0.sectionName", json!("https"))
        },
        finding: ["HTTPRoute default/ai-http-route", ""],
    },
];

#[test]
fn what_is_broken_is_reported() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        for broken in &BROKEN {
            let objects = (broken.change)(guide());
            let judged = release.judge(&objects).unwrap_or_else(|error| panic!("{}: {error}", broken.what));
            let found = complaints(&judged);
            let [id, word] = broken.finding;
            // A policy whose target is nowhere is not mentioned at all: that nobody accepted it is the finding.
            let silent = !judged.iter().any(|object| {
                manifests::id(object) == id
                    && conditions(&object["status"])
                        .iter()
                        .any(|one| one["type"] == "Accepted" && one["status"] == "True")
            });
            let said = found.iter().any(|complaint| complaint.starts_with(id) && complaint.contains(word));
            assert!(said || (silent && word.is_empty()), "{} {}: {found:#?}", release.name, broken.what);
        }
    }
}

#[test]
fn a_field_that_does_not_exist_is_refused() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        let mut objects = guide();
        at(find(&mut objects, "SecurityPolicy", "self-service-authz"), "spec.extAuth")["failClosed"] =
            json!(true);
        let error = release.judge(&objects).expect_err("an unknown field");
        assert!(error.contains("failClosed"), "{}: {error}", release.name);
    }
}
