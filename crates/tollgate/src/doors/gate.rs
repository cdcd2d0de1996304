//! The one path of every check, whichever door it came through:
//! parse → gather (the only await) → decide → reply.
//!
//! Whatever goes wrong ends in a reply that denies. A door that failed instead would leave the verdict to the gateway's
//! failure mode, and an attacker could choose to fail.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use tokio::time::Instant;
use tollgate_core::caller::Caller;
use tollgate_core::check::{Verdict, decide};
use tollgate_core::credential::Credential;
use tollgate_core::denial::{Denial, DenialClass, DenialCode};
use tollgate_core::facts::Evidence;
use tollgate_core::input::{CheckId, CheckInput, RawRequest};
use tollgate_core::reply::Reply;
use tollgate_core::time::Timestamp;

use super::gather::gather;
use super::ids::CheckIds;
use super::origin::Origin;
use crate::clock::Clock;
use crate::telemetry::{Decision, DecisionLog, Metrics, Traces};
use crate::views::{CurrentRulebook, Gathered, KeySecret, LastUsed, Rulebook, TokenCache, Used};

/// A transport for checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// Envoy gRPC ext_authz v3.
    EnvoyGrpc,
    /// Envoy HTTP ext_authz.
    EnvoyHttp,
    /// nginx `auth_request`.
    Nginx,
    /// Traefik ForwardAuth and Caddy forward_auth.
    ForwardAuth,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 4] = [Self::EnvoyGrpc, Self::EnvoyHttp, Self::Nginx, Self::ForwardAuth];

    /// As it appears in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EnvoyGrpc => "envoy_grpc",
            Self::EnvoyHttp => "envoy_http",
            Self::Nginx => "nginx",
            Self::ForwardAuth => "forward_auth",
        }
    }
}

/// What every door needs to decide a check.
pub struct Gate {
    rulebook: CurrentRulebook,
    tokens: TokenCache,
    last_used: Option<Arc<LastUsed>>,
    clock: Arc<dyn Clock>,
    ids: CheckIds,
    metrics: Arc<Metrics>,
    decisions: DecisionLog,
    traces: Traces,
    in_flight: AtomicUsize,
}

/// The parts of a [`Gate`].
pub struct GateParts {
    /// The rulebook in force.
    pub rulebook: CurrentRulebook,
    /// Tokens that were verified before.
    pub tokens: TokenCache,
    /// Where uses of API keys are noted, if anywhere.
    pub last_used: Option<Arc<LastUsed>>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// 128 random bits, for check ids.
    pub seed: u128,
    /// Where checks are counted.
    pub metrics: Arc<Metrics>,
    /// Where decisions are written.
    pub decisions: DecisionLog,
    /// Where spans go.
    pub traces: Traces,
}

impl Gate {
    /// Puts the parts together.
    pub fn new(parts: GateParts) -> Self {
        let GateParts { rulebook, tokens, last_used, clock, seed, metrics, decisions, traces } = parts;
        Self {
            rulebook,
            tokens,
            last_used,
            clock,
            ids: CheckIds::new(seed),
            metrics,
            decisions,
            traces,
            in_flight: 0.into(),
        }
    }

