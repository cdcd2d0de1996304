//! What the issuer draws from a source of randomness.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::{Builder, Uuid};

pub use crate::entropy::{Entropy, EntropyError, SystemEntropy};

/// A random UUID (version 4).
pub(super) fn uuid(entropy: &dyn Entropy) -> Result<Uuid, EntropyError> {
    let mut bytes = [0_u8; 16];
    entropy.fill(&mut bytes)?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}

/// 256 random bits as 43 base64url characters.
pub(super) fn secret(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    let mut bytes = [0_u8; 32];
    entropy.fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
