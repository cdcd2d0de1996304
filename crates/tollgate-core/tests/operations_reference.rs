//! The page that lists the known endpoints is written from the table. `UPDATE_REFERENCE=1 cargo test -p tollgate-core --test
//! operations_reference` writes it anew; look at its diff.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fmt::Write as _;
use std::path::Path;

use tollgate_core::endpoints::{ModelPlace, Operation, Root, apis};

/// The text before the tables.
const INTRODUCTION: &str = "\
# Operations

What a request does at a model API, and where its model stands, by method and path. This page is written from the table that
checks use; the first line that fits holds. `GET` covers `HEAD`. Words are compared without case.

| in a path | stands for |
|---|---|
| `{version}` | a version such as `v1` or `v1beta` |
| `{id}` | any one segment |
| `{model}`, `{model...}` | the model's name: one segment, or one and more |
| `{verb}` | a word of letters |
| `/**` | the path itself, and everything below it |

| before a path may stand | |
|---|---|
| mount | segments without a version and without a word after which APIs put a model's name |
| base | a mount and then a version, `openai`, or both; or no more than the route's prefix or the words of known base addresses |
| any | anything |

| model | |
|---|---|
| body | the body must name it |
| body, else *name* | that name is judged when the body names none |
| body, if any | none is used when the body names none |
| path, query | stands there |
| none | the request uses no model |
| elsewhere | where nobody looks: callers who may not use every model are refused |
| – | not known: the same, for methods that can do more than look |
";

fn place(place: ModelPlace) -> String {
    match place {
        ModelPlace::Body => "body".into(),
        ModelPlace::BodyOr(name) => format!("body, else `{name}`"),
        ModelPlace::BodyIfAny => "body, if any".into(),
        ModelPlace::Path => "path".into(),
        ModelPlace::Query => "query".into(),
        ModelPlace::Unused => "none".into(),
        ModelPlace::Elsewhere => "elsewhere".into(),
        ModelPlace::Unlisted => "–".into(),
    }
}

const fn root(root: Root) -> &'static str {
    match root {
        Root::Mount => "mount",
        Root::Open => "base",
        Root::Any => "any",
    }
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for api in apis() {
        writeln!(page, "\n## {}\n", api.name).unwrap();
        page.push_str("| method | before | path | operation | model |\n|---|---|---|---|---|\n");
        for row in api.rows {
            let (methods, before) = (row.methods.as_str(), root(row.root));
            let (path, place) = (row.path, place(row.place));
            writeln!(page, "| {methods} | {before} | `{path}` | `{}` | {place} |", row.operation).unwrap();
        }
    }
    page.push_str("\n## Everything else\n\nThe operation is `unknown`, and nothing is known of the model.\n");
    page
}

#[test]
fn operations_the_committed_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/operations.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page(),
        "operations.md is out of date; run UPDATE_REFERENCE=1 cargo test -p tollgate-core --test operations_reference"
    );
}

#[test]
fn operations_the_table_has_no_row_twice() {
    let rows = || apis().iter().flat_map(|api| api.rows);
    for (at, row) in rows().enumerate() {
        let twice = rows().skip(at + 1).find(|other| other.path == row.path && other.methods == row.methods);
        assert!(twice.is_none_or(|other| other.root != row.root), "{}", row.path);
    }
    for operation in Operation::ALL {
        let known = rows().any(|row| row.operation == operation);
        assert!(known, "{operation}");
    }
}
