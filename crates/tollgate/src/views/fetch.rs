//! One bounded HTTP exchange: no redirects, no proxies, a total deadline, and a size that is checked while it arrives.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, StatusCode};
use thiserror::Error;
use url::Url;

/// Bounds of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// For the whole exchange, connecting included.
    pub timeout: Duration,
    /// Of the body.
    pub max_bytes: usize,
    /// Whether `http://` is allowed.
    pub allow_http: bool,
    /// A CA certificate in PEM that is trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why there is no document.
#[derive(Debug, Error)]
pub enum FetchError {
    /// `http://` without `allow_http`.
    #[error("{0} is not https; set allow_http on the issuer if that is meant")]
    Plain(Url),
    /// Not a URL.
    #[error("'{0}' is not a URL")]
    Address(String),
    /// No answer, or none in time. The source says what failed.
    #[error("{url} could not be fetched: {why}")]
    Unreachable {
        /// The address.
        url: Url,
        /// The innermost cause.
        why: String,
    },
    /// Anything but 200; redirects are not followed.
    #[error("{0} answered {1}")]
    Status(Url, StatusCode),
    /// The body is too large.
    #[error("{0} sent more than {1} bytes")]
    TooLarge(Url, usize),
    /// The CA file cannot be used.
    #[error("CA file {}: {why}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A document, and what its server says the time is.
#[derive(Debug)]
pub struct Fetched {
    /// The document.
    pub body: Vec<u8>,
    /// The `Date` header (RFC 9110 section 6.6.1).
    pub date: Option<String>,
}

/// A client for one issuer.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    limits: FetchLimits,
}

impl Fetcher {
    /// Reads the CA file, if any, and sets the bounds.
    ///
    /// # Errors
    /// [`FetchError::CaFile`].
    pub fn new(limits: FetchLimits) -> Result<Self, FetchError> {
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(limits.timeout)
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &limits.ca_file {
            let wrong = |why: String| FetchError::CaFile { path: path.clone(), why };
            let pem = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| wrong(innermost(&e)))?;
            if certificates.is_empty() {
                return Err(wrong("holds no certificate in PEM".into()));
            }
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|e| FetchError::CaFile {
            path: limits.ca_file.clone().unwrap_or_default(),
            why: innermost(&e),
        })?;
        Ok(Self { client, limits })
    }

    /// Fetches one document.
    ///
    /// # Errors
    /// [`FetchError`]; the body of a failed answer is not read.
    pub async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        Ok(self.get_dated(url).await?.body)
    }

    /// Fetches one document with its date.
    ///
    /// # Errors
    /// [`FetchError`]; the body of a failed answer is not read.
    pub async fn get_dated(&self, url: &Url) -> Result<Fetched, FetchError> {
        self.check_scheme(url)?;
        let response = self.client.get(url.clone()).send().await.map_err(|error| unreachable(url, error))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(url.clone(), response.status()));
        }
        let date = response.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.map(str::to_owned);
        Ok(Fetched { body: self.read(url, response).await?, date })
    }

    /// Sends a request and reads the answer whatever its status is; a redirect is an answer.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, FetchError> {
        let text = request.uri().to_string();
        let url = Url::parse(&text).map_err(|_| FetchError::Address(text))?;
        self.check_scheme(&url)?;
        let request = reqwest::Request::try_from(request).map_err(|error| unreachable(&url, error))?;
        let response = self.client.execute(request).await.map_err(|error| unreachable(&url, error))?;
        let mut answer = http::Response::new(Vec::new());
        *answer.status_mut() = response.status();
        answer.headers_mut().clone_from(response.headers());
        *answer.body_mut() = self.read(&url, response).await?;
        Ok(answer)
    }

    fn check_scheme(&self, url: &Url) -> Result<(), FetchError> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.limits.allow_http => Ok(()),
            _ => Err(FetchError::Plain(url.clone())),
        }
    }

    async fn read(&self, url: &Url, response: reqwest::Response) -> Result<Vec<u8>, FetchError> {
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|error| unreachable(url, error))?);
            if body.len() > self.limits.max_bytes {
                return Err(FetchError::TooLarge(url.clone(), self.limits.max_bytes));
            }
        }
        Ok(body)
    }
}

fn unreachable(url: &Url, error: reqwest::Error) -> FetchError {
    FetchError::Unreachable { url: url.clone(), why: innermost(&error.without_url()) }
}

/// The last cause in the chain: "connection refused" says more than "error sending request".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
