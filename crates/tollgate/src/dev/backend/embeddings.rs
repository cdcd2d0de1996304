//! `POST /v1/embeddings`: vectors by feature hashing, so that texts that share words lie near each other.

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ApiError, OpenAiError};
use super::{Shared, tokens};

const DEFAULT_DIMENSIONS: usize = 256;
const MAX_DIMENSIONS: usize = 3072;
const MAX_INPUTS: usize = 2048;

#[derive(Deserialize)]
struct EmbeddingRequest {
    model: Option<String>,
    input: Option<Input>,
    encoding_format: Option<Encoding>,
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Float,
    Base64,
}

/// Makes one vector per input.
pub(super) async fn create(State(backend): Shared, body: Body) -> Result<Json<Value>, OpenAiError> {
    let request: EmbeddingRequest = backend.read_json(body).await?;
    let model = request.model.ok_or_else(|| ApiError::missing("model"))?;
    if !backend.options.embedding_models.contains(&model) {
        return Err(ApiError::model_not_found(&model).into());
    }
    let inputs = request.input.ok_or_else(|| ApiError::missing("input"))?.into_lists();
    if inputs.is_empty() || inputs.len() > MAX_INPUTS || inputs.iter().any(Vec::is_empty) {
        let text = "'input' must be one to 2048 texts, none of them empty.";
        return Err(ApiError::invalid(Some("input"), text).into());
    }
    let dimensions = request.dimensions.unwrap_or(DEFAULT_DIMENSIONS);
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        let text = "'dimensions' must be between 1 and 3072.";
        return Err(ApiError::invalid(Some("dimensions"), text).into());
    }
    let encoding = request.encoding_format.unwrap_or(Encoding::Float);
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, words)| {
            let embedding = encode(&embed(words, dimensions), encoding);
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        })
        .collect();
    let count: usize = inputs.iter().map(Vec::len).sum();
    Ok(Json(json!({
        "object": "list",
        "data": data,
        "model": model,
        "usage": { "prompt_tokens": count, "total_tokens": count },
    })))
}

impl Input {
    /// Each input as the list of its tokens' texts.
    fn into_lists(self) -> Vec<Vec<String>> {
        let words =
            |text: &str| tokens::split(text).into_iter().map(|token| token.trim().to_lowercase()).collect();
        let numbers = |list: &[u32]| list.iter().map(u32::to_string).collect();
        match self {
            Self::Text(text) => vec![words(&text)],
            Self::Texts(texts) => texts.iter().map(|text| words(text)).collect(),
            Self::Tokens(list) => vec![numbers(&list)],
            Self::TokenLists(lists) => lists.iter().map(|list| numbers(list)).collect(),
        }
    }
}

/// A vector of length one: every word adds or takes one at four places that its digest names.
fn embed(words: &[String], dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    for word in words {
        let hash = digest(&SHA256, word.as_bytes());
        for spot in hash.as_ref().chunks_exact(8).take(4) {
            let place = usize::from(u16::from_be_bytes([spot[0], spot[1]])) % dimensions;
            vector[place] += if spot[2] & 1 == 0 { 1.0 } else { -1.0 };
        }
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    } else {
        // All words cancelled out, which one dimension makes likely; any unit vector is as good.
        vector[0] = 1.0;
    }
    vector
}

/// Numbers, or the little-endian bytes of the 32-bit floats in base64.
fn encode(vector: &[f32], encoding: Encoding) -> Value {
    match encoding {
        Encoding::Float => json!(vector),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        }
    }
}
