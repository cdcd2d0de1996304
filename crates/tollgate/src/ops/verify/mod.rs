//! `tollgate verify`: what a gateway must refuse and must let through, tried from outside with real requests.
//!
//! The first two cases are the integration guide's Test 1 and Test 2. Any gateway can be tried; what only the sample backend
//! shows (it says back what reached it) is "not observable" behind other backends, which is neither passed nor failed.

mod advice;
mod credentials;
mod forge;
mod identity;
mod odd;
mod report;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

pub use self::report::{CaseResult, Judged, Outcome, Report};
use super::target::Gateway;
use super::token::{Token, TokenSource};
use super::wire::{self, Answer, Request, WireError};
use crate::clock::Clock;

/// Asks the sample backend to say back what reached it.
const ECHO: HeaderName = HeaderName::from_static("x-demo-echo");

/// What to try, and what is expected.
#[derive(Debug)]
pub struct VerifyOptions {
    /// The gateway.
    pub gateway: Gateway,
    /// Where valid tokens come from.
    pub token: TokenSource,
    /// A token that was valid once.
    pub expired_token: Option<Token>,
    /// The status of refused callers; 401 and 403 are both right without it.
    pub expect_status: Option<u16>,
    /// A path that a valid token opens and that answers with a success.
    pub path: String,
    /// A path that takes chat completions.
    pub chat_path: String,
    /// The model that chats ask for.
    pub model: String,
    /// Headers by which the backend learns who calls.
    pub identity_headers: Vec<HeaderName>,
    /// The credential may reach the backend: the route says so.
    pub credential_may_pass: bool,
    /// Ids of cases to run; empty runs all.
    pub only: Vec<String>,
    /// Ids of cases to leave out.
    pub skip: Vec<String>,
    /// For one request, connecting included.
    pub timeout: Duration,
}

/// One thing that is tried.
struct Case {
    id: &'static str,
    /// What must hold.
    title: &'static str,
    run: for<'a> fn(&'a Stage) -> BoxFuture<'a, Judged>,
}

/// All cases, in the order in which they run.
const CASES: [Case; 21] = [
    Case { id: "test-1", title: "no credential is refused", run: |s| Box::pin(credentials::missing(s)) },
    Case {
        id: "test-2",
        title: "a valid token reaches the backend",
        run: |s| Box::pin(credentials::valid(s)),
    },
    Case {
        id: "wrong-signature",
        title: "a changed signature is refused",
        run: |s| Box::pin(credentials::wrong_signature(s)),
    },
    Case {
        id: "changed-claims",
        title: "changed claims are refused",
        run: |s| Box::pin(credentials::changed_claims(s)),
    },
    Case {
        id: "alg-none",
        title: "an unsigned token is refused",
        run: |s| Box::pin(credentials::unsigned(s)),
    },
    Case {
        id: "alg-hmac",
        title: "a token signed with an empty HMAC key is refused",
        run: |s| Box::pin(credentials::hmac(s)),
    },
    Case {
        id: "garbage-token",
        title: "what is no token is refused",
        run: |s| Box::pin(credentials::garbage(s)),
    },
    Case {
        id: "expired-token",
        title: "an expired token is refused",
        run: |s| Box::pin(credentials::expired(s)),
    },
    Case {
        id: "two-authorizations",
        title: "two Authorization lines are refused",
        run: |s| Box::pin(credentials::two_lines(s)),
    },
    Case {
        id: "token-in-query",
        title: "a token in the query is refused",
        run: |s| Box::pin(credentials::in_query(s)),
    },
    Case {
        id: "wrong-api-key",
        title: "API keys with a wrong checksum, and unknown ones, are refused",
        run: |s| Box::pin(credentials::api_keys(s)),
    },
    Case {
        id: "spoofed-identity",
        title: "a client's own identity headers do not reach the backend",
        run: |s| Box::pin(identity::spoofed(s)),
    },
    Case {
        id: "spoofed-anonymous",
        title: "identity headers are no credential",
        run: |s| Box::pin(identity::anonymous(s)),
    },
    Case {
        id: "credential-stripped",
        title: "the credential does not reach the backend",
        run: |s| Box::pin(identity::stripped(s)),
    },
    Case {
        id: "post-json",
        title: "POST with a JSON body passes",
        run: |s| Box::pin(requests::post_json(s)),
    },
    Case {
        id: "post-refused",
        title: "POST without a credential is refused",
        run: |s| Box::pin(requests::post_refused(s)),
    },
    Case {
        id: "post-streaming",
        title: "a streamed answer arrives in pieces",
        run: |s| Box::pin(requests::streaming(s)),
    },
    Case {
        id: "other-methods",
        title: "HEAD, OPTIONS and others need a credential too",
        run: |s| Box::pin(requests::methods(s)),
    },
    Case {
        id: "path-tricks",
        title: "odd spellings of a path do not get past the check",
        run: |s| Box::pin(odd::paths(s)),
    },
    Case {
        id: "oversized-header",
        title: "oversized credentials are refused, not a failure",
        run: |s| Box::pin(odd::oversized(s)),
    },
    Case {
        id: "burst",
        title: "forty requests at once are judged as one by one",
        run: |s| Box::pin(odd::burst(s)),
    },
];

