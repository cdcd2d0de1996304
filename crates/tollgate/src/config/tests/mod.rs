//! Configurations, good and bad.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bad;
mod layers;
mod reference;
mod watching;

use std::path::PathBuf;

use super::{ConfigError, Loaded, Sources, load};

/// A scratch directory with a configuration file in it.
pub(super) struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

pub(super) fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads a file with this content under this environment.
pub(super) fn load_with(
    content: impl AsRef<[u8]>,
    environment: &[(&str, &str)],
) -> Result<Loaded, ConfigError> {
    let scratch = Scratch::new();
    let path = scratch.write("c.yaml", content);
    load(&Sources { path: Some(path), environment: variables(environment) })
}

pub(super) fn load_text(content: &str) -> Result<Loaded, ConfigError> {
    load_with(content, &[])
}

/// An error's lines without the directory that the file happens to be in.
pub(super) fn lines(error: &ConfigError) -> Vec<String> {
    let text = error.to_string();
    text.lines().map(|line| line.find("c.yaml").map_or(line, |at| &line[at..]).to_owned()).collect()
}

pub(super) const ISSUER: &str =
    "issuers: [{name: kc, issuer: 'https://kc.example/realms/a', audiences: any}]\n";

/// A self-signed certificate and its key, as PEM.
pub(super) fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}
