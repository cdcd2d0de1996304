//! `GET /api/v1/sign-in`: where a command-line tool gets a token for this API.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Portal;
use super::problem::{Answer, Code, Problem};

/// Where and as what tools sign in: `tollgate login` asks for this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignInView {
    /// The issuer's URL; its discovery document says the rest.
    #[schema(format = "uri")]
    pub issuer: String,
    /// The public client that tools are there.
    pub client_id: String,
    /// What they ask for.
    pub scopes: Vec<String>,
}

/// Where do tools sign in?
///
/// Needs no credential. 404 when the deployment does not say (`api.cli`).
#[utoipa::path(
    get, path = "/sign-in", tag = "me", security(()),
    responses((status = 200, body = SignInView)),
)]
pub async fn show(State(portal): State<Portal>) -> Answer<Json<SignInView>> {
    portal.options().sign_in.clone().map(Json).ok_or_else(|| {
        let detail = "This deployment does not say where tools sign in (api.cli). Name issuer and client yourself, or send a token.";
        Problem::new(Code::NotFound, detail)
    })
}
