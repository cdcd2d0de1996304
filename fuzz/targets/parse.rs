//! Any request lines through the parser: a canonical target stays as it is when parsed again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::credential::{CredentialHeader, find};
use tollgate_core::headers::Headers;
use tollgate_core::target::Target;

fuzz_target!(|lines: (&str, &str, &str, &[u8], &[u8])| {
    let (method, host, path, authorization, key) = lines;
    let mut query = None;
    if let Ok(target) = Target::parse(method, host, path) {
        let again = Target::parse(method, &target.host, &target.path)
            .map(|t| (t.host.into_owned(), t.path.into_owned()));
        assert_eq!(again.ok(), Some((target.host.to_string(), target.path.to_string())));
        query = target.query;
    }
    let mut headers = Headers::default();
    headers.push("authorization", authorization);
    headers.push("x-api-key", key);
    let _ = find(&headers, query, &CredentialHeader::defaults(), Some("key"));
});
