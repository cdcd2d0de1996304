//! Who a token belongs to (OpenID Connect Core 5.3), and signing out (RP-Initiated Logout 1.0).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::authorize::{accepted_redirect, see_other};
use super::form::Form;
use super::tokens::profile;
use super::{DevIssuer, RequestError, pages};

/// `GET|POST /realms/{realm}/protocol/openid-connect/userinfo`
pub(super) async fn show(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, RequestError> {
    issuer.check_realm(&realm)?;
    let claims = issuer.bearer_claims(&headers)?;
    let name = claims["preferred_username"].as_str().unwrap_or_default();
    let user = issuer.users.find(name).filter(|user| user.enabled).ok_or(RequestError::invalid_token())?;
    let mut answer = profile(&user);
    answer.insert("groups".to_owned(), json!(user.groups));
    Ok(Json(Value::Object(answer)))
}

/// `GET|POST /realms/{realm}/protocol/openid-connect/logout`
///
/// No session is kept between logins, so nothing has to be ended: the answer is the way back.
pub(super) async fn logout(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RequestError> {
    issuer.check_realm(&realm)?;
    let form = match method {
        Method::POST if !body.is_empty() => Form::parse_body(&headers, &body)?,
        _ => Form::parse(query.unwrap_or_default().as_bytes())?,
    };
    let Some(target) = form.get("post_logout_redirect_uri") else {
        return Ok(pages::signed_out());
    };
    let client = form.get("client_id").and_then(|id| issuer.client(id));
    let Some(mut url) = client.and_then(|client| accepted_redirect(client, target)) else {
        let text = "The address to return to needs a known client_id, and must be loopback or configured.";
        return Ok(pages::error(StatusCode::BAD_REQUEST, text));
    };
    if let Some(state) = form.get("state") {
        url.query_pairs_mut().append_pair("state", state);
    }
    Ok(see_other(url.as_str()))
}

impl DevIssuer {
    /// The claims of the access token in `Authorization: Bearer`.
    pub(super) fn bearer_claims(&self, headers: &HeaderMap) -> Result<Value, RequestError> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        value
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .and_then(|(_, token)| self.verify_access_token(token.trim()))
            .ok_or(RequestError::invalid_token())
    }
}
