//! The authorization endpoint (RFC 6749 section 3.1): a login page, then a code by redirect.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::{Host, Url};

use super::codes::{CodeGrant, is_challenge};
use super::form::Form;
use super::options::DevClient;
use super::token::scope_of;
use super::users::LoginError;
use super::{DevIssuer, RequestError, entropy, pages};

/// Parameters that travel through the login page as hidden fields.
const CARRIED: [&str; 8] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

/// `GET /realms/{realm}/protocol/openid-connect/auth`: the login page.
pub(super) async fn show(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, RequestError> {
    issuer.check_realm(&realm)?;
    let form = Form::parse(query.unwrap_or_default().as_bytes())?;
    Ok(match issuer.read_request(&form) {
        Ok(request) if form.get("prompt") == Some("none") => request.refuse(&issuer, "login_required"),
        Ok(request) => issuer.login_page(&request, &form, None),
        Err(refusal) => *refusal,
    })
}

/// `POST /realms/{realm}/protocol/openid-connect/auth`: the filled-in login page.
pub(super) async fn submit(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RequestError> {
    issuer.check_realm(&realm)?;
    let form = Form::parse_body(&headers, &body)?;
    let request = match issuer.read_request(&form) {
        Ok(request) => request,
        Err(refusal) => return Ok(*refusal),
    };
    let username = form.get("username").unwrap_or_default();
    let user = match issuer.users.login(username, form.get("password").unwrap_or_default()) {
        Ok(user) => user,
        Err(LoginError::BadCredentials) => {
            return Ok(issuer.login_page(&request, &form, Some("Invalid user name or password.")));
        }
        Err(LoginError::Disabled) => {
            return Ok(issuer.login_page(&request, &form, Some("This account is disabled.")));
        }
    };
    let code = entropy::secret(issuer.entropy.as_ref())?;
    let grant = CodeGrant {
        user,
        client_id: request.client.client_id.clone(),
        redirect_uri: request.redirect_text.to_owned(),
        scope: scope_of(&form),
        nonce: form.get("nonce").map(str::to_owned),
        challenge: request.challenge.to_owned(),
        issued_at: issuer.clock.now(),
    };
    issuer.codes.put(&code, grant);
    Ok(request.redirect(&issuer, "code", &code))
}

/// A request whose client, redirect URI and challenge are good.
struct AuthRequest<'a> {
    client: &'a DevClient,
    redirect: Url,
    redirect_text: &'a str,
    state: Option<&'a str>,
    challenge: &'a str,
}

impl DevIssuer {
    /// Checks a request in the order that safety asks: until client and redirect URI are known to belong together,
    /// nothing is sent to that URI and the person sees a page instead.
    fn read_request<'a>(&'a self, form: &'a Form) -> Result<AuthRequest<'a>, Box<Response>> {
        let Some(client) = form.get("client_id").and_then(|id| self.client(id)) else {
            let text = "This application is not known here (client_id).";
            return Err(Box::new(pages::error(StatusCode::BAD_REQUEST, text)));
        };
        let redirect_text = form.get("redirect_uri").unwrap_or_default();
        let Some(redirect) = accepted_redirect(client, redirect_text) else {
            let text =
                "The address to return to (redirect_uri) is neither a loopback address nor configured.";
            return Err(Box::new(pages::error(StatusCode::BAD_REQUEST, text)));
        };
        let challenge = form.get("code_challenge").unwrap_or_default();
        let request = AuthRequest { client, redirect, redirect_text, state: form.get("state"), challenge };
        if form.get("response_type") != Some("code") {
            return Err(Box::new(request.refuse(self, "unsupported_response_type")));
        }
        // RFC 7636 reads an absent method as `plain`, which this issuer refuses.
        if form.get("code_challenge_method") != Some("S256") || !is_challenge(challenge) {
            return Err(Box::new(request.refuse(self, "invalid_request")));
        }
        Ok(request)
    }

    fn login_page(&self, request: &AuthRequest<'_>, form: &Form, problem: Option<&str>) -> Response {
        let hidden: Vec<(&str, &str)> =
            CARRIED.iter().filter_map(|name| form.get(name).map(|value| (*name, value))).collect();
        pages::login(&pages::LoginPage {
            action: &self.endpoint("auth"),
            client_id: &request.client.client_id,
            username: form.get("username").unwrap_or_default(),
            hidden: &hidden,
            redirect_origin: &request.redirect.origin().ascii_serialization(),
            problem,
        })
    }
}

impl AuthRequest<'_> {
    fn refuse(&self, issuer: &DevIssuer, error: &str) -> Response {
        self.redirect(issuer, "error", error)
    }

    /// Sends the browser back with one answer, the client's state, and our name (RFC 9207).
    fn redirect(&self, issuer: &DevIssuer, name: &str, value: &str) -> Response {
        let mut target = self.redirect.clone();
        {
            let mut query = target.query_pairs_mut();
            query.append_pair(name, value);
            if let Some(state) = self.state {
                query.append_pair("state", state);
            }
            query.append_pair("iss", &issuer.options.issuer_url);
        }
        see_other(target.as_str())
    }
}

/// A redirect that the browser follows with GET and does not keep.
pub(super) fn see_other(target: &str) -> Response {
    match HeaderValue::from_str(target) {
        Ok(location) => (
            StatusCode::SEE_OTHER,
            [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        )
            .into_response(),
        Err(_) => {
            pages::error(StatusCode::BAD_REQUEST, "The address to return to cannot be sent in a header.")
        }
    }
}

/// The redirect URI, when it is configured for the client or on this machine (RFC 8252 section 7.3).
pub(super) fn accepted_redirect(client: &DevClient, text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    if url.fragment().is_some() {
        return None;
    }
    let configured = client.redirect_uris.iter().any(|uri| uri == text);
    let plain =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    let loopback = plain
        && match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => IpAddr::V4(address).is_loopback(),
            Host::Ipv6(address) => IpAddr::V6(address).is_loopback(),
        };
    (configured || loopback).then_some(url)
}
