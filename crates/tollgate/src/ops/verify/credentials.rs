//! Credentials that are missing, good, forged, doubled, or in the wrong place.

use http::{HeaderName, HeaderValue, header};
use tollgate_core::apikey::{CHECKSUM_LEN, ID_LEN, PREFIX, SECRET_LEN, checksum_of};

use super::{Judged, Outcome, Stage, advice, all, forge};

/// The guide's Test 1.
pub(super) async fn missing(stage: &Stage) -> Judged {
    let answer = match stage.send(stage.get()).await {
        Ok(answer) => answer,
        Err(error) => return advice::unanswered(&error),
    };
    let challenge = answer.header(&header::WWW_AUTHENTICATE).map(str::to_owned);
    let judged = stage.refused(Ok(answer));
    if judged.outcome != Outcome::Pass {
        return judged;
    }
    match challenge {
        Some(challenge) if challenge.starts_with("Bearer") => {
            Judged::pass(format!("{}, www-authenticate: {challenge}", judged.got))
        }
        // A 403 need not say how to do better; a 401 must (RFC 9110 section 15.5.2).
        _ if judged.got == "403" && stage.options.expect_status.is_none() => {
            Judged::pass("403, no www-authenticate")
        }
        _ => Judged::fail(
            format!("{}, no `www-authenticate: Bearer`", judged.got),
            "the gateway takes the header off the refusal: Envoy's HTTP service must not list allowed_client_headers without \
             it, nginx must pass it on (auth_request_set and add_header)",
        ),
    }
}

/// The guide's Test 2.
pub(super) async fn valid(stage: &Stage) -> Judged {
    stage.passed(stage.send(stage.with_token(stage.get())).await)
}

pub(super) async fn wrong_signature(stage: &Stage) -> Judged {
    forged(stage, forge::wrong_signature).await
}

pub(super) async fn changed_claims(stage: &Stage) -> Judged {
    forged(stage, forge::changed_claims).await
}

pub(super) async fn unsigned(stage: &Stage) -> Judged {
    forged(stage, forge::unsigned).await
}

pub(super) async fn hmac(stage: &Stage) -> Judged {
    forged(stage, forge::empty_hmac).await
}

async fn forged(stage: &Stage, forge: fn(&str) -> Option<String>) -> Judged {
    match forge(stage.token.reveal()) {
        Some(token) => bearer(stage, &token).await,
        None => Judged::skipped("the credential is not a JWT"),
    }
}

async fn bearer(stage: &Stage, token: &str) -> Judged {
    let request = stage.get().header(header::AUTHORIZATION, stage.authorization(token));
    stage.refused(stage.send(request).await)
}

pub(super) async fn garbage(stage: &Stage) -> Judged {
    let mut judged = Vec::new();
    for text in ["garbage", "a.b.c", "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"] {
        judged.push((format!("Bearer {text}"), bearer(stage, text).await));
    }
    for value in ["Bearer", "Basic dGVzdHVzZXI6dGVzdHBhc3MxMjM="] {
        let request = stage.get().header(header::AUTHORIZATION, HeaderValue::from_static(value));
        judged.push((value.to_owned(), stage.refused(stage.send(request).await)));
    }
    all(judged)
}

pub(super) async fn expired(stage: &Stage) -> Judged {
    let Some(token) = &stage.options.expired_token else {
        return Judged::skipped("give a token that was valid once with --expired-token-file");
    };
    match token.seconds_left(stage.clock.now()) {
        Some(left) if left >= 0 => {
            Judged::skipped(format!("the token of --expired-token-file is valid for {left} s more"))
        }
        _ => bearer(stage, token.reveal()).await,
    }
}

/// Which of two credentials counts would be a matter of who reads them.
pub(super) async fn two_lines(stage: &Stage) -> Judged {
    let good = || stage.authorization(stage.token.reveal());
    let other = || HeaderValue::from_static("Bearer garbage");
    let mut judged = Vec::new();
    for (what, lines) in [("valid first", [good(), other()]), ("valid second", [other(), good()])] {
        let [first, second] = lines;
        let request = stage.get().header(header::AUTHORIZATION, first).header(header::AUTHORIZATION, second);
        judged.push((what.to_owned(), stage.refused(or_bad_request(stage.send(request).await))));
    }
    all(judged)
}

/// A gateway that turns a broken request away with 400 has refused it too.
fn or_bad_request(
    answer: Result<crate::ops::wire::Answer, crate::ops::wire::WireError>,
) -> Result<crate::ops::wire::Answer, crate::ops::wire::WireError> {
    answer.map(|mut answer| {
        if answer.status == http::StatusCode::BAD_REQUEST {
            answer.status = http::StatusCode::UNAUTHORIZED;
        }
        answer
    })
}

pub(super) async fn in_query(stage: &Stage) -> Judged {
    let mut judged = Vec::new();
    for name in ["access_token", "token", "api_key", "key"] {
        let mut request = stage.get();
        let joint = if request.target.contains('?') { '&' } else { '?' };
        request.target = format!("{}{joint}{name}={}", request.target, stage.token.reveal());
        judged.push((format!("?{name}="), stage.refused(stage.send(request).await)));
    }
    all(judged)
}

pub(super) async fn api_keys(stage: &Stage) -> Judged {
    let mut judged = Vec::new();
    for (what, key) in [("wrong checksum", made_up_key(false)), ("unknown key", made_up_key(true))] {
        let Ok(value) = HeaderValue::from_str(&key) else { continue };
        let request = stage.get().header(HeaderName::from_static("x-api-key"), value);
        judged.push((format!("{what} in x-api-key"), stage.refused(stage.send(request).await)));
        judged.push((format!("{what} as Bearer"), bearer(stage, &key).await));
    }
    all(judged)
}

/// A key that nobody was given, with its checksum right or wrong.
fn made_up_key(right: bool) -> String {
    let body = format!("{PREFIX}{}_{}", "0".repeat(ID_LEN), "1".repeat(SECRET_LEN));
    let checksum = checksum_of(body.as_bytes());
    let checksum = String::from_utf8_lossy(&checksum).into_owned();
    if right { format!("{body}{checksum}") } else { format!("{body}{}", "z".repeat(CHECKSUM_LEN)) }
}

#[cfg(test)]
mod tests {
    use tollgate_core::apikey::PlainKey;

    use super::*;

    #[test]
    fn made_up_keys_differ_in_their_checksum_only() {
        assert!(PlainKey::parse(&made_up_key(true)).is_some());
        assert!(PlainKey::parse(&made_up_key(false)).is_none());
        assert_eq!(made_up_key(true).len(), made_up_key(false).len());
    }
}
