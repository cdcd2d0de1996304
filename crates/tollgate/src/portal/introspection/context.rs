//! `POST /idp/v1/resolve-context`: what stands behind a subject in a project, or behind a key: account, project,
//! organization, role and models. An unknown subject, an unknown project and somebody else's are one answer.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_core::caller::{Caller, KeyRecord};

use super::introspect::models;
use super::models::Allowed;
use super::{Refusal, caller, client};
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::origin::Origin;
use crate::portal::problem::Problem;
use crate::store::{Person, State as Standing, Who};

/// Of whom, or of what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The subject at the issuer.
    subject: Option<String>,
    /// The configured name of the issuer, or its `iss`. May be left out with one issuer alone.
    issuer: Option<String>,
    /// The project.
    project_id: Option<String>,
    /// Instead of all these: an API key, whole.
    api_key: Option<String>,
}

/// `POST /idp/v1/resolve-context`
pub async fn submit(
    State(portal): State<Portal>,
    origin: Origin,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let answered = async {
        // Who asks comes first: a body of somebody unknown is not read.
        client::authenticate(&portal, &origin, &headers, (None, None))?;
        let Body(question) = Body::<Question>::from_request(request, &portal).await?;
        resolve(&portal, &question).await
    };
    match answered.await {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn resolve(portal: &Portal, question: &Question) -> Result<Value, Refusal> {
    match question {
        Question { api_key: Some(key), subject: None, issuer: None, project_id: None } => {
            match caller(portal, key).await? {
                Some(Caller::Key(key)) => Ok(of_key(&key)),
                _ => Err(Problem::not_found().into()),
            }
        }
        Question { api_key: None, subject: Some(subject), issuer, project_id: Some(project) } => {
            of_subject(portal, subject, issuer.as_deref(), project).await
        }
        _ => Err(Refusal::Request(
            "give 'subject' and 'project_id' (and 'issuer' when there are several), or 'api_key'",
        )),
    }
}

async fn of_subject(
    portal: &Portal,
    subject: &str,
    issuer: Option<&str>,
    project: &str,
) -> Result<Value, Refusal> {
    let missing = || Refusal::from(Problem::not_found());
    let issuer = issuer_name(portal, issuer).ok_or_else(missing)?;
    let store = portal.store()?;
    let found = store.find_person_by_subject(&issuer, subject).await.map_err(Problem::from)?;
    let person: Person = found.filter(|person| person.state == Standing::Active).ok_or_else(missing)?;
    let who = Who { person: &person.id, platform_admin: false };
    let access = store.project_access(who, project).await.map_err(Problem::from)?.ok_or_else(missing)?;
    let active = access.project.state == Standing::Active && access.organization_state == Standing::Active;
    if !active {
        return Err(missing());
    }
    let mut answer = json!({
        "account_id": person.subject,
        "issuer": person.issuer,
        "username": person.username,
        "project_id": access.project.id,
        "organization_id": access.project.organization_id,
        "role": access.role.as_str(),
    });
    models(&mut answer, &Allowed::one(&access.project.models));
    Ok(answer)
}

/// The configured name; with one issuer it need not be said.
fn issuer_name(portal: &Portal, said: Option<&str>) -> Option<String> {
    let rulebook = portal.rulebook().borrow();
    let issuers = rulebook.policy.issuers();
    match said {
        None => issuers.first().filter(|_| issuers.len() == 1).map(|rules| rules.name.clone()),
        Some(said) => issuers
            .iter()
            .find(|rules| rules.name == said || rules.accepted_issuers.iter().any(|iss| iss == said))
            .map(|rules| rules.name.clone()),
    }
}

/// What stands behind a key.
pub(super) fn of_key(key: &KeyRecord) -> Value {
    let mut answer = json!({
        "account_id": key.owner.subject,
        "issuer": key.owner.issuer,
        "username": key.owner.name,
        "api_key_id": key.id.as_str(),
        "project_id": key.project.id,
        "organization_id": key.project.organization,
    });
    models(&mut answer, &Allowed::both(&key.project.models, &key.limits.models));
    answer
}
