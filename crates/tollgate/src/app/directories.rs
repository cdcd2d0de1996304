//! From the settings to the work of asking issuers' directories.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use url::Url;

use crate::config::{Compiled, Settings, keycloak_realm};
use crate::directory::{Directory, DirectoryDeps, DirectoryOptions, KeycloakOptions};
use crate::entropy::Entropy;
use crate::views::FetchLimits;

/// The largest answer of a directory, in bytes. A user's attributes can be many.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// One piece of work for each directory of the configuration.
///
/// # Errors
/// An address that is no URL, or a CA file that cannot be used; the configuration's own check says it better before.
pub fn directories(
    settings: &Settings,
    compiled: &Compiled,
    deps: &DirectoryDeps,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<Vec<Directory>> {
    let mut all = Vec::new();
    for (at, directory) in settings.tenancy.directories.iter().enumerate() {
        let path = format!("tenancy.directories[{at}]");
        let named = settings.issuers.iter().find(|issuer| issuer.name == directory.issuer);
        let plan = compiled.issuers.iter().find(|plan| plan.rules.name == directory.issuer);
        let (issuer, plan) = named.zip(plan).with_context(|| format!("{path}.issuer"))?;
        let (url, realm) = keycloak_realm(directory, &issuer.issuer)
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("{path}.url"))?;
        let parse = |text: String| Url::parse(&text).with_context(|| format!("{path}.url"));
        let secret = directory.client_secret.as_ref().with_context(|| format!("{path}.client_secret"))?;
        let options = DirectoryOptions {
            issuer: directory.issuer.clone(),
            interval: Duration::from_secs(directory.interval_secs),
            requests_per_second: directory.requests_per_second,
            max_suspended_percent: directory.max_suspended_percent,
            keycloak: KeycloakOptions {
                admin_url: parse(format!("{url}/admin/realms/{realm}"))?,
                token_url: parse(format!("{url}/realms/{realm}/protocol/openid-connect/token"))?,
                client_id: directory.client_id.clone(),
                client_secret: SecretString::from(secret.reveal().to_owned()),
                fetch: FetchLimits {
                    timeout: plan.fetch_timeout,
                    max_bytes: MAX_ANSWER_BYTES,
                    allow_http: plan.allow_http,
                    ca_file: plan.ca_file.clone(),
                },
            },
        };
        all.push(Directory::new(options, deps.clone(), entropy.as_ref())?);
    }
    Ok(all)
}
