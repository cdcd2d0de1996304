//! The device grant (RFC 8628): a program shows a code, a person types it here and signs in, and the program gets tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde_json::{Value, json};
use tollgate_core::time::Timestamp;

use super::form::Form;
use super::options::DevClient;
use super::token::scope_of;
use super::tokens::Login;
use super::users::{LoginError, User, sha256};
use super::{DevIssuer, EntropyError, RequestError, entropy, pages};

/// Life of a code in seconds.
const LIFETIME_SECS: i64 = 600;
/// Seconds between a program's questions.
const INTERVAL_SECS: i64 = 1;
/// Codes alive at once; beyond it the oldest goes.
const MAX_CODES: usize = 1_000;
/// Letters of a user code: no vowels and nothing that looks like another (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// The grant type's name.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A program that waits for a person.
struct Waiting {
    user_code: String,
    client_id: String,
    scope: String,
    issued_at: Timestamp,
    asked_at: Option<Timestamp>,
    state: Stage,
}

#[derive(Clone)]
enum Stage {
    Pending,
    Approved(Arc<User>),
    Denied,
}

/// Programs that wait, by the digest of their device code.
#[derive(Default)]
pub(super) struct DeviceCodes(Mutex<HashMap<[u8; 32], Waiting>>);

impl DeviceCodes {
    fn put(&self, device_code: &str, waiting: Waiting) {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, old| alive(old, waiting.issued_at));
        if codes.len() >= MAX_CODES
            && let Some(oldest) = codes.iter().min_by_key(|(_, old)| old.issued_at).map(|(key, _)| *key)
        {
            codes.remove(&oldest);
        }
        codes.insert(sha256(&[device_code.as_bytes()]), waiting);
    }

    /// The program that waits under this code, once; `None` when there is none or it has its answer.
    fn answer(&self, user_code: &str, now: Timestamp, state: Option<Stage>) -> Option<String> {
        let wanted = normal(user_code);
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = codes.values_mut().find(|waiting| {
            alive(waiting, now) && waiting.user_code == wanted && matches!(waiting.state, Stage::Pending)
        })?;
        if let Some(state) = state {
            waiting.state = state;
        }
        Some(waiting.client_id.clone())
    }

    /// What a program gets to its question.
    fn ask(
        &self,
        device_code: &str,
        client: &DevClient,
        now: Timestamp,
    ) -> Result<(Arc<User>, String), RequestError> {
        let key = sha256(&[device_code.as_bytes()]);
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = codes.get_mut(&key).filter(|waiting| waiting.client_id == client.client_id);
        let waiting = waiting.ok_or(RequestError::invalid_grant("Device code not valid"))?;
        if !alive(waiting, now) {
            codes.remove(&key);
            return Err(RequestError::device("expired_token", "The code is over"));
        }
        let hasty = waiting.asked_at.is_some_and(|asked| now.millis_since(asked) < INTERVAL_SECS * 1000 / 2);
        waiting.asked_at = Some(now);
        match waiting.state.clone() {
            Stage::Pending if hasty => Err(RequestError::device("slow_down", "Ask less often")),
            Stage::Pending => {
                Err(RequestError::device("authorization_pending", "The person has not signed in yet"))
            }
            Stage::Denied => {
                codes.remove(&key);
                Err(RequestError::device("access_denied", "The person refused"))
            }
            Stage::Approved(user) => {
                let scope = waiting.scope.clone();
                codes.remove(&key);
                Ok((user, scope))
            }
        }
    }
}

fn alive(waiting: &Waiting, now: Timestamp) -> bool {
    now.millis_since(waiting.issued_at) < LIFETIME_SECS * 1000
}

/// `bcdf-ghjk` is `BCDFGHJK`.
fn normal(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect()
}

/// `POST …/auth/device`: a program asks for a code.
pub(super) async fn begin(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, RequestError> {
    issuer.check_realm(&realm)?;
    let form = Form::parse_body(&headers, &body)?;
    let client = issuer.authenticate_client(&headers, &form)?;
    let device_code = entropy::secret(issuer.entropy.as_ref())?;
    let user_code = issuer.user_code()?;
    let shown = format!("{}-{}", &user_code[..4], &user_code[4..]);
    let page = format!("{}/realms/{}/device", issuer.origin, issuer.realm);
    let answer = json!({
        "device_code": device_code,
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={shown}"),
        "expires_in": LIFETIME_SECS,
        "interval": INTERVAL_SECS,
    });
    issuer.devices.put(
        &device_code,
        Waiting {
            user_code,
            client_id: client.client_id.clone(),
            scope: scope_of(&form),
            issued_at: issuer.clock.now(),
            asked_at: None,
            state: Stage::Pending,
        },
    );
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)))
}

/// `GET /realms/{realm}/device`: the page for the person.
pub(super) async fn show(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, RequestError> {
    issuer.check_realm(&realm)?;
    let form = Form::parse(query.unwrap_or_default().as_bytes())?;
    Ok(issuer.device_page(&form, None))
}

/// `POST /realms/{realm}/device`: the filled-in page.
pub(super) async fn submit(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RequestError> {
    issuer.check_realm(&realm)?;
    let form = Form::parse_body(&headers, &body)?;
    let (now, code) = (issuer.clock.now(), form.get("user_code").unwrap_or_default());
    if issuer.devices.answer(code, now, None).is_none() {
        return Ok(issuer.device_page(&form, Some("This code is unknown, used or over.")));
    }
    let username = form.get("username").unwrap_or_default();
    let user = match issuer.users.login(username, form.get("password").unwrap_or_default()) {
        Ok(user) => user,
        Err(LoginError::BadCredentials) => {
            return Ok(issuer.device_page(&form, Some("Invalid user name or password.")));
        }
        Err(LoginError::Disabled) => {
            return Ok(issuer.device_page(&form, Some("This account is disabled.")));
        }
    };
    let refused = form.get("answer") == Some("refuse");
    let state = if refused { Stage::Denied } else { Stage::Approved(user) };
    issuer.devices.answer(code, now, Some(state));
    let text = if refused {
        "You refused. You can close this page."
    } else {
        "You are signed in. You can close this page."
    };
    Ok(pages::note("Sign in", text))
}

impl DevIssuer {
    pub(super) fn device_grant(&self, client: &DevClient, form: &Form) -> Result<Value, RequestError> {
        let code = form.get("device_code").ok_or(RequestError::invalid_request("device_code is missing"))?;
        let (user, scope) = self.devices.ask(code, client, self.clock.now())?;
        self.renewable(&Login { user: &user, client_id: &client.client_id, scope: &scope, nonce: None })
    }

    fn user_code(&self) -> Result<String, EntropyError> {
        let mut code = String::with_capacity(8);
        while code.len() < 8 {
            let mut random = [0; 16];
            self.entropy.fill(&mut random)?;
            // 240 is the largest multiple of 20 that a byte stays below, so that no letter is favoured.
            let letters = random.iter().filter(|byte| **byte < 240);
            code.extend(letters.map(|byte| char::from(LETTERS[usize::from(byte % 20)])));
            code.truncate(8);
        }
        Ok(code)
    }

    fn device_page(&self, form: &Form, problem: Option<&str>) -> Response {
        let now = self.clock.now();
        let code = form.get("user_code").unwrap_or_default();
        let client_id = self.devices.answer(code, now, None);
        pages::device(&pages::DevicePage {
            action: &format!("{}/realms/{}/device", self.origin, self.realm),
            client_id: client_id.as_deref(),
            user_code: code,
            username: form.get("username").unwrap_or_default(),
            problem,
        })
    }
}
