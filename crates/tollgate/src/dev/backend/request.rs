//! Reading a request: a body of bounded size, as JSON, with the reason when it is not what the endpoint takes.

use axum::body::{self, Body, Bytes};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use std::error::Error;

use super::Backend;
use super::error::ApiError;

impl Backend {
    /// The body, as far as the limit allows.
    pub(super) async fn read_body(&self, body: Body) -> Result<Bytes, ApiError> {
        let limit = self.options.max_body_bytes;
        body::to_bytes(body, limit).await.map_err(|error| {
            if error.source().is_some_and(|source| source.is::<LengthLimitError>()) {
                ApiError::too_large(limit)
            } else {
                ApiError::invalid(None, "The request body ended before it was complete.")
            }
        })
    }

    /// The body as JSON of the wanted shape.
    pub(super) async fn read_json<T: DeserializeOwned>(&self, body: Body) -> Result<T, ApiError> {
        let bytes = self.read_body(body).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = if error.is_data() {
                format!("The request body does not have the expected shape: {error}.")
            } else {
                format!("We could not parse the JSON body of your request: {error}.")
            };
            ApiError::invalid(None, message)
        })
    }
}
