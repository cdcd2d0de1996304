//! JSON Web Tokens (RFC 7515, 7517, 7518, 7519) under the rules of RFC 8725: opened, judged, and nothing skipped.
//!
//! Signatures are checked by `aws-lc-rs`; everything that decides what a signature is worth is here. Order of judgement:
//! text ([`token`]), key ([`keyset`], [`key`]), signature and claims ([`verify()`]).

mod algorithm;
mod fault;
mod id_token;
mod json;
mod key;
mod keyset;
mod logout_token;
mod rules;
mod token;
mod verify;

pub use algorithm::{Algorithm, AlgorithmError};
pub use fault::TokenFault;
pub use id_token::{IdToken, Relation, verify_id_token};
pub use key::{KeyFault, VerifyKey};
pub use keyset::{KeySet, KeySetError, MAX_KEY_SET_BYTES, MAX_KEYS, SkippedKey};
pub use logout_token::{LogoutToken, Scope as LogoutScope, verify_logout_token};
pub use rules::{Audiences, ClaimMap, ClaimPath, ClaimPathError, IssuerRules, RequiredClaim};
pub use token::{DEFAULT_MAX_TOKEN_BYTES, OpenToken, looks_like_jwt};
pub use verify::{VerifiedToken, verify};
