//! Usage that means harm, or that somebody broke: a clear outcome, nothing panics, nothing is free.

use proptest::prelude::*;
use tollgate_core::usage::{Answer, End, Flag, Meter, Outcome, Rank, Selected};

use super::{AWS, JSON, LINES, SSE, assert_counts, assert_flags, assumed, complete, events, outcome, select};

const CHAT: &str = "/v1/chat/completions";

fn chat(prompt: &str) -> String {
    format!(
        r#"{{"choices":[{{"message":{{"content":"0123456789"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{prompt},"completion_tokens":3}}}}"#
    )
}

#[test]
fn numbers_that_cannot_be_are_not_taken() {
    let table = [
        ("-1", Flag::Negative),
        ("-0.5", Flag::Negative),
        ("-9223372036854775809", Flag::Negative),
        ("9223372036854775808", Flag::OutOfRange),
        ("9223372036854775807", Flag::OutOfRange),
        ("1000000000001", Flag::OutOfRange),
        ("1e400", Flag::OutOfRange),
        ("1e99999999999999999999", Flag::OutOfRange),
        ("NaN", Flag::NotANumber),
        ("Infinity", Flag::NotANumber),
        ("-Infinity", Flag::NotANumber),
        ("0x10", Flag::NotANumber),
        ("01", Flag::NotANumber),
        ("\"12\"", Flag::NotANumber),
        ("\"\"", Flag::NotANumber),
        ("true", Flag::NotANumber),
        ("[1]", Flag::NotANumber),
        ("{\"prompt_tokens\":1}", Flag::NotANumber),
    ];
    for (number, flag) in table {
        let reading = complete(CHAT, JSON, chat(number));
        assert_eq!(reading.rank, Rank::Estimate, "{number}");
        assert_counts(&reading, &[("input", super::ASSUMED_INPUT), ("output", 5)]);
        assert!(reading.flags.has(flag), "{number}: {:?}", reading.flags);
        let stream = complete(CHAT, SSE, events(&[&chat(number)]));
        assert_eq!((stream.rank, stream.flags.has(flag)), (Rank::Estimate, true), "{number}");
    }
}

#[test]
fn numbers_that_are_odd_are_taken_and_flagged() {
    let table: [(&str, i64, &[Flag]); 5] = [
        ("12.0", 12, &[]),
        ("1.2e1", 12, &[]),
        ("11.5", 12, &[Flag::Fractional]),
        ("1e-400", 1, &[Flag::Fractional]),
        ("12, \"prompt_tokens\": 13", 13, &[Flag::Duplicated]),
    ];
    for (number, input, flags) in table {
        let reading = complete(CHAT, JSON, chat(number));
        assert_counts(&reading, &[("input", input), ("output", 3)]);
        assert_flags(&reading, flags);
        assert_eq!(reading.rank, Rank::Final);
    }
    let zero = complete(CHAT, JSON, chat("-0"));
    assert_counts(&zero, &[("output", 3)]);
}

