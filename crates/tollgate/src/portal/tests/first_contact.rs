//! Who may call at all, and what happens the first time.

use serde_json::{Value, json};

use super::rig::{ADMINS, Api};
use crate::store::{Store, StoreOptions};

#[tokio::test]
async fn a_person_appears_once() {
    let api = Api::start().await;
    let token = api.token("alice", &["dev"]);
    let first = api.get("/me", &token).await.expect(200);
    assert_eq!(first["name"], "alice");
    assert_eq!(first["platform_admin"], false);
    let again = api.get("/me", &api.token("alice", &[ADMINS])).await.expect(200);
    assert_eq!(again["id"], first["id"]);
    assert_eq!(again["platform_admin"], true);
    let other = api.get("/me", &api.token("bob", &[])).await.expect(200);
    assert_ne!(other["id"], first["id"]);
}

#[tokio::test]
async fn twenty_first_contacts_at_once_make_one_person() {
    let api = std::sync::Arc::new(Api::start().await);
    let calls = (0..20).map(|_| {
        let api = std::sync::Arc::clone(&api);
        tokio::spawn(async move { api.get("/me", &api.token("alice", &[])).await.expect(200)["id"].clone() })
    });
    let mut ids = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        ids.push(call.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[tokio::test]
async fn who_is_not_known_is_told_how_to_become_so() {
    let api = Api::start().await;
    let expired = api.token_with("alice", &json!({"exp": 1}));
    let key = "tgk_0000000000000000000000_0000000000000000000000000000000000000000000000000";
    for token in ["", "nonsense", "a.b.c", expired.as_str(), key] {
        let reply = api.get("/me", token).await;
        assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"tollgate\"");
        assert_eq!(reply.problem(401), "unauthenticated", "{token}");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_allowed_are_problems_too() {
    let api = Api::start().await;
    assert_eq!(api.get("/nowhere", "").await.problem(404), "not_found");
    assert_eq!(api.call("DELETE", "/me", "", Value::Null).await.problem(405), "method_not_allowed");
    let reply = api.get("/me", "").await;
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert!(reply.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn a_store_that_is_away_is_503_and_never_401() {
    let timeout = std::time::Duration::from_millis(200);
    let url = "postgres://nobody@127.0.0.1:1/none".to_owned();
    let options = StoreOptions { url, pool_size: 1, connect_timeout: timeout, statement_timeout: timeout };
    let api = Api::with(Store::open(&options).unwrap()).await;
    let reply = api.get("/me", &api.token("alice", &[])).await;
    assert_eq!(reply.headers["retry-after"], "1");
    assert_eq!(reply.problem(503), "unavailable");
}

#[tokio::test]
async fn a_new_name_is_noticed_and_contacts_are_noted_by_the_minute() {
    let api = Api::start().await;
    api.get("/me", &api.token("alice", &[])).await.expect(200);
    let before = api.store.change_position().await.unwrap();
    api.pass(std::time::Duration::from_secs(61));
    api.get("/me", &api.token("alice", &["dev"])).await.expect(200);
    assert_eq!(api.store.change_position().await.unwrap(), before, "nothing that a check could see changed");
    let renamed = api.token_with("alice", &json!({"preferred_username": "alicia"}));
    assert_eq!(api.get("/me", &renamed).await.expect(200)["name"], "alicia");
    assert_eq!(api.store.change_position().await.unwrap().seq, before.seq + 1);
}
