//! Any bytes as an answer's body, for every reader: an outcome, the same in any split, that can be stored and read back.
//! The first byte picks the API, the second the framing, the third the size of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::usage::{
    Assumed, BytesPerToken, Count, End, Format, Framing, Meter, Outcome, Reading, Selected,
};

const FORMATS: [Format; 12] = [
    Format::Chat,
    Format::Embeddings,
    Format::Responses,
    Format::Images,
    Format::Transcription,
    Format::Speech,
    Format::Anthropic,
    Format::Gemini,
    Format::BedrockConverse,
    Format::BedrockInvoke,
    Format::Cohere,
    Format::Ollama,
];
const FRAMINGS: [Framing; 4] = [Framing::Json, Framing::JsonLines, Framing::Events, Framing::EventStream];

fuzz_target!(|bytes: &[u8]| {
    let [format, framing, size, body @ ..] = bytes else { return };
    let selected = Selected {
        format: FORMATS[usize::from(*format) % FORMATS.len()],
        framing: FRAMINGS[usize::from(*framing) % FRAMINGS.len()],
    };
    let assumed = Assumed { input: Count::ONE, ratio: BytesPerToken::START };
    let read = |size: usize| {
        let mut meter = Meter::new(selected);
        for piece in body.chunks(size) {
            meter.feed(piece);
            let _ = meter.outcome(&assumed);
        }
        meter.finish(End::Aborted, &assumed)
    };
    let whole = read(usize::MAX);
    assert_eq!(read(usize::from(*size) + 1), whole, "a split changes the outcome");
    if let Outcome::Read(reading) = whole {
        assert_eq!(reading.seen, body.len() as u64);
        let json = serde_json::to_string(&reading).expect("a reading is JSON");
        let again: Reading = serde_json::from_str(&json).expect("a stored reading can be read");
        assert_eq!(again, reading);
    }
});
