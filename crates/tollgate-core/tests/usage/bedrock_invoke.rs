//! Bedrock InvokeModel: every provider's own documents, base64 inside of binary messages when streamed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tollgate_core::usage::{Flag, Rank, bedrock_headers};

use super::bedrock_converse::message;
use super::{AWS, JSON, aborted, assert_counts, assert_final, complete};

const PATH: &str = "/model/anthropic.claude-sonnet-4/invoke";
const STREAM: &str = "/model/anthropic.claude-sonnet-4/invoke-with-response-stream";
const METRICS: &str = r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":10,"outputTokenCount":25,"invocationLatency":5,"firstByteLatency":1}"#;

fn stream(documents: &[&str]) -> Vec<u8> {
    let wrap = |document: &&str| {
        let payload = format!(r#"{{"bytes":"{}","p":"abcd"}}"#, STANDARD.encode(document));
        message("chunk", payload.as_bytes())
    };
    documents.iter().flat_map(wrap).collect()
}

const START: &str = r#"{"type":"message_start","message":{"model":"claude-sonnet-4","usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}"#;
const TEXT: &str = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"hello"}}"#;
const DELTA: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":25}}"#;

#[test]
fn anthropic_says_more_than_the_metrics() {
    let stop = format!(r#"{{"type":"message_stop",{METRICS}}}"#);
    let expected = [("input", 15), ("cached_read", 5), ("output", 25)];
    let reading = complete(STREAM, AWS, stream(&[START, TEXT, DELTA, &stop]));
    assert_final(&reading, &expected);
    assert_eq!(reading.usage.model(), Some("claude-sonnet-4"));
    assert_final(&aborted(STREAM, AWS, stream(&[START, TEXT, DELTA])), &expected);
}

#[test]
fn the_metrics_count_when_nothing_else_does() {
    let unknown = format!(r#"{{"something":"else",{METRICS}}}"#);
    assert_final(&complete(STREAM, AWS, stream(&[&unknown])), &[("input", 10), ("output", 25)]);
    let stop = format!(r#"{{"type":"message_stop",{METRICS}}}"#);
    // The start's output is of its moment; the metrics are the last word.
    assert_final(&complete(STREAM, AWS, stream(&[START, TEXT, &stop])), &[("input", 10), ("output", 25)]);
}

#[test]
fn an_aborted_stream_keeps_the_input() {
    let reading = aborted(STREAM, AWS, stream(&[START, TEXT, TEXT]));
    assert_eq!(reading.rank, Rank::SoFar);
    assert_counts(&reading, &[("input", 15), ("cached_read", 5), ("output", 6)]);
}

#[test]
fn every_provider_has_a_form() {
    let table = [
        r#"{"type":"message","usage":{"input_tokens":3,"output_tokens":4}}"#,
        r#"{"generation":"x","prompt_token_count":3,"generation_token_count":4,"stop_reason":"stop"}"#,
        r#"{"inputTextTokenCount":3,"results":[{"tokenCount":4,"outputText":"x","completionReason":"FINISH"}]}"#,
        r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
        r#"{"output":{"message":{}},"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}}"#,
    ];
    for body in table {
        assert_final(&complete(PATH, JSON, body), &[("input", 3), ("output", 4)]);
    }
    let embedding = r#"{"embedding":[0.1,0.2],"inputTextTokenCount":3}"#;
    assert_final(&complete(PATH, JSON, embedding), &[("input", 3)]);
    let nova = [
        r#"{"contentBlockDelta":{"delta":{"text":"x"}}}"#,
        r#"{"metadata":{"usage":{"inputTokens":3,"outputTokens":4}}}"#,
    ];
    assert_final(&complete(STREAM, AWS, stream(&nova)), &[("input", 3), ("output", 4)]);
    let llama = [
        r#"{"generation":"a","prompt_token_count":3,"generation_token_count":1,"stop_reason":null}"#,
        r#"{"generation":"b","prompt_token_count":null,"generation_token_count":4,"stop_reason":"stop"}"#,
    ];
    assert_final(&aborted(STREAM, AWS, stream(&llama)), &[("input", 3), ("output", 4)]);
}

#[test]
fn the_headers_of_one_object_have_it() {
    let all = [
        ("Content-Type", "application/json"),
        ("X-Amzn-Bedrock-Input-Token-Count", "10"),
        ("x-amzn-bedrock-output-token-count", " 4"),
        ("x-amzn-bedrock-cache-read-input-token-count", "5"),
        ("x-amzn-bedrock-invocation-latency", "77"),
    ];
    let (counts, flags) = bedrock_headers(all).unwrap();
    assert_eq!([counts.input, counts.output, counts.cached_read].map(i64::from), [15, 4, 5]);
    assert!(flags.is_empty());
    assert_eq!(bedrock_headers([("x-amzn-requestid", "1")]), None);
    for hostile in ["-1", "NaN", "1e400", "9223372036854775808", "", "1;2"] {
        assert_eq!(
            bedrock_headers([all[1], ("x-amzn-bedrock-output-token-count", hostile)]),
            None,
            "{hostile}"
        );
    }
}

#[test]
fn what_is_no_base64_and_documents_in_documents_are_malformed() {
    let broken = message("chunk", br#"{"bytes":"!!!"}"#);
    assert!(complete(STREAM, AWS, broken).flags.has(Flag::Malformed));
    let nested = format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(START));
    let reading = complete(STREAM, AWS, stream(&[&nested]));
    assert!(reading.flags.has(Flag::Malformed));
    assert_eq!(reading.rank, Rank::Estimate);
}
