//! From the settings to the plain options that each room takes, so that no room knows the configuration.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context as _;
use http::StatusCode;
use tollgate_core::key_life::KeyLifetimes;
use tollgate_core::policy::Policy;
use url::Url;

use crate::config::settings::{
    ClientAddress, LogFormat as LogFormatSetting, OrganizationMakers, TlsSettings, UnavailableStatus,
};
use crate::config::{Compiled, IssuerLocation, Settings, scanner_key};
use crate::doors::client::ClientSource;
use crate::doors::http::HttpDoorOptions;
use crate::listener::{Budget, Limits, ListenOptions, TlsOptions};
use crate::portal::secret_scanning::ScannerKey;
use crate::portal::{PortalOptions, SignInView};
use crate::store::StoreOptions;
use crate::store::api_keys::KeyPolicy;
use crate::telemetry::{DecisionLogOptions, Decisions, LogFormat, LogOptions, OtlpOptions};
use crate::views::{ApiKeysOptions, ApiKeysView, IssuerSource, KeyLocation, KeysView, Rulebook};

/// The log.
pub fn logs(settings: &Settings, rust_log: Option<String>) -> LogOptions {
    let format = match settings.logging.format {
        LogFormatSetting::Auto => LogFormat::Auto,
        LogFormatSetting::Text => LogFormat::Text,
        LogFormatSetting::Json => LogFormat::Json,
    };
    LogOptions { format, rust_log, level: settings.logging.level.clone(), ..LogOptions::default() }
}

/// The decision line.
pub fn decisions(settings: &Settings) -> DecisionLogOptions {
    let decisions = if settings.logging.decisions { Decisions::All } else { Decisions::None };
    DecisionLogOptions { decisions, ..DecisionLogOptions::default() }
}

/// The database, when one is configured.
pub fn store(settings: &Settings) -> anyhow::Result<Option<StoreOptions>> {
    let database = &settings.database;
    let Some(url) = &database.url else { return Ok(None) };
    Ok(Some(StoreOptions {
        url: url.reveal().to_owned(),
        pool_size: database.pool_size,
        connect_timeout: Duration::from_millis(database.connect_timeout_ms),
        statement_timeout: Duration::from_millis(database.statement_timeout_ms),
    }))
}

