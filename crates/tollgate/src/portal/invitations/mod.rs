//! Invitations: a link, shown once, that makes whoever opens it a member.

mod accept;
mod create;
mod open;
mod view;

use aws_lc_rs::digest::{SHA256, digest};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Portal;

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(open::list, create::create))
        .routes(routes!(open::withdraw))
        .routes(routes!(accept::accept))
}

/// What is kept of a link's token: 256 random bits need no salt.
fn token_digest(token: &str) -> String {
    digest(&SHA256, token.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
