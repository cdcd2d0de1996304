//! The settings of a SecurityPolicy's question: what happens without an answer, how long to wait, and which headers travel.

use super::super::object::Object;
use super::policies::edit;
use super::{Finding, Scene};

pub(super) fn judge(scene: &mut Scene<'_>, policy: Object<'_>) {
    if policy.is_true("/spec/extAuth/failOpen") {
        scene.add(Finding::error(
            "policy_fails_open",
            policy.place(),
            "failOpen: true lets every request through while Tollgate cannot be reached, and while the policy is not valid",
            format!("{}: set spec.extAuth.failOpen: false", edit(policy)),
        ));
    }
    timeout(scene, policy);
    if !policy.has("/spec/extAuth/http") {
        return;
    }
    let back: Vec<&str> = policy.texts("/spec/extAuth/http/headersToBackend").collect();
    if !back.iter().any(|name| name.to_ascii_lowercase().starts_with("x-tollgate-")) {
        scene.add(Finding::warning(
            "policy_headers_to_backend",
            policy.place(),
            "over HTTP only listed headers reach the backend, and none of the identity headers is listed",
            format!("{}: list x-tollgate-subject and kin in spec.extAuth.http.headersToBackend, as deployment/variants/http-door.yaml does", edit(policy)),
        ));
    }
    let to: Vec<&str> = policy.texts("/spec/extAuth/headersToExtAuth").collect();
    if !to.iter().any(|name| name.eq_ignore_ascii_case("x-api-key")) {
        scene.add(Finding::warning(
            "policy_headers_to_check",
            policy.place(),
            "over HTTP Tollgate sees Authorization and nothing else: keys in x-api-key, api-key and x-goog-api-key are not seen",
            format!("{}: list them in spec.extAuth.headersToExtAuth, as deployment/variants/http-door.yaml does", edit(policy)),
        ));
    }
    let Some(configured) = &scene.expect.configured else { return };
    let path = policy.text("/spec/extAuth/http/path").unwrap_or_default().trim_end_matches('/');
    if let Some(prefix) = &configured.envoy_prefix
        && path != prefix.trim_end_matches('/')
    {
        let what = format!(
            "asks below '{path}', and {} says server.check.envoy_prefix: {prefix}: every check is denied",
            configured.source
        );
        let mend = format!("{}: set spec.extAuth.http.path: {prefix}", edit(policy));
        scene.add(Finding::error("policy_path", policy.place(), what, mend));
    }
}

/// Envoy must wait longer than Tollgate takes at most, or it gives up on answers that are on their way.
fn timeout(scene: &mut Scene<'_>, policy: Object<'_>) {
    let Some(configured) = &scene.expect.configured else { return };
    let Some(text) = policy.text("/spec/extAuth/timeout") else { return };
    let Some(timeout) = duration(text) else { return };
    if timeout <= configured.deadline {
        let deadline = configured.deadline.as_millis();
        let what =
            format!("waits {text} for a verdict, and {} lets a check take {deadline} ms", configured.source);
        let mend = format!(
            "{}: set spec.extAuth.timeout to more than {deadline}ms, or lower checks.deadline_ms",
            edit(policy)
        );
        scene.add(Finding::error("policy_timeout", policy.place(), what, mend));
    }
}

/// A duration of the Gateway API (GEP-2257): numbers with h, m, s or ms, one after the other.
fn duration(text: &str) -> Option<std::time::Duration> {
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let unit = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(unit);
        let millis = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(millis)?)?;
        rest = tail;
    }
    Some(std::time::Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_the_gateway_api_are_read() {
        for (text, millis) in [
            ("10s", Some(10_000)),
            ("1h2m3s4ms", Some(3_723_004)),
            ("50ms", Some(50)),
            ("5", None),
            ("x", None),
        ] {
            assert_eq!(duration(text).map(|d| d.as_millis()), millis, "{text}");
        }
    }
}
