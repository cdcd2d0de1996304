//! Certificates of a port, and their reload: new files are used for new connections, a bad file keeps the old ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

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
    /// What the files held when they were first read.
    first: Fingerprint,
}

impl Reloading {
    /// Reads the files for the first time.
    pub fn load(files: TlsOptions) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        let first = contents.fingerprint();
        let current = Arc::new(ArcSwap::from_pointee(contents.configuration(&files)?));
        Ok(Self { files, current, first })
    }

    /// For one connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Looks at the files until it is dropped.
    ///
    /// Their contents are compared, not their times: orchestrators swap symbolic links, and copies keep times. A pair
    /// that is written file by file may not fit for one look; the next look takes it.
    pub async fn watch(self, listener: &'static str) {
        let mut seen = Ok(self.first);
        loop {
            tokio::time::sleep(self.files.look_every).await;
            let files = self.files.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || Contents::read(&files)).await else { return };
            let now = read.as_ref().map(Contents::fingerprint).map_err(ToString::to_string);
            if now == seen {
                continue;
            }
            seen = now;
            match read.and_then(|contents| contents.configuration(&self.files)) {
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

type Fingerprint = [u8; SHA256_OUTPUT_LEN];

/// The files' bytes, read once, so that what was compared is what is used.
struct Contents {
    chain: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    fn read(files: &TlsOptions) -> Result<Self, TlsError> {
        let read = |path: &PathBuf| std::fs::read(path).map_err(|error| wrong(path, &error));
        Ok(Self {
            chain: read(&files.cert_file)?,
            key: Zeroizing::new(read(&files.key_file)?),
            client_ca: files.client_ca_file.as_ref().map(read).transpose()?,
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        let parts = [&self.chain, &*self.key, self.client_ca.as_deref().unwrap_or_default()];
        let mut whole = Context::new(&SHA256);
        for part in parts {
            // Each part's own digest, so that bytes cannot move from one file to the next unseen.
            whole.update(digest(&SHA256, part).as_ref());
        }
        let mut fingerprint = [0; SHA256_OUTPUT_LEN];
        fingerprint.copy_from_slice(whole.finish().as_ref());
        fingerprint
    }

    fn configuration(&self, files: &TlsOptions) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(default_provider());
        let chain = certificates(&files.cert_file, &self.chain)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| wrong(&files.key_file, &error))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match (&files.client_ca_file, &self.client_ca) {
            (Some(path), Some(bytes)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path, bytes)? {
                    roots.add(certificate).map_err(|error| wrong(path, &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|error| wrong(path, &error))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut configuration = builder.with_single_cert(chain, key)?;
        configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(configuration)
    }
}

fn wrong(path: &Path, why: &impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), why: why.to_string() }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(path, &error))?;
    if certificates.is_empty() {
        return Err(wrong(path, &"holds no certificate in PEM"));
    }
    Ok(certificates)
}
