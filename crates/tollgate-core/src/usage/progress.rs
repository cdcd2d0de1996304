//! What was read of one answer so far: the last usage, and the text that came after it.

use super::anthropic::AnthropicParts;
use super::capture::Doc;
use super::count::Count;
use super::flags::{Flag, Flags};
use super::record::{Counts, ServiceTier};

/// The longest name of a model that is kept, in bytes.
const MAX_MODEL: usize = 256;

/// The state of a reader of one answer.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Whether the answer is one document and no stream.
    pub whole: bool,
    /// The last usage.
    pub counts: Option<Counts>,
    /// The total that the provider gave with it.
    pub total: Option<Count>,
    /// What was odd about it.
    pub usage_flags: Flags,
    /// The provider said that it is the last one.
    pub settled: bool,
    /// It is the last one if the stream ends here as it should.
    pub last_if_ended: bool,
    /// Bytes of generated text since then.
    pub text: u64,
    pub model: Option<String>,
    pub tier: Option<ServiceTier>,
    /// What was odd about the answer.
    pub flags: Flags,
    /// Images that were made, by a stream that says so one by one.
    pub images: u64,
    pub anthropic: AnthropicParts,
}

impl Progress {
    /// Replaces the usage: numbers are cumulative and never add up. `totals` are the sums that the provider's total may
    /// be, besides input + output.
    pub fn take(
        &mut self,
        mut counts: Counts,
        total: Option<Count>,
        totals: &[Count],
        last: bool,
        mut flags: Flags,
    ) {
        if total.is_some_and(|total| total != counts.total() && !totals.contains(&total)) {
            flags.set(Flag::TotalMismatch);
        }
        if counts.reconcile() {
            flags.set(Flag::Inconsistent);
        }
        counts.requests = Count::ONE;
        (self.counts, self.total, self.usage_flags) = (Some(counts), total, flags);
        self.settled |= last || self.whole;
        self.last_if_ended = true;
        self.text = 0;
    }

    /// The provider said that the stream has ended.
    pub fn done(&mut self) {
        self.settled |= self.counts.is_some() && self.last_if_ended;
    }

    /// The model that answered, from the first of these paths that names one.
    pub fn name_model(&mut self, doc: &Doc, paths: &[&str]) {
        let plain =
            |name: &&str| !name.is_empty() && name.len() <= MAX_MODEL && !name.chars().any(char::is_control);
        if let Some(name) = paths.iter().find_map(|path| doc.text_at(path)).filter(plain)
            && self.model.as_deref() != Some(name)
        {
            self.model = Some(name.to_owned());
        }
    }

    /// How the answer was served, from the first of these paths that says so.
    pub fn name_tier(&mut self, doc: &Doc, paths: &[&str]) {
        if let Some(word) = paths.iter().find_map(|path| doc.text_at(path)) {
            self.tier = Some(ServiceTier::of(word));
        }
    }
}
