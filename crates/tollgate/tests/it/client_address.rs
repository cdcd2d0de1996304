//! Keys that are bound to addresses judge the client, wherever it stands: behind the gateway alone, behind a proxy in front of
//! it, and with everything a client can write into a header.

use serde_json::{Value, json};
use tollgate::dev::envoy::{
    Backend, BootstrapOptions, CLIENT_ADDRESS_HEADER, Door, Gateway, RequestBody, bootstrap,
};

use crate::harness::client::{self, Raw};
use crate::harness::envoy::{BINARIES, Envoy};
use crate::harness::grpc::Checker;
use crate::harness::upstream::Upstream;
use crate::harness::{free_port, need, scratch};
use crate::stand::Stand;

/// A stand with a database, and keys: bound to 10.9.8.0/24, to the proxy's own address, and to none.
pub struct Bound {
    pub stand: Stand,
    keys: [Key; 3],
    _dir: tempfile::TempDir,
}

#[derive(Debug)]
struct Key {
    text: String,
    url: String,
}

impl Bound {
    pub async fn start(client_address: &str) -> Self {
        let dir = scratch("bound");
        let door = json!({"client_address": client_address});
        let check = json!({"client_address": client_address, "envoy_prefix": "/envoy"});
        let stand = Stand::with(&json!({
            "database": {"url": format!("sqlite://{}", dir.path().join("tollgate.db").display())},
            "server": {"drain_delay_secs": 0, "grpc": door, "check": check},
        }))
        .await;
        let api = format!("http://127.0.0.1:{}/api/v1", stand.tollgate.ports.http);
        let call = async |method: &str, path: &str, body: Option<Value>| -> Value {
            let request = client::http().request(method.parse().unwrap(), format!("{api}{path}"));
            let request = request.bearer_auth(stand.token());
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success(), "{path}: {status} {text}");
            serde_json::from_str(&text).unwrap()
        };
        let me = call("GET", "/me", None).await;
        let project = call("GET", "/projects", None).await["items"][0]["id"].as_str().map(str::to_owned);
        let project = project.unwrap_or_else(|| panic!("{me}"));
        let make = async |name: &str, addresses: Value| {
            let wish = json!({"name": name, "addresses": addresses});
            let key = call("POST", &format!("/projects/{project}/keys"), Some(wish)).await;
            let text = key["secret"].as_str().unwrap().to_owned();
            let url = format!("{api}/projects/{project}/keys/{}", key["id"].as_str().unwrap());
            Key { text, url }
        };
        let keys = [
            make("clients", json!(["10.9.8.0/24"])).await,
            make("proxy", json!(["127.0.0.0/8"])).await,
            make("free", json!("any")).await,
        ];
        Self { stand, keys, _dir: dir }
    }

    /// The status of a request with a key and these headers.
    pub async fn ask(&self, port: u16, key: usize, headers: &[(&str, &str)]) -> u16 {
        let mut request = Raw::get("/v1/x").header("x-api-key", &self.keys[key].text);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send(port).await.unwrap().status
    }

    /// A key's text.
    pub fn text(&self, key: usize) -> &str {
        &self.keys[key].text
    }

    /// Where a key was last used, once it is written.
    async fn last_used(&self, key: usize, expected: &str) {
        let mut seen = Value::Null;
        for _ in 0..60 {
            let shown = client::http().get(&self.keys[key].url).bearer_auth(self.stand.token());
            let shown: Value = shown.send().await.unwrap().json().await.unwrap();
            seen = shown["last_used"].clone();
            if seen["address"] == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        panic!("last used: {seen}, not from {expected}");
    }
}

fn loopback(port: u16) -> std::net::SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Everything that a client may write to look like another one.
pub const SPOOFS: [&[(&str, &str)]; 7] = [
    &[(CLIENT_ADDRESS_HEADER, "10.9.8.7")],
    &[(CLIENT_ADDRESS_HEADER, "10.9.8.7"), (CLIENT_ADDRESS_HEADER, "10.9.8.7")],
    &[("X.Tollgate.Client.Address", "10.9.8.7"), ("X-Tollgate-Client.Address", "10.9.8.7")],
    &[("x-real-ip", "10.9.8.7"), ("x-client-ip", "10.9.8.7"), ("true-client-ip", "10.9.8.7")],
    &[("forwarded", "for=10.9.8.7")],
    &[("x-envoy-external-address", "10.9.8.7")],
    &[("x-original-forwarded-for", "10.9.8.7"), ("cf-connecting-ip", "10.9.8.7")],
];

