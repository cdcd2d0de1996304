//! Which certificates an issuer may show: those of the usual authorities, and of the one in `ca_file`.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::super::{FetchError, IssuerSource, KeyLocation, KeysView};
use super::issuer::Issuer;
use super::{failed, has, loaded, set, source, status, world};

/// An authority of our own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Serves TLS with a certificate for 127.0.0.1 that this authority signed.
fn acceptor(authority: &CertifiedIssuer<'static, KeyPair>) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn secure(issuer: &Issuer, ca_file: Option<PathBuf>) -> IssuerSource {
    let location = KeyLocation::Jwks { url: issuer.url("https", "/jwks") };
    IssuerSource { allow_http: false, ca_file, ..source(location) }
}

#[tokio::test]
async fn an_authority_in_a_file_is_trusted() {
    let authority = authority();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let issuer = Issuer::start_with(set(&["good"]), Some(acceptor(&authority))).await;
    let view = world().start(secure(&issuer, Some(file)));
    loaded(&view).await;
    assert!(has(&view, "good").await);
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let issuer = Issuer::start_with(set(&["good"]), Some(acceptor(&authority()))).await;
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other.pem");
    std::fs::write(&other, authority().pem()).unwrap();
    for ca_file in [None, Some(other)] {
        let view = world().start(secure(&issuer, ca_file));
        let error = failed(&view).await;
        assert!(error.to_lowercase().contains("certificate"), "{error}");
        assert_eq!((status(&view).keys, issuer.asked()), (0, 0));
    }
}

#[tokio::test]
async fn a_file_that_holds_no_certificate_is_said_at_the_start() {
    let issuer = Issuer::start(set(&["good"])).await;
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "not a certificate").unwrap();
    for file in [dir.path().join("missing.pem"), empty] {
        let outcome = KeysView::start(vec![secure(&issuer, Some(file.clone()))], None, &world().deps);
        let error = outcome.err().unwrap_or_else(|| panic!("{} was accepted", file.display()));
        assert!(matches!(error, FetchError::CaFile { .. }), "{error}");
        assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
    }
}
