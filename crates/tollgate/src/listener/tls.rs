//! Certificates of a port, and their reload: new files are used for new connections, a bad file keeps the old ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// The files of one port, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificate chain, leaf first.
    pub cert_file: PathBuf,
    /// The leaf's private key.
    pub key_file: PathBuf,
    /// When set, clients must show a certificate that one of these signed (mTLS).
    pub client_ca_file: Option<PathBuf>,
    /// How often the files are looked at.
    pub look_every: Duration,
}

/// Why certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The parts do not fit each other.
    #[error("certificate and key do not work together: {0}")]
    Mismatch(#[from] rustls::Error),
}

/// A TLS configuration that follows its files.
#[derive(Clone, Debug)]
pub struct Reloading {
    files: TlsOptions,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl Reloading {
    /// Reads the files for the first time.
    pub fn load(files: TlsOptions) -> Result<Self, TlsError> {
        let current = Arc::new(ArcSwap::from_pointee(configuration(&files)?));
        Ok(Self { files, current })
    }

    /// For one connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Looks at the files until it is dropped.
    pub async fn watch(self, listener: &'static str) {
        let mut seen = fingerprint(&self.files);
        loop {
            tokio::time::sleep(self.files.look_every).await;
            let now = fingerprint(&self.files);
            if now == seen {
                continue;
            }
            seen = now;
            match configuration(&self.files) {
                Ok(fresh) => {
                    self.current.store(Arc::new(fresh));
                    tracing::info!(listener, "TLS certificates were reloaded");
                }
                Err(error) => {
                    tracing::error!(listener, %error, "new TLS certificates cannot be used; the old ones stay");
                }
            }
        }
    }
}

fn fingerprint(files: &TlsOptions) -> Vec<u8> {
    let paths = [Some(&files.cert_file), Some(&files.key_file), files.client_ca_file.as_ref()];
    let contents: Vec<u8> = paths
        .into_iter()
        .flatten()
        .flat_map(|path| digest(&SHA256, &std::fs::read(path).unwrap_or_default()).as_ref().to_vec())
        .collect();
    contents
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |why: String| TlsError::File { path: path.to_owned(), why };
    let read = CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))?;
    let certificates = read.collect::<Result<Vec<_>, _>>().map_err(|e| wrong(e.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("holds no certificate in PEM".into()));
    }
    Ok(certificates)
}

fn configuration(files: &TlsOptions) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let chain = certificates(&files.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|e| TlsError::File { path: files.key_file.clone(), why: e.to_string() })?;
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let wrong = |why: String| TlsError::File { path: path.clone(), why };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|e| wrong(e.to_string()))?)
        }
    };
    let mut configuration = builder.with_single_cert(chain, key)?;
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(configuration)
}
