//! Strangers who say nothing, do not read what they are answered, or send heads that are out of all proportion.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::h2::{Unfinished, post};
use super::{lives_on, start};
use crate::harness::client::Raw;

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap()
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A connection whose peer lets no byte of a body through, with this many requests of `GET /`.
fn without_window(requests: u32) -> Vec<u8> {
    const SETTINGS: u8 = 4;
    const HEADERS: u8 = 1;
    const END_STREAM_AND_HEADERS: u8 = 5;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    bytes.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for request in 0..requests {
        // `:method: GET`, `:scheme: http`, `:path: /` from the static table, and `:authority: h`.
        let head = [0x82, 0x86, 0x84, 0x41, 1, b'h'];
        bytes.extend(frame(HEADERS, END_STREAM_AND_HEADERS, 2 * request + 1, &head));
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_answers_that_nobody_reads() {
    // Everything is denied, so that each answer has a body.
    let (tollgate, _dir) = start(&json!({"routes": [
        {"name": "all", "paths": [{"prefix": "/v1"}], "access": "public"}
    ]}))
    .await;
    let mut open = Vec::new();
    for (port, requests) in [(tollgate.ports.http, 64), (tollgate.ports.check, 128)] {
        for _ in 0..100 {
            let mut stream = connect(port).await;
            stream.write_all(&without_window(requests)).await.unwrap();
            open.push((port, stream));
        }
    }
    lives_on(&tollgate, Duration::from_secs(4)).await;
    // A gateway's connection that does not move ends after seconds.
    for (port, mut stream) in open {
        if port == tollgate.ports.check {
            let mut rest = Vec::new();
            let ended = timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "a connection on which no answer is read stays");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_connections_that_say_nothing() {
    let (tollgate, _dir) = start(&json!({})).await;
    let mut open = Vec::new();
    for port in [tollgate.ports.http, tollgate.ports.check, tollgate.ports.grpc] {
        for number in 0..200 {
            let mut stream = connect(port).await;
            // Some begin to speak HTTP/2.
            let first: &[u8] = if number % 2 == 0 { b"" } else { b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" };
            let _refused = stream.write_all(first).await;
            open.push(stream);
        }
    }
    lives_on(&tollgate, Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_heads_out_of_all_proportion() {
    let (tollgate, _dir) = start(&json!({})).await;
    let large = "x".repeat(50_000);
    let mut open = Vec::new();
    for _ in 0..60 {
        let request = || {
            let mut request = post("/logout", "text/plain");
            request.headers_mut().insert("x-large", large.parse().unwrap());
            request
        };
        let requests = (0..60).map(|_| request()).collect();
        open.push(Unfinished::send(tollgate.ports.http, requests, 13_000).await);
        let requests = (0..60).map(|_| request()).collect();
        open.push(Unfinished::send(tollgate.ports.grpc, requests, 13_000).await);
    }
    lives_on(&tollgate, Duration::from_secs(3)).await;
    drop(open);
    let many: Vec<(Vec<u8>, Vec<u8>)> = (0..9000).map(|n| (format!("x{n}").into(), vec![b'1'])).collect();
    for port in [tollgate.ports.http, tollgate.ports.check] {
        let mut request = Raw::get("/");
        request.headers = many.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        let refused = request.send(port).await.map(|answer| answer.status);
        assert!(matches!(refused, None | Some(431)), "{refused:?}");
        let upgrade = Raw::get("/v1/x").header("upgrade", "websocket").header("connection", "upgrade, close");
        assert_ne!(upgrade.send(port).await.unwrap().status, 101);
    }
    lives_on(&tollgate, Duration::from_millis(100)).await;
}
