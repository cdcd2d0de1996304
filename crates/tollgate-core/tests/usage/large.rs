//! Bodies that are larger than anybody would keep: read as they come, and forgotten.

use tollgate_core::usage::{End, Flag, Meter, Outcome, Rank, Reading, Selected};

use super::{JSON, SSE, assert_counts, assert_final, assumed, select};

fn read(selected: Selected, front: &str, filler: &str, times: usize, back: &str) -> Reading {
    let mut meter = Meter::new(selected);
    meter.feed(front.as_bytes());
    for _ in 0..times {
        meter.feed(filler.as_bytes());
    }
    meter.feed(back.as_bytes());
    match meter.finish(End::Complete, &assumed()) {
        Outcome::Read(reading) => reading,
        Outcome::Nothing(flags) => panic!("nothing was read: {flags:?}"),
    }
}

#[test]
fn embeddings_of_60_megabytes() {
    let vector = format!("{{\"embedding\":[{}0]}},", "0.0123456789,-0.0987654321,".repeat(2_300));
    let back = "{}],\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}";
    let reading = read(select("/v1/embeddings", JSON), "{\"data\":[", &vector, 1_000, back);
    assert!(reading.seen > 60_000_000);
    assert_final(&reading, &[("input", 8)]);
}

#[test]
fn a_line_of_100_megabytes_in_a_stream() {
    let front = "data: {\"choices\":[{\"delta\":{\"content\":\"";
    let back = "\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
    let reading = read(select("/v1/chat/completions", SSE), front, &"x".repeat(1 << 20), 100, back);
    assert!(reading.seen > 100_000_000);
    assert_final(&reading, &[("input", 1), ("output", 2)]);
    // A line of a field that nobody knows, and one without an end.
    let reading = read(select("/v1/chat/completions", SSE), ": ", &"x".repeat(1 << 20), 20, &back[6..]);
    assert_final(&reading, &[("input", 1), ("output", 2)]);
    let endless = read(select("/v1/chat/completions", SSE), front, &"x".repeat(1 << 20), 20, "");
    assert_eq!(endless.rank, Rank::Estimate);
    assert!(endless.flags.has(Flag::Truncated));
}

#[test]
fn a_name_and_a_number_of_a_megabyte() {
    let chat = select("/v1/chat/completions", JSON);
    let usage = ",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}";
    let reading = read(chat, "{\"", &"n".repeat(1 << 20), 4, &format!("\":1{usage}"));
    assert_final(&reading, &[("input", 1), ("output", 2)]);
    let reading = read(chat, "{\"usage\":{\"prompt_tokens\":1", &"0".repeat(1 << 20), 4, "}}");
    assert_eq!(reading.rank, Rank::Estimate);
    assert!(reading.flags.has(Flag::OutOfRange));
    assert_counts(&reading, &[("input", super::ASSUMED_INPUT)]);
}
