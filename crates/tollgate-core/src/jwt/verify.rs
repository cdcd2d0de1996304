//! The judgement on a token: signature first, so that a forger learns nothing from the claims, then every claim.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::fault::TokenFault;
use super::key::VerifyKey;
use super::rules::{Audiences, ClaimPath, IssuerRules};
use super::token::OpenToken;
use crate::time::Timestamp;

/// The longest subject in bytes.
const MAX_SUBJECT_BYTES: usize = 1024;
/// 31 December 9999: a later time is a mistake or an attack.
const LAST_SECOND: i64 = 253_402_300_799;
/// Payload types that no API accepts, whatever is configured otherwise (Keycloak's names).
const OTHER_KINDS: [&str; 5] = ["ID", "Refresh", "Offline", "Logout", "logout+jwt"];

/// A token that was verified: what its issuer says about the caller.
#[derive(Clone, PartialEq)]
pub struct VerifiedToken {
    /// The operator's name of the issuer.
    pub issuer: Arc<str>,
    /// The token's `iss`.
    pub issuer_url: String,
    /// The stable id of the user at that issuer. Only issuer and subject together are an identity.
    pub subject: String,
    /// The name a person recognises; the subject when the token has none.
    pub username: String,
    /// E-mail address, informational.
    pub email: Option<String>,
    /// Groups and roles.
    pub groups: Vec<String>,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// `jti`.
    pub token_id: Option<String>,
    /// `sid`.
    pub session_id: Option<String>,
    /// All claims, for route conditions.
    pub claims: Arc<Map<String, Value>>,
    /// Tolerated clock difference in seconds.
    pub leeway_secs: u32,
    /// Length of the token's text, as a measure of what the claims weigh.
    text_bytes: usize,
}

impl VerifiedToken {
    /// Whether the token is valid at `now`, once it was verified at some other time.
    ///
    /// # Errors
    /// [`TokenFault::Expired`] from `exp` on ("on or after", RFC 7519 section 4.1.4), [`TokenFault::NotYetValid`] before
    /// `nbf`; both with leeway.
    pub fn check_time(&self, now: Timestamp) -> Result<(), TokenFault> {
        let leeway = i64::from(self.leeway_secs);
        if now >= self.expires_at.plus_secs(leeway) {
            return Err(TokenFault::Expired);
        }
        if self.not_before.is_some_and(|nbf| now.plus_secs(leeway) < nbf) {
            return Err(TokenFault::NotYetValid);
        }
        if self.issued_at.is_some_and(|iat| now.plus_secs(leeway) < iat) {
            return Err(TokenFault::IssuedInFuture);
        }
        Ok(())
    }

    /// Roughly the bytes it occupies, for bounding a cache.
    pub const fn weight(&self) -> usize {
        // Parsed claims take about four times their text.
        512 + 4 * self.text_bytes
    }
}

impl std::fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Verifies an opened token against its issuer's rules and key.
///
/// # Errors
/// The first fault found; see [`TokenFault`].
pub fn verify(
    token: &OpenToken,
    rules: &IssuerRules,
    key: &VerifyKey,
    now: Timestamp,
) -> Result<VerifiedToken, TokenFault> {
    check_signature(token, rules, &rules.header_types, rules.header_type_required, key)?;
    let claims = token.claims();
    check_kind(claims, rules)?;
    let verified = read(token, rules)?;
    check_times(&verified, rules.max_lifetime_secs)?;
    verified.check_time(now)?;
    check_audience(claims, rules)?;
    check_party(claims, rules)?;
    for required in &rules.required_claims {
        let value = required.path.get(claims);
        let meets = |v: &Value| required.one_of.contains(v);
        let met = value.is_some_and(|v| meets(v) || v.as_array().is_some_and(|list| list.iter().any(meets)));
        if !met {
            return Err(TokenFault::RequiredClaim(required.path.to_string()));
        }
    }
    Ok(verified)
}

