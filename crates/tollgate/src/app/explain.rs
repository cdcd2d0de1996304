//! The steps of one decision in words. The decision itself is [`tollgate_core::check::decide`]'s; this only watches.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tollgate_core::caller::Caller;
use tollgate_core::check::{Verdict, decide};
use tollgate_core::credential::Credential;
use tollgate_core::denial::DenialCode;
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::headers::Headers;
use tollgate_core::input::{CheckId, CheckInput, RawRequest};
use tollgate_core::jwt::OpenToken;
use tollgate_core::lookup::Lookup;
use tollgate_core::models::ModelOfRequest;
use tollgate_core::reply::Reply;
use tollgate_core::route::{Requirement, Route};
use tollgate_core::time::Timestamp;

use super::start_rulebook;
use crate::clock::{Clock, SystemClock};
use crate::config::{IssuerLocation, Loaded};
use crate::doors::gather::gather;
use crate::views::TokenCache;

/// Fetching an issuer's keys may take this long; behind a gateway it is `checks.deadline_ms`.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request to explain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// The host.
    pub host: String,
    /// Path with query.
    pub path: String,
    /// Header lines in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// The client's address, as the gateway would report it.
    #[serde(default)]
    pub client: Option<IpAddr>,
}

fn get() -> String {
    "GET".to_owned()
}

/// What may differ from what a gateway would bring.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The policy that the gateway would name.
    pub policy: Option<String>,
    /// Keys of issuers from files, as `ISSUER=FILE`, instead of fetching them.
    pub jwks: Vec<String>,
    /// A Unix time to decide at.
    pub at: Option<i64>,
}

/// One step.
#[derive(Debug, Serialize)]
pub struct Step {
    step: &'static str,
    ok: bool,
    detail: String,
}

/// A decision, explained.
#[derive(Debug, Default, Serialize)]
pub struct Explanation {
    steps: Vec<Step>,
    verdict: &'static str,
    status: u16,
    code: Option<&'static str>,
    reason: Option<String>,
    /// What the backend would be told, or the caller.
    headers: Vec<(String, String)>,
}

impl Explanation {
    fn step(&mut self, step: &'static str, ok: bool, detail: impl Into<String>) {
        self.steps.push(Step { step, ok, detail: detail.into() });
    }

    /// Whether the request would pass.
    pub fn permitted(&self) -> bool {
        self.verdict == "permit"
    }

    /// For a person.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<String> = self
            .steps
            .iter()
            .enumerate()
            .map(|(n, s)| {
                format!("{:>2}. {} {:<11} {}", n + 1, if s.ok { "ok" } else { "NO" }, s.step, s.detail)
            })
            .collect();
        lines.push(format!("\n{} {}", self.verdict.to_uppercase(), self.status));
        if let (Some(code), Some(reason)) = (self.code, &self.reason) {
            lines.push(format!("  code    {code}\n  reason  {reason}"));
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("  {name}: {value}")));
        lines.join("\n")
    }
}

/// Decides and explains.
///
/// # Errors
/// A key file cannot be read.
pub async fn explain(mut loaded: Loaded, request: &Request, wishes: &Wishes) -> anyhow::Result<Explanation> {
    for given in &wishes.jwks {
        let (name, file) = given.split_once('=').context("--jwks is not ISSUER=FILE")?;
        let plan = loaded.compiled.issuers.iter_mut().find(|plan| plan.rules.name == name);
        let plan = plan.with_context(|| format!("--jwks: no issuer is named '{name}'"))?;
        let jwks = std::fs::read_to_string(file).with_context(|| format!("--jwks {file}"))?;
        plan.location = IssuerLocation::Static { jwks };
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let now = wishes.at.map_or_else(|| clock.now(), Timestamp::from_secs);
    let rulebook = start_rulebook(&loaded.settings, loaded.compiled, clock)?;
    let policy = &rulebook.policy;

    let mut told = Explanation::default();
    let mut headers = Headers::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        headers.push(name, value.as_bytes());
    }
    let raw = RawRequest {
        method: &request.method,
        authority: &request.host,
        path_and_query: &request.path,
        headers,
        body: request.body.as_bytes(),
        client: request.client,
        policy: wishes.policy.as_deref(),
    };
    let id = CheckId::from_bits(0);
    let input = match CheckInput::parse(raw, policy) {
        Ok(input) => input,
        Err(denial) => {
            told.step("request", false, denial.reason().to_owned());
            conclude(&mut told, &Reply::new(&Err(denial.clone()), None, policy, id), Some(denial.reason()));
            return Ok(told);
        }
    };
    let target = &input.target;
    told.step("request", true, format!("{} {}{}", target.method, target.host, target.path));
    match input.route {
        Some(route) => told.step("route", true, format!("'{}' asks for {}", route.name, asks(route))),
        None => told.step("route", false, "none matches; what no route matches is denied"),
    }
    match &input.credential {
        Err(denial) => told.step("credential", false, denial.reason().to_owned()),
        Ok(None) => told.step("credential", input.route.is_none_or(is_public), "none"),
        Ok(Some(Credential::Key(key))) => {
            told.step("credential", true, format!("API key {}", key.id().as_str()));
        }
        Ok(Some(Credential::Jwt(token))) => {
            let opened = OpenToken::open(token.reveal(), policy.max_token_bytes);
            told.step(
                "credential",
                opened.is_ok(),
                match opened {
                    Ok(open) => format!(
                        "token, {}, key id {}, iss {}",
                        open.algorithm(),
                        open.key_id().unwrap_or("none"),
                        open.issuer()
                    ),
                    Err(fault) => fault.to_string(),
                },
            );
        }
    }
    let tokens = TokenCache::new(0);
    if let (Ok(Some(Credential::Key(_))), Some(view)) = (&input.credential, &rulebook.api_keys) {
        view.ready(Instant::now() + PATIENCE).await;
    }
    let facts = gather(&input, &rulebook, &tokens, now, Instant::now() + PATIENCE).await.facts;
    evidence(&mut told, &facts);
    let verdict = decide(&facts, &input);
    let (caller, reason) = match &verdict {
        Ok(permit) => (permit.caller(), None),
        Err(denial) => (denial.caller(), Some(denial.reason().to_owned())),
    };
    match caller {
        Some(caller) => {
            told.step("caller", true, who(caller, now));
            model(&mut told, &input, &verdict);
            told.step("rights", verdict.is_ok(), reason.clone().unwrap_or_else(|| "enough".into()));
        }
        None if input.route.is_some_and(is_public) => {
            told.step("caller", true, "nobody is asked");
            model(&mut told, &input, &verdict);
        }
        None => told.step("caller", false, reason.clone().unwrap_or_default()),
    }
    conclude(&mut told, &Reply::new(&verdict, Some(&input), policy, id), reason.as_deref());
    Ok(told)
}

