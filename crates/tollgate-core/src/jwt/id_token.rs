//! ID tokens (OpenID Connect Core 1.0 section 3.1.3.7): who logged in, for this client, in this login.

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::fault::TokenFault;
use super::key::VerifyKey;
use super::rules::IssuerRules;
use super::token::OpenToken;
use super::verify::{VerifiedToken, audiences, check_signature, check_times, date, read};
use crate::time::Timestamp;

/// What an ID token must belong to.
#[derive(Clone, Copy)]
pub struct Relation<'a> {
    /// The client that asked.
    pub client_id: &'a str,
    /// The login's own random value.
    pub nonce: &'a str,
    /// The access token that came with it.
    pub access_token: Option<&'a str>,
}

/// A verified ID token.
#[derive(Clone, Debug, PartialEq)]
pub struct IdToken {
    /// Who logged in.
    pub who: VerifiedToken,
    /// When they last proved it (`auth_time`), if the issuer says.
    pub authenticated_at: Option<Timestamp>,
}

/// Verifies an opened ID token. Of the issuer's rules those count that are about the issuer (names, algorithms, clock,
/// claims of the caller); those about access tokens do not.
///
/// # Errors
/// The first fault found.
pub fn verify_id_token(
    token: &OpenToken,
    rules: &IssuerRules,
    relation: Relation<'_>,
    key: &VerifyKey,
    now: Timestamp,
) -> Result<IdToken, TokenFault> {
    check_signature(token, rules, &["JWT".to_owned()], false, key)?;
    let claims = token.claims();
    // Keycloak names the kind; an issuer that does not leaves the audience to tell.
    if claims.get("typ").is_some_and(|typ| typ != "ID") || claims.contains_key("events") {
        return Err(TokenFault::PayloadType);
    }
    let who = read(token, rules)?;
    if who.issued_at.is_none() {
        return Err(TokenFault::ClaimMissing("iat".into()));
    }
    check_times(&who, None)?;
    who.check_time(now)?;
    check_client(token, relation.client_id)?;
    if claims.get("nonce").and_then(Value::as_str) != Some(relation.nonce) {
        return Err(TokenFault::Nonce);
    }
    check_hash(token, relation.access_token)?;
    let authenticated_at = date(claims, "auth_time")?;
    Ok(IdToken { who, authenticated_at })
}

/// For this client, and when it is for others too, made for this client.
fn check_client(token: &OpenToken, client_id: &str) -> Result<(), TokenFault> {
    let claims = token.claims();
    let audiences = audiences(claims)?;
    if audiences.is_empty() {
        return Err(TokenFault::ClaimMissing("aud".into()));
    }
    if !audiences.contains(&client_id) {
        return Err(TokenFault::Audience);
    }
    match claims.get("azp") {
        None if audiences.len() == 1 => Ok(()),
        Some(Value::String(party)) if party == client_id => Ok(()),
        _ => Err(TokenFault::AuthorizedParty),
    }
}

/// Section 3.1.3.6: base64url of the left half of the access token's hash, by the hash of the signature's algorithm.
fn check_hash(token: &OpenToken, access_token: Option<&str>) -> Result<(), TokenFault> {
    let Some(said) = token.claims().get("at_hash") else { return Ok(()) };
    let algorithm = match token.algorithm() {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => &SHA256,
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &SHA384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::ES512 | Algorithm::EdDSA => &SHA512,
    };
    let hash = digest::digest(algorithm, access_token.unwrap_or_default().as_bytes());
    let half = hash.as_ref().split_at(hash.as_ref().len() / 2).0;
    if access_token.is_some() && *said == URL_SAFE_NO_PAD.encode(half).as_str() {
        Ok(())
    } else {
        Err(TokenFault::AccessTokenHash)
    }
}

impl std::fmt::Debug for Relation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relation").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}
