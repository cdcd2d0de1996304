//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6): the issuer says whose session ended.

use serde_json::Value;

use super::fault::TokenFault;
use super::key::VerifyKey;
use super::rules::IssuerRules;
use super::token::OpenToken;
use super::verify::{audiences, check_signature, date, text};
use crate::time::Timestamp;

/// The member of `events` that makes it a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How long a logout token counts that does not say it: earlier drafts had no `exp`.
const UNSAID_LIFETIME_SECS: i64 = 300;
/// The longest `jti`, `sid` and subject in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// A verified logout token. Whether it was obeyed before is the store's to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// Its own id.
    pub token_id: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From when on it does not count.
    pub expires_at: Timestamp,
    /// What it ends.
    pub scope: Scope,
}

/// What a logout ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One session at the issuer.
    Session(String),
    /// Every session of a subject.
    Subject(String),
}

/// Verifies an opened logout token for this client.
///
/// # Errors
/// The first fault found.
pub fn verify_logout_token(
    token: &OpenToken,
    rules: &IssuerRules,
    (client_id, type_required): (&str, bool),
    key: &VerifyKey,
    now: Timestamp,
) -> Result<LogoutToken, TokenFault> {
    let typed = vec!["logout+jwt".to_owned()];
    let types = if type_required { typed } else { [typed, vec!["JWT".to_owned()]].concat() };
    check_signature(token, rules, &types, type_required, key)?;
    let claims = token.claims();
    if claims.get("typ").is_some_and(|typ| typ != "Logout" && typ != "logout+jwt") {
        return Err(TokenFault::PayloadType);
    }
    let event = claims.get("events").and_then(|events| events.as_object()?.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(TokenFault::PayloadType);
    }
    // Section 2.4: an ID token must never pass for a logout token, nor the other way round.
    if claims.contains_key("nonce") {
        return Err(TokenFault::Nonce);
    }
    match audiences(claims)?.as_slice() {
        [] => return Err(TokenFault::ClaimMissing("aud".into())),
        list if list.contains(&client_id) => {}
        _ => return Err(TokenFault::Audience),
    }
    let issued_at = date(claims, "iat")?.ok_or(TokenFault::ClaimMissing("iat".into()))?;
    let expires_at = date(claims, "exp")?.unwrap_or_else(|| issued_at.plus_secs(UNSAID_LIFETIME_SECS));
    let leeway = i64::from(rules.leeway_secs);
    if now >= expires_at.plus_secs(leeway) {
        return Err(TokenFault::Expired);
    }
    if now.plus_secs(leeway) < issued_at {
        return Err(TokenFault::IssuedInFuture);
    }
    if issued_at > expires_at {
        return Err(TokenFault::TimesContradict);
    }
    let said = |name: &'static str, value: Option<String>| match value {
        Some(text) if (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) => {
            Ok(Some(text))
        }
        None => Ok(None),
        Some(_) => Err(TokenFault::ClaimType(name.into())),
    };
    let token_id = said("jti", text(claims, "jti"))?.ok_or(TokenFault::ClaimMissing("jti".into()))?;
    let subject = rules.claim_map.subject.get(claims).and_then(Value::as_str).map(str::to_owned);
    let scope = match (said("sid", text(claims, "sid"))?, said("sub", subject)?) {
        (Some(sid), _) => Scope::Session(sid),
        (None, Some(subject)) => Scope::Subject(subject),
        (None, None) => return Err(TokenFault::ClaimMissing("sid".into())),
    };
    Ok(LogoutToken { token_id, issued_at, expires_at, scope })
}