    /// Decides one check and hands the reply to `respond`. Never fails: overload, lateness, malformed input and even a
    /// panic end as a reply that denies.
    pub async fn check<R>(
        &self,
        door: Door,
        request: Result<RawRequest<'_>, Denial>,
        origin: Origin<'_>,
        respond: impl FnOnce(&Reply<'_>) -> R,
    ) -> R {
        let start = Instant::now();
        let id = self.ids.next();
        let rulebook = self.rulebook.borrow();
        let record = Record { door, id, origin, start, now: self.clock.now() };
        let input = match request {
            Ok(request) => CheckInput::parse(request, &rulebook.policy),
            Err(denial) => Err(denial),
        };
        let seat = Seat::take(&self.in_flight, rulebook.max_concurrent);
        let verdict = match (&input, &seat) {
            (Err(denial), _) => Err(denial.clone()),
            (Ok(_), None) => {
                self.metrics.shed();
                Err(Denial::new(
                    DenialCode::Overloaded,
                    "more checks are under way than checks.max_concurrent",
                ))
            }
            (Ok(input), Some(_)) => {
                let span = self.traces.check_span(origin.traceparent, origin.tracestate);
                let work = AssertUnwindSafe(self.decide(input, &rulebook, &record));
                let verdict = work.catch_unwind().await.unwrap_or_else(|_| {
                    self.metrics.panicked();
                    Err(Denial::new(DenialCode::Unavailable, "the check panicked; this is a bug in Tollgate"))
                });
                span.finish(&record.describe(&verdict, Some(input)));
                verdict
            }
        };
        let input = input.as_ref().ok();
        let reply = Reply::new(&verdict, input, &rulebook.policy, id);
        let out = respond(&reply);
        self.note(&record, &verdict, input);
        out
    }

    /// Tokens that are remembered.
    pub const fn tokens(&self) -> &TokenCache {
        &self.tokens
    }

    /// Checks under way now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    async fn decide<'a>(
        &self,
        input: &CheckInput<'a>,
        rulebook: &'a Rulebook,
        record: &Record<'_>,
    ) -> Verdict<'a> {
        self.decisions.received(record.origin.client.address().or(record.origin.peer));
        if matches!(input.credential, Ok(Some(Credential::Jwt(_)))) {
            self.decisions.validating_token();
        }
        let deadline = record.start + rulebook.deadline;
        let Gathered { facts, remember, secret } =
            gather(input, rulebook, &self.tokens, record.now, deadline).await;
        let gathered = Instant::now();
        self.metrics.gathered(gathered - record.start);
        let verdict = decide(&facts, input);
        match facts.evidence {
            Evidence::Token { .. } => {
                self.metrics.token_cache(false);
                self.metrics.verified(gathered.elapsed());
            }
            Evidence::Remembered(_) => self.metrics.token_cache(true),
            _ => {}
        }
        // A token is remembered once it is verified, whatever was then decided about its request.
        let caller = match &verdict {
            Ok(permit) => permit.caller(),
            Err(denial) => denial.caller(),
        };
        if let (Some(place), Some(Caller::User(token))) = (remember, caller) {
            self.tokens.put(place.digest, Arc::clone(token), place.epoch);
        }
        self.note_use(&verdict, input, secret, record.now);
        verdict
    }

    /// Notes that a live key was used, whatever it was then allowed to do.
    fn note_use(&self, verdict: &Verdict<'_>, input: &CheckInput<'_>, secret: KeySecret, at: Timestamp) {
        let Some(last_used) = &self.last_used else { return };
        let caller = match verdict {
            Ok(permit) => permit.caller(),
            Err(denial) if denial.code().class() == DenialClass::Unauthenticated => None,
            Err(denial) => denial.caller(),
        };
        if let Some(Caller::Key(key)) = caller {
            let agent = input.headers.all("user-agent").next();
            last_used.note(Used { id: key.id, secret, at, address: input.client, agent });
        }
    }

    fn note(&self, record: &Record<'_>, verdict: &Verdict<'_>, input: Option<&CheckInput<'_>>) {
        let decision = record.describe(verdict, input);
        self.metrics.check(decision.door, decision.denial.map(|(code, _)| code), decision.latency);
        self.decisions.write(&decision);
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for GateParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateParts").finish_non_exhaustive()
    }
}

/// One check as log and trace see it.
#[derive(Clone, Copy)]
struct Record<'a> {
    door: Door,
    id: CheckId,
    origin: Origin<'a>,
    start: Instant,
    now: Timestamp,
}

impl Record<'_> {
    fn describe<'s>(&'s self, verdict: &'s Verdict<'_>, input: Option<&'s CheckInput<'_>>) -> Decision<'s> {
        let (caller, model, denial) = match verdict {
            Ok(permit) => (permit.caller(), permit.model(), None),
            Err(denial) => (denial.caller(), denial.model(), Some((denial.code(), denial.reason()))),
        };
        Decision {
            check_id: self.id,
            door: self.door.as_str(),
            now: self.now,
            denial,
            caller,
            model,
            route: input.and_then(|i| i.route).map(|r| r.name.as_str()),
            method: input.map(|i| i.target.method),
            host: input.map(|i| i.target.host.as_ref()),
            path: input.map(|i| i.target.path.as_ref()),
            client: self.origin.client.address(),
            client_problem: self.origin.client.problem(),
            peer: self.origin.peer,
            request_id: self.origin.request_id,
            latency: self.start.elapsed(),
        }
    }
}

/// A place among the checks under way; given back when dropped, also when the door's caller goes away.
struct Seat<'a>(&'a AtomicUsize);

impl<'a> Seat<'a> {
    fn take(in_flight: &'a AtomicUsize, max: usize) -> Option<Self> {
        let seat = Self(in_flight);
        (in_flight.fetch_add(1, Ordering::Relaxed) < max).then_some(seat)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
