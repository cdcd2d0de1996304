//! Logins that were kept, one for each API: a file that only its owner reads.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tollgate_core::time::Timestamp;

use super::ClientError;

/// What is kept of a login. Its `Debug` shows no token.
#[derive(Clone, Serialize, Deserialize)]
pub struct SavedLogin {
    /// The issuer's URL.
    pub issuer: String,
    /// The client that signed in.
    pub client_id: String,
    /// Where tokens are renewed.
    pub token_endpoint: String,
    /// Opens the API.
    pub access_token: String,
    /// When that ends, in milliseconds since 1970; null if the issuer did not say.
    pub expires_at: Option<i64>,
    /// Renews it.
    pub refresh_token: Option<String>,
}

/// The file of logins.
#[derive(Debug)]
pub struct SavedLogins {
    path: PathBuf,
    content: Content,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// The API of the last login.
    current: Option<String>,
    /// Logins by API.
    logins: BTreeMap<String, SavedLogin>,
}

impl SavedLogin {
    /// Whether the access token is over, or will be within half a minute.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now.plus_secs(30).as_millis())
    }
}

impl SavedLogins {
    /// Reads the file; none is no login.
    ///
    /// # Errors
    /// It cannot be read, or others can read it.
    pub fn open(path: &Path) -> Result<Self, ClientError> {
        let failed = |why: &dyn std::fmt::Display| ClientError::Saved(format!("{}: {why}", path.display()));
        let content = match std::fs::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(failed(&error)),
            Ok(file) => {
                let mode = file.metadata().map_err(|e| failed(&e))?.permissions().mode();
                if mode & 0o077 != 0 {
                    let why = "others can read your tokens there; run chmod 600 on it, and sign in again";
                    return Err(failed(&why));
                }
                serde_json::from_reader(std::io::BufReader::new(file)).map_err(|error| {
                    failed(&format!("is not a file of logins ({error}); remove it and sign in again"))
                })?
            }
        };
        Ok(Self { path: path.to_owned(), content })
    }

    /// The API of the last login.
    pub fn current(&self) -> Option<&str> {
        self.content.current.as_deref()
    }

    /// The login at an API.
    pub fn get(&self, api: &str) -> Option<&SavedLogin> {
        self.content.logins.get(api)
    }

    /// Keeps a login, and makes its API the one that is meant when none is named.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&mut self, api: &str, login: SavedLogin) -> Result<(), ClientError> {
        self.content.logins.insert(api.to_owned(), login);
        self.content.current = Some(api.to_owned());
        self.write()
    }

    /// Forgets a login; whether there was one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remove(&mut self, api: &str) -> Result<bool, ClientError> {
        let known = self.content.logins.remove(api).is_some();
        if self.content.current.as_deref() == Some(api) {
            self.content.current = None;
        }
        if known {
            self.write()?;
        }
        Ok(known)
    }

    /// Another process never sees half a file, and nobody else ever sees one.
    fn write(&self) -> Result<(), ClientError> {
        let failed = |error: std::io::Error| ClientError::Saved(format!("{}: {error}", self.path.display()));
        let dir = self.path.parent().unwrap_or_else(|| Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        // A temporary file is its owner's alone from the first moment.
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
        let text = serde_json::to_vec_pretty(&self.content).map_err(|error| failed(error.into()))?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

impl std::fmt::Debug for SavedLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SavedLogin").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn login(token: &str) -> SavedLogin {
        SavedLogin {
            issuer: "https://issuer.test".into(),
            client_id: "cli".into(),
            token_endpoint: "https://issuer.test/token".into(),
            access_token: token.into(),
            expires_at: Some(60_000),
            refresh_token: None,
        }
    }

    #[test]
    fn logins_are_kept_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/tollgate/logins.json");
        let mut saved = SavedLogins::open(&path).unwrap();
        assert_eq!(saved.current(), None);
        saved.put("https://a", login("one")).unwrap();
        saved.put("https://b", login("two")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let mut again = SavedLogins::open(&path).unwrap();
        assert_eq!(again.current(), Some("https://b"));
        assert_eq!(again.get("https://a").unwrap().access_token, "one");
        assert!(!format!("{again:?}").contains("two"));
        assert!(again.remove("https://b").unwrap() && !again.remove("https://b").unwrap());
        assert_eq!(SavedLogins::open(&path).unwrap().current(), None);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(SavedLogins::open(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::write(&path, "nonsense").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(SavedLogins::open(&path).unwrap_err().to_string().contains("sign in again"));
    }

    #[test]
    fn a_token_is_renewed_before_it_is_over() {
        let login = login("x");
        assert!(!login.is_over(Timestamp::from_millis(29_999)));
        assert!(login.is_over(Timestamp::from_millis(30_000)));
    }
}
