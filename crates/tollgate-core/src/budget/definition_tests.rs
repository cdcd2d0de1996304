//! Budgets as JSON: every form, and every mistake with its sentence; raises and scopes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::super::owner::BudgetId;
use super::super::scope::ScopeModel;
use super::*;

const PROJECT: &str = "prj_00000000000000000000000000";

fn budget(rest: &str) -> Result<Definition, String> {
    let json = format!(
        r#"{{"owner":{{"project":"{PROJECT}"}},"limit":{{"usd":"50.00"}},"window":{{"every":"month"}}{rest}}}"#
    );
    serde_json::from_str(&json).map_err(|error| error.to_string())
}

#[test]
fn every_form_survives_its_json() {
    for rest in [
        r#","kind":"soft""#,
        r#","kind":"shadow","models":"all","operations":"all""#,
        r#","kind":"hard""#,
        r#","kind":"hard","when_spent":"refuse","when_unavailable":"allow""#,
        r#","kind":"hard","when_spent":{"models":["nano*"]},"carry_over":{"usd":"5.00"}"#,
        r#","kind":"hard","when_spent":{"slow_down":{"requests_per_minute":6}}"#,
        r#","kind":"strict","when_unavailable":"deny","models":["a","b*"],"operations":["inference","batch"]"#,
        r#","kind":"strict","when_spent":"refuse""#,
    ] {
        let read = budget(rest).unwrap_or_else(|error| panic!("{rest}: {error}"));
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Definition>(&json).unwrap(), read, "{json}");
    }
}

#[test]
fn what_is_wrong_with_a_budget_is_said() {
    for (rest, expected) in [
        (
            r#","kind":"soft","when_spent":"refuse""#,
            "a soft budget has no when_spent; leave it out, or write",
        ),
        (r#","kind":"soft","when_unavailable":"deny""#, "a soft budget has no when_unavailable"),
        (r#","kind":"shadow","when_unavailable":"deny""#, "a shadow budget has no when_unavailable"),
        (
            r#","kind":"strict","when_unavailable":"allow""#,
            "a strict budget has no when_unavailable \"allow\"",
        ),
        (r#","kind":"strict","when_spent":{"models":["a"]}"#, "a strict budget has no when_spent"),
        (
            r#","kind":"strict","when_spent":{"slow_down":{"requests_per_minute":6}}"#,
            "a strict budget has no when_spent",
        ),
        (
            r#","kind":"hard","when_spent":{"slow_down":{"requests_per_minute":0}}"#,
            "slow_down is 0 requests per minute",
        ),
        (r#","kind":"hard","when_spent":{"models":[]}"#, "a list of models must not be empty"),
        (r#","kind":"hard","models":"none""#, "a budget for no models charges nothing"),
        (r#","kind":"hard","operations":[]"#, "a list of operations must not be empty"),
        (r#","kind":"hard","operations":["Chat"]"#, "'Chat' is not an operation"),
        (r#","kind":"hard","operations":["a","a"]"#, "the operation 'a' stands in the list twice"),
        (r#","kind":"hard","operations":3"#, "operations are \"all\" or a list of names"),
        (r#","kind":"hard","carry_over":{"tokens":5}"#, "carry_over counts tokens, the limit money"),
        (r#","kind":"hard","carry_over":{"usd":"0"}"#, "a limit of zero"),
        (r#","kind":"hard","limits":1"#, "unknown field `limits`"),
        ("", "missing field `kind`"),
    ] {
        let error = budget(rest).unwrap_err();
        assert!(error.contains(expected), "{rest}: {error}");
    }
    let total = r#"{"owner":{"key":"0000000000000000000000"},"limit":{"tokens":1},"window":"total","kind":"hard","carry_over":{"tokens":1}}"#;
    let error = serde_json::from_str::<Definition>(total).unwrap_err().to_string();
    assert!(error.contains("nothing is carried over"), "{error}");
}

#[test]
fn owners_are_named_by_ids_of_their_kind() {
    for (json, expected) in [
        (
            r#"{"organization":"prj_00000000000000000000000000"}"#,
            "names no organization; write its id, which starts with \"org_\"",
        ),
        (r#"{"member":{"project":"prj_00000000000000000000000000","person":"x"}}"#, "'x' names no person"),
        (r#"{"member":{"project":"prj_00000000000000000000000000"}}"#, "missing field `person`"),
        (r#"{"key":"short"}"#, "'short' is not the id of a key"),
        (r#"{"everybody":"x"}"#, "unknown variant `everybody`"),
    ] {
        let error = serde_json::from_str::<BudgetOwner>(json).unwrap_err().to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn raises_add_up_while_they_last() {
    let at = Timestamp::from_secs;
    let usd = |text: &str| serde_json::from_str::<Limit>(&format!(r#"{{"usd":"{text}"}}"#)).unwrap();
    let budget = budget(r#","kind":"hard""#).unwrap();
    let now = at(1_000_000);
    let raise = |amount, from, until| Raise::new(usd(amount), at(from), at(until), budget.limit, now);
    let raises =
        [raise("10.00", 1_000_000, 1_000_100).unwrap(), raise("5.00", 1_000_050, 1_000_200).unwrap()];
    for (moment, expected) in [
        (999_999, "50.00"),
        (1_000_000, "60.00"),
        (1_000_050, "65.00"),
        (1_000_100, "55.00"),
        (1_000_200, "50.00"),
    ] {
        assert_eq!(budget.limit_at(at(moment), &raises).to_usd(), expected, "{moment}");
    }
    assert_eq!(raise("1.00", 0, 1_000_000), Err(DefinitionError::RaiseInThePast));
    assert_eq!(raise("1.00", 1_000_300, 1_000_200), Err(DefinitionError::RaiseBackwards));
    assert_eq!(raise("1.00", 0, i64::MAX), Err(DefinitionError::RaiseTooLong));
    let tokens: Limit = serde_json::from_str(r#"{"tokens":5}"#).unwrap();
    let other = Raise::new(tokens, now, at(1_000_100), budget.limit, now).unwrap_err();
    assert_eq!(other.to_string(), "the raise counts tokens, the budget money; use the same unit");
}

#[test]
fn a_request_that_cannot_be_read_is_charged_everywhere() {
    let scope = budget(r#","kind":"hard","models":["gpt-*"],"operations":["inference"]"#).unwrap().scope;
    for (model, operation, expected) in [
        (ScopeModel::Named("gpt-5"), "inference", true),
        (ScopeModel::Named("other"), "inference", false),
        (ScopeModel::None, "inference", false),
        (ScopeModel::Unknown, "inference", true),
        (ScopeModel::Named("gpt-5"), "batch", false),
    ] {
        assert_eq!(scope.charges(model, operation), expected, "{model:?} {operation}");
    }
    assert!(BudgetScope::ALL.charges(ScopeModel::None, "admin"));
}

#[test]
fn a_budget_id_survives_its_text() {
    let id = BudgetId::from_bits(u128::MAX / 3);
    assert_eq!(BudgetId::parse(&id.to_string()), Some(id));
    assert!(serde_json::from_str::<BudgetId>("\"prj_00000000000000000000000000\"").is_err());
}
