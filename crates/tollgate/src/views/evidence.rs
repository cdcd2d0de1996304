//! What is known about a presented token: remembered, refused by its text, or opened with its issuer's key beside it. The
//! doors and the API ask here, so that both judge a token by the same evidence.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::time::Instant;
use tollgate_core::apikey::PlainKey;
use tollgate_core::credential::{Credential, Token};
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::jwt::{OpenToken, TokenFault};
use tollgate_core::lookup::Lookup;
use tollgate_core::time::Timestamp;
use tollgate_core::token_controls::{TokenControls, TokenNames};

use super::{Epoch, FoundKey, KeySecret, Rulebook, TokenCache};

/// What was gathered, and what must be kept if the token turns out to be good.
#[derive(Debug)]
pub struct Gathered {
    /// For the decision.
    pub facts: Facts,
    /// Where to remember the token once it is verified.
    pub remember: Option<Remember>,
    /// Which secret of an API key was presented.
    pub secret: KeySecret,
}

impl Gathered {
    /// These facts, with nothing to keep.
    pub const fn of(facts: Facts) -> Self {
        Self { facts, remember: None, secret: KeySecret::Present }
    }
}

/// The place of a token in the cache.
#[derive(Clone, Copy, Debug)]
pub struct Remember {
    /// SHA-256 of the whole token text.
    pub digest: [u8; 32],
    /// The key set that it was verified against.
    pub epoch: Epoch,
}

/// Looks up what [`tollgate_core::check::identify`] needs to know about a credential. Waits in two cases alone: a token's
/// key id is new, or an API key was made a moment ago.
pub async fn gather_credential(
    credential: &Credential<'_>,
    rulebook: &Rulebook,
    tokens: &TokenCache,
    now: Timestamp,
    deadline: Instant,
) -> Gathered {
    match credential {
        Credential::Jwt(token) => gather_token(*token, rulebook, tokens, now, deadline).await,
        Credential::Key(key) => gather_key(key, rulebook, now, deadline).await,
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

/// Looks up what [`tollgate_core::check::identify`] needs to know about a token. Waits in one case alone: the token's key
/// id is new.
pub async fn gather_token(
    token: Token<'_>,
    rulebook: &Rulebook,
    tokens: &TokenCache,
    now: Timestamp,
    deadline: Instant,
) -> Gathered {
    let mut facts = Facts::new(now, Evidence::None);
    let digest = sha256(token.reveal().as_bytes());
    if let Some(known) = tokens.get(&digest)
        && known.epoch == rulebook.keys.epoch(&known.token.issuer)
    {
        facts.controls = controls(rulebook, known.token.names(), now);
        facts.evidence = Evidence::Remembered(known.token);
        return Gathered::of(facts);
    }
    let opened = match OpenToken::open(token.reveal(), rulebook.policy.max_token_bytes) {
        Ok(opened) => Box::new(opened),
        Err(fault) => {
            facts.evidence = Evidence::Refused(fault);
            return Gathered::of(facts);
        }
    };
    let Some(rules) = rulebook.policy.find_issuer(opened.issuer()) else {
        facts.evidence = Evidence::UnknownIssuer;
        return Gathered::of(facts);
    };
    // The key fixes the algorithm; asking for one that the issuer may not use must not cause a fetch.
    if !rules.algorithms.contains(&opened.algorithm()) {
        facts.evidence = Evidence::Refused(TokenFault::AlgorithmNotAllowed);
        return Gathered::of(facts);
    }
    let found = rulebook.keys.find_key(&rules.name, opened.key_id(), opened.algorithm(), deadline).await;
    let mut remember = None;
    let key = match found {
        FoundKey::Key { key, epoch } => {
            remember = Some(Remember { digest, epoch });
            Lookup::Found(key)
        }
        FoundKey::Absent => Lookup::Absent,
        FoundKey::Unavailable => Lookup::Unavailable,
        FoundKey::Late => {
            facts.late = true;
            Lookup::Unavailable
        }
        FoundKey::Mismatch(fault) => {
            facts.evidence = Evidence::Refused(fault);
            return Gathered::of(facts);
        }
    };
    facts.controls = controls(rulebook, opened.names(rules), now);
    facts.evidence = Evidence::Token { token: opened, rules: Arc::clone(rules), key };
    Gathered { remember, ..Gathered::of(facts) }
}

/// What is known against a token that names itself so.
fn controls(rulebook: &Rulebook, names: TokenNames<'_>, now: Timestamp) -> TokenControls {
    rulebook.api_keys.as_ref().map_or_else(TokenControls::default, |view| view.controls(names, now))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // SHA-256 has 32 bytes, so the lengths always agree.
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
