//! Anthropic messages: cumulative, replaced and never added; cache outside of the input.

use tollgate_core::usage::{Flag, Rank, ServiceTier};

use super::{JSON, SSE, aborted, assert_counts, assert_final, assert_flags, complete, events};

const PATH: &str = "/v1/messages";
const START: &str = r#"{"type":"message_start","message":{"type":"message","model":"claude-sonnet-4-5-20250929","usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"output_tokens":1,"service_tier":"standard"}}}"#;
const TEXT: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}"#;
const DELTA: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":25}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;
const INPUT: [(&str, i64); 4] =
    [("input", 140), ("cached_read", 100), ("cache_write_5m", 20), ("cache_write_1h", 10)];

fn with_output(output: i64) -> Vec<(&'static str, i64)> {
    let mut counts = INPUT.to_vec();
    counts.push(("output", output));
    counts
}

#[test]
fn one_object() {
    let body = r#"{"type":"message","model":"claude-opus-4","stop_reason":"end_turn","content":[{"type":"text","text":"x"}],"usage":{"input_tokens":10,"cache_creation_input_tokens":7,"cache_read_input_tokens":5,"output_tokens":4,"output_tokens_details":{"thinking_tokens":3},"server_tool_use":{"web_search_requests":2,"web_fetch_requests":1},"service_tier":"priority"}}"#;
    let reading = complete(PATH, JSON, body);
    let expected = [
        ("input", 22),
        ("cached_read", 5),
        ("cache_write", 7),
        ("output", 4),
        ("reasoning", 3),
        ("web_searches", 2),
        ("tool_calls", 1),
    ];
    assert_final(&reading, &expected);
    assert_eq!(*reading.usage.tier(), ServiceTier::Priority);
    let fast = body.replace("\"service_tier\"", "\"speed\":\"fast\",\"service_tier\"");
    assert_eq!(*complete(PATH, JSON, fast).usage.tier(), ServiceTier::Fast);
}

#[test]
fn the_delta_replaces_the_output_and_leaves_the_input() {
    let body = events(&[START, TEXT, TEXT, r#"{"type":"ping"}"#, DELTA, STOP]);
    for reading in [complete(PATH, SSE, &body), aborted(PATH, SSE, &body)] {
        assert_final(&reading, &with_output(25));
        assert_eq!(reading.usage.model(), Some("claude-sonnet-4-5-20250929"));
    }
    // Closed before message_stop.
    assert_final(&aborted(PATH, SSE, events(&[START, TEXT, DELTA])), &with_output(25));
}

#[test]
fn deltas_are_cumulative_and_may_repeat_the_input() {
    let early = r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":9}}"#;
    let full = r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"input_tokens":12,"cache_creation_input_tokens":30,"cache_read_input_tokens":100,"output_tokens":25}}"#;
    let reading = aborted(PATH, SSE, events(&[START, TEXT, early, full]));
    let mut expected = with_output(25);
    expected[0].1 = 142;
    assert_final(&reading, &expected);
    let so_far = aborted(PATH, SSE, events(&[START, TEXT, early]));
    assert_eq!(so_far.rank, Rank::SoFar);
    assert_counts(&so_far, &with_output(9));
}

#[test]
fn an_aborted_stream_has_an_exact_input_and_an_estimated_output() {
    let reading = aborted(PATH, SSE, events(&[START, TEXT, TEXT]));
    assert_eq!(reading.rank, Rank::SoFar);
    // One token was there at the start; ten bytes of text are five more.
    assert_counts(&reading, &with_output(6));
    assert_flags(&reading, &[Flag::OutputEstimated]);
    let silent = aborted(PATH, SSE, events(&[START]));
    assert_counts(&silent, &with_output(1));
    assert_eq!(silent.rank, Rank::SoFar);
}

#[test]
fn a_stream_that_ends_without_its_delta_is_not_final() {
    let reading = complete(PATH, SSE, events(&[START, TEXT]));
    assert_eq!(reading.rank, Rank::SoFar);
    assert!(reading.flags.has(Flag::OutputEstimated));
}

#[test]
fn thinking_and_tool_input_are_text_and_errors_are_noted() {
    let thinking = r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"abcd"}}"#;
    let tool = r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{\"usage\":1}"}}"#;
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let reading = aborted(PATH, SSE, events(&[START, thinking, tool, error]));
    assert_counts(&reading, &with_output(1 + 8));
    assert_flags(&reading, &[Flag::OutputEstimated, Flag::ProviderError]);
}

#[test]
fn vertex_is_read_alike() {
    let path = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4@1:streamRawPredict";
    assert_final(&complete(path, SSE, events(&[START, DELTA])), &with_output(25));
}
