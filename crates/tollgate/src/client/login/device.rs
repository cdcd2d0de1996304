//! The device grant (RFC 8628): a short code here, a browser anywhere.

use std::time::Duration;

use serde::Deserialize;

use super::issuer::{Issuer, OAuthError, post};
use crate::client::{ClientError, SavedLogin};
use crate::clock::Clock;

/// Seconds between questions unless the issuer says otherwise.
const INTERVAL_SECS: u64 = 5;
/// The longest that is waited for a person.
const PATIENCE_SECS: i64 = 1800;

/// What the person needs (RFC 8628 section 3.2).
#[derive(Deserialize)]
struct Invitation {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: i64,
    interval: Option<u64>,
}

/// Signs in; `show` is told where to go and which code to type.
///
/// # Errors
/// The person refused or did not come, or the issuer did not play along.
pub async fn by_device(
    issuer: &Issuer,
    clock: &dyn Clock,
    show: &(dyn Fn(&str, &str) + Sync),
) -> Result<SavedLogin, ClientError> {
    let endpoint = issuer
        .device_endpoint
        .as_ref()
        .ok_or_else(|| ClientError::Issuer("it does not offer sign-in by a code; use --browser".into()))?;
    let scope = issuer.sign_in.scopes.join(" ");
    let invited = post(&issuer.http, endpoint, &issuer.sign_in.client_id, &[("scope", &scope)]).await?;
    let invited: Invitation = invited.map_err(|refusal: OAuthError| ClientError::from(refusal))?;
    show(
        invited.verification_uri_complete.as_deref().unwrap_or(&invited.verification_uri),
        &invited.user_code,
    );

    let end = clock.now().plus_secs(invited.expires_in.clamp(1, PATIENCE_SECS));
    let mut interval = invited.interval.unwrap_or(INTERVAL_SECS).clamp(1, 60);
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", invited.device_code.as_str()),
    ];
    while clock.now() < end {
        tokio::time::sleep(Duration::from_secs(interval)).await;
        match issuer.token(&fields, clock.now()).await {
            Ok(Ok(login)) => return Ok(login),
            Ok(Err(refusal)) => match refusal.error.as_str() {
                "authorization_pending" => {}
                "slow_down" => interval += 5,
                _ => return Err(refusal.into()),
            },
            // A network that hiccups while somebody types is no reason to begin anew.
            Err(ClientError::Unreachable { .. }) => interval = (interval * 2).min(60),
            Err(error) => return Err(error),
        }
    }
    Err(ClientError::Issuer("nobody came in time; run the command again".into()))
}
