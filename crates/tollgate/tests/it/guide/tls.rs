//! variants/tls.yaml: the commands in its comment make certificates that real Envoy and Tollgate understand each other by, and
//! without which they do not.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tollgate_core::jwt::Algorithm;
use tollgate_core::testing::TestKey;

use super::machine::Machine;
use super::objects::{Object, Objects, SYSTEM, deployment};
use crate::harness::client::Raw;
use crate::harness::envoy::BINARIES;
use crate::harness::issuer::Issuer;
use crate::harness::upstream::Upstream;
use crate::harness::{need, scratch, skip};
use crate::stand::claims;

/// Runs the comment's commands but for those that speak to a cluster.
fn certificates(dir: &Path) {
    let text = std::fs::read_to_string(deployment().join("variants/tls.yaml")).unwrap();
    let indented = text.lines().filter_map(|line| line.strip_prefix("#      "));
    let commands: Vec<&str> = indented.filter(|line| !line.starts_with("kubectl")).collect();
    assert!(commands.len() > 4, "{commands:?}");
    let made = Command::new("bash").args(["-ec", &commands.join("\n")]).current_dir(dir).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// What Envoy Gateway adds to a cluster for a BackendTLSPolicy.
fn transport_socket(policy: &Object, ca: &Path, hostname: &str) -> Value {
    assert_eq!(policy.list("/spec/validation/caCertificateRefs")[0]["name"], "self-service-ca");
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": hostname,
            "common_tls_context": {"validation_context": {
                "trusted_ca": {"filename": ca},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": hostname}}],
            }},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_and_tollgate_speak_tls() {
    let Some(binary) = need(BINARIES[0]) else { return };
    if Command::new("openssl").arg("version").output().is_err() {
        return skip("openssl is not installed, and the comment in variants/tls.yaml uses it");
    }
    let dir = scratch("tls");
    certificates(dir.path());
    let objects = Objects::shipped().with("variants/tls.yaml");
    let data = objects.get("ConfigMap", SYSTEM, "self-service-env").at("/data").as_object().unwrap();
    let here = dir.path().display().to_string();
    let variables: Vec<(String, String)> = data
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().replace("/app/tls", &here)))
        .collect();

    let key = TestKey::generate(Algorithm::RS256, "k1");
    let (issuer, upstream) = (Issuer::start(&[key.jwk()]).await, Upstream::start().await);
    let mut claims = claims(&issuer);
    claims["aud"] = json!("account");
    let bearer = format!("Bearer {}", key.sign_claims(&claims));
    let request = Raw::get("/").header("host", "ai.local.dev").header("authorization", &bearer);
    let machine = Machine::start(&issuer.url(), &variables).await;

    let policy = objects.get("BackendTLSPolicy", SYSTEM, "self-service-svc-grpc");
    let (ca, hostname) = (dir.path().join("ca.crt"), policy.text("/spec/validation/hostname"));
    let secured = |hostname: &str| {
        let socket = transport_socket(policy, &ca, hostname);
        move |cluster: &mut Value| cluster["transport_socket"] = socket
    };
    let envoy = machine.front(&binary, upstream.port(), secured(hostname)).await;
    let allowed = request.send(envoy.port).await.unwrap();
    assert_eq!(allowed.status, 200, "{}\n{}", allowed.text(), machine.tollgate.log());
    let denied = Raw::get("/").header("host", "ai.local.dev").send(envoy.port).await.unwrap();
    assert_eq!(denied.status, 403);

    let plain = machine.front(&binary, upstream.port(), |_| {}).await;
    assert_eq!(
        request.send(plain.port).await.unwrap().status,
        503,
        "no answer to the check, and so no way through"
    );
    let other = machine.front(&binary, upstream.port(), secured("other.example.com")).await;
    assert_eq!(request.send(other.port).await.unwrap().status, 503, "a certificate of somebody else");
}