/// That the issuer signed it, with an algorithm and under a header type that it may use.
pub(super) fn check_signature(
    token: &OpenToken,
    rules: &IssuerRules,
    header_types: &[String],
    header_type_required: bool,
    key: &VerifyKey,
) -> Result<(), TokenFault> {
    if !rules.algorithms.contains(&token.algorithm()) {
        return Err(TokenFault::AlgorithmNotAllowed);
    }
    check_header_type(token.header_type(), header_types, header_type_required)?;
    key.verify(token.algorithm(), token.signing_input(), token.signature())?;
    if rules.accepted_issuers.iter().any(|iss| iss == token.issuer()) {
        Ok(())
    } else {
        Err(TokenFault::IssuerUnknown)
    }
}

/// What the claims say about the caller. Only of a token whose signature was checked.
pub(super) fn read(token: &OpenToken, rules: &IssuerRules) -> Result<VerifiedToken, TokenFault> {
    let claims = token.claims();
    let subject = subject(claims, rules)?;
    let username = rules.claim_map.username.iter().find_map(|path| text_at(claims, path));
    Ok(VerifiedToken {
        issuer: rules.name.as_str().into(),
        issuer_url: token.issuer().to_owned(),
        expires_at: date(claims, "exp")?.ok_or(TokenFault::ClaimMissing("exp".into()))?,
        not_before: date(claims, "nbf")?,
        issued_at: date(claims, "iat")?,
        username: username.unwrap_or_else(|| subject.clone()),
        subject,
        email: text_at(claims, &rules.claim_map.email),
        groups: groups(claims, &rules.claim_map.groups),
        token_id: text(claims, "jti"),
        session_id: text(claims, "sid"),
        claims: token.shared_claims(),
        leeway_secs: rules.leeway_secs,
        text_bytes: token.signing_input().len(),
    })
}

fn check_header_type(
    header_type: Option<&str>,
    accepted: &[String],
    required: bool,
) -> Result<(), TokenFault> {
    let Some(typ) = header_type else {
        return if required { Err(TokenFault::HeaderType) } else { Ok(()) };
    };
    // RFC 7515 section 4.1.9: "application/" may be left out.
    let bare = |text: &str| match text.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => {
            text.get(12..).unwrap_or_default().to_owned()
        }
        _ => text.to_owned(),
    };
    let typ = bare(typ);
    let accepted = accepted.iter().any(|known| bare(known).eq_ignore_ascii_case(&typ));
    if accepted { Ok(()) } else { Err(TokenFault::HeaderType) }
}

/// An access token, and nothing that merely is signed by the same key.
fn check_kind(claims: &Map<String, Value>, rules: &IssuerRules) -> Result<(), TokenFault> {
    match (claims.get("typ"), &rules.payload_types) {
        (Some(Value::String(typ)), Some(accepted)) if accepted.contains(typ) => {}
        (Some(Value::String(typ)), None) if !OTHER_KINDS.contains(&typ.as_str()) => {}
        (None, None) => {}
        _ => return Err(TokenFault::PayloadType),
    }
    // Hashes of a token or code stand in ID tokens only; `events` in logout and security event tokens only.
    if ["at_hash", "c_hash", "events"].iter().any(|name| claims.contains_key(*name)) {
        return Err(TokenFault::PayloadType);
    }
    if claims.contains_key("cnf") {
        return Err(TokenFault::Bound);
    }
    Ok(())
}

/// That its times do not contradict each other, and that it lives no longer than `max_lifetime_secs`.
pub(super) fn check_times(token: &VerifiedToken, max_lifetime_secs: Option<u64>) -> Result<(), TokenFault> {
    let after_end = |time: Option<Timestamp>| time.is_some_and(|t| t > token.expires_at);
    if after_end(token.not_before) || after_end(token.issued_at) {
        return Err(TokenFault::TimesContradict);
    }
    let Some(max) = max_lifetime_secs else { return Ok(()) };
    let issued = token.issued_at.ok_or(TokenFault::ClaimMissing("iat".into()))?;
    let lifetime = token.expires_at.millis_since(issued);
    if u64::try_from(lifetime).is_ok_and(|millis| millis <= max.saturating_mul(1000)) {
        Ok(())
    } else {
        Err(TokenFault::LifetimeTooLong)
    }
}

