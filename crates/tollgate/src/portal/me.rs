//! `GET /api/v1/me`: who am I?

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::person::Person;
use super::problem::{Answer, ProblemDocument};

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
}

/// Who am I?
#[utoipa::path(
    get, path = "/me", tag = "me",
    responses((status = 200, body = MeView), (status = 401, body = ProblemDocument, content_type = "application/problem+json")),
)]
pub async fn show(person: Person) -> Answer<Json<MeView>> {
    let Person { id, name, issuer, email, groups, platform_admin, .. } = person;
    Ok(Json(MeView { id, name, email: email.map(|(address, _)| address), issuer, groups, platform_admin }))
}
