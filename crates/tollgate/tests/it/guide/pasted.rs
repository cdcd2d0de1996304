//! The commands of Step 6 and of the two tests, out of the page and into a shell, against the real programs as the manifests
//! set them up: Keycloak, Postgres, Tollgate, the sample backend, nginx, and Envoy as Envoy Gateway configures it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;

use super::contract::proxy_service;
use super::envoy::{Ports, bootstrap};
use super::isolation::enter;
use super::objects::{Objects, SYSTEM};
use super::page::{TESTS, blocks, guide};
use super::pods::{AdapterPod, BackendPod, KeycloakPod, TollgatePod, store_state};
use super::realm;
use crate::harness::envoy::{BINARIES, Envoy};
use crate::harness::postgres::Postgres;
use crate::harness::{free_port, need, scratch, skip, variable};

/// Ports that the manifests and the guide's commands name: Tollgate, Postgres, Keycloak.
const PORTS: [u16; 7] = [3000, 3001, 3002, 9464, 5432, 8080, 9000];

/// Answers what Step 6 looks up in the cluster, and nothing else.
const KUBECTL: &str = r#"#!/usr/bin/env bash
case "$*" in
"get svc -n envoy-gateway-system -l app.kubernetes.io/component=proxy") echo "$SERVICE NodePort 80:$NODE_PORT/TCP" ;;
"get svc -n envoy-gateway-system $SERVICE -o jsonpath={.spec.ports[?(@.port==80)].nodePort}") printf %s "$NODE_PORT" ;;
'get node -o jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}') printf 127.0.0.1 ;;
*) echo "kubectl here does not know: $*" >&2; exit 64 ;;
esac
"#;

/// What the shell said under each heading.
#[derive(Debug)]
struct Said {
    gateway: String,
    token: String,
    denied: String,
    allowed: String,
}

/// Pastes the page's four blocks into a shell whose gateway is on this port.
fn paste(dir: &Path, port: u16) -> Said {
    let page = guide();
    let page = blocks(&page);
    let mut script = String::new();
    for heading in TESTS {
        let block = page.iter().find(|block| block.heading == heading && block.language == "bash").unwrap();
        script.push_str(&format!("printf '\\n=====\\n'\n{}", block.text));
    }
    let (file, kubectl) = (dir.join("script"), dir.join("kubectl"));
    std::fs::write(&file, script).unwrap();
    std::fs::write(&kubectl, KUBECTL).unwrap();
    assert!(Command::new("chmod").arg("755").arg(&kubectl).status().unwrap().success());
    let path = format!("{}:{}", dir.display(), variable("PATH").unwrap().display());
    let mut shell = Command::new("bash");
    shell.args(["-c", r#"exec 2>&1; . "$0""#]).arg(&file).env("PATH", path);
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        shell.env_remove(proxy);
    }
    shell.env("SERVICE", proxy_service(SYSTEM, "ai-gateway")).env("NODE_PORT", port.to_string());
    let ran = shell.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let parts: Vec<&str> = said.split("\n=====\n").collect();
    let [_, gateway, token, denied, allowed] = parts.as_slice() else { panic!("{said}") };
    let own = |part: &&str| (*part).to_owned();
    Said { gateway: own(gateway), token: own(token), denied: own(denied), allowed: own(allowed) }
}

/// Runs the page's block of this heading with the program itself on the PATH; it must end with 0. What it said.
fn run_block(dir: &Path, heading: &str, port: u16, token: Option<&str>) -> String {
    let page = guide();
    let block = blocks(&page).into_iter().find(|block| block.heading == heading && block.language == "bash");
    let block = block.unwrap_or_else(|| panic!("no commands under '{heading}'")).text;
    let link = dir.join("tollgate");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tollgate"), &link).unwrap();
    }
    let path = format!("{}:{}", dir.display(), variable("PATH").unwrap().display());
    let mut shell = Command::new("bash");
    shell.args(["-ec", &format!("exec 2>&1\n{block}")]).env("PATH", path);
    if let Some(token) = token {
        shell.env("TOLLGATE_TOKEN", token);
    }
    shell.env("K3S_NODE_IP", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
    let ran = shell.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{heading}: {}\n{said}", ran.status);
    said
}

/// What the guide says they print.
fn as_expected(said: &Said, port: u16) {
    assert!(said.gateway.contains(&format!("Gateway URL: http://127.0.0.1:{port}\n")), "{said:#?}");
    let token = said.token.split("Test JWT Token: ").nth(1).unwrap_or_else(|| panic!("{said:#?}")).trim();
    let claims = token.split('.').nth(1).unwrap_or_else(|| panic!("not a token: {said:#?}"));
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["preferred_username"], "testuser");
    assert!(claims["sub"].is_string(), "{claims}");
    assert_eq!(claims["iss"], "http://localhost:8080/realms/master");

    assert!(said.denied.contains("< HTTP/1.1 403 Forbidden"), "{}", said.denied);
    assert!(said.denied.contains("< www-authenticate: Bearer"), "{}", said.denied);
    assert!(said.denied.trim_end().ends_with("Forbidden"), "{}", said.denied);
    assert!(said.allowed.contains("< HTTP/1.1 200 OK"), "{}", said.allowed);
    assert!(said.allowed.contains("Sample AI backend"), "{}", said.allowed);
    assert!(!said.allowed.contains("x-tollgate-"), "nothing internal goes to clients: {}", said.allowed);
}

