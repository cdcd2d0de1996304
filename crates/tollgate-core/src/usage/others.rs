//! Cohere's billed units, rerankings, and Ollama's counts.

use super::capture::{Doc, Leaf, Paths};
use super::flags::Flags;
use super::numbers::Numbers;
use super::openai;
use super::progress::Progress;
use super::record::Counts;

/// Cohere: chat (both versions, one object or events), embeddings, rerankings; and rerankings of others, which count as
/// OpenAI does.
pub static COHERE: Paths = Paths {
    usage: &["usage", "meta", "delta/usage", "response/meta"],
    facts: &["type", "model"],
    texts: &[
        "delta/message/content/text",
        "delta/message/tool_calls/function/arguments",
        "text",
        "message/content/[]/text",
    ],
    blob: None,
    list: false,
};

/// Ollama's own API: an object a line.
pub static OLLAMA: Paths = Paths {
    usage: &[],
    facts: &["model", "done", "prompt_eval_count", "eval_count"],
    texts: &["response", "thinking", "message/content", "message/thinking"],
    blob: None,
    list: false,
};

pub fn cohere(doc: &Doc, progress: &mut Progress) {
    progress.name_model(doc, &["model"]);
    let mut flags = doc.flags;
    for root in COHERE.usage {
        let billed = format!("{root}/billed_units");
        if let Some(n) = Numbers::of(doc, &billed, &mut flags) {
            return billed_units(n, flags, progress);
        }
        // What is not billed by units says tokens.
        let tokens = format!("{root}/tokens");
        if let Some(n) = Numbers::of(doc, &tokens, &mut flags) {
            return billed_units(n, flags, progress);
        }
    }
    if let Some(n) = Numbers::of(doc, "usage", &mut flags) {
        openai::tokens(n, flags, true, progress);
    } else {
        progress.flags = progress.flags.union(flags);
    }
}

fn billed_units(mut n: Numbers<'_>, mut flags: Flags, progress: &mut Progress) {
    let (input, output) = (n.get("input_tokens"), n.get("output_tokens"));
    let (searches, images) = (n.get("search_units"), n.get("images"));
    let counts = Counts {
        input: input.unwrap_or_default(),
        output: output.unwrap_or_default(),
        searches: searches.unwrap_or_default(),
        ..Counts::default()
    };
    if !n.sound(&mut flags) || input.or(output).or(searches).or(images).is_none() {
        progress.flags = progress.flags.union(flags);
        return;
    }
    progress.take(counts, None, &[], true, flags);
}

pub fn ollama(doc: &Doc, progress: &mut Progress) {
    progress.name_model(doc, &["model"]);
    let mut flags = doc.flags;
    let Some(mut n) = Numbers::of(doc, "", &mut flags) else { return };
    let (input, output) = (n.get("prompt_eval_count"), n.get("eval_count"));
    if !n.sound(&mut flags) || input.or(output).is_none() {
        progress.flags = progress.flags.union(flags);
        return;
    }
    let counts =
        Counts { input: input.unwrap_or_default(), output: output.unwrap_or_default(), ..Counts::default() };
    progress.take(counts, None, &[], doc.get("done") == Some(&Leaf::Bool(true)), flags);
}
