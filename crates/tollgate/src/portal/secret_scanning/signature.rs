//! Who reports: a body is read only when one of the configured public keys signed its very bytes.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::portal::Portal;
use crate::portal::body;
use crate::portal::origin::Origin;
use crate::portal::problem::{Answer, Code, Problem};

/// Names the key that signed.
pub const KEY_HEADER: &str = "github-public-key-identifier";
/// Holds the signature of the body.
pub const SIGNATURE_HEADER: &str = "github-public-key-signature";

/// Bytes of a body at most: scanners send many finds together, whatever people may send.
const MAX_BYTES: usize = 1 << 20;

/// A public key by which a scanner proves itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ScannerKey {
    id: String,
    public: Vec<u8>,
}

/// A body that is signed.
#[derive(Debug)]
pub struct Signed {
    /// The id of the key that signed it.
    pub reporter: String,
    /// The bytes as they came.
    pub body: Bytes,
}

impl ScannerKey {
    /// Of this id; `public` is a P-256 key as the DER of its SubjectPublicKeyInfo.
    pub fn new(id: impl Into<String>, public: Vec<u8>) -> Self {
        Self { id: id.into(), public }
    }

    fn signed(&self, body: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.public).verify(body, signature).is_ok()
    }
}

impl fmt::Debug for ScannerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScannerKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl FromRequest<Portal> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Problem> {
        let keys = &portal.options().secret_scanners;
        if keys.is_empty() {
            let detail = "Nobody may report keys here. An operator can name a scanner's public key in api.secret_scanning.keys.";
            return Err(Problem::new(Code::NotFound, detail));
        }
        let (parts, rest) = request.into_parts();
        // A body is not waited for that nobody can have signed.
        let signature = claimed(&parts.headers, keys);
        let origin = Origin::of(&parts, portal);
        portal.limits().admit(origin.address)?;
        let Some((key, signature)) = signature else { return Err(unsigned(portal, &origin)?) };
        let body = body::read_up_to(MAX_BYTES, Request::from_parts(parts, rest), portal).await?;
        if !key.signed(&body, &signature) {
            return Err(unsigned(portal, &origin)?);
        }
        Ok(Self { reporter: key.id.clone(), body })
    }
}

/// The key that a request names, and the signature that it claims; each must stand there once.
fn claimed<'k>(headers: &HeaderMap, keys: &'k [ScannerKey]) -> Option<(&'k ScannerKey, Vec<u8>)> {
    let one = |name: &str| {
        let mut lines = headers.get_all(name).iter();
        let line = lines.next()?;
        if lines.next().is_some() { None } else { line.to_str().ok() }
    };
    let (id, signature) = (one(KEY_HEADER)?, one(SIGNATURE_HEADER)?);
    let key = keys.iter().find(|key| key.id == id)?;
    Some((key, STANDARD.decode(signature.trim()).ok()?))
}

/// The answer to what nobody who is known has signed. Such requests are counted per address.
fn unsigned(portal: &Portal, origin: &Origin) -> Answer<Problem> {
    if let Some(address) = origin.address {
        portal.limits().address(address)?;
    }
    tracing::info!(address = ?origin.address, "a report of leaked keys was refused: its signature is not good");
    let detail = "This report is not signed by a key of api.secret_scanning.keys. Sign the body's bytes with ECDSA P-256 and \
                  SHA-256 (ASN.1, base64 in Github-Public-Key-Signature), and name the key in Github-Public-Key-Identifier. If \
                  the scanner changed its keys, add the new one to the configuration.";
    Ok(Problem::new(Code::Unauthenticated, detail))
}
