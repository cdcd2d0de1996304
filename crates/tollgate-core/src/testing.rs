//! For tests only (feature `testing`): keys made on the spot, and tokens that are signed exactly as told, however wrong
//! what they say is.
#![expect(clippy::unwrap_used, reason = "support for tests: a failure here is a failed test")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::apikey::KeyId;
use crate::caller::{KeyLimits, KeyRecord, KeyState, OwnerRecord, ProjectRecord, Standing};
use crate::jwt::Algorithm;
use crate::models::ModelPolicy;

/// A live key of `owner` in project `proj` of organization `org`, with no limits and no expiry.
pub fn key_record(id: &str) -> KeyRecord {
    KeyRecord {
        id: KeyId::parse(id).unwrap(),
        state: KeyState::Live,
        expires_at: None,
        owner: Arc::new(OwnerRecord {
            subject: "owner".into(),
            issuer: Some("https://issuer.example/realms/one".into()),
            name: "olivia".into(),
            email: None,
            standing: Standing::Active,
        }),
        project: Arc::new(ProjectRecord {
            id: "proj".into(),
            organization: "org".into(),
            standing: Standing::Active,
            organization_standing: Standing::Active,
            models: ModelPolicy::All,
        }),
        limits: Arc::new(KeyLimits::NONE),
    }
}

/// A signing key and its public half as a JWK.
pub struct TestKey {
    algorithm: Algorithm,
    kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl std::fmt::Debug for TestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl TestKey {
    /// A fresh key; RSA keys have 2048 bits.
    pub fn generate(algorithm: Algorithm, kid: &str) -> Self {
        let ec = |signing| Pair::Ec(EcdsaKeyPair::generate(signing).unwrap());
        let pair = match algorithm {
            Algorithm::ES256 => ec(&sig::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ec(&sig::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::ES512 => ec(&sig::ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDSA => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            _ => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        };
        Self { algorithm, kid: kid.to_owned(), pair }
    }

    /// The algorithm it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key, with `kid`, `use` and `alg`.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = json!({"kid": self.kid, "use": "sig", "alg": self.algorithm.to_string()});
        let parts = match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({
                    "kty": "RSA",
                    "n": encode(n.big_endian_without_leading_zero()),
                    "e": encode(e.big_endian_without_leading_zero()),
                })
            }
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(point.len() / 2);
                let curve = match self.algorithm {
                    Algorithm::ES384 => "P-384",
                    Algorithm::ES512 => "P-521",
                    _ => "P-256",
                };
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
        };
        for (name, value) in parts.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    /// A key set that holds only this key.
    pub fn key_set(&self) -> String {
        json!({"keys": [self.jwk()]}).to_string()
    }

    /// A compact JWS of this header and these claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_raw(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// As [`TestKey::sign`], with the usual header of this key.
    pub fn sign_claims(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": self.algorithm.to_string(), "kid": self.kid, "typ": "JWT"}), claims)
    }

    /// A compact JWS of exactly these bytes.
    pub fn sign_raw(&self, header: &[u8], payload: &[u8]) -> String {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.signature(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The bare signature over `message`.
    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let encoding: &dyn sig::RsaEncoding = match self.algorithm {
                    Algorithm::RS384 => &sig::RSA_PKCS1_SHA384,
                    Algorithm::RS512 => &sig::RSA_PKCS1_SHA512,
                    Algorithm::PS256 => &sig::RSA_PSS_SHA256,
                    Algorithm::PS384 => &sig::RSA_PSS_SHA384,
                    Algorithm::PS512 => &sig::RSA_PSS_SHA512,
                    _ => &sig::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}
