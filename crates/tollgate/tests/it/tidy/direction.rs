//! Which module of the `tollgate` crate may use which, and who may name which foreign crate.

use std::collections::BTreeSet;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Meta, UseTree};

use super::{find, read, report};

/// Every top-level module, and the ones it may use. From top to bottom: a module may only use what stands below it, so
/// there are no circles, and `doors` and `portal` never see each other.
const MAY_USE: [(&str, &[&str]); 19] = [
    ("main", &["cli"]),
    (
        "cli",
        &["dev", "ops", "app", "client", "lifecycle", "store", "config", "telemetry", "clock", "entropy"],
    ),
    ("dev", &["app", "client", "lifecycle", "listener", "config", "telemetry", "clock", "entropy"]),
    ("ops", &["app", "views", "store", "config", "clock", "entropy"]),
    (
        "app",
        &[
            "portal",
            "doors",
            "directory",
            "meter",
            "health",
            "views",
            "lifecycle",
            "listener",
            "store",
            "config",
            "telemetry",
            "clock",
            "entropy",
        ],
    ),
    ("portal", &["views", "listener", "store", "telemetry", "clock", "entropy"]),
    ("doors", &["meter", "views", "listener", "telemetry", "clock"]),
    ("directory", &["views", "store", "telemetry", "clock", "entropy"]),
    ("meter", &["store", "telemetry", "clock"]),
    ("health", &["views", "store", "clock"]),
    ("views", &["store", "telemetry", "clock"]),
    ("lifecycle", &["listener", "telemetry", "clock"]),
    ("listener", &["telemetry", "clock"]),
    ("store", &["telemetry", "clock"]),
    ("client", &["clock", "entropy"]),
    ("config", &[]),
    ("telemetry", &["clock"]),
    ("clock", &[]),
    ("entropy", &[]),
];

/// Foreign crates that are one room's business.
const ONLY_IN: [(&str, &[&str]); 7] = [
    ("sqlx", &["store"]),
    // Telemetry names only the metadata type that the OTLP exporter takes.
    ("tonic", &["doors", "dev", "telemetry"]),
    ("tonic_health", &["doors"]),
    ("tollgate_envoy", &["doors", "dev"]),
    ("kube", &["ops"]),
    ("k8s_openapi", &["ops"]),
    ("axum", &["portal", "doors", "health", "listener", "telemetry", "dev", "app"]),
];

/// What one file names: modules of its own crate, and first segments of all other paths.
#[derive(Debug, Default)]
struct Names {
    /// Where in the module tree the walk is; empty at the root.
    at: Vec<String>,
    own: BTreeSet<String>,
    foreign: BTreeSet<String>,
}

impl Names {
    /// Reads the source text of the module `at`. Code under `#[cfg(test)]` may name anything.
    fn of(source: &str, at: Vec<String>) -> Self {
        let file = syn::parse_file(source).unwrap_or_else(|error| panic!("{}: {error}", at.join("::")));
        let mut names = Self { at, ..Self::default() };
        names.visit_file(&file);
        names
    }

    fn path(&mut self, segments: &[String]) {
        let up = segments.iter().take_while(|segment| *segment == "super").count();
        match segments {
            [first, module, ..] if first == "crate" || first == "tollgate" => {
                self.own.insert(module.clone());
            }
            [_, ..] if up > 0 => {
                // Only a climb to the root of the crate reaches another top-level module.
                if let (true, Some(module)) = (up >= self.at.len(), segments.get(up)) {
                    self.own.insert(module.clone());
                }
            }
            [first, ..] => {
                self.foreign.insert(first.clone());
            }
            [] => {}
        }
    }

    fn use_tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.use_tree(&path.tree, &with(&path.ident)),
            UseTree::Name(name) => self.path(&with(&name.ident)),
            UseTree::Rename(name) => self.path(&with(&name.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(tree, before)),
            UseTree::Glob(_) => {
                // `use crate::*` could be anything, so it counts as a module of that name and no table allows it.
                self.path(&[before, &["*".to_owned()]].concat());
            }
        }
    }

    /// Finds paths in tokens that are not parsed: the arguments of macros and attributes.
    fn tokens(&mut self, tokens: &str) {
        let code = without_literals(tokens).replace(" ::", "::").replace(":: ", "::");
        for word in code.split(|character: char| !(character.is_alphanumeric() || "_:".contains(character))) {
            let segments: Vec<_> =
                word.split("::").filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
            if segments.len() > 1 {
                self.path(&segments);
            }
        }
    }
}

