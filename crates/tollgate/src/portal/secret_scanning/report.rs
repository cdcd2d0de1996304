//! What a report does, once: the secret stops working, the key's people see where it was found, and the audit log and the
//! process's log say so.

use tollgate_core::apikey::PlainKey;
use tollgate_core::caller::KeyState;
use tollgate_core::time::Timestamp;

use super::alert::{Alert, Label};
use crate::portal::Portal;
use crate::portal::origin::Origin;
use crate::portal::problem::Answer;
use crate::store::api_keys::{ApiKey, Leak, LeakReport, SecretMatch};
use crate::store::{ActorKind, Author};
use crate::telemetry::LeakOutcome;

/// Takes one alert of a report that `reporter`'s key has signed.
///
/// # Errors
/// The database gave no answer: the same report may come again.
pub async fn take(portal: &Portal, origin: &Origin, reporter: &str, alert: &Alert) -> Answer<Label> {
    let outcome = match alert.key() {
        Some(key) => act(portal, origin, reporter, (alert, key)).await?,
        None => LeakOutcome::Unknown,
    };
    portal.metrics().keys().leak_reported(outcome);
    Ok(if outcome == LeakOutcome::Unknown { Label::FalsePositive } else { Label::TruePositive })
}

async fn act(
    portal: &Portal,
    origin: &Origin,
    reporter: &str,
    (alert, plain): (&Alert, PlainKey<'_>),
) -> Answer<LeakOutcome> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    if tx.is_leaked(plain.digest()).await? {
        return Ok(LeakOutcome::Repeated);
    }
    let Some((found, _)) = tx.find_key_by_secret(&plain).await? else { return Ok(LeakOutcome::Unknown) };
    // From here on nobody else changes the key; what it is now is what counts.
    tx.hold_key(&found.project_id, found.id.as_str()).await?;
    let Some((before, which)) = tx.find_key_by_secret(&plain).await? else {
        return Ok(LeakOutcome::Unknown);
    };
    let leak = Leak { at: now, url: alert.place(&plain), source: alert.source() };
    if !tx.note_leak((&before, plain.digest()), &leak, reporter).await? {
        return Ok(LeakOutcome::Repeated);
    }
    let worked = works(&before, which, now);
    let author = Author {
        kind: ActorKind::System,
        id: "secret_scanner".into(),
        name: format!("secret scanner, key {reporter}"),
        platform_admin: false,
        origin: origin.stored(now),
    };
    let report = LeakReport { leak: &leak, kind: &alert.kind(), which };
    let after = tx.end_leaked_secret(&author, &before, report).await?;
    tx.commit(now).await?;
    tracing::warn!(
        key = after.id.as_str(),
        project = after.project_id,
        owner = after.owner.id(),
        secret = which.as_str(),
        worked,
        url = ?leak.url,
        source = ?leak.source,
        "a key's secret was found in public and works no more"
    );
    Ok(if worked { LeakOutcome::Ended } else { LeakOutcome::Harmless })
}

/// Whether this secret of the key would have let somebody in, as far as it is the key's own affair.
fn works(key: &ApiKey, which: SecretMatch, now: Timestamp) -> bool {
    let in_time = key.expires_at.is_none_or(|end| end > now);
    let overlaps = key.previous.is_some_and(|previous| previous.until > now);
    key.state == KeyState::Live && in_time && (which == SecretMatch::Current || overlaps)
}
