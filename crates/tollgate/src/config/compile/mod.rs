//! From settings to what the process works with: the core's policy, and where each issuer's keys are.

mod issuers;
mod models;
mod routes;

use tollgate_core::credential::{CredentialForm, CredentialHeader};
use tollgate_core::identity::{Fact, IdentityHeaders};
use tollgate_core::policy::Policy;

pub use self::issuers::{IssuerLocation, IssuerPlan};
use super::problem::Problem;
use super::settings::{CredentialFormName, Settings};
use super::validate::header_name;

/// What the settings mean.
#[derive(Debug)]
pub struct Compiled {
    /// The core's rules.
    pub policy: Policy,
    /// Where each issuer's keys are, in the order of [`Policy::issuers`].
    pub issuers: Vec<IssuerPlan>,
}

/// Compiles the settings. Reads the key set files that they name.
///
/// # Errors
/// Every problem that was found; they have paths and no places.
pub fn compile(settings: &Settings) -> Result<Compiled, Vec<Problem>> {
    let mut problems = Vec::new();
    let routes = routes::compile(&settings.routes, &settings.models, &mut problems);
    let issuers = issuers::compile(settings, &mut problems);
    let credential_headers = credential_headers(settings, &mut problems);
    let identity = identity(settings, &credential_headers, &mut problems);
    key_lifetimes(settings, &mut problems);
    let models = models::rules(&settings.models, &credential_headers, &identity, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let rules = issuers.iter().map(|plan| plan.rules.clone()).collect();
    let mut policy = Policy::new(routes, rules).map_err(|e| vec![Problem::new("issuers", e.to_string())])?;
    policy.credential_headers = credential_headers;
    policy.unauthenticated_status = settings.checks.unauthenticated_status.0;
    policy.realm.clone_from(&settings.checks.realm);
    policy.identity = identity;
    policy.models = models;
    policy.max_token_bytes = settings.checks.max_token_bytes;
    Ok(Compiled { policy, issuers })
}

fn credential_headers(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<CredentialHeader> {
    let mut all: Vec<CredentialHeader> = Vec::new();
    for (at, header) in settings.credentials.headers.iter().enumerate() {
        let path = format!("credentials.headers[{at}].name");
        let name = match header_name(&header.name) {
            Ok(name) => name,
            Err(wrong) => {
                problems.push(Problem::new(path, wrong));
                continue;
            }
        };
        if all.iter().any(|other| other.name == name) {
            problems.push(Problem::new(path, format!("'{name}' is listed twice")));
        }
        let form = match header.form {
            CredentialFormName::Bearer => CredentialForm::Bearer,
            CredentialFormName::Bare => CredentialForm::Bare,
        };
        all.push(CredentialHeader { name, form });
    }
    all
}

fn key_lifetimes(settings: &Settings, problems: &mut Vec<Problem>) {
    let keys = &settings.keys;
    if let (Some(max), Some(default)) = (keys.max_lifetime_days, keys.default_lifetime_days)
        && default > max
    {
        let text = format!("{default} is more than keys.max_lifetime_days, which is {max}");
        problems.push(Problem::new("keys.default_lifetime_days", text));
    }
}

/// Headers that a request cannot do without, or that say how it is framed: an identity must not overwrite them.
const TAKEN: [&str; 12] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept",
    "cookie",
];

fn identity(
    settings: &Settings,
    credentials: &[CredentialHeader],
    problems: &mut Vec<Problem>,
) -> IdentityHeaders {
    let mut headers = IdentityHeaders::default().with_compatibility(settings.identity.compatibility);
    let mut names: Vec<String> = Vec::new();
    for fact in Fact::ALL {
        let path = || format!("identity.headers.{}", fact.as_str());
        let name = match header_name(settings.identity.headers.name(fact)) {
            Ok(name) => name,
            Err(wrong) => {
                problems.push(Problem::new(path(), wrong));
                continue;
            }
        };
        if names.contains(&name) {
            problems.push(Problem::new(path(), format!("'{name}' carries another fact already")));
        } else if TAKEN.contains(&name.as_str()) {
            problems
                .push(Problem::new(path(), format!("'{name}' belongs to HTTP; choose a name of your own")));
        } else if name == "authorization" || credentials.iter().any(|c| c.name == name) {
            problems.push(Problem::new(path(), format!("'{name}' carries credentials; choose another name")));
        }
        headers.rename(fact, &name);
        names.push(name);
    }
    headers
}
