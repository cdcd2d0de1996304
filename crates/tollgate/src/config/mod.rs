//! Configuration: compiled-in defaults < file < environment, checked as a whole before anything runs on it.
//!
//! A layer is a tree of values that remember where they were set ([`tree`]). The merged tree is held against the JSON
//! schema ([`schema`], [`validate`]), so that every mistake is reported at once with its place; then it becomes
//! [`Settings`], and the settings become what the process works with ([`compile`]).

mod beside;
mod check;
mod compile;
mod directories;
mod env;
mod layers;
mod legacy;
pub mod problem;
mod restart;
mod scanner_key;
mod schema;
pub mod secret;
pub mod settings;
mod show;
pub mod tree;
mod validate;
pub mod watch;

use std::path::{Path, PathBuf};

pub use self::compile::{Compiled, IssuerLocation, IssuerPlan, compile};
pub use self::directories::keycloak_realm;
pub use self::problem::{ConfigError, Place, Problem};
pub use self::restart::restart_needed;
pub use self::scanner_key::scanner_key;
pub use self::schema::schema;
pub use self::settings::Settings;
pub use self::show::{ShowFormat, show};
use self::tree::{Node, Origin};
pub use self::watch::ConfigWatcher;

/// What the process exits with when its configuration cannot be used (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;
/// The largest configuration file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// The compiled-in layer, which is also the manual of every key.
pub const DEFAULT_FILE: &str = include_str!("../../config.default.yaml");

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that was asked for; without one, `CONFIG_PATH` in `environment` names it, if anything does.
    pub path: Option<PathBuf>,
    /// The process's environment; variables that are not Tollgate's are ignored.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// `path` and the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place where the process's environment is read")]
    pub fn of_process(path: Option<&Path>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name.into_string().ok()?;
            let ours = name.starts_with(env::PREFIX) || name == "CONFIG_PATH" || name == "RUST_LOG";
            ours.then(|| (name, value.to_string_lossy().into_owned()))
        };
        Self { path: path.map(Path::to_owned), environment: std::env::vars_os().filter_map(text).collect() }
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<PathBuf> {
        let named =
            || self.environment.iter().find(|(name, value)| name == "CONFIG_PATH" && !value.is_empty());
        self.path.clone().or_else(|| named().map(|(_, value)| PathBuf::from(value)))
    }
}

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// The settings, with secrets from files filled in.
    pub settings: Settings,
    /// What they mean.
    pub compiled: Compiled,
    /// What deserves attention, for the log.
    pub warnings: Vec<Problem>,
    /// Which layer set what.
    pub origins: Origins,
    /// The files that the settings name, for [`watch`].
    pub files: Vec<PathBuf>,
    fingerprint: watch::Fingerprint,
}

/// The merged layers: every value with the place where it was set; secrets are masked.
#[derive(Clone, Debug)]
pub struct Origins(Node);

impl Origins {
    /// Where the value of a key such as `routes[0].name` was set.
    pub fn of(&self, path: &str) -> &Origin {
        &self.0.nearest(path).origin
    }
}

/// Loads a configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let file = sources.file();
    let failed = |problems: Vec<Problem>| ConfigError { file: file.clone(), problems };
    let schema = schema();
    let (mut merged, file_text) = layers::layers(sources, file.as_deref(), &schema).map_err(failed)?;
    let mut settings: Settings = serde_path_to_error::deserialize(merged.to_json()).map_err(|e| {
        let path = e.path().to_string();
        let origin = &merged.nearest(&path).origin;
        failed(vec![Problem::new(path, e.inner().to_string()).at(origin)])
    })?;
    show::mask(&mut merged, "", &schema);
    let located = |problem: Problem| {
        let origin = &merged.nearest(&problem.path).origin;
        problem.at(origin)
    };
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    beside::read_secrets(&mut settings, &merged, &mut problems, &mut warnings);
    let (wrong, doubtful) = check::check(&settings);
    problems.extend(wrong);
    warnings.extend(doubtful);
    match compile(&settings) {
        Ok(compiled) if problems.is_empty() => {
            let files = beside::referenced_files(&settings);
            let fingerprint = watch::Fingerprint::of(file_text.as_deref(), &files);
            let warnings = warnings.into_iter().map(located).collect();
            Ok(Loaded { settings, compiled, warnings, origins: Origins(merged), files, fingerprint })
        }
        outcome => {
            problems.extend(outcome.err().unwrap_or_default());
            Err(failed(problems.into_iter().map(located).collect()))
        }
    }
}

#[cfg(test)]
mod tests;
