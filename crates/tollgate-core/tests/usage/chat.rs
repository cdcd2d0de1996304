//! OpenAI chat and completions, and imitations: Groq, Moonshot, DeepSeek, xAI, Perplexity, vLLM.

use tollgate_core::usage::{Flag, Rank, ServiceTier};

use super::{JSON, SSE, aborted, assert_counts, assert_final, assert_flags, complete, events};

const PATH: &str = "/v1/chat/completions";

#[test]
fn one_object_with_every_detail() {
    let body = r#"{"id":"x","object":"chat.completion","model":"gpt-4o-2024-08-06","service_tier":"flex",
        "choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}],
        "usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
        "prompt_tokens_details":{"cached_tokens":64,"cache_write_tokens":10,"audio_tokens":5,"image_tokens":6},
        "completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":7,"accepted_prediction_tokens":1,"rejected_prediction_tokens":2}}}"#;
    let reading = complete(PATH, JSON, body);
    assert_final(
        &reading,
        &[
            ("input", 100),
            ("output", 50),
            ("cached_read", 64),
            ("cache_write", 10),
            ("audio_input", 5),
            ("image_input", 6),
            ("reasoning", 20),
            ("audio_output", 7),
        ],
    );
    assert_eq!(reading.usage.model(), Some("gpt-4o-2024-08-06"));
    assert_eq!(*reading.usage.tier(), ServiceTier::Flex);
    assert_eq!(reading.usage.provider_total().map(i64::from), Some(150));
    assert_eq!(reading.seen, body.len() as u64);
}

const CHUNK: &str = r#"{"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}],"usage":null}"#;
const STOP: &str =
    r#"{"model":"gpt-4o","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str =
    r#"{"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}"#;

#[test]
fn a_stream_says_it_in_the_last_chunk() {
    let body = events(&[CHUNK, CHUNK, STOP, USAGE, "[DONE]"]);
    for reading in [complete(PATH, SSE, &body), aborted(PATH, SSE, &body)] {
        assert_final(&reading, &[("input", 9), ("output", 3)]);
    }
    // Closed after the usage and before [DONE], and with the line ends of others.
    assert_final(&aborted(PATH, SSE, events(&[CHUNK, STOP, USAGE])), &[("input", 9), ("output", 3)]);
    assert_final(&aborted(PATH, SSE, body.replace('\n', "\r\n")), &[("input", 9), ("output", 3)]);
}

#[test]
fn an_aborted_stream_is_estimated_from_its_text() {
    let reading = aborted(PATH, SSE, events(&[CHUNK, CHUNK, CHUNK]));
    assert_eq!(reading.rank, Rank::Estimate);
    // Fifteen bytes of text at two bytes a token.
    assert_counts(&reading, &[("input", super::ASSUMED_INPUT), ("output", 8)]);
    assert_flags(&reading, &[Flag::OutputEstimated, Flag::InputEstimated]);
}

#[test]
fn a_complete_stream_without_usage_is_estimated_and_flagged() {
    let reading = complete(PATH, SSE, events(&[CHUNK, STOP, "[DONE]"]));
    assert_eq!(reading.rank, Rank::Estimate);
    assert_counts(&reading, &[("input", super::ASSUMED_INPUT), ("output", 3)]);
    assert_flags(&reading, &[Flag::OutputEstimated, Flag::InputEstimated, Flag::NoUsage]);
}

#[test]
fn tool_calls_and_reasoning_are_text_too() {
    let tools = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"usage\": 1}"}}]}}]}"#;
    let thought = r#"{"choices":[{"delta":{"reasoning_content":"hmm!"}}]}"#;
    let reading = aborted(PATH, SSE, events(&[tools, thought]));
    assert_counts(&reading, &[("input", super::ASSUMED_INPUT), ("output", 8)]);
}

