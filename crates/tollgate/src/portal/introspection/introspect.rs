//! `POST /oauth2/introspect` (RFC 7662): whether a credential is good now, and what is known about it. Why it is not good is
//! never said.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tollgate_core::caller::{Caller, KeyRecord, RouteScope};
use tollgate_core::jwt::VerifiedToken;

use super::models::Allowed;
use super::{Refusal, caller, client};
use crate::portal::Portal;
use crate::portal::origin::Origin;
use crate::portal::parameters::{Parameters, UnreadForm};

/// `POST /oauth2/introspect` and its older address.
pub async fn submit(
    State(portal): State<Portal>,
    origin: Origin,
    headers: HeaderMap,
    form: UnreadForm,
) -> Response {
    let answered = async {
        let form = client::form(&portal, &origin, &headers, &form).await?;
        introspect(&portal, &form).await
    };
    match answered.await {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn introspect(portal: &Portal, form: &Parameters) -> Result<Value, Refusal> {
    let text = form.get("token").ok_or(Refusal::Request("'token' is missing"))?;
    let from = form.get("client_address").map(str::parse::<IpAddr>).transpose();
    let from = from.map_err(|_| Refusal::Request("'client_address' is not an IP address"))?;
    Ok(match caller(portal, text).await? {
        Some(Caller::User(token)) => about_token(&token),
        Some(Caller::Key(key)) if may_be_used(&key, from, form.get("route")) => about_key(&key),
        Some(Caller::Key(_)) | None => json!({"active": false}),
    })
}

/// A key that is narrowed to networks or routes is good from and for those alone. Who asks without saying from where, or for
/// what, would let it pass everywhere.
fn may_be_used(key: &KeyRecord, from: Option<IpAddr>, route: Option<&str>) -> bool {
    let routed = match (&key.limits.routes, route) {
        (RouteScope::All, _) => true,
        (RouteScope::Only(_), None) => false,
        (scope @ RouteScope::Only(_), Some(route)) => scope.allows(route),
    };
    routed && key.limits.addresses.allows(from)
}

fn about_token(token: &VerifiedToken) -> Value {
    let mut answer = json!({
        "active": true,
        "token_type": "Bearer",
        "credential": "token",
        "iss": token.issuer_url,
        "issuer": token.issuer,
        "sub": token.subject,
        "account_id": token.subject,
        "username": token.username,
        "exp": token.expires_at.as_secs(),
        "groups": token.groups,
    });
    let client = token.claims.get("client_id").or_else(|| token.claims.get("azp"));
    let seconds = |at: tollgate_core::time::Timestamp| Value::from(at.as_secs());
    for (name, value) in [
        ("aud", token.claims.get("aud").cloned()),
        ("scope", token.claims.get("scope").filter(|scope| scope.is_string()).cloned()),
        ("client_id", client.filter(|id| id.is_string()).cloned()),
        ("iat", token.issued_at.map(seconds)),
        ("nbf", token.not_before.map(seconds)),
        ("jti", token.token_id.clone().map(Value::from)),
        ("sid", token.session_id.clone().map(Value::from)),
        ("email", token.email.clone().map(Value::from)),
    ] {
        if let Some(value) = value {
            answer[name] = value;
        }
    }
    answer
}

/// What is known about a key, in the words that older policy services read too.
fn about_key(key: &KeyRecord) -> Value {
    let mut answer = super::context::of_key(key);
    let known = json!({
        "active": true,
        "token_type": "api_key",
        "credential": "key",
        "sub": key.owner.subject,
        "username": key.owner.name,
        "api_key_status": "active",
    });
    for (name, value) in known.as_object().into_iter().flatten() {
        answer[name] = value.clone();
    }
    for (name, value) in [
        ("exp", key.expires_at.map(|at| Value::from(at.as_secs()))),
        ("iat", key.id.made_at().map(|at| Value::from(at.as_secs()))),
        ("email", key.owner.email.clone().map(Value::from)),
    ] {
        if let Some(value) = value {
            answer[name] = value;
        }
    }
    answer
}

/// The models of a key, as members of an answer.
pub(super) fn models(answer: &mut Value, allowed: &Allowed) {
    if let Ok(Value::Object(members)) = serde_json::to_value(allowed) {
        for (name, value) in members {
            answer[name] = value;
        }
    }
}
