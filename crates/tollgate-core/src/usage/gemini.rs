//! Gemini and Vertex: `usageMetadata` in each chunk, cumulative, the last one wins. Cached tokens are inside of the
//! prompt; thoughts and the results of tools stand outside of candidates and prompt; here they are inside.

use super::capture::{Doc, Paths};
use super::flags::Flag;
use super::numbers::Numbers;
use super::progress::Progress;
use super::record::Counts;

/// Where things stand in an answer, in an event, and in an element of a list of answers.
pub static GENERATE: Paths = Paths {
    usage: &["usageMetadata"],
    facts: &["modelVersion", "candidates/[]/finishReason", "promptFeedback/blockReason", "error"],
    texts: &["candidates/[]/content/parts/[]/text"],
    blob: None,
    list: true,
};

/// Pages are read as images.
const IMAGE: [&str; 2] = ["IMAGE", "DOCUMENT"];

pub fn generate(doc: &Doc, progress: &mut Progress) {
    if doc.has("error") {
        progress.flags.set(Flag::ProviderError);
    }
    progress.name_model(doc, &["modelVersion"]);
    progress.name_tier(doc, &["usageMetadata/serviceTier", "usageMetadata/trafficType"]);
    let mut flags = doc.flags;
    let Some(mut n) = Numbers::of(doc, "usageMetadata", &mut flags) else {
        progress.flags = progress.flags.union(flags);
        return;
    };
    let total = n.get("totalTokenCount");
    let prompt = n.get("promptTokenCount");
    let written = n.first(&["candidatesTokenCount", "responseTokenCount"]);
    let thoughts = n.or_zero(&["thoughtsTokenCount"]);
    let tools = n.or_zero(&["toolUsePromptTokenCount"]);
    let mut of = |lists: &[&str], kinds: &[&str]| {
        let sums = lists.iter().map(|list| n.sum_of(list, "modality", kinds, "tokenCount"));
        sums.reduce(super::Count::plus).unwrap_or_default()
    };
    let read = ["promptTokensDetails", "toolUsePromptTokensDetails"];
    let made = ["candidatesTokensDetails", "responseTokensDetails"];
    let cached = ["cacheTokensDetails"];
    let media = Counts {
        audio_input: of(&read, &["AUDIO"]),
        image_input: of(&read, &IMAGE),
        video_input: of(&read, &["VIDEO"]),
        audio_output: of(&made, &["AUDIO"]),
        image_output: of(&made, &IMAGE),
        video_output: of(&made, &["VIDEO"]),
        cached_audio: of(&cached, &["AUDIO"]),
        cached_image: of(&cached, &IMAGE),
        ..Counts::default()
    };
    let counts = Counts {
        input: prompt.unwrap_or_default().plus(tools),
        output: written.unwrap_or_default().plus(thoughts),
        cached_read: n.or_zero(&["cachedContentTokenCount"]),
        reasoning: thoughts,
        ..media
    };
    if !n.sound(&mut flags) || prompt.or(written).is_none() {
        progress.flags = progress.flags.union(flags);
        return;
    }
    let last = doc.any_text("candidates/[]/finishReason") || doc.any_text("promptFeedback/blockReason");
    progress.take(counts, total, &[], last, flags);
}