fn evidence(told: &mut Explanation, facts: &Facts) {
    match &facts.evidence {
        Evidence::UnknownIssuer => told.step("issuer", false, "no configured issuer accepts this iss"),
        Evidence::Token { rules, key, .. } => {
            told.step("issuer", true, format!("'{}'", rules.name));
            match key {
                Lookup::Found(_) => told.step("key", true, "found in the issuer's key set"),
                Lookup::Absent => told.step("key", false, "the issuer's key set does not hold it"),
                Lookup::Unavailable => told.step("key", false, "the issuer's key set cannot be had"),
            }
        }
        Evidence::Refused(fault) => told.step("token", false, fault.to_string()),
        Evidence::Key(Lookup::Absent) => told.step("key", false, "unknown, or a wrong secret"),
        Evidence::Key(Lookup::Unavailable) => told.step("key", false, "the database cannot be asked"),
        Evidence::Key(Lookup::Found(_)) => {
            told.step("key", true, "found in the database, and the secret is right");
        }
        Evidence::None | Evidence::Remembered(_) => {}
    }
}

fn model(told: &mut Explanation, input: &CheckInput<'_>, verdict: &Verdict<'_>) {
    let refused = verdict.as_ref().is_err_and(|denial| {
        matches!(denial.code(), DenialCode::ModelNotAllowed | DenialCode::ModelUndecidable)
    });
    let detail = match ModelOfRequest::of(input) {
        ModelOfRequest::Named(name) => format!("'{name}'"),
        ModelOfRequest::NotAsked => "none is used".to_owned(),
        ModelOfRequest::Claimed(name, why) => format!("'{name}' is claimed: {why}"),
        ModelOfRequest::Undecidable(why) => format!("cannot be told: {why}"),
    };
    told.step("model", !refused, detail);
}

fn conclude(told: &mut Explanation, reply: &Reply<'_>, reason: Option<&str>) {
    match reply {
        Reply::Allow(allow) => {
            told.verdict = "permit";
            told.status = 200;
            told.headers = allow
                .set()
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone().into_owned()))
                .collect();
        }
        Reply::Answer(answer) => {
            told.verdict = "permit";
            told.status = 200;
            told.headers =
                answer.headers().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        }
        Reply::Deny(deny) => {
            told.verdict = "deny";
            told.status = deny.status().as_u16();
            told.code = Some(deny.code().as_str());
            told.reason = reason.map(str::to_owned);
            told.headers =
                deny.headers().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        }
    }
    told.headers.retain(|(_, value)| value != "00000000000000000000000000000000");
}

const fn is_public(route: &Route) -> bool {
    matches!(route.requirement, Requirement::Public)
}

fn asks(route: &Route) -> String {
    match &route.requirement {
        Requirement::Public => "nothing (public)".into(),
        Requirement::Authenticated => "an authenticated caller".into(),
        Requirement::Claims(required) => {
            let any = required.any_group.as_ref().map(|g| format!("one of the groups {}", g.join(", ")));
            let all = (!required.all_groups.is_empty())
                .then(|| format!("all groups of {}", required.all_groups.join(", ")));
            let condition = required.condition.as_ref().map(|c| format!("that {}", c.text()));
            [any, all, condition].into_iter().flatten().collect::<Vec<_>>().join(" and ")
        }
    }
}

fn who(caller: &Caller, now: Timestamp) -> String {
    match caller {
        Caller::User(token) => {
            let left = token.expires_at.millis_since(now) / 1000;
            let groups = if token.groups.is_empty() { "no groups".into() } else { token.groups.join(", ") };
            format!(
                "user '{}' (subject {}), {groups}, token valid for {left} s",
                token.username, token.subject
            )
        }
        Caller::Key(key) => format!("key {} of project {}", key.id.as_str(), key.project.id),
    }
}
