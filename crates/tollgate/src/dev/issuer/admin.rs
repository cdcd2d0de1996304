//! The one call of Keycloak's admin API that the guide makes, and key rotation.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::users::{AddUserError, NewUser};
use super::{DevIssuer, RequestError};

/// Keycloak's user representation, as far as it means something here. Other members are ignored, as Keycloak does not
/// need them either.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserRepresentation {
    username: String,
    #[serde(default)]
    enabled: bool,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    realm_roles: Vec<String>,
    #[serde(default)]
    credentials: Vec<CredentialRepresentation>,
}

#[derive(Deserialize)]
struct CredentialRepresentation {
    #[serde(rename = "type")]
    kind: String,
    value: SecretString,
}

/// `POST /admin/realms/{realm}/users`: creates a user in memory, for bearers of the role `admin`.
pub(super) async fn create_user(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RequestError> {
    issuer.check_realm(&realm)?;
    let claims = issuer.bearer_claims(&headers)?;
    let is_admin = |roles: &Vec<Value>| roles.iter().any(|role| role == "admin");
    if !claims["realm_access"]["roles"].as_array().is_some_and(is_admin) {
        return Err(RequestError::forbidden("the role admin is needed"));
    }
    let new: UserRepresentation = serde_json::from_slice(&body)
        .map_err(|_| RequestError::invalid_request("the body is not a user representation"))?;
    let name = [new.first_name, new.last_name].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let added = issuer.users.add(NewUser {
        username: new.username,
        password: new.credentials.into_iter().find(|it| it.kind == "password").map(|it| it.value),
        email: new.email.filter(|email| !email.is_empty()),
        name: Some(name).filter(|name| !name.is_empty()),
        groups: new.groups,
        roles: new.realm_roles,
        enabled: new.enabled,
    });
    let refusal = |status: StatusCode, message: &str| {
        (status, Json(json!({ "errorMessage": message }))).into_response()
    };
    Ok(match added {
        Ok(user) => {
            let location = format!("{}/admin/realms/{realm}/users/{}", issuer.origin, user.id);
            let location = HeaderValue::from_str(&location).unwrap_or(HeaderValue::from_static("/"));
            (StatusCode::CREATED, [(header::LOCATION, location)]).into_response()
        }
        Err(AddUserError::NameTaken) => refusal(StatusCode::CONFLICT, "User exists with same username"),
        Err(AddUserError::NameEmpty) => refusal(StatusCode::BAD_REQUEST, "User name is missing"),
        Err(AddUserError::Full) => {
            refusal(StatusCode::INSUFFICIENT_STORAGE, "The issuer holds no more users")
        }
    })
}

/// Query of the rotation endpoint.
#[derive(Deserialize)]
pub(super) struct Rotation {
    /// Seconds that the replaced key stays published; the option `key_overlap_secs` when left out.
    overlap_secs: Option<u32>,
}

/// `POST /dev/rotate-keys[?overlap_secs=N]`: from this machine only, and not from a web page open on it.
pub(super) async fn rotate_keys(
    State(issuer): State<Arc<DevIssuer>>,
    Query(rotation): Query<Rotation>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Result<Json<Value>, RequestError> {
    let peer =
        extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip().to_canonical());
    if !peer.is_some_and(|address| address.is_loopback()) {
        return Err(RequestError::forbidden("keys are rotated from this machine only"));
    }
    // Browsers send one of these with every cross-site POST; the command line sends neither.
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Err(RequestError::forbidden("keys are not rotated from a browser"));
    }
    let overlap = rotation.overlap_secs.unwrap_or(issuer.options.key_overlap_secs);
    let worker = Arc::clone(&issuer);
    let kid = tokio::task::spawn_blocking(move || worker.rotate_with_overlap(i64::from(overlap)))
        .await
        .map_err(|_| RequestError::forbidden("the issuer is stopping"))??;
    tracing::info!(%kid, overlap_secs = overlap, "development issuer: a new key signs");
    Ok(Json(json!({ "kid": kid, "overlap_secs": overlap })))
}
