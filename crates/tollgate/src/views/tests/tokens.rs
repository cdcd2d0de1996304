//! The memory for verified tokens: what goes in comes out, and it never outgrows its bytes.

use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tollgate_core::jwt::{Algorithm, Audiences, IssuerRules, KeySet, OpenToken, VerifiedToken, verify};
use tollgate_core::time::Timestamp;

use super::super::{Epoch, TokenCache};
use super::jwk_of;

/// A verified token whose text has about this many bytes.
fn token(subject: &str, bytes: usize) -> Arc<VerifiedToken> {
    let pair = Ed25519KeyPair::generate().unwrap();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims =
        json!({"iss": "http://issuer.test", "sub": subject, "exp": 2000, "pad": "x".repeat(bytes * 3 / 4)});
    let signed = format!("{}.{}", part(json!({"alg": "EdDSA", "kid": "k"})), part(claims));
    let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes())));
    let (keys, _) = KeySet::parse(json!({"keys": [jwk_of("k", &pair)]}).to_string().as_bytes()).unwrap();
    let rules = IssuerRules::new("one", vec!["http://issuer.test".into()], Audiences::Any);
    let opened = OpenToken::open(&text, 1 << 20).unwrap();
    let key = keys.select(Some("k"), Algorithm::EdDSA).unwrap();
    Arc::new(verify(&opened, &rules, key, Timestamp::from_secs(1000)).unwrap())
}

fn digest(n: u32) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&n.to_le_bytes());
    digest
}

#[test]
fn what_was_put_is_what_is_got() {
    let cache = TokenCache::new(1 << 20);
    assert!(cache.get(&digest(1)).is_none());
    let token = token("alice", 100);
    cache.put(digest(1), Arc::clone(&token), Epoch::NONE);
    let known = cache.get(&digest(1)).unwrap();
    assert!(Arc::ptr_eq(&known.token, &token));
    assert_eq!(known.epoch, Epoch::NONE);
    assert!(cache.get(&digest(2)).is_none());
    assert_eq!(cache.size(), (1, u64::try_from(token.weight()).unwrap()));
}

#[test]
fn it_never_outgrows_its_bytes() {
    const MAX: u64 = 1 << 20;
    let cache = TokenCache::new(MAX);
    let (small, large) = (token("small", 200), token("large", 12_000));
    for n in 0..10_000 {
        let token = if n % 3 == 0 { &large } else { &small };
        cache.put(digest(n), Arc::clone(token), Epoch::NONE);
        let (_, bytes) = cache.size();
        assert!(bytes <= MAX, "{bytes} bytes after {n} tokens");
    }
    let (entries, bytes) = cache.size();
    assert!(entries > 20 && bytes > MAX / 2, "{entries} tokens in {bytes} bytes: it must be put to use");
}

#[test]
fn with_no_bytes_nothing_is_remembered() {
    let cache = TokenCache::new(0);
    cache.put(digest(1), token("alice", 100), Epoch::NONE);
    assert!(cache.get(&digest(1)).is_none());
    assert_eq!(cache.size(), (0, 0));
}
