//! What shows a new secret asks for a recent proof of who is there (step-up, RFC 9470): a browser that was left open, or a
//! session that was stolen, makes no keys.

use std::time::Duration;

use tollgate_core::time::Timestamp;

use crate::portal::Portal;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem, StepUp};

/// Where a browser proves anew who is there.
const LOGIN: &str = "/login?again=true";

/// Whether this person may be shown a new secret now. Ask once their right to it is known, and before anything is made.
///
/// A session must have been begun by a proof that is not older than `portal.session.reauthenticate_after_secs`. A token
/// lives for minutes and is proof enough, unless `api.reauthenticate_after_secs` says how old its `auth_time` may be.
///
/// # Errors
/// `reauthentication_required`, with the way to it.
pub fn demand_recent_proof(portal: &Portal, person: &Person) -> Answer<()> {
    let by_session = person.session.is_some();
    let bound = if by_session {
        portal.configured_login().and_then(|login| login.options.reauthenticate_after)
    } else {
        portal.options().token_reauthenticate_after
    };
    let Some(bound) = bound else { return Ok(()) };
    if is_recent(person.authenticated_at, bound, portal.now()) {
        return Ok(());
    }
    let age = if bound < Duration::from_secs(120) {
        format!("{} seconds", bound.as_secs())
    } else {
        format!("{} minutes", bound.as_secs() / 60)
    };
    let detail = match (by_session, person.authenticated_at) {
        (true, _) => format!(
            "This shows a new secret, and it is more than {age} ago that you proved who you are. Log in again at {LOGIN}, \
             and repeat the request."
        ),
        (false, Some(_)) => format!(
            "This shows a new secret, and your token says that it is more than {age} ago that you proved who you are \
             (auth_time). Sign in again."
        ),
        (false, None) => {
            "This shows a new secret, and your token does not say when you last proved who you are \
                          (auth_time). Sign in by a client whose tokens say it."
                .to_owned()
        }
    };
    Err(Problem::reauthenticate(
        detail,
        StepUp { max_age_secs: bound.as_secs(), login: by_session.then_some(LOGIN) },
    ))
}

fn is_recent(proven: Option<Timestamp>, bound: Duration, now: Timestamp) -> bool {
    let bound = i64::try_from(bound.as_millis()).unwrap_or(i64::MAX);
    proven.is_some_and(|at| now.millis_since(at) <= bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_is_up_to_the_bound() {
        let now = Timestamp::from_secs(10_000);
        for (ago, expected) in [(0, true), (3600, true), (3601, false), (-5, true)] {
            let at = Some(now.plus_secs(-ago));
            assert_eq!(is_recent(at, Duration::from_secs(3600), now), expected, "{ago}");
        }
        assert!(!is_recent(None, Duration::from_secs(3600), now), "who does not say it has not proved it");
        assert!(!is_recent(Some(Timestamp::from_millis(i64::MIN)), Duration::from_secs(3600), now));
    }
}
