//! The token endpoint: password grant (RFC 6749 section 4.3), authorization code with PKCE (4.1, RFC 7636), device code (RFC
//! 8628) and refresh token (6).

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::form::Form;
use super::options::DevClient;
use super::tokens::Login;
use super::users::{LoginError, sha256};
use super::{DevIssuer, RequestError, device};

/// Keycloak's default scopes of a login that asks for none.
const DEFAULT_SCOPE: &str = "profile email";

/// `POST /realms/{realm}/protocol/openid-connect/token`
pub(super) async fn exchange(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, RequestError> {
    issuer.check_realm(&realm)?;
    let form = Form::parse_body(&headers, &body)?;
    let grant = form.get("grant_type").ok_or(RequestError::invalid_request("grant_type is missing"))?;
    let client = issuer.authenticate_client(&headers, &form)?;
    let answer = match grant {
        "password" => issuer.password_grant(client, &form)?,
        "authorization_code" => issuer.code_grant(client, &form)?,
        "refresh_token" => issuer.refresh_grant(client, &form)?,
        device::GRANT_TYPE => issuer.device_grant(client, &form)?,
        _ => return Err(RequestError::unsupported_grant_type()),
    };
    Ok(([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(answer)))
}

impl DevIssuer {
    fn password_grant(&self, client: &DevClient, form: &Form) -> Result<Value, RequestError> {
        let username = form.get("username").ok_or(RequestError::invalid_request("username is missing"))?;
        let password = form.get("password").ok_or(RequestError::invalid_request("password is missing"))?;
        let user = self.users.login(username, password).map_err(|error| match error {
            LoginError::BadCredentials => RequestError::invalid_grant("Invalid user credentials"),
            LoginError::Disabled => RequestError::invalid_grant("Account disabled"),
        })?;
        let scope = scope_of(form);
        self.token_response(&Login { user: &user, client_id: &client.client_id, scope: &scope, nonce: None })
    }

    fn code_grant(&self, client: &DevClient, form: &Form) -> Result<Value, RequestError> {
        let code = form.get("code").ok_or(RequestError::invalid_request("code is missing"))?;
        let redirect =
            form.get("redirect_uri").ok_or(RequestError::invalid_request("redirect_uri is missing"))?;
        let verifier =
            form.get("code_verifier").ok_or(RequestError::invalid_request("code_verifier is missing"))?;
        let grant = self
            .codes
            .take(code, &client.client_id, redirect, verifier, self.clock.now())
            .ok_or(RequestError::invalid_grant("Code not valid"))?;
        self.renewable(&Login {
            user: &grant.user,
            client_id: &grant.client_id,
            scope: &grant.scope,
            nonce: grant.nonce.as_deref(),
        })
    }

    /// The client that asks, by HTTP Basic or by parameters, never by both (RFC 6749 section 2.3).
    pub(super) fn authenticate_client(
        &self,
        headers: &HeaderMap,
        form: &Form,
    ) -> Result<&DevClient, RequestError> {
        let basic = match headers.get(header::AUTHORIZATION) {
            Some(value) => Some(parse_basic(value.as_bytes()).ok_or(RequestError::invalid_client())?),
            None => None,
        };
        let (client_id, secret) = match (&basic, form.get("client_id"), form.get("client_secret")) {
            (Some(_), _, Some(_)) => {
                return Err(RequestError::invalid_request("the client authenticates in two ways"));
            }
            (Some((id, _)), Some(other), None) if id != other => return Err(RequestError::invalid_client()),
            (Some((id, secret)), _, None) => (id.as_str(), Some(secret.as_str())),
            (None, Some(id), secret) => (id, secret),
            (None, None, _) => return Err(RequestError::invalid_client()),
        };
        let client = self.client(client_id).ok_or(RequestError::invalid_client())?;
        match (&client.secret, secret) {
            (None, _) => Ok(client),
            (Some(expected), Some(given)) => {
                let expected = sha256(&[expected.expose_secret().as_bytes()]);
                verify_slices_are_equal(&expected, &sha256(&[given.as_bytes()]))
                    .map_err(|_| RequestError::invalid_client())?;
                Ok(client)
            }
            (Some(_), None) => Err(RequestError::invalid_client()),
        }
    }

    /// The client of this id.
    pub(super) fn client(&self, client_id: &str) -> Option<&DevClient> {
        self.options.clients.iter().find(|client| client.client_id == client_id)
    }
}

/// The scopes asked for, or the default ones.
pub(super) fn scope_of(form: &Form) -> String {
    let asked: Vec<&str> = form.get("scope").unwrap_or_default().split_ascii_whitespace().collect();
    if asked.is_empty() { DEFAULT_SCOPE.to_owned() } else { asked.join(" ") }
}

/// Client id and secret of `Basic` credentials, form-decoded as RFC 6749 section 2.3.1 asks.
fn parse_basic(value: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id), form_decode(secret)))
}

fn form_decode(text: &str) -> String {
    // One value and no name: `&` and `=` arrive escaped, so that the parser gives exactly one pair.
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}
