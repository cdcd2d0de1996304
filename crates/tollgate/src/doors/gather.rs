//! Facts for one check: the only place on the path that can wait, and it does so in two cases alone, a token whose key id is
//! new and an API key that was made a moment ago.

use tokio::time::Instant;
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::input::CheckInput;
use tollgate_core::time::Timestamp;

use crate::views::{Gathered, Rulebook, TokenCache, gather_credential};

/// Looks up everything that [`tollgate_core::check::decide`] needs to know.
pub async fn gather(
    input: &CheckInput<'_>,
    rulebook: &Rulebook,
    tokens: &TokenCache,
    now: Timestamp,
    deadline: Instant,
) -> Gathered {
    match &input.credential {
        Ok(Some(credential)) => gather_credential(credential, rulebook, tokens, now, deadline).await,
        Ok(None) | Err(_) => Gathered::of(Facts::new(now, Evidence::None)),
    }
}
