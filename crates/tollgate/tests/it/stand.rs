//! What most end-to-end tests stand on: an issuer with a key, a Tollgate that trusts it, and tokens.

use serde_json::{Value, json};
use tollgate::clock::{Clock as _, SystemClock};
use tollgate_core::jwt::Algorithm;
use tollgate_core::testing::TestKey;

use crate::harness::issuer::Issuer;
use crate::harness::tollgate::Tollgate;

/// The parts; they end with it.
pub struct Stand {
    pub issuer: Issuer,
    pub key: TestKey,
    pub tollgate: Tollgate,
}

/// The present, in Unix seconds.
pub fn now() -> i64 {
    SystemClock.now().as_secs()
}

/// Claims that the stand's Tollgate accepts.
pub fn claims(issuer: &Issuer) -> Value {
    json!({
        "iss": issuer.url(), "aud": "api", "sub": "user-1", "exp": now() + 300, "iat": now(), "typ": "Bearer",
        "preferred_username": "testuser", "email": "t@example.com", "groups": ["dev"],
    })
}

/// Settings that trust the issuer, laid under `more`.
pub fn settings(issuer: &Issuer, more: &Value) -> Value {
    let mut settings = json!({
        "issuers": [{
            "name": "test", "issuer": issuer.url(), "audiences": ["api"], "payload_types": ["Bearer"], "allow_http": true,
            "cooldown_secs": 1, "refresh_secs": 5, "fetch_timeout_ms": 2000,
        }],
        "routes": [
            {"name": "named", "policy": "free", "paths": [{"prefix": "/"}], "access": "public"},
            {"name": "public", "paths": [{"prefix": "/public"}], "access": "public"},
            {"name": "admin", "paths": [{"prefix": "/admin"}], "access": {"groups_any": ["admin"]}},
            {"name": "all", "hosts": ["ai.test"], "paths": [{"prefix": "/"}], "access": "authenticated"},
        ],
        "server": {"drain_delay_secs": 0},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    settings
}

impl Stand {
    pub async fn start() -> Self {
        Self::with(&json!({})).await
    }

    /// With other settings laid over the usual ones, section by section.
    pub async fn with(more: &Value) -> Self {
        let key = TestKey::generate(Algorithm::RS256, "k1");
        let issuer = Issuer::start(&[key.jwk()]).await;
        let tollgate = Tollgate::start(&settings(&issuer, more)).await;
        Self { issuer, key, tollgate }
    }

    pub fn token(&self) -> String {
        self.key.sign_claims(&claims(&self.issuer))
    }

    /// A token that differs from the usual one in some claims.
    pub fn token_with(&self, more: &Value) -> String {
        let mut claims = claims(&self.issuer);
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.key.sign_claims(&claims)
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token())
    }
}
