//! From the settings to what browser login and introspection take.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use url::Url;

use crate::config::{Compiled, Settings};
use crate::portal::introspection::IntrospectionClient;
use crate::portal::session::{Login, LoginOptions};
use crate::views::FetchLimits;

/// The largest answer of an issuer's endpoints, in bytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Browser login, when it is configured.
///
/// # Errors
/// An address that is no URL, or a CA file that cannot be used; the configuration's own check says it better before.
pub fn login(settings: &Settings, compiled: &Compiled) -> anyhow::Result<Option<Login>> {
    let portal = &settings.portal;
    let Some(login) = &portal.login else { return Ok(None) };
    let plan = compiled.issuers.iter().find(|plan| plan.rules.name == login.issuer);
    let plan = plan.with_context(|| format!("portal.login.issuer: no issuer is named '{}'", login.issuer))?;
    let public_url = portal.public_url.as_deref().context("portal.public_url is missing")?;
    let parse = |key: &str, text: &str| Url::parse(text).with_context(|| format!("portal.login.{key}"));
    let given = |key: &str, text: &Option<String>| text.as_deref().map(|text| parse(key, text)).transpose();
    let authorization_url = given("authorization_url", &login.authorization_url)?;
    let token_url = given("token_url", &login.token_url)?;
    // Who gives both addresses has said all that a login needs.
    let discovery_url = match given("discovery_url", &login.discovery_url)? {
        None if authorization_url.is_some() && token_url.is_some() => None,
        None => Some(parse("issuer", &discovery(issuer_url(settings, &login.issuer, plan)))?),
        given => given,
    };
    let options = LoginOptions {
        public_url: Url::parse(public_url).context("portal.public_url")?,
        issuer: login.issuer.clone(),
        client_id: login.client_id.clone(),
        client_secret: login
            .client_secret
            .as_ref()
            .map(|secret| SecretString::from(secret.reveal().to_owned())),
        scopes: login.scopes.clone(),
        discovery_url,
        authorization_url,
        token_url,
        end_session_url: given("end_session_url", &login.end_session_url)?,
        logout_type_required: login.logout_type_required,
        attempts_per_minute: NonZeroU32::new(login.attempts_per_minute).unwrap_or(NonZeroU32::MIN),
        idle: Duration::from_secs(portal.session.idle_secs),
        reauthenticate_after: super::options::unless_never(portal.session.reauthenticate_after_secs),
        lifetime: Duration::from_secs(portal.session.lifetime_secs),
        fetch: FetchLimits {
            timeout: plan.fetch_timeout,
            max_bytes: MAX_ANSWER_BYTES,
            allow_http: plan.allow_http,
            ca_file: plan.ca_file.clone(),
        },
    };
    Ok(Some(Login::new(options)?))
}

/// Services that may ask about credentials.
pub fn introspection(settings: &Settings) -> Vec<IntrospectionClient> {
    let clients = settings.introspection.clients.iter();
    // A client without a secret does not come through the configuration's check.
    clients
        .filter_map(|client| Some(IntrospectionClient::new(&client.id, client.secret.as_ref()?.reveal())))
        .collect()
}

/// The issuer's URL as it was configured.
fn issuer_url<'s>(settings: &'s Settings, name: &str, plan: &'s crate::config::IssuerPlan) -> &'s str {
    let named =
        settings.issuers.iter().find(|issuer| issuer.name == name).map(|issuer| issuer.issuer.as_str());
    let older = settings.oauth2.as_ref().and_then(|old| old.issuer.as_deref());
    let accepted = plan.rules.accepted_issuers.first().map_or("", String::as_str);
    named.or(older).unwrap_or(accepted)
}

/// OpenID Connect Discovery 1.0 section 4.
fn discovery(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}