/// The text with every string literal emptied.
fn without_literals(tokens: &str) -> String {
    let (mut code, mut inside, mut escaped) = (String::new(), false, false);
    for character in tokens.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            _ if inside => {}
            _ => code.push(character),
        }
    }
    code
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string() == "test",
        _ => false,
    })
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.at.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.at.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.use_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.path(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.tokens(&item.tokens.to_string());
        visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(&list.tokens.to_string());
        }
        visit::visit_attribute(self, attribute);
    }
}

/// The module path of a file below `src`: `doors/http/mod.rs` is `doors::http`. The two roots are named after their file
/// and have nothing above them.
fn module(path: &Path) -> Vec<String> {
    let mut parts: Vec<_> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// What is wrong with one file, given as its path below `src` and its text.
fn complaints(path: &Path, source: &str) -> Vec<String> {
    let at = module(path);
    let top = at[0].clone();
    if top == "lib" {
        return Vec::new();
    }
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == top) else {
        return vec![format!("{}: the module `{top}` is not in the table", path.display())];
    };
    let names = Names::of(source, if top == "main" { Vec::new() } else { at });
    let wrong = names.own.iter().filter(|own| **own != top && !allowed.contains(&own.as_str()));
    let mut complaints: Vec<_> =
        wrong.map(|own| format!("{}: `{top}` may not use `{own}`", path.display())).collect();
    for (foreign, rooms) in ONLY_IN {
        if names.foreign.contains(foreign) && !rooms.contains(&top.as_str()) {
            complaints.push(format!("{}: only {rooms:?} may name the crate `{foreign}`", path.display()));
        }
    }
    complaints
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let src = Path::new("crates/tollgate/src");
    let files = find("crates/tollgate/src", "rs");
    assert!(files.contains(&src.join("lib.rs")));
    let all = files.iter().flat_map(|file| complaints(file.strip_prefix(src).unwrap(), &read(file)));
    report("see the table in tests/it/tidy/direction.rs", &all.collect::<Vec<_>>());
}

#[test]
fn the_table_runs_downwards() {
    for (at, (name, uses)) in MAY_USE.iter().enumerate() {
        for used in *uses {
            let below = MAY_USE[at + 1..].iter().any(|(other, _)| other == used);
            assert!(below, "`{name}` uses `{used}`, which does not stand below it");
        }
    }
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let check = |file: &str, source: &str| complaints(Path::new(file), source).join("; ");
    for (file, source, expected) in [
        ("doors/grpc.rs", "use crate::portal::Page;", "`doors` may not use `portal`"),
        ("doors/grpc.rs", "use crate::{clock::Clock, portal as p};", "`doors` may not use `portal`"),
        ("doors/grpc.rs", "use super::super::portal;", "`doors` may not use `portal`"),
        ("doors/mod.rs", "mod inner { use super::super::config; }", "`doors` may not use `config`"),
        ("doors/mod.rs", "fn f() { crate::portal::go(); }", "`doors` may not use `portal`"),
        ("doors/mod.rs", "fn f(x: &crate::store::Store) {}", "`doors` may not use `store`"),
        ("doors/mod.rs", "fn f() { info!(\"{}\", crate::portal::NAME); }", "`doors` may not use `portal`"),
        ("doors/mod.rs", "use crate::*;", "`doors` may not use `*`"),
        ("portal/mod.rs", "use crate::doors::Gate;", "`portal` may not use `doors`"),
        ("main.rs", "fn main() { tollgate::store::open(); }", "`main` may not use `store`"),
        ("views/keys.rs", "#[derive(sqlx::FromRow)] struct Row;", "may name the crate `sqlx`"),
        ("views/keys.rs", "use sqlx::Row;", "may name the crate `sqlx`"),
        ("attic.rs", "", "not in the table"),
    ] {
        let said = check(file, source);
        assert!(said.contains(expected), "{file}: {source}: {said:?}");
    }
    for (file, source) in [
        ("doors/grpc.rs", "use super::gate::Gate; use crate::views::KeysView; use crate::doors::wire;"),
        ("doors/mod.rs", "#[cfg(test)] mod tests { use crate::portal::Page; }"),
        ("doors/mod.rs", "/// As `crate::portal` does.\nfn f() { info!(\"crate::portal\"); }"),
        ("store/mod.rs", "use sqlx::Row;"),
        ("main.rs", "fn main() { tollgate::cli::run() }"),
    ] {
        assert_eq!(check(file, source), "", "{file}: {source}");
    }
}
