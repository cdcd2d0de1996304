//! Every way in which a token can be refused: for the operator's log. Callers learn only "invalid" or "expired".

use std::borrow::Cow;

use thiserror::Error;

/// Why a token was refused. No text in here holds bytes of the token beyond short, printable names.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TokenFault {
    /// Not `header.payload.signature`.
    #[error("the token is not a compact JWS of three parts")]
    Structure,
    /// Longer than the configured bound.
    #[error("the token is longer than {0} bytes")]
    TooLarge(usize),
    /// A part is not canonical, unpadded base64url (RFC 7515 section 2).
    #[error("the token's {0} is not canonical base64url")]
    Base64(&'static str),
    /// A part is not a JSON object as RFC 8259 writes it.
    #[error("the token's {0} is not a JSON object")]
    Json(&'static str),
    /// A member name occurs twice: readers would disagree on its value (RFC 7515 section 4).
    #[error("the token's {0} has a duplicate member")]
    DuplicateMember(&'static str),
    /// Deeper or larger than any honest token.
    #[error("the token's {0} is nested too deeply or has too many members")]
    Excessive(&'static str),
    /// A header parameter has the wrong type or form.
    #[error("header parameter '{0}' has a wrong type or form")]
    HeaderParameter(&'static str),
    /// `alg` is unknown, `none` or symmetric.
    #[error("the token's algorithm is not supported")]
    AlgorithmUnsupported,
    /// The issuer may not use this algorithm.
    #[error("the token's algorithm is not among those allowed for its issuer")]
    AlgorithmNotAllowed,
    /// `crit`: an extension that must be understood, and is not (RFC 7515 section 4.1.11).
    #[error("the token demands an extension that is not understood ('crit' or 'b64')")]
    Critical,
    /// The token brings or points to its own key.
    #[error("the token carries or points to a key of its own ('{0}')")]
    EmbeddedKey(&'static str),
    /// Encrypted or compressed.
    #[error("the token is encrypted or compressed")]
    Encrypted,
    /// The header's `typ` or `cty` is of another purpose.
    #[error("the token's header type is not accepted")]
    HeaderType,
    /// No usable key of the issuer has this id.
    #[error("no signing key of the issuer has the token's key id")]
    KeyUnknown,
    /// The key exists and may not be used this way.
    #[error("the key with the token's key id is not for the token's algorithm")]
    KeyMismatch,
    /// The signature is wrong.
    #[error("the signature does not verify")]
    Signature,
    /// No configured issuer signs as this `iss`.
    #[error("no configured issuer accepts the token's 'iss'")]
    IssuerUnknown,
    /// A mandatory claim is absent.
    #[error("claim '{0}' is missing")]
    ClaimMissing(Cow<'static, str>),
    /// A claim has the wrong type or an absurd value.
    #[error("claim '{0}' has a wrong type or an impossible value")]
    ClaimType(Cow<'static, str>),
    /// The token is for somebody else.
    #[error("the token's audience is not accepted")]
    Audience,
    /// `exp` is over.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` lies in the future.
    #[error("the token says it was issued in the future")]
    IssuedInFuture,
    /// Times contradict each other.
    #[error("the token's times contradict each other")]
    TimesContradict,
    /// Lives longer than allowed, or does not say since when.
    #[error("the token lives longer than its issuer's max_lifetime_secs")]
    LifetimeTooLong,
    /// An ID, refresh, offline or logout token.
    #[error("the token is of another kind than an access token")]
    PayloadType,
    /// `nonce` of an ID token is absent or another login's.
    #[error("the token's nonce is not the one of this login")]
    Nonce,
    /// `at_hash` of an ID token belongs to another access token.
    #[error("the token's at_hash is not the hash of the access token beside it")]
    AccessTokenHash,
    /// Bound to a key that the caller did not prove to hold (`cnf`, RFC 7800).
    #[error("the token is bound to a proof key, and no proof can be checked here")]
    Bound,
    /// `azp` is not on the list.
    #[error("the token's authorized party is not accepted")]
    AuthorizedParty,
    /// A configured claim is absent or has another value.
    #[error("required claim '{0}' is absent or has another value")]
    RequiredClaim(String),
    /// A Keycloak lightweight access token.
    #[error(
        "the token has no subject: it is a lightweight access token of client '{client}'; set \
         client.use.lightweight.access.token.enabled=false on that client"
    )]
    Lightweight {
        /// The client whose setting must change; printable characters of `azp`.
        client: String,
    },
}
