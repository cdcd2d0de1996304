//! Requests that no well-behaved client sends, and many at once.

use http::{HeaderValue, header};

use super::{BackendKind, ECHO, Judged, Outcome, Stage, advice, all};
use crate::ops::wire::Request;

/// Requests in the burst.
const BURST: usize = 40;

/// Other spellings of one path, and ways around a prefix that is public.
fn spellings(path: &str) -> Vec<String> {
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let before = [
        "/.",
        "/",
        "/%2e",
        "/public/..",
        "/public/%2e%2e",
        "/public/..;",
        "/public%2f..",
        "/public/.%2E",
        "/%5c..",
        "/health/..",
    ];
    before.iter().map(|before| format!("{before}{path}")).collect()
}

pub(super) async fn paths(stage: &Stage) -> Judged {
    let mut judged = Vec::new();
    for spelling in spellings(&stage.options.path) {
        // The sample backend answers any path with this header, so that nothing that got through looks like a 404.
        let request = Request::get(spelling.clone()).header(ECHO, HeaderValue::from_static("1"));
        let one = match stage.send(request).await {
            Err(error) => advice::unanswered(&error),
            Ok(answer) => match answer.status.as_u16() {
                // Turned away, sent to the tidy spelling, or refused.
                status @ (301 | 302 | 307 | 308 | 400 | 401 | 403 | 421) => Judged::pass(status.to_string()),
                404 if stage.backend == BackendKind::Unknown => Judged::pass("404"),
                status => advice::not_refused(stage, status),
            },
        };
        judged.push((spelling, one));
    }
    all(judged)
}

pub(super) async fn oversized(stage: &Stage) -> Judged {
    let mut judged = Vec::new();
    for kilobytes in [20, 100] {
        let token = "a".repeat(kilobytes * 1024);
        let request = stage.get().header(header::AUTHORIZATION, stage.authorization(&token));
        let one = match stage.send(request).await {
            // A gateway may stop reading and close: refused in its way.
            Err(crate::ops::wire::WireError::Closed(_)) => Judged::pass("closed"),
            Err(error) => advice::unanswered(&error),
            Ok(answer) => match answer.status.as_u16() {
                status @ (400 | 401 | 403 | 413 | 431) => Judged::pass(status.to_string()),
                status => advice::not_refused(stage, status),
            },
        };
        judged.push((format!("a token of {kilobytes} KiB"), one));
    }
    all(judged)
}

pub(super) async fn burst(stage: &Stage) -> Judged {
    let one = async |n: usize| {
        let judged = match n % 4 {
            0 | 1 => stage.passed(stage.send(stage.with_token(stage.get())).await),
            2 => stage.refused(stage.send(stage.get()).await),
            _ => {
                let value = HeaderValue::from_static("Bearer garbage");
                stage.refused(stage.send(stage.get().header(header::AUTHORIZATION, value)).await)
            }
        };
        let what = ["valid token", "valid token", "no credential", "garbage"][n % 4];
        (format!("{what}, request {n} of {BURST}"), judged)
    };
    let judged = futures_util::future::join_all((0..BURST).map(one)).await;
    let failed = judged.iter().filter(|(_, judged)| judged.outcome != Outcome::Pass).count();
    let judged = all(judged);
    match judged.outcome {
        Outcome::Pass => Judged::pass(format!("{BURST} answers, each as expected")),
        _ => Judged { got: format!("{failed} of {BURST} differ; {}", judged.got), ..judged },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_can_be_sent() {
        for path in ["/", "/v1/models", "v1?x=1"] {
            for spelling in spellings(path) {
                assert!(spelling.starts_with('/'), "{spelling}");
                assert!(spelling.parse::<http::Uri>().is_ok(), "{spelling}");
            }
        }
    }
}
