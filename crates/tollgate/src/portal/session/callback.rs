//! `GET /login/callback`: the browser is back. Nothing that it brings is believed before state, cookie and issuer agree.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use tollgate_core::ids::IdKind;

use super::begin::{secrets, see_other};
use super::tokens::Arrival;
use super::{Login, cookies, page, tokens};
use crate::entropy::bytes;
use crate::portal::Portal;
use crate::portal::origin::Origin;
use crate::portal::parameters::Parameters;
use crate::portal::problem::{Answer, Code, Problem};
use crate::store::{self, NewSession, SecretDigest};

/// Bytes of a code at most.
const MAX_CODE_BYTES: usize = 4096;

/// `GET /login/callback`
pub async fn show(
    State(portal): State<Portal>,
    origin: Origin,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let done = come_back(&portal, origin, &headers, &query).await;
    let mut response = done.unwrap_or_else(|problem| page::refusal(&headers, problem));
    // Whatever came of it, this login is over.
    if let (Ok(login), Some(state)) = (portal.login(), own_state(&query)) {
        let cookies = &login.cookies;
        response.headers_mut().append(header::SET_COOKIE, cookies.clear(&cookies.login(&state)));
    }
    response
}

async fn come_back(portal: &Portal, origin: Origin, headers: &HeaderMap, query: &str) -> Answer<Response> {
    let login = portal.login()?;
    login.attempt(origin.address)?;
    let query = Parameters::parse(query.as_bytes())?;
    let begun = take(portal, login, headers, &query).await?;
    let (rules, provider) = login.provider(portal).await?;
    check_issuer(&query, &rules.accepted_issuers)?;
    if provider.names_itself && query.get("iss").is_none() {
        tracing::warn!("an authorization response does not name its issuer, which announces that all do");
        return Err(not_ours());
    }
    if let Some(error) = query.get("error") {
        return Err(refused_there(error));
    }
    let code = query.get("code").filter(|code| code.len() <= MAX_CODE_BYTES).ok_or_else(not_ours)?;
    let arrival = tokens::exchange(portal, login, &provider, &begun, code).await?;
    enter(portal, login, origin, headers, (arrival, &begun.next)).await
}

/// The login that this browser began under this state; taken out, so that it counts once.
async fn take(
    portal: &Portal,
    login: &Login,
    headers: &HeaderMap,
    query: &Parameters,
) -> Answer<store::Login> {
    let state = query.get("state").filter(|state| cookies::is_secret(state)).ok_or_else(not_ours)?;
    let browser = cookies::secret(headers, &login.cookies.login(state)).ok_or_else(not_ours)?;
    let (state, browser) = (SecretDigest::of(state), SecretDigest::of(browser));
    let begun = portal.store()?.take_login(&state, &browser, portal.now()).await?;
    begun.filter(|begun| begun.issuer == login.options.issuer).ok_or_else(not_ours)
}

/// RFC 9207: an answer that names another issuer than the one that was asked is an attack or a mistake.
fn check_issuer(query: &Parameters, accepted: &[String]) -> Answer<()> {
    match query.get("iss") {
        Some(named) if !accepted.iter().any(|iss| iss == named) => {
            tracing::warn!("an authorization response names another issuer than the one that was asked");
            Err(not_ours())
        }
        _ => Ok(()),
    }
}

/// Begins the session under a secret that nobody has seen before; one that the browser had before is ended.
async fn enter(
    portal: &Portal,
    login: &Login,
    origin: Origin,
    headers: &HeaderMap,
    (arrival, next): (Arrival, &str),
) -> Answer<Response> {
    let Arrival { who, sid, authenticated_at } = arrival;
    let email_verified = who.email.as_ref().is_some_and(|(_, verified)| *verified);
    let person_id = portal.acquaintances().meet(&who, &origin, portal).await?;
    let person = who.into_person(person_id, portal.options(), origin);
    let [secret] = secrets(portal.entropy())?;
    let (now, options, cookies) = (portal.now(), &login.options, &login.cookies);
    let lifetime = options.lifetime.as_secs();
    let session = NewSession {
        digest: SecretDigest::of(&secret),
        id: IdKind::Session.make(now, bytes(portal.entropy())?),
        person_id: person.id.clone(),
        issuer: person.issuer.clone(),
        sid,
        groups: person.groups.clone(),
        email_verified,
        authenticated_at,
        created_at: now,
        expires_at: now.plus_secs(i64::try_from(lifetime).unwrap_or(0)),
        address: person.origin.address.map(|address| address.to_string()),
        user_agent: person.origin.user_agent.clone(),
    };
    let mut tx = portal.store()?.begin().await?;
    if let Some(before) = cookies::secret(headers, cookies.session()) {
        tx.end_session_by_secret(&SecretDigest::of(before)).await?;
    }
    tx.add_session(&session).await?;
    tx.audit(person.author(now).entry("session.begin", "session", &session.id));
    tx.commit(now).await?;
    let target = options.public_url.join(next).map_err(|_| not_ours())?;
    let mut response = see_other(target.as_str())?;
    let cookie = cookies.set(cookies.session(), &secret, lifetime);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// One sentence for every way in which an answer does not belong to a login of this browser.
fn not_ours() -> Problem {
    let detail = "This answer does not belong to a login that this browser has under way. It may have taken too long, \
                  or been used before. Log in again.";
    Problem::new(Code::LoginFailed, detail)
}

/// The issuer said no. Its code is shown as far as RFC 6749 allows it to look; its description is anybody's text.
fn refused_there(error: &str) -> Problem {
    let code: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
    Problem::new(
        Code::LoginFailed,
        format!("The issuer did not let you in ({code}). Log in again, or ask there."),
    )
}

/// The state of a query that can be one of ours.
fn own_state(query: &str) -> Option<String> {
    let form = Parameters::parse(query.as_bytes()).ok()?;
    form.get("state").filter(|state| cookies::is_secret(state)).map(str::to_owned)
}
