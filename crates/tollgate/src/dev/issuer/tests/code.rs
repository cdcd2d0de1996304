//! The code flow, from the login page to the tokens.

use super::*;

#[tokio::test]
async fn the_login_page_is_plain_escaped_html_under_a_strict_policy() {
    let world = World::new();
    let challenge = challenge();
    let state = r#""><script>alert(1)</script>"#;
    let query = encode(&changed(request(&challenge), "state", state));
    let page = world.get(&format!("{AUTH}?{query}")).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("<script"), "{}", page.text);
    assert!(page.text.contains("&quot;&gt;&lt;script&gt;"));
    assert!(page.text.contains(r#"<label for="password">"#));
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self' http://127.0.0.1:4711"), "{policy}");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
}

#[tokio::test]
async fn the_code_flow_gives_access_and_id_token() {
    let world = World::new();
    let challenge = challenge();
    let sent = world.login(&request(&challenge)).await;
    assert_eq!(sent.status, 303);
    assert!(sent.location().as_str().starts_with("http://127.0.0.1:4711/callback?from=issuer&code="));
    assert_eq!(sent.query("state").as_deref(), Some("st&te=1"));
    assert_eq!(sent.query("iss").as_deref(), Some("http://127.0.0.1:8080/realms/master"));
    let answer = world.redeem(&sent.query("code").unwrap(), ("", "")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let id = world.verified(answer.json()["id_token"].as_str().unwrap(), "tollgate-dev").unwrap();
    assert_eq!(
        (&id["typ"], &id["nonce"], &id["aud"]),
        (&json!("ID"), &json!("n-0S6"), &json!("tollgate-dev"))
    );
    let access = world.verified(answer.json()["access_token"].as_str().unwrap(), "account").unwrap();
    assert_eq!((&access["typ"], &access["azp"]), (&json!("Bearer"), &json!("tollgate-dev")));
    assert_eq!(access["sid"], id["sid"]);
    assert!(access.get("nonce").is_none());
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_redirect_and_verifier_within_a_minute() {
    let world = World::new();
    let refused = (400, "invalid_grant".to_owned());
    let other_verifier = "a".repeat(43);
    for change in [
        ("client_id", "admin-cli"),
        ("redirect_uri", "http://127.0.0.1:4711/callback"),
        ("code_verifier", other_verifier.as_str()),
        ("code", "guessed"),
    ] {
        let code = world.code().await;
        assert_eq!(world.redeem(&code, change).await.error(), refused, "{change:?}");
        if change.0 != "code" {
            assert_eq!(world.redeem(&code, ("", "")).await.error(), refused, "a failed try used the code up");
        }
    }
    let code = world.code().await;
    assert_eq!(world.redeem(&code, ("", "")).await.status, 200);
    assert_eq!(world.redeem(&code, ("", "")).await.error(), refused, "used before");
    let code = world.code().await;
    world.later(59);
    assert_eq!(world.redeem(&code, ("", "")).await.status, 200);
    let code = world.code().await;
    world.later(60);
    assert_eq!(world.redeem(&code, ("", "")).await.error(), refused, "too late");
}

#[tokio::test]
async fn bad_authorization_requests_are_told_to_the_person_or_the_client_but_never_to_a_stranger() {
    let world = World::new();
    let challenge = challenge();
    for (name, value) in [
        ("client_id", "nobody"),
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "http://localhost.evil.example/"),
        ("redirect_uri", "http://localhost@evil.example/"),
        ("redirect_uri", "javascript:alert(1)"),
        ("redirect_uri", "http://127.0.0.1/#fragment"),
        ("redirect_uri", ""),
    ] {
        let fields = changed(request(&challenge), name, value);
        for answer in [world.get(&format!("{AUTH}?{}", encode(&fields))).await, world.login(&fields).await] {
            assert_eq!(answer.status, 400, "{name}={value}");
            assert!(!answer.headers.contains_key(header::LOCATION), "{name}={value}");
        }
    }
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
    ] {
        let fields = changed(request(&challenge), name, value);
        let answer = world.get(&format!("{AUTH}?{}", encode(&fields))).await;
        assert_eq!(
            (answer.status.as_u16(), answer.query("error").as_deref()),
            (303, Some(error)),
            "{name}={value}"
        );
        assert_eq!(answer.query("state").as_deref(), Some("st&te=1"));
        assert!(answer.query("code").is_none());
    }
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again_without_the_password() {
    let world = World::new();
    let challenge = challenge();
    let mut fields = request(&challenge);
    fields.extend([("username", "alice<b>"), ("password", "hunter2-wrong")]);
    let answer = world.form(AUTH, &fields).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains(r#"role="alert""#) && answer.text.contains("alice&lt;b&gt;"));
    assert!(!answer.text.contains("hunter2-wrong"));
    assert!(!answer.headers.contains_key(header::LOCATION));
}

#[tokio::test]
async fn a_configured_redirect_is_compared_exactly() {
    let mut options = DevIssuerOptions::default();
    let uri = "https://portal.example.com/cb";
    options.clients.push(DevClient { redirect_uris: vec![uri.to_owned()], ..DevClient::public("portal") });
    let world = World::with(options);
    let challenge = challenge();
    let fields = changed(changed(request(&challenge), "client_id", "portal"), "redirect_uri", uri);
    assert_eq!(world.login(&fields).await.status, 303);
    let near = changed(fields, "redirect_uri", "https://portal.example.com/cb/");
    assert_eq!(world.login(&near).await.status, 400);
}