/// Every pod but the gateway and Keycloak.
struct Pods {
    tollgate: TollgatePod,
    backend: BackendPod,
    adapter: AdapterPod,
}

impl Pods {
    /// Puts each Envoy in front, configured for the SecurityPolicy of this name, and pastes the page.
    ///
    /// With `demo`, the password of the realm's user, a key is made and used as the page says, too.
    async fn pasted_through(&self, objects: &Objects, namespace: &str, policy: &str, demo: Option<&str>) {
        for binary in BINARIES {
            let Some(binary) = need(binary) else { continue };
            let ports = Ports {
                gateway: free_port(),
                admin: free_port(),
                backend: self.backend.port,
                adapter: self.adapter.port,
            };
            let policy = objects.get("SecurityPolicy", namespace, policy);
            let config = bootstrap(objects, policy, ports);
            let mut envoy = Envoy::start_with(&binary, ports.gateway, ports.admin, &config).await;
            let before = (self.tollgate.process.log().len(), self.backend.process.log().len());
            let dir = scratch("pasted");
            let said = paste(dir.path(), ports.gateway);
            as_expected(&said, ports.gateway);
            for line in [
                "Received auth request from 127.0.0.1",
                "Validating JWT token against JWKS endpoint",
                "Authorization decision: ALLOWED for user: testuser",
            ] {
                self.tollgate.process.logs(before.0, line).await;
            }
            self.backend.process.logs(before.1, "] \"GET / HTTP/1.1\" 200 -").await;
            let served = self.backend.process.log();
            let served: Vec<&str> = served[before.1..].lines().collect();
            let [line] = served.as_slice() else { panic!("one request reached the backend: {served:?}") };
            assert!(
                line.starts_with("127.0.0.1 - - [") && line.ends_with("] \"GET / HTTP/1.1\" 200 -"),
                "{line}"
            );
            run_block(dir.path(), "More tests of the same kind", ports.gateway, None);
            run_block(dir.path(), "Without Go", ports.gateway, None);
            if let Some(password) = demo {
                let token = realm::token(password).await;
                let said = run_block(dir.path(), "Make a key, and use it", ports.gateway, Some(&token));
                assert!(said.contains("< HTTP/1.1 200 OK") && said.contains("Sample AI backend"), "{said}");
            }
            // Envoy writes its access log every ten seconds, and at its end.
            envoy.process.signal("TERM");
            envoy.process.ended(Duration::from_secs(10)).await.unwrap();
            let access = envoy.process.log();
            for line in
                ["\"response_code\":403", "\"ext_authz_denied\"", "\"response_code\":200", "\"via_upstream\""]
            {
                assert!(access.contains(line), "'{line}' is not in Envoy's log: {access}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_true_whenever_keycloak_is_new() {
    for program in BINARIES.iter().chain(&[
        "TOLLGATE_TEST_KEYCLOAK",
        "TOLLGATE_TEST_JAVA_HOME",
        "TOLLGATE_TEST_NGINX",
        "TOLLGATE_TEST_POSTGRES_BIN",
    ]) {
        if need(program).is_none() {
            return;
        }
    }
    for program in ["curl", "jq"] {
        if Command::new(program).arg("--version").output().is_err() {
            return skip(&format!("{program} is not installed, and Step 6 uses it"));
        }
    }
    let name = "guide::pasted::the_page_is_true_whenever_keycloak_is_new";
    let Some(place) = enter(name, &PORTS) else { return };
    let objects = Objects::shipped();

    let password = objects.get("Secret", SYSTEM, "postgresql").text("/stringData/password");
    let mut postgres = Postgres::start(5432, "tollgate", password).unwrap();
    let keycloak = KeycloakPod::start(&objects, place).await.unwrap();
    let pods = Pods {
        tollgate: TollgatePod::start(&objects, place).await,
        backend: BackendPod::start(&objects).await,
        adapter: AdapterPod::start(&objects, place).await.unwrap(),
    };
    assert_eq!(store_state().await, "ready", "the database of postgres.yaml is in use");

    // gRPC, as ext-authz-policy.yaml says; and pasted again, with a user who is there already.
    let demo = objects.get("Secret", SYSTEM, "keycloak").text("/stringData/demo-password");
    pods.pasted_through(&objects, "default", "self-service-authz", Some(demo)).await;
    realm::holds(&objects).await;
    realm::signs_people_in(&objects).await;

    // Keycloak's pod is deleted, and with it its users and its keys. The same Tollgate serves the new one's tokens.
    keycloak.end().await;
    let keycloak = KeycloakPod::start(&objects, place).await.unwrap();
    let adapter = objects.clone().with("variants/adapter.yaml");
    pods.pasted_through(&adapter, "default", "self-service-authz", None).await;
    let asked = pods.adapter.process.log();
    for line in ["\"GET /envoy/\" 403 credential_missing", "\"GET /envoy/\" 200 -"] {
        assert!(asked.contains(line), "'{line}' is not in nginx' log: {asked}");
    }
    let door = objects.clone().with("variants/http-door.yaml");
    pods.pasted_through(&door, "default", "self-service-authz", None).await;

    // The database goes away: checks go on, and readiness says what is missing.
    postgres.stop();
    let wide = objects.clone().with("variants/gateway-wide.yaml");
    pods.pasted_through(&wide, SYSTEM, "self-service-authz-gateway", None).await;
    assert_eq!(store_state().await, "degraded");
    postgres.resume();
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while store_state().await != "ready" {
        assert!(std::time::Instant::now() < end, "the store does not recover by itself");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    keycloak.end().await;
}
