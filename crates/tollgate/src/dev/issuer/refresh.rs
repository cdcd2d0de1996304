//! Refresh tokens (RFC 6749 section 6): a day long, good once, each use gives another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tollgate_core::time::Timestamp;

use super::form::Form;
use super::options::DevClient;
use super::tokens::Login;
use super::users::{User, sha256};
use super::{DevIssuer, RequestError, entropy};

/// Life of a refresh token in seconds.
const LIFETIME_SECS: i64 = 86_400;
/// Tokens alive at once; beyond it the oldest goes.
const MAX_TOKENS: usize = 10_000;

/// What a refresh token renews.
struct Renewal {
    user: Arc<User>,
    client_id: String,
    scope: String,
    issued_at: Timestamp,
}

/// Refresh tokens by the digest of their text.
#[derive(Default)]
pub(super) struct RefreshTokens(Mutex<HashMap<[u8; 32], Renewal>>);

impl RefreshTokens {
    fn put(&self, token: &str, renewal: Renewal) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, old| renewal.issued_at.millis_since(old.issued_at) < LIFETIME_SECS * 1000);
        if tokens.len() >= MAX_TOKENS
            && let Some(oldest) = tokens.iter().min_by_key(|(_, old)| old.issued_at).map(|(key, _)| *key)
        {
            tokens.remove(&oldest);
        }
        tokens.insert(sha256(&[token.as_bytes()]), renewal);
    }

    fn take(&self, token: &str, client_id: &str, now: Timestamp) -> Option<Renewal> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let renewal = tokens.remove(&sha256(&[token.as_bytes()]))?;
        let alive = now.millis_since(renewal.issued_at) < LIFETIME_SECS * 1000;
        (alive && renewal.client_id == client_id && renewal.user.enabled).then_some(renewal)
    }
}

/// `POST …/revoke` (RFC 7009): the answer is the same whether there was such a token or not.
pub(super) async fn revoke(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, RequestError> {
    issuer.check_realm(&realm)?;
    let form = Form::parse_body(&headers, &body)?;
    let client = issuer.authenticate_client(&headers, &form)?;
    let token = form.get("token").ok_or(RequestError::invalid_request("token is missing"))?;
    issuer.refresh_tokens.take(token, &client.client_id, issuer.clock.now());
    Ok(StatusCode::OK)
}

impl DevIssuer {
    /// The answer of the token endpoint with a refresh token beside.
    pub(super) fn renewable(&self, login: &Login<'_>) -> Result<Value, RequestError> {
        let mut answer = self.token_response(login)?;
        let token = entropy::secret(self.entropy.as_ref())?;
        let renewal = Renewal {
            user: Arc::clone(login.user),
            client_id: login.client_id.to_owned(),
            scope: login.scope.to_owned(),
            issued_at: self.clock.now(),
        };
        self.refresh_tokens.put(&token, renewal);
        answer["refresh_token"] = token.into();
        answer["refresh_expires_in"] = json!(LIFETIME_SECS);
        Ok(answer)
    }

    pub(super) fn refresh_grant(&self, client: &DevClient, form: &Form) -> Result<Value, RequestError> {
        let token =
            form.get("refresh_token").ok_or(RequestError::invalid_request("refresh_token is missing"))?;
        let renewal = self.refresh_tokens.take(token, &client.client_id, self.clock.now());
        let renewal = renewal.ok_or(RequestError::invalid_grant("Refresh token not valid"))?;
        let Renewal { user, client_id, scope, .. } = &renewal;
        self.renewable(&Login { user, client_id, scope, nonce: None })
    }
}
