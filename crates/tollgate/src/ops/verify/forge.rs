//! Tokens made from a good one that must not be believed.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The three parts of a compact JWS; `None` for any other text.
fn parts(token: &str) -> Option<[&str; 3]> {
    let mut parts = token.split('.');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    (parts.next().is_none() && three.iter().all(|part| !part.is_empty())).then_some(three)
}

fn object(part: &str) -> Option<Value> {
    let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    value.is_object().then_some(value)
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// One bit of the signature is turned.
pub(super) fn wrong_signature(token: &str) -> Option<String> {
    let [header, payload, signature] = parts(token)?;
    let mut signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    // The first byte: the last characters of base64 may not reach the bytes at all.
    *signature.first_mut()? ^= 1;
    Some(format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Another subject and a later end, under the old signature.
pub(super) fn changed_claims(token: &str) -> Option<String> {
    let [header, payload, signature] = parts(token)?;
    let mut claims = object(payload)?;
    claims["sub"] = json!("somebody-else");
    claims["exp"] = json!(4_102_444_800_i64);
    Some(format!("{header}.{}.{signature}", encode(&claims)))
}

/// The same claims, `alg: none`, no signature (RFC 7519 section 6).
pub(super) fn unsigned(token: &str) -> Option<String> {
    let [_, payload, _] = parts(token)?;
    Some(format!("{}.{payload}.", encode(&json!({"alg": "none", "typ": "JWT"}))))
}

/// The same claims and key id, signed by HMAC-SHA-256 with a key of no bytes.
pub(super) fn empty_hmac(token: &str) -> Option<String> {
    let [header, payload, _] = parts(token)?;
    let mut header = object(header)?;
    header["alg"] = json!("HS256");
    let input = format!("{}.{payload}", encode(&header));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), input.as_bytes());
    Some(format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref())))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use tollgate_core::jwt::{Algorithm, KeySet, OpenToken};
    use tollgate_core::testing::TestKey;

    use super::*;

    #[test]
    fn forgeries_keep_the_shape_and_lose_the_proof() {
        let key = TestKey::generate(Algorithm::ES256, "k1");
        let token = key.sign_claims(&json!({"iss": "https://a.test", "sub": "s", "exp": 1}));
        let (keys, _) = KeySet::parse(key.key_set().as_bytes()).unwrap();
        let verifies = |token: &str| {
            let (input, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            keys.select(Some("k1"), Algorithm::ES256).unwrap().verify(
                Algorithm::ES256,
                input.as_bytes(),
                &signature,
            )
        };
        assert!(verifies(&token).is_ok());
        for forged in [wrong_signature(&token), changed_claims(&token), empty_hmac(&token)] {
            let forged = forged.unwrap();
            assert_eq!(forged.split('.').count(), 3);
            assert!(verifies(&forged).is_err(), "{forged}");
        }
        let changed = changed_claims(&token).unwrap();
        assert_eq!(OpenToken::open(&changed, 9999).unwrap().claims()["sub"], "somebody-else");
        assert!(unsigned(&token).unwrap().ends_with('.'));
    }

    #[test]
    fn what_is_no_token_gives_no_forgery() {
        for text in ["", "tgk_x", "a.b", "a.b.c.d", "a..c"] {
            assert_eq!(wrong_signature(text), None, "{text}");
            assert_eq!(unsigned(text), None, "{text}");
        }
        assert_eq!(changed_claims("!.!.!"), None);
    }
}
