//! API keys of a project: made, listed, changed, rotated and ended by the people they belong to. One file per endpoint.

pub mod bulk;
pub mod create;
pub mod list;
pub mod lookup;
pub mod revoke;
pub mod rotate;
pub mod show;
pub mod switch;
pub mod update;
mod view;
pub mod wish;

use tollgate_core::key_life::KeyLifetimes;
use tollgate_core::tenancy::ProjectRole;
use tollgate_core::time::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Portal;
use super::person::Person;
use super::problem::{Answer, Code, Problem};
use crate::store::api_keys::{ApiKey, KeyOwner};
use crate::store::{AuditEntry, Author, Tx};

pub use view::{KeyView, OwnerView, StateView, state};

/// What holds for every key of the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    /// Keys that one project may have.
    pub max_per_project: u32,
    /// How long they live.
    pub lifetimes: KeyLifetimes,
}

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

/// A key that its caller may change, held until the end of the unit of work: their own as a developer, any as a manager.
async fn hold(tx: &mut Tx, author: &Author, (project, id): (&str, &str)) -> Answer<ApiKey> {
    let (_, role) = tx.hold_project(author, project, ProjectRole::Developer).await?;
    let key = tx.hold_key(project, id).await?.ok_or_else(Problem::not_found)?;
    if role >= ProjectRole::Manager || key.owner == KeyOwner::Person(author.id.clone()) {
        return Ok(key);
    }
    let detail = "This key is somebody else's. Ask its owner, or a manager of the project.";
    Err(Problem::new(Code::Forbidden, detail))
}

/// The audit entry of a change to a key.
pub fn entry(author: &Author, action: &'static str, before: Option<&ApiKey>, after: &ApiKey) -> AuditEntry {
    let mut entry = author
        .entry(action, "key", after.id.as_str())
        .in_project(&after.organization_id, &after.project_id)
        .after(&view::audited(after));
    if let Some(before) = before {
        entry = entry.before(&view::audited(before));
    }
    entry
}

/// A revoked key stays as it is.
pub fn must_not_be_revoked(key: &ApiKey) -> Answer<()> {
    if key.revoked.is_none() {
        return Ok(());
    }
    let detail = "This key was revoked, and that is for good. Make a new one.";
    Err(Problem::new(Code::Conflict, detail))
}

/// A secret that was found in public does not work again: the key needs another one first.
pub fn must_not_be_leaked(key: &ApiKey) -> Answer<()> {
    if key.leaked.is_none() {
        return Ok(());
    }
    let detail =
        "This key's secret was found in public. Rotate the key first (overlap \"now\"), then switch it on.";
    Err(Problem::new(Code::Conflict, detail))
}

/// A key whose time was over takes its place among the project's keys again when it gets a later end.
///
/// # Errors
/// There is no place.
pub async fn must_have_room(portal: &Portal, tx: &mut Tx, before: &ApiKey, now: Timestamp) -> Answer<()> {
    let over = before.expires_at.is_some_and(|end| end <= now);
    let max = portal.options().keys.max_per_project;
    if over && tx.count_keys(&before.project_id, now).await? >= i64::from(max) {
        let detail = format!("The project has {max} keys already, which is as many as it may have.");
        return Err(Problem::new(Code::Conflict, detail));
    }
    Ok(())
}

impl Person {
    /// Whether this key is their own.
    fn owns(&self, key: &ApiKey) -> bool {
        key.owner.person() == Some(self.id.as_str())
    }
}
