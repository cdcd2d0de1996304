//! What holds for every write: it is tried again when the database undid it for another, and in force when it is answered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::post;
use futures_util::future::join_all;
use http::{Request, StatusCode};
use hyper::body::{Frame, SizeHint};
use serde_json::{Value, json};
use tokio::time::Instant;
use tollgate_core::apikey::PlainKey;
use tollgate_core::caller::KeyState;
use tollgate_core::lookup::Lookup;
use tower::ServiceExt as _;

use super::rig::{ADMINS, Api, options};
use crate::entropy::SystemEntropy;
use crate::portal::body::Unopened;
use crate::portal::problem::{Answer, Code, Problem};
use crate::portal::{Portal, PortalParts, routes, writes};
use crate::store::StoreError;
use crate::store::tests::rig::{Postgres, lite, write};

/// What the view knows of a key without asking anybody.
async fn seen(api: &Api, secret: &str) -> Option<KeyState> {
    let key = PlainKey::parse(secret).unwrap();
    let now = crate::clock::Clock::now(&*api.clock);
    match api.view.as_ref().unwrap().find(&key, now, Instant::now()).await.key {
        Lookup::Found(record) => Some(record.state),
        Lookup::Absent | Lookup::Unavailable => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_in_force_here() {
    let api = Api::watching().await;
    let alice = api.token("alice", &[]);
    for n in 0..20 {
        let made =
            api.call("POST", "/api-keys", &alice, json!({"name": format!("key {n}")})).await.expect(201);
        let (id, secret) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        assert_eq!(
            seen(&api, secret).await,
            Some(KeyState::Live),
            "key {n}, in the instant after its answer"
        );
        let ended = api.call("DELETE", &format!("/api-keys/{id}"), &alice, Value::Null).await;
        assert!(ended.status.is_success(), "{ended:?}");
        assert_eq!(seen(&api, secret).await, Some(KeyState::Revoked), "key {n}");
    }
}

#[tokio::test]
async fn a_view_that_was_never_filled_is_not_waited_for() {
    let api = Api::unfilled().await;
    let alice = api.token("alice", &[]);
    let begun = Instant::now();
    for _ in 0..5 {
        api.call("POST", "/api-keys", &alice, json!({"name": "k"})).await.expect(201);
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

/// A portal with one route, whose handler fails so often before it succeeds.
fn failing(times: usize, error: fn() -> StoreError) -> (axum::Router, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let handler = move |State(portal): State<Portal>, body: Unopened| async move {
        let body = body.read(&portal, 100).await?;
        if counted.fetch_add(1, Ordering::Relaxed) < times {
            return Err(Problem::from(error()));
        }
        Answer::Ok(body)
    };
    let deps = super::rig::deps();
    let issuers = crate::views::KeysView::start(vec![], None, &deps).unwrap();
    let portal = Portal::new(PortalParts {
        store: None,
        metrics: deps.metrics,
        rulebook: super::rig::rulebook(issuers),
        clock: Arc::new(super::rig::StandingClock::at(0)),
        entropy: Arc::new(SystemEntropy),
        login: None,
        introspection: vec![],
        options: options(),
    });
    let router = axum::Router::new().route("/", post(handler.clone()).get(handler));
    let router = router.layer(from_fn_with_state(portal.clone(), writes::settle));
    (router.layer(from_fn(routes::hold)).with_state(portal), runs)
}

#[tokio::test]
async fn a_request_that_lost_a_race_runs_again_with_its_body_and_not_for_ever() {
    let lost = || StoreError::Again("deadlock detected".into());
    let away = || StoreError::Unavailable("away".into());
    let full = || StoreError::NoWrites("disk full".into());
    for (method, times, error, runs, status) in [
        ("POST", 2, lost as fn() -> StoreError, 3, 200),
        ("POST", 9, lost, 4, 503),
        // It may have been done, or can only be done again for nothing.
        ("POST", 1, away, 1, 503),
        ("POST", 1, full, 1, 503),
        ("GET", 1, lost, 1, 503),
    ] {
        let (router, counted) = failing(times, error);
        let request = Request::builder().method(method).uri("/").body(Body::from("the body")).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), counted.load(Ordering::Relaxed)),
            (status, runs),
            "{method} {times}"
        );
        if response.status() == StatusCode::OK {
            let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
            assert_eq!(body, "the body");
        } else {
            assert!(response.headers().contains_key("retry-after"));
        }
    }
    assert_eq!(Problem::from(lost()).code(), Code::Unavailable);
}

/// A body that says how long it is and breaks off before.
struct Broken(Option<&'static str>);

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let part = self.0.take().map(|part| Frame::data(part.into()));
        Poll::Ready(Some(part.ok_or_else(|| std::io::ErrorKind::ConnectionReset.into())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(8)
    }
}

#[tokio::test]
async fn a_request_whose_body_breaks_off_does_not_run() {
    let (router, counted) = failing(0, || StoreError::Unavailable("not asked".into()));
    let request = Request::post("/").body(Body::new(Broken(Some("the ")))).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!((response.status(), counted.load(Ordering::Relaxed)), (StatusCode::PAYLOAD_TOO_LARGE, 0));
}

async fn one_answer_for_one_idempotency_key(url: String) {
    let api = Arc::new(Api::on_with(url, |_| {}).await);
    let admin = api.token("root", &[ADMINS]);
    api.get("/me", &admin).await.expect(200);
    // Nothing is held that could put these in a line: they meet where the answer is kept.
    for round in 0..5 {
        let racers = (0..6).map(|_| {
            let (api, admin) = (Arc::clone(&api), admin.clone());
            tokio::spawn(async move {
                let key = format!("round {round}");
                let headers = [("idempotency-key", key.as_str())];
                let body = json!({"name": "acme"});
                api.call_with(("POST", "/organizations"), &admin, &headers, &body).await.expect(201)["id"]
                    .clone()
            })
        });
        let ids: Vec<Value> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_requests_with_one_idempotency_key_get_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    one_answer_for_one_idempotency_key(lite(dir.path())).await;
    let Some(postgres) = Postgres::start() else { return };
    one_answer_for_one_idempotency_key(postgres.url()).await;
}

/// The database gives up all but one of those that meet, on purpose: isolation as strict as it can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_serialization_failures_ends_with_exact_totals() {
    let Some(postgres) = Postgres::start() else { return };
    let api = Arc::new(Api::on_with(postgres.url(), |_| {}).await);
    write(&api.store, "ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'", None)
        .await;
    let api = Arc::new(Api::on_with(postgres.url(), |_| {}).await);
    let alice = api.token("alice", &[]);
    api.get("/me", &alice).await.expect(200);
    let writers = (0..8).map(|writer| {
        let (api, alice) = (Arc::clone(&api), alice.clone());
        tokio::spawn(async move {
            let mut refused = 0;
            for n in 0..5 {
                // As a client does that is told to come back.
                loop {
                    let body = json!({"name": format!("{writer} {n}")});
                    let reply = api.call("POST", "/api-keys", &alice, body).await;
                    if reply.status == StatusCode::CREATED {
                        break;
                    }
                    assert_eq!(reply.headers["retry-after"], "1");
                    assert_eq!(reply.problem(503), "unavailable");
                    refused += 1;
                    assert!(refused < 200, "nobody gets through");
                }
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let keys = api.get("/api-keys", &alice).await.expect(200);
    let mut names: Vec<&str> =
        keys.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let expected: Vec<String> =
        (0..8).flat_map(|writer| (0..5).map(move |n| format!("{writer} {n}"))).collect();
    assert_eq!(names, expected, "each once");
    let changes = api.store.changes_since(0, 1000).await.unwrap();
    let numbers: Vec<i64> = changes.iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(numbers, (1..=i64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>(), "without a gap");
}
