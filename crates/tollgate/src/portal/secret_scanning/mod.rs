//! `POST /secret-scanning/alerts`: keys that somebody found in public are switched off, and their owners see where they
//! were found. The form is that of GitHub's secret scanning partner program, which other scanners can speak too.

mod alert;
mod report;
mod signature;

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Portal;
use super::origin::Origin;
use super::problem::Answer;
use alert::{Alert, Feedback};
use signature::Signed;

pub use signature::{KEY_HEADER, SIGNATURE_HEADER, ScannerKey};

/// The endpoint, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(alerts))
}

/// Report keys that were found in public
///
/// For a secret scanner whose public key is in `api.secret_scanning.keys`; 404 while there is none. The body is signed as it
/// is sent: ECDSA P-256 with SHA-256, ASN.1, in base64. A key of ours is switched off on every replica within a second; a
/// report that comes again gets the same answer and does nothing. Unknown members are ignored.
#[utoipa::path(
    post, path = "/secret-scanning/alerts", tag = "keys", security(()), request_body = Vec<Alert>,
    params(
        ("Github-Public-Key-Identifier" = String, Header, description = "Which of the configured keys signed"),
        ("Github-Public-Key-Signature" = String, Header, description = "The signature of the body's bytes"),
    ),
    responses((status = 200, body = Vec<Feedback>)),
)]
pub async fn alerts(
    State(portal): State<Portal>,
    origin: Origin,
    signed: Signed,
) -> Answer<Json<Vec<Feedback>>> {
    let alerts = alert::read(&signed.body)?;
    let mut answers = Vec::with_capacity(alerts.len());
    for alert in &alerts {
        // Each by itself, so that no project's keys wait for those of another; what is done is done once, however often it
        // is reported.
        let label = report::take(&portal, &origin, &signed.reporter, alert).await?;
        answers.push(alert.feedback(label));
    }
    Ok(Json(answers))
}
