//! The list of everything that is served, on one screen; the OpenAPI document is made of the same list.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{self, Unopened};
use super::problem::{Code, Problem};
use super::{
    Portal, audit, docs, group_mappings, introspection, invitations, keys, legacy_keys, me, members,
    organizations, people, projects, secret_scanning, service_accounts, session, sign_in, token_rules,
    writes,
};
use crate::listener::Room;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tollgate",
        description = "Self-service for people who call models through the gateway: projects, members, keys, audit.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    security(("bearer" = [])),
)]
struct Document;

fn api() -> OpenApiRouter<Portal> {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let v1 = OpenApiRouter::new()
        .routes(routes!(me::show))
        .routes(routes!(sign_in::show))
        .merge(session::routes())
        .merge(organizations::routes())
        .merge(group_mappings::routes())
        .merge(projects::routes())
        .merge(members::routes())
        .merge(invitations::routes())
        .merge(service_accounts::routes())
        .merge(keys::routes())
        .merge(legacy_keys::routes())
        .merge(secret_scanning::routes())
        .merge(audit::routes())
        .merge(people::routes())
        .merge(token_rules::routes());
    OpenApiRouter::with_openapi(document).nest("/api/v1", v1)
}

/// The OpenAPI 3.1 document of the API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    finished(api().into_openapi())
}

/// Says once for every operation that whatever is not listed is a problem.
fn finished(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let schema = Ref::from_schema_name("ProblemDocument");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let problem = ResponseBuilder::new()
        .description("Anything else: a problem (RFC 9457), whose `code` says which and whose `detail` says what to do next.")
        .content("application/problem+json", content)
        .build();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.entry("default".into()).or_insert_with(|| problem.clone().into());
        }
    }
    document
}

/// A method, a path, and what answers there.
pub type Served = (&'static str, &'static str, MethodRouter<Portal>);

/// What is served and stands in no OpenAPI document.
pub fn beside_the_api() -> Vec<Served> {
    let document = finished(api().into_openapi());
    let mut all = vec![
        ("GET", "/api/v1/openapi.json", get(docs::document(&document))),
        ("GET", "/docs", get(docs::page)),
        ("GET", "/docs/problems", get(docs::problems)),
    ];
    all.extend(session::beside_the_api());
    all.extend(introspection::beside_the_api());
    all
}

/// Everything that the portal serves.
pub fn router(portal: Portal) -> Router {
    let (api, _) = api().split_for_parts();
    let api = api.layer(axum::middleware::from_fn_with_state(portal.clone(), writes::settle));
    beside_the_api()
        .into_iter()
        .fold(api, |router, (_, path, served)| router.route(path, served))
        .fallback(async || Problem::new(Code::NotFound, "Nothing is served here. /docs lists what is."))
        .method_not_allowed_fallback(async || {
            Problem::new(Code::MethodNotAllowed, "This method is not allowed here. /docs lists what is.")
        })
        .layer(axum::middleware::from_fn(hold))
        .layer(axum::middleware::map_response(async |mut response: Response| {
            secure(&mut response);
            response
        }))
        .with_state(portal)
}

/// Puts the body where handlers ask for it, and keeps it until the request is over.
pub(super) async fn hold(mut request: Request, next: Next) -> Response {
    if Room::of(request.extensions()).is_full() {
        return body::overloaded().into_response();
    }
    let _unopened = Unopened::of(&mut request);
    next.run(request).await
}

/// What every answer says to a browser. Answers are about somebody, so none is kept by a cache.
fn secure(response: &mut Response) {
    const ALWAYS: [(&str, &str); 6] = [
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
    ];
    for (name, value) in ALWAYS {
        let name = HeaderName::from_static(name);
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
}
