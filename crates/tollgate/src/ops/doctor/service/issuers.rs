//! Issuers: reached as the gate reaches them, their keys read by the gate's own rules, their clocks compared with ours.

use jiff::fmt::rfc2822::DateTimeParser;
use tollgate_core::jwt::{KeyFault, KeySet, KeySetError};
use tollgate_core::time::Timestamp;
use url::Url;

use super::{is_cluster_name, look_inside};
use crate::clock::Clock;
use crate::config::{IssuerLocation, IssuerPlan};
use crate::ops::doctor::finding::Finding;
use crate::ops::doctor::kube::Expect;
use crate::views::{DiscoveryError, FetchError, FetchLimits, Fetcher, jwks_url};

/// A clock may differ by this much before it is worth a word, in seconds. Dates are whole seconds, and travel.
const CLOCK_SECS: u64 = 5;

/// Looks at one issuer; its keys, when they could be had.
pub(super) async fn examine(
    plan: &IssuerPlan,
    clock: &dyn Clock,
    expect: &Expect,
) -> (Vec<Finding>, Option<KeySet>) {
    let place = format!("issuer {}", plan.rules.name);
    if let IssuerLocation::Static { jwks } = &plan.location {
        return keys(&place, "its file", jwks.as_bytes());
    }
    let limits = FetchLimits {
        timeout: plan.fetch_timeout,
        max_bytes: plan.max_bytes,
        allow_http: plan.allow_http,
        ca_file: plan.ca_file.clone(),
    };
    let fetched = async {
        let fetcher = Fetcher::new(limits)?;
        let url = match &plan.location {
            IssuerLocation::Discovery { issuer_url } => jwks_url(&fetcher, issuer_url).await?,
            IssuerLocation::Jwks { url } => {
                Url::parse(url).map_err(|_| DiscoveryError::IssuerUrl(url.clone()))?
            }
            IssuerLocation::Static { .. } => return Err(DiscoveryError::IssuerUrl(String::new())),
        };
        let answer = fetcher.get_dated(&url).await?;
        Ok((fetcher, url, answer))
    };
    let (fetcher, url, answer) = match fetched.await {
        Ok(fetched) => fetched,
        Err(error) => return (vec![unfetched(plan, &place, &error, expect)], None),
    };
    let (mut findings, set) = keys(&place, url.as_str(), &answer.body);
    if let Some(date) = &answer.date {
        findings.extend(clocks(plan, &place, date, clock.now()));
    }
    if matches!(plan.location, IssuerLocation::Jwks { .. }) {
        findings.extend(announced(plan, &place, &fetcher, &url).await);
    }
    (findings, set)
}

fn unfetched(plan: &IssuerPlan, place: &str, error: &DiscoveryError, expect: &Expect) -> Finding {
    let what = error.to_string();
    let mend = match error {
        DiscoveryError::Fetch(FetchError::Unreachable { url, .. }) => {
            if url.host_str().is_some_and(is_cluster_name) {
                return Finding::unseen("issuer_unreachable", place, what, look_inside(expect));
            }
            format!(
                "curl -v {url}: does the issuer run, and may this machine reach it? Behind an authority of its own: ca_file"
            )
        }
        DiscoveryError::Fetch(FetchError::Status(url, _)) => {
            format!("curl -v {url}: is the realm's name right in the issuer's URL?")
        }
        DiscoveryError::Fetch(FetchError::Plain(_)) => {
            "use https, or set allow_http: true on the issuer".to_owned()
        }
        DiscoveryError::Fetch(_) => "check the address and ca_file of the issuer".to_owned(),
        DiscoveryError::OtherIssuer { said, .. } => format!(
            "set the issuer's `issuer: {said}`; if its tokens carry another `iss` than that, list both in accepted_issuers and \
             give jwks_url"
        ),
        DiscoveryError::OtherHost(url) => format!("if keys are really served there, set jwks_url: {url}"),
        DiscoveryError::IssuerUrl(_) | DiscoveryError::Malformed(..) => {
            "set the issuer's URL so that its discovery document is below it, or give jwks_url".to_owned()
        }
    };
    let code = match error {
        DiscoveryError::OtherIssuer { .. } => "issuer_mismatch",
        _ => "issuer_unreachable",
    };
    // Without keys the tokens of this issuer are all answered with 503.
    Finding::error(
        code,
        place,
        format!("{what}; without keys the tokens of '{}' cannot be judged", plan.rules.name),
        mend,
    )
}

fn keys(place: &str, source: &str, document: &[u8]) -> (Vec<Finding>, Option<KeySet>) {
    let (set, skipped) = match KeySet::parse(document) {
        Ok(parsed) => parsed,
        Err(error) => {
            let mend = match &error {
                KeySetError::NoUsableKey(_) => {
                    "give the issuer a signing key (RS256, ES256 or kin) of usual strength"
                }
                _ => "check that the address serves a JSON Web Key Set",
            };
            return (vec![Finding::error("issuer_keys", place, format!("{source}: {error}"), mend)], None);
        }
    };
    let ids: Vec<&str> = set.key_ids().collect();
    let mut findings = vec![Finding::ok(
        "issuer",
        place,
        format!("{source}: {} signing keys ({})", set.len(), ids.join(", ")),
    )];
    if set.published_private() {
        let mend = "replace that key at once: whoever read the document can sign as the issuer";
        findings.push(Finding::error("issuer_private_key", place, "a private key is published", mend));
    }
    for key in skipped.iter().filter(|key| key.fault != KeyFault::Purpose) {
        let id = key.id.as_deref().unwrap_or("without id");
        let what = format!("key {id} is not used: {}", key.fault);
        if key.fault == KeyFault::Symmetric {
            let mend = "replace that key at once: its secret is public";
            findings.push(Finding::error("issuer_private_key", place, what, mend));
        } else {
            findings.push(Finding::note("issuer_key_skipped", place, what));
        }
    }
    (findings, Some(set))
}

