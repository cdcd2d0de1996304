//! Anthropic's API, wherever a backend speaks it.

use super::{Row, family, post};
use crate::endpoints::ModelPlace::{Body, Elsewhere, Unused};
use crate::endpoints::Operation::{Batch, Count, Inference, Stored};
use crate::endpoints::Root::{Any, Mount};

/// Requests of their own.
pub const EXACT: &[Row] = &[
    post(Mount, "{version}/messages", Inference, Body),
    post(Mount, "{version}/messages/count_tokens", Count, Body),
    post(Mount, "{version}/complete", Inference, Body),
    post(Any, "messages/batches", Batch, Elsewhere),
    post(Mount, "{version}/messages/batches/{id}/cancel", Batch, Unused),
    family("messages/batches/**", Batch),
];

/// Whatever else stands below these words.
pub const FAMILIES: &[Row] = &[
    family("{version}/agents/**", Stored),
    family("{version}/sessions/**", Stored),
    family("{version}/environments/**", Stored),
    family("{version}/memory_stores/**", Stored),
    family("{version}/vaults/**", Stored),
];
