//! `GET /v1/models` and `/v1/models/{id}`. Each entry carries the members of both OpenAI's and Anthropic's listing.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::error::{ApiError, OpenAiError};
use super::{BackendOptions, Shared};

/// All models.
pub(super) async fn list(State(backend): Shared) -> Json<Value> {
    let data: Vec<Value> = backend.options.model_names().map(entry).collect();
    let end = |entry: Option<&Value>| entry.map(|entry| entry["id"].clone());
    Json(json!({
        "object": "list",
        "has_more": false,
        "first_id": end(data.first()),
        "last_id": end(data.last()),
        "data": data,
    }))
}

/// One model.
pub(super) async fn one(State(backend): Shared, Path(id): Path<String>) -> Result<Json<Value>, OpenAiError> {
    let known = backend.options.model_names().any(|name| name == id);
    if known { Ok(Json(entry(&id))) } else { Err(ApiError::model_not_found(&id).into()) }
}

impl BackendOptions {
    /// Every model there is.
    pub fn model_names(&self) -> impl Iterator<Item = &str> {
        self.chat_models.iter().chain(&self.embedding_models).map(String::as_str)
    }
}

fn entry(name: &str) -> Value {
    json!({
        "id": name,
        "object": "model",
        "created": 1_735_689_600,
        "owned_by": "tollgate",
        "type": "model",
        "display_name": name,
        "created_at": "2025-01-01T00:00:00Z",
    })
}
