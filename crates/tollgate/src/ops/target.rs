//! The gateway that a tool talks to: where it is, and by which name it is asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use http::HeaderValue;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use url::Url;

/// How a gateway is named on the command line.
#[derive(Clone, Debug, Default)]
pub struct GatewayOptions {
    /// `http://10.0.0.7:31380`, or `https://…`.
    pub url: String,
    /// The host that is asked for, when it is not the URL's: `Host`, and the name in the certificate.
    pub host: Option<String>,
    /// Authorities beside the machine's, as a PEM file.
    pub ca_file: Option<PathBuf>,
}

/// A gateway as it is reached.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Scheme, host and port, without a slash at the end.
    pub url: String,
    /// What goes into `Host`.
    pub host: HeaderValue,
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) tls: Option<Tls>,
}

/// How a TLS gateway is trusted.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub config: Arc<ClientConfig>,
    pub server_name: ServerName<'static>,
}

impl Gateway {
    /// Reads the options.
    ///
    /// # Errors
    /// A URL that names no gateway, or a file of authorities that cannot be used; in words that say what to do.
    pub fn new(options: &GatewayOptions) -> anyhow::Result<Self> {
        let text = &options.url;
        let url = Url::parse(text).with_context(|| format!("--gateway '{text}': write http://HOST:PORT"))?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            other => bail!("--gateway '{text}': '{other}' is neither http nor https"),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty() {
            bail!("--gateway '{text}': only scheme, host and port; the path is given by --path");
        }
        let name = url.host_str().filter(|host| !host.is_empty());
        let name = name.with_context(|| format!("--gateway '{text}' has no host"))?.to_owned();
        let port = url.port_or_known_default().with_context(|| format!("--gateway '{text}' has no port"))?;
        let host = match &options.host {
            Some(host) => host.clone(),
            None => url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}")),
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let asked = options.host.as_deref().map_or(bare.as_str(), |host| without_port(host)).to_owned();
        let tls = if tls { Some(Tls::new(&asked, options.ca_file.as_ref())?) } else { None };
        let host = HeaderValue::from_str(&host)
            .with_context(|| format!("--host '{host}' cannot stand in a header"))?;
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), host, name: bare, port, tls })
    }

    /// Where it is: every address of its name.
    ///
    /// # Errors
    /// The name cannot be resolved.
    pub async fn addresses(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((self.name.as_str(), self.port)).await;
        let found = found.with_context(|| format!("'{}' has no address; check --gateway", self.name))?;
        Ok(found.collect())
    }

    /// The host that is asked for, as text.
    pub fn host_text(&self) -> &str {
        self.host.to_str().unwrap_or_default()
    }
}

impl Tls {
    fn new(name: &str, ca_file: Option<&PathBuf>) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut extra = Vec::new();
        if let Some(file) = ca_file {
            let shown = file.display();
            let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
            extra = read.with_context(|| format!("--ca-file {shown}"))?;
            if extra.is_empty() {
                bail!("--ca-file {shown} holds no certificate in PEM");
            }
        }
        let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
            .context("the machine's certificate authorities; install ca-certificates")?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let server_name = ServerName::try_from(name.to_owned())
            .with_context(|| format!("'{name}' cannot be the name in a certificate"))?;
        Ok(Self { config: Arc::new(config), server_name })
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn gateway(url: &str, host: Option<&str>) -> anyhow::Result<Gateway> {
        let host = host.map(str::to_owned);
        Gateway::new(&GatewayOptions { url: url.to_owned(), host, ca_file: None })
    }

    #[test]
    fn the_host_is_the_urls_unless_it_is_given() {
        let plain = gateway("http://localhost:10080/", None).unwrap();
        assert_eq!(
            (plain.host_text(), plain.port, plain.url.as_str()),
            ("localhost:10080", 10080, "http://localhost:10080")
        );
        let named = gateway("http://10.0.0.7", Some("ai.local.dev")).unwrap();
        assert_eq!((named.host_text(), named.port, named.name.as_str()), ("ai.local.dev", 80, "10.0.0.7"));
        assert_eq!(gateway("http://[::1]:8080", None).unwrap().name, "::1");
    }

    #[test]
    fn tls_asks_for_the_given_host() {
        let tls = |url, host| gateway(url, host).unwrap().tls.unwrap().server_name;
        assert_eq!(
            tls("https://10.0.0.7:8443", Some("ai.test:8443")),
            ServerName::try_from("ai.test").unwrap()
        );
        assert_eq!(tls("https://ai.test", None), ServerName::try_from("ai.test").unwrap());
    }

    #[test]
    fn what_is_no_gateway_is_said() {
        for (url, expected) in [
            ("localhost:10080", "neither http nor https"),
            ("10.0.0.7", "write http://HOST:PORT"),
            ("http://a/b", "--path"),
            ("ftp://a", "neither http nor https"),
        ] {
            let said = format!("{:#}", gateway(url, None).unwrap_err());
            assert!(said.contains(expected), "{url}: {said}");
        }
    }
}