/// Traces, when an endpoint is configured.
pub fn otlp(settings: &Settings) -> anyhow::Result<Option<OtlpOptions>> {
    let otlp = &settings.telemetry.otlp;
    let Some(endpoint) = &otlp.endpoint else { return Ok(None) };
    let mut headers = http::HeaderMap::new();
    for (name, value) in &otlp.headers {
        let name =
            http::HeaderName::try_from(name).with_context(|| format!("telemetry.otlp.headers.{name}"))?;
        let mut value = http::HeaderValue::try_from(value.reveal())
            .with_context(|| format!("telemetry.otlp.headers.{name}: the value cannot stand in a header"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(Some(OtlpOptions { endpoint: endpoint.clone(), sample_ratio: otlp.sample_ratio, headers }))
}

/// Where the issuers' keys are.
pub fn sources(compiled: &Compiled) -> anyhow::Result<Vec<IssuerSource>> {
    let source = |plan: &crate::config::IssuerPlan| {
        let location = match &plan.location {
            IssuerLocation::Discovery { issuer_url } => KeyLocation::Discovery { issuer: issuer_url.clone() },
            IssuerLocation::Jwks { url } => KeyLocation::Jwks {
                url: Url::parse(url).with_context(|| format!("jwks_url of issuer {}", plan.rules.name))?,
            },
            IssuerLocation::Static { jwks } => KeyLocation::Static { document: jwks.clone() },
        };
        Ok(IssuerSource {
            rules: plan.rules.clone(),
            location,
            allow_http: plan.allow_http,
            refresh: plan.refresh,
            cooldown: plan.cooldown,
            max_stale: plan.max_stale,
            fetch_timeout: plan.fetch_timeout,
            max_bytes: plan.max_bytes,
            ca_file: plan.ca_file.clone(),
        })
    };
    compiled.issuers.iter().map(source).collect()
}

/// How the view of API keys is kept.
pub fn api_keys(settings: &Settings) -> ApiKeysOptions {
    ApiKeysOptions {
        poll: Duration::from_millis(settings.keys.poll_ms),
        max_stale: Duration::from_secs(settings.keys.max_stale_secs),
        ..ApiKeysOptions::default()
    }
}

/// The rulebook of these settings.
pub fn rulebook(
    settings: &Settings,
    policy: Policy,
    keys: KeysView,
    api_keys: Option<ApiKeysView>,
) -> Rulebook {
    Rulebook {
        policy,
        keys,
        api_keys,
        deadline: Duration::from_millis(settings.checks.deadline_ms),
        max_concurrent: usize::try_from(settings.checks.max_concurrent).unwrap_or(usize::MAX),
    }
}

/// The HTTP doors.
pub fn http_doors(settings: &Settings) -> HttpDoorOptions {
    let check = &settings.server.check;
    HttpDoorOptions {
        trusted_peers: check.trusted_peers.iter().map(|network| network.0).collect(),
        unavailable_status: match check.unavailable_status {
            UnavailableStatus::Forbidden => StatusCode::FORBIDDEN,
            UnavailableStatus::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        },
        envoy_prefix: check.envoy_prefix.clone(),
        client: client_source(&check.client_address),
        body_timeout: check_timeout(settings),
    }
}

/// For the whole message or body of a check to arrive.
pub const fn check_timeout(settings: &Settings) -> Duration {
    Duration::from_millis(settings.server.limits.check_timeout_ms)
}

/// Where a door finds the client's address.
pub fn client_source(setting: &ClientAddress) -> ClientSource {
    match setting {
        ClientAddress::Peer => ClientSource::Peer,
        ClientAddress::Header(name) => ClientSource::Header(name.clone()),
    }
}

/// The portal.
///
/// # Errors
/// A scanner's public key that is none; the configuration's own check says it before.
pub fn portal(settings: &Settings) -> anyhow::Result<PortalOptions> {
    let (api, tenancy) = (&settings.api, &settings.tenancy);
    Ok(PortalOptions {
        max_body_bytes: usize::try_from(api.max_body_bytes).unwrap_or(usize::MAX),
        body_timeout: Duration::from_millis(settings.server.limits.body_timeout_ms),
        requests_per_minute: NonZeroU32::new(api.requests_per_minute).unwrap_or(NonZeroU32::MIN),
        admin_groups: tenancy.admin_groups.clone(),
        open_organizations: tenancy.organizations == OrganizationMakers::Everyone,
        sign_in: sign_in(settings),
        keys: key_policy(settings),
        token_reauthenticate_after: unless_never(api.reauthenticate_after_secs),
        trusted_proxies: api.trusted_proxies.iter().map(|network| network.0).collect(),
        secret_scanners: secret_scanners(settings)?,
    })
}

/// Who may report keys that were found in public.
fn secret_scanners(settings: &Settings) -> anyhow::Result<Vec<ScannerKey>> {
    let keys = settings.api.secret_scanning.keys.iter();
    keys.map(|key| Ok(ScannerKey::new(&key.id, scanner_key(&key.pem).map_err(anyhow::Error::msg)?))).collect()
}

/// Seconds, of which 0 stands for "never".
pub fn unless_never(secs: u64) -> Option<Duration> {
    Some(Duration::from_secs(secs)).filter(|bound| !bound.is_zero())
}

/// How command-line tools sign people in.
fn sign_in(settings: &Settings) -> Option<SignInView> {
    let cli = settings.api.cli.as_ref()?;
    let first = || settings.issuers.first().map(|issuer| issuer.issuer.clone());
    let issuer = cli.issuer.clone().or_else(first)?;
    Some(SignInView { issuer, client_id: cli.client_id.clone(), scopes: cli.scopes.clone() })
}

/// What holds for every API key.
pub fn key_policy(settings: &Settings) -> KeyPolicy {
    let keys = &settings.keys;
    KeyPolicy {
        max_per_project: keys.max_per_project,
        lifetimes: KeyLifetimes {
            max_days: keys.max_lifetime_days,
            default_days: keys.default_lifetime_days,
        },
    }
}

/// For a gateway to take the answer of a check. It has given up on one that old.
const CHECK_ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The four ports: http, grpc, check, metrics.
pub fn listeners(settings: &Settings) -> [ListenOptions; 4] {
    let server = &settings.server;
    let secs = Duration::from_secs;
    let bytes = usize::try_from(server.limits.max_bytes_in_flight).unwrap_or(usize::MAX);
    // People and strangers at their port must not take the room of checks.
    let (people, checks) = (Budget::new(bytes / 4), Budget::new(bytes - bytes / 4));
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let limits = Limits {
        header_read_timeout: secs(server.limits.header_read_timeout_secs),
        max_header_bytes: server.limits.max_header_bytes,
        max_connections: count(server.limits.max_connections),
        max_connections_per_address: count(server.http.max_connections_per_address),
        max_streams: server.http.max_streams,
        grace: secs(server.shutdown_grace_secs),
        budget: people,
        ..Limits::default()
    };
    let http_limits = Limits {
        many_behind: settings.api.trusted_proxies.iter().map(|network| network.0).collect(),
        probed: &["/health", "/health/ready"],
        ..limits.clone()
    };
    let check_limits = Limits {
        // Envoy keeps an idle connection for an hour.
        idle_timeout: secs(3900),
        max_connections_per_address: count(server.check.max_connections_per_address),
        budget: checks,
        answer_timeout: CHECK_ANSWER_TIMEOUT,
        max_streams: server.grpc.max_streams,
        ..limits.clone()
    };
    let grpc_limits = Limits {
        max_connections_per_address: count(server.grpc.max_connections_per_address),
        max_connection_age: Some(secs(server.grpc.max_connection_age_secs)).filter(|age| !age.is_zero()),
        max_connection_age_jitter: secs(server.grpc.max_connection_age_jitter_secs),
        keepalive_interval: Some(secs(server.grpc.keepalive_interval_secs)).filter(|every| !every.is_zero()),
        keepalive_timeout: secs(server.grpc.keepalive_timeout_secs),
        idle_timeout: limits.idle_timeout,
        ..check_limits.clone()
    };
    let port = |name, setting, address, tls: Option<&TlsSettings>, limits: &Limits| ListenOptions {
        name,
        setting,
        address,
        tls: tls.map(|tls| TlsOptions {
            cert_file: tls.cert_file.clone(),
            key_file: tls.key_file.clone(),
            client_ca_file: tls.client_ca_file.clone(),
            look_every: secs(tls.reload_secs),
        }),
        limits: limits.clone(),
    };
    [
        port("http", "server.http.listen", server.http.listen.0, None, &http_limits),
        port("grpc", "server.grpc.listen", server.grpc.listen.0, server.grpc.tls.as_ref(), &grpc_limits),
        port("check", "server.check.listen", server.check.listen.0, server.check.tls.as_ref(), &check_limits),
        port("metrics", "server.metrics.listen", server.metrics.listen.0, None, &limits),
    ]
}
