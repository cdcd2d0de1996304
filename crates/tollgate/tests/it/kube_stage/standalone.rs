//! Envoy Gateway serves our manifests: it makes Envoy's configuration of them and runs a real Envoy with it, in front of
//! Tollgate configured as the ConfigMap says. Only the Services are elsewhere, since without a cluster there are none.

use serde_json::{Value, json};

use super::{guide, variant};
use crate::harness::client::Raw;
use crate::harness::envoy_gateway::{EnvoyGateway, Release};
use crate::harness::free_port;
use crate::harness::manifests::{Stand as Moved, at, find, on_this_machine, without};
use crate::harness::upstream::Upstream;
use crate::stand::Stand;

/// A gateway on these objects, Tollgate and a backend behind it.
struct Cluster {
    stand: Stand,
    upstream: Upstream,
    port: u16,
    gateway: EnvoyGateway,
}

impl Cluster {
    async fn start(release: &Release, objects: &[Value]) -> Option<Self> {
        let stand = Stand::with(&of_the_config_map(objects)).await;
        let upstream = Upstream::start().await;
        let moved = |namespace, service, service_port, port| Moved { namespace, service, service_port, port };
        let stands = [
            moved("envoy-gateway-system", "self-service-svc", 3001, stand.tollgate.ports.grpc),
            moved("envoy-gateway-system", "self-service-svc", 3002, stand.tollgate.ports.check),
            moved("model", "ai-backend", 80, upstream.port()),
        ];
        let mut objects = on_this_machine(objects, &stands);
        let port = free_port();
        *at(find(&mut objects, "Gateway", "ai-gateway"), "spec.listeners.0.port") = json!(port);
        let gateway = EnvoyGateway::start(release, &objects, port).await?;
        Some(Self { stand, upstream, port, gateway })
    }

    fn request(&self) -> Raw<'static> {
        Raw::get("/").header("host", "ai.local.dev")
    }

    /// The guide's Test 1 and Test 2, and what a spoofing client gets.
    async fn tests_of_the_guide(&self, what: &str) {
        let denied = self.request().send(self.port).await.unwrap();
        assert_eq!(
            (denied.status, denied.text().as_str()),
            (403, "Forbidden"),
            "{what}\n{}",
            self.gateway.log()
        );
        assert!(denied.values("www-authenticate")[0].starts_with("Bearer"), "{what}: {denied:?}");
        assert!(self.upstream.seen().is_empty(), "{what}: a denied request reached the backend");

        let bearer = self.stand.bearer();
        let allowed = self.request().header("authorization", &bearer).header("x-tollgate-user", "root");
        let allowed = allowed.header("x-tollgate-groups", "admin").header("x-account-id", "rich");
        let answer = allowed.send(self.port).await.unwrap();
        assert_eq!(answer.status, 200, "{what}: {}\n{}", answer.text(), self.gateway.log());
        let seen = self.upstream.seen().remove(0);
        assert_eq!(seen.values("x-tollgate-user"), ["testuser"], "{what}");
        assert_eq!(seen.values("x-tollgate-groups"), ["dev"], "{what}");
        for gone in ["authorization", "x-account-id"] {
            assert_eq!(seen.values(gone), [""; 0], "{what}: {gone}");
        }

        let garbled = format!("{bearer}x");
        assert_eq!(
            self.request().header("authorization", &garbled).send(self.port).await.unwrap().status,
            403,
            "{what}"
        );
        let elsewhere = Raw::get("/").header("host", "other.test").header("authorization", &bearer);
        assert_eq!(elsewhere.send(self.port).await.unwrap().status, 404, "{what}: no route for this host");
    }
}

/// Routes and denials as `self-service-deployment.yaml` configures them, for the issuer of the test.
fn of_the_config_map(objects: &[Value]) -> Value {
    let mut objects = objects.to_vec();
    let text = &find(&mut objects, "ConfigMap", "self-service-config")["data"]["config.yaml"];
    let config: Value = serde_saphyr::from_str(text.as_str().unwrap()).unwrap();
    json!({
        "routes": config["routes"],
        "checks": config["checks"],
        "server": {"drain_delay_secs": 0, "check": {"envoy_prefix": config["server"]["check"]["envoy_prefix"]}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_tests_pass_through_it() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        let Some(cluster) = Cluster::start(&release, &guide()).await else { return };
        cluster.tests_of_the_guide(release.name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_pass_them_too() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        for file in ["http-door.yaml", "gateway-wide.yaml"] {
            let mut objects = variant(file);
            if file == "gateway-wide.yaml" {
                objects = without(&objects, "SecurityPolicy", "self-service-authz");
            }
            let Some(cluster) = Cluster::start(&release, &objects).await else { return };
            cluster.tests_of_the_guide(&format!("{} {file}", release.name)).await;
        }
    }
}

/// A policy that Envoy Gateway does not accept must not leave the route open.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_policy_that_is_wrong_nobody_passes() {
    let Some(releases) = Release::both() else { return };
    for release in releases {
        let mut objects = guide();
        let path = "spec.extAuth.grpc.backendRefs.0.port";
        *at(find(&mut objects, "SecurityPolicy", "self-service-authz"), path) = json!(3005);
        let Some(cluster) = Cluster::start(&release, &objects).await else { return };
        let bearer = cluster.stand.bearer();
        for request in [cluster.request(), cluster.request().header("authorization", &bearer)] {
            let answer = request.send(cluster.port).await.unwrap();
            assert_eq!(answer.status, 500, "{}: {}", release.name, answer.text());
        }
        assert!(cluster.upstream.seen().is_empty(), "{}", release.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_tollgate_is_gone_nobody_passes() {
    let Some(release) = Release::new() else { return };
    let Some(mut cluster) = Cluster::start(&release, &guide()).await else { return };
    let bearer = cluster.stand.bearer();
    cluster.stand.tollgate.kill();
    let answer = cluster.request().header("authorization", &bearer).send(cluster.port).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(cluster.upstream.seen().is_empty());
}
