//! What the schema cannot say: keys against each other, files that must be usable, and what deserves a warning.

use std::path::Path;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tracing_subscriber::EnvFilter;

use super::problem::Problem;
use super::settings::{AudienceSettings, ClientAddress, Settings, TlsSettings, UnavailableStatus};

/// Envoy's time-out for a check unless it is set.
const ENVOY_TIMEOUT_MS: u64 = 200;

/// Problems first, warnings second.
pub(super) fn check(settings: &Settings) -> (Vec<Problem>, Vec<Problem>) {
    let mut found = Findings::default();
    found.listeners(settings);
    found.checks(settings);
    found.issuers(settings);
    found.state_and_sight(settings);
    found.portal(settings);
    found.problems.extend(super::directories::check(settings));
    found.introspection(settings);
    found.secret_scanning(settings);
    (found.problems, found.warnings)
}

#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Findings {
    fn problem(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.problems.push(Problem::new(path, text));
    }

    fn warn(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.warnings.push(Problem::new(path, text));
    }

    fn listeners(&mut self, settings: &Settings) {
        let server = &settings.server;
        let all = [
            ("server.http.listen", server.http.listen),
            ("server.grpc.listen", server.grpc.listen),
            ("server.check.listen", server.check.listen),
            ("server.metrics.listen", server.metrics.listen),
        ];
        for (at, (path, listen)) in all.iter().enumerate() {
            if let Some((other, _)) = all.iter().take(at).find(|(_, other)| listen.collides_with(*other)) {
                self.problem(
                    *path,
                    format!("{} is taken by {other}; checks and people never share a port", listen.0),
                );
            }
        }
        for (path, tls) in [("server.grpc.tls", &server.grpc.tls), ("server.check.tls", &server.check.tls)] {
            if let Some(tls) = tls {
                self.tls(path, tls);
            }
        }
        for (at, peer) in server.check.trusted_peers.iter().enumerate() {
            if peer.0.prefix_len() == 0 {
                let text =
                    "trusts everybody: who reaches this port can claim any host and path; name your proxies";
                self.warn(format!("server.check.trusted_peers[{at}]"), text);
            }
        }
        for (path, client) in [
            ("server.grpc.client_address", &server.grpc.client_address),
            ("server.check.client_address", &server.check.client_address),
        ] {
            let ClientAddress::Header(name) = client else { continue };
            let credentials = settings.credentials.headers.iter();
            if name == "authorization"
                || credentials.into_iter().any(|header| header.name.eq_ignore_ascii_case(name))
            {
                self.problem(
                    path,
                    format!("'{name}' carries credentials; name a header that the gateway writes"),
                );
            }
        }
        if server.check.unavailable_status == UnavailableStatus::ServiceUnavailable {
            let text =
                "503 lets requests through at gateways with failure_mode_allow; 403 denies at every gateway";
            self.warn("server.check.unavailable_status", text);
        }
        if server.drain_delay_secs >= server.shutdown_grace_secs {
            self.problem("server.drain_delay_secs", "must be shorter than server.shutdown_grace_secs");
        }
    }

    fn tls(&mut self, path: &str, tls: &TlsSettings) {
        let certificates = self.certificates(&format!("{path}.cert_file"), &tls.cert_file);
        if let Some(file) = &tls.client_ca_file {
            self.certificates(&format!("{path}.client_ca_file"), file);
        }
        let key = match PrivateKeyDer::from_pem_file(&tls.key_file) {
            Ok(key) => key,
            Err(wrong) => {
                let shown = tls.key_file.display();
                return self.problem(
                    format!("{path}.key_file"),
                    format!("no private key could be read from '{shown}': {wrong}"),
                );
            }
        };
        if let Some(chain) = certificates
            && let Err(wrong) = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        {
            self.problem(format!("{path}.key_file"), format!("does not fit the certificate: {wrong}"));
        }
    }

    fn certificates(&mut self, path: &str, file: &Path) -> Option<Vec<CertificateDer<'static>>> {
        let shown = file.display();
        let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
        match read {
            Ok(list) if list.is_empty() => {
                self.problem(path, format!("there is no PEM certificate in '{shown}'"));
                None
            }
            Ok(list) => Some(list),
            Err(wrong) => {
                self.problem(path, format!("no certificate could be read from '{shown}': {wrong}"));
                None
            }
        }
    }

    fn checks(&mut self, settings: &Settings) {
        let deadline = settings.checks.deadline_ms;
        if deadline >= ENVOY_TIMEOUT_MS {
            let text = format!(
                "{deadline} ms is not below Envoy's own time-out of {ENVOY_TIMEOUT_MS} ms: unless that is raised, \
                 Envoy gives up first, and failure_mode_allow then lets the request through"
            );
            self.warn("checks.deadline_ms", text);
        }
        if !settings.checks.realm.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\') {
            self.problem("checks.realm", "write printable ASCII without quotes and backslashes");
        }
        if settings.routes.is_empty() {
            self.warn("routes", "no route is configured: every request is denied");
        } else if settings.issuers.is_empty() && settings.oauth2.is_none() {
            self.warn("issuers", "no issuer is configured: only public routes let anyone pass");
        }
    }

    fn issuers(&mut self, settings: &Settings) {
        for (at, issuer) in settings.issuers.iter().enumerate() {
            let path = format!("issuers[{at}]");
            let fetched = issuer.jwks_url.as_deref().unwrap_or(&issuer.issuer);
            if issuer.allow_http && issuer.jwks_file.is_none() && is_http(fetched) {
                let text = "signing keys are fetched without TLS: whoever can change an answer on the way can make keys";
                self.warn(format!("{path}.allow_http"), text);
            }
            if matches!(&issuer.audiences, AudienceSettings::OneOf(list) if list.is_empty()) {
                self.problem(format!("{path}.audiences"), "an empty list would deny everybody");
            }
            if issuer.max_stale_secs < issuer.refresh_secs {
                let text =
                    "must not be shorter than refresh_secs: keys would be dropped before their refresh";
                self.problem(format!("{path}.max_stale_secs"), text);
            }
            if let Some(file) = &issuer.ca_file {
                self.certificates(&format!("{path}.ca_file"), file);
            }
        }
        if let Some(oauth2) = &settings.oauth2 {
            if oauth2.audiences.is_none() {
                let text = "not given, so tokens that were made for any client are accepted; list the `aud` values to \
                            accept, or write `any` to keep it so";
                self.warn("oauth2.audiences", text);
            }
            if oauth2.allow_http && is_http(&oauth2.jwks_url) {
                let text = "signing keys are fetched without TLS: whoever can change an answer on the way can make keys";
                self.warn("oauth2.jwks_url", text);
            }
        }
    }

    fn state_and_sight(&mut self, settings: &Settings) {
        if let Some(url) = &settings.database.url {
            let known = ["postgres://", "postgresql://", "sqlite:"];
            if !known.iter().any(|scheme| url.reveal().starts_with(scheme)) {
                self.problem("database.url", "must start with postgres:// or sqlite://");
            }
        }
        if let Err(wrong) = log_directives(&settings.logging.level) {
            let text = format!(
                "'{}' is not understood ({wrong}); write error, warn, info, debug, trace, off, or directives such as \
                 info,tollgate=debug",
                settings.logging.level
            );
            self.problem("logging.level", text);
        }
        for name in settings.telemetry.otlp.headers.keys() {
            if let Err(wrong) = super::validate::header_name(name) {
                self.problem(format!("telemetry.otlp.headers.{name}"), wrong);
            }
        }
    }
}

