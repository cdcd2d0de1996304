//! From nothing to a refused key, step by step, with the real programs.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sdk::{Sdk, answered, refused};
use super::{Dev, Terminal, field};
use crate::harness::client;
use crate::harness::envoy::{Door, Envoy, Gate};
use crate::harness::need;
use crate::harness::postgres::Postgres;
use crate::harness::tollgate::Tollgate;

/// What a revoke may take, on any replica.
const PROMISE: Duration = Duration::from_secs(1);

/// A second replica over the same database, behind an Envoy of its own.
struct Replica {
    _tollgate: Tollgate,
    envoy: Envoy,
}

impl Replica {
    async fn start(dev: &Dev, database: &str, binary: &Path) -> Self {
        let tollgate = Tollgate::start(&settings(dev, database)).await;
        Self { envoy: envoy(&tollgate, dev, binary).await, _tollgate: tollgate }
    }

    fn gateway(&self) -> String {
        format!("http://localhost:{}", self.envoy.port)
    }
}

fn settings(dev: &Dev, database: &str) -> Value {
    json!({
        "database": {"url": database},
        "issuers": [{
            "name": "dev", "issuer": format!("http://localhost:{}/realms/master", dev.issuer),
            "audiences": ["account"], "allow_http": true,
        }],
        "routes": [{"name": "everything", "paths": [{"prefix": "/"}], "access": "authenticated"}],
    })
}

async fn envoy(tollgate: &Tollgate, dev: &Dev, binary: &Path) -> Envoy {
    let mut gate = Gate::new(Door::Grpc { port: tollgate.ports.grpc });
    gate.with_request_body = Some((1 << 20, true));
    Envoy::start(binary, dev.backend, Some(&gate)).await
}

