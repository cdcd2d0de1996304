//! One HTTP exchange under bounds: no redirects, total time and size limited, and secrets over TLS or to this machine only.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Request, StatusCode};
use url::{Host, Url};

use super::ClientError;
use super::error::{innermost, origin};

/// Bytes of an answer at most: two hundred keys with all that people may write on them are far below.
const MAX_BYTES: usize = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach API and issuer.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// A PEM file with further authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether tokens may go over plain HTTP to another machine.
    pub allow_http: bool,
}

/// A bounded HTTP client.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
    /// For this machine: what stays here must not go round by a proxy that the environment names.
    direct: Client,
    allow_http: bool,
}

/// An answer, read whole.
pub(super) struct Answered {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Http {
    pub(super) fn new(options: &HttpOptions) -> Result<Self, ClientError> {
        let unusable = |e: reqwest::Error| ClientError::Address(innermost(&e));
        let client = builder(options)?.build().map_err(unusable)?;
        let direct = builder(options)?.no_proxy().build().map_err(unusable)?;
        Ok(Self { client, direct, allow_http: options.allow_http })
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether a secret may be sent there.
    pub(super) fn check(&self, url: &Url) -> Result<(), ClientError> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_here(url) || self.allow_http => Ok(()),
            "http" => Err(ClientError::Address(format!(
                "{} would carry your token in clear; use https, or say --allow-http if the way there is safe",
                origin(url)
            ))),
            _ => Err(ClientError::Address(format!("{url} is neither https nor http"))),
        }
    }

    pub(super) async fn send(&self, request: Request) -> Result<Answered, ClientError> {
        self.check(request.url())?;
        let at = origin(request.url());
        let unreachable = |error: reqwest::Error| ClientError::Unreachable {
            url: at.clone(),
            why: innermost(&error.without_url()),
        };
        let client = if is_here(request.url()) { &self.direct } else { &self.client };
        let response = client.execute(request).await.map_err(unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(unreachable)?);
            if body.len() > MAX_BYTES {
                return Err(ClientError::TooLarge(at.clone(), MAX_BYTES));
            }
        }
        Ok(Answered { status, headers, body })
    }
}

fn builder(options: &HttpOptions) -> Result<reqwest::ClientBuilder, ClientError> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &options.ca_file {
        let wrong = |why: String| ClientError::Address(format!("--ca-file {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|e| wrong(innermost(&e)))? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder)
}

/// Whether this is an address of this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_token_goes_over_tls_or_stays_on_this_machine() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let strict = Http::new(&HttpOptions::default()).unwrap();
        let table = [
            ("https://tollgate.example.com", true),
            ("http://localhost:3000", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:3000", true),
            ("http://tollgate.example.com", false),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
            ("ftp://localhost", false),
        ];
        for (url, allowed) in table {
            assert_eq!(strict.check(&url.parse().unwrap()).is_ok(), allowed, "{url}");
        }
        let open = Http::new(&HttpOptions { allow_http: true, ..HttpOptions::default() }).unwrap();
        assert!(open.check(&"http://10.0.0.1".parse().unwrap()).is_ok());
    }
}
