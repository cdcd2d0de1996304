//! One request of an API key, and the verdict on it.

use std::sync::Arc;

use tollgate_core::apikey;
use tollgate_core::check::{Verdict, decide};
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::headers::Headers;
use tollgate_core::input::{CheckId, CheckInput, RawRequest};
use tollgate_core::lookup::Lookup;
use tollgate_core::models::{ModelCatalogue, ModelPolicy, ModelSource, RouteModels};
use tollgate_core::policy::Policy;
use tollgate_core::reply::Reply;
use tollgate_core::route::{HostPattern, PathPattern, Requirement, Route};
use tollgate_core::testing::key_record;
use tollgate_core::time::Timestamp;

pub fn models(json: &str) -> ModelPolicy {
    serde_json::from_str(json).unwrap()
}

pub fn route(path: &str, requirement: Requirement, models: RouteModels) -> Route {
    Route {
        name: path.into(),
        policy: None,
        hosts: vec![HostPattern::Any],
        paths: vec![PathPattern::prefix(path).unwrap()],
        methods: None,
        requirement,
        forward_credential: false,
        unauthenticated_status: None,
        query_credential: None,
        models,
    }
}

pub fn policy() -> Policy {
    let only = |json| RouteModels { policy: models(json), ..RouteModels::default() };
    let names = ["gpt-4o", "claude-opus", "fast", "secret"].map(str::to_owned).into();
    let catalogue = Some(ModelCatalogue::new(names).unwrap());
    let routes = vec![
        route(
            "/tools",
            Requirement::Authenticated,
            RouteModels { source: ModelSource::Unused, ..RouteModels::default() },
        ),
        route("/free", Requirement::Public, only(r#"["tiny"]"#)),
        route("/narrow", Requirement::Authenticated, only(r#"["gpt-4o*"]"#)),
        route(
            "/tgi",
            Requirement::Authenticated,
            RouteModels { source: ModelSource::Body, ..RouteModels::default() },
        ),
        route("/listed", Requirement::Authenticated, RouteModels { catalogue, ..RouteModels::default() }),
        route("/", Requirement::Authenticated, RouteModels::default()),
    ];
    let mut policy = Policy::new(routes, vec![]).unwrap();
    policy.models.aliases = [("fast".to_owned(), "gpt-4o-mini".to_owned())].into();
    policy
}

/// A request, and the policies of the key that makes it and of its project.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub lines: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    pub key: &'a str,
    pub project: &'a str,
}

pub const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
pub const GPT: &str = r#"["gpt-4o","gpt-4o-mini"]"#;

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            method: "POST",
            path: "/v1/chat/completions",
            lines: &JSON,
            body: b"",
            key: GPT,
            project: "\"all\"",
        }
    }
}

pub fn ask<T>(policy: &Policy, ask: Ask<'_>, see: impl FnOnce(&Verdict<'_>, &Reply<'_>) -> T) -> T {
    let credential = {
        let body = format!("tgk_{}_{}", "A".repeat(22), "b".repeat(43));
        format!("{body}{}", std::str::from_utf8(&apikey::checksum_of(body.as_bytes())).unwrap())
    };
    let mut headers = Headers::default();
    headers.push("x-api-key", credential.as_bytes());
    for (name, value) in ask.lines {
        headers.push(name, value.as_bytes());
    }
    let raw = RawRequest {
        method: ask.method,
        authority: "ai.local.dev",
        path_and_query: ask.path,
        headers,
        body: ask.body,
        policy: None,
        client: None,
    };
    let mut key = key_record(&"A".repeat(22));
    Arc::make_mut(&mut key.limits).models = models(ask.key);
    Arc::make_mut(&mut key.project).models = models(ask.project);
    let input = CheckInput::parse(raw, policy).unwrap();
    let evidence = Evidence::Key(Lookup::Found(Arc::new(key)));
    let verdict = decide(&Facts::new(Timestamp::from_secs(1), evidence), &input);
    let reply = Reply::new(&verdict, Some(&input), policy, CheckId::from_bits(1));
    see(&verdict, &reply)
}

/// `ok` with the model, or the denial's code.
pub fn verdict(request: Ask<'_>) -> String {
    ask(&policy(), request, |verdict, _| match verdict {
        Ok(permit) => format!("ok {}", permit.model().unwrap_or("-")),
        Err(denial) => denial.code().to_string(),
    })
}
