//! Models behind Envoy AI Gateway, with the check on the Gateway: who passes, whose model is believed, and what would happen
//! with the check on a route.
//!
//! Grants are judged by `egctl`, schemas by `dry_run`; here real requests go through a real `aigw` and a real Envoy.

use serde_json::{Value, json};
use tollgate::clock::SystemClock;
use tollgate::dev::backend::{BackendOptions, router};

use crate::harness::ai_gateway::AiGateway;
use crate::harness::client::Raw;
use crate::harness::envoy_gateway::{Release, complaints};
use crate::harness::free_port;
use crate::harness::manifests::{self, Stand as Moved, at, find, on_this_machine, without};
use crate::harness::server::Server;
use crate::stand::Stand;

/// Everything in `deployment/ai-gateway/`.
fn objects() -> Vec<Value> {
    manifests::files("deployment/ai-gateway").iter().flat_map(|file| manifests::read(file)).collect()
}

struct Models {
    stand: Stand,
    port: u16,
    gateway: AiGateway,
    _backend: Server,
}

impl Models {
    async fn start(objects: &[Value]) -> Option<Self> {
        let more = json!({
            "checks": {"unauthenticated_status": 403},
            "routes": [{"name": "ai", "hosts": ["ai.local.dev"], "paths": [{"prefix": "/"}], "access": "authenticated"}],
        });
        let stand = Stand::with(&more).await;
        let backend = Server::start(router(BackendOptions::new(std::sync::Arc::new(SystemClock)))).await;
        let moved = |namespace, service, service_port, port| Moved { namespace, service, service_port, port };
        let stands = [
            moved("envoy-gateway-system", "self-service-svc", 3001, stand.tollgate.ports.grpc),
            moved("model", "ai-backend", 80, backend.port()),
        ];
        let mut objects = on_this_machine(objects, &stands);
        let port = free_port();
        *at(find(&mut objects, "Gateway", "ai-models"), "spec.listeners.0.port") = json!(port);
        find(&mut objects, "EnvoyProxy", "ai-models")["spec"]["provider"] =
            json!({"type": "Host", "host": {}});
        let gateway = AiGateway::start(&objects, port).await?;
        Some(Self { stand, port, gateway, _backend: backend })
    }

