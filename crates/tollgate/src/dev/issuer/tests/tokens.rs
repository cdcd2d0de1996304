//! Discovery, and tokens by the password grant.

use super::*;

#[tokio::test]
async fn discovery_names_the_issuer_and_endpoints_below_it() {
    let world = World::new();
    let document = world.get("/realms/master/.well-known/openid-configuration").await.json();
    assert_eq!(document["issuer"], "http://127.0.0.1:8080/realms/master");
    assert_eq!(document["token_endpoint"], world.issuer.token_url());
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    let certs = Url::parse(document["jwks_uri"].as_str().unwrap()).unwrap();
    assert_eq!(world.get(certs.path()).await.json(), world.issuer.jwks());
    assert_eq!(world.get("/realms/other/.well-known/openid-configuration").await.status, 404);
}

#[tokio::test]
async fn the_key_set_holds_a_signing_and_an_encryption_key() {
    let world = World::new();
    let set = world.issuer.jwks();
    let uses: Vec<&str> =
        set["keys"].as_array().unwrap().iter().map(|key| key["use"].as_str().unwrap()).collect();
    assert_eq!(uses, ["sig", "enc"]);
    for key in set["keys"].as_array().unwrap() {
        let mut members: Vec<&String> = key.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"], "and no private member");
    }
}

#[tokio::test]
async fn the_password_grant_gives_a_token_that_verifies() {
    let world = World::new();
    let answer = world.password("Alice", "alice").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert!(answer.json().get("id_token").is_none(), "openid was not asked for");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let claims = world.verified(&token, "account").unwrap();
    assert_eq!(claims["typ"], "Bearer");
    assert_eq!(claims["azp"], "admin-cli");
    assert_eq!(claims["preferred_username"], "alice");
    assert_eq!(claims["email"], "alice@example.com");
    assert_eq!(claims["groups"], json!(["engineering"]));
    assert_eq!(claims["realm_access"]["roles"], json!([]));
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(START), Some(START + 3600)));
    assert!(uuid::Uuid::parse_str(claims["sub"].as_str().unwrap()).is_ok());
    let second = world.verified(&world.access_token("alice", "alice").await, "account").unwrap();
    assert_eq!(second["sub"], claims["sub"], "one person, one subject");
    assert_ne!(second["jti"], claims["jti"]);
    assert_ne!(second["sid"], claims["sid"]);
}

#[tokio::test]
async fn token_requests_are_refused_in_the_words_of_rfc_6749() {
    let world = World::new();
    for (fields, status, code) in [
        ("", 400, "invalid_request"),
        ("grant_type=password", 401, "invalid_client"),
        ("grant_type=password&client_id=nobody", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=admin-cli", 400, "unsupported_grant_type"),
        ("grant_type=password&client_id=admin-cli", 400, "invalid_request"),
        ("grant_type=password&client_id=admin-cli&username=alice&password=wrong", 400, "invalid_grant"),
        ("grant_type=password&client_id=admin-cli&username=nobody&password=alice", 400, "invalid_grant"),
        ("grant_type=password&grant_type=password&client_id=admin-cli", 400, "invalid_request"),
        ("grant_type=authorization_code&client_id=admin-cli", 400, "invalid_request"),
    ] {
        let request = Request::post(TOKEN).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = world.send(request.body(Body::from(fields)).unwrap()).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{fields}");
        assert_eq!(answer.headers.contains_key(header::WWW_AUTHENTICATE), status == 401, "{fields}");
    }
    let json =
        Request::post(TOKEN).header(header::CONTENT_TYPE, "application/json").body(Body::from("{}")).unwrap();
    assert_eq!(world.send(json).await.error(), (400, "invalid_request".to_owned()));
    assert_eq!(world.get(TOKEN).await.status, 405);
}

#[tokio::test]
async fn a_confidential_client_needs_its_secret_by_either_way_and_not_by_both() {
    let mut options = DevIssuerOptions::default();
    options.clients.push(DevClient { secret: Some("s:e c&r=t".into()), ..DevClient::public("portal") });
    let world = World::with(options);
    let login = [("grant_type", "password"), ("username", "alice"), ("password", "alice")];
    let with = |more: &[(&'static str, &'static str)]| [&login[..], more].concat();
    assert_eq!(world.form(TOKEN, &with(&[("client_id", "portal")])).await.error().1, "invalid_client");
    let wrong = with(&[("client_id", "portal"), ("client_secret", "guess")]);
    assert_eq!(world.form(TOKEN, &wrong).await.error().1, "invalid_client");
    let right = with(&[("client_id", "portal"), ("client_secret", "s:e c&r=t")]);
    assert_eq!(world.form(TOKEN, &right).await.status, 200);
    let basic = |fields: &[(&str, &str)]| {
        Request::post(TOKEN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode("portal:s%3Ae+c%26r%3Dt")))
            .body(Body::from(encode(fields)))
            .unwrap()
    };
    assert_eq!(world.send(basic(&login)).await.status, 200);
    assert_eq!(world.send(basic(&right)).await.error(), (400, "invalid_request".to_owned()));
}
