//! The layers: the compiled-in file, the operator's file, the environment.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::problem::Problem;
use super::tree::{Node, Origin, Value};
use super::{DEFAULT_FILE, MAX_FILE_BYTES, Sources, env, legacy, validate};

/// The layers laid over each other, and the file's text.
pub(super) fn layers(
    sources: &Sources,
    file: Option<&Path>,
    schema: &serde_json::Value,
) -> Result<(Node, Option<String>), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut merged = Node::from_yaml(DEFAULT_FILE, &|_| Origin::Default)
        .map_err(|e| vec![Problem::new("", format!("compiled-in defaults, line {}: {}", e.line, e.text))])?;
    let mut file_text = None;
    if let Some(path) = file {
        match read_file(path).and_then(|text| Ok((parse_file(path, &text)?, text))) {
            Ok((mut node, text)) => {
                legacy::translate(&mut node, &mut problems);
                merged.overlay(node);
                file_text = Some(text);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let mut environment = env::read(&sources.environment, schema, &mut problems);
    legacy::translate(&mut environment, &mut problems);
    merged.overlay(environment);
    problems.extend(validate::validate(&merged, schema));
    if problems.is_empty() { Ok((merged, file_text)) } else { Err(problems) }
}

/// The file's text.
pub(super) fn read_file(path: &Path) -> Result<String, Problem> {
    let place = |line| Origin::File { path: Arc::from(path), line };
    let problem = |text: String| Problem::new("", text).at(&place(0));
    let unreadable = |e: std::io::Error| problem(format!("cannot be read: {e}"));
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(problem("is not a regular file".into()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(problem(format!("has more than {MAX_FILE_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = e.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() as u64 + 1;
        Problem::new("", "is not UTF-8 text").at(&place(line))
    })
}

fn parse_file(path: &Path, text: &str) -> Result<Node, Problem> {
    let shared: Arc<Path> = Arc::from(path);
    let place = |line| Origin::File { path: Arc::clone(&shared), line };
    let node = Node::from_yaml(text, &place).map_err(|e| Problem::new("", e.text).at(&place(e.line)))?;
    match node.value {
        Value::Map(_) => Ok(node),
        Value::Null => Ok(Node::empty(Origin::Default)),
        _ => Err(Problem::new("", "is not a mapping of keys to values").at(&place(1))),
    }
}
