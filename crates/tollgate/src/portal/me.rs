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
    /// What a browser's session has to send as `X-CSRF-Token` with every write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csrf_token: Option<String>,
}

/// Who am I?
#[utoipa::path(
    get, path = "/me", tag = "me",
    responses((status = 200, body = MeView), (status = 401, body = ProblemDocument, content_type = "application/problem+json")),
)]
pub async fn show(person: Person) -> Answer<Json<MeView>> {
    let Person { id, name, issuer, email, groups, platform_admin, session, .. } = person;
    let email = email.map(|(address, _)| address);
    let csrf_token = session.map(|session| session.csrf_token);
    Ok(Json(MeView { id, name, email, issuer, groups, platform_admin, csrf_token }))
}
