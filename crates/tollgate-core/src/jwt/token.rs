//! A compact JWS, opened and not yet believed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::fault::TokenFault;
use super::json;

/// The longest token that is looked at unless configured otherwise, in bytes.
pub const DEFAULT_MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The longest key id, in bytes.
const MAX_KEY_ID_BYTES: usize = 1024;

/// Whether a text has the shape of a compact JWS: three non-empty parts of base64url characters. Says nothing of its
/// worth; it only tells tokens from other credentials.
pub fn looks_like_jwt(text: &str) -> bool {
    let part =
        |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let mut parts = text.split('.');
    matches!((parts.next(), parts.next(), parts.next(), parts.next()),
        (Some(a), Some(b), Some(c), None) if part(a) && part(b) && part(c))
}

/// A token whose parts are readable. Nothing in it is verified.
#[derive(Clone)]
pub struct OpenToken {
    signing_input: String,
    signature: Vec<u8>,
    algorithm: Algorithm,
    key_id: Option<String>,
    header_type: Option<String>,
    issuer: String,
    claims: Arc<Map<String, Value>>,
}

impl OpenToken {
    /// Opens a token: strict base64url, strict JSON, and a header that asks for nothing this verifier does not do.
    ///
    /// # Errors
    /// The first fault that the text alone shows.
    pub fn open(text: &str, max_bytes: usize) -> Result<Self, TokenFault> {
        if text.len() > max_bytes {
            return Err(TokenFault::TooLarge(max_bytes));
        }
        if !looks_like_jwt(text) {
            return Err(TokenFault::Structure);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(TokenFault::Structure)?;
        let (header, payload) = signing_input.split_once('.').ok_or(TokenFault::Structure)?;
        let header = json::object(&decode(header, "header")?, "header")?;
        let algorithm = check_header(&header)?;
        let signature = decode(signature, "signature")?;
        let claims = json::object(&decode(payload, "payload")?, "payload")?;
        let issuer = match claims.get("iss") {
            Some(Value::String(iss)) => iss.clone(),
            Some(_) => return Err(TokenFault::ClaimType("iss".into())),
            None => return Err(TokenFault::ClaimMissing("iss".into())),
        };
        Ok(Self {
            signing_input: signing_input.to_owned(),
            signature,
            algorithm,
            key_id: text_parameter(&header, "kid")?,
            header_type: text_parameter(&header, "typ")?,
            issuer,
            claims: Arc::new(claims),
        })
    }

    /// `iss`, unverified: only good for choosing whose rules apply.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `kid`, unverified: only good for choosing a key of that issuer.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// `alg`, unverified: the key must agree.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The claims, unverified.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub(super) fn shared_claims(&self) -> Arc<Map<String, Value>> {
        Arc::clone(&self.claims)
    }

    pub(super) fn header_type(&self) -> Option<&str> {
        self.header_type.as_deref()
    }

    /// The bytes that were signed: those received, never a re-encoding.
    pub(super) const fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl std::fmt::Debug for OpenToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenToken").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// `URL_SAFE_NO_PAD` refuses padding, the standard alphabet and non-zero trailing bits.
fn decode(part: &str, name: &'static str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Base64(name))
}

fn check_header(header: &Map<String, Value>) -> Result<Algorithm, TokenFault> {
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(TokenFault::Critical);
    }
    if header.contains_key("enc") || header.contains_key("zip") {
        return Err(TokenFault::Encrypted);
    }
    for own_key in ["jwk", "jku", "x5u", "x5c"] {
        if header.contains_key(own_key) {
            return Err(TokenFault::EmbeddedKey(own_key));
        }
    }
    // A nested token would have to be opened again, by rules nobody configured.
    if header.contains_key("cty") {
        return Err(TokenFault::HeaderType);
    }
    let alg = header.get("alg").and_then(Value::as_str).ok_or(TokenFault::AlgorithmUnsupported)?;
    alg.parse().map_err(|_| TokenFault::AlgorithmUnsupported)
}

fn text_parameter(header: &Map<String, Value>, name: &'static str) -> Result<Option<String>, TokenFault> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text))
            if !text.is_empty() && text.len() <= MAX_KEY_ID_BYTES && !text.chars().any(char::is_control) =>
        {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(TokenFault::HeaderParameter(name)),
    }
}
