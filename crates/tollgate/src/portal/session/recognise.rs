//! Who a session's cookie belongs to, for every request of the API.

use std::net::IpAddr;

use axum::http::request::Parts;

use super::{Login, cookies, csrf};
use crate::portal::Portal;
use crate::portal::acquaintance::Introduction;
use crate::portal::origin::Origin;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Code, Problem};
use crate::store::{OwnedSession, SecretDigest, State};

/// The session by which somebody calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionContext {
    /// `ses_…`
    pub id: String,
    /// What writes must carry.
    pub csrf_token: String,
}

/// The person of the request's session cookie; None when it has none. A write is only let through when it comes from our
/// own pages.
///
/// # Errors
/// The session is over, the person is suspended, a write that may be forged, or the store gave no answer.
pub async fn recognise(parts: &Parts, portal: &Portal, origin: Origin) -> Answer<Option<Person>> {
    let Some(login) = portal.configured_login() else { return Ok(None) };
    let Some(secret) = cookies::secret(&parts.headers, login.cookies.session()) else { return Ok(None) };
    let owned = look_up(portal, login, origin.address, secret).await?.ok_or_else(|| {
        Problem::new(Code::Unauthenticated, "Your session is over. Log in again at /login.")
    })?;
    if owned.state != State::Active {
        return Err(Problem::new(Code::Forbidden, "Your access is suspended. Ask an administrator."));
    }
    if !parts.method.is_safe() {
        csrf::check(&parts.headers, secret, &login.options.public_url, None)?;
    }
    let context = SessionContext { id: owned.session.id.clone(), csrf_token: csrf::token(secret) };
    let authenticated_at = Some(owned.session.authenticated_at);
    Ok(Some(Person { session: Some(context), authenticated_at, ..owner(owned, portal, origin) }))
}

/// The session of this secret, if it is alive. From an address that has guessed too often nothing is looked up.
///
/// # Errors
/// `rate_limited`, or the store gave no answer.
pub(super) async fn look_up(
    portal: &Portal,
    login: &Login,
    address: Option<IpAddr>,
    secret: &str,
) -> Answer<Option<OwnedSession>> {
    let digest = SecretDigest::of(secret);
    portal.limits().admit_secret(address, &digest)?;
    let owned = portal.store()?.use_session(&digest, login.alive(portal.now())).await?;
    match owned {
        Some(_) => portal.limits().good_secret(digest),
        None => portal.limits().bad_secret(&digest),
    }
    Ok(owned)
}

/// The person whose session it is, with the groups of its login.
pub(super) fn owner(owned: OwnedSession, portal: &Portal, origin: Origin) -> Person {
    let who = Introduction {
        issuer: owned.session.issuer,
        subject: owned.subject,
        username: owned.username,
        email: owned.email,
        groups: owned.session.groups,
        groups_told: false,
    };
    who.into_person(owned.session.person_id, portal.options(), origin)
}
