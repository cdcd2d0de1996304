//! Issuers: the core's rules, and where the keys are.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tollgate_core::jwt::{Algorithm, Audiences, ClaimMap, ClaimPath, IssuerRules, RequiredClaim};

use crate::config::problem::Problem;
use crate::config::settings::{
    AudienceSettings, ClaimSettings, ClaimValue, IssuerSettings, OAuth2Settings, Settings,
};

/// The largest key set, in bytes, fetched or in a file.
const MAX_KEY_SET_BYTES: usize = 1 << 20;
/// Where Keycloak serves a realm's keys, below the issuer's URL.
const KEYCLOAK_CERTS: &str = "/protocol/openid-connect/certs";

/// One issuer: its rules, and how its keys are had.
#[derive(Clone, Debug)]
pub struct IssuerPlan {
    /// What its tokens must say.
    pub rules: Arc<IssuerRules>,
    /// Where its keys are.
    pub location: IssuerLocation,
    /// Whether they may be fetched without TLS.
    pub allow_http: bool,
    /// Between refreshes.
    pub refresh: Duration,
    /// Between refreshes that unknown key ids cause.
    pub cooldown: Duration,
    /// How long the last good set serves while the issuer cannot be reached.
    pub max_stale: Duration,
    /// How long one fetch may take.
    pub fetch_timeout: Duration,
    /// The largest answer, in bytes.
    pub max_bytes: usize,
    /// Authorities beside the usual ones, as a PEM file.
    pub ca_file: Option<PathBuf>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerLocation {
    /// Named by the discovery document below this URL.
    Discovery {
        /// The issuer's URL.
        issuer_url: String,
    },
    /// At this URL.
    Jwks {
        /// The key set's URL.
        url: String,
    },
    /// Here: the text of a key set.
    Static {
        /// A JSON Web Key Set.
        jwks: String,
    },
}

pub(super) fn compile(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<IssuerPlan> {
    let mut names = HashSet::new();
    let mut plans = Vec::new();
    for (at, issuer) in settings.issuers.iter().enumerate() {
        let path = format!("issuers[{at}]");
        if !names.insert(issuer.name.as_str()) {
            let text = format!("'{}' is the name of an earlier issuer; give each its own", issuer.name);
            problems.push(Problem::new(format!("{path}.name"), text));
        }
        plans.extend(plan(issuer, &path, problems));
    }
    if let Some(oauth2) = &settings.oauth2 {
        if names.contains("oauth2") {
            problems
                .push(Problem::new("oauth2", "an issuer is named 'oauth2' already; remove one of the two"));
        }
        if let Some(issuer) = from_oauth2(oauth2, problems) {
            plans.extend(plan(&issuer, "oauth2", problems));
        }
    }
    plans
}

/// The older form as an issuer of today.
fn from_oauth2(oauth2: &OAuth2Settings, problems: &mut Vec<Problem>) -> Option<IssuerSettings> {
    let derived = || oauth2.jwks_url.strip_suffix(KEYCLOAK_CERTS).map(str::to_owned);
    let listed = || oauth2.accepted_issuers.as_ref().and_then(|list| list.first().cloned());
    let Some(issuer) = oauth2.issuer.clone().or_else(listed).or_else(derived) else {
        let text = format!("missing; it follows from jwks_url only when that ends in {KEYCLOAK_CERTS}");
        problems.push(Problem::new("oauth2.issuer", text));
        return None;
    };
    let audiences = oauth2.audiences.clone().unwrap_or(AudienceSettings::ANY);
    Some(IssuerSettings {
        jwks_url: Some(oauth2.jwks_url.clone()),
        accepted_issuers: oauth2.accepted_issuers.clone(),
        allow_http: oauth2.allow_http,
        ..IssuerSettings::new("oauth2", issuer, audiences)
    })
}

fn plan(issuer: &IssuerSettings, path: &str, problems: &mut Vec<Problem>) -> Option<IssuerPlan> {
    let before = problems.len();
    let location = location(issuer, path, problems);
    let rules = rules(issuer, path, problems);
    let fetched = match &location {
        Some(IssuerLocation::Discovery { issuer_url: url }) => Some(("issuer", url)),
        Some(IssuerLocation::Jwks { url }) => Some(("jwks_url", url)),
        _ => None,
    };
    if let Some((key, url)) = fetched
        && !issuer.allow_http
        && url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
    {
        let text = format!(
            "'{url}' is fetched without TLS: whoever can change an answer on the way can make keys; use https, or \
             set {path}.allow_http: true"
        );
        problems.push(Problem::new(format!("{path}.{key}"), text));
    }
    if problems.len() > before {
        return None;
    }
    Some(IssuerPlan {
        rules: Arc::new(rules),
        location: location?,
        allow_http: issuer.allow_http,
        refresh: Duration::from_secs(issuer.refresh_secs),
        cooldown: Duration::from_secs(issuer.cooldown_secs),
        max_stale: Duration::from_secs(issuer.max_stale_secs),
        fetch_timeout: Duration::from_millis(issuer.fetch_timeout_ms),
        max_bytes: MAX_KEY_SET_BYTES,
        ca_file: issuer.ca_file.clone(),
    })
}

fn location(issuer: &IssuerSettings, path: &str, problems: &mut Vec<Problem>) -> Option<IssuerLocation> {
    match (&issuer.jwks_url, &issuer.jwks_file) {
        (Some(_), Some(_)) => {
            problems.push(Problem::new(format!("{path}.jwks_file"), "jwks_url is given too; remove one"));
            None
        }
        (Some(url), None) => Some(IssuerLocation::Jwks { url: url.clone() }),
        (None, Some(file)) => match read_key_set(file) {
            Ok(jwks) => Some(IssuerLocation::Static { jwks }),
            Err(wrong) => {
                problems.push(Problem::new(format!("{path}.jwks_file"), wrong));
                None
            }
        },
        (None, None) => Some(IssuerLocation::Discovery { issuer_url: issuer.issuer.clone() }),
    }
}

fn read_key_set(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let cannot = |e: std::io::Error| format!("cannot read '{shown}': {e}");
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(format!("'{shown}' is not a regular file"));
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(cannot)?;
    file.take(MAX_KEY_SET_BYTES as u64 + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() > MAX_KEY_SET_BYTES {
        return Err(format!("'{shown}' has more than {MAX_KEY_SET_BYTES} bytes"));
    }
    let keys = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|set| Some(set.get("keys")?.is_array()));
    if keys != Some(true) {
        return Err(format!("'{shown}' is not a JSON Web Key Set: an object with a list 'keys'"));
    }
    Ok(text)
}

fn rules(issuer: &IssuerSettings, path: &str, problems: &mut Vec<Problem>) -> IssuerRules {
    let accepted = issuer.accepted_issuers.clone().unwrap_or_else(|| vec![issuer.issuer.clone()]);
    let audiences = match &issuer.audiences {
        AudienceSettings::Any(_) => Audiences::Any,
        AudienceSettings::OneOf(list) => Audiences::OneOf(list.clone()),
    };
    let mut rules = IssuerRules::new(issuer.name.clone(), accepted, audiences);
    rules.algorithms.clear();
    for (at, name) in issuer.algorithms.iter().enumerate() {
        match name.as_str().parse::<Algorithm>() {
            Ok(algorithm) => rules.algorithms.push(algorithm),
            Err(wrong) => problems.push(Problem::new(format!("{path}.algorithms[{at}]"), wrong.to_string())),
        }
    }
    rules.leeway_secs = issuer.leeway_secs;
    rules.payload_types.clone_from(&issuer.payload_types);
    rules.header_types.clone_from(&issuer.header_types);
    rules.header_type_required = issuer.header_type_required;
    rules.authorized_parties.clone_from(&issuer.authorized_parties);
    rules.max_lifetime_secs = issuer.max_lifetime_secs.map(u64::from);
    for (claim, values) in &issuer.required_claims {
        let at = format!("{path}.required_claims.{claim}");
        if values.is_empty() {
            problems
                .push(Problem::new(at.clone(), "an empty list is never met; list values, or remove the key"));
        }
        if let Some(claim) = claim_path(claim, &at, problems) {
            let one_of = values.iter().map(ClaimValue::to_json).collect();
            rules.required_claims.push(RequiredClaim { path: claim, one_of });
        }
    }
    if let Some(map) = claim_map(&issuer.claims, &format!("{path}.claims"), problems) {
        rules.claim_map = map;
    }
    rules
}

fn claim_map(claims: &ClaimSettings, path: &str, problems: &mut Vec<Problem>) -> Option<ClaimMap> {
    let mut list = |key: &str, texts: &[String]| -> Vec<ClaimPath> {
        let each = texts.iter().enumerate();
        each.filter_map(|(at, text)| claim_path(text, &format!("{path}.{key}[{at}]"), problems)).collect()
    };
    let username = list("username", &claims.username);
    let groups = list("groups", &claims.groups);
    let subject = claim_path(&claims.subject, &format!("{path}.subject"), problems);
    let email = claim_path(&claims.email, &format!("{path}.email"), problems);
    Some(ClaimMap { subject: subject?, username, email: email?, groups })
}

fn claim_path(text: &str, path: &str, problems: &mut Vec<Problem>) -> Option<ClaimPath> {
    text.parse().map_err(|wrong| problems.push(Problem::new(path, format!("'{text}': {wrong}")))).ok()
}
