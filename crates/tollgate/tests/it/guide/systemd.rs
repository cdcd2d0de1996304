//! The guide without Kubernetes: the units are understood by systemd, and the two configurations beside them let real Envoy and
//! Tollgate answer Test 1 and Test 2.

use std::process::Command;

use serde_json::json;
use tollgate_core::jwt::Algorithm;
use tollgate_core::testing::TestKey;

use super::machine::{Machine, shipped};
use crate::harness::client::Raw;
use crate::harness::envoy::BINARIES;
use crate::harness::issuer::Issuer;
use crate::harness::upstream::Upstream;
use crate::harness::{need, scratch, skip};
use crate::stand::claims;

const UNITS: [&str; 3] = ["tollgate.service", "tollgate-envoy.service", "tollgate-backend.service"];

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
        std::fs::write(dir.path().join(unit), text).unwrap();
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
    let machine = Machine::start(&issuer.url(), &[]).await;
    let envoy = machine.front(&binary, upstream.port(), |_| {}).await;

    let denied = Raw::get("/").header("host", "ai.local.dev").send(envoy.port).await.unwrap();
    assert_eq!((denied.status, denied.text().as_str()), (403, "Forbidden"));
    assert!(denied.values("www-authenticate")[0].starts_with("Bearer"), "{denied:?}");
    let mut claims = claims(&issuer);
    claims["aud"] = json!("account");
    let bearer = format!("Bearer {}", key.sign_claims(&claims));
    let request = Raw::get("/").header("host", "ai.local.dev").header("authorization", &bearer);
    let allowed = request.header("x-tollgate-organization", "forged").send(envoy.port).await.unwrap();
    assert_eq!(allowed.status, 200, "{}\n{}", allowed.text(), machine.tollgate.log());
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.values("x-tollgate-user"), ["testuser"]);
    assert!(seen.values("x-tollgate-organization").is_empty() && seen.values("authorization").is_empty());
    let elsewhere = Raw::get("/").header("host", "other.dev").header("authorization", &bearer);
    assert_eq!(elsewhere.send(envoy.port).await.unwrap().status, 404, "no route for this host");
    machine.tollgate.logs(0, "Authorization decision: ALLOWED for user: testuser").await;
}
