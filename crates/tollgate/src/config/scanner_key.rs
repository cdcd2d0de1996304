//! The public key of a secret scanner, from its PEM.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

/// The DER of a P-256 key's SubjectPublicKeyInfo (RFC 5280).
///
/// # Errors
/// In words for whoever wrote the configuration.
pub fn scanner_key(pem: &str) -> Result<Vec<u8>, String> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
        .map_err(|wrong| format!("is no public key in PEM (-----BEGIN PUBLIC KEY-----): {wrong}"))?;
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der.as_ref())
        .map_err(|_| "is no ECDSA key on P-256, which is what secret scanners sign with".to_owned())?;
    Ok(der.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const P256: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEzgy27r0qRhoWFrnr1dYXqlBi6lxU\n\
        ed5r0PsIQfYG4Q2XYI0ClYpj3taUxUs1SmL2AA8Z7ulxefTU2PoFpmv0QQ==\n\
        -----END PUBLIC KEY-----\n";
    const P384: &str = "-----BEGIN PUBLIC KEY-----\n\
        MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEHCcF+nBR5XEYa1mceEXe1hF1SauesIoH\n\
        /knk5qWMcTl/saQ+nle0rF0yb6bMqiP5Isld+TzFKsyDRlywMWuPEYlpU6+ELhe7\n\
        n1v7lapG2ve5RPIBmWN6134924yjv0e3\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn only_a_point_on_p_256_is_a_scanners_key() {
        assert_eq!(scanner_key(P256).unwrap().len(), 91);
        assert!(scanner_key(P384).unwrap_err().contains("P-256"));
        let off_the_curve = P256.replace("2PoFpmv0QQ==", "2PoFpmv0QA==");
        assert!(scanner_key(&off_the_curve).unwrap_err().contains("P-256"));
        for none in ["", "x", &P256.replace("PUBLIC", "PRIVATE"), &P256[..80]] {
            assert!(scanner_key(none).unwrap_err().contains("BEGIN PUBLIC KEY"), "{none}");
        }
    }
}