#[test]
fn a_member_that_is_null_or_missing_is_zero_but_not_all_of_them() {
    assert_counts(&complete(CHAT, JSON, chat("null")), &[("output", 3)]);
    for usage in ["null", "{}", "[]", "\"x\"", "5", "true", "{\"prompt_tokens\":null}"] {
        let reading = complete(CHAT, JSON, format!(r#"{{"choices":[],"usage":{usage}}}"#));
        assert_eq!(reading.rank, Rank::Estimate, "{usage}");
        assert!(reading.flags.has(Flag::NoUsage), "{usage}");
    }
}

#[test]
fn parts_above_their_whole_raise_it() {
    let body = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":50},"completion_tokens_details":{"reasoning_tokens":9}}}"#;
    let reading = complete(CHAT, JSON, body);
    assert_counts(&reading, &[("input", 50), ("cached_read", 50), ("output", 9), ("reasoning", 9)]);
    assert_flags(&reading, &[Flag::Inconsistent]);
}

#[test]
fn a_usage_that_stands_twice_is_the_last_one_whole() {
    let body = r#"{"usage":{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":5}},"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3}}"#;
    let reading = complete(CHAT, JSON, body);
    assert_counts(&reading, &[("input", 11), ("output", 3)]);
    assert_flags(&reading, &[Flag::Duplicated]);
    let spelled = body.replacen("\"usage\"", "\"\\u0075sage\"", 1);
    assert_flags(&complete(CHAT, JSON, spelled), &[Flag::Duplicated]);
}

#[test]
fn bodies_that_are_no_json_are_estimated() {
    let deep = format!("{{\"x\":{}", "[".repeat(5000));
    let table = [
        ("", None),
        ("<html>", Some(Flag::Malformed)),
        ("{\"usage\":{\"prompt_tokens\":1}", Some(Flag::Truncated)),
        ("{\"usage\":{\"prompt_tokens\":1,}}", Some(Flag::Malformed)),
        ("{'usage':1}", Some(Flag::Malformed)),
        ("{\"x\":[}", Some(Flag::Malformed)),
        ("\u{feff}{}", Some(Flag::Malformed)),
        (deep.as_str(), Some(Flag::TooLarge)),
    ];
    for (body, flag) in table {
        match (outcome(CHAT, JSON, body.as_bytes(), End::Complete), flag) {
            (Outcome::Nothing(flags), None) => assert!(flags.is_empty()),
            (Outcome::Read(reading), Some(flag)) => {
                assert!(reading.flags.has(flag), "{body}: {:?}", reading.flags);
            }
            (other, _) => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn garbage_after_a_document_is_flagged() {
    let reading = complete(CHAT, JSON, chat("7") + " trailing");
    assert!(reading.flags.has(Flag::Malformed));
    // An event that is not JSON as a whole does not count.
    let reading = complete(CHAT, SSE, events(&[&(chat("7") + " trailing")]));
    assert_eq!(reading.rank, Rank::Estimate);
    assert!(reading.flags.has(Flag::Malformed));
}

#[test]
fn usage_with_too_many_members_is_flagged() {
    let many: String = (0..400).map(|n| format!("\"x{n}\":{n},")).collect();
    let body = format!(r#"{{"choices":[],"usage":{{"prompt_tokens":1,"completion_tokens":1,{many}"y":0}}}}"#);
    let reading = complete(CHAT, JSON, body);
    assert_counts(&reading, &[("input", 1), ("output", 1)]);
    assert_flags(&reading, &[Flag::TooLarge]);
}

#[test]
fn names_of_models_are_bounded() {
    let named = |name: &str| {
        let body = format!(
            r#"{{"model":"{name}","choices":[],"usage":{{"prompt_tokens":1,"completion_tokens":1}}}}"#
        );
        complete(CHAT, JSON, body).usage.model().map(str::to_owned)
    };
    assert_eq!(named("gpt-4o").as_deref(), Some("gpt-4o"));
    assert_eq!(named(&"x".repeat(300)), None);
    assert_eq!(named(""), None);
    assert_eq!(named("a\\u0000b"), None);
}

#[test]
fn an_event_over_the_bound_is_passed_over() {
    let selected = select(CHAT, SSE);
    let body = events(&[
        &chat("900"),
        r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        "[DONE]",
    ]);
    for size in [1, 7, 10_000] {
        let mut meter = Meter::with_bound(selected, 100);
        body.as_bytes().chunks(size).for_each(|piece| meter.feed(piece));
        let Outcome::Read(reading) = meter.finish(End::Complete, &assumed()) else { panic!("nothing") };
        assert_counts(&reading, &[("input", 1), ("output", 2)]);
        assert_flags(&reading, &[Flag::TooLarge]);
    }
}

#[test]
fn what_is_compressed_says_so() {
    for encoding in ["gzip", "br"] {
        let answer =
            Answer { method: "POST", path: CHAT, content_type: Some(JSON), content_encoding: Some(encoding) };
        assert!(Selected::of(&answer).unwrap_err().to_string().contains(encoding));
    }
}

/// Every reader there is.
fn any_reader() -> impl Strategy<Value = Selected> {
    let paths = prop::sample::select(vec![
        CHAT,
        "/v1/responses",
        "/v1/embeddings",
        "/v1/images/generations",
        "/v1/audio/transcriptions",
        "/v1/audio/speech",
        "/v1/messages",
        "/v1beta/models/g:streamGenerateContent",
        "/model/x/converse-stream",
        "/model/x/invoke",
        "/v2/chat",
        "/api/chat",
    ]);
    (paths, prop::sample::select(vec![JSON, SSE, AWS, LINES])).prop_map(|(path, kind)| select(path, kind))
}

const WORDS: [&str; 24] = [
    "data: ",
    "\n",
    "\n\n",
    "{",
    "}",
    "[",
    "]",
    "\"usage\":",
    "\"message\":",
    "\"prompt_tokens\":",
    "\"input_tokens\":",
    "\"type\":",
    "\"usageMetadata\":",
    "\"promptTokenCount\":",
    "\"choices\":",
    "\"bytes\":",
    "\"text\":",
    ",",
    "12",
    "-1",
    "1e400",
    "null",
    "\"x\"",
    "[DONE]",
];

proptest! {
    #[test]
    fn any_bytes_have_an_outcome_that_no_split_changes(
        selected in any_reader(),
        words in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(WORDS.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ], 0..40),
        size in 1_usize..9,
        complete: bool,
    ) {
        let body = words.concat();
        let end = if complete { End::Complete } else { End::Aborted };
        let read = |size: usize| {
            let mut meter = Meter::new(selected);
            body.chunks(size).for_each(|piece| meter.feed(piece));
            meter.finish(end, &assumed())
        };
        let whole = read(1 << 20);
        prop_assert_eq!(&read(size), &whole);
        if let Outcome::Read(reading) = whole {
            // What is stored can be read back: the parts fit into their wholes.
            let json = serde_json::to_string(&reading).unwrap();
            prop_assert_eq!(serde_json::from_str::<tollgate_core::usage::Reading>(&json).unwrap(), reading);
        }
    }

    #[test]
    fn what_is_known_only_grows_in_rank(words in prop::collection::vec(prop::sample::select(vec![
        r#"{"choices":[{"delta":{"content":"ab"}}]}"#,
        r#"{"choices":[{"delta":{"content":"ab"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":3}}"#,
        "[DONE]", "broken",
    ]), 0..8)) {
        let mut meter = Meter::new(select(CHAT, SSE));
        let mut best: Option<tollgate_core::usage::Reading> = None;
        for word in words {
            meter.feed(events(&[word]).as_bytes());
            if let Outcome::Read(next) = meter.outcome(&assumed()) {
                // The row follows the stream: each reading upgrades the one before.
                prop_assert_eq!(meter.is_settled(), next.rank == Rank::Final);
                let row = best.map_or_else(|| next.clone(), |row| row.upgraded(next.clone()));
                prop_assert_eq!(row.rank, next.rank);
                best = Some(row);
            }
        }
    }
}