    /// Asks `model` a question, with these headers besides.
    async fn ask(&self, model: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let body =
            json!({"model": model, "messages": [{"role": "user", "content": "Who am I?"}]}).to_string();
        let mut request = Raw::new("POST", "/v1/chat/completions").header("host", "ai.local.dev");
        request = request.header("content-type", "application/json").body(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send(self.port).await.unwrap();
        (answer.status, answer.text())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_passes_and_whose_model_is_believed() {
    let Some(models) = Models::start(&objects()).await else { return };
    let bearer = models.stand.bearer();
    let token = ("authorization", bearer.as_str());

    let (status, body) = models.ask("tollgate-demo", &[]).await;
    assert_eq!(status, 403, "no token: {body}\n{}", models.gateway.log());
    for header in ["x-ai-eg-model", "X-AI-EG-Model"] {
        let (status, body) = models.ask("tollgate-demo", &[(header, "tollgate-demo")]).await;
        assert_eq!(status, 403, "no token, {header} sent: {body}");
    }

    let (status, body) = models.ask("tollgate-demo", &[token, ("x-tollgate-user", "root")]).await;
    assert_eq!(status, 200, "{body}\n{}", models.gateway.log());
    assert!(body.contains("testuser") && body.contains("tollgate-demo"), "{body}");
    assert!(!body.contains("root"), "{body}");

    // The body decides, whatever the header says.
    let (status, body) = models.ask("tollgate-demo-mini", &[token, ("x-ai-eg-model", "tollgate-demo")]).await;
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["model"], "tollgate-demo-mini");
    let (status, body) = models.ask("unknown-model", &[token, ("x-ai-eg-model", "tollgate-demo")]).await;
    assert_eq!(status, 404, "{body}");
}

/// The shipped objects with a second route, for the model `tollgate-demo-mini`; the first keeps `tollgate-demo`.
fn two_routes() -> Vec<Value> {
    let mut objects = objects();
    let first = find(&mut objects, "AIGatewayRoute", "ai-models");
    let mut second = first.clone();
    let only =
        |model: &str| json!([{"headers": [{"type": "Exact", "name": "x-ai-eg-model", "value": model}]}]);
    *at(first, "spec.rules.0.matches") = only("tollgate-demo");
    *at(&mut second, "spec.rules.0.matches") = only("tollgate-demo-mini");
    second["metadata"]["name"] = json!("free-models");
    objects.push(second);
    objects
}

/// The reason why the policy is on the Gateway and the header is removed early: with the policy on a route, whoever names
/// another route's model in the header gets this route's model unchecked.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_on_a_route_would_be_skipped() {
    let sneaking = [("x-ai-eg-model", "tollgate-demo-mini")];

    let mut objects = two_routes();
    let route = json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "ai-models"}]);
    *at(find(&mut objects, "SecurityPolicy", "ai-models-authz"), "spec.targetRefs") = route;
    *at(find(&mut objects, "ClientTrafficPolicy", "ai-models"), "spec.headers") = json!({});
    let Some(models) = Models::start(&objects).await else { return };
    let (status, body) = models.ask("tollgate-demo", &[("x-ai-eg-model", "tollgate-demo")]).await;
    assert_eq!(status, 403, "the policy is in force: {body}\n{}", models.gateway.log());
    let (status, body) = models.ask("tollgate-demo", &sneaking).await;
    assert_eq!(status, 200, "no longer skipped? {body}");
    drop(models);

    let Some(models) = Models::start(&two_routes()).await else { return };
    let (status, body) = models.ask("tollgate-demo", &sneaking).await;
    assert_eq!(status, 403, "{body}");
    let (status, body) = models.ask("tollgate-demo-mini", &[]).await;
    assert_eq!(status, 403, "{body}");
}

/// Both halves of the access log in one line: who, and how much.
#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_has_caller_and_usage() {
    let Some(models) = Models::start(&objects()).await else { return };
    let bearer = models.stand.bearer();
    let (status, body) = models.ask("tollgate-demo", &[("authorization", &bearer)]).await;
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let line = loop {
        let log = models.gateway.log();
        let line =
            log.lines().find(|line| line.contains("\"ext_authz\"") && line.contains("llm_total_token"));
        if let Some(line) = line {
            break line.to_owned();
        }
        assert!(std::time::Instant::now() < deadline, "no line of the access log:\n{log}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    let line: Value = serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
    assert_eq!(line["usage"]["llm_total_token"], answer["usage"]["total_tokens"], "{line}");
    assert_eq!(line["model"], "tollgate-demo", "{line}");
    assert!(line["ext_authz"].to_string().contains("user-1"), "{line}");
}

/// What Envoy Gateway itself says of the part that it knows; the routes are made by Envoy AI Gateway's controller.
#[test]
fn the_policy_is_accepted_and_needs_its_grant() {
    let Some(release) = Release::new() else { return };
    let mut known: Vec<_> = objects();
    known.retain(|object| !object["apiVersion"].as_str().unwrap().starts_with("aigateway."));
    known.extend(manifests::read("deployment/self-service-deployment.yaml"));
    let judged = release.judge(&known).unwrap();
    assert_eq!(complaints(&judged), [""; 0]);
    let id = "SecurityPolicy model/ai-models-authz";
    let status = &judged.iter().find(|object| manifests::id(object) == id).unwrap()["status"];
    assert!(status.to_string().contains("Policy has been accepted"), "{status}");

    let judged = release.judge(&without(&known, "ReferenceGrant", "allow-model-security-policy")).unwrap();
    let found = complaints(&judged);
    assert!(found.iter().any(|said| said.starts_with(id) && said.contains("ReferenceGrant")), "{found:?}");
}
