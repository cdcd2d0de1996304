//! What the issuer signs, and the check of what it has signed.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tollgate_core::time::Timestamp;
use uuid::Uuid;

use super::users::User;
use super::{DevIssuer, RequestError, entropy};

/// One login, as tokens are made from it.
pub(super) struct Login<'a> {
    pub user: &'a Arc<User>,
    pub client_id: &'a str,
    pub scope: &'a str,
    /// Returned in the ID token only.
    pub nonce: Option<&'a str>,
}

impl DevIssuer {
    /// The answer of the token endpoint (RFC 6749 section 5.1). An ID token is added for the scope `openid`.
    pub(super) fn token_response(&self, login: &Login<'_>) -> Result<Value, RequestError> {
        let now = self.clock.now();
        let session = entropy::uuid(self.entropy.as_ref())?;
        let lifetime = self.options.token_lifetime_secs;
        let mut answer = json!({
            "access_token": self.sign(&self.access_claims(login, session, now)?)?,
            "expires_in": lifetime,
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": session.to_string(),
            "scope": login.scope,
        });
        if login.scope.split(' ').any(|scope| scope == "openid") {
            answer["id_token"] = Value::String(self.sign(&self.id_claims(login, session, now)?)?);
        }
        Ok(answer)
    }

    fn access_claims(&self, login: &Login<'_>, session: Uuid, now: Timestamp) -> Result<Value, RequestError> {
        let mut claims = self.common_claims(login, session, now)?;
        let audience = &self.options.audience;
        // Keycloak writes one audience as a string and several as an array; both forms are RFC 7519.
        match audience.as_slice() {
            [] => None,
            [one] => claims.insert("aud".to_owned(), json!(one)),
            several => claims.insert("aud".to_owned(), json!(several)),
        };
        claims.insert("typ".to_owned(), json!("Bearer"));
        claims.insert("scope".to_owned(), json!(login.scope));
        claims.insert("realm_access".to_owned(), json!({ "roles": login.user.roles }));
        claims.insert("groups".to_owned(), json!(login.user.groups));
        Ok(Value::Object(claims))
    }

    fn id_claims(&self, login: &Login<'_>, session: Uuid, now: Timestamp) -> Result<Value, RequestError> {
        let mut claims = self.common_claims(login, session, now)?;
        claims.insert("aud".to_owned(), json!(login.client_id));
        claims.insert("typ".to_owned(), json!("ID"));
        claims.insert("auth_time".to_owned(), json!(now.as_secs()));
        if let Some(nonce) = login.nonce {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        Ok(Value::Object(claims))
    }

    fn common_claims(
        &self,
        login: &Login<'_>,
        session: Uuid,
        now: Timestamp,
    ) -> Result<Map<String, Value>, RequestError> {
        let issued = now.as_secs();
        let mut claims = Map::new();
        claims.insert("exp".to_owned(), json!(issued + i64::from(self.options.token_lifetime_secs)));
        claims.insert("iat".to_owned(), json!(issued));
        claims.insert("jti".to_owned(), json!(entropy::uuid(self.entropy.as_ref())?.to_string()));
        claims.insert("iss".to_owned(), json!(self.options.issuer_url));
        claims.insert("azp".to_owned(), json!(login.client_id));
        claims.insert("sid".to_owned(), json!(session.to_string()));
        claims.extend(profile(login.user));
        Ok(claims)
    }

    fn sign(&self, claims: &Value) -> Result<String, RequestError> {
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let (signed, signature) = self.keys.sign(|kid| {
            let header = json!({ "alg": "RS256", "typ": "JWT", "kid": kid });
            format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header.to_string()))
        })?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of an access token that this issuer signed and that has not expired; `None` for anything else.
    pub(super) fn verify_access_token(&self, token: &str) -> Option<Value> {
        let now = self.clock.now();
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if header["alg"] != "RS256" {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !self.keys.verifies(header["kid"].as_str()?, signed.as_bytes(), &signature, now) {
            return None;
        }
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let alive = claims["exp"].as_i64()? > now.as_secs();
        (alive && claims["typ"] == "Bearer" && claims["iss"] == self.options.issuer_url.as_str())
            .then_some(claims)
    }
}

/// The claims that describe a person, in tokens and at the userinfo endpoint.
pub(super) fn profile(user: &User) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(user.id.to_string()));
    claims.insert("preferred_username".to_owned(), json!(user.username));
    if let Some(email) = &user.email {
        claims.insert("email".to_owned(), json!(email));
        claims.insert("email_verified".to_owned(), json!(true));
    }
    if let Some(name) = &user.name {
        claims.insert("name".to_owned(), json!(name));
    }
    claims
}
