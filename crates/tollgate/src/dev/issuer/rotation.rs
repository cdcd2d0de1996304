//! Asking a running issuer for a new signing key, as `tollgate dev rotate-keys` does.

use std::time::Duration;

use serde::Deserialize;

use super::split_issuer;

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Rotated {
    /// Id of the key that signs from now on.
    pub kid: String,
    /// Seconds that its predecessor stays in the key set.
    pub overlap_secs: u32,
}

/// Why no key was rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Not an address of this issuer.
    #[error("issuer URL {0:?} must look like http://127.0.0.1:8080/realms/master")]
    Url(String),
    /// Nobody answered, or not with what the issuer answers.
    #[error("no development issuer answers at {origin}; is `tollgate dev` running?")]
    NoAnswer {
        /// Scheme, host and port.
        origin: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
}

/// Makes the development issuer at `issuer_url` sign with a new key. The replaced key stays published for
/// `overlap_secs`, or for as long as the issuer was told at its start.
pub async fn rotate_running(issuer_url: &str, overlap_secs: Option<u32>) -> Result<Rotated, RotateError> {
    let (origin, _) = split_issuer(issuer_url).ok_or_else(|| RotateError::Url(issuer_url.to_owned()))?;
    let query = overlap_secs.map(|secs| format!("?overlap_secs={secs}")).unwrap_or_default();
    let exchange = async {
        // A proxy would be another machine, and the issuer listens to this one only.
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        let answer =
            client.post(format!("{origin}/dev/rotate-keys{query}")).send().await?.error_for_status()?;
        answer.json::<Rotated>().await
    };
    let result = exchange.await;
    result.map_err(|source| RotateError::NoAnswer { origin, source })
}
