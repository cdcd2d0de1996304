//! What is believed of an issuer's documents, and that a bad one never costs the keys that are there.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{FoundKey, IssuerSource, KeyLocation};
use super::issuer::{Answer, Issuer};
use super::{PATIENCE, failed, find, has, loaded, set, source, status, until, world};

/// Loads a good set, answers otherwise, and asks for an unknown key: the good one stays, and the text says what is wrong.
async fn keeps_the_keys(answer: Answer, limits: IssuerSource, issuer: Issuer, said: &str) {
    let view = world().start(limits);
    loaded(&view).await;
    issuer.set_keys(answer);
    let found = find(&view, "unknown", PATIENCE).await;
    assert!(matches!(found, FoundKey::Unavailable), "{found:?}");
    let error = status(&view).last_error.unwrap();
    assert!(error.contains(said), "{error}");
    assert!(has(&view, "good").await);
}

macro_rules! keeps_the_keys {
    ($($name:ident: $answer:expr, $said:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let issuer = Issuer::start(set(&["good"])).await;
            let limits = IssuerSource {
                fetch_timeout: Duration::from_millis(500),
                ..source(issuer.keys_at())
            };
            keeps_the_keys($answer, limits, issuer, $said).await;
        }
    )*};
}

keeps_the_keys! {
    an_issuer_that_never_answers_keeps_the_keys: Answer::Silence, "timed out";
    an_issuer_that_drips_keeps_the_keys: Answer::Drip, "timed out";
    an_endless_document_keeps_the_keys: Answer::Large(1 << 20, set(&["unknown"])), "more than 1048576 bytes";
    a_redirect_keeps_the_keys: Answer::Redirect("/elsewhere".into()), "302";
    an_error_of_the_issuer_keeps_the_keys: Answer::Status(500), "500";
    a_web_page_keeps_the_keys: Answer::Text("<html>Log in</html>".into()), "not a key set";
    an_empty_set_keeps_the_keys: Answer::Json(json!({"keys": []})), "no usable signing key";
    a_set_of_secrets_keeps_the_keys:
        Answer::Json(json!({"keys": [{"kty": "oct", "kid": "unknown", "k": "AAAA"}]})), "no usable signing key";
}

/// A redirect to a place that would answer well is not followed either.
#[tokio::test]
async fn a_redirect_to_a_good_set_is_not_followed() {
    let (issuer, other) = (Issuer::start(set(&["a"])).await, Issuer::start(set(&["b"])).await);
    issuer.set_keys(Answer::Redirect(other.url("http", "/jwks").to_string()));
    let view = world().start(source(issuer.keys_at()));
    assert!(failed(&view).await.contains("302"));
    assert_eq!((status(&view).keys, other.asked()), (0, 0));
}

#[tokio::test]
async fn a_set_just_within_the_bound_is_read() {
    let issuer = Issuer::start(Value::Null).await;
    issuer.set_keys(Answer::Large(1 << 19, set(&["good"])));
    let view = world().start(source(issuer.keys_at()));
    loaded(&view).await;
    assert!(has(&view, "good").await);
}

#[tokio::test]
async fn one_odd_key_does_not_sink_the_others() {
    let mut keys = set(&["good"]);
    keys["keys"].as_array_mut().unwrap().push(json!({"kty": "???", "kid": "odd"}));
    let issuer = Issuer::start(keys).await;
    let view = world().start(source(issuer.keys_at()));
    loaded(&view).await;
    assert_eq!(status(&view).key_ids, ["good"]);
}

fn document(issuer: &str, keys: impl std::fmt::Display) -> Answer {
    Answer::Json(json!({"issuer": issuer, "jwks_uri": keys.to_string()}))
}

#[tokio::test]
async fn keys_are_found_by_discovery() {
    let issuer = Issuer::start(set(&["good"])).await;
    issuer.set_discovery(document(&issuer.name(), issuer.url("http", "/jwks")));
    let view = world().start(source(issuer.discovered()));
    loaded(&view).await;
    assert!(has(&view, "good").await);
    assert_eq!(status(&view).location, issuer.name());
}

/// Starts with this discovery document; gives what is said of it once it is refused.
async fn refused(issuer: &Issuer, document: Answer) -> String {
    issuer.set_discovery(document);
    let view = world().start(source(issuer.discovered()));
    let error = failed(&view).await;
    assert_eq!((status(&view).keys, issuer.asked()), (0, 0), "the key set must not even be asked for");
    error
}

#[tokio::test]
async fn a_document_of_another_issuer_is_refused() {
    let issuer = Issuer::start(set(&["good"])).await;
    let slash = format!("{}/", issuer.name());
    let error = refused(&issuer, document(&slash, issuer.url("http", "/jwks"))).await;
    assert!(error.contains(&format!("says its issuer is '{slash}'")), "{error}");
}

#[tokio::test]
async fn keys_on_another_host_are_refused() {
    let issuer = Issuer::start(set(&["good"])).await;
    let keys = issuer.url("http", "/jwks").to_string().replace("127.0.0.1", "localhost");
    let error = refused(&issuer, document(&issuer.name(), keys)).await;
    assert!(error.contains("another host") && error.contains("jwks_url"), "{error}");
}

#[tokio::test]
async fn a_discovery_document_that_is_none_is_refused() {
    let issuer = Issuer::start(set(&["good"])).await;
    let error = refused(&issuer, Answer::Text("<html>".into())).await;
    assert!(error.contains("not a discovery document"), "{error}");
    let error = refused(&issuer, Answer::Json(json!({"issuer": issuer.name()}))).await;
    assert!(error.contains("jwks_uri"), "{error}");
    let error = refused(&issuer, Answer::Status(404)).await;
    assert!(error.contains("404"), "{error}");
}

/// An issuer cannot put lines of its own into our log, nor fill it.
#[tokio::test]
async fn what_a_document_says_is_shown_short_and_in_one_line() {
    let issuer = Issuer::start(set(&["good"])).await;
    let said = format!("http://evil\n{}", "x".repeat(10_000));
    let error = refused(&issuer, document(&said, issuer.url("http", "/jwks"))).await;
    assert!(error.len() < 500 && !error.contains('\n'), "{error}");
}

#[tokio::test]
async fn plain_http_has_to_be_allowed() {
    let issuer = Issuer::start(set(&["good"])).await;
    issuer.set_discovery(document(&issuer.name(), issuer.url("http", "/jwks")));
    for location in [issuer.keys_at(), issuer.discovered()] {
        let view = world().start(IssuerSource { allow_http: false, ..source(location) });
        let error = failed(&view).await;
        assert!(error.contains("is not https; set allow_http"), "{error}");
        assert_eq!((status(&view).keys, issuer.asked()), (0, 0));
    }
}

#[tokio::test]
async fn other_schemes_are_refused_even_with_allow_http() {
    let issuer = Issuer::start(set(&["good"])).await;
    let error = refused(&issuer, document(&issuer.name(), issuer.url("ftp", "/jwks"))).await;
    assert!(error.contains("is not https"), "{error}");
}

#[tokio::test]
async fn static_keys_are_there_at_once_and_never_fetched() {
    let document = set(&["fixed"]).to_string();
    let view = world().start(source(KeyLocation::Static { document }));
    until(&view, |status| status.keys == 1).await;
    assert!(has(&view, "fixed").await);
    assert!(matches!(find(&view, "other", PATIENCE).await, FoundKey::Absent));
}
