//! Keys and their rotation; options and state that cannot work.

use super::*;

#[tokio::test]
async fn after_a_rotation_the_old_key_verifies_until_the_overlap_ends() {
    let world = World::with(DevIssuerOptions { key_overlap_secs: 100, ..DevIssuerOptions::default() });
    let old = world.access_token("alice", "alice").await;
    let kid = world.issuer.rotate().unwrap();
    let new = world.access_token("alice", "alice").await;
    assert_eq!(decode_header(&new).unwrap().kid, Some(kid.clone()));
    assert_eq!(world.issuer.jwks()["keys"][0]["kid"], kid.as_str(), "the key that signs comes first");
    world.later(99);
    assert!(world.verified(&old, "account").is_some() && world.verified(&new, "account").is_some());
    world.later(1);
    assert!(world.verified(&old, "account").is_none(), "gone from the set");
    assert!(world.verified(&new, "account").is_some());
    assert!(world.issuer.verify_access_token(&old).is_none());
}

#[tokio::test]
async fn keys_are_rotated_from_this_machine_and_not_from_a_web_page() {
    let world = World::new();
    let before = world.issuer.jwks();
    let ask = |peer: Option<&str>, origin: bool| {
        let mut request = Request::post("/dev/rotate-keys?overlap_secs=0");
        if origin {
            request = request.header(header::ORIGIN, "http://127.0.0.1:8080");
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        }
        request
    };
    for (peer, origin) in [(None, false), (Some("192.0.2.7:1"), false), (Some("127.0.0.1:1"), true)] {
        assert_eq!(world.send(ask(peer, origin)).await.status, 403, "{peer:?} {origin}");
    }
    assert_eq!(world.issuer.jwks(), before);
    let answer = world.send(ask(Some("[::ffff:127.0.0.1]:1"), false)).await;
    assert_eq!(answer.status, 200);
    let keys = world.issuer.jwks();
    assert_eq!(
        keys["keys"].as_array().unwrap().len(),
        2,
        "no overlap was asked for: one to sign, one to encrypt"
    );
    assert_eq!(keys["keys"][0]["kid"], answer.json()["kid"]);
}

#[tokio::test]
async fn a_running_issuer_is_asked_to_rotate() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer_url = format!("http://{}/realms/master", listener.local_addr().unwrap());
    let world =
        World::with(DevIssuerOptions { issuer_url: issuer_url.clone(), ..DevIssuerOptions::default() });
    let service = world.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    let rotated = rotate_running(&issuer_url, Some(7)).await.unwrap();
    assert_eq!(rotated.overlap_secs, 7);
    assert_eq!(world.issuer.jwks()["keys"][0]["kid"], rotated.kid);
    server.abort();
    let _stopped = server.await;
    let error = rotate_running(&issuer_url, None).await.unwrap_err();
    assert!(error.to_string().contains("is `tollgate dev` running?"), "{error}");
    assert!(matches!(rotate_running("nonsense", None).await, Err(RotateError::Url(_))));
}

#[tokio::test]
async fn the_audience_is_a_string_a_list_or_left_out() {
    let word = |text: &str| text.to_owned();
    let cases = [
        (vec![word("a")], json!("a")),
        (vec![word("a"), word("b")], json!(["a", "b"])),
        (Vec::new(), json!(null)),
    ];
    for (audience, expected) in cases {
        let world = World::with(DevIssuerOptions { audience, ..DevIssuerOptions::default() });
        let token = world.access_token("alice", "alice").await;
        assert_eq!(world.issuer.verify_access_token(&token).unwrap()["aud"], expected);
    }
}

#[tokio::test]
async fn tokens_outlive_a_restart_when_a_state_directory_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let first = World::with(options_in(dir.path()));
    first.issuer.rotate().unwrap();
    let token = first.access_token("alice", "alice").await;
    let keys = first.issuer.jwks();
    let second = World::with(options_in(dir.path()));
    assert_eq!(second.issuer.jwks(), keys);
    let claims = second.verified(&token, "account").unwrap();
    let again = second.verified(&second.access_token("alice", "alice").await, "account").unwrap();
    assert_eq!(claims["sub"], again["sub"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join("issuer-keys.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "private keys are for their owner");
    }
}

#[test]
fn a_damaged_key_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("issuer-keys.json"), "{\"signing\": 1}").unwrap();
    let clock = Arc::new(TestClock(AtomicI64::new(START)));
    let error = DevIssuer::new(options_in(dir.path()), clock, Arc::new(SystemEntropy)).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("issuer-keys.json") && cause.contains("delete it"), "{cause}");
}

#[test]
fn options_that_cannot_work_are_refused() {
    let start = |options| {
        let clock = Arc::new(TestClock(AtomicI64::new(START)));
        DevIssuer::new(options, clock, Arc::new(SystemEntropy)).map(|_| ())
    };
    for issuer_url in [
        "nonsense",
        "http://127.0.0.1:8080",
        "http://127.0.0.1:8080/realms/",
        "http://127.0.0.1:8080/realms/a/b",
        "http://127.0.0.1:8080/realms/master?x=1",
        "ftp://127.0.0.1/realms/master",
    ] {
        let options = DevIssuerOptions { issuer_url: issuer_url.to_owned(), ..DevIssuerOptions::default() };
        assert!(matches!(start(options), Err(IssuerError::Url(_))), "{issuer_url}");
    }
    let users = vec![DevUser::new("bob", "1"), DevUser::new("BOB", "2")];
    let twice = DevIssuerOptions { users, ..DevIssuerOptions::default() };
    assert!(matches!(start(twice), Err(IssuerError::User(_))));
}

#[test]
fn debug_output_shows_no_password() {
    let shown = format!("{:?}", DevUser::new("bob", "correct horse"));
    assert!(shown.contains("bob") && !shown.contains("correct horse"));
}
