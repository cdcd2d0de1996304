//! What was said against tokens before their time: rules by id, session, subject or age, and suspended people. Looked up
//! before the decision, by what the token claims; enforced by [`crate::check::identify`] once the token is verified.

use crate::denial::{Denial, DenialCode};
use crate::jwt::{IssuerRules, OpenToken, VerifiedToken};
use crate::time::Timestamp;

/// What rules can name a token by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenNames<'a> {
    /// The operator's name of the issuer.
    pub issuer: &'a str,
    /// The subject; empty in a token without one, which no rule names.
    pub subject: &'a str,
    /// `jti`.
    pub token_id: Option<&'a str>,
    /// `sid`.
    pub session_id: Option<&'a str>,
}

/// What is known against one token. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenControls {
    /// A rule names this very token.
    pub token: bool,
    /// A rule names the session that it belongs to.
    pub session: bool,
    /// The subject's tokens must have been issued at this time or later.
    pub subject_issued_before: Option<Timestamp>,
    /// All of the issuer's tokens must have been issued at this time or later.
    pub issuer_issued_before: Option<Timestamp>,
    /// The person is suspended.
    pub suspended: bool,
}

impl TokenControls {
    /// Judges a verified token.
    ///
    /// # Errors
    /// `token_revoked`, or `caller_suspended` for a good token of a suspended person.
    pub fn judge(&self, token: &VerifiedToken) -> Result<(), Denial> {
        let too_old = |limit: Option<Timestamp>| {
            // Without `iat` nothing shows that the token is newer. `iat` has whole seconds, so a token of the very
            // second of the rule is refused too.
            limit.is_some_and(|limit| token.issued_at.is_none_or(|issued| issued < limit))
        };
        let revoked = |reason| Err(Denial::new(DenialCode::TokenRevoked, reason));
        if self.token {
            return revoked("a rule refuses the token's jti");
        }
        if self.session {
            return revoked("a rule refuses the token's session");
        }
        if too_old(self.subject_issued_before) {
            return revoked("the subject's tokens of this age are refused");
        }
        if too_old(self.issuer_issued_before) {
            return revoked("the issuer's tokens of this age are refused");
        }
        if self.suspended {
            return Err(Denial::new(DenialCode::CallerSuspended, "the person is suspended"));
        }
        Ok(())
    }
}

impl VerifiedToken {
    /// What rules can name it by.
    pub fn names(&self) -> TokenNames<'_> {
        TokenNames {
            issuer: &self.issuer,
            subject: &self.subject,
            token_id: self.token_id.as_deref(),
            session_id: self.session_id.as_deref(),
        }
    }
}

impl OpenToken {
    /// What rules will name it by, should it turn out to be genuine.
    pub fn names<'a>(&'a self, rules: &'a IssuerRules) -> TokenNames<'a> {
        let text = |name| self.claims().get(name).and_then(serde_json::Value::as_str);
        let subject = rules.claim_map.subject.get(self.claims()).and_then(serde_json::Value::as_str);
        TokenNames {
            issuer: &rules.name,
            subject: subject.unwrap_or_default(),
            token_id: text("jti"),
            session_id: text("sid"),
        }
    }
}
