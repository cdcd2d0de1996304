//! Everything that was looked up for one check. All I/O is over by the time these exist.

use std::sync::Arc;

use crate::caller::KeyRecord;
use crate::jwt::{IssuerRules, OpenToken, TokenFault, VerifiedToken, VerifyKey};
use crate::lookup::Lookup;
use crate::time::Timestamp;
use crate::token_controls::TokenControls;

/// The facts of one check.
#[derive(Debug)]
pub struct Facts {
    /// The time of the decision: the only clock the core has.
    pub now: Timestamp,
    /// Whether the check's deadline passed while facts were gathered.
    pub late: bool,
    /// What is known about the presented credential.
    pub evidence: Evidence,
    /// What is known against the presented token.
    pub controls: TokenControls,
}

impl Facts {
    /// Facts that were gathered in time, with nothing against the token.
    pub fn new(now: Timestamp, evidence: Evidence) -> Self {
        Self { now, late: false, evidence, controls: TokenControls::default() }
    }
}

/// What is known about the presented credential.
#[derive(Debug)]
pub enum Evidence {
    /// No credential was presented, or none is needed, or what was presented is not one.
    None,
    /// A token that was verified before; its times are checked again.
    Remembered(Arc<VerifiedToken>),
    /// A token whose text alone is refused.
    Refused(TokenFault),
    /// A readable token of no configured issuer.
    UnknownIssuer,
    /// A readable token of a configured issuer, not verified yet.
    Token {
        /// The opened, unverified token.
        token: Box<OpenToken>,
        /// The rules of its issuer.
        rules: Arc<IssuerRules>,
        /// The key it names, as the issuer's key set has it.
        key: Lookup<Arc<VerifyKey>>,
    },
    /// An API key: its record, after the secret was compared.
    Key(Lookup<Arc<KeyRecord>>),
}
