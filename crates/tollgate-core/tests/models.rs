//! Model policies as tables: who may use which model, by which policies and which way of naming it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "support/ask.rs"]
mod ask;

use std::sync::Arc;

use ask::{Ask, GPT, JSON, ask, models, policy, route, verdict};
use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_core::identity::IdentityHeaders;
use tollgate_core::models::{ModelOfRequest, ModelPolicy, ModelScope, RouteModels};
use tollgate_core::reply::Reply;
use tollgate_core::route::Requirement;
use tollgate_core::testing::key_record;

#[test]
fn the_body_names_the_model() {
    let gzip = [JSON[0], ("content-encoding", "gzip")];
    let cut = [JSON[0], ("x-envoy-auth-partial-body", "true")];
    let whole = [JSON[0], ("x-envoy-auth-partial-body", "false")];
    let form = [("content-type", "multipart/form-data; boundary=b")];
    let urlencoded = [("content-type", "application/x-www-form-urlencoded")];
    let part = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nMODEL\r\n--b--\r\n";
    let (mine, other) = (part.replace("MODEL", "gpt-4o"), part.replace("MODEL", "whisper-1"));
    let twice = part.replace("--b--\r\n", part);
    let good = r#"{"model":"gpt-4o","messages":[]}"#;
    type Line<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let table: &[Line<'_>] = &[
        (&JSON, good, "ok gpt-4o"),
        (&whole, good, "ok gpt-4o"),
        (&JSON, r#"{"model":"fast"}"#, "ok gpt-4o-mini"),
        (&JSON, r#"{"model":"claude-opus"}"#, "model_not_allowed"),
        (&JSON, r#"{"model":"GPT-4o"}"#, "model_not_allowed"),
        (&JSON, r#"{"model":"gpt-4o-2024"}"#, "model_not_allowed"),
        (&JSON, r#"{"model":"gpt-4o","model":"gpt-4o"}"#, "model_undecidable"),
        (&JSON, r#"{"model":"claude-opus","model":"gpt-4o"}"#, "model_undecidable"),
        (&JSON, r#"{"model":"gpt-4o","Model":"claude-opus"}"#, "model_undecidable"),
        (&JSON, r#"{"model":"gpt-4o,claude-opus"}"#, "model_undecidable"),
        (&JSON, r#"{"model":"gpt-4o","models":["claude-opus"]}"#, "model_undecidable"),
        (&JSON, r#"{"model":""}"#, "model_undecidable"),
        (&JSON, r#"{"model":null}"#, "model_undecidable"),
        (&JSON, r#"{"messages":[]}"#, "model_undecidable"),
        (&JSON, r#"{"model":"gpt-4o"} {"model":"claude-opus"}"#, "model_undecidable"),
        (&JSON, "", "model_undecidable"),
        (&[], good, "model_undecidable"),
        (&gzip, good, "model_undecidable"),
        (&cut, good, "model_undecidable"),
        (&urlencoded, good, "model_undecidable"),
        (&urlencoded, "model=gpt-4o", "model_undecidable"),
        (&form, &mine, "ok gpt-4o"),
        (&form, &other, "model_not_allowed"),
        (&form, &twice, "model_undecidable"),
        (&form, good, "model_undecidable"),
        (&JSON, &mine, "model_undecidable"),
    ];
    for (lines, body, expected) in table {
        let request = Ask { lines, body: body.as_bytes(), ..Ask::default() };
        assert_eq!(verdict(request), *expected, "{lines:?} {body}");
        // Who may use everything is never refused for it.
        let free = verdict(Ask { key: "\"all\"", ..request });
        assert!(free.starts_with("ok"), "{free}: {lines:?} {body}");
        // Who may use nothing never passes.
        assert!(verdict(Ask { key: "\"none\"", ..request }).starts_with("model_"), "{lines:?} {body}");
    }
}

#[test]
fn the_path_names_the_model_and_the_body_must_agree() {
    let body = |json: &'static str| json.as_bytes();
    let unforwarded = [("content-length", "50"), JSON[0]];
    let chunked = [("transfer-encoding", "chunked"), JSON[0]];
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    type Line<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], &'a str);
    let table: &[Line<'_>] = &[
        ("POST", "/v1beta/models/gpt-4o:generateContent", &unforwarded, b"", "ok gpt-4o"),
        ("POST", "/v1beta/models/gpt-4o:generateContent", &JSON, body(r#"{"contents":[]}"#), "ok gpt-4o"),
        (
            "POST",
            "/v1beta/models/gpt-4o:embedContent",
            &JSON,
            body(r#"{"model":"models/gpt-4o"}"#),
            "ok gpt-4o",
        ),
        (
            "POST",
            "/v1beta/models/gpt-4o:embedContent",
            &JSON,
            body(r#"{"model":"models/x"}"#),
            "model_undecidable",
        ),
        ("POST", "/v1beta/models/gpt-4o:generateContent", &JSON, b"\x1f\x8b", "model_undecidable"),
        ("POST", "/v1beta/models/gemini:generateContent", &JSON, b"{}", "model_not_allowed"),
        (
            "POST",
            "/v1beta/models/gemini:generateContent",
            &JSON,
            body(r#"{"model":"gpt-4o"}"#),
            "model_undecidable",
        ),
        ("POST", "/model/gpt-4o/converse", &JSON, b"{}", "ok gpt-4o"),
        ("POST", "/model/claude/converse", &JSON, b"", "model_not_allowed"),
        ("POST", "/openai/deployments/gpt-4o/chat/completions?api-version=1", &JSON, b"", "ok gpt-4o"),
        (
            "POST",
            "/openai/deployments/fast/chat/completions",
            &JSON,
            body(r#"{"model":"gpt-4o-mini"}"#),
            "ok gpt-4o-mini",
        ),
        ("POST", "/openai/deployments/secret/chat/completions", &JSON, b"{}", "model_not_allowed"),
        (
            "POST",
            "/openai/DEPLOYMENTS/secret/chat/completions",
            &JSON,
            body(r#"{"model":"gpt-4o"}"#),
            "model_undecidable",
        ),
        ("GET", "/v1/models", &[], b"", "ok -"),
        ("GET", "/v1/models/gpt-4o", &[], b"", "ok gpt-4o"),
        ("GET", "/v1/models/secret", &[], b"", "model_not_allowed"),
        ("DELETE", "/v1/files/x", &[], b"", "ok -"),
        ("GET", "/v1/files", &unforwarded, b"", "model_undecidable"),
        ("GET", "/v1/files", &chunked, b"", "model_undecidable"),
        ("GET", "/v1/files?model=secret", &[], b"", "model_not_allowed"),
        ("GET", "/v1/files", &JSON, body(r#"{"model":"secret"}"#), "model_not_allowed"),
        ("POST", "/v1/chat/completions?model=gpt-4o", &[], b"", "model_undecidable"),
        ("POST", "/v1/chat/completions?model=gpt-4o", &JSON, body(r#"{"model":"gpt-4o"}"#), "ok gpt-4o"),
        (
            "POST",
            "/v1/chat/completions?model=secret",
            &JSON,
            body(r#"{"model":"gpt-4o"}"#),
            "model_undecidable",
        ),
        ("GET", "/v1/realtime?model=gpt-4o", &upgrade, b"", "ok gpt-4o"),
        ("GET", "/openai/realtime?deployment=gpt-4o", &upgrade, b"", "ok gpt-4o"),
        ("GET", "/v1/realtime?model=secret", &upgrade, b"", "model_not_allowed"),
        ("GET", "/v1/realtime", &upgrade, b"", "model_undecidable"),
        ("GET", "/v1/responses", &upgrade, b"", "model_undecidable"),
        ("GET", "/v1/responses", &[], b"", "model_undecidable"),
        ("GET", "/v1/else", &upgrade, b"", "model_undecidable"),
        ("POST", "/v1/batches", &JSON, body(r#"{"model":"gpt-4o"}"#), "model_undecidable"),
    ];
    for (method, path, lines, body, expected) in table {
        let request = Ask { method, path, lines, body, ..Ask::default() };
        assert_eq!(verdict(request), *expected, "{method} {path} {}", String::from_utf8_lossy(body));
        assert!(verdict(Ask { key: "\"all\"", ..request }).starts_with("ok"), "{method} {path}");
    }
}

#[test]
fn every_policy_must_allow_it() {
    let table = [
        ("/v1/chat/completions", "\"all\"", "\"all\"", "gpt-4o", "ok gpt-4o"),
        ("/v1/chat/completions", GPT, "[\"gpt-*\"]", "gpt-4o", "ok gpt-4o"),
        ("/v1/chat/completions", GPT, "[\"claude-*\"]", "gpt-4o", "model_not_allowed"),
        ("/v1/chat/completions", "\"all\"", "\"none\"", "gpt-4o", "model_not_allowed"),
        ("/v1/chat/completions", "\"none\"", "\"all\"", "gpt-4o", "model_not_allowed"),
        ("/narrow/v1/chat/completions", "\"all\"", "\"all\"", "gpt-4o-mini", "ok gpt-4o-mini"),
        ("/narrow/v1/chat/completions", "\"all\"", "\"all\"", "claude", "model_not_allowed"),
        ("/narrow/v1/chat/completions", "[\"*mini\"]", "\"all\"", "gpt-4o", "model_not_allowed"),
        ("/free/v1/chat/completions", "\"all\"", "\"all\"", "tiny", "ok tiny"),
        ("/free/v1/chat/completions", "\"all\"", "\"all\"", "gpt-4o", "model_not_allowed"),
        ("/tools/x", "\"none\"", "\"all\"", "gpt-4o", "ok -"),
    ];
    for (path, key, project, model, expected) in table {
        let body = json!({"model": model}).to_string();
        let request = Ask { path, key, project, body: body.as_bytes(), ..Ask::default() };
        assert_eq!(verdict(request), expected, "{path} {key} {project} {model}");
    }
}

#[test]
fn only_a_header_that_the_operator_trusts_names_a_model() {
    let claimed = [JSON[0], ("x-ai-eg-model", "gpt-4o")];
    let body = br#"{"model":"secret"}"#;
    assert_eq!(verdict(Ask { lines: &claimed, body, ..Ask::default() }), "model_not_allowed");
    let mut trusting = policy();
    trusting.models.trusted_header = Some("x-ai-eg-model".into());
    let two = [claimed[0], claimed[1], ("x-ai-eg-model", "secret")];
    let empty = [JSON[0], ("x-ai-eg-model", "")];
    for (lines, expected) in [
        (&claimed[..], "ok"),
        (&two[..], "model_undecidable"),
        (&empty[..], "model_undecidable"),
        (&JSON[..], "model_not_allowed"),
    ] {
        let got = ask(&trusting, Ask { lines, body, ..Ask::default() }, |verdict, _| {
            verdict.as_ref().map_or_else(|denial| denial.code().to_string(), |_| "ok".into())
        });
        assert_eq!(got, expected, "{lines:?}");
    }
}

#[test]
fn a_refusal_remembers_the_model_and_says_why() {
    ask(&policy(), Ask { body: br#"{"model":"secret"}"#, ..Ask::default() }, |verdict, reply| {
        let denial = verdict.as_ref().unwrap_err();
        assert_eq!(
            (denial.model(), denial.reason()),
            (Some("secret"), "the key's model policy does not allow this model")
        );
        assert!(denial.caller().is_some());
        let Reply::Deny(deny) = reply else { panic!("must deny") };
        assert!(!deny.body().contains("secret"), "nothing of the request is echoed: {}", deny.body());
    });
    ask(&policy(), Ask { body: b"{", ..Ask::default() }, |verdict, _| {
        assert_eq!(verdict.as_ref().unwrap_err().reason(), "the body is not one JSON object in UTF-8");
    });
}

#[test]
fn the_list_is_answered_for_the_caller() {
    let listing = Ask { method: "GET", path: "/listed/v1/models", lines: &[], ..Ask::default() };
    let ids = |key: &str| {
        ask(&policy(), Ask { key, ..listing }, |_, reply| {
            let Reply::Answer(answer) = reply else { panic!("must answer") };
            assert!(
                answer
                    .headers()
                    .iter()
                    .any(|(name, value)| *name == "content-type" && value == "application/json")
            );
            assert!(
                answer.otherwise().remove().contains(&"x-api-key"),
                "the backend never gets the credential"
            );
            let list: Value = serde_json::from_str(answer.body()).unwrap();
            let ids =
                list["data"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned());
            ids.collect::<Vec<_>>()
        })
    };
    assert_eq!(ids("\"all\""), ["gpt-4o", "claude-opus", "fast", "secret"]);
    assert_eq!(ids(GPT), ["gpt-4o", "fast"]);
    assert_eq!(ids("\"none\""), [""; 0]);
    for other in [
        Ask { path: "/listed/v1/models/gpt-4o", ..listing },
        Ask { path: "/v1/models", ..listing },
        Ask { method: "POST", key: "\"all\"", ..listing },
    ] {
        ask(&policy(), other, |_, reply| assert!(matches!(reply, Reply::Allow(_)), "{}", other.path));
    }
}

#[test]
fn backends_learn_what_the_caller_may_use() {
    let mut policy = policy();
    policy.identity = IdentityHeaders::default().with_compatibility(true);
    for (key, project, kind, list) in [
        ("\"all\"", "\"all\"", "allow_all", None),
        (GPT, "\"all\"", "allowlist", Some("gpt-4o,gpt-4o-mini")),
        (GPT, "[\"*-mini\"]", "allowlist", Some("gpt-4o-mini")),
        ("[\"gpt-*\"]", "[\"gpt-4*\",\"claude\"]", "allowlist", Some("gpt-4*")),
        ("\"none\"", GPT, "deny_all", None),
        ("[\"a\"]", "[\"b\"]", "deny_all", None),
    ] {
        let request = Ask { method: "GET", path: "/v1/models", lines: &[], key, project, ..Ask::default() };
        ask(&policy, request, |_, reply| {
            let Reply::Allow(allow) = reply else { panic!("must allow") };
            let set = |name: &str| allow.set().iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_ref());
            assert_eq!(
                (set("x-model-policy"), set("x-allowed-models")),
                (Some(kind), list),
                "{key} {project}"
            );
            assert_eq!(allow.remove().contains(&"x-allowed-models"), list.is_none());
        });
    }
    ask(&policy, Ask { body: br#"{"model":"fast"}"#, ..Ask::default() }, |_, reply| {
        let Reply::Allow(allow) = reply else { panic!("must allow") };
        assert!(allow.metadata().contains(&("model", "gpt-4o-mini".into())), "{:?}", allow.metadata());
    });
}

fn any_policy() -> impl Strategy<Value = ModelPolicy> {
    let pattern = "[ab*]{1,4}";
    let list = prop::collection::hash_set(pattern, 1..4).prop_map(|set| json!(set).to_string());
    prop_oneof![Just("\"all\"".to_owned()), Just("\"none\"".to_owned()), list].prop_map(|json| models(&json))
}

/// What a pattern means, in the simplest words.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
        Some((byte, rest)) => {
            name.split_first().is_some_and(|(first, name)| first == byte && matches(rest, name))
        }
    }
}

proptest! {
    #[test]
    fn a_policy_survives_its_json(policy in any_policy()) {
        let json = serde_json::to_string(&policy).unwrap();
        prop_assert_eq!(serde_json::from_str::<ModelPolicy>(&json).unwrap(), policy);
    }

    #[test]
    fn patterns_mean_what_they_say(pattern in "[ab*]{1,6}", name in "[ab]{0,8}") {
        let policy = models(&json!([pattern]).to_string());
        prop_assert_eq!(policy.allows(&name), matches(pattern.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn the_intersection_allows_what_each_allows(
        key in any_policy(), project in any_policy(), of_route in any_policy(), name in "[ab]{1,5}",
    ) {
        let route = route("/", Requirement::Authenticated, RouteModels { policy: of_route.clone(), ..RouteModels::default() });
        let mut record = key_record(&"A".repeat(22));
        Arc::make_mut(&mut record.limits).models = key.clone();
        Arc::make_mut(&mut record.project).models = project.clone();
        let caller = tollgate_core::caller::Caller::Key(Arc::new(record));
        let scope = ModelScope::of(Some(&caller), &route);
        let each = key.allows(&name) && project.allows(&name) && of_route.allows(&name);
        prop_assert_eq!(scope.allows(&name), each);
        prop_assert_eq!(scope.check(&ModelOfRequest::Named(name.as_str().into())).is_ok(), each);
        // What backends are told is never more than what is allowed.
        match scope.patterns() {
            None => prop_assert!(scope.is_all()),
            Some(told) => prop_assert!(each || !told.iter().any(|p| matches(p.as_bytes(), name.as_bytes()))),
        }
    }
}
