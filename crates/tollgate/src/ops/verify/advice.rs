//! What to do when a case fails: said from what the gateway answered.

use super::{Judged, Stage};
use crate::ops::wire::{Answer, WireError};

/// No answer at all.
pub(super) fn unanswered(error: &WireError) -> Judged {
    let next = match error {
        WireError::Connect(_) => {
            "nobody answers there: check --gateway, and that the gateway runs (kubectl get svc -A -l \
             app.kubernetes.io/component=proxy)"
        }
        WireError::Closed(_) => "the gateway closed the connection; its log says why",
        WireError::Late(_) => {
            "the gateway waits for its backend or for the check; look at both, or raise --timeout-secs"
        }
    };
    Judged::fail(error.to_string(), next)
}

/// A caller that must be refused was answered with something else.
pub(super) fn not_refused(stage: &Stage, status: u16) -> Judged {
    let host = stage.options.gateway.host_text();
    let next = match (status, stage.options.expect_status) {
        (401 | 403, Some(pinned)) => format!(
            "refused, but --expect-status says {pinned}: set checks.unauthenticated_status: {pinned}, or leave the option out"
        ),
        (200..=299, _) => "the request passed without being checked: in Kubernetes, the SecurityPolicy must be accepted and \
             target this route (tollgate doctor); in Envoy's own configuration, ext_authz must stand before the router and \
             be enabled on this route; in Tollgate's, the route must not be `access: public`"
            .to_owned(),
        (404, _) => format!("the gateway has no route for host '{host}' and this path; give the route's host with --host"),
        (500, _) => "Envoy Gateway answers 500 while a SecurityPolicy is not valid (a missing ReferenceGrant, Service or \
             port): tollgate doctor names it"
            .to_owned(),
        (502..=504, _) => "the gateway could not get a verdict or reach its backend: is Tollgate ready \
             (tollgate healthcheck), and is its Service's name and port in the gateway's configuration?"
            .to_owned(),
        _ => "neither a refusal (401, 403) nor a success: who answered, and why, stands in the gateway's access log"
            .to_owned(),
    };
    Judged::fail(status.to_string(), next)
}

/// A caller that must pass was answered with something else.
pub(super) fn not_passed(stage: &Stage, answer: &Answer) -> Judged {
    let status = answer.status.as_u16();
    let next = match status {
        // Tollgate's own refusals say how to do better, and have a body.
        403 if answer.body.is_empty() && !answer.headers.contains_key(http::header::WWW_AUTHENTICATE) => {
            "an empty 403 is Envoy's own: it got no verdict. Is Tollgate ready (tollgate healthcheck), and are its Service's \
             name, port and protocol (gRPC on 3001, HTTP on 3002) right in the gateway's configuration? tollgate doctor"
                .to_owned()
        }
        401 | 403 => refused_token(stage),
        404 | 405 => format!(
            "the request was not refused, but nothing serves it (host '{}'): name a path that the backend has with --path or \
             --chat-path, or the route's host with --host; if the backend has it, the check service takes the client's \
             method or path for its own",
            stage.options.gateway.host_text()
        ),
        500 => "if the gateway is Envoy Gateway: a SecurityPolicy is not valid (tollgate doctor); else the backend failed"
            .to_owned(),
        502..=504 => "the gateway cannot reach Tollgate or its backend: tollgate doctor, and the access log's response flags"
            .to_owned(),
        _ => "this answer is the backend's or the gateway's own; their logs say why".to_owned(),
    };
    Judged::fail(status.to_string(), next)
}

/// Why a token that should be good was refused, as far as its text tells.
fn refused_token(stage: &Stage) -> String {
    let token = &stage.token;
    let claim = |name: &str| token.claim(name).map(ToString::to_string);
    if let Some(left) = token.seconds_left(stage.clock.now())
        && left < 0
    {
        return format!("the token expired {} s ago; get a new one, or let --token-url fetch it", -left);
    }
    let Some(iss) = claim("iss") else {
        return "the credential was refused; it is not a JWT, so its text tells no more: is it still valid?"
            .to_owned();
    };
    if claim("sub").is_none() {
        return "the token has no `sub`: a lightweight token of Keycloak; set client.use.lightweight.access.token.enabled to \
                false on its client (Keycloak 26 sets it to true on admin-cli)"
            .to_owned();
    }
    format!(
        "the token was refused: its iss is {iss} (is that among accepted_issuers?), its aud {} (among audiences?); the \
         decision log's denial.reason says which check failed, and `tollgate check` explains it offline",
        claim("aud").unwrap_or_else(|| "missing".to_owned())
    )
}
