//! Cohere's billed units, rerankings, Ollama.

use tollgate_core::usage::{Flag, Rank};

use super::{JSON, LINES, SSE, aborted, assert_counts, assert_final, assert_flags, complete, events};

#[test]
fn cohere_bills_units() {
    let units = r#""billed_units":{"input_tokens":5,"output_tokens":6},"tokens":{"input_tokens":70,"output_tokens":80}"#;
    let expected = [("input", 5), ("output", 6)];
    assert_final(
        &complete("/v2/chat", JSON, format!(r#"{{"message":{{}},"usage":{{{units}}}}}"#)),
        &expected,
    );
    assert_final(&complete("/v1/chat", JSON, format!(r#"{{"text":"x","meta":{{{units}}}}}"#)), &expected);
    let end =
        format!(r#"{{"type":"message-end","delta":{{"finish_reason":"COMPLETE","usage":{{{units}}}}}}}"#);
    let delta = r#"{"type":"content-delta","delta":{"message":{"content":{"text":"hello"}}}}"#;
    assert_final(&aborted("/v2/chat", SSE, events(&[delta, &end])), &expected);
    let reading = aborted("/v2/chat", SSE, events(&[delta]));
    assert_counts(&reading, &[("input", super::ASSUMED_INPUT), ("output", 3)]);
    let floats = r#"{"usage":{"billed_units":{"input_tokens":5.0,"output_tokens":6.0}}}"#;
    assert_final(&complete("/v2/chat", JSON, floats), &expected);
}

#[test]
fn rerankings_bill_searches() {
    let body =
        r#"{"results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}"#;
    assert_final(&complete("/v2/rerank", JSON, body), &[("searches", 1)]);
    let tokens = r#"{"results":[],"usage":{"prompt_tokens":12,"total_tokens":12}}"#;
    assert_final(&complete("/v1/rerank", JSON, tokens), &[("input", 12)]);
}

#[test]
fn ollama_says_it_in_the_last_line() {
    let chunk = r#"{"model":"llama3","message":{"role":"assistant","content":"hello"},"done":false}"#;
    let end =
        r#"{"model":"llama3","message":{"content":""},"done":true,"prompt_eval_count":26,"eval_count":298}"#;
    let body = format!("{chunk}\n{chunk}\r\n{end}\n");
    let reading = aborted("/api/chat", LINES, &body);
    assert_final(&reading, &[("input", 26), ("output", 298)]);
    assert_eq!(reading.usage.model(), Some("llama3"));
    // The last line need not be ended; one that was cut does not count.
    assert_final(&aborted("/api/chat", LINES, body.trim_end()), &[("input", 26), ("output", 298)]);
    let cut = aborted("/api/chat", LINES, body.trim_end().trim_end_matches('}'));
    assert_eq!(cut.rank, Rank::Estimate);
    assert_flags(&cut, &[Flag::Truncated, Flag::OutputEstimated, Flag::InputEstimated]);
    assert_final(&complete("/api/generate", JSON, end), &[("input", 26), ("output", 298)]);
    assert_final(
        &complete("/api/embed", JSON, r#"{"embeddings":[[0.1]],"prompt_eval_count":8}"#),
        &[("input", 8)],
    );
}

#[test]
fn a_broken_line_is_flagged_and_the_next_is_read() {
    let end = r#"{"done":true,"prompt_eval_count":2,"eval_count":3}"#;
    let reading = complete("/api/chat", LINES, format!("{{\"done\":}}\n{end}\n"));
    assert_counts(&reading, &[("input", 2), ("output", 3)]);
    assert_flags(&reading, &[Flag::Malformed]);
}
