//! OpenID Connect Discovery 1.0 and the key set.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::{DevIssuer, RequestError};

/// `GET /realms/{realm}/.well-known/openid-configuration`
pub(super) async fn configuration(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
) -> Result<Json<Value>, RequestError> {
    issuer.check_realm(&realm)?;
    Ok(Json(json!({
        "issuer": issuer.options.issuer_url,
        "authorization_endpoint": issuer.endpoint("auth"),
        "token_endpoint": issuer.endpoint("token"),
        "userinfo_endpoint": issuer.endpoint("userinfo"),
        "end_session_endpoint": issuer.endpoint("logout"),
        "jwks_uri": issuer.endpoint("certs"),
        "device_authorization_endpoint": issuer.endpoint("auth/device"),
        "revocation_endpoint": issuer.endpoint("revoke"),
        "grant_types_supported": [
            "authorization_code", "password", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "scopes_supported": ["openid", "profile", "email"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "azp", "preferred_username", "email", "name", "groups",
        ],
        "authorization_response_iss_parameter_supported": true,
    })))
}

/// `GET /realms/{realm}/protocol/openid-connect/certs`
pub(super) async fn certs(
    State(issuer): State<Arc<DevIssuer>>,
    Path(realm): Path<String>,
) -> Result<Json<Value>, RequestError> {
    issuer.check_realm(&realm)?;
    Ok(Json(issuer.jwks()))
}
