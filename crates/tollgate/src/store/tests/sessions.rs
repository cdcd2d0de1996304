//! Sessions end when they should, logins count once and for one browser, logout tokens count once.

use std::time::Duration;

use super::rig::{at, becomes_ready, on_both, options};
use crate::store::tx::on_tx;
use crate::store::{Alive, Login, MAX_SESSIONS, NewSession, SecretDigest, State, Store};

const HOUR: i64 = 3_600_000;

fn alive(now: i64) -> Alive {
    Alive { now: at(now), idle: Duration::from_secs(3600) }
}

fn session(secret: &str, person: &str, sid: Option<&str>, created: i64) -> NewSession {
    NewSession {
        digest: SecretDigest::of(secret),
        id: format!("ses_{secret}"),
        person_id: person.into(),
        issuer: "keycloak".into(),
        sid: sid.map(Into::into),
        groups: vec!["a".into(), "b \"c\"".into()],
        email_verified: true,
        authenticated_at: at(created - 5),
        created_at: at(created),
        expires_at: at(created + 8 * HOUR),
        address: Some("192.0.2.1".into()),
        user_agent: None,
    }
}

async fn person(store: &Store, id: &str, issuer: &str, subject: &str) {
    let mut tx = store.begin().await.unwrap();
    on_tx!(tx, conn => {
        sqlx::query("INSERT INTO people (id, issuer, subject, username, email, state, version, created_at, updated_at, \
             last_seen_at) VALUES ($1, $2, $3, 'x', 'x@example.com', 'active', 1, 0, 0, 0)")
            .bind(id).bind(issuer).bind(subject).execute(conn).await.map(drop)
    })
    .unwrap();
    tx.commit(at(0)).await.unwrap();
}

async fn add(store: &Store, new: &NewSession) {
    let mut tx = store.begin().await.unwrap();
    tx.add_session(new).await.unwrap();
    tx.commit(at(0)).await.unwrap();
}

async fn lives(store: &Store, secret: &str, now: i64) -> bool {
    store.use_session(&SecretDigest::of(secret), alive(now)).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_while_it_is_used_and_no_longer_than_it_may() {
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        person(&store, "per_1", "keycloak", "s1").await;
        let new = session("one", "per_1", Some("sid-1"), 0);
        add(&store, &new).await;
        let owned = store.use_session(&SecretDigest::of("one"), alive(1)).await.unwrap().unwrap();
        assert_eq!((owned.subject.as_str(), owned.state), ("s1", State::Active));
        assert_eq!(owned.email, Some(("x@example.com".into(), true)));
        let found = owned.session;
        assert_eq!((found.groups, found.sid), (new.groups.clone(), new.sid.clone()));
        assert_eq!((found.authenticated_at, found.last_seen_at, found.address), (at(-5), at(0), new.address));
        assert!(!lives(&store, "another", 1).await, "a wrong secret is no session");
        assert!(lives(&store, "one", HOUR - 1).await, "used just before it would have idled out");
        assert!(lives(&store, "one", 2 * HOUR - 2).await, "and lives on from there");
        assert!(!lives(&store, "one", 3 * HOUR - 2).await, "an hour of idleness ends it");
        add(&store, &session("busy", "per_1", None, 0)).await;
        for step in 1..=9 {
            assert!(lives(&store, "busy", step * 50 * 60_000).await, "step {step}");
        }
        assert!(lives(&store, "busy", 8 * HOUR - 1).await);
        assert!(!lives(&store, "busy", 8 * HOUR).await, "no use carries it past its end");
        assert_eq!(store.sweep_sessions(alive(8 * HOUR)).await.unwrap(), 2);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_by_owner_sid_subject_and_number() {
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        person(&store, "per_1", "keycloak", "s1").await;
        person(&store, "per_2", "keycloak", "s2").await;
        person(&store, "per_3", "other", "s1").await;
        add(&store, &session("a", "per_1", Some("sid-1"), 10)).await;
        add(&store, &session("b", "per_1", Some("sid-2"), 20)).await;
        add(&store, &session("c", "per_2", None, 30)).await;
        add(&store, &NewSession { issuer: "other".into(), ..session("d", "per_3", Some("sid-1"), 40) }).await;
        let listed: Vec<_> = store.sessions_of("per_1", alive(50)).await.unwrap();
        assert_eq!(listed.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["ses_b", "ses_a"]);

        let mut tx = store.begin().await.unwrap();
        assert!(!tx.end_session("per_2", "ses_a").await.unwrap(), "somebody else's is none");
        assert!(tx.end_session("per_1", "ses_b").await.unwrap());
        assert!(!tx.end_session("per_1", "ses_b").await.unwrap());
        let ended = tx.end_sessions_by_sid("keycloak", "sid-1").await.unwrap();
        assert_eq!(ended, [("ses_a".into(), "per_1".into())], "another issuer's sid is another session");
        let ended = tx.end_sessions_by_subject("other", "s1").await.unwrap();
        assert_eq!(ended, [("ses_d".into(), "per_3".into())]);
        tx.commit(at(60)).await.unwrap();
        assert!(lives(&store, "c", 60).await);
        for gone in ["a", "b", "d"] {
            assert!(!lives(&store, gone, 60).await, "{gone}");
        }

        for n in 0..=MAX_SESSIONS {
            add(&store, &session(&format!("n{n}"), "per_1", None, 100 + n)).await;
        }
        assert!(!lives(&store, "n0", 200).await, "the oldest made room");
        assert!(lives(&store, "n1", 200).await && lives(&store, "c", 200).await);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_counts_once_in_time_and_for_its_browser() {
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        let login = |state: &str| Login {
            state: SecretDigest::of(state),
            browser: SecretDigest::of("browser"),
            issuer: "keycloak".into(),
            nonce: "n".into(),
            verifier: "v".into(),
            next: "/docs".into(),
            authenticated_after: (state != "b").then(|| at(77)),
            created_at: at(0),
            expires_at: at(600),
        };
        for state in ["a", "b", "c", "d"] {
            store.put_login(&login(state)).await.unwrap();
        }
        let take = async |state: &str, browser: &str, now: i64| {
            store.take_login(&SecretDigest::of(state), &SecretDigest::of(browser), at(now)).await.unwrap()
        };
        assert_eq!(take("a", "browser", 1).await, Some(login("a")));
        assert_eq!(take("a", "browser", 1).await, None, "used");
        assert_eq!(take("b", "another", 1).await, None, "another browser's");
        assert_eq!(take("b", "browser", 1).await, None, "and burnt by it");
        assert_eq!(take("c", "browser", 600).await, None, "late");
        assert_eq!(take("x", "browser", 1).await, None, "never begun");
        assert_eq!(store.sweep_logins(at(599)).await.unwrap(), 0);
        assert_eq!(store.sweep_logins(at(600)).await.unwrap(), 1);
        assert!(!format!("{:?}", login("a")).contains("verifier"));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_counts_once() {
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        let note = async |issuer: &str, jti: &str| {
            let mut tx = store.begin().await.unwrap();
            let first = tx.note_logout_token(issuer, jti, at(100)).await.unwrap();
            tx.commit(at(1)).await.unwrap();
            first
        };
        assert!(note("keycloak", "1").await);
        assert!(!note("keycloak", "1").await);
        assert!(note("other", "1").await && note("keycloak", "2").await);
        assert_eq!(store.sweep_logout_tokens(at(100)).await.unwrap(), 3);
        assert!(note("keycloak", "1").await);
        store.close().await;
    })
    .await;
}
