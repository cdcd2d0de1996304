//! Bedrock: Converse has numbers of its own, with cache reads and writes outside of the input; InvokeModel hands the
//! provider's own documents through, in a stream as base64 inside of binary messages, the last of which has metrics.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::anthropic;
use super::capture::{Capture, Doc, Handler, Paths};
use super::count::Count;
use super::flags::{Flag, Flags};
use super::numbers::Numbers;
use super::openai;
use super::progress::Progress;
use super::record::Counts;
use super::scan::Scanner;

/// Converse and its stream.
pub static CONVERSE: Paths = Paths {
    usage: &["usage"],
    facts: &["serviceTier/type"],
    texts: &[
        "delta/text",
        "delta/toolUse/input",
        "delta/reasoningContent/text",
        "output/message/content/[]/text",
    ],
    blob: None,
    list: false,
};

/// InvokeModel: every provider's form.
pub static INVOKE: Paths = Paths {
    usage: &["usage", "message/usage", "metadata/usage", METRICS],
    facts: &[
        "type",
        "model",
        "message/model",
        "delta/stop_reason",
        "choices/[]",
        "choices/[]/finish_reason",
        "prompt_token_count",
        "generation_token_count",
        "inputTextTokenCount",
        "totalOutputTextTokenCount",
        "results/[]/tokenCount",
        "stop_reason",
        "completionReason",
    ],
    texts: &[
        "delta/text",
        "delta/thinking",
        "delta/partial_json",
        "content/[]/text",
        "choices/[]/delta/content",
        "choices/[]/message/content",
        "outputs/[]/text",
        "contentBlockDelta/delta/text",
        "generation",
        "outputText",
        "results/[]/outputText",
    ],
    blob: Some("bytes"),
    list: false,
};

/// What Bedrock adds to the last document of a stream.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

pub fn converse(doc: &Doc, progress: &mut Progress) {
    progress.name_tier(doc, &["serviceTier/type"]);
    converse_usage(doc, "usage", progress);
}

fn converse_usage(doc: &Doc, root: &str, progress: &mut Progress) {
    let mut flags = doc.flags;
    let Some(mut n) = Numbers::of(doc, root, &mut flags) else {
        progress.flags = progress.flags.union(flags);
        return;
    };
    let (input, output) = (n.get("inputTokens"), n.get("outputTokens"));
    let total = n.get("totalTokens");
    let read = n.or_zero(&["cacheReadInputTokens", "cacheReadInputTokenCount"]);
    let five = n.sum_of("cacheDetails", "ttl", &["5m"], "inputTokens");
    let hour = n.sum_of("cacheDetails", "ttl", &["1h"], "inputTokens");
    let rest = n.or_zero(&["cacheWriteInputTokens", "cacheWriteInputTokenCount"]).less(five.plus(hour));
    let outside = input.unwrap_or_default();
    let counts = Counts {
        input: outside.plus(read).plus(five).plus(hour).plus(rest),
        output: output.unwrap_or_default(),
        cached_read: read,
        cache_write: rest,
        cache_write_5m: five,
        cache_write_1h: hour,
        ..Counts::default()
    };
    if !n.sound(&mut flags) || input.or(output).is_none() {
        progress.flags = progress.flags.union(flags);
        return;
    }
    // Totals with and without what the cache did are both seen.
    let without = outside.plus(counts.output);
    progress.take(counts, total, &[without], true, flags);
}

pub fn invoke(doc: &Doc, progress: &mut Progress) {
    progress.flags = progress.flags.union(doc.flags);
    if let Some(blob) = &doc.blob {
        match STANDARD.decode(blob) {
            Ok(bytes) => nested(&bytes, progress),
            Err(_) => progress.flags.set(Flag::Malformed),
        }
        return;
    }
    if doc.has("message/usage") || anthropic::is_anthropic(doc, "usage") {
        anthropic::messages(doc, progress);
    } else if doc.get("usage/prompt_tokens").is_some() {
        openai::chat(doc, progress);
    } else if doc.get("usage/inputTokens").is_some() {
        converse_usage(doc, "usage", progress);
    } else if doc.has("metadata/usage") {
        converse_usage(doc, "metadata/usage", progress);
    } else {
        own_counts(doc, progress);
    }
    metrics(doc, progress);
}

