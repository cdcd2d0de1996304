//! OpenAI's APIs and everything that imitates them: chat, completions, embeddings, Responses, images, transcription,
//! speech. Cached tokens are inside of the input, reasoning inside of the output.

use super::capture::{Doc, Paths};
use super::count::Count;
use super::flags::{Flag, Flags};
use super::numbers::Numbers;
use super::progress::Progress;
use super::record::Counts;

/// Chat and completions, Azure, vLLM and other imitations; embeddings and rerankings, which have no output.
pub static CHAT: Paths = Paths {
    usage: &["usage", "x_groq/usage", "choices/[]/usage"],
    facts: &["model", "service_tier", "choices/[]", "choices/[]/finish_reason", "error"],
    texts: &[
        "choices/[]/text",
        "choices/[]/delta/content",
        "choices/[]/delta/refusal",
        "choices/[]/delta/reasoning",
        "choices/[]/delta/reasoning_content",
        "choices/[]/delta/tool_calls/[]/function/arguments",
        "choices/[]/delta/function_call/arguments",
        "choices/[]/message/content",
        "choices/[]/message/refusal",
        "choices/[]/message/reasoning",
        "choices/[]/message/reasoning_content",
        "choices/[]/message/tool_calls/[]/function/arguments",
    ],
    blob: None,
    list: false,
};

/// Responses: one object, or events of which the last ones hold the whole object again.
pub static RESPONSES: Paths = Paths {
    usage: &["usage", "response/usage"],
    facts: &[
        "type",
        "model",
        "status",
        "service_tier",
        "output/[]/type",
        "response",
        "response/model",
        "response/status",
        "response/service_tier",
        "response/output/[]/type",
        "error",
    ],
    // Of events only the pieces count: what ends a part repeats it. Pieces of audio and of images are base64.
    texts: &["delta", "output/[]/content/[]/text", "output/[]/arguments"],
    blob: None,
    list: false,
};

/// Images, one object or events.
pub static IMAGES: Paths = Paths {
    usage: &["usage"],
    facts: &["type", "model", "data/[]", "error"],
    texts: &[],
    blob: None,
    list: false,
};

/// Transcription and translation.
pub static TRANSCRIPTION: Paths = Paths {
    usage: &["usage"],
    facts: &["type", "model", "duration", "error"],
    texts: &["text", "delta"],
    blob: None,
    list: false,
};

/// Speech as events.
pub static SPEECH: Paths =
    Paths { usage: &["usage"], facts: &["type", "model", "error"], texts: &[], blob: None, list: false };

/// Notes an error of the provider in the middle of an answer.
fn error(doc: &Doc, progress: &mut Progress) {
    if doc.has("error") {
        progress.flags.set(Flag::ProviderError);
    }
}

pub fn chat(doc: &Doc, progress: &mut Progress) {
    error(doc, progress);
    progress.name_model(doc, &["model"]);
    progress.name_tier(doc, &["service_tier"]);
    for root in CHAT.usage {
        // vLLM reports in every chunk: the last one is that without choices, or one in which a choice has ended.
        let last = !doc.has("choices/[]") || doc.any_text("choices/[]/finish_reason");
        let mut flags = doc.flags;
        let Some(numbers) = Numbers::of(doc, root, &mut flags) else {
            progress.flags = progress.flags.union(flags);
            continue;
        };
        tokens(numbers, flags, last, progress);
        return;
    }
}

/// The numbers of chat and of all that is like it.
pub fn tokens(mut n: Numbers<'_>, mut flags: Flags, last: bool, progress: &mut Progress) {
    let total = n.get("total_tokens");
    let prompt = n.first(&["prompt_tokens", "input_tokens"]);
    let completion = n.first(&["completion_tokens", "output_tokens"]);
    let reasoning = n.or_zero(&["completion_tokens_details/reasoning_tokens", "reasoning_tokens"]);
    let citations = n.or_zero(&["citation_tokens"]);
    let output = completion.unwrap_or_default();
    let mut counts = Counts {
        input: prompt.or(total).unwrap_or_default(),
        output,
        cached_read: n.or_zero(&[
            "prompt_tokens_details/cached_tokens",
            "prompt_cache_hit_tokens",
            "cache_read_input_tokens",
            "cached_tokens",
        ]),
        cache_write: n.or_zero(&["prompt_tokens_details/cache_write_tokens", "cache_creation_input_tokens"]),
        audio_input: n.or_zero(&["prompt_tokens_details/audio_tokens"]),
        image_input: n.or_zero(&["prompt_tokens_details/image_tokens"]),
        reasoning,
        audio_output: n.or_zero(&["completion_tokens_details/audio_tokens"]),
        image_output: n.or_zero(&["completion_tokens_details/image_tokens"]),
        web_searches: n.or_zero(&["num_search_queries"]),
        ..Counts::default()
    };
    let any = prompt.or(completion).or(total).is_some();
    // Some providers count reasoning (xAI) and citations (Perplexity) outside of the completion. Their total says so.
    let outside = reasoning.plus(citations);
    if total == Some(counts.total().plus(outside)) {
        counts.output = output.plus(outside);
    }
    if !n.sound(&mut flags) || !any {
        progress.flags = progress.flags.union(flags);
        return;
    }
    progress.take(counts, total, &[], last, flags);
}

