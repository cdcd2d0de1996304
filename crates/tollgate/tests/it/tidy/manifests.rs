//! What the manifests, the lock file and the lint settings may say.

use std::collections::BTreeSet;
use std::process::Command;

use toml::{Table, Value};

use super::{find, read, report, root};

/// All that the rules may depend on. A line here is a capability given to the core: nothing on it opens a file or a
/// socket, starts a thread, or reads a clock.
///
/// `jiff` could read the clock and the environment's time zone; the core's clippy.toml bans the calls that do. Its other
/// sources of time zones are features that are off.
const CORE_DEPENDENCIES: [&str; 11] = [
    "aws-lc-rs",
    "base64",
    "cel",
    "http",
    "ipnet",
    "jiff",
    "regex",
    "serde",
    "serde_json",
    "subtle",
    "thiserror",
];

/// Never in the tree: a second TLS provider that would panic at first use, an RSA with a timing leak, C libraries of
/// unknown version.
const BANNED_PACKAGES: [&str; 5] = ["ring", "rsa", "openssl", "openssl-sys", "native-tls"];

fn toml(path: &str) -> Table {
    read(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names(table: Option<&Value>) -> BTreeSet<String> {
    table.and_then(Value::as_table).map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn core_depends_on_the_allow_list_and_nothing_else() {
    let manifest = toml("crates/tollgate-core/Cargo.toml");
    let allowed: BTreeSet<_> = CORE_DEPENDENCIES.map(str::to_owned).into();
    assert_eq!(names(manifest.get("dependencies")), allowed);
    for other in ["build-dependencies", "target"] {
        assert_eq!(manifest.get(other), None, "the core has no [{other}]");
    }
}

#[test]
fn every_dependency_has_a_reason_and_one_version() {
    let text = read("Cargo.toml");
    let section = text.split("[workspace.dependencies]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let entries = section.lines().filter(|line| line.contains('=') && !line.starts_with('#'));
    let mut complaints: Vec<_> = entries
        .filter(|line| !line.contains("path = ") && !line.contains(" # "))
        .map(|line| format!("Cargo.toml: no reason after: {line}"))
        .collect();
    for manifest in find("crates", "toml").iter().filter(|path| path.ends_with("Cargo.toml")) {
        let manifest = manifest.to_string_lossy();
        let table = toml(&manifest);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
                // A crate may depend on itself to switch a feature on for its own tests.
                if value.get("workspace").is_none() && value.get("path").is_none() {
                    complaints.push(format!("{manifest}: {name} has a version of its own"));
                }
            }
        }
    }
    report("versions and their reasons stand in the root manifest", &complaints);
}

/// The lock file also lists optional packages that nothing switches on (`ring` among them), so cargo is asked what a
/// build for this machine really takes in.
#[test]
fn no_banned_package_is_compiled() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--workspace", "--locked", "--offline", "--prefix", "none", "--format", "{p}"]);
    let tree = cargo.args(["--edges", "normal,build,dev"]).current_dir(root()).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let compiled: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(compiled.contains("aws-lc-rs"), "the tree was not understood: {tree}");
    let banned: Vec<_> =
        BANNED_PACKAGES.into_iter().filter(|name| compiled.contains(name)).map(str::to_owned).collect();
    report("packages that must not come into the tree", &banned);
}

/// RUSTSEC-2024-0363: up to sqlx 0.8.0 a value of more than 4 GiB could become another statement. Bodies are capped far below
/// that; the version is past it all the same, whatever a lock file is merged with.
#[test]
fn the_database_client_is_past_its_overflow() {
    let lock = toml("Cargo.lock");
    let packages = lock["package"].as_array().unwrap().iter();
    let text = |package: &Value, field: &str| package[field].as_str().unwrap().to_owned();
    let clients: Vec<_> = packages
        .filter(|package| text(package, "name").starts_with("sqlx"))
        .map(|package| (text(package, "name"), text(package, "version")))
        .collect();
    assert!(clients.iter().any(|(name, _)| name == "sqlx-postgres"), "{clients:?}");
    let old: Vec<_> = clients
        .iter()
        .filter(|(_, version)| {
            let numbers: Vec<u64> = version.split('.').map_while(|number| number.parse().ok()).collect();
            numbers < vec![0, 8, 1]
        })
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    report("versions of sqlx with RUSTSEC-2024-0363", &old);
}

/// `(list, path)` of every ban in a clippy.toml, each of which gives its reason.
fn bans(path: &str) -> BTreeSet<(String, String)> {
    let settings = toml(path);
    let mut bans = BTreeSet::new();
    for list in ["disallowed-methods", "disallowed-types", "disallowed-macros"] {
        for ban in settings.get(list).and_then(Value::as_array).into_iter().flatten() {
            let banned = ban
                .get("path")
                .and_then(Value::as_str)
                .unwrap_or_else(|| panic!("{path}: {ban} has no path"));
            assert!(ban.get("reason").is_some(), "{path}: {banned} has no reason");
            bans.insert((list.to_owned(), banned.to_owned()));
        }
    }
    bans
}

#[test]
fn the_core_repeats_every_ban_of_the_root() {
    let (root, core) = (bans("clippy.toml"), bans("crates/tollgate-core/clippy.toml"));
    assert!(!root.is_empty());
    let lost: Vec<_> = root.difference(&core).map(|(_, path)| path.clone()).collect();
    report("a crate's clippy.toml replaces the root's; missing in tollgate-core's", &lost);
    for subject in ["std::time::Instant::now", "std::thread::spawn", "std::fs::File", "std::net::TcpStream"] {
        assert!(core.iter().any(|(_, path)| path == subject), "the core may use {subject}");
    }
    let others = find("crates", "toml");
    let others: Vec<_> = others.iter().filter(|path| path.ends_with("clippy.toml")).collect();
    assert_eq!(others.len(), 1, "only the core has lint settings of its own: {others:?}");
}
