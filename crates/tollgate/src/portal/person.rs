//! Who calls the API: a person, by a token of a configured issuer or by a browser's session.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde_json::Value;
use tokio::time::Instant;
use tollgate_core::apikey::claims_to_be_a_key;
use tollgate_core::caller::Caller;
use tollgate_core::check::identify;
use tollgate_core::credential::{self, Credential};
use tollgate_core::denial::{Denial, DenialClass};
use tollgate_core::headers::Headers;
use tollgate_core::jwt::VerifiedToken;
use tollgate_core::time::Timestamp;

use super::Portal;
use super::acquaintance::Introduction;
use super::origin::Origin;
use super::problem::{Answer, Code, Problem};
use super::session::{self, SessionContext};
use crate::store::{Author, Who};
use crate::views::gather_token;

/// For an issuer that has to be asked for a new key.
const PATIENCE: Duration = Duration::from_secs(3);

/// The person who calls.
#[derive(Clone, Debug)]
pub struct Person {
    /// `per_…`
    pub id: String,
    /// The name a person recognises.
    pub name: String,
    /// The configured name of their issuer.
    pub issuer: String,
    /// Their subject there.
    pub subject: String,
    /// Their e-mail address, and whether the issuer verified it.
    pub email: Option<(String, bool)>,
    /// Their groups, as the token says.
    pub groups: Vec<String>,
    /// Whether they administer the whole deployment.
    pub platform_admin: bool,
    /// When they last proved who they are: as the session keeps it, or as the token says (`auth_time`).
    pub authenticated_at: Option<Timestamp>,
    /// Where they call from.
    pub origin: Origin,
    /// The browser's session by which they call, unless it is a token.
    pub session: Option<SessionContext>,
}

impl Person {
    /// As the author of what they write at this moment.
    pub fn author(&self, at: Timestamp) -> Author {
        Author::person(&self.id, &self.name, self.platform_admin, self.origin.stored(at))
    }

    /// As somebody who asks.
    pub fn who(&self) -> Who<'_> {
        Who { person: &self.id, platform_admin: self.platform_admin }
    }
}

impl FromRequestParts<Portal> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        let origin = Origin::of(parts, portal);
        // A token is judged here in memory; the database is not asked about anybody who did not prove who they are.
        let who = recognise(parts, portal, origin.clone()).await;
        // Guessing is bounded per address; who is known is bounded as a person.
        match (&who, origin.address) {
            (Ok(person), _) => portal.limits().person(&person.id)?,
            (Err(_), Some(address)) => portal.limits().address(address)?,
            (Err(_), None) => {}
        }
        who
    }
}

async fn recognise(parts: &Parts, portal: &Portal, origin: Origin) -> Answer<Person> {
    // A token is sent on purpose; a cookie is only sent along.
    if let Some(token) = bearer(parts, portal).await? {
        return by_token(&token, portal, origin).await;
    }
    session::recognise(parts, portal, origin).await?.ok_or_else(|| {
        let detail = "Sign in, and send the access token as 'Authorization: Bearer …'; or log in with a browser at /login.";
        Problem::new(Code::Unauthenticated, detail)
    })
}

/// The one bearer token of a request, verified; None when it has none.
async fn bearer(parts: &Parts, portal: &Portal) -> Answer<Option<std::sync::Arc<VerifiedToken>>> {
    let mut headers = Headers::with_capacity(2);
    for (name, value) in &parts.headers {
        headers.push(name.as_str(), value.as_bytes());
    }
    let rulebook = portal.rulebook().borrow();
    let found = credential::find(&headers, None, &rulebook.policy.credential_headers, None);
    let token = match found.map_err(|denial| refused(&denial))? {
        Some(Credential::Jwt(token)) if !claims_to_be_a_key(token.reveal()) => token,
        Some(_) => {
            let detail = "An API key opens GET /api/v1/me only. Sign in, and send the access token as 'Authorization: Bearer …'.";
            return Err(Problem::new(Code::Unauthenticated, detail));
        }
        None => return Ok(None),
    };
    let now = portal.now();
    let gathered = gather_token(token, &rulebook, portal.tokens(), now, Instant::now() + PATIENCE).await;
    let caller = identify(&gathered.facts).map_err(|denial| refused(&denial))?;
    let Caller::User(token) = caller else {
        return Err(Problem::new(Code::Unauthenticated, "Sign in with a token of a person."));
    };
    if let Some(place) = gathered.remember {
        portal.tokens().put(place.digest, std::sync::Arc::clone(&token), place.epoch);
    }
    Ok(Some(token))
}

async fn by_token(token: &VerifiedToken, portal: &Portal, origin: Origin) -> Answer<Person> {
    let verified = token.claims.get("email_verified").and_then(Value::as_bool).unwrap_or(false);
    let introduction = Introduction {
        issuer: token.issuer.to_string(),
        subject: token.subject.clone(),
        username: token.username.clone(),
        email: token.email.clone().map(|email| (email, verified)),
        groups: token.groups.clone(),
        groups_told: tells_groups(token, portal),
    };
    let id = portal.acquaintances().meet(&introduction, &origin, portal).await?;
    let authenticated_at = token.claims.get("auth_time").and_then(Value::as_i64).map(Timestamp::from_secs);
    Ok(Person { authenticated_at, ..introduction.into_person(id, portal.options(), origin) })
}

/// Whether the token has any of the claims that groups are read from.
pub(super) fn tells_groups(token: &VerifiedToken, portal: &Portal) -> bool {
    let rulebook = portal.rulebook().borrow();
    let rules = rulebook.policy.issuers().iter().find(|rules| *rules.name == *token.issuer);
    rules.is_some_and(|rules| rules.claim_map.groups.iter().any(|path| path.get(&token.claims).is_some()))
}

/// The same sentence as at the gateway, in the API's form. An outage stays an outage.
fn refused(denial: &Denial) -> Problem {
    let code = denial.code().public();
    tracing::debug!(code = denial.code().as_str(), reason = denial.reason(), "an API request was refused");
    match code.class() {
        DenialClass::Unavailable => Problem::new(Code::Unavailable, code.public_message()).retry_after(1),
        DenialClass::Forbidden => Problem::new(Code::Forbidden, code.public_message()),
        DenialClass::Malformed | DenialClass::Limited | DenialClass::Unauthenticated => {
            Problem::new(Code::Unauthenticated, code.public_message())
        }
    }
}
