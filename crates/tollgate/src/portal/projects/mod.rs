//! Projects: what keys, members and a model policy belong to.

mod create;
mod list;
mod one;
mod standing;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::view::ProjectView;
use super::Portal;

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(one::show, one::update, one::delete))
        .routes(routes!(standing::suspend))
        .routes(routes!(standing::resume))
}
