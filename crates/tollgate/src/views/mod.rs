//! Snapshots that checks borrow: issuers' signing keys, verified tokens, API keys, and the rulebook that holds them
//! together. Everything slow happens in the background; a check waits here in two cases only, a token whose key id is new
//! and an API key that was made a moment ago.

mod api_keys;
mod discovery;
mod evidence;
mod fetch;
mod issuer;
mod keys;
mod last_used;
mod rulebook;
mod token_cache;

pub use api_keys::{
    ApiKeysOptions, ApiKeysStatus, ApiKeysView, Bus, Filled, FoundApiKey, KeySecret, KeySink, Source,
};
pub use discovery::{DiscoveryError, jwks_url};
pub use evidence::{Gathered, Remember, gather_credential, gather_token};
pub use fetch::{FetchError, FetchLimits, Fetched, Fetcher};
pub use issuer::{Epoch, FoundKey, IssuerSource, IssuerStatus, KeyLocation};
pub use keys::{Jitter, KeysView, ViewDeps};
pub use last_used::{LastUsed, Used};
pub use rulebook::{CurrentRulebook, Rulebook};
pub use token_cache::{Remembered, TokenCache};

#[cfg(test)]
mod tests;
