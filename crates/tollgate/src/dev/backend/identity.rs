//! Who the gateway says the caller is.

use http::HeaderMap;

/// Identity headers in the order they are shown, without their prefix.
const NAMES: [&str; 8] =
    ["subject", "user", "email", "issuer", "key-id", "project", "organization", "groups"];

/// The identity headers of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Identity(Vec<(&'static str, String)>);

impl Identity {
    /// Reads `x-tollgate-*`.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = |name: &&'static str| {
            let value = headers.get(format!("x-tollgate-{name}"))?;
            Some((*name, String::from_utf8_lossy(value.as_bytes()).into_owned()))
        };
        Self(NAMES.iter().filter_map(value).collect())
    }

    /// What to call the caller: user, else subject, else key.
    pub(super) fn greeting_name(&self) -> Option<&str> {
        ["user", "subject", "key-id"].iter().find_map(|wanted| self.get(wanted))
    }

    /// All of it in one line; `None` when the gateway sent nothing.
    pub(super) fn summary(&self) -> Option<String> {
        let parts: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn get(&self, wanted: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str())
    }
}
