//! A token that should be accepted, judged as the gate would: which issuer it says, whether a key fits, and what else fails.

use tollgate_core::jwt::{KeySet, OpenToken, TokenFault, verify};
use tollgate_core::time::Timestamp;

use crate::config::IssuerPlan;
use crate::ops::doctor::finding::Finding;
use crate::ops::token::Token;

/// Judges it against the configured issuers and the keys that they have.
pub(super) fn examine(
    token: &Token,
    issuers: &[(&IssuerPlan, Option<KeySet>)],
    max_bytes: usize,
    now: Timestamp,
) -> Finding {
    let refused = |what: String, mend: String| Finding::error("token_refused", "token", what, mend);
    let open = match OpenToken::open(token.reveal(), max_bytes) {
        Ok(open) => open,
        Err(fault) => {
            return refused(
                fault.to_string(),
                "give an access token, as it stands in the answer's access_token".into(),
            );
        }
    };
    let iss = open.issuer();
    let accepts = |plan: &IssuerPlan| plan.rules.accepted_issuers.iter().any(|accepted| accepted == iss);
    let Some((plan, keys)) = issuers.iter().find(|(plan, _)| accepts(plan)) else {
        let all: Vec<&str> = issuers
            .iter()
            .flat_map(|(plan, _)| plan.rules.accepted_issuers.iter().map(String::as_str))
            .collect();
        return Finding::error(
            "token_issuer",
            "token",
            format!("its iss is {iss}, and accepted are {}", all.join(", ")),
            format!("if that is the same issuer by another name, add to its accepted_issuers: {iss}"),
        );
    };
    let name = &plan.rules.name;
    let Some(keys) = keys else {
        return Finding::unseen(
            "token_unjudged",
            "token",
            format!("it is of issuer '{name}', whose keys could not be had"),
            "mend the issuer first",
        );
    };
    let judged = keys
        .select(open.key_id(), open.algorithm())
        .map(std::sync::Arc::clone)
        .and_then(|key| verify(&open, &plan.rules, &key, now));
    match judged {
        Ok(verified) => {
            let left = verified.expires_at.millis_since(now) / 1000;
            let what = format!("of issuer '{name}', user '{}', valid for {left} s more", verified.username);
            Finding::ok("token", "token", what)
        }
        Err(fault) => {
            let mend = mend(&fault, name);
            refused(format!("of issuer '{name}': {fault}"), mend)
        }
    }
}

fn mend(fault: &TokenFault, issuer: &str) -> String {
    match fault {
        TokenFault::Expired => "get a new one; Keycloak's master realm gives tokens for 60 s".into(),
        TokenFault::ClaimMissing(claim) if claim == "sub" => {
            "a lightweight token of Keycloak: set client.use.lightweight.access.token.enabled to false on its client".into()
        }
        TokenFault::Audience => {
            format!("add one of its `aud` values to audiences of issuer '{issuer}', or an audience mapper to its client")
        }
        TokenFault::KeyUnknown => "its key is not published: was it signed by another realm, or has the key been replaced?".into(),
        _ => format!("see the settings of issuer '{issuer}' in docs/reference/configuration.md"),
    }
}
