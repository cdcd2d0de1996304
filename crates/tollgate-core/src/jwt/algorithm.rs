//! The signature algorithms that a token may use. There is no variant for `none` or HMAC, so neither can be configured.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature as sig;
use thiserror::Error;

/// An asymmetric JWS algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Ed25519.
    EdDSA,
}

/// Why a name is not an algorithm.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AlgorithmError {
    /// Symmetric: whoever can read the key set could sign.
    #[error(
        "'{0}' is symmetric and never accepted: an issuer's key set is public. Use RS256, PS256, ES256 or EdDSA"
    )]
    Symmetric(String),
    /// Unsigned.
    #[error("'{0}' means unsigned and is never accepted")]
    Unsigned(String),
    /// Not known.
    #[error("'{0}' is not a supported algorithm; there are {all}", all = names())]
    Unknown(String),
}

fn names() -> String {
    Algorithm::ALL.map(Algorithm::as_str).join(", ")
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 10] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
    ];

    /// The `alg` value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }

    pub(super) fn rsa(self) -> Option<&'static sig::RsaParameters> {
        match self {
            Self::RS256 => Some(&sig::RSA_PKCS1_2048_8192_SHA256),
            Self::RS384 => Some(&sig::RSA_PKCS1_2048_8192_SHA384),
            Self::RS512 => Some(&sig::RSA_PKCS1_2048_8192_SHA512),
            Self::PS256 => Some(&sig::RSA_PSS_2048_8192_SHA256),
            Self::PS384 => Some(&sig::RSA_PSS_2048_8192_SHA384),
            Self::PS512 => Some(&sig::RSA_PSS_2048_8192_SHA512),
            Self::ES256 | Self::ES384 | Self::ES512 | Self::EdDSA => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    /// Exact: `rs256` is not an algorithm.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(known) = Self::ALL.into_iter().find(|a| a.as_str() == text) {
            return Ok(known);
        }
        let shown: String = text.chars().take(32).filter(|c| c.is_ascii_graphic()).collect();
        Err(if text.eq_ignore_ascii_case("none") {
            AlgorithmError::Unsigned(shown)
        } else if text.starts_with("HS") {
            AlgorithmError::Symmetric(shown)
        } else {
            AlgorithmError::Unknown(shown)
        })
    }
}
