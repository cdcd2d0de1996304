//! Back-channel logout: a good logout token ends what it names once; any other ends nothing.

use serde_json::{Value, json};

use super::site::{Browser, Page, Site};
use crate::store::probe as rows;

async fn tell(site: &Site, token: &str) -> Page {
    let body = format!("logout_token={token}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    Browser::new(site).send("POST", "/logout/backchannel", &form, &body).await
}

const RULES: &str = "SELECT COUNT(*) FROM token_rules";

#[tokio::test]
async fn the_issuer_ends_a_session_and_its_tokens() {
    let site = Site::start().await;
    let (mut browser, mut other) = (Browser::new(&site), Browser::new(&site));
    browser.log_in().await;
    let begun = other.begin("/login").await;
    let mut claims = site.id_claims(&begun);
    claims["sid"] = json!("sid-2");
    site.will_answer(&claims);
    other.come_back(&begun).await.location();

    let page = tell(&site, &site.logout_token(&json!({}))).await;
    assert_eq!((page.status.as_u16(), page.text.as_str()), (200, ""));
    assert!(!browser.is_known().await, "ended");
    assert!(other.is_known().await, "another session of the same person goes on");
    let rule = "SELECT COUNT(*) FROM token_rules WHERE issuer = 'one' AND kind = 'sid' AND value = 'sid-1' \
                AND issued_before IS NULL AND expires_at > 1800000000000";
    assert_eq!(rows(&site.store, rule).await, 1);
    assert_eq!(rows(&site.store, "SELECT COUNT(*) FROM changes WHERE kind = 'token_rule'").await, 1);
    assert_eq!(rows(&site.store, "SELECT COUNT(*) FROM audit WHERE actor_kind = 'system'").await, 2);

    let subject = json!({"sid": null, "jti": "j-2"});
    assert_eq!(tell(&site, &site.logout_token(&subject)).await.status, 200);
    assert!(!other.is_known().await, "every session of the subject");
    let rule = "SELECT COUNT(*) FROM token_rules WHERE kind = 'subject' AND value = 'user-1' \
                AND issued_before = 1800000001000";
    assert_eq!(rows(&site.store, rule).await, 1);
    // Whom the issuer logged out may log in again.
    browser.log_in().await;
    assert!(browser.is_known().await);
}

#[tokio::test]
async fn tokens_that_end_nothing() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let good = site.logout_token(&json!({"jti": "used"}));
    let forged = {
        let other = tollgate_core::testing::TestKey::generate(tollgate_core::jwt::Algorithm::ES256, "k1");
        other.sign_claims(&json!({"iss": site.issuer.url, "aud": "tollgate-portal", "sid": "sid-1", "iat": 1_800_000_000_i64,
            "jti": "f", "events": {event: {}}}))
    };
    let changed = |change: Value| site.logout_token(&change);
    let mut table = vec![
        ("nothing", String::new()),
        ("no token", "x".into()),
        ("forged", forged),
        ("alg none", format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap())),
        ("cut", good.rsplit_once('.').unwrap().0.to_owned()),
    ];
    for (name, change) in [
        ("wrong iss", json!({"iss": "https://evil.test"})),
        ("wrong aud", json!({"aud": "another"})),
        ("no aud", json!({"aud": null})),
        ("no events", json!({"events": null})),
        ("wrong events", json!({"events": {"http://x": {}}})),
        ("nonce", json!({"nonce": "n"})),
        ("no sid and no sub", json!({"sid": null, "sub": null})),
        ("no jti", json!({"jti": null})),
        ("no iat", json!({"iat": null})),
        ("expired", json!({"exp": 1_799_999_900, "iat": 1_799_999_000})),
        ("future", json!({"iat": 1_800_000_100, "exp": 1_800_000_200})),
        ("an ID token", json!({"typ": "ID", "events": null, "nonce": "n"})),
    ] {
        table.push((name, changed(change)));
    }
    for (name, token) in table {
        let page = tell(&site, &token).await;
        assert_eq!(page.status, 400, "{name}: {}", page.text);
        assert_eq!(page.json()["error"], "invalid_request", "{name}");
        assert!(browser.is_known().await, "{name}");
    }
    assert_eq!(rows(&site.store, RULES).await, 0);

    // Replayed: the first ends the session, the second is refused, and the next session lives on.
    assert_eq!(tell(&site, &good).await.status, 200);
    browser.log_in().await;
    assert_eq!(tell(&site, &good).await.status, 400);
    assert!(browser.is_known().await);
    assert_eq!(rows(&site.store, RULES).await, 1);
}

#[tokio::test]
async fn a_flood_of_forged_tokens_logs_nobody_out() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let other = tollgate_core::testing::TestKey::generate(tollgate_core::jwt::Algorithm::ES256, "k1");
    for n in 0..300 {
        let token =
            other.sign_claims(&json!({"iss": site.issuer.url, "aud": "tollgate-portal", "sid": "sid-1",
            "iat": 1_800_000_000_i64, "jti": n.to_string(),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}));
        assert_eq!(tell(&site, &token).await.status, 400);
    }
    assert!(browser.is_known().await);
    assert_eq!(rows(&site.store, "SELECT COUNT(*) FROM logout_tokens").await, 0);
}

#[tokio::test]
async fn the_kind_must_be_named_where_that_is_configured() {
    let site = Site::start_with(|options| options.logout_type_required = true).await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    assert_eq!(tell(&site, &site.logout_token(&json!({}))).await.status, 400);
    let claims = site.logout_token(&json!({}));
    let payload = claims.split('.').nth(1).unwrap();
    let payload = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    let header = json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"}).to_string();
    let token = site.issuer.key.sign_raw(header.as_bytes(), &payload);
    assert_eq!(tell(&site, &token).await.status, 200);
    assert!(!browser.is_known().await);
}
