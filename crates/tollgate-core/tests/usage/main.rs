//! Usage as providers report it, one file per API, and what hostile ones report. Every answer is read whole, byte by byte
//! and in pieces of odd sizes, and must give the same.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod anthropic;
mod azure;
mod bedrock_converse;
mod bedrock_invoke;
mod chat;
mod embeddings;
mod gemini;
mod hostile;
mod images;
mod large;
mod others;
mod responses;
mod speech;
mod transcription;

use tollgate_core::usage::{
    Answer, Assumed, BytesPerToken, Count, Counts, End, Flag, Meter, Outcome, Rank, Reading, Selected,
};

pub const JSON: &str = "application/json";
pub const SSE: &str = "text/event-stream; charset=utf-8";
pub const AWS: &str = "application/vnd.amazon.eventstream";
pub const LINES: &str = "application/x-ndjson";

/// What a request of unknown use is assumed to have read.
pub const ASSUMED_INPUT: i64 = 77;

pub fn assumed() -> Assumed {
    Assumed { input: count(ASSUMED_INPUT), ratio: BytesPerToken::START }
}

pub fn count(value: i64) -> Count {
    Count::new(value).unwrap()
}

pub fn select(path: &str, content_type: &str) -> Selected {
    let content_type = Some(content_type);
    Selected::of(&Answer { method: "POST", path, content_type, content_encoding: None }).unwrap()
}

/// The outcome of a body, which is the same in every split.
pub fn outcome(path: &str, content_type: &str, body: &[u8], end: End) -> Outcome {
    let selected = select(path, content_type);
    let read = |size: usize| {
        let mut meter = Meter::new(selected);
        for piece in body.chunks(size) {
            meter.feed(piece);
        }
        assert_eq!(meter.seen(), body.len() as u64);
        meter.finish(end, &assumed())
    };
    let whole = read(usize::MAX);
    for size in [1, 2, 3, 7, 64, 1000] {
        assert_eq!(read(size), whole, "in pieces of {size}");
    }
    whole
}

fn reading(path: &str, content_type: &str, body: &[u8], end: End) -> Reading {
    match outcome(path, content_type, body, end) {
        Outcome::Read(reading) => reading,
        Outcome::Nothing(flags) => panic!("nothing was read: {flags:?}"),
    }
}

/// What is known of an answer that ended as it should.
pub fn complete(path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Reading {
    reading(path, content_type, body.as_ref(), End::Complete)
}

/// What is known of an answer that broke off.
pub fn aborted(path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Reading {
    reading(path, content_type, body.as_ref(), End::Aborted)
}

/// Asserts the counts that are not zero; `requests` is always one.
#[track_caller]
pub fn assert_counts(reading: &Reading, expected: &[(&str, i64)]) {
    let counts: &Counts = reading.usage.counts();
    let named = counts.named().map(|(name, count)| (name, count.get()));
    let mut found: Vec<_> = named.filter(|(name, count)| *count != 0 && *name != "requests").collect();
    let mut expected = expected.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(counts.requests, Count::ONE);
}

/// Asserts that an answer was read to its end, with these counts and nothing odd.
#[track_caller]
pub fn assert_final(reading: &Reading, expected: &[(&str, i64)]) {
    assert_counts(reading, expected);
    assert_eq!(reading.rank, Rank::Final);
    assert_flags(reading, &[]);
}

#[track_caller]
pub fn assert_flags(reading: &Reading, expected: &[Flag]) {
    assert_eq!(reading.flags.iter().collect::<Vec<_>>(), expected);
}

/// Events with these data.
pub fn events(data: &[&str]) -> String {
    data.iter().map(|data| format!("data: {data}\n\n")).collect()
}
