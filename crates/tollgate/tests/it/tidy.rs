//! The rules of the house that no compiler holds: what the manifests may list, which module may use which, and how the
//! files are kept. A rule that gets in the way is changed here, in the commit that needs it, which is the moment to ask why.

mod direction;
mod files;
mod manifests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's root directory.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The text of a file named from the root.
fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files with this extension below `directory`, named from the root, without build output and fuzzing results.
fn find(directory: &str, extension: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "corpus", "artifacts", ".git"].contains(&name.as_str()) {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|other| other == extension) {
                found.insert(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found
}

/// Every Rust file of ours.
fn rust_files() -> BTreeSet<PathBuf> {
    let mut files = find("crates", "rs");
    files.extend(find("fuzz", "rs"));
    assert!(files.len() > 5, "the walk has lost its way: {files:?}");
    files
}

/// True for what a tool wrote; such a file says so in its first lines.
fn is_generated(text: &str) -> bool {
    text.lines().take(5).any(|line| line.contains("@generated"))
}

/// Fails with every complaint at once.
fn report(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}
