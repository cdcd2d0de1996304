//! Invitations: how anybody but a platform administrator makes somebody a member. They are for a person, an address, or
//! whoever holds a token that is shown once; nothing of the guest is shown before they have accepted.

mod accept;
mod create;
mod open;
mod received;
mod view;

use aws_lc_rs::digest::{SHA256, digest};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::person::Person;
use super::{Portal, issuers};
use crate::store::Guest;

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(open::list, create::create))
        .routes(routes!(open::withdraw))
        .routes(routes!(open::list_to_organization, create::create_to_organization))
        .routes(routes!(open::withdraw_to_organization))
        .routes(routes!(accept::accept))
        .routes(routes!(received::list))
        .routes(routes!(received::accept))
        .routes(routes!(received::decline))
}

/// What is kept of a link's token: 256 random bits need no salt.
fn token_digest(token: &str) -> String {
    digest(&SHA256, token.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The person as the guest of an invitation.
fn guest<'a>(portal: &Portal, person: &'a Person) -> Guest<'a> {
    let verified = person.email.as_ref().filter(|(_, verified)| *verified);
    Guest {
        issuer: &person.issuer,
        only_issuer: issuers::of_people(portal).len() == 1,
        verified_email: verified.map(|(address, _)| address.as_str()),
    }
}
