//! Facts for one check: the only place on the path that can wait, and it does so in one case alone, a token whose key
//! id is new.

use tokio::time::Instant;
use tollgate_core::credential::Credential;
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::input::CheckInput;
use tollgate_core::lookup::Lookup;
use tollgate_core::time::Timestamp;

use crate::views::{Gathered, Rulebook, TokenCache, gather_token};

/// Looks up everything that [`tollgate_core::check::decide`] needs to know.
pub async fn gather(
    input: &CheckInput<'_>,
    rulebook: &Rulebook,
    tokens: &TokenCache,
    now: Timestamp,
    deadline: Instant,
) -> Gathered {
    let none = |evidence| Gathered { facts: Facts::new(now, evidence), remember: None };
    match input.credential {
        Ok(Some(Credential::Jwt(token))) => gather_token(token, rulebook, tokens, now, deadline).await,
        // No store of keys is configured, so every key is known to be unknown.
        Ok(Some(Credential::Key(_))) => none(Evidence::Key(Lookup::Absent)),
        Ok(None) | Err(_) => none(Evidence::None),
    }
}