/// Llama and Titan count in members of the document itself.
fn own_counts(doc: &Doc, progress: &mut Progress) {
    let mut flags = doc.flags;
    let Some(mut n) = Numbers::of(doc, "", &mut flags) else { return };
    let input = n.first(&["prompt_token_count", "inputTextTokenCount"]);
    let output = n.first(&["generation_token_count", "totalOutputTextTokenCount", "results/[]/tokenCount"]);
    let ended = doc.any_text("stop_reason") || doc.any_text("completionReason");
    if !n.sound(&mut flags) {
        progress.flags = progress.flags.union(flags);
        return;
    }
    if input.or(output).is_none() {
        return;
    }
    // Of a stream, each document says only what has changed.
    let old = progress.counts.unwrap_or_default();
    let (input, output) = (input.unwrap_or(old.input), output.unwrap_or(old.output));
    progress.take(Counts { input, output, ..Counts::default() }, None, &[], ended, flags);
}

fn metrics(doc: &Doc, progress: &mut Progress) {
    let mut flags = doc.flags;
    let Some(mut n) = Numbers::of(doc, METRICS, &mut flags) else { return };
    let (input, output) = (n.get("inputTokenCount"), n.get("outputTokenCount"));
    let read = n.or_zero(&["cacheReadInputTokenCount"]);
    let write = n.or_zero(&["cacheWriteInputTokenCount"]);
    if !n.sound(&mut flags) || input.or(output).is_none() {
        progress.flags = progress.flags.union(flags);
        return;
    }
    if progress.counts.is_some() && progress.last_if_ended {
        // The provider's own numbers say more.
        progress.settled = true;
        return;
    }
    progress.take(outside_counts(input, output, read, write), None, &[], true, flags);
}

fn outside_counts(input: Option<Count>, output: Option<Count>, read: Count, write: Count) -> Counts {
    Counts {
        input: input.unwrap_or_default().plus(read).plus(write),
        output: output.unwrap_or_default(),
        cached_read: read,
        cache_write: write,
        ..Counts::default()
    }
}

fn nested(bytes: &[u8], progress: &mut Progress) {
    let (mut scanner, mut capture) = (Scanner::new(false), Capture::new(&INVOKE));
    let mut inner = None;
    scanner.feed(
        bytes,
        &mut Handler { capture: &mut capture, absorb: |doc: &mut Doc| inner = Some(std::mem::take(doc)) },
    );
    match inner {
        // A document in a document in a document is none of Bedrock's.
        Some(doc) if doc.blob.is_none() && !scanner.failed() => {
            progress.text += doc.text;
            invoke(&doc, progress);
        }
        _ => progress.flags.set(Flag::Malformed),
    }
}

/// The counts in the headers of an answer to InvokeModel that is not streamed. `None` when they are not there.
pub fn headers<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<(Counts, Flags)> {
    let mut flags = Flags::NONE;
    let (mut input, mut output, mut read, mut write) = (None, None, Count::ZERO, Count::ZERO);
    for (name, value) in all {
        let Some(kind) = strip_prefix_ignoring_case(name, "x-amzn-bedrock-") else { continue };
        let kind = kind.to_ascii_lowercase();
        if !kind.ends_with("-token-count") {
            continue;
        }
        let Ok((count, _)) = Count::parse(value.trim(), 0) else {
            flags.set(Flag::NotANumber);
            continue;
        };
        match kind.as_str() {
            "input-token-count" => input = Some(count),
            "output-token-count" => output = Some(count),
            "cache-read-input-token-count" => read = count,
            "cache-write-input-token-count" => write = count,
            _ => {}
        }
    }
    if flags.is_empty() && input.or(output).is_some() {
        Some((outside_counts(input, output, read, write), flags))
    } else {
        None
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (front, rest) = text.split_at_checked(prefix.len())?;
    front.eq_ignore_ascii_case(prefix).then_some(rest)
}
