//! Transcription: tokens, or seconds.

use tollgate_core::usage::{Flag, Rank};

use super::{JSON, SSE, aborted, assert_counts, assert_final, complete, events};

const PATH: &str = "/v1/audio/transcriptions";

#[test]
fn tokens() {
    let body = r#"{"text":"hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}"#;
    assert_final(&complete(PATH, JSON, body), &[("input", 14), ("audio_input", 14), ("output", 45)]);
}

#[test]
fn seconds() {
    let table = [("9", 9_000), ("9.0", 9_000), ("4.7", 4_700), ("8.470000267028809", 8_471), ("0", 0)];
    for (seconds, millis) in table {
        let body = format!(r#"{{"text":"hello","usage":{{"type":"duration","seconds":{seconds}}}}}"#);
        let reading = complete(PATH, JSON, &body);
        let expected = [("audio_millis", millis)];
        assert_final(&reading, if millis == 0 { &[] } else { &expected });
        let verbose = format!(r#"{{"task":"transcribe","duration":{seconds},"text":"hello"}}"#);
        assert_eq!(complete(PATH, JSON, &verbose).usage.counts(), reading.usage.counts());
    }
}

#[test]
fn the_last_event_has_it() {
    let delta = r#"{"type":"transcript.text.delta","delta":"hello"}"#;
    let done = r#"{"type":"transcript.text.done","text":"hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":14},"output_tokens":2,"total_tokens":16}}"#;
    let body = events(&[delta, done]);
    assert_final(&aborted(PATH, SSE, &body), &[("input", 14), ("audio_input", 14), ("output", 2)]);
    let reading = aborted(PATH, SSE, events(&[delta]));
    assert_eq!(reading.rank, Rank::Estimate);
    assert_counts(&reading, &[("input", super::ASSUMED_INPUT), ("output", 3)]);
}

#[test]
fn without_both_it_is_estimated_and_flagged() {
    let reading = complete(PATH, JSON, r#"{"text":"hello"}"#);
    assert_eq!(reading.rank, Rank::Estimate);
    assert!(reading.flags.has(Flag::NoUsage));
}
