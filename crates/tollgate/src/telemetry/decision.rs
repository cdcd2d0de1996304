//! The decision line: one log line per check, with the fields that docs/operations/logging.md lists. And the three lines
//! that the integration guide prints, at `debug`.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate_core::caller::Caller;
use tollgate_core::denial::DenialCode;
use tollgate_core::input::CheckId;
use tollgate_core::time::Timestamp;
use tracing::{Level, debug, enabled, info};

/// The longest value of a request that is written to a line, in bytes.
const MAX_SHOWN: usize = 256;

/// Which decisions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Decisions {
    /// Every one.
    #[default]
    All,
    /// Only refusals.
    Denials,
    /// None; metrics still count them.
    None,
}

/// How decisions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecisionLogOptions {
    /// Which.
    pub decisions: Decisions,
    /// Lines about denials in one second; a flood beyond it is counted in one line instead. 0 is no bound.
    pub max_denials_per_sec: u64,
}

impl Default for DecisionLogOptions {
    fn default() -> Self {
        Self { decisions: Decisions::All, max_denials_per_sec: 1000 }
    }
}

/// One decided check. Holds nothing secret: no header value, no query string.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// The check's id.
    pub check_id: CheckId,
    /// The door it came through.
    pub door: &'static str,
    /// When it was decided.
    pub now: Timestamp,
    /// Code and reason, when refused.
    pub denial: Option<(DenialCode, &'a str)>,
    /// Who called, once proven.
    pub caller: Option<&'a Caller>,
    /// The model that was asked for, aliases resolved.
    pub model: Option<&'a str>,
    /// The route that was matched.
    pub route: Option<&'a str>,
    /// The request's method.
    pub method: Option<&'a str>,
    /// Canonical host.
    pub host: Option<&'a str>,
    /// Canonical path, without the query.
    pub path: Option<&'a str>,
    /// The client whose address counts: for limits of keys and for their last use.
    pub client: Option<IpAddr>,
    /// Why there is none, when a header should have told it.
    pub client_problem: Option<&'static str>,
    /// Who is connected to the gateway.
    pub peer: Option<IpAddr>,
    /// The gateway's id of the request.
    pub request_id: Option<&'a str>,
    /// Time from the door's message to the answer.
    pub latency: Duration,
}

/// Writes decisions.
#[derive(Debug, Default)]
pub struct DecisionLog {
    options: DecisionLogOptions,
    second: AtomicU64,
    written: AtomicU64,
    suppressed: AtomicU64,
}

impl DecisionLog {
    /// A log with these options.
    pub fn new(options: DecisionLogOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// The guide's first line.
    pub fn received(&self, peer: Option<IpAddr>) {
        if enabled!(target: "tollgate::guide", Level::DEBUG) {
            match peer {
                Some(peer) => debug!(target: "tollgate::guide", "Received auth request from {peer}"),
                None => debug!(target: "tollgate::guide", "Received auth request from an unknown address"),
            }
        }
    }

    /// The guide's second line.
    pub fn validating_token(&self) {
        debug!(target: "tollgate::guide", "Validating JWT token against JWKS endpoint");
    }

    /// The decision line, and the guide's third line.
    pub fn write(&self, decision: &Decision<'_>) {
        if enabled!(target: "tollgate::guide", Level::DEBUG) {
            guide(decision);
        }
        let wanted = match self.options.decisions {
            Decisions::All => true,
            Decisions::Denials => decision.denial.is_some(),
            Decisions::None => false,
        };
        if !wanted || !enabled!(target: "tollgate::decision", Level::INFO) {
            return;
        }
        if decision.denial.is_some() && !self.admits(decision.now) {
            return;
        }
        let (subject, user, issuer, key) = match decision.caller {
            None => (None, None, None, None),
            Some(caller @ Caller::User(token)) => {
                (Some(caller.subject()), Some(token.username.as_str()), Some(&*token.issuer), None)
            }
            Some(caller @ Caller::Key(key)) => (Some(caller.subject()), None, None, Some(key)),
        };
        let (code, reason) = decision.denial.unzip();
        info!(
            target: "tollgate::decision",
            door = decision.door,
            check.id = %decision.check_id,
            verdict = if code.is_some() { "deny" } else { "allow" },
            denial.code = code.map(DenialCode::as_str),
            denial.reason = reason,
            caller.subject = subject.map(shown),
            caller.user = user.map(shown),
            caller.issuer = issuer,
            key.id = key.map(|k| k.id.as_str()),
            project = key.map(|k| k.project.id.as_str()),
            model = decision.model.map(shown),
            route = decision.route,
            method = decision.method,
            host = decision.host.map(shown),
            path = decision.path.map(shown),
            client.address = decision.client.map(tracing::field::display),
            client.problem = decision.client_problem,
            peer = decision.peer.map(tracing::field::display),
            request.id = decision.request_id.map(shown),
            latency_us = u64::try_from(decision.latency.as_micros()).unwrap_or(u64::MAX),
            message = if code.is_some() { "check denied" } else { "check permitted" },
        );
    }

    /// Whether this second still has room for a line about a denial.
    fn admits(&self, now: Timestamp) -> bool {
        if self.options.max_denials_per_sec == 0 {
            return true;
        }
        let second = now.as_secs().unsigned_abs();
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.written.store(0, Ordering::Relaxed);
            let suppressed = self.suppressed.swap(0, Ordering::Relaxed);
            if suppressed > 0 {
                info!(target: "tollgate::decision", suppressed, "more denials than log lines in the last second");
            }
        }
        let admitted = self.written.fetch_add(1, Ordering::Relaxed) < self.options.max_denials_per_sec;
        if !admitted {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }
}

fn guide(decision: &Decision<'_>) {
    let user = decision.caller.map_or("anonymous", Caller::display_name);
    // The name comes from a token: it must not be able to begin a line of its own.
    let user = shown(user).escape_debug();
    match decision.denial {
        None => debug!(target: "tollgate::guide", "Authorization decision: ALLOWED for user: {user}"),
        Some((code, _)) => {
            debug!(target: "tollgate::guide", "Authorization decision: DENIED ({code}) for user: {user}");
        }
    }
}

fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_SHOWN)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_denials_is_counted_and_not_written() {
        let log = DecisionLog::new(DecisionLogOptions { max_denials_per_sec: 2, ..Default::default() });
        let second = Timestamp::from_secs(7);
        let admitted: Vec<_> = (0..4).map(|_| log.admits(second)).collect();
        assert_eq!(admitted, [true, true, false, false]);
        assert_eq!(log.suppressed.load(Ordering::Relaxed), 2);
        assert!(log.admits(Timestamp::from_secs(8)));
        assert_eq!(log.suppressed.load(Ordering::Relaxed), 0);
    }
}
