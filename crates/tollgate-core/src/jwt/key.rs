//! One public key of an issuer (RFC 7517), parsed once. The key fixes the algorithm; a token's header may only agree.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self as sig, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use thiserror::Error;

use super::algorithm::Algorithm;
use super::fault::TokenFault;

/// Why one key of a set is not used. The other keys still are.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyFault {
    /// Not an object, or a member has the wrong type.
    #[error("member '{0}' is missing or has a wrong type")]
    Member(&'static str),
    /// For encryption, or not for verifying.
    #[error("not for signatures")]
    Purpose,
    /// A symmetric secret in a public document.
    #[error("symmetric keys are never used, and this one has just been published")]
    Symmetric,
    /// Key type or curve is not supported.
    #[error("key type or curve is not supported")]
    Unsupported,
    /// `alg` does not fit the key type.
    #[error("'alg' is not supported or does not fit the key")]
    Algorithm,
    /// A parameter is too small, too large or of a dangerous form.
    #[error("weak or malformed key material: {0}")]
    Weak(&'static str),
    /// Two keys of the same id and type: which one verifies would be chance.
    #[error("another key has the same id")]
    DuplicateId,
}

/// A public key that may verify signatures.
#[derive(Debug)]
pub struct VerifyKey {
    id: Option<String>,
    /// Which algorithms this key verifies: one when the key says so (`alg`) or its type does, all RSA algorithms
    /// otherwise.
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
    /// Whether the document held the private half too.
    published_private: bool,
}

impl VerifyKey {
    /// Reads one JWK.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn parse(jwk: &Value) -> Result<Self, KeyFault> {
        let jwk = jwk.as_object().ok_or(KeyFault::Member("keys"))?;
        let id = match jwk.get("kid") {
            None => None,
            Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
            Some(_) => return Err(KeyFault::Member("kid")),
        };
        check_purpose(jwk)?;
        let declared = match jwk.get("alg") {
            None => None,
            Some(Value::String(alg)) => Some(alg.parse::<Algorithm>().map_err(|_| KeyFault::Algorithm)?),
            Some(_) => return Err(KeyFault::Member("alg")),
        };
        let verifiers = match jwk.get("kty").and_then(Value::as_str) {
            Some("RSA") => rsa(jwk, declared)?,
            Some("EC") => vec![ec(jwk, declared)?],
            Some("OKP") => vec![okp(jwk, declared)?],
            Some("oct") => return Err(KeyFault::Symmetric),
            Some(_) => return Err(KeyFault::Unsupported),
            None => return Err(KeyFault::Member("kty")),
        };
        Ok(Self { id, verifiers, published_private: jwk.contains_key("d") })
    }

    /// The key's `kid`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether this key verifies `algorithm`.
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(known, _)| *known == algorithm)
    }

    /// The algorithms this key verifies.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Whether the issuer published the private half beside it: an alarm, not a reason to lock everybody out.
    pub const fn published_private(&self) -> bool {
        self.published_private
    }

    /// Checks one signature.
    ///
    /// # Errors
    /// [`TokenFault::KeyMismatch`] when the key is not for `algorithm`, [`TokenFault::Signature`] when it does not verify.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenFault> {
        let verifier = self.verifiers.iter().find(|(known, _)| *known == algorithm);
        let (_, key) = verifier.ok_or(TokenFault::KeyMismatch)?;
        key.verify_sig(message, signature).map_err(|_| TokenFault::Signature)
    }
}