/// The ids of all cases.
pub fn case_ids() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.id)
}

/// Runs the cases; `progress` is told each id before it runs.
///
/// # Errors
/// There is no token to try with, or a case is named that does not exist. A gateway that does not answer is a failed case.
pub async fn run(
    options: VerifyOptions,
    clock: Arc<dyn Clock>,
    progress: &mut dyn FnMut(&str),
) -> anyhow::Result<Report> {
    for id in options.only.iter().chain(&options.skip) {
        if !case_ids().any(|known| known == id) {
            let known: Vec<&str> = case_ids().collect();
            anyhow::bail!("there is no case '{id}'; there are: {}", known.join(", "));
        }
    }
    let token = options.token.first().await?;
    token.bearer()?;
    let mut stage = Stage { options, token, clock, backend: BackendKind::Unknown };
    stage.backend = stage.look().await;
    let mut cases = Vec::new();
    for case in &CASES {
        let named = |list: &[String]| list.iter().any(|id| id == case.id);
        if !stage.options.only.is_empty() && !named(&stage.options.only) {
            continue;
        }
        let judged = if named(&stage.options.skip) {
            Judged::skipped("left out by --skip")
        } else {
            progress(case.id);
            if let Some(token) = stage.options.token.renewed(&stage.token, stage.clock.now()).await? {
                stage.token = token;
            }
            (case.run)(&stage).await
        };
        cases.push(CaseResult { id: case.id, title: case.title, judged });
    }
    let gateway = &stage.options.gateway;
    Ok(Report::new(gateway.url.clone(), gateway.host_text().to_owned(), stage.backend.as_str(), cases))
}

/// What stands behind the gateway, as far as its answers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BackendKind {
    /// The sample backend, which says back what reached it.
    Sample,
    /// Some other one.
    Unknown,
}

impl BackendKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "sample backend",
            Self::Unknown => "unknown",
        }
    }
}

/// What every case works with.
struct Stage {
    options: VerifyOptions,
    token: Token,
    clock: Arc<dyn Clock>,
    backend: BackendKind,
}

impl Stage {
    /// Sends one request as it stands.
    async fn send(&self, request: Request) -> Result<Answer, WireError> {
        wire::send(&self.options.gateway, request, self.options.timeout).await
    }

    /// A GET of the path that a valid token opens.
    fn get(&self) -> Request {
        Request::get(self.options.path.clone())
    }

    /// The value of `Authorization` for this text; the valid token was tried at the start, and forgeries are made of it.
    fn authorization(&self, token: &str) -> HeaderValue {
        super::token::bearer(token).unwrap_or(HeaderValue::from_static("Bearer"))
    }

    /// The request with the valid token.
    fn with_token(&self, request: Request) -> Request {
        let value = self.authorization(self.token.reveal());
        request.header(header::AUTHORIZATION, value)
    }

    /// What the sample backend says that it was sent; `None` from any other backend.
    async fn echo(&self, request: Request) -> Result<Option<Value>, WireError> {
        let answer = self.send(request.header(ECHO, HeaderValue::from_static("1"))).await?;
        let is_echo =
            |said: &Value| said.get("method").is_some() && said.get("headers").is_some_and(Value::is_object);
        Ok(answer.json().filter(|said| answer.status.is_success() && is_echo(said)))
    }

    /// Whether the sample backend stands behind the gateway.
    async fn look(&self) -> BackendKind {
        match self.echo(self.with_token(self.get())).await {
            Ok(Some(_)) => BackendKind::Sample,
            _ => BackendKind::Unknown,
        }
    }

    /// Judges an answer that must refuse the caller.
    fn refused(&self, answer: Result<Answer, WireError>) -> Judged {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return advice::unanswered(&error),
        };
        let status = answer.status.as_u16();
        let wanted = match self.options.expect_status {
            Some(pinned) => status == pinned,
            None => matches!(status, 401 | 403),
        };
        if wanted { Judged::pass(status.to_string()) } else { advice::not_refused(self, status) }
    }

    /// Judges an answer that must come from the backend.
    fn passed(&self, answer: Result<Answer, WireError>) -> Judged {
        match answer {
            Err(error) => advice::unanswered(&error),
            Ok(answer) if answer.status.is_success() => Judged::pass(answer.status.as_u16().to_string()),
            Ok(answer) => advice::not_passed(self, &answer),
        }
    }
}

/// Every one must pass; what they came to is said once each.
fn all(judged: Vec<(String, Judged)>) -> Judged {
    let mut got: Vec<String> = Vec::new();
    for (what, one) in judged {
        if one.outcome != Outcome::Pass {
            return Judged { got: format!("{what}: {}", one.got), ..one };
        }
        if !got.contains(&one.got) {
            got.push(one.got);
        }
    }
    Judged::pass(got.join(", "))
}