/// Browser login and introspection.
impl Findings {
    fn portal(&mut self, settings: &Settings) {
        let portal = &settings.portal;
        if let Some(text) = &portal.public_url
            && let Err(wrong) = public_url(text)
        {
            self.problem("portal.public_url", wrong);
        }
        if portal.session.idle_secs > portal.session.lifetime_secs {
            self.problem("portal.session.idle_secs", "must not be longer than portal.session.lifetime_secs");
        }
        let Some(login) = &portal.login else { return };
        if portal.public_url.is_none() {
            self.problem("portal.login", "needs portal.public_url, for the way back from the issuer");
        }
        if settings.database.url.is_none() && settings.database.url_file.is_none() {
            self.problem("portal.login", "needs a database for its sessions; set database.url");
        }
        if !login.scopes.iter().any(|scope| scope == "openid") {
            let text = "must have 'openid' in it: without it the issuer does not say who logged in";
            self.problem("portal.login.scopes", text);
        }
        let names: Vec<&str> = settings.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
        let older = settings.oauth2.as_ref().filter(|_| login.issuer == "oauth2").map(|old| old.allow_http);
        let named = settings.issuers.iter().find(|issuer| issuer.name == login.issuer);
        let Some(allow_http) = named.map(|issuer| issuer.allow_http).or(older) else {
            let known = if names.is_empty() { "none is configured".into() } else { names.join(", ") };
            let text = format!("no issuer is named '{}'; known: {known}", login.issuer);
            return self.problem("portal.login.issuer", text);
        };
        let addresses = [
            ("discovery_url", &login.discovery_url),
            ("authorization_url", &login.authorization_url),
            ("token_url", &login.token_url),
            ("end_session_url", &login.end_session_url),
        ];
        for (key, url) in addresses {
            if !allow_http && url.as_deref().is_some_and(is_http) {
                let text =
                    format!("is not https; use https, or set allow_http on the issuer '{}'", login.issuer);
                self.problem(format!("portal.login.{key}"), text);
            }
        }
    }

