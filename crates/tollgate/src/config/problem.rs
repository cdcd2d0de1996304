//! What is wrong with a configuration: where, what, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tree::Origin;

/// One thing that is wrong, or that deserves a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `server.grpc.listen` or `routes[2].paths`; empty for the configuration as a whole.
    pub path: String,
    /// Where the value was set, when that is known.
    pub place: Option<Place>,
    /// What is wrong and what to do. Never holds a secret.
    pub text: String,
}

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file, on this line (counted from 1).
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// The line; 0 when unknown.
        line: u64,
    },
    /// In this environment variable.
    Environment(Arc<str>),
}

impl Problem {
    /// A problem with the value of `path`.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: one_line(path.into()), place: None, text: one_line(text.into()) }
    }

    /// The same problem at a place.
    #[must_use]
    pub fn at(mut self, origin: &Origin) -> Self {
        self.place = match origin {
            Origin::Default => None,
            Origin::File { path, line } => Some(Place::File { path: Arc::clone(path), line: *line }),
            Origin::Environment(name) => Some(Place::Environment(Arc::clone(name))),
        };
        self
    }
}

/// Keys and parsers' messages may hold line breaks and terminal controls; a problem is one harmless line.
fn one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace(char::is_control, "\u{fffd}")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(Place::File { path, line: 0 }) => write!(f, "{}: ", path.display())?,
            Some(Place::File { path, line }) => write!(f, "{}:{line}: ", path.display())?,
            Some(Place::Environment(name)) => write!(f, "{name}: ")?,
            None => {}
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.text)
    }
}

/// A configuration that cannot be used: everything that is wrong with it, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, when there is one.
    pub file: Option<PathBuf>,
    /// At least one problem.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
