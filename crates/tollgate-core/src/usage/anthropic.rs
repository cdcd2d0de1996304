//! Anthropic's messages. Numbers of a stream are cumulative: `message_delta` replaces what `message_start` said, member
//! by member, and never adds. Cache reads and writes stand outside of `input_tokens`; here they are inside.

use super::capture::{Doc, Paths};
use super::count::Count;
use super::flags::Flag;
use super::numbers::Numbers;
use super::progress::Progress;
use super::record::{Counts, ServiceTier};

/// Where things stand in a message and in the events of a stream.
pub static MESSAGES: Paths = Paths {
    usage: &["usage", "message/usage"],
    facts: &["type", "model", "message/model", "delta/stop_reason"],
    texts: &["delta/text", "delta/thinking", "delta/partial_json", "content/[]/text", "content/[]/thinking"],
    blob: None,
    list: false,
};

/// The last number of each member.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnthropicParts {
    input: Option<Count>,
    read: Option<Count>,
    write: Option<Count>,
    write_5m: Option<Count>,
    write_1h: Option<Count>,
    output: Option<Count>,
    thinking: Option<Count>,
    searches: Option<Count>,
    fetches: Option<Count>,
}

/// Whether the usage at `root` is counted as Anthropic does.
pub fn is_anthropic(doc: &Doc, root: &str) -> bool {
    doc.get(&format!("{root}/input_tokens")).is_some() || doc.get(&format!("{root}/output_tokens")).is_some()
}

pub fn messages(doc: &Doc, progress: &mut Progress) {
    if doc.text_at("type") == Some("error") {
        progress.flags.set(Flag::ProviderError);
    }
    progress.name_model(doc, &["message/model", "model"]);
    let begins = doc.has("message/usage");
    let root = if begins { "message/usage" } else { "usage" };
    let mut flags = doc.flags;
    let Some(mut n) = Numbers::of(doc, root, &mut flags) else {
        progress.flags = progress.flags.union(flags);
        if doc.text_at("type") == Some("message_stop") {
            progress.done();
        }
        return;
    };
    let old = progress.anthropic;
    let parts = AnthropicParts {
        input: n.get("input_tokens").or(old.input),
        read: n.get("cache_read_input_tokens").or(old.read),
        write: n.get("cache_creation_input_tokens").or(old.write),
        write_5m: n.get("cache_creation/ephemeral_5m_input_tokens").or(old.write_5m),
        write_1h: n.get("cache_creation/ephemeral_1h_input_tokens").or(old.write_1h),
        output: n.get("output_tokens").or(old.output),
        thinking: n.get("output_tokens_details/thinking_tokens").or(old.thinking),
        searches: n.get("server_tool_use/web_search_requests").or(old.searches),
        fetches: n.get("server_tool_use/web_fetch_requests").or(old.fetches),
    };
    let (tier, speed) = (n.text("service_tier"), n.text("speed"));
    if let Some(word) = speed.filter(|speed| *speed == "fast").or(tier)
        && progress.tier != Some(ServiceTier::Fast)
    {
        progress.tier = Some(ServiceTier::of(word));
    }
    if !n.sound(&mut flags) || parts.input.or(parts.output).is_none() {
        progress.flags = progress.flags.union(flags);
        return;
    }
    progress.anthropic = parts;
    let text = progress.text;
    progress.take(counts(&parts), None, &[], doc.any_text("delta/stop_reason"), flags);
    if begins {
        // Its output is that of the moment, and stays when the stream breaks off.
        progress.last_if_ended = false;
        progress.text = text;
    }
}

fn counts(parts: &AnthropicParts) -> Counts {
    let (five, hour) = (parts.write_5m.unwrap_or_default(), parts.write_1h.unwrap_or_default());
    let (read, by_life) = (parts.read.unwrap_or_default(), five.plus(hour));
    // The sum of the lives, or what is said without them: whichever is more.
    let rest = parts.write.unwrap_or_default().less(by_life);
    Counts {
        input: parts.input.unwrap_or_default().plus(read).plus(by_life).plus(rest),
        output: parts.output.unwrap_or_default(),
        cached_read: read,
        cache_write: rest,
        cache_write_5m: five,
        cache_write_1h: hour,
        reasoning: parts.thinking.unwrap_or_default(),
        web_searches: parts.searches.unwrap_or_default(),
        tool_calls: parts.fetches.unwrap_or_default(),
        ..Counts::default()
    }
}
