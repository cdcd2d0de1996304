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
use crate::portal::origin::Origin;
use crate::portal::parameters::UnreadForm;
use crate::portal::problem::{Answer, Code, Problem};
use crate::store::{FreshAuthor, NewTokenRule, TokenRuleKind};

/// How long a rule is kept when the issuer's `max_lifetime_secs` does not say how long a token can live.
const UNSAID_LIFETIME_SECS: i64 = 30 * 24 * 3600;

/// `POST /logout/backchannel`
pub async fn submit(State(portal): State<Portal>, origin: Origin, form: UnreadForm) -> Response {
    let done = async {
        let login = portal.login()?;
        portal.limits().admit(origin.address)?;
        let form = form.read(&portal).await?;
        let text = form.get("logout_token").ok_or_else(|| refused("logout_token is missing"))?;
        let address = origin.address;
        let done = obey(&portal, login, origin, text).await;
        // Who sends what the issuer did not sign, or sends it again, is counted before anything is read next time.
        match (&done, address) {
            (Err(problem), Some(address)) if problem.code() == Code::Invalid => {
                portal.limits().address(address)?;
            }
            _ => {}
        }
        done
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
    let author = FreshAuthor::system(origin.stored(now));
    let (ended, kind, value, issued_before) = match &scope {
        LogoutScope::Session(sid) => {
            (tx.end_sessions_by_sid(issuer, sid).await?, TokenRuleKind::Sid, sid, None)
        }
        // A token of the same second was made before the logout as far as anybody can tell.
        LogoutScope::Subject(subject) => {
            let ended = tx.end_sessions_by_subject(issuer, subject).await?;
            (ended, TokenRuleKind::Subject, subject, Some(issued_at.plus_secs(1)))
        }
    };
    let lifetime = rules.max_lifetime_secs.and_then(|secs| i64::try_from(secs).ok());
    let lifetime = lifetime.unwrap_or(UNSAID_LIFETIME_SECS).saturating_add(i64::from(rules.leeway_secs));
    let rule = NewTokenRule {
        id: &IdKind::TokenRule.make(now, bytes(portal.entropy())?),
        issuer,
        kind,
        value,
        issued_before,
        expires_at: Some(now.plus_secs(lifetime)),
        reason: "logged out at the issuer",
    };
    tx.create_token_rule(&author, rule).await?;
    for (session, person) in &ended {
        tx.audit(author.entry("session.end", "session", session).before(&json!({"person": person})));
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
