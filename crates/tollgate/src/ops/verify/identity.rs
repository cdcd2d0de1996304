//! Who the backend is told the caller is: the gate decides that, whatever the client says.

use http::HeaderValue;
use serde_json::Value;

use super::{BackendKind, Judged, Stage, advice};
use crate::ops::wire::Request;

/// What a client claims to be.
const CLAIMED: &str = "spoofed-by-tollgate-verify";
/// Headers that carry credentials.
const CREDENTIALS: [&str; 5] =
    ["authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key"];

fn spoof(stage: &Stage, mut request: Request) -> Request {
    for name in &stage.options.identity_headers {
        request = request.header(name.clone(), HeaderValue::from_static(CLAIMED));
    }
    request
}

pub(super) async fn spoofed(stage: &Stage) -> Judged {
    let request = spoof(stage, stage.with_token(stage.get()));
    if stage.backend == BackendKind::Unknown {
        return not_ours();
    }
    let said = match stage.echo(request).await {
        Ok(Some(said)) => said,
        Ok(None) => return not_ours(),
        Err(error) => return advice::unanswered(&error),
    };
    let reached: Vec<&str> = stage
        .options
        .identity_headers
        .iter()
        .filter(|name| values(&said, name.as_str()).iter().any(|value| value.contains(CLAIMED)))
        .map(http::HeaderName::as_str)
        .collect();
    if !reached.is_empty() {
        return Judged::fail(
            format!("the client's own {} reached the backend", reached.join(", ")),
            "the gate must set or remove every identity header: over gRPC Tollgate does; over HTTP the gateway must copy them \
             all (headersToBackend, allowed_upstream_headers, auth_request_set); remove them early as well \
             (ClientTrafficPolicy headers.earlyRequestHeaders.remove)",
        );
    }
    let set =
        stage.options.identity_headers.iter().filter(|name| !values(&said, name.as_str()).is_empty()).count();
    if set == 0 {
        return Judged::fail(
            "none of the identity headers reached the backend",
            "the backend does not learn who calls: with an HTTP door the gateway copies only what it lists \
             (headersToBackend of the SecurityPolicy, allowed_upstream_headers)",
        );
    }
    Judged::pass(format!("{set} identity headers, all the gate's own"))
}

pub(super) async fn anonymous(stage: &Stage) -> Judged {
    stage.refused(stage.send(spoof(stage, stage.get())).await)
}

pub(super) async fn stripped(stage: &Stage) -> Judged {
    if stage.backend == BackendKind::Unknown {
        return not_ours();
    }
    let said = match stage.echo(stage.with_token(stage.get())).await {
        Ok(Some(said)) => said,
        Ok(None) => return not_ours(),
        Err(error) => return advice::unanswered(&error),
    };
    let reached: Vec<&str> = CREDENTIALS.into_iter().filter(|name| !values(&said, name).is_empty()).collect();
    match reached.as_slice() {
        [] => Judged::pass("no credential header at the backend"),
        names if stage.options.credential_may_pass => {
            Judged::pass(format!("{} at the backend, as --credential-may-pass says", names.join(", ")))
        }
        names => Judged::fail(
            format!("the backend got {}", names.join(", ")),
            "whoever runs the backend can use the caller's token elsewhere: over gRPC Tollgate takes it off (unless the route \
             says forward_credential: true); over HTTP the gateway must (nginx: proxy_set_header Authorization \"\"); if it \
             is meant, say --credential-may-pass",
        ),
    }
}

/// All values of a header, as the sample backend saw them.
fn values<'a>(said: &'a Value, name: &str) -> Vec<&'a str> {
    let list = said.get("headers").and_then(|headers| headers.get(name)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn not_ours() -> Judged {
    Judged::not_observable(
        "the backend does not say what reached it",
        "put the sample backend behind the gateway to see it (deployment/ai-backend.yaml, or `tollgate dev`)",
    )
}
