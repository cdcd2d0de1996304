//! Refusals about keys as the API answers them: each reason with its own code, place and sentence.

use crate::portal::problem::{Code, Problem, sentence};
use crate::store::api_keys::KeyRefusal;

/// The answer.
pub fn problem(refusal: KeyRefusal) -> Problem {
    use KeyRefusal as Refused;
    let text = refusal.to_string();
    match refusal {
        Refused::SomebodyElses
        | Refused::OwnerAlone
        | Refused::DisabledAbove { .. }
        | Refused::PastBound { .. }
        | Refused::OwnKeys
        | Refused::ForAnotherPerson => Problem::new(Code::Forbidden, sentence(&text)),
        Refused::ProjectSuspended
        | Refused::OrganizationSuspended
        | Refused::OwnerSuspended
        | Refused::Quota { .. }
        | Refused::Revoked
        | Refused::Expired
        | Refused::Leaked
        | Refused::HandedOver => Problem::new(Code::Conflict, sentence(&text)),
        Refused::NoServiceAccount => Problem::invalid("/service_account_id", text),
        Refused::LeakedOverlap | Refused::HandedOverOverlap => Problem::invalid("/overlap", text),
        Refused::Life { in_days: true, .. } => Problem::invalid("/expires_in_days", text),
        Refused::Life { in_days: false, .. } => Problem::invalid("/expires_at", text),
    }
}
