//! What gives or widens a right, or shows a secret, asks for a recent proof of who is there (step-up, RFC 9470): a browser
//! that was left open, or a session that was stolen, makes no keys and lets nobody in.

use std::time::Duration;

use tollgate_core::recent::RecentProof;

use crate::portal::Portal;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem, StepUp};

/// Where a browser proves anew who is there.
const LOGIN: &str = "/login?again=true";

/// The proof of who this person is, when it is recent. Handlers come here by [`crate::portal::rights::Fresh`].
///
/// A session must have been begun by a proof that is not older than `portal.session.reauthenticate_after_secs`. A token
/// lives for minutes and is proof enough, unless `api.reauthenticate_after_secs` says how old its `auth_time` may be.
///
/// # Errors
/// `reauthentication_required`, with the way to it.
pub fn recent_proof(portal: &Portal, person: &Person) -> Answer<RecentProof> {
    let by_session = person.session.is_some();
    let bound = if by_session {
        portal.configured_login().and_then(|login| login.options.reauthenticate_after)
    } else {
        portal.options().token_reauthenticate_after
    };
    if let Some(proof) = RecentProof::judge(person.authenticated_at, bound, portal.now()) {
        return Ok(proof);
    }
    let bound = bound.unwrap_or_default();
    let detail = match (by_session, person.authenticated_at.is_some()) {
        (true, true) => format!(
            "This shows a secret or gives a right, and it is more than {} ago that you proved who you are. Log in again at \
             {LOGIN}, and repeat the request.",
            in_words(bound)
        ),
        (true, false) => format!(
            "This shows a secret or gives a right, and your login did not say when you proved who you are. Log in again at \
             {LOGIN}, and repeat the request."
        ),
        (false, true) => format!(
            "This shows a secret or gives a right, and your token says that it is more than {} ago that you proved who you \
             are (auth_time). Sign in again.",
            in_words(bound)
        ),
        (false, false) => {
            "This shows a secret or gives a right, and your token does not say when you last proved who you \
                           are (auth_time). Sign in by a client whose tokens say it."
                .to_owned()
        }
    };
    Err(Problem::reauthenticate(
        detail,
        StepUp { max_age_secs: bound.as_secs(), login: by_session.then_some(LOGIN) },
    ))
}

fn in_words(bound: Duration) -> String {
    if bound < Duration::from_secs(120) {
        format!("{} seconds", bound.as_secs())
    } else {
        format!("{} minutes", bound.as_secs() / 60)
    }
}
