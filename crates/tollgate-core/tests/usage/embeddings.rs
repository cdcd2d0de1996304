//! Embeddings: large bodies, input only.

use tollgate_core::usage::{Flag, Rank};

use super::{JSON, aborted, assert_counts, assert_final, assert_flags, complete};

const PATH: &str = "/v1/embeddings";

#[test]
fn usage_may_stand_first_or_last() {
    let vectors = r#"{"object":"embedding","index":0,"embedding":[0.1,-2.5e-3,NaN,0.25]}"#;
    let usage = r#""usage":{"prompt_tokens":8,"total_tokens":8}"#;
    for body in [
        format!(
            r#"{{"object":"list","data":[{vectors},{vectors}],"model":"text-embedding-3-small",{usage}}}"#
        ),
        format!(r#"{{{usage},"model":"text-embedding-3-small","data":[{vectors}]}}"#),
    ] {
        let reading = complete(PATH, JSON, body);
        assert_final(&reading, &[("input", 8)]);
        assert_eq!(reading.usage.model(), Some("text-embedding-3-small"));
    }
}

#[test]
fn a_total_alone_is_the_input() {
    let body = r#"{"data":[],"model":"voyage-3","usage":{"total_tokens":10}}"#;
    assert_final(&complete(PATH, JSON, body), &[("input", 10)]);
    assert_final(
        &complete("/v1/rerank", JSON, r#"{"results":[],"usage":{"total_tokens":10}}"#),
        &[("input", 10)],
    );
}

#[test]
fn a_body_that_breaks_off_counts_if_the_usage_was_whole() {
    let body = r#"{"usage":{"prompt_tokens":8,"total_tokens":8},"data":[{"embedding":[0.1,0.2"#;
    let reading = aborted(PATH, JSON, body);
    assert_eq!(reading.rank, Rank::Final);
    assert_counts(&reading, &[("input", 8)]);
    assert_flags(&reading, &[Flag::Truncated]);
    let cut = aborted(PATH, JSON, r#"{"data":[],"usage":{"prompt_tokens":8"#);
    assert_eq!(cut.rank, Rank::Estimate);
    assert_counts(&cut, &[("input", super::ASSUMED_INPUT)]);
    let cut = aborted(PATH, JSON, r#"{"data":[],"usage":{"prompt_tokens":8,"total_tokens":8"#);
    assert_eq!(cut.rank, Rank::Estimate);
}
