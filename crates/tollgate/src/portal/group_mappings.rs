//! Group mappings of an organization: members of a group at the issuer become members here, as long as they are.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tollgate_core::ids::IdKind;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::forms::{Ids, Moment, given};
use super::once::Create;
use super::page::{Page, PageQuery, PageRequest};
use super::problem::{Answer, Problem};
use super::rights::{Admin, Fresh, InOrganization};
use super::words::{self, Line};
use super::{Portal, issuers};
use crate::entropy::bytes;
use crate::store::{GroupMapping, NewGroupMapping, Slice};

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(delete))
}

/// A group mapping.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GroupMappingView {
    /// `gmp_…`
    pub id: String,
    /// The organization.
    pub organization_id: String,
    /// The project whose members the group's become; null: the organization's.
    pub project_id: Option<String>,
    /// The configured name of the issuer whose groups are meant.
    pub issuer: String,
    /// The group, as tokens name it.
    pub group: String,
    /// The role that its members are to have.
    #[schema(schema_with = words::any_role)]
    pub role: String,
    /// What it gives at present: `developer` or `member` at most, unless its maker is a platform administrator.
    #[schema(schema_with = words::any_role)]
    pub gives: String,
    /// The person who made it or vouches for it; null: made before that was noted.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Moment,
}

impl From<GroupMapping> for GroupMappingView {
    fn from(mapping: GroupMapping) -> Self {
        let GroupMapping {
            id,
            organization_id,
            project_id,
            issuer,
            group,
            role,
            gives,
            created_by,
            created_at,
        } = mapping;
        let created_at = Moment(created_at);
        Self { id, organization_id, project_id, issuer, group, role, gives, created_by, created_at }
    }
}

/// A mapping that somebody wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGroupMapping {
    /// The configured name of the issuer whose groups are meant. It may be left out when there is one issuer.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Line)]
    issuer: Option<Line>,
    /// The group, as tokens name it: compared as it is, letter case included.
    group: Line,
    /// viewer, developer, manager or owner with `project_id`; member or admin without. More than developer or member takes a
    /// platform administrator.
    #[schema(schema_with = words::any_role)]
    role: Line,
    /// The project whose members the group's become. Without it: the organization's.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, pattern = "^prj_[0-9a-z]{26}$")]
    project_id: Option<String>,
}

/// The group mappings of an organization
#[utoipa::path(
    get, path = "/organizations/{organization_id}/group-mappings", tag = "group mappings",
    params(("organization_id" = String, Path), PageQuery),
    responses((status = 200, body = Page<GroupMappingView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    InOrganization { access, .. }: InOrganization<Admin>,
    page: PageRequest,
) -> Answer<Json<Page<GroupMappingView>>> {
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let mappings = portal.store()?.group_mappings(&access.organization.id, portal.now(), slice).await?;
    Ok(Json(page.page(mappings, |mapping| mapping.id.clone()).map(GroupMappingView::from)))
}

/// Make a group mapping
///
/// Memberships follow at each person's next login or call. Memberships given by hand are never touched, and the last owner
/// or administrator stays. A personal organization has no mappings. Whoever makes one may give its role as a member: the
/// platform's right alone maps to no role in a project, and to no administrator of an organization. A platform
/// administrator who makes one that is there already, and gives less than its role, vouches for it from now on.
#[utoipa::path(
    post, path = "/organizations/{organization_id}/group-mappings", tag = "group mappings",
    request_body = CreateGroupMapping,
    params(("organization_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = GroupMappingView)),
)]
pub async fn create(
    State(portal): State<Portal>,
    admin: Fresh<InOrganization<Admin>>,
    Create { body, once }: Create<CreateGroupMapping>,
) -> Answer<Response> {
    let issuer = issuers::meant(&portal, body.issuer.as_ref().map(Line::as_str))?;
    if body.project_id.as_deref().is_some_and(|id| !IdKind::Project.fits(id)) {
        return Err(Problem::invalid("/project_id", "must be the id of a project (prj_…)"));
    }
    let (person, access) = (&admin.person, &admin.access);
    let now = portal.now();
    let id = IdKind::GroupMapping.make(now, bytes(portal.entropy())?);
    let mut tx = portal.store()?.begin().await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let new = NewGroupMapping {
        id: &id,
        organization_id: &access.organization.id,
        project_id: body.project_id.as_deref(),
        issuer: &issuer,
        group: body.group.as_str(),
        role: body.role.as_str(),
    };
    let view: GroupMappingView = tx.create_group_mapping(&admin.proven(now)?, new).await?.into();
    once.keep(&mut tx, &person.id, (StatusCode::CREATED, &view), now).await?;
    tx.commit(now).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Delete a group mapping
///
/// When none is left for the same project or organization, its memberships by group end now; else each at its person's
/// next login or call. Keys of whoever leaves so are switched off, not revoked.
#[utoipa::path(
    delete, path = "/organizations/{organization_id}/group-mappings/{mapping_id}", tag = "group mappings",
    params(("organization_id" = String, Path), ("mapping_id" = String, Path)),
    responses((status = 204)),
)]
pub async fn delete(
    State(portal): State<Portal>,
    InOrganization { person, access, .. }: InOrganization<Admin>,
    Ids((_parent, id)): Ids<(String, String)>,
) -> Answer<StatusCode> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    tx.delete_group_mapping(&person.author(now), &access.organization.id, &id).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}
