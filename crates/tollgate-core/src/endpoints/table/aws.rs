//! Amazon Bedrock and SageMaker.

use super::{Row, family, get, post};
use crate::endpoints::ModelPlace::{Elsewhere, Path, Unused};
use crate::endpoints::Operation::{Admin, Batch, Count, Inference, Models, Realtime, Stored};
use crate::endpoints::Root::{Any, Mount};

/// What may follow a model in a path of Bedrock. A model's name, an ARN in the longest case, has none of these words.
pub const OPERATIONS: [&str; 6] = [
    "invoke",
    "invoke-with-response-stream",
    "invoke-with-bidirectional-stream",
    "converse",
    "converse-stream",
    "count-tokens",
];

/// Their rows.
pub const ROWS: &[Row] = &[
    post(Mount, "model/{model...}/invoke", Inference, Path),
    post(Mount, "model/{model...}/invoke-with-response-stream", Inference, Path),
    post(Mount, "model/{model...}/converse", Inference, Path),
    post(Mount, "model/{model...}/converse-stream", Inference, Path),
    post(Mount, "model/{model...}/count-tokens", Count, Path),
    post(Mount, "model/{model...}/invoke-with-bidirectional-stream", Realtime, Path),
    post(Mount, "guardrail/{id}/version/{id}/apply", Inference, Unused),
    get(Any, "foundation-models", Models, Unused),
    get(Any, "foundation-models/{id}", Models, Unused),
    get(Any, "inference-profiles", Models, Unused),
    get(Any, "inference-profiles/**", Models, Unused),
    post(Any, "async-invoke", Batch, Elsewhere),
    family("async-invoke/**", Batch),
    post(Any, "model-invocation-job", Batch, Elsewhere),
    family("model-invocation-job/**", Batch),
    family("model-invocation-jobs/**", Batch),
    family("evaluation-jobs/**", Batch),
    post(Any, "agentAliases/{id}/sessions/{id}/text", Inference, Elsewhere),
    post(Any, "flows/{id}/aliases/{id}", Inference, Elsewhere),
    post(Any, "retrieveAndGenerate", Inference, Elsewhere),
    post(Any, "retrieveAndGenerateStream", Inference, Elsewhere),
    post(Any, "endpoints/{id}/invocations", Inference, Elsewhere),
    post(Any, "endpoints/{id}/invocations-response-stream", Inference, Elsewhere),
    post(Any, "endpoints/{id}/async-invocations", Batch, Elsewhere),
    family("knowledgebases/**", Stored),
    family("custom-models/**", Admin),
    family("imported-models/**", Admin),
    family("model-import-jobs/**", Admin),
    family("model-customization-jobs/**", Admin),
    family("provisioned-model-throughput/**", Admin),
    family("provisioned-model-throughputs/**", Admin),
    family("inference-profiles/**", Admin),
    family("guardrails/**", Admin),
    family("logging/modelinvocations/**", Admin),
];