    fn introspection(&mut self, settings: &Settings) {
        let clients = &settings.introspection.clients;
        for (at, client) in clients.iter().enumerate() {
            let path = format!("introspection.clients[{at}]");
            if clients.iter().take(at).any(|other| other.id == client.id) {
                self.problem(format!("{path}.id"), format!("'{}' is listed twice", client.id));
            }
            if client.id.contains(':') {
                self.problem(format!("{path}.id"), "must not have ':' in it: HTTP Basic separates by it");
            }
            match &client.secret {
                None if client.secret_file.is_none() => {
                    self.problem(format!("{path}.secret"), "missing; give secret or secret_file");
                }
                Some(secret) if secret.reveal().chars().count() < MIN_SECRET => {
                    let text = format!("is shorter than {MIN_SECRET} characters; use a long random one");
                    self.problem(format!("{path}.secret"), text);
                }
                _ => {}
            }
        }
    }
}

/// Secret scanners.
impl Findings {
    fn secret_scanning(&mut self, settings: &Settings) {
        let keys = &settings.api.secret_scanning.keys;
        for (at, key) in keys.iter().enumerate() {
            let path = format!("api.secret_scanning.keys[{at}]");
            if keys.iter().take(at).any(|other| other.id == key.id) {
                self.problem(format!("{path}.id"), format!("'{}' is listed twice", key.id));
            }
            if let Err(wrong) = super::scanner_key(&key.pem) {
                self.problem(format!("{path}.pem"), wrong);
            }
        }
    }
}

/// Characters of a client's secret at least.
const MIN_SECRET: usize = 16;

/// Cookies are bound to a host and sent over TLS alone, except on the developer's own machine.
fn public_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|wrong| format!("'{text}' is not a URL: {wrong}"))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err("must be scheme and host alone, such as https://tollgate.example.com".into());
    }
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => {
            Err("must be https: a session cookie is sent over TLS alone (http is accepted for localhost)"
                .into())
        }
    }
}

/// The filter takes any lone word for a module's name, so that `inof` would silence everything else.
fn log_directives(text: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    for word in text.split(',').map(str::trim) {
        let names_module = word.contains(['=', '[', ':']);
        if !names_module && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word)) {
            return Err(format!("'{word}' is not a level; a module's is written {word}=debug"));
        }
    }
    EnvFilter::try_new(text).map(|_| ()).map_err(|e| e.to_string())
}

pub(super) fn is_http(url: &str) -> bool {
    url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
}