/// The Envoy of `tollgate dev` (and of `deployment/systemd`), with `hops` trusted proxies in front of it.
async fn front(binary: &std::path::Path, door: Door, upstream: u16, hops: u32) -> Envoy {
    let (port, admin) = (free_port(), free_port());
    let mut gateway = Gateway::new(loopback(port), door, Backend::plain("127.0.0.1", upstream));
    gateway.trusted_hops = hops;
    gateway.request_body = Some(RequestBody { max_bytes: 4096, allow_partial: false, as_bytes: true });
    let options = BootstrapOptions::new(loopback(admin), vec![gateway]);
    Envoy::start_with(binary, port, admin, &bootstrap(&options)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn v6_behind_a_trusted_proxy_the_client_is_judged_and_not_the_proxy() {
    let bound = Bound::start(&format!("header:{CLIENT_ADDRESS_HEADER}")).await;
    for binary in BINARIES {
        let Some(binary) = need(binary) else { return };
        let ports = bound.stand.tollgate.ports;
        let doors = [Door::grpc(loopback(ports.grpc)), Door::http(loopback(ports.check), "/envoy")];
        for door in doors {
            let upstream = Upstream::start().await;
            let envoy = front(&binary, door.clone(), upstream.port(), 1).await;
            for (forwarded, status) in [
                ("10.9.8.7", [200, 403, 200]),
                ("203.0.113.66", [403, 403, 200]),
                // What stands before the proxy's own entry was written by the client.
                ("10.9.8.7, 203.0.113.66", [403, 403, 200]),
                ("127.0.0.1, 203.0.113.66", [403, 403, 200]),
                ("203.0.113.66, 10.9.8.7", [200, 403, 200]),
                ("2001:db8::7", [403, 403, 200]),
                ("::ffff:10.9.8.7", [200, 403, 200]),
            ] {
                for (key, expected) in status.into_iter().enumerate() {
                    let said = bound.ask(envoy.port, key, &[("x-forwarded-for", forwarded)]).await;
                    assert_eq!(
                        said,
                        expected,
                        "{door:?} {forwarded} key {key}\n{}",
                        bound.stand.tollgate.log()
                    );
                }
            }
            for spoof in SPOOFS {
                let headers = [&[("x-forwarded-for", "203.0.113.66")], spoof].concat();
                assert_eq!(bound.ask(envoy.port, 0, &headers).await, 403, "{door:?} {spoof:?}");
            }
            for seen in upstream.seen() {
                assert_eq!(seen.values(CLIENT_ADDRESS_HEADER), [""; 0], "it is between Envoy and Tollgate");
            }
        }
    }
    bound.last_used(2, "10.9.8.7").await;
    let log = bound.stand.tollgate.log();
    assert!(log.contains("203.0.113.66") && log.contains("client.address"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn v6_without_a_proxy_in_front_nobody_writes_the_clients_address() {
    let bound = Bound::start(&format!("header:{CLIENT_ADDRESS_HEADER}")).await;
    for binary in BINARIES {
        let Some(binary) = need(binary) else { return };
        let ports = bound.stand.tollgate.ports;
        for door in [Door::grpc(loopback(ports.grpc)), Door::http(loopback(ports.check), "/envoy")] {
            let upstream = Upstream::start().await;
            let envoy = front(&binary, door.clone(), upstream.port(), 0).await;
            for spoof in SPOOFS.into_iter().chain([&[("x-forwarded-for", "10.9.8.7")][..], &[]]) {
                assert_eq!(bound.ask(envoy.port, 0, spoof).await, 403, "{door:?} {spoof:?}");
                assert_eq!(bound.ask(envoy.port, 1, spoof).await, 200, "{door:?} {spoof:?}");
            }
        }
    }
}

/// A gateway that does not write the header, or writes it wrongly: refused, and the log says why.
#[tokio::test(flavor = "multi_thread")]
async fn v6_a_missing_or_bad_header_is_no_client_at_any_door() {
    let bound = Bound::start("header:x-client").await;
    let ports = bound.stand.tollgate.ports;
    let checker = Checker::connect(ports.grpc).await;
    for (values, expected) in [
        (&["10.9.8.7"][..], [200, 403, 200]),
        (&["127.0.0.1"], [403, 200, 200]),
        (&[], [403, 403, 200]),
        (&[""], [403, 403, 200]),
        (&["10.9.8.7:99"], [403, 403, 200]),
        (&["10.9.8.7, 10.9.8.8"], [403, 403, 200]),
        (&["127.0.0.1", "10.9.8.7"], [403, 403, 200]),
        (&["localhost"], [403, 403, 200]),
    ] {
        for (key, expected) in expected.into_iter().enumerate() {
            let text = bound.keys[key].text.as_str();
            let mut headers =
                vec![("x-api-key", text), ("x-forwarded-for", "10.9.8.7"), ("x-real-ip", "10.9.8.7")];
            headers.extend(values.iter().map(|value| ("x-client", *value)));
            // A map has one value a name, as Envoy joins them.
            let joined = values.join(",");
            let mut lines = headers.clone();
            lines.retain(|(name, _)| *name != "x-client");
            if !values.is_empty() {
                lines.push(("x-client", &joined));
            }
            let grpc = checker.check("GET", "ai.test", "/v1/x", &lines).await;
            assert_eq!(grpc.status, expected, "gRPC {values:?} key {key}: {grpc:?}");
            let door = |path: &'static str, more: &[(&'static str, &'static str)]| {
                let mut request = Raw::get(path);
                for (name, value) in headers.iter().chain(more) {
                    request = request.header(*name, *value);
                }
                let bytes = request.bytes();
                async move { client::exchange(ports.check, &bytes).await.unwrap().status }
            };
            assert_eq!(
                door("/envoy/v1/x", &[]).await,
                u16::try_from(expected).unwrap(),
                "Envoy {values:?} {key}"
            );
            let original =
                [("x-original-method", "GET"), ("x-original-uri", "/v1/x"), ("x-original-host", "ai.test")];
            assert_eq!(
                door("/nginx", &original).await,
                u16::try_from(expected).unwrap(),
                "nginx {values:?} {key}"
            );
            let original = [
                ("x-forwarded-method", "GET"),
                ("x-forwarded-uri", "/v1/x"),
                ("x-forwarded-host", "ai.test"),
            ];
            assert_eq!(
                door("/forward-auth", &original).await,
                u16::try_from(expected).unwrap(),
                "{values:?} {key}"
            );
        }
    }
    let log = bound.stand.tollgate.log();
    for reason in [
        "the gateway did not tell the client's",
        "the header of client_address is missing",
        "the header of client_address is there more than once",
        "the header of client_address is not one IP address",
    ] {
        assert!(log.contains(reason), "{reason} is not in\n{log}");
    }
}
