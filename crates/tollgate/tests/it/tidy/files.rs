//! How the files are kept: opened with their purpose, of a size to read in one sitting, all in the module tree, and named
//! truthfully by the documents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::{Expr, Item, Lit, Meta};
use toml::{Table, Value};

use super::{find, is_generated, read, report, root, rust_files};

/// No file has more lines of its own than this; tests in it do not count.
const MOST_LINES: usize = 500;

/// Nine files of ten have no more than this.
const USUAL_LINES: usize = 250;

#[test]
fn every_file_opens_with_its_purpose() {
    let files = rust_files().into_iter().map(|path| (read(&path), path));
    let silent = files.filter(|(text, _)| !is_generated(text) && !text.starts_with("//! "));
    let silent: Vec<_> = silent.map(|(_, path)| path.display().to_string()).collect();
    report("files that do not open with `//! ` and what the room is for", &silent);
}

/// Lines outside test modules. rustfmt ends a top-level item with a brace in the first column.
fn own_lines(text: &str) -> usize {
    let mut lines = text.lines();
    let mut count = 0;
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            count += 1;
            continue;
        }
        // The item's attributes and head, then its body.
        for line in lines.by_ref() {
            if line == "}" || (!line.starts_with(' ') && (line.ends_with(';') || line.ends_with("{}"))) {
                break;
            }
        }
    }
    count
}

#[test]
fn own_lines_leaves_tests_out() {
    assert_eq!(own_lines("//! A\nfn a() {}\n"), 2);
    assert_eq!(own_lines("//! A\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n"), 2);
    assert_eq!(own_lines("//! A\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\nfn c() {}\n"), 2);
}

#[test]
fn files_are_of_a_size_to_read() {
    let mut sizes: Vec<(usize, PathBuf)> = Vec::new();
    for path in rust_files() {
        let text = read(&path);
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let is_test = parts.iter().any(|part| ["tests", "tests.rs", "benches"].contains(&part.as_ref()));
        if !is_test && !is_generated(&text) {
            sizes.push((own_lines(&text), path));
        }
    }
    sizes.sort();
    let long = sizes.iter().filter(|(lines, _)| *lines > MOST_LINES);
    let long: Vec<_> = long.map(|(lines, path)| format!("{}: {lines} lines", path.display())).collect();
    report("files with more than 500 lines of their own", &long);
    let (usual, path) = &sizes[(sizes.len() * 9).div_ceil(10) - 1];
    assert!(
        *usual <= USUAL_LINES,
        "one file in ten has {usual} lines or more ({}); aim for 250",
        path.display()
    );
}

/// The files that cargo compiles by itself: by its conventions, and by `path = ` in the manifest.
fn compile_roots(manifest: &Path) -> Vec<PathBuf> {
    let package = manifest.parent().unwrap();
    let files = find(&package.to_string_lossy(), "rs");
    let conventional = |path: &Path| {
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let parts: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
        matches!(
            parts.as_slice(),
            ["src", "lib.rs" | "main.rs"]
                | ["build.rs"]
                | ["src", "bin", _]
                | ["tests" | "benches" | "examples", _]
                | ["tests" | "benches" | "examples", _, "main.rs"]
        )
    };
    let mut roots: Vec<PathBuf> =
        files.into_iter().filter(|path| conventional(path.strip_prefix(package).unwrap())).collect();
    let table: Table = read(manifest).parse().unwrap();
    for kind in ["bin", "test", "bench", "example"] {
        for target in table.get(kind).and_then(Value::as_array).into_iter().flatten() {
            roots.extend(target.get("path").and_then(Value::as_str).map(|path| package.join(path)));
        }
    }
    roots
}

/// Adds `file` and all files that its `mod` and `include!` lines reach. `directory` is where its child modules lie.
fn reach(file: &Path, directory: &Path, reached: &mut BTreeSet<PathBuf>) {
    if !root().join(file).is_file() || !reached.insert(file.to_owned()) {
        return;
    }
    let items =
        syn::parse_file(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items;
    reach_items(&items, file, directory, reached);
}

fn reach_items(items: &[Item], file: &Path, directory: &Path, reached: &mut BTreeSet<PathBuf>) {
    for item in items {
        match item {
            Item::Mod(module) => {
                let name = module.ident.to_string();
                let below = directory.join(&name);
                if let Some((_, items)) = &module.content {
                    reach_items(items, file, &below, reached);
                } else if let Some(path) = path_attribute(&module.attrs) {
                    let path = file.parent().unwrap().join(path);
                    let below = path.parent().unwrap().to_owned();
                    reach(&path, &below, reached);
                } else {
                    reach(&directory.join(format!("{name}.rs")), &below, reached);
                    reach(&below.join("mod.rs"), &below, reached);
                }
            }
            Item::Macro(item) if item.mac.path.is_ident("include") => {
                if let Ok(path) = item.mac.parse_body::<syn::LitStr>() {
                    reach(&lexical(&file.parent().unwrap().join(path.value())), directory, reached);
                }
            }
            _ => {}
        }
    }
}

/// Takes `.` and `..` out of a path.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path {
        match part.to_str() {
            Some("..") => _ = plain.pop(),
            Some(".") => {}
            _ => plain.push(part),
        }
    }
    plain
}

fn path_attribute(attributes: &[syn::Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(path) => Some(path.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn no_file_is_outside_the_module_tree() {
    let mut reached = BTreeSet::new();
    let manifests = find("crates", "toml").into_iter().chain(find("fuzz", "toml"));
    for manifest in manifests.filter(|path| path.ends_with("Cargo.toml")) {
        for start in compile_roots(&manifest) {
            let directory = start.parent().unwrap().to_owned();
            reach(&start, &directory, &mut reached);
        }
    }
    assert!(reached.contains(Path::new("crates/tollgate/tests/it/tidy/files.rs")), "{reached:?}");
    let lost: Vec<_> = rust_files().difference(&reached).map(|path| path.display().to_string()).collect();
    report("files that nothing compiles", &lost);
}

/// The words between backticks that look like files of ours and are none.
fn untrue_names(text: &str) -> Vec<String> {
    let bases = ["", "crates/tollgate/src", "crates/tollgate-core/src"];
    let spans = text.split('`').skip(1).step_by(2);
    let is_path = |span: &&str| {
        let file = [".rs", ".yaml", ".md", ".toml"].iter().any(|end| span.ends_with(end));
        let plain = span.chars().all(|character| character.is_alphanumeric() || "/._-".contains(character));
        plain && !span.starts_with('/') && (file || span.contains('/'))
    };
    let lost =
        spans.filter(is_path).filter(|span| !bases.iter().any(|base| root().join(base).join(span).exists()));
    lost.map(str::to_owned).collect()
}

#[test]
fn documents_name_only_files_that_exist() {
    assert_eq!(
        untrue_names("see `crates/tollgate/src/attic.rs`, `main.rs` and `/health`"),
        ["crates/tollgate/src/attic.rs"]
    );
    report("ARCHITECTURE.md names files that do not exist", &untrue_names(&read("ARCHITECTURE.md")));
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut files = rust_files();
    for (directory, extension) in [("crates", "toml"), ("docs", "md"), ("deployment", "yaml")] {
        files.extend(find(directory, extension));
    }
    let mut left = Vec::new();
    for path in files {
        for (number, line) in read(&path).lines().enumerate() {
            let words = line.split(|character: char| !character.is_alphanumeric());
            if words.into_iter().any(|word| marks.contains(&word)) {
                left.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    report("marks of unfinished work", &left);
}
