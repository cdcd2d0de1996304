//! Snapshots that checks borrow: issuers' signing keys, verified tokens, and the rulebook that holds them together.
//! Everything slow happens in the background; a check waits here in one case only, a token whose key id is new.

mod discovery;
mod evidence;
mod fetch;
mod issuer;
mod keys;
mod rulebook;
mod token_cache;

pub use discovery::{DiscoveryError, jwks_url};
pub use evidence::{Gathered, Remember, gather_token};
pub use fetch::{FetchError, FetchLimits, Fetched, Fetcher};
pub use issuer::{Epoch, FoundKey, IssuerSource, IssuerStatus, KeyLocation};
pub use keys::{Jitter, KeysView, ViewDeps};
pub use rulebook::{CurrentRulebook, Rulebook};
pub use token_cache::{Remembered, TokenCache};

#[cfg(test)]
mod tests;
