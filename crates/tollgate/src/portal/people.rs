//! Everybody that Tollgate has met, for administrators of the deployment.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Portal;
use super::forms::{Ids, Moment};
use super::page::{Page, PageQuery, PageRequest};
use super::problem::{Answer, Problem};
use super::rights::{Fresh, PlatformAdmin};
use super::version::Versioned;
use super::words;
use crate::store::{Person, Slice, StandingChange, State as Standing, SuspensionCause};

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(suspend))
        .routes(routes!(resume))
}

/// A person.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PersonView {
    /// `per_…`
    pub id: String,
    /// The configured name of their issuer.
    pub issuer: String,
    /// Their subject there.
    pub subject: String,
    /// Their name there.
    pub name: String,
    /// Their address, if the issuer tells it.
    pub email: Option<String>,
    /// Whether they and their keys may act.
    #[schema(schema_with = words::state)]
    pub state: Standing,
    /// Why they are suspended, when the issuer's directory said so. It is left out when an administrator did it, and when
    /// they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = words::suspension_cause, required = false)]
    pub suspended_because: Option<SuspensionCause>,
    /// Counts their changes; the ETag.
    pub version: i64,
    /// First contact.
    pub created_at: Moment,
    /// When they were last changed.
    pub updated_at: Moment,
    /// Last contact, to the minute.
    pub last_seen_at: Moment,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        Self {
            id: person.id,
            issuer: person.issuer,
            subject: person.subject,
            name: person.username,
            email: person.email,
            state: person.state,
            suspended_because: person.suspended_because,
            version: person.version,
            created_at: Moment(person.created_at),
            updated_at: Moment(person.updated_at),
            last_seen_at: Moment(person.last_seen_at),
        }
    }
}

/// Everybody
#[utoipa::path(
    get, path = "/people", tag = "people", params(PageQuery),
    responses((status = 200, body = Page<PersonView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    _: PlatformAdmin,
    page: PageRequest,
) -> Answer<Json<Page<PersonView>>> {
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let people = portal.store()?.every_person(slice).await?;
    Ok(Json(page.page(people, |person| person.id.clone()).map(PersonView::from)))
}

/// One person
#[utoipa::path(
    get, path = "/people/{person_id}", tag = "people", params(("person_id" = String, Path)),
    responses((status = 200, body = PersonView, headers(("ETag" = String)))),
)]
pub async fn show(
    State(portal): State<Portal>,
    _: PlatformAdmin,
    Ids(id): Ids<String>,
) -> Answer<Versioned<PersonView>> {
    let person = portal.store()?.find_person(&id).await?.ok_or_else(Problem::not_found)?;
    Ok(Versioned(person.version, person.into()))
}

/// Suspend a person
///
/// They, their tokens and their keys are refused within a second, until they are resumed.
#[utoipa::path(
    post, path = "/people/{person_id}/suspend", tag = "people", params(("person_id" = String, Path)),
    responses((status = 200, body = PersonView, headers(("ETag" = String)))),
)]
pub async fn suspend(
    State(portal): State<Portal>,
    PlatformAdmin(admin): PlatformAdmin,
    Ids(id): Ids<String>,
) -> Answer<Versioned<PersonView>> {
    let author = admin.author(portal.now());
    set(&portal, &id, StandingChange::Suspend(&author)).await
}

/// Let a suspended person act again
#[utoipa::path(
    post, path = "/people/{person_id}/resume", tag = "people", params(("person_id" = String, Path)),
    responses((status = 200, body = PersonView, headers(("ETag" = String)))),
)]
pub async fn resume(
    State(portal): State<Portal>,
    admin: Fresh<PlatformAdmin>,
    Ids(id): Ids<String>,
) -> Answer<Versioned<PersonView>> {
    let author = admin.proven(portal.now())?;
    set(&portal, &id, StandingChange::Resume(&author)).await
}

async fn set(portal: &Portal, id: &str, standing: StandingChange<'_>) -> Answer<Versioned<PersonView>> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let person = tx.set_person_suspended(standing, id).await?;
    tx.commit(now).await?;
    Ok(Versioned(person.version, person.into()))
}
