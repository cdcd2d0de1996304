//! Facts for one check: the only place on the path that can wait, and it does so in two cases alone, a token whose key id is
//! new and an API key that was made a moment ago.

use tokio::time::Instant;
use tollgate_core::apikey::PlainKey;
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
    match &input.credential {
        Ok(Some(Credential::Jwt(token))) => gather_token(*token, rulebook, tokens, now, deadline).await,
        Ok(Some(Credential::Key(key))) => gather_key(key, rulebook, now, deadline).await,
        Ok(None) | Err(_) => Gathered::of(Facts::new(now, Evidence::None)),
    }
}

async fn gather_key(key: &PlainKey<'_>, rulebook: &Rulebook, now: Timestamp, deadline: Instant) -> Gathered {
    let Some(view) = &rulebook.api_keys else {
        // No store of keys is configured, so every key is known to be unknown.
        return Gathered::of(Facts::new(now, Evidence::Key(Lookup::Absent)));
    };
    let found = view.find(key, now, deadline).await;
    let facts = Facts { late: found.late, ..Facts::new(now, Evidence::Key(found.key)) };
    Gathered { secret: found.secret, ..Gathered::of(facts) }
}