/// Asks with a key until the answer has this status; how long that took.
async fn until(gateway: &str, key: &str, status: u16) -> Duration {
    let (http, begun) = (client::http(), Instant::now());
    loop {
        let answer = http.get(format!("{gateway}/v1/models")).bearer_auth(key).send().await.unwrap();
        if answer.status().as_u16() == status {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "still {}", answer.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_a_refused_key() {
    let (Some(binary), Some(sdk)) = (need("TOLLGATE_TEST_ENVOY_NEW"), Sdk::find()) else { return };
    let Some(postgres) = Postgres::anywhere() else { return };
    let dev = Dev::start(&binary, &["--database", &postgres.url()]).await;
    let other = Replica::start(&dev, &postgres.url(), &binary).await;
    let terminal = Terminal::new(&dev.api());
    let (here, there) = (dev.gateway(), other.gateway());

    // The key that the stand itself printed.
    let log = dev.process.log();
    let demo = log.split("KEY=").nth(1).unwrap().split_whitespace().next().unwrap();

    let (signed_in, shown) = terminal.login(&dev, "allow").await;
    assert!(signed_in && shown.contains("as alice"), "{shown}");
    let project = terminal.json(&["projects", "create", "walk"]);
    let wish =
        ["keys", "create", "my tool", "--project", "walk", "--model", "tollgate-demo", "--tag", "walk"];
    let key = terminal.json(&wish);
    let (id, secret) = (field(&key, "id"), field(&key, "secret"));
    assert_eq!(key["project_id"], project["id"]);

    let mut wrong = secret.to_owned();
    wrong.replace_range(40..41, if &secret[40..41] == "A" { "B" } else { "A" });
    let said = sdk.both(&[
        // A fresh key works on every replica at once: nobody waits for anything here.
        ("plain", &there, secret, "tollgate-demo"),
        ("plain", &here, secret, "tollgate-demo"),
        ("stream", &here, secret, "tollgate-demo"),
        ("plain", &here, secret, "gpt-4o"),
        ("stream", &here, secret, "gpt-4o"),
        ("plain", &here, &wrong, "tollgate-demo"),
        ("plain", &here, "sk-nonsense", "tollgate-demo"),
        ("plain", &here, demo, "tollgate-demo"),
        ("list", &here, secret, ""),
        ("list", &here, demo, ""),
    ]);
    for answer in [&said[0], &said[1], &said[2], &said[7]] {
        answered(answer);
    }
    let listed = |outcomes: &[Value; 2]| outcomes.each_ref().map(|outcome| field(outcome, "ok").to_owned());
    assert_eq!(listed(&said[8]), ["tollgate-demo"; 2], "what the key may use, and no more");
    assert_eq!(listed(&said[9]), ["tollgate-demo tollgate-demo-mini tollgate-embed"; 2]);
    for denial in &said[3..5] {
        let codes = refused(denial, "PermissionDeniedError", 403);
        assert_eq!(codes, ["model_not_allowed", "permission_error"]);
    }
    for denial in &said[5..7] {
        refused(denial, "AuthenticationError", 401);
    }

    // A replica that never reached its database does not know any key: that is our fault, and not the caller's.
    let mut blind = Tollgate::spawn(&settings(&dev, "postgres://nobody:nothing@127.0.0.1:1/none"));
    let live = format!("http://127.0.0.1:{}/health", blind.ports.http);
    let end = Instant::now() + Duration::from_secs(20);
    while !client::http().get(&live).send().await.is_ok_and(|answer| answer.status() == 200) {
        assert!(Instant::now() < end, "{}", blind.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let blind_envoy = envoy(&blind, &dev, &binary).await;
    let blind_gateway = format!("http://localhost:{}", blind_envoy.port);
    for outcome in sdk.both(&[("plain", &blind_gateway, secret, "tollgate-demo")]).concat() {
        assert_eq!(outcome["status"], 503, "{outcome}");
        let typed = ["InternalServerError", "ServiceUnavailableError"];
        assert!(typed.contains(&outcome["error"].as_str().unwrap()), "{outcome}");
    }
    blind.kill();

    // Rotated with overlap both secrets work; rotated once more the older one ends.
    let rotated = terminal.json(&["keys", "rotate", id, "--project", "walk", "--overlap", "15m"]);
    let second = field(&rotated, "secret");
    for gateway in [&here, &there] {
        for key in [secret, second] {
            until(gateway, key, 200).await;
        }
    }
    let third = terminal.json(&["keys", "rotate", id, "--project", "walk", "--overlap", "now"]);
    let third = field(&third, "secret");
    for gateway in [&here, &there] {
        for old in [secret, second] {
            let took = until(gateway, old, 401).await;
            assert!(took < PROMISE, "a replaced secret was let through for {took:?}");
        }
        until(gateway, third, 200).await;
    }
    let found = terminal.run_with(&["keys", "lookup"], &format!("{third}\n"));
    assert!(String::from_utf8_lossy(&found.stdout).contains("my tool"), "{found:?}");

    // A wider policy holds at once, within the project's.
    let wide = ["keys", "update", id, "--project", "walk", "--model", "all"];
    terminal.json(&wide);
    terminal.json(&["projects", "update", "walk", "--model", "tollgate-demo"]);
    tokio::time::sleep(PROMISE).await;
    let said = sdk.both(&[("plain", &there, third, "tollgate-demo"), ("plain", &there, third, "gpt-4o")]);
    answered(&said[0]);
    refused(&said[1], "PermissionDeniedError", 403);

    // Switched off and on, suspended and resumed, ended.
    let walk = |verb: &'static str| ["keys", verb, id, "--project", "walk"];
    for (off, on, status) in [
        (&walk("disable")[..], &walk("enable")[..], 401),
        (&["projects", "suspend", "walk"][..], &["projects", "resume", "walk"][..], 403),
    ] {
        terminal.text(off);
        let took = [until(&here, third, status).await, until(&there, third, status).await];
        terminal.text(on);
        let back = [until(&here, third, 200).await, until(&there, third, 200).await];
        assert!(took.iter().chain(&back).all(|took| *took < PROMISE), "{off:?}: {took:?} {back:?}");
    }
    terminal.text(&walk("revoke"));
    let took = [until(&there, third, 401).await, until(&here, third, 401).await];
    assert!(took.iter().all(|took| *took < PROMISE), "a revoked key was let through for {took:?}");
    for denial in
        sdk.both(&[("plain", &here, third, "tollgate-demo"), ("plain", &there, third, "tollgate-demo")])
    {
        refused(&denial, "AuthenticationError", 401);
    }
    let (code, words) = terminal.fails(&["keys", "rotate", id, "--project", "walk"]);
    assert!(code == 1 && words.contains("revoked"), "{code}: {words}");

    let audit = terminal.json(&["audit", "list", "--project", "walk"]);
    let done: Vec<&str> = audit.as_array().unwrap().iter().map(|entry| field(entry, "action")).collect();
    for action in ["key.create", "key.rotate", "key.update", "key.disable", "key.enable", "key.revoke"] {
        assert!(done.contains(&action), "{action} in {done:?}");
    }
    let written = format!("{}{}{audit}", dev.written(), other._tollgate.log());
    for secret in [secret, second, third, &wrong] {
        assert!(!written.contains(&secret[27..70]), "a secret was written down");
    }
}
