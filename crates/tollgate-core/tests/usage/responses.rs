//! OpenAI Responses: the last event holds the whole answer.

use tollgate_core::usage::{Flag, Rank, ServiceTier};

use super::{JSON, SSE, aborted, assert_counts, assert_final, assert_flags, complete, events};

const PATH: &str = "/v1/responses";
const USAGE: &str = r#"{"input_tokens":30,"input_tokens_details":{"cached_tokens":16,"cache_write_tokens":4},"output_tokens":12,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":42}"#;
const COUNTS: [(&str, i64); 5] =
    [("input", 30), ("cached_read", 16), ("cache_write", 4), ("output", 12), ("reasoning", 8)];

#[test]
fn one_object() {
    let body = format!(
        r#"{{"object":"response","status":"completed","model":"gpt-5-2025-08-07","service_tier":"priority","output":[{{"type":"web_search_call"}},{{"type":"file_search_call"}},{{"type":"code_interpreter_call"}},{{"type":"message","content":[{{"type":"output_text","text":"x"}}]}}],"usage":{USAGE}}}"#
    );
    let reading = complete(PATH, JSON, body);
    let mut counts = COUNTS.to_vec();
    counts.extend([("web_searches", 1), ("searches", 1), ("tool_calls", 1)]);
    assert_final(&reading, &counts);
    assert_eq!(reading.usage.model(), Some("gpt-5-2025-08-07"));
    assert_eq!(*reading.usage.tier(), ServiceTier::Priority);
}

#[test]
fn the_events_that_end_a_stream_have_it() {
    for kind in ["completed", "incomplete", "failed"] {
        let created =
            r#"{"type":"response.created","response":{"model":"gpt-5","status":"in_progress","usage":null}}"#;
        let delta = r#"{"type":"response.output_text.delta","delta":"hello"}"#;
        let end = format!(
            r#"{{"type":"response.{kind}","response":{{"model":"gpt-5-2025-08-07","status":"{kind}","usage":{USAGE}}}}}"#
        );
        let reading = aborted(PATH, SSE, events(&[created, delta, &end]));
        assert_final(&reading, &COUNTS);
        assert_eq!(reading.usage.model(), Some("gpt-5-2025-08-07"));
    }
}

#[test]
fn the_last_event_may_be_large() {
    let text = "\\\"usage\\\":{\\\"input_tokens\\\":1} ".repeat(60_000);
    let end = format!(
        r#"{{"type":"response.completed","response":{{"output":[{{"type":"message","content":[{{"type":"output_text","text":"{text}"}}]}}],"usage":{USAGE}}}}}"#
    );
    assert!(end.len() > 1 << 20);
    assert_final(&aborted(PATH, SSE, format!("event: response.completed\ndata: {end}\n\n")), &COUNTS);
}

#[test]
fn an_aborted_stream_is_estimated() {
    let created = r#"{"type":"response.created","response":{"model":"gpt-5","usage":null}}"#;
    let delta = r#"{"type":"response.output_text.delta","delta":"hello"}"#;
    let part = r#"{"type":"response.content_part.done","part":{"type":"output_text","text":"hellohello"}}"#;
    let reading = aborted(PATH, SSE, events(&[created, delta, delta, part]));
    assert_eq!(reading.rank, Rank::Estimate);
    assert_counts(&reading, &[("input", super::ASSUMED_INPUT), ("output", 5)]);
    assert_flags(&reading, &[Flag::OutputEstimated, Flag::InputEstimated]);
    assert_eq!(reading.usage.model(), Some("gpt-5"));
}

#[test]
fn an_answer_that_is_made_in_the_background_has_no_usage_yet() {
    let body = r#"{"object":"response","status":"queued","usage":null,"output":[]}"#;
    assert_eq!(complete(PATH, JSON, body).rank, Rank::Estimate);
}
