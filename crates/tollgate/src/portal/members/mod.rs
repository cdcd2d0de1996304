//! Members of projects and organizations: who they are, what they may, and their going.

mod leaving;
mod organization;
mod project;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Portal;

pub use view::{MemberView, OrganizationMemberView};

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(organization::list))
        .routes(routes!(organization::put, organization::remove))
        .routes(routes!(project::list))
        .routes(routes!(project::put, project::remove))
}
