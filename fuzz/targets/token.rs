//! Any text as a token: opened or refused, and what opens has the shape that a credential is told by.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::jwt::{DEFAULT_MAX_TOKEN_BYTES, OpenToken, looks_like_jwt};

fuzz_target!(|text: &str| {
    if let Ok(open) = OpenToken::open(text, DEFAULT_MAX_TOKEN_BYTES) {
        assert!(looks_like_jwt(text));
        assert_eq!(open.claims().get("iss").and_then(|v| v.as_str()), Some(open.issuer()));
    }
});
