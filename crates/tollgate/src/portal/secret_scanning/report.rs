//! What a report does, once: the secret stops working, the key's people see where it was found, and the audit log and the
//! process's log say so.

use serde_json::{Value, json};
use tollgate_core::apikey::PlainKey;
use tollgate_core::caller::KeyState;
use tollgate_core::time::Timestamp;

use super::alert::{Alert, Label};
use crate::portal::Portal;
use crate::portal::keys::entry;
use crate::portal::origin::Origin;
use crate::portal::problem::Answer;
use crate::store::api_keys::{ApiKey, Leak, SecretMatch};
use crate::store::{ActorKind, Author, StoreError, Tx};
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
    let after = end(&mut tx, &before, which, now).await?;
    let author = Author {
        kind: ActorKind::System,
        id: "secret_scanner".into(),
        name: format!("secret scanner, key {reporter}"),
        platform_admin: false,
        origin: origin.stored(now),
    };
    let mut written = entry(&author, "key.leak", Some(&before), &after);
    if let Some(Value::Object(shown)) = &mut written.after {
        let said =
            json!({"url": leak.url, "source": leak.source, "type": alert.kind(), "secret": word(which)});
        shown.insert("leak".into(), said);
    }
    tx.audit(written);
    tx.commit(now).await?;
    tracing::warn!(
        key = after.id.as_str(),
        project = after.project_id,
        owner = after.owner.id(),
        secret = word(which),
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

/// Ends the secret: the key is switched off if it is the present one, and loses the one before otherwise. The key's present
/// secret was not found, so that whoever uses it goes on. An expired key is switched off too: it could be given a later end.
async fn end(tx: &mut Tx, before: &ApiKey, which: SecretMatch, now: Timestamp) -> Result<ApiKey, StoreError> {
    match which {
        // Where nothing works that would have to end, it is saved so that its reading has another version.
        SecretMatch::Current => tx.save_key(before.switched_off(), now).await,
        SecretMatch::Previous if before.previous.is_some_and(|previous| previous.until > now) => {
            tx.end_previous_secret(before, now).await
        }
        SecretMatch::Previous => Ok(before.clone()),
    }
}

const fn word(which: SecretMatch) -> &'static str {
    match which {
        SecretMatch::Current => "current",
        SecretMatch::Previous => "previous",
    }
}
