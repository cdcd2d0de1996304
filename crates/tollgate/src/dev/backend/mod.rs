//! The sample backend: an OpenAI- and Anthropic-compatible server whose answers are made of the request, so that a
//! demonstration and a test need no model, no account and no network, and always see the same text and token counts.

mod alone;
mod answer;
mod chat;
mod echo;
mod embeddings;
mod error;
mod home;
mod identity;
mod messages;
mod models;
mod prompt;
mod request;
mod responses;
mod sse;
mod tokens;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::middleware;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Router, extract::Request};
use tollgate_core::time::Timestamp;

pub use self::alone::serve_alone;
use self::error::{ApiError, Dialect};
use crate::clock::Clock;

/// Settings of the sample backend.
#[derive(Clone)]
pub struct BackendOptions {
    /// Models that answer chats.
    pub chat_models: Vec<String>,
    /// Models that make vectors.
    pub embedding_models: Vec<String>,
    /// Largest request body, in bytes; more is answered with 413.
    pub max_body_bytes: usize,
    /// Pause before every piece of a streamed answer.
    pub chunk_delay: Duration,
    /// Tells the time for `created` and the access log.
    pub clock: Arc<dyn Clock>,
}

impl BackendOptions {
    /// Three models, bodies to 4 MiB, 15 ms between pieces.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            chat_models: vec!["tollgate-demo".to_owned(), "tollgate-demo-mini".to_owned()],
            embedding_models: vec!["tollgate-embed".to_owned()],
            max_body_bytes: 4 * 1024 * 1024,
            chunk_delay: Duration::from_millis(15),
            clock,
        }
    }
}

impl fmt::Debug for BackendOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendOptions")
            .field("chat_models", &self.chat_models)
            .field("embedding_models", &self.embedding_models)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("chunk_delay", &self.chunk_delay)
            .finish_non_exhaustive()
    }
}

/// What every handler shares.
struct Backend {
    options: BackendOptions,
    served: AtomicU64,
}

impl Backend {
    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// An id like the ones clients know, `chatcmpl-000000000001`. Counted, not drawn: runs repeat.
    fn next_id(&self, prefix: &str) -> String {
        format!("{prefix}{:012}", self.served.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The model's name when it is one that answers chats.
    fn chat_model(&self, name: &str) -> Result<String, ApiError> {
        self.options
            .chat_models
            .iter()
            .find(|model| *model == name)
            .cloned()
            .ok_or_else(|| ApiError::model_not_found(name))
    }
}

/// Everything the sample backend serves.
pub fn router(options: BackendOptions) -> Router {
    let state = Arc::new(Backend { options, served: AtomicU64::new(0) });
    Router::new()
        .route("/", get(home::page))
        .route("/health", get(home::health))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::one))
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/responses", post(responses::create))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/messages", post(messages::create))
        .route("/echo", any(echo::show))
        .route("/echo/{*rest}", any(echo::show))
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_found)
        .layer(middleware::from_fn(echo::on_request))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), home::access_log))
        .with_state(state)
}

async fn wrong_method(request: Request) -> Response {
    ApiError::wrong_method(request.method()).respond(Dialect::of(request.uri().path()))
}

async fn not_found(request: Request) -> Response {
    ApiError::unknown_path(request.uri().path()).respond(Dialect::of(request.uri().path()))
}

/// State as handlers take it.
type Shared = State<Arc<Backend>>;
