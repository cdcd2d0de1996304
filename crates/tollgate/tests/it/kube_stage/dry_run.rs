//! The API server's own checks of every file we ship: schema, defaults, and the rules inside the custom resource
//! definitions of the oldest and the newest Envoy Gateway.

use serde_json::{Value, json};

use super::{chart, guide, served};
use crate::harness::envoy_gateway::Release;
use crate::harness::manifests::{self, at, find};
use crate::harness::need;

#[tokio::test(flavor = "multi_thread")]
async fn every_manifest_and_variant() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        let Some(kube) = served(&release).await else { return };
        let folders = ["deployment", "deployment/variants"];
        let files: Vec<_> = folders.iter().flat_map(|folder| manifests::files(folder)).collect();
        assert!(files.len() >= 14, "{files:?}");
        for file in files {
            let path = manifests::root().join(&file);
            let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f"];
            // The file as it is, comments and all, by the command that the guide prints.
            kube.run(&[&arguments[..], &[path.to_str().unwrap()]].concat(), "");
        }
        let path = manifests::root().join("deployment");
        let said =
            kube.run(&["apply", "--dry-run=server", "--validate=strict", "-k", path.to_str().unwrap()], "");
        for name in ["service/self-service-svc", "securitypolicy.gateway.envoyproxy.io/self-service-authz"] {
            assert!(said.contains(name), "{}: {said}", release.name);
        }
    }
}

/// The chart as it is, and with everything in it that can be switched on.
#[tokio::test(flavor = "multi_thread")]
async fn the_rendered_chart() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        let Some(kube) = served(&release).await else { return };
        let more = "autoscaling.enabled=true,tls.enabled=true,gateway.authorization.through=http,\
                    postgres.storageClass=fast,image.pullSecrets={registry},gateway.serviceType=LoadBalancer";
        for values in ["", more] {
            let Some(objects) = chart::objects(values) else { return };
            let said =
                kube.dry_run(&objects).unwrap_or_else(|error| panic!("{} {values}: {error}", release.name));
            assert!(said.contains("deployment.apps/self-service-app"), "{said}");
        }
    }
}

/// The newest Envoy Gateway with the definitions of Envoy AI Gateway beside it.
#[tokio::test(flavor = "multi_thread")]
async fn the_ai_gateway() {
    let (Some(release), Some(ai)) = (Release::new(), need("TOLLGATE_TEST_AI_GATEWAY")) else { return };
    let Some(kube) = served(&release).await else { return };
    kube.install(&[ai.join("crds")]);
    let path = manifests::root().join("deployment/ai-gateway");
    let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-k"];
    let said = kube.run(&[&arguments[..], &[path.to_str().unwrap()]].concat(), "");
    assert!(said.contains("aigatewayroute.aigateway.envoyproxy.io/ai-models"), "{said}");

    let mut objects = manifests::read("deployment/ai-gateway/models.yaml");
    let backend = at(find(&mut objects, "AIServiceBackend", "ai-backend"), "spec.backendRef");
    *backend = json!({"group": "", "kind": "Service", "name": "ai-backend", "port": 80});
    let said = kube.dry_run(&objects).expect_err("a Service, where only a Backend is taken");
    assert!(said.contains("Backend"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_must_refuse() {
    let Some(release) = Release::old() else { return };
    let Some(kube) = served(&release).await else { return };
    kube.dry_run(&guide()).unwrap();
    type Change = fn(&mut [Value]);
    let broken: [(&str, Change, &str); 6] = [
        (
            "a field that nobody knows",
            |objects| {
                at(find(objects, "SecurityPolicy", "self-service-authz"), "spec.extAuth")["failClosed"] =
                    json!(true);
            },
            "failClosed",
        ),
        (
            "a field that came after 1.5",
            |objects| {
                at(find(objects, "SecurityPolicy", "self-service-authz"), "spec.extAuth")["statusOnError"] =
                    json!(503);
            },
            "statusOnError",
        ),
        (
            "both doors at once",
            |objects| {
                let auth = at(find(objects, "SecurityPolicy", "self-service-authz"), "spec.extAuth");
                auth["http"] = auth["grpc"].clone();
            },
            "only one",
        ),
        (
            "a port that is a word",
            |objects| *at(find(objects, "Gateway", "ai-gateway"), "spec.listeners.0.port") = json!("http"),
            "port",
        ),
        (
            "a selector that the pods do not match",
            |objects| {
                *at(find(objects, "Deployment", "self-service-app"), "spec.template.metadata.labels.app") =
                    json!("other");
            },
            "selector",
        ),
        (
            "a protocol that is none",
            |objects| {
                *at(find(objects, "Gateway", "ai-gateway"), "spec.listeners.0.protocol") =
                    json!("no protocol");
            },
            "protocol",
        ),
    ];
    for (what, change, word) in broken {
        let mut objects = guide();
        change(&mut objects);
        let said = kube.dry_run(&objects).expect_err(what);
        assert!(said.contains(word), "{what}: {said}");
    }
}
