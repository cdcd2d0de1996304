//! `/api/v1/me/sessions`: where am I logged in, and ending what I do not know.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use tollgate_core::ids::IdKind;
use utoipa::ToSchema;

use crate::portal::Portal;
use crate::portal::page::Page;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem, ProblemDocument};
use crate::store::{Session, rfc3339};

/// A browser's session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// `ses_…`
    pub id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When the person last proved who they are.
    #[schema(format = DateTime)]
    pub authenticated_at: String,
    /// When it began.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was last used, to half a minute.
    #[schema(format = DateTime)]
    pub last_seen_at: String,
    /// When it ends whatever happens.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// From which address it began.
    pub address: Option<String>,
    /// With which browser it began.
    pub user_agent: Option<String>,
}

/// Where am I logged in?
#[utoipa::path(
    get, path = "/me/sessions", tag = "me",
    responses(
        (status = 200, body = Page<SessionView>, description = "All of them, the last used first; `next` is always null."),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub async fn show(State(portal): State<Portal>, person: Person) -> Answer<Json<Page<SessionView>>> {
    // Without browser login there are no sessions, and that is no error.
    let sessions = match portal.configured_login() {
        Some(login) => portal.store()?.sessions_of(&person.id, login.alive(portal.now())).await?,
        None => Vec::new(),
    };
    let current = person.session.as_ref().map(|session| session.id.as_str());
    let items = sessions.into_iter().map(|session| view(session, current)).collect();
    Ok(Json(Page { items, next: None }))
}

/// Ends one of my sessions.
#[utoipa::path(
    delete, path = "/me/sessions/{session_id}", tag = "me",
    params(("session_id" = String, Path, description = "`ses_…`")),
    responses(
        (status = 204, description = "It is ended."),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub async fn end(State(portal): State<Portal>, person: Person, Path(id): Path<String>) -> Answer<StatusCode> {
    if !IdKind::Session.fits(&id) {
        return Err(Problem::not_found());
    }
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    if !tx.end_session(&person.id, &id).await? {
        return Err(Problem::not_found());
    }
    tx.audit(person.author(now).entry("session.end", "session", &id));
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(session: Session, current: Option<&str>) -> SessionView {
    SessionView {
        current: current == Some(session.id.as_str()),
        id: session.id,
        authenticated_at: rfc3339(session.authenticated_at),
        created_at: rfc3339(session.created_at),
        last_seen_at: rfc3339(session.last_seen_at),
        expires_at: rfc3339(session.expires_at),
        address: session.address,
        user_agent: session.user_agent,
    }
}
