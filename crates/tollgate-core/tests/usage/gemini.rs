//! Gemini: usage in each chunk, the last one wins; thoughts and tools outside of the candidates.

use tollgate_core::usage::{Flag, Rank, ServiceTier};

use super::{JSON, SSE, aborted, assert_counts, assert_final, assert_flags, complete, events};

const ONE: &str = "/v1beta/models/gemini-2.5-pro:generateContent";
const STREAM: &str = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";

const WHOLE: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}],"modelVersion":"gemini-2.5-pro-001","usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":20,"thoughtsTokenCount":30,"toolUsePromptTokenCount":5,"totalTokenCount":155,"trafficType":"ON_DEMAND_PRIORITY","promptTokensDetails":[{"modality":"TEXT","tokenCount":50},{"modality":"AUDIO","tokenCount":20},{"modality":"IMAGE","tokenCount":10},{"modality":"DOCUMENT","tokenCount":5},{"modality":"VIDEO","tokenCount":15}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":8},{"modality":"TEXT","tokenCount":52}],"candidatesTokensDetails":[{"tokenCount":12,"modality":"IMAGE"},{"modality":"TEXT","tokenCount":8}]}}"#;

const COUNTS: [(&str, i64); 9] = [
    ("input", 105),
    ("output", 50),
    ("cached_read", 60),
    ("cached_audio", 8),
    ("audio_input", 20),
    ("image_input", 15),
    ("video_input", 15),
    ("image_output", 12),
    ("reasoning", 30),
];

#[test]
fn one_object_with_every_kind() {
    let reading = complete(ONE, JSON, WHOLE);
    assert_final(&reading, &COUNTS);
    assert_eq!(reading.usage.model(), Some("gemini-2.5-pro-001"));
    assert_eq!(*reading.usage.tier(), ServiceTier::Priority);
    assert_eq!(reading.usage.provider_total().map(i64::from), Some(155));
}

fn chunk(written: u32, finish: &str) -> String {
    let total = 10 + written;
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"some text"}}]}}{finish}}}],"usageMetadata":{{"promptTokenCount":10,"candidatesTokenCount":{written},"totalTokenCount":{total}}}}}"#
    )
}

#[test]
fn the_last_chunk_wins_as_events_and_as_a_list() {
    let chunks = [chunk(2, ""), chunk(5, ""), chunk(9, r#","finishReason":"STOP""#)];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let list = format!("[{}\n,\r\n{}\n]", chunks[..2].join(",\r\n"), chunks[2]);
    assert_final(&aborted(STREAM, SSE, events(&chunks)), &[("input", 10), ("output", 9)]);
    assert_final(&complete(STREAM, JSON, &list), &[("input", 10), ("output", 9)]);
    // The list is never closed when the stream breaks off; its finished elements count.
    let open = aborted(STREAM, JSON, list.trim_end_matches(']'));
    assert_eq!(open.rank, Rank::Final);
    assert_counts(&open, &[("input", 10), ("output", 9)]);
    assert_flags(&open, &[Flag::Truncated]);
}

#[test]
fn an_aborted_stream_counts_up_to_its_last_chunk() {
    let chunks = [chunk(2, ""), chunk(5, "")];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let reading = aborted(STREAM, SSE, events(&chunks));
    assert_eq!(reading.rank, Rank::SoFar);
    assert_counts(&reading, &[("input", 10), ("output", 5)]);
    assert_flags(&reading, &[]);
    assert_eq!(complete(STREAM, SSE, events(&chunks)).rank, Rank::Final);
}

#[test]
fn text_after_the_last_usage_is_estimated() {
    let bare = r#"{"candidates":[{"content":{"parts":[{"text":"0123456789"}]}}]}"#;
    let reading = aborted(STREAM, SSE, events(&[&chunk(5, ""), bare]));
    assert_counts(&reading, &[("input", 10), ("output", 10)]);
    assert_flags(&reading, &[Flag::OutputEstimated]);
}

#[test]
fn arguments_of_tools_are_no_usage() {
    let call = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"usageMetadata":{"promptTokenCount":1}}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}}"#;
    assert_final(&complete(ONE, JSON, call), &[("input", 3), ("output", 4)]);
}

#[test]
fn a_blocked_prompt_is_final() {
    let body = r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#;
    assert_final(&aborted(STREAM, SSE, events(&[body])), &[("input", 3)]);
}
