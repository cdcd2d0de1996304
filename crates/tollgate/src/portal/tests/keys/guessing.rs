//! Whoever guesses is slowed down by address, and does no harm to the key that is guessed at.

use std::net::SocketAddr;

use tollgate_core::apikey::{PlainKey, checksum_of};

use super::*;
use crate::listener::PeerAddr;

/// The same id with another secret, well-formed.
fn guess(key: &Value, n: usize) -> String {
    let body = format!("tgk_{}_{n:043}", text(key, "id"));
    let guess = format!("{body}{}", std::str::from_utf8(&checksum_of(body.as_bytes())).unwrap());
    assert!(PlainKey::parse(&guess).is_some());
    guess
}

impl Scene {
    /// `GET /me` by this key from this address.
    async fn me_from(&self, secret: &str, address: [u8; 4]) -> Reply {
        let mut request = http::Request::get("/api/v1/me").header("x-api-key", secret);
        let peer = SocketAddr::from((address, 4711));
        request.extensions_mut().unwrap().insert(PeerAddr(peer));
        self.api.send(request.body(axum::body::Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn guessing_at_a_key_never_switches_it_off() {
    let scene = Scene::new().await;
    let key = scene.named("a").await;
    let (before, written) = (scene.show(&key).await, scene.audit().await.len());
    let unknown = scene.me_from(&guess(&json!({"id": "0000000000000000000000"}), 1), [192, 0, 2, 1]).await;
    for n in 0..300_u16 {
        let [high, low] = n.to_be_bytes();
        let reply = scene.me_from(&guess(&key, usize::from(n)), [198, 51, high, low]).await;
        assert_eq!(
            (reply.status, &reply.body),
            (unknown.status, &unknown.body),
            "no more than of an unknown key"
        );
        assert_eq!(reply.problem(401), "unauthenticated");
    }
    scene.me_from(text(&key, "secret"), [192, 0, 2, 1]).await.expect(200);
    assert_eq!((scene.show(&key).await, scene.audit().await.len()), (before, written));
}

#[tokio::test]
async fn whoever_guesses_waits_and_a_good_key_does_not() {
    let scene = Scene::with(|options| options.requests_per_minute = 20.try_into().unwrap()).await;
    let key = scene.named("a").await;
    // A key that is in use goes on working beside whoever guesses at its address.
    scene.me_from(text(&key, "secret"), [198, 51, 100, 7]).await.expect(200);
    let mut statuses = Vec::new();
    for n in 0..40 {
        let reply = scene.me_from(&guess(&key, n), [198, 51, 100, 7]).await;
        if reply.status == 429 {
            assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        }
        statuses.push(reply.status.as_u16());
    }
    assert_eq!(statuses[..20], [401; 20]);
    assert!(statuses[25..].contains(&429), "{statuses:?}");
    // From the guesser's own address, and from another.
    for address in [[198, 51, 100, 7], [192, 0, 2, 1]] {
        scene.me_from(text(&key, "secret"), address).await.expect(200);
    }
    assert_eq!(
        scene.me_from(&guess(&key, 1), [192, 0, 2, 1]).await.status,
        401,
        "another has a count of their own"
    );
}

impl Scene {
    /// `GET /me` by this key from this IPv6 address.
    async fn me_from_v6(&self, secret: &str, address: [u16; 8]) -> Reply {
        let mut request = http::Request::get("/api/v1/me").header("x-api-key", secret);
        let peer = SocketAddr::from((address, 4711));
        request.extensions_mut().unwrap().insert(PeerAddr(peer));
        self.api.send(request.body(axum::body::Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn v9_a_key_is_looked_up_without_waiting_for_writers() {
    let scene = Scene::new().await;
    let key = scene.named("a").await;
    // Holds SQLite's write lock: whoever writes, or begins to, gets no answer.
    let _writer = scene.api.store.begin().await.unwrap();
    assert_eq!(scene.me_from(&guess(&key, 1), [192, 0, 2, 1]).await.problem(401), "unauthenticated");
    scene.me_from(text(&key, "secret"), [192, 0, 2, 1]).await.expect(200);
}

#[tokio::test]
async fn v9_an_address_without_attempts_causes_no_query() {
    let scene = Scene::with(|options| options.requests_per_minute = 3.try_into().unwrap()).await;
    let key = scene.named("a").await;
    for n in 0..3 {
        scene.me_from(&guess(&key, n), [198, 51, 100, 7]).await.problem(401);
    }
    scene.api.store.close().await;
    for n in 0..20 {
        let limited = scene.me_from(&guess(&key, n), [198, 51, 100, 7]).await;
        assert_eq!(limited.problem(429), "rate_limited", "the database is not asked");
    }
    let asked = scene.me_from(&guess(&key, 1), [198, 51, 100, 8]).await;
    assert_eq!(asked.problem(503), "unavailable", "for another address it is");
}

#[tokio::test]
async fn v9_addresses_of_one_ipv6_network_are_counted_together() {
    let scene = Scene::with(|options| options.requests_per_minute = 20.try_into().unwrap()).await;
    let key = scene.named("a").await;
    let from = |n: u16| [0x2001, 0xdb8, 1, 2, 0, 0, 0, n];
    let mut limited = 0;
    for n in 0..60 {
        let reply = scene.me_from_v6(&guess(&key, usize::from(n)), from(n)).await;
        limited += u32::from(reply.status == 429);
    }
    assert!(limited >= 30, "{limited}");
    assert_eq!(scene.me_from_v6(&guess(&key, 1), [0x2001, 0xdb8, 1, 3, 0, 0, 0, 1]).await.status, 401);
}
