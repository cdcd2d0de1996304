//! What a request does at a model API, in one word.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a request does at a model API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Uses a model for the caller and answers at once: chat, embeddings, images, speech, moderation.
    Inference,
    /// Asks which models there are.
    Models,
    /// Counts tokens.
    Count,
    /// Reads, writes or names objects that the provider keeps: files, stored answers, conversations, vector stores. Behind
    /// a gateway all callers share one provider account, so these may be other callers' objects.
    Stored,
    /// A connection that stays open, or a token for one.
    Realtime,
    /// Work that is done later: batches, evaluations, asynchronous invocations.
    Batch,
    /// Changes or reads the provider's account: users, keys, usage, costs, training, deployments.
    Admin,
    /// No known API has such a request.
    Unknown,
}

impl Operation {
    /// Every operation, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Inference,
        Self::Models,
        Self::Count,
        Self::Stored,
        Self::Realtime,
        Self::Batch,
        Self::Admin,
        Self::Unknown,
    ];

    /// The stable text, as it appears in configuration, logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Models => "models",
            Self::Count => "count",
            Self::Stored => "stored",
            Self::Realtime => "realtime",
            Self::Batch => "batch",
            Self::Admin => "admin",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