fn clocks(plan: &IssuerPlan, place: &str, date: &str, now: Timestamp) -> Option<Finding> {
    let theirs = DateTimeParser::new().parse_timestamp(date).ok()?;
    let difference = now.millis_since(Timestamp::from_millis(theirs.as_millisecond())).unsigned_abs() / 1000;
    let leeway = u64::from(plan.rules.leeway_secs);
    let what = format!(
        "its clock and this machine's differ by {difference} s; tokens are judged with {leeway} s of leeway"
    );
    let mend = "set both clocks by NTP: timedatectl set-ntp true";
    if difference > leeway {
        Some(Finding::error("clock", place, what, mend))
    } else if difference > CLOCK_SECS {
        Some(Finding::warning("clock", place, what, mend))
    } else {
        None
    }
}

/// What the issuer behind a `jwks_url` calls itself there: its tokens will say that, unless they were got by another name.
async fn announced(plan: &IssuerPlan, place: &str, fetcher: &Fetcher, url: &Url) -> Option<Finding> {
    let issuer = url.as_str().strip_suffix("/protocol/openid-connect/certs")?;
    let address = Url::parse(&format!("{issuer}/.well-known/openid-configuration")).ok()?;
    let document: serde_json::Value = serde_json::from_slice(&fetcher.get(&address).await.ok()?).ok()?;
    let said = document.get("issuer")?.as_str()?;
    let accepted = &plan.rules.accepted_issuers;
    if accepted.iter().any(|iss| iss == said) {
        return None;
    }
    let what = format!("it calls itself {said} at {address}, and accepted are {}", accepted.join(", "));
    let mend = format!("if tokens are got by that address too, add to accepted_issuers: {said}");
    Some(Finding::warning("issuer_not_accepted", place, what, mend))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;
    use std::time::Duration;

    use tollgate_core::jwt::{Audiences, IssuerRules};

    use super::*;
    use crate::ops::doctor::finding::Severity;

    #[test]
    fn clocks_are_compared_within_leeway() {
        let rules = IssuerRules::new("a".to_owned(), vec!["https://a.test".to_owned()], Audiences::Any);
        let plan = IssuerPlan {
            rules: Arc::new(rules),
            location: IssuerLocation::Static { jwks: String::new() },
            allow_http: false,
            refresh: Duration::ZERO,
            cooldown: Duration::ZERO,
            max_stale: Duration::ZERO,
            fetch_timeout: Duration::ZERO,
            max_bytes: 0,
            ca_file: None,
        };
        let now = Timestamp::from_secs(784_111_777);
        let severity = |date: &str| clocks(&plan, "", date, now).map(|finding| finding.severity);
        assert_eq!(severity("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        assert_eq!(severity("Sun, 06 Nov 1994 08:49:40 GMT"), None);
        assert_eq!(severity("Sun, 06 Nov 1994 08:49:57 GMT"), Some(Severity::Warning));
        assert_eq!(severity("Sun, 06 Nov 1994 08:48:57 GMT"), Some(Severity::Error));
        assert_eq!(severity("nonsense"), None);
    }

    #[test]
    fn published_secrets_are_an_error_and_encryption_keys_are_nothing() {
        let key = tollgate_core::testing::TestKey::generate(tollgate_core::jwt::Algorithm::ES256, "k1");
        let (mut private, mut encryption) = (key.jwk(), key.jwk());
        private["d"] = "AAAA".into();
        encryption["use"] = "enc".into();
        let shared = serde_json::json!({"kty": "oct", "k": "AAAA", "kid": "s"});
        let codes = |keys: &[&serde_json::Value]| -> Vec<&'static str> {
            let document = serde_json::json!({"keys": keys}).to_string();
            keys_of(&document)
        };
        fn keys_of(document: &str) -> Vec<&'static str> {
            keys("", "", document.as_bytes()).0.iter().map(|finding| finding.code).collect()
        }
        assert_eq!(codes(&[&key.jwk(), &encryption]), ["issuer"]);
        assert_eq!(codes(&[&private]), ["issuer", "issuer_private_key"]);
        assert_eq!(codes(&[&key.jwk(), &shared]), ["issuer", "issuer_private_key"]);
        assert_eq!(codes(&[&encryption]), ["issuer_keys"]);
        assert_eq!(keys_of("<html>"), ["issuer_keys"]);
        let (_, set) = keys("", "", key.key_set().as_bytes());
        assert_eq!(set.unwrap().len(), 1);
    }
}
