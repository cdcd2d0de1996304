//! API keys of a project: made, listed, changed, rotated and ended by the people they belong to. One file per endpoint.

pub mod bulk;
pub mod create;
mod decided;
pub mod list;
pub mod lookup;
mod refused;
pub mod revoke;
pub mod rotate;
pub mod show;
pub mod switch;
pub mod update;
mod view;
pub mod wish;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Portal;
use super::person::Person;
use crate::store::api_keys::ApiKey;

pub use decided::DisabledBecause;
pub use refused::problem;
pub use view::{KeyView, OwnerView, StateView, state};

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(show::show, update::update))
        .routes(routes!(rotate::rotate))
        .routes(routes!(revoke::revoke))
        .routes(routes!(switch::disable))
        .routes(routes!(switch::enable))
        .routes(routes!(bulk::revoke))
        .routes(routes!(lookup::lookup))
}

impl Person {
    /// Whether this key is their own.
    fn owns(&self, key: &ApiKey) -> bool {
        key.owner.person() == Some(self.id.as_str())
    }
}
