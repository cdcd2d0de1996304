//! Bedrock Converse: cache outside of the input; the stream is binary.

use tollgate_core::crc32::Crc32;
use tollgate_core::usage::{Flag, Rank, ServiceTier};

use super::{AWS, JSON, aborted, assert_counts, assert_final, assert_flags, complete};

const PATH: &str = "/model/anthropic.claude-sonnet-4/converse";
const STREAM: &str = "/model/anthropic.claude-sonnet-4/converse-stream";
const USAGE: &str = r#"{"inputTokens":10,"outputTokens":4,"totalTokens":14,"cacheReadInputTokens":100,"cacheWriteInputTokens":30,"cacheDetails":[{"ttl":"1h","inputTokens":10},{"ttl":"5m","inputTokens":20}]}"#;
const COUNTS: [(&str, i64); 5] =
    [("input", 140), ("cached_read", 100), ("cache_write_5m", 20), ("cache_write_1h", 10), ("output", 4)];

/// A message of an event stream with one header.
pub fn message(event: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = vec![11];
    headers.extend(b":event-type\x07");
    headers.extend(u16::try_from(event.len()).unwrap().to_be_bytes());
    headers.extend(event.as_bytes());
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let mut out = total.to_be_bytes().to_vec();
    out.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    out.extend(Crc32::of(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(Crc32::of(&out).to_be_bytes());
    out
}

fn text(text: &str) -> Vec<u8> {
    let payload = format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}},"p":"abcdef"}}"#);
    message("contentBlockDelta", payload.as_bytes())
}

fn metadata() -> Vec<u8> {
    let payload = format!(
        r#"{{"metrics":{{"latencyMs":5}},"p":"abc","usage":{USAGE},"serviceTier":{{"type":"flex"}}}}"#
    );
    message("metadata", payload.as_bytes())
}

#[test]
fn one_object() {
    let body = format!(
        r#"{{"output":{{"message":{{"content":[{{"text":"x"}}]}}}},"stopReason":"end_turn","usage":{USAGE}}}"#
    );
    assert_final(&complete(PATH, JSON, &body), &COUNTS);
    // A total that has the cache in it is right as well; any other is not.
    assert_final(&complete(PATH, JSON, body.replace(":14,", ":144,")), &COUNTS);
    assert_flags(&complete(PATH, JSON, body.replace(":14,", ":15,")), &[Flag::TotalMismatch]);
}

#[test]
fn the_metadata_of_a_stream_has_it() {
    let body = [text("hello"), message("messageStop", br#"{"stopReason":"end_turn"}"#), metadata()].concat();
    let reading = aborted(STREAM, AWS, &body);
    assert_final(&reading, &COUNTS);
    assert_eq!(*reading.usage.tier(), ServiceTier::Flex);
}

#[test]
fn an_aborted_stream_is_estimated() {
    let whole = [text("hello"), text("world"), metadata()].concat();
    let reading = aborted(STREAM, AWS, &whole[..whole.len() - 1]);
    assert_eq!(reading.rank, Rank::Estimate);
    assert_counts(&reading, &[("input", super::ASSUMED_INPUT), ("output", 5)]);
    assert_flags(&reading, &[Flag::Truncated, Flag::OutputEstimated, Flag::InputEstimated]);
}

#[test]
fn a_message_with_a_wrong_checksum_does_not_count() {
    let mut broken = metadata();
    let at = broken.len() - 30;
    broken[at] ^= 1;
    let reading = complete(STREAM, AWS, [text("hello"), broken.clone()].concat());
    assert_eq!(reading.rank, Rank::Estimate);
    assert!(reading.flags.has(Flag::Checksum));
    let mended = complete(STREAM, AWS, [broken, metadata()].concat());
    assert_counts(&mended, &COUNTS);
    assert_flags(&mended, &[Flag::Checksum]);
    // After a wrong prelude nobody knows where messages begin.
    let mut lost = text("hello");
    lost[3] ^= 1;
    let reading = complete(STREAM, AWS, [text("hello"), lost, metadata()].concat());
    assert_eq!(reading.rank, Rank::Estimate);
    assert!(reading.flags.has(Flag::Checksum));
}
