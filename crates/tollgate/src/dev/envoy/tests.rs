//! The generated configuration in front of real listeners, run by a real Envoy. Without one (`ENVOY_BIN`, `PATH` or the
//! cache of `tollgate dev`) these tests say that they are skipped.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "the test command names programs in the environment")]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::clock::SystemClock;
use crate::dev::backend::{self, BackendOptions};

/// The programs that the test command names, else the one that `tollgate dev` would use. Nothing is fetched.
async fn envoys() -> Vec<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let all: Vec<PathBuf> = ["TOLLGATE_TEST_ENVOY_NEW", "TOLLGATE_TEST_ENVOY_OLD"]
        .iter()
        .filter_map(|name| named(name))
        .collect();
    if !all.is_empty() {
        return all;
    }
    let options = FindOptions { may_fetch: false, ..FindOptions::from_env() };
    match locate(&options, &|_| {}).await {
        Ok(envoy) => vec![envoy.path],
        Err(error) => {
            skip(&error.to_string());
            Vec::new()
        }
    }
}

/// The newest of [`envoys`].
async fn envoy() -> Option<PathBuf> {
    envoys().await.into_iter().next()
}

/// Says that this test did not run: on the terminal, and in the list that the test command counts.
#[expect(clippy::print_stderr, reason = "a skip has to be seen")]
fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("dev::envoy").to_owned();
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(list) = std::env::var_os("TOLLGATE_SKIP_LOG") {
        let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        writeln!(list, "{test}\t{reason}").unwrap();
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn sample_backend() -> Backend {
    let options = BackendOptions {
        chunk_delay: Duration::from_millis(60),
        ..BackendOptions::new(Arc::new(SystemClock))
    };
    let address = serve(backend::router(options)).await;
    Backend::plain("127.0.0.1", address.port())
}

fn free() -> SocketAddr {
    free_loopback_address().unwrap()
}

async fn start(binary: &Path, gateways: Vec<Gateway>, dir: &Path) -> EnvoyProcess {
    let options = BootstrapOptions {
        access_log: Some(dir.join("access.log")),
        ..BootstrapOptions::new(free(), gateways)
    };
    EnvoyProcess::start(binary, &bootstrap(&options), &dir.join("envoy.log")).await.unwrap()
}

fn client() -> reqwest::Client {
    // Proxy settings of the machine are not for 127.0.0.1.
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn is_running(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// A stand-in for Tollgate's HTTP door: `x-api-key: good` passes as alice.
fn authz() -> Router {
    Router::new().fallback(|request: Request| async move {
        let path = request.uri().path().to_owned();
        if request.headers().get("x-api-key").is_some_and(|key| key == "good") {
            let headers = [
                ("x-tollgate-user", "alice".to_owned()),
                ("x-tollgate-email", path),
                ("x-envoy-auth-headers-to-remove", "x-api-key".to_owned()),
            ];
            return headers.into_response();
        }
        (StatusCode::FORBIDDEN, [("www-authenticate", "Bearer"), ("x-internal", "secret")], "Forbidden")
            .into_response()
    })
}

// ------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn envoy_accepts_every_form_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let body = RequestBody { max_bytes: 8192, allow_partial: true, as_bytes: true };
    let grpc = Gateway {
        request_body: Some(body),
        failure_mode_allow: true,
        context_extensions: BTreeMap::from([("policy".to_owned(), "demo".to_owned())]),
        ..Gateway::new(free(), Door::grpc(free()), Backend::plain("127.0.0.1", 9))
    };
    let http = Gateway {
        request_body: Some(RequestBody { as_bytes: false, ..body }),
        strip_identity_headers: false,
        ..Gateway::new(free(), Door::http(free(), "/envoy"), Backend::plain("localhost", 9))
    };
    let mut gateways = vec![grpc, http, Gateway::new(free(), Door::Open, Backend::plain("::1", 9))];
    // Any certificate file shows that the TLS part is understood; one made here needs nothing of the machine.
    let ca_file = dir.path().join("ca.pem");
    let certificate = rcgen::generate_simple_self_signed(["api.example.com".to_owned()]).unwrap();
    std::fs::write(&ca_file, certificate.cert.pem()).unwrap();
    for url in ["https://api.example.com/base/", "https://10.1.2.3:8443"] {
        let backend = Backend::from_url(url, Some(&ca_file)).unwrap();
        gateways.push(Gateway::new(free(), Door::grpc(free()), backend));
    }
    let mut options = BootstrapOptions::new(free(), gateways);
    options.access_log = Some(dir.path().join("access.log"));
    let good = bootstrap(&options);
    let mut broken = good.clone();
    broken["static_resources"]["clusters"][0]["no_such_field"] = json!(1);
    for binary in envoys().await {
        validate(&binary, &good).await.unwrap();
        let error = validate(&binary, &broken).await.unwrap_err();
        assert!(error.to_string().contains("no_such_field"), "{error}");
    }
}

#[tokio::test]
async fn an_open_gateway_forwards_and_takes_identity_headers_away() {
    let Some(binary) = envoy().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let backend = sample_backend().await;
    let stripped = Gateway::new(free(), Door::Open, backend.clone());
    let prefixed =
        Backend { path_prefix: "/echo".to_owned(), host_rewrite: Some("inner".to_owned()), ..backend };
    let bare = Gateway { strip_identity_headers: false, ..Gateway::new(free(), Door::Open, prefixed) };
    let (first, second) = (stripped.listen, bare.listen);
    let envoy = start(&binary, vec![stripped, bare], dir.path()).await;
    let echo = |address: SocketAddr, path: &str| {
        let request = client().get(format!("http://{address}{path}"));
        let request = request.header("x-tollgate-user", "mallory").header("x-tollgate-anything", "1");
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let seen = echo(first, "/echo/a//b/../c").await;
    assert_eq!(seen["path"], "/echo/a/c", "normalised once, by Envoy");
    assert!(
        seen["headers"].get("x-tollgate-user").is_none()
            && seen["headers"].get("x-tollgate-anything").is_none()
    );
    assert_eq!(seen["headers"]["host"], json!([first.to_string()]));
    let seen = echo(second, "/a").await;
    assert_eq!(seen["path"], "/echo/a");
    assert_eq!(seen["headers"]["host"], json!(["inner"]));
    assert_eq!(seen["headers"]["x-tollgate-user"], json!(["mallory"]), "this layer was switched off");
    let underscored =
        client().get(format!("http://{first}/")).header("x_tollgate_user", "mallory").send().await;
    assert_eq!(underscored.unwrap().status(), 400);
    envoy.stop().await.unwrap();
    let log = std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&line["status"], &line["method"]), (&json!(200), &json!("GET")));
}

#[tokio::test]
async fn a_stream_arrives_piece_by_piece() {
    let Some(binary) = envoy().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::new(free(), Door::Open, sample_backend().await);
    let address = gateway.listen;
    let envoy = start(&binary, vec![gateway], dir.path()).await;
    let body = json!({ "model": "tollgate-demo", "stream": true, "messages": [{ "role": "user", "content": "Hi" }] });
    let request = client().post(format!("http://{address}/v1/chat/completions")).json(&body);
    let mut response = request.send().await.unwrap();
    let mut pieces = 0;
    let mut text = String::new();
    while let Some(piece) = response.chunk().await.unwrap() {
        pieces += 1;
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    assert!(text.ends_with("data: [DONE]\n\n"));
    assert!(pieces >= 5, "{pieces} pieces: the gateway collected the stream");
    envoy.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_verdict_the_gate_stays_shut_unless_told_otherwise() {
    let Some(binary) = envoy().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let backend = sample_backend().await;
    let mut gateways = Vec::new();
    for door in [Door::grpc(free()), Door::http(free(), "")] {
        let shut = Gateway::new(free(), door, backend.clone());
        gateways.push(shut.clone());
        gateways.push(Gateway { listen: free(), failure_mode_allow: true, ..shut });
    }
    let addresses: Vec<SocketAddr> = gateways.iter().map(|gateway| gateway.listen).collect();
    let envoy = start(&binary, gateways, dir.path()).await;
    let mut found = Vec::new();
    for address in addresses {
        found.push(client().get(format!("http://{address}/")).send().await.unwrap().status().as_u16());
    }
    envoy.stop().await.unwrap();
    assert!(matches!(found[0], 403 | 503) && matches!(found[2], 403 | 503), "{found:?}");
    assert_eq!((found[1], found[3]), (200, 200), "fail open");
}

#[tokio::test]
async fn the_http_door_carries_verdict_identity_and_removals() {
    let Some(binary) = envoy().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let door = Door::http(serve(authz()).await, "/envoy");
    let gateway = Gateway::new(free(), door, sample_backend().await);
    let address = gateway.listen;
    let envoy = start(&binary, vec![gateway], dir.path()).await;
    let request = client().get(format!("http://{address}/echo")).header("x-api-key", "good");
    let seen: Value =
        request.header("x-tollgate-user", "mallory").send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["headers"]["x-tollgate-user"], json!(["alice"]));
    assert_eq!(
        seen["headers"]["x-tollgate-email"],
        json!(["/envoy/echo"]),
        "the prefix is put before the path"
    );
    assert!(seen["headers"].get("x-api-key").is_none());
    let denied = client().get(format!("http://{address}/echo")).send().await.unwrap();
    assert_eq!(
        (denied.status().as_u16(), &denied.headers()["www-authenticate"]),
        (403, &"Bearer".parse().unwrap())
    );
    assert!(!denied.headers().contains_key("x-internal"), "only named headers go out");
    assert_eq!(denied.text().await.unwrap(), "Forbidden");
    envoy.stop().await.unwrap();
}

#[tokio::test]
async fn stop_and_drop_leave_no_process() {
    let Some(binary) = envoy().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let gateway = || Gateway::new(free(), Door::Open, Backend::plain("127.0.0.1", 9));
    let stopped = start(&binary, vec![gateway()], dir.path()).await;
    let dropped = start(&binary, vec![gateway()], dir.path()).await;
    let pids = [stopped.pid().unwrap(), dropped.pid().unwrap()];
    assert!(pids.into_iter().all(is_running));
    stopped.stop().await.unwrap();
    assert!(!is_running(pids[0]));
    drop(dropped);
    for _ in 0..100 {
        if !is_running(pids[1]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!("Envoy {} outlived its owner", pids[1]);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it_and_leaves_its_owner_alone() {
    let Some(binary) = envoy().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let gateway = || Gateway::new(free(), Door::Open, Backend::plain("127.0.0.1", 9));
    let taken = gateway();
    let mut owner = start(&binary, vec![taken.clone()], dir.path()).await;
    let log = dir.path().join("second.log");
    for (options, address) in [
        (BootstrapOptions::new(free(), vec![gateway(), taken.clone()]), taken.listen),
        (BootstrapOptions::new(owner.admin(), vec![gateway()]), owner.admin()),
    ] {
        let error = EnvoyProcess::start(&binary, &bootstrap(&options), &log).await.unwrap_err();
        assert!(matches!(error, EnvoyError::Port { .. }), "{error}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
    let still_there = tokio::time::timeout(Duration::from_millis(200), owner.exited()).await;
    assert!(still_there.is_err(), "the first Envoy goes on");
    owner.stop().await.unwrap();
}

#[tokio::test]
async fn a_refused_configuration_is_an_error_with_envoys_own_words() {
    let Some(binary) = envoy().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::new(free(), Door::Open, Backend::plain("127.0.0.1", 9));
    let mut config = bootstrap(&BootstrapOptions::new(free(), vec![gateway]));
    config["static_resources"]["clusters"][0]["connect_timeout"] = json!("soon");
    let error = EnvoyProcess::start(&binary, &config, &dir.path().join("envoy.log")).await.unwrap_err();
    assert!(matches!(error, EnvoyError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("connect_timeout") || error.to_string().contains("soon"), "{error}");
}

#[test]
fn backend_urls_are_read_as_people_write_them() {
    let plain = Backend::from_url("http://127.0.0.1:8000", None).unwrap();
    assert_eq!(
        plain,
        Backend { host_rewrite: Some("127.0.0.1:8000".into()), ..Backend::plain("127.0.0.1", 8000) }
    );
    let ca = Path::new("/ca.pem");
    let tls = Backend::from_url("https://api.example.com/v2/", Some(ca)).unwrap();
    assert_eq!((tls.host.as_str(), tls.port, tls.path_prefix.as_str()), ("api.example.com", 443, "/v2"));
    assert_eq!(tls.host_rewrite.as_deref(), Some("api.example.com"));
    assert_eq!(Backend::from_url("http://[::1]:8000", None).unwrap().host, "::1");
    for bad in ["localhost:8000", "ftp://x", "http://u:p@x", "http://x?y=1", "http://x#y", "", "https://x"] {
        assert!(Backend::from_url(bad, None).is_err(), "{bad}");
    }
}
