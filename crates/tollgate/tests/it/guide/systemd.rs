//! The guide without Kubernetes: the units are understood by systemd, and the two configurations beside them let real Envoy and
//! Tollgate answer Test 1 and Test 2.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_core::jwt::Algorithm;
use tollgate_core::testing::TestKey;

use super::objects::deployment;
use crate::harness::client::Raw;
use crate::harness::envoy::{BINARIES, Envoy};
use crate::harness::issuer::Issuer;
use crate::harness::process::Process;
use crate::harness::upstream::Upstream;
use crate::harness::{free_port, need, scratch, skip};
use crate::stand::claims;

const UNITS: [&str; 3] = ["tollgate.service", "tollgate-envoy.service", "tollgate-backend.service"];

fn shipped(file: &str) -> String {
    std::fs::read_to_string(deployment().join("systemd").join(file)).unwrap()
}

#[test]
fn the_units_are_understood() {
    let dir = scratch("systemd");
    for unit in UNITS {
        let text = shipped(unit);
        for line in text.lines().filter(|line| line.starts_with("Exec")) {
            let program = line.split_once('=').unwrap().1.split(' ').next().unwrap();
            assert!(
                ["/usr/local/bin/tollgate", "/usr/local/bin/envoy", "/bin/kill"].contains(&program),
                "{line}"
            );
        }
        // They are not installed here, and systemd looks whether they are.
        let text =
            text.replace("/usr/local/bin/tollgate", "/bin/true").replace("/usr/local/bin/envoy", "/bin/true");
        let file = dir.path().join(unit);
        std::fs::write(&file, text).unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(UNITS.map(|unit| dir.path().join(unit)));
    let Ok(verified) = verify.output() else { return skip("systemd-analyze is not installed") };
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains(".service:"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_tests_pass_beside_systemd() {
    let Some(binary) = need(BINARIES[1]) else { return };
    let key = TestKey::generate(Algorithm::RS256, "k1");
    let (issuer, upstream) = (Issuer::start(&[key.jwk()]).await, Upstream::start().await);
    let dir = scratch("systemd");
    let mut config = shipped("tollgate.yaml").replace("http://localhost:8080/realms/master", &issuer.url());
    let mut ports = [3000, 3001, 3002, 9464].map(|port: u16| (port, free_port()));
    for (written, port) in ports {
        let there = config.replace(&format!("127.0.0.1:{written}"), &format!("127.0.0.1:{port}"));
        assert_ne!(config, there, "port {written}");
        config = there;
    }
    let state = dir.path().join("tollgate.db");
    config = config.replace("/var/lib/tollgate/tollgate.db", &state.display().to_string());
    let file = dir.path().join("tollgate.yaml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["serve", "--config"]).arg(&file).env_remove("RUST_LOG");
    let mut tollgate = Process::start("tollgate", &mut command, &dir.path().join("tollgate.log"));
    let ready = format!("http://127.0.0.1:{}/health/ready", ports[0].1);
    tollgate.ready(&ready, Duration::from_secs(30)).await;

    let mut front: Value = serde_saphyr::from_str(&shipped("envoy.yaml")).unwrap();
    ports.rotate_left(1);
    let (gateway, admin) = (free_port(), free_port());
    let places = [
        ("/admin/address", gateway_port(9901, admin)),
        ("/static_resources/listeners/0/address", gateway_port(10080, gateway)),
        (
            "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address",
            ports[0],
        ),
        (
            "/static_resources/clusters/1/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address",
            gateway_port(8081, upstream.port()),
        ),
    ];
    for (pointer, (written, port)) in places {
        let address = &mut front.pointer_mut(pointer).unwrap()["socket_address"];
        assert_eq!(address["port_value"], written, "{pointer}");
        address["port_value"] = json!(port);
    }
    let _envoy = Envoy::start_with(&binary, gateway, admin, &front).await;

    let denied = Raw::get("/").header("host", "ai.local.dev").send(gateway).await.unwrap();
    assert_eq!((denied.status, denied.text().as_str()), (403, "Forbidden"));
    assert!(denied.values("www-authenticate")[0].starts_with("Bearer"), "{denied:?}");
    let mut claims = claims(&issuer);
    claims["aud"] = json!("account");
    let bearer = format!("Bearer {}", key.sign_claims(&claims));
    let request = Raw::get("/").header("host", "ai.local.dev").header("authorization", &bearer);
    let allowed = request.header("x-tollgate-organization", "forged").send(gateway).await.unwrap();
    assert_eq!(allowed.status, 200, "{}\n{}", allowed.text(), tollgate.log());
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.values("x-tollgate-user"), ["testuser"]);
    assert!(seen.values("x-tollgate-organization").is_empty() && seen.values("authorization").is_empty());
    let elsewhere = Raw::get("/").header("host", "other.dev").header("authorization", &bearer);
    assert_eq!(elsewhere.send(gateway).await.unwrap().status, 404, "no route for this host");
    assert!(
        tollgate.log().contains("Authorization decision: ALLOWED for user: testuser"),
        "{}",
        tollgate.log()
    );
}

const fn gateway_port(written: u16, port: u16) -> (u16, u16) {
    (written, port)
}