pub fn responses(doc: &Doc, progress: &mut Progress) {
    error(doc, progress);
    let (root, prefix) = if doc.has("response") { ("response/usage", "response/") } else { ("usage", "") };
    progress.name_model(doc, &[&format!("{prefix}model")]);
    progress.name_tier(doc, &[&format!("{prefix}service_tier")]);
    let mut flags = doc.flags;
    let Some(mut n) = Numbers::of(doc, root, &mut flags) else {
        progress.flags = progress.flags.union(flags);
        return;
    };
    let total = n.get("total_tokens");
    let (input, output) = (n.get("input_tokens"), n.get("output_tokens"));
    let items = format!("{prefix}output/[]/type");
    let calls = |kind: &str| Count::capped(doc.count_text(&items, kind));
    let counts = Counts {
        input: input.unwrap_or_default(),
        output: output.unwrap_or_default(),
        cached_read: n
            .or_zero(&["input_tokens_details/cached_tokens", "input_tokens_details/cache_read_input_tokens"]),
        cache_write: n.or_zero(&["input_tokens_details/cache_write_tokens"]),
        audio_input: n.or_zero(&["input_tokens_details/audio_tokens"]),
        image_input: n.or_zero(&["input_tokens_details/image_tokens"]),
        reasoning: n.or_zero(&["output_tokens_details/reasoning_tokens"]),
        audio_output: n.or_zero(&["output_tokens_details/audio_tokens"]),
        image_output: n.or_zero(&["output_tokens_details/image_tokens"]),
        web_searches: calls("web_search_call"),
        searches: calls("file_search_call"),
        tool_calls: calls("code_interpreter_call").plus(calls("computer_call")).plus(calls("mcp_call")),
        ..Counts::default()
    };
    if !n.sound(&mut flags) || input.or(output).is_none() {
        progress.flags = progress.flags.union(flags);
        return;
    }
    progress.take(counts, total, &[], true, flags);
}

pub fn images(doc: &Doc, progress: &mut Progress) {
    error(doc, progress);
    progress.name_model(doc, &["model"]);
    let ended = doc.text_at("type").is_some_and(|kind| kind.ends_with(".completed"));
    progress.images += u64::from(ended) + doc.count("data/[]");
    let images = Count::capped(progress.images);
    let mut flags = doc.flags;
    let Some(mut n) = Numbers::of(doc, "usage", &mut flags) else {
        progress.flags = progress.flags.union(flags);
        // Older models report nothing and are priced by the image.
        if !images.is_zero() {
            progress.take(Counts { images, ..Counts::default() }, None, &[], true, Flags::NONE);
        }
        return;
    };
    let total = n.get("total_tokens");
    let output = n.or_zero(&["output_tokens"]);
    let mut counts = Counts {
        input: n.or_zero(&["input_tokens"]),
        output,
        image_input: n.or_zero(&["input_tokens_details/image_tokens"]),
        // All that these models write is images, unless they say more.
        image_output: n.first(&["output_tokens_details/image_tokens"]).unwrap_or(output),
        images,
        ..Counts::default()
    };
    counts.cached_read = n.or_zero(&["input_tokens_details/cached_tokens"]);
    if n.sound(&mut flags) {
        progress.take(counts, total, &[], true, flags);
    } else {
        progress.flags = progress.flags.union(flags);
    }
}

pub fn transcription(doc: &Doc, progress: &mut Progress) {
    error(doc, progress);
    progress.name_model(doc, &["model"]);
    let mut flags = doc.flags;
    let (mut n, seconds) = match Numbers::of(doc, "usage", &mut flags) {
        Some(n) => (n, "seconds"),
        // The verbose form of older models says how long the audio was.
        None => match Numbers::of(doc, "", &mut flags) {
            Some(n) if progress.whole => (n, "duration"),
            _ => return,
        },
    };
    let total = n.get("total_tokens");
    let (input, output) = (n.get("input_tokens"), n.get("output_tokens"));
    let seconds = n.scaled(seconds, 3);
    let counts = Counts {
        input: input.unwrap_or_default(),
        output: output.unwrap_or_default(),
        audio_input: n.or_zero(&["input_token_details/audio_tokens", "input_tokens_details/audio_tokens"]),
        audio_millis: seconds.unwrap_or_default(),
        ..Counts::default()
    };
    if !n.sound(&mut flags) || input.or(output).or(seconds).is_none() {
        progress.flags = progress.flags.union(flags);
        return;
    }
    progress.take(counts, total, &[], true, flags);
}

pub fn speech(doc: &Doc, progress: &mut Progress) {
    error(doc, progress);
    progress.name_model(doc, &["model"]);
    let mut flags = doc.flags;
    let Some(mut n) = Numbers::of(doc, "usage", &mut flags) else {
        progress.flags = progress.flags.union(flags);
        return;
    };
    let total = n.get("total_tokens");
    let output = n.or_zero(&["output_tokens"]);
    let counts =
        Counts { input: n.or_zero(&["input_tokens"]), output, audio_output: output, ..Counts::default() };
    if n.sound(&mut flags) {
        progress.take(counts, total, &[], true, flags);
    } else {
        progress.flags = progress.flags.union(flags);
    }
}