fn check_purpose(jwk: &Map<String, Value>) -> Result<(), KeyFault> {
    match jwk.get("use") {
        None => {}
        Some(Value::String(purpose)) if purpose == "sig" => {}
        Some(Value::String(_)) => return Err(KeyFault::Purpose),
        Some(_) => return Err(KeyFault::Member("use")),
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(KeyFault::Purpose),
        Some(_) => Err(KeyFault::Member("key_ops")),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let text = jwk.get(name).and_then(Value::as_str).ok_or(KeyFault::Member(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::Member(name))
}

fn rsa(
    jwk: &Map<String, Value>,
    declared: Option<Algorithm>,
) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyFault> {
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    if n.first().is_none_or(|b| *b == 0) || e.first().is_none_or(|b| *b == 0) {
        return Err(KeyFault::Weak("a number with leading zeros"));
    }
    let bits = n.len() * 8 - n.first().map_or(0, |b| b.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(KeyFault::Weak("modulus is not of 2048 to 8192 bits"));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|b| b & 1 == 1);
    if !odd(&n) || !odd(&e) {
        return Err(KeyFault::Weak("even modulus or exponent"));
    }
    // e = 1 signs nothing, e = 3 has a history of forgeries; real issuers use 65537.
    if e.len() > 4 || e.as_slice() == [1] || e.as_slice() == [3] {
        return Err(KeyFault::Weak("public exponent is not between 5 and 2^32"));
    }
    let algorithms: Vec<Algorithm> = match declared {
        Some(algorithm) => vec![algorithm],
        None => Algorithm::ALL.into_iter().filter(|a| a.rsa().is_some()).collect(),
    };
    let parts = PublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
    let verifier = |algorithm: Algorithm| {
        let parameters = algorithm.rsa().ok_or(KeyFault::Algorithm)?;
        let key = parts.to_parsed_public_key(parameters).map_err(|_| KeyFault::Weak("not an RSA key"))?;
        Ok((algorithm, key))
    };
    algorithms.into_iter().map(verifier).collect()
}

fn ec(
    jwk: &Map<String, Value>,
    declared: Option<Algorithm>,
) -> Result<(Algorithm, ParsedPublicKey), KeyFault> {
    let curve: (Algorithm, &'static dyn VerificationAlgorithm, usize) =
        match jwk.get("crv").and_then(Value::as_str) {
            Some("P-256") => (Algorithm::ES256, &sig::ECDSA_P256_SHA256_FIXED, 32),
            Some("P-384") => (Algorithm::ES384, &sig::ECDSA_P384_SHA384_FIXED, 48),
            Some("P-521") => (Algorithm::ES512, &sig::ECDSA_P521_SHA512_FIXED, 66),
            Some(_) => return Err(KeyFault::Unsupported),
            None => return Err(KeyFault::Member("crv")),
        };
    let (algorithm, verification, size) = curve;
    check_declared(declared, algorithm)?;
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != size || y.len() != size {
        return Err(KeyFault::Weak("coordinates have the wrong length for the curve"));
    }
    // SEC 1 section 2.3.3: an uncompressed point.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let key =
        ParsedPublicKey::new(verification, point).map_err(|_| KeyFault::Weak("not a point of the curve"))?;
    Ok((algorithm, key))
}

fn okp(
    jwk: &Map<String, Value>,
    declared: Option<Algorithm>,
) -> Result<(Algorithm, ParsedPublicKey), KeyFault> {
    match jwk.get("crv").and_then(Value::as_str) {
        Some("Ed25519") => {}
        Some(_) => return Err(KeyFault::Unsupported),
        None => return Err(KeyFault::Member("crv")),
    }
    check_declared(declared, Algorithm::EdDSA)?;
    let x = bytes(jwk, "x")?;
    if x.len() != 32 {
        return Err(KeyFault::Weak("an Ed25519 key has 32 bytes"));
    }
    if small_order(&x) {
        return Err(KeyFault::Weak("a point of small order verifies forged signatures"));
    }
    let key = ParsedPublicKey::new(&sig::ED25519, x).map_err(|_| KeyFault::Weak("not an Ed25519 key"))?;
    Ok((Algorithm::EdDSA, key))
}

fn check_declared(declared: Option<Algorithm>, actual: Algorithm) -> Result<(), KeyFault> {
    if declared.is_some_and(|d| d != actual) { Err(KeyFault::Algorithm) } else { Ok(()) }
}

/// Whether an encoded point has an order of 1, 2, 4 or 8, in canonical or other encoding. The y coordinates are those
/// of the eight torsion points of Curve25519's twist form (RFC 7748 section 7 discusses why they matter).
fn small_order(point: &[u8]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = [0_u8; 32];
    y.copy_from_slice(point);
    y[31] &= 0x7f;
    // p = 2^255 - 19: 0, 1, p - 1, p and p + 1 as little-endian numbers.
    let middle = |byte: u8| y[1..31].iter().all(|b| *b == byte);
    let near_zero = matches!(y[0], 0 | 1) && middle(0) && y[31] == 0;
    let near_p = matches!(y[0], 0xec..=0xee) && middle(0xff) && y[31] == 0x7f;
    near_zero || near_p || ORDER_8.contains(&y)
}
