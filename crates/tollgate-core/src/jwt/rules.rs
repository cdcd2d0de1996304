//! What a deployment demands of an issuer's tokens.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};
use thiserror::Error;

use super::algorithm::Algorithm;

/// The rules of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRules {
    /// The operator's name for it.
    pub name: String,
    /// Every `iss` that it may sign as, compared byte for byte.
    pub accepted_issuers: Vec<String>,
    /// Whom its tokens must be for.
    pub audiences: Audiences,
    /// The algorithms it may use.
    pub algorithms: Vec<Algorithm>,
    /// Tolerated clock difference in seconds, for `exp`, `nbf` and `iat` alike.
    pub leeway_secs: u32,
    /// Accepted values of the payload's `typ` (Keycloak writes `Bearer` into access tokens). `None` asks for none; even
    /// then the types of ID, refresh, offline and logout tokens are refused.
    pub payload_types: Option<Vec<String>>,
    /// Accepted values of the header's `typ`, without `application/`, in any letter case (RFC 9068 section 4).
    pub header_types: Vec<String>,
    /// Whether a token without `typ` in its header is refused.
    pub header_type_required: bool,
    /// Clients (`azp`, or `client_id` as RFC 9068 names it) whose tokens are accepted; `None` accepts every client's.
    pub authorized_parties: Option<Vec<String>>,
    /// Claims that must have one of the given values.
    pub required_claims: Vec<RequiredClaim>,
    /// Where the caller's name and groups stand.
    pub claim_map: ClaimMap,
    /// The longest accepted `exp - iat` in seconds; `iat` is then mandatory.
    pub max_lifetime_secs: Option<u64>,
}

/// Whom tokens must be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audiences {
    /// Anybody: `aud` is not looked at. Has to be said.
    Any,
    /// One of these. An empty list accepts nothing.
    OneOf(Vec<String>),
}

/// A claim that must have one of these values, types included; a list satisfies it when one entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredClaim {
    /// Where it stands.
    pub path: ClaimPath,
    /// Accepted values.
    pub one_of: Vec<Value>,
}

/// Where the facts about a caller stand among the claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimMap {
    /// The stable id. Mandatory in every token.
    pub subject: ClaimPath,
    /// The name a person recognises: the first of these that is a string, else the subject.
    pub username: Vec<ClaimPath>,
    /// The e-mail address.
    pub email: ClaimPath,
    /// Groups and roles: the strings of all of these lists together.
    pub groups: Vec<ClaimPath>,
}

/// A path into nested claims, written with dots: `realm_access.roles`. A dot inside a name is written `\.`, a backslash
/// `\\`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

/// A path that names nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("'{0}' is not a claim path: names separated by dots, a dot inside a name written '\\.'")]
pub struct ClaimPathError(String);

impl IssuerRules {
    /// Rules with the defaults of the design: asymmetric algorithms of 128-bit strength and more, 30 s leeway, `JWT` or
    /// `at+jwt` as header type, Keycloak's claim names.
    pub fn new(name: impl Into<String>, accepted_issuers: Vec<String>, audiences: Audiences) -> Self {
        Self {
            name: name.into(),
            accepted_issuers,
            audiences,
            algorithms: Algorithm::ALL.to_vec(),
            leeway_secs: 30,
            payload_types: None,
            header_types: vec!["JWT".into(), "at+jwt".into()],
            header_type_required: false,
            authorized_parties: None,
            required_claims: Vec::new(),
            claim_map: ClaimMap::default(),
            max_lifetime_secs: None,
        }
    }
}

impl Default for ClaimMap {
    fn default() -> Self {
        let path = |names: &[&str]| ClaimPath(names.iter().map(ToString::to_string).collect());
        Self {
            subject: path(&["sub"]),
            username: vec![path(&["preferred_username"])],
            email: path(&["email"]),
            groups: vec![path(&["groups"]), path(&["realm_access", "roles"])],
        }
    }
}

impl ClaimPath {
    /// The value at this path.
    pub fn get<'v>(&self, claims: &'v Map<String, Value>) -> Option<&'v Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))
    }
}

impl FromStr for ClaimPath {
    type Err = ClaimPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ClaimPathError(text.to_owned());
        let mut names = vec![String::new()];
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '.' => names.push(String::new()),
                '\\' => match chars.next() {
                    Some(escaped @ ('.' | '\\')) => names.iter_mut().last().ok_or_else(wrong)?.push(escaped),
                    _ => return Err(wrong()),
                },
                c => names.iter_mut().last().ok_or_else(wrong)?.push(c),
            }
        }
        if names.iter().any(String::is_empty) {
            return Err(wrong());
        }
        Ok(Self(names))
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped: Vec<String> =
            self.0.iter().map(|n| n.replace('\\', "\\\\").replace('.', "\\.")).collect();
        f.write_str(&escaped.join("."))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn paths() {
        let claims = json!({"sub": "s", "realm_access": {"roles": ["r"]}, "https://x.y/g": ["g"], "a\\b": 1});
        let claims = claims.as_object().unwrap();
        let table = [
            ("sub", Some(json!("s"))),
            ("realm_access.roles", Some(json!(["r"]))),
            ("https://x\\.y/g", Some(json!(["g"]))),
            ("a\\\\b", Some(json!(1))),
            ("sub.x", None),
            ("absent", None),
        ];
        for (text, expected) in table {
            let path: ClaimPath = text.parse().unwrap();
            assert_eq!(path.get(claims).cloned(), expected, "{text}");
            assert_eq!(path.to_string(), text);
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a\\", "a\\x"] {
            assert!(bad.parse::<ClaimPath>().is_err(), "{bad}");
        }
    }
}
