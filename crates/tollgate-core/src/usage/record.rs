//! The canonical record of what one call used, whichever API counted it: input and output are inclusive, and every other
//! count of tokens is a part of one of them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::count::Count;

const fn is_zero(count: &Count) -> bool {
    count.is_zero()
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        /// Numbers as they were counted. [`Usage::new`] and [`Counts::reconcile`] hold the parts to their wholes.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Counts {
            $($(#[$doc])* #[serde(default, skip_serializing_if = "is_zero")] pub $name: Count,)+
        }

        impl Counts {
            /// Every count and its name.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, Count)> + use<> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }

        /// [`Usage`] as it stands in JSON, before it is checked: every member known, none of them twice.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Unchecked {
            $(#[serde(default)] $name: Count,)+
            #[serde(default)]
            provider_total: Option<Count>,
            #[serde(default)]
            model: Option<String>,
            #[serde(default, rename = "service_tier")]
            tier: ServiceTier,
        }

        impl TryFrom<Unchecked> for Usage {
            type Error = Inconsistent;
            fn try_from(raw: Unchecked) -> Result<Self, Inconsistent> {
                let counts = Counts { $($name: raw.$name,)+ };
                Self::new(counts, raw.provider_total, raw.model, raw.tier)
            }
        }
    };
}

counts! {
    /// Tokens read by the model: cached ones, cache writes, media and results of server tools included.
    input;
    /// Tokens written by the model: reasoning and media included.
    output;
    /// Of `input`: read from a cache.
    cached_read;
    /// Of `cached_read`: audio.
    cached_audio;
    /// Of `cached_read`: images.
    cached_image;
    /// Of `input`: written to a cache whose life is not said.
    cache_write;
    /// Of `input`: written to a cache for five minutes.
    cache_write_5m;
    /// Of `input`: written to a cache for an hour.
    cache_write_1h;
    /// Of `input`: audio.
    audio_input;
    /// Of `input`: images.
    image_input;
    /// Of `input`: video.
    video_input;
    /// Of `output`: thought, and not shown.
    reasoning;
    /// Of `output`: audio.
    audio_output;
    /// Of `output`: images.
    image_output;
    /// Of `output`: video.
    video_output;
    /// Images that were made.
    images;
    /// Milliseconds of audio that were transcribed.
    audio_millis;
    /// Characters that were spoken.
    characters;
    /// Web searches that the provider ran.
    web_searches;
    /// Searches in files and rerankings that the provider ran.
    searches;
    /// Other tools that the provider ran.
    tool_calls;
    /// Requests: 1 for a call of its own.
    requests;
}

/// A part that is larger than its whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{part} is larger than {whole}, which includes it")]
pub struct Inconsistent {
    /// The part.
    pub part: &'static str,
    /// The whole.
    pub whole: &'static str,
}

impl Counts {
    /// Cache writes of every life.
    pub const fn cache_writes(&self) -> Count {
        self.cache_write.plus(self.cache_write_5m).plus(self.cache_write_1h)
    }

    /// Input of other kinds than text.
    pub const fn media_input(&self) -> Count {
        self.audio_input.plus(self.image_input).plus(self.video_input)
    }

    /// Output of other kinds than text.
    pub const fn media_output(&self) -> Count {
        self.audio_output.plus(self.image_output).plus(self.video_output)
    }

    /// Input and output.
    pub const fn total(&self) -> Count {
        self.input.plus(self.output)
    }

    /// Raises every whole to the sum of its parts, so that no part is free; whether something was raised.
    pub fn reconcile(&mut self) -> bool {
        let before = *self;
        self.audio_input = self.audio_input.max(self.cached_audio);
        self.image_input = self.image_input.max(self.cached_image);
        self.cached_read = self.cached_read.max(self.cached_audio.plus(self.cached_image));
        self.input = self.input.max(self.cached_read.plus(self.cache_writes())).max(self.media_input());
        self.output = self.output.max(self.reasoning.plus(self.media_output()));
        before != *self
    }

    fn check(&self) -> Result<(), Inconsistent> {
        let parts = [
            ("cached_audio", self.cached_audio, "audio_input", self.audio_input),
            ("cached_image", self.cached_image, "image_input", self.image_input),
            ("cached media", self.cached_audio.plus(self.cached_image), "cached_read", self.cached_read),
            ("cached_read + cache writes", self.cached_read.plus(self.cache_writes()), "input", self.input),
            ("media input", self.media_input(), "input", self.input),
            ("reasoning + media output", self.reasoning.plus(self.media_output()), "output", self.output),
        ];
        match parts.into_iter().find(|(_, part, _, whole)| part > whole) {
            Some((part, _, whole, _)) => Err(Inconsistent { part, whole }),
            None => Ok(()),
        }
    }
}

/// How a provider served a call, where that changes its price.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// The ordinary way, or nothing was said.
    #[default]
    Standard,
    /// Cheaper, and it may wait.
    Flex,
    /// Dearer, and it is first.
    Priority,
    /// As a part of a batch.
    Batch,
    /// Dearer, and it is written faster.
    Fast,
    /// Another one, in the provider's word.
    #[serde(untagged)]
    Other(String),
}

impl ServiceTier {
    /// What a provider's word means.
    pub fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "" | "auto" | "default" | "standard" | "on_demand" | "unspecified" => Self::Standard,
            "flex" | "on_demand_flex" => Self::Flex,
            "priority" | "on_demand_priority" => Self::Priority,
            "batch" => Self::Batch,
            "fast" => Self::Fast,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// What one call used. The parts fit into their wholes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Usage {
    #[serde(flatten)]
    counts: Counts,
    /// The total as the provider gave it, for an alarm when it is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_total: Option<Count>,
    /// The model that answered, in the provider's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(rename = "service_tier")]
    tier: ServiceTier,
}

impl Usage {
    /// A record of numbers that must fit together.
    ///
    /// # Errors
    /// [`Inconsistent`] when a part is larger than its whole.
    pub fn new(
        counts: Counts,
        provider_total: Option<Count>,
        model: Option<String>,
        tier: ServiceTier,
    ) -> Result<Self, Inconsistent> {
        counts.check()?;
        Ok(Self { counts, provider_total, model, tier })
    }

    /// A record of numbers that were [reconciled](Counts::reconcile).
    pub(super) fn reconciled(mut counts: Counts) -> Self {
        counts.reconcile();
        Self { counts, ..Self::default() }
    }

    /// The same with what the provider said of itself.
    #[must_use]
    pub(super) fn said(mut self, total: Option<Count>, model: Option<String>, tier: ServiceTier) -> Self {
        (self.provider_total, self.model, self.tier) = (total, model, tier);
        self
    }

    /// The numbers.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The total as the provider gave it.
    pub const fn provider_total(&self) -> Option<Count> {
        self.provider_total
    }

    /// The model that answered.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// How it was served.
    pub const fn tier(&self) -> &ServiceTier {
        &self.tier
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
