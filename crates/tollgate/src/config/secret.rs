//! Values that must not be printed, given in the configuration or in a file beside it.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// What stands for a secret wherever one would be printed.
pub const MASK: &str = "***";
/// The largest secret file that is read, in bytes.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// A secret text. Printing or serialising it gives [`MASK`]; it is wiped when dropped.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(SecretString);

impl Secret {
    /// From its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text: not for logs.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.reveal() == other.reveal()
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // `writeOnly` is what `config show` masks by.
        json_schema!({"type": "string", "writeOnly": true})
    }
}

/// A secret that was read from a file, and whether others on the machine can read it too.
pub(super) struct SecretFile {
    pub text: String,
    pub world_readable: bool,
}

/// Reads a secret file. Line ends at its end are not part of the secret.
///
/// # Errors
/// A sentence that says what to do; never the content.
pub(super) fn read_secret_file(path: &Path) -> Result<SecretFile, String> {
    let shown = path.display();
    let metadata = fs::metadata(path).map_err(|e| format!("cannot read '{shown}': {e}"))?;
    if !metadata.is_file() {
        return Err(format!("'{shown}' is not a regular file"));
    }
    let file = fs::File::open(path).map_err(|e| format!("cannot read '{shown}': {e}"))?;
    let mut text = String::new();
    file.take(MAX_SECRET_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|e| format!("cannot read '{shown}' as text: {e}"))?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(format!("'{shown}' has more than {MAX_SECRET_BYTES} bytes"));
    }
    let trimmed = text.trim_end_matches(['\n', '\r']);
    if trimmed.is_empty() {
        return Err(format!("'{shown}' is empty"));
    }
    Ok(SecretFile { text: trimmed.to_owned(), world_readable: world_readable(&metadata) })
}

#[cfg(unix)]
fn world_readable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
const fn world_readable(_: &fs::Metadata) -> bool {
    false
}

/// A URL with its password, and passwords among its parameters, masked. What is no URL is masked whole.
pub(super) fn mask_url(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return MASK.into() };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.into();
    }
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut query = url.query_pairs_mut();
        query.clear();
        for (name, value) in pairs {
            let secret = name.to_ascii_lowercase().contains("pass");
            query.append_pair(&name, if secret { MASK } else { &value });
        }
    }
    url.into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn urls_lose_their_passwords_only() {
        let table = [
            ("postgres://u:hunter2@db:5432/x", "postgres://u:***@db:5432/x"),
            (
                "postgres://u@db/x?password=hunter2&sslmode=require",
                "postgres://u@db/x?password=***&sslmode=require",
            ),
            ("postgres://db/x?sslpassword=hunter2", "postgres://db/x?sslpassword=***"),
            ("sqlite://state/tollgate.db", "sqlite://state/tollgate.db"),
            ("host=db password=hunter2", "***"),
        ];
        for (url, masked) in table {
            assert_eq!(mask_url(url), masked, "{url}");
        }
    }

    #[test]
    fn printing_a_secret_prints_nothing_of_it() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(read_secret_file(&path).is_err());
        assert!(read_secret_file(dir.path()).err().unwrap().contains("not a regular file"));
        for (content, expected) in
            [("abc", Some("abc")), ("abc\n", Some("abc")), (" a b \r\n\n", Some(" a b ")), ("\n", None)]
        {
            fs::write(&path, content).unwrap();
            assert_eq!(read_secret_file(&path).ok().map(|s| s.text).as_deref(), expected, "{content:?}");
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(read_secret_file(&path).err().unwrap().contains("as text"));
        fs::write(&path, "x".repeat(65 << 10)).unwrap();
        assert!(read_secret_file(&path).err().unwrap().contains("more than"));
    }

    #[cfg(unix)]
    #[test]
    fn who_else_can_read_a_secret_is_noticed() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "x").unwrap();
        for (mode, expected) in [(0o600, false), (0o640, false), (0o644, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_secret_file(&path).unwrap().world_readable, expected, "{mode:o}");
        }
    }
}
