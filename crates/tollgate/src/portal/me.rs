//! `GET /api/v1/me`: who am I?

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Portal;
use super::me_key::{Asker, KeyMeView};
use super::page::{DEFAULT_LIMIT, Page, PageRequest};
use super::person::Person;
use super::problem::{Answer, ProblemDocument};
use super::projects::ProjectView;
use crate::store::Slice;

/// The person who asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeView {
    /// `per_…`
    pub id: String,
    /// The name a person recognises.
    pub name: String,
    /// The e-mail address that the issuer told.
    pub email: Option<String>,
    /// The configured name of the issuer.
    pub issuer: String,
    /// Groups and roles, as the issuer told.
    pub groups: Vec<String>,
    /// Whether you administer the whole deployment.
    pub platform_admin: bool,
    /// Your projects and your role in each: the first page of `GET /projects`.
    pub projects: Page<ProjectView>,
    /// What a browser's session has to send as `X-CSRF-Token` with every write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csrf_token: Option<String>,
}

/// The person or the key that asks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum MeAnswer {
    /// A person.
    Person(Box<MeView>),
    /// An API key.
    Key(Box<KeyMeView>),
}

/// Who am I?
///
/// Works with an API key too, in any header that the gateway takes it in, and then tells the key's own limits.
#[utoipa::path(
    get, path = "/me", tag = "me",
    responses((status = 200, body = MeAnswer), (status = 401, body = ProblemDocument, content_type = "application/problem+json")),
)]
pub async fn show(State(portal): State<Portal>, asker: Asker) -> Answer<Json<MeAnswer>> {
    let person = match asker {
        Asker::Person(person) => person,
        Asker::Key(key) => return Ok(Json(MeAnswer::Key(Box::new(KeyMeView::new(&key, portal.now()))))),
    };
    let page = PageRequest { limit: DEFAULT_LIMIT, after: None };
    let slice = Slice { after: "", limit: page.fetch() };
    let found = portal.store()?.projects_of(person.who(), "", slice).await?;
    let projects = page.page(found, |access| access.project.id.clone()).map(ProjectView::from);
    let Person { id, name, issuer, email, groups, platform_admin, session, .. } = *person;
    let email = email.map(|(address, _)| address);
    let csrf_token = session.map(|session| session.csrf_token);
    let me = MeView { id, name, email, issuer, groups, platform_admin, projects, csrf_token };
    Ok(Json(MeAnswer::Person(Box::new(me))))
}
