//! `POST /logout/backchannel`: the issuer says that a session ended (OpenID Connect Back-Channel Logout 1.0). Sessions here
//! end, and access tokens of that session are refused at every gateway from then on.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tollgate_core::ids::IdKind;
use tollgate_core::jwt::{LogoutScope, LogoutToken, verify_logout_token};

use super::Login;
use super::tokens::{Disbelief, signed};
use crate::entropy::bytes;
use crate::portal::Portal;
use crate::portal::form::Form;
use crate::portal::origin::Origin;
use crate::portal::problem::{Answer, Code, Problem};
use crate::store::{ActorKind, AuditEntry, Ended, LogoutRule};

/// How long a rule is kept when the issuer's `max_lifetime_secs` does not say how long a token can live.
const UNSAID_LIFETIME_SECS: i64 = 30 * 24 * 3600;

/// `POST /logout/backchannel`
pub async fn submit(State(portal): State<Portal>, origin: Origin, form: Result<Form, Problem>) -> Response {
    let done = async {
        let form = form?;
        let login = portal.login()?;
        let text = form.get("logout_token").ok_or_else(|| refused("logout_token is missing"))?;
        obey(&portal, login, origin, text).await
    };
    match done.await {
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        // Section 2.8: an error has the form of an OAuth error.
        Err(problem) if problem.code() == Code::Invalid => {
            let body = json!({"error": "invalid_request", "error_description": problem.detail()});
            (StatusCode::BAD_REQUEST, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn obey(portal: &Portal, login: &Login, origin: Origin, text: &str) -> Answer<()> {
    let now = portal.now();
    let (token, rules, key) = signed(portal, login, text).await.map_err(|why| disbelieved(&why))?;
    let relation = (login.options.client_id.as_str(), login.options.logout_type_required);
    let LogoutToken { token_id, issued_at, expires_at, scope } =
        verify_logout_token(&token, &rules, relation, &key, now)
            .map_err(|fault| disbelieved(&Disbelief::Refused(fault)))?;
    let issuer = login.options.issuer.as_str();
    let mut tx = portal.store()?.begin().await?;
    if !tx.note_logout_token(issuer, &token_id, expires_at).await? {
        return Err(refused("this logout token was obeyed before"));
    }
    let (ended, rule) = match &scope {
        LogoutScope::Session(sid) => (tx.end_sessions_by_sid(issuer, sid).await?, Ended::Sid(sid)),
        // A token of the same second was made before the logout as far as anybody can tell.
        LogoutScope::Subject(subject) => (
            tx.end_sessions_by_subject(issuer, subject).await?,
            Ended::Subject(subject, issued_at.plus_secs(1)),
        ),
    };
    let lifetime = rules.max_lifetime_secs.and_then(|secs| i64::try_from(secs).ok());
    let lifetime = lifetime.unwrap_or(UNSAID_LIFETIME_SECS).saturating_add(i64::from(rules.leeway_secs));
    let id = IdKind::TokenRule.make(now, bytes(portal.entropy())?);
    let rule = LogoutRule { id, issuer, ended: rule, expires_at: now.plus_secs(lifetime) };
    tx.add_logout_rule(&rule, now).await?;
    let entry = |action, target_kind, target_id: &str, after| AuditEntry {
        at: now,
        actor_kind: ActorKind::System,
        actor_id: "system".into(),
        actor_name: "tollgate".into(),
        action,
        target_kind,
        target_id: target_id.to_owned(),
        organization_id: None,
        project_id: None,
        before: None,
        after,
        address: origin.address.map(|address| address.to_string()),
        user_agent: origin.user_agent.clone(),
        request_id: origin.request_id.clone(),
    };
    let (kind, value) = match &scope {
        LogoutScope::Session(sid) => ("sid", sid),
        LogoutScope::Subject(subject) => ("subject", subject),
    };
    let after = json!({"issuer": issuer, "kind": kind, "value": value, "reason": "logged out at the issuer"});
    tx.audit(entry("token_rule.create", "token_rule", &rule.id, Some(after)));
    for (session, person) in &ended {
        tx.audit(entry("session.end", "session", session, Some(json!({"person": person}))));
    }
    tx.commit(now).await?;
    tracing::info!(issuer, sessions = ended.len(), "the issuer logged somebody out");
    Ok(())
}

fn disbelieved(why: &Disbelief) -> Problem {
    match why {
        Disbelief::Refused(fault) => {
            tracing::warn!(reason = %fault, "a logout token was refused");
            refused("the logout token is not valid for this client")
        }
        Disbelief::Unavailable => {
            let detail =
                "The issuer's keys cannot be had, so that the logout token cannot be judged. Send it again.";
            Problem::new(Code::Unavailable, detail).retry_after(1)
        }
    }
}

fn refused(detail: &'static str) -> Problem {
    Problem::new(Code::Invalid, detail)
}