#[test]
fn continuous_usage_is_so_far_until_a_choice_ends() {
    let chunk = |completion: u32, finish: &str| {
        format!(
            r#"{{"model":"llama","choices":[{{"index":0,"delta":{{"content":"ab"}},"finish_reason":{finish}}}],"usage":{{"prompt_tokens":4,"completion_tokens":{completion},"total_tokens":{}}}}}"#,
            4 + completion
        )
    };
    let (one, two, end) = (chunk(1, "null"), chunk(2, "null"), chunk(3, "\"stop\""));
    let reading = aborted(PATH, SSE, events(&[&one, &two]));
    assert_eq!(reading.rank, Rank::SoFar);
    assert_counts(&reading, &[("input", 4), ("output", 2)]);
    assert_flags(&reading, &[]);
    assert_final(&aborted(PATH, SSE, events(&[&one, &two, &end])), &[("input", 4), ("output", 3)]);
    assert_final(&complete(PATH, SSE, events(&[&one, &two])), &[("input", 4), ("output", 2)]);
    assert_final(&aborted(PATH, SSE, events(&[&one, &two, "[DONE]"])), &[("input", 4), ("output", 2)]);
}

#[test]
fn usage_stands_elsewhere_for_some() {
    let groq = r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}}"#;
    assert_final(&aborted(PATH, SSE, events(&[groq])), &[("input", 5), ("output", 6)]);
    let moonshot = r#"{"choices":[{"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11,"cached_tokens":2}}]}"#;
    assert_final(
        &aborted(PATH, SSE, events(&[moonshot])),
        &[("input", 5), ("output", 6), ("cached_read", 2)],
    );
    let deepseek = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11,"prompt_cache_hit_tokens":3,"prompt_cache_miss_tokens":2}}"#;
    assert_final(
        &aborted(PATH, SSE, events(&[deepseek])),
        &[("input", 5), ("output", 6), ("cached_read", 3)],
    );
}

#[test]
fn the_total_says_whether_reasoning_is_inside() {
    let body = |total: u32| {
        format!(
            r#"{{"choices":[],"usage":{{"prompt_tokens":10,"completion_tokens":20,"total_tokens":{total},"completion_tokens_details":{{"reasoning_tokens":15}}}}}}"#
        )
    };
    let inside = [("input", 10), ("output", 20), ("reasoning", 15)];
    assert_final(&complete(PATH, JSON, body(30)), &inside);
    assert_final(&complete(PATH, JSON, body(45)), &[("input", 10), ("output", 35), ("reasoning", 15)]);
    let odd = complete(PATH, JSON, body(31));
    assert_counts(&odd, &inside);
    assert_flags(&odd, &[Flag::TotalMismatch]);
    let citations = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":37,"citation_tokens":4,"reasoning_tokens":3,"num_search_queries":2}}"#;
    let expected = [("input", 10), ("output", 27), ("reasoning", 3), ("web_searches", 2)];
    assert_final(&complete(PATH, JSON, citations), &expected);
}

#[test]
fn completions_are_read_alike() {
    let body = r#"{"object":"text_completion","choices":[{"text":"x","finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
    assert_final(&complete("/v1/completions", JSON, body), &[("input", 1), ("output", 2)]);
    let chunk = r#"{"choices":[{"text":"four","finish_reason":null}]}"#;
    let reading = aborted("/v1/completions", SSE, events(&[chunk]));
    assert_counts(&reading, &[("input", super::ASSUMED_INPUT), ("output", 2)]);
}

#[test]
fn what_a_prompt_echoes_is_no_usage() {
    let echo = r#"{"choices":[{"delta":{"content":"{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: {\"usage\":{\"prompt_tokens\":1}}\n\n"}}]}"#;
    let deeper = r#"{"choices":[{"delta":{},"logprobs":{"usage":{"prompt_tokens":1}}}],"metadata":{"usage":{"prompt_tokens":2}}}"#;
    let reading = aborted(PATH, SSE, events(&[echo, deeper]));
    assert_eq!(reading.rank, Rank::Estimate);
    let body = r#"{"metadata":{"usage":{"prompt_tokens":8,"completion_tokens":8}},"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5},"x":{"usage":{"prompt_tokens":7}}}"#;
    assert_final(&complete(PATH, JSON, body), &[("input", 2), ("output", 3)]);
}

#[test]
fn an_error_in_the_stream_is_noted() {
    let reading = aborted(PATH, SSE, events(&[CHUNK, r#"{"error":{"message":"overloaded"}}"#]));
    assert!(reading.flags.has(Flag::ProviderError));
}
