//! Speech: the events have usage, plain audio has none and is priced by the characters of the request.

use tollgate_core::usage::{Answer, Counts, Selected, ServiceTier, Unknown, Usage};

use super::{SSE, aborted, assert_final, count, events};

const PATH: &str = "/v1/audio/speech";

#[test]
fn the_last_event_has_it() {
    let delta = r#"{"type":"speech.audio.delta","audio":"aGVsbG8="}"#;
    let done =
        r#"{"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}}"#;
    let expected = [("input", 14), ("output", 101), ("audio_output", 101)];
    assert_final(&aborted(PATH, SSE, events(&[delta, done])), &expected);
}

#[test]
fn plain_audio_says_that_it_has_none() {
    let answer =
        Answer { method: "POST", path: PATH, content_type: Some("audio/mpeg"), content_encoding: None };
    assert_eq!(Selected::of(&answer), Err(Unknown::ContentType("audio/mpeg".to_owned())));
    let counts = Counts { characters: count(120), requests: count(1), ..Counts::default() };
    let usage = Usage::new(counts, None, Some("tts-1".to_owned()), ServiceTier::Standard).unwrap();
    assert_eq!(usage.counts().characters, count(120));
}