/// Whom the token is for; empty when it does not say.
pub(super) fn audiences(claims: &Map<String, Value>) -> Result<Vec<&str>, TokenFault> {
    let wrong = || TokenFault::ClaimType("aud".into());
    match claims.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(list)) => list.iter().map(|v| v.as_str().ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

fn check_audience(claims: &Map<String, Value>, rules: &IssuerRules) -> Result<(), TokenFault> {
    if !claims.contains_key("aud") {
        return match rules.audiences {
            Audiences::Any => Ok(()),
            Audiences::OneOf(_) => Err(TokenFault::ClaimMissing("aud".into())),
        };
    }
    let audiences = audiences(claims)?;
    match &rules.audiences {
        Audiences::Any => Ok(()),
        Audiences::OneOf(accepted) if accepted.iter().any(|a| audiences.contains(&a.as_str())) => Ok(()),
        Audiences::OneOf(_) => Err(TokenFault::Audience),
    }
}

fn check_party(claims: &Map<String, Value>, rules: &IssuerRules) -> Result<(), TokenFault> {
    let Some(accepted) = &rules.authorized_parties else { return Ok(()) };
    let party = claims.get("azp").or_else(|| claims.get("client_id")).and_then(Value::as_str);
    match party {
        Some(party) if accepted.iter().any(|a| a == party) => Ok(()),
        _ => Err(TokenFault::AuthorizedParty),
    }
}

fn subject(claims: &Map<String, Value>, rules: &IssuerRules) -> Result<String, TokenFault> {
    let path = &rules.claim_map.subject;
    let named = || Cow::Owned(path.to_string());
    match path.get(claims) {
        Some(Value::String(subject))
            if !subject.trim().is_empty()
                && subject.len() <= MAX_SUBJECT_BYTES
                && !subject.chars().any(char::is_control) =>
        {
            Ok(subject.clone())
        }
        Some(_) => Err(TokenFault::ClaimType(named())),
        // What Keycloak leaves in a lightweight token, and no subject.
        None if claims.contains_key("azp") && (claims.contains_key("sid") || claims.contains_key("jti")) => {
            let client = claims.get("azp").and_then(Value::as_str).unwrap_or_default();
            let client = client.chars().filter(char::is_ascii_graphic).take(64).collect();
            Err(TokenFault::Lightweight { client })
        }
        None => Err(TokenFault::ClaimMissing(named())),
    }
}

/// A `NumericDate` (RFC 7519 section 2); fractions are rounded down.
pub(super) fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, TokenFault> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let wrong = || TokenFault::ClaimType(name.into());
    let Value::Number(number) = value else { return Err(wrong()) };
    let secs = match (number.as_i64(), number.as_f64()) {
        (Some(secs), _) => secs,
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
        (None, Some(secs)) if (0.0..=LAST_SECOND as f64).contains(&secs) => secs.floor() as i64,
        _ => return Err(wrong()),
    };
    if !(0..=LAST_SECOND).contains(&secs) {
        return Err(wrong());
    }
    Ok(Some(Timestamp::from_secs(secs)))
}

pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn text_at(claims: &Map<String, Value>, path: &ClaimPath) -> Option<String> {
    path.get(claims).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Strings only, of lists only: a role that is written in another way is no role.
fn groups(claims: &Map<String, Value>, paths: &[ClaimPath]) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for entry in paths.iter().filter_map(|path| path.get(claims)?.as_array()).flatten() {
        if let Some(group) = entry.as_str().filter(|g| !g.is_empty())
            && !groups.iter().any(|known| known == group)
        {
            groups.push(group.to_owned());
        }
    }
    groups
}
