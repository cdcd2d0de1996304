//! A bill of materials in CycloneDX 1.6: every crate that is linked into the binary, with its licence, checksum and what it
//! needs. The same sources give the same bytes, so it holds no date and no serial number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use toml::Table;

/// The package that the bill is for.
const PACKAGE: &str = "tollgate";

/// One linked crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
}

/// What cargo links: crates with their licence and repository, and who needs whom.
#[derive(Debug, Default)]
struct Tree {
    crates: BTreeMap<Crate, (String, String)>,
    needs: BTreeMap<Crate, BTreeSet<Crate>>,
}

/// Writes the bill to `output`, or prints it.
pub fn write(output: Option<&Path>) -> anyhow::Result<()> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock")?;
    let bill = bill(&linked()?, &checksums(&lock)?)?;
    let text = format!("{}\n", serde_json::to_string_pretty(&bill)?);
    match output {
        Some(path) => std::fs::write(path, text).with_context(|| format!("{}", path.display())),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Asks cargo what goes into the binary on this platform: no crates of tests, of build scripts or of macros.
fn linked() -> anyhow::Result<Tree> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["tree", "--locked", "--package", PACKAGE]);
    cargo.args(["--edges", "normal,no-proc-macro", "--prefix", "depth", "--charset", "ascii"]);
    cargo.args(["--format", "\t{p}\t{l}\t{r}"]);
    let output = cargo.output().context("cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    parse(&String::from_utf8(output.stdout)?)
}

/// Reads `cargo tree --prefix depth`: a number says how deep a line stands; a crate's own needs stand below its first line.
fn parse(text: &str) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    let mut above: Vec<Crate> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut fields = line.split('\t');
        let (Some(depth), Some(package), Some(licence), Some(repository)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            bail!("cargo tree has a line of an unknown form: {line}");
        };
        let depth: usize = depth.parse().with_context(|| line.to_owned())?;
        let mut words = package.split(' ');
        let (Some(name), Some(version)) =
            (words.next(), words.next().and_then(|word| word.strip_prefix('v')))
        else {
            bail!("cargo tree has a package of an unknown form: {package}");
        };
        let this = Crate { name: name.to_owned(), version: version.to_owned() };
        // A crate that stands here for the second time is marked at the end of its line.
        let repository = repository.trim_end_matches("(*)").trim_end().to_owned();
        above.truncate(depth);
        if let Some(parent) = above.last() {
            tree.needs.entry(parent.clone()).or_default().insert(this.clone());
        }
        tree.crates.entry(this.clone()).or_insert_with(|| (licence.to_owned(), repository));
        above.push(this);
    }
    ensure!(!tree.crates.is_empty(), "cargo tree says nothing");
    Ok(tree)
}

/// SHA-256 of each package's archive, as the lock file pins it.
fn checksums(lock: &str) -> anyhow::Result<BTreeMap<Crate, String>> {
    let lock: Table = lock.parse().context("Cargo.lock")?;
    let mut sums = BTreeMap::new();
    for package in lock.get("package").and_then(toml::Value::as_array).into_iter().flatten() {
        let text = |name: &str| package.get(name).and_then(toml::Value::as_str).map(str::to_owned);
        if let (Some(name), Some(version), Some(checksum)) = (text("name"), text("version"), text("checksum"))
        {
            sums.insert(Crate { name, version }, checksum);
        }
    }
    Ok(sums)
}

fn purl(of: &Crate) -> String {
    format!("pkg:cargo/{}@{}", of.name, of.version)
}

fn bill(tree: &Tree, checksums: &BTreeMap<Crate, String>) -> anyhow::Result<Value> {
    let main = tree.crates.keys().find(|of| of.name == PACKAGE).context("the package itself is missing")?;
    let component = |of: &Crate, kind: &str| {
        let (licence, repository) = tree.crates.get(of).cloned().unwrap_or_default();
        // Older manifests separate alternatives with a slash, which is no SPDX.
        let licence = licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
        let mut component = json!({
            "type": kind, "bom-ref": purl(of), "name": of.name, "version": of.version, "purl": purl(of),
        });
        if !licence.is_empty() {
            component["licenses"] = json!([{"expression": licence}]);
        }
        if let Some(checksum) = checksums.get(of) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        if repository.starts_with("https://") {
            component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
        }
        component
    };
    let libraries: Vec<Value> =
        tree.crates.keys().filter(|of| *of != main).map(|of| component(of, "library")).collect();
    let needs = |of: &Crate| {
        let on: Vec<String> = tree.needs.get(of).into_iter().flatten().map(purl).collect();
        json!({"ref": purl(of), "dependsOn": on})
    };
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(main, "application")},
        "components": libraries,
        "dependencies": tree.crates.keys().map(needs).collect::<Vec<_>>(),
    }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const TREE: &str = "0\ttollgate v0.1.0 (/src/crates/tollgate)\tApache-2.0\t\n\
                        1\tbytes v1.2.3\tMIT\thttps://github.com/tokio-rs/bytes\n\
                        1\thyper v1.0.0\tMIT/Apache-2.0\thttps://github.com/hyperium/hyper\n\
                        2\tbytes v1.2.3\tMIT\thttps://github.com/tokio-rs/bytes (*)\n";
    const LOCK: &str = "[[package]]\nname = \"bytes\"\nversion = \"1.2.3\"\nchecksum = \"abc\"\n";

    #[test]
    fn a_tree_becomes_a_bill() {
        let bill = bill(&parse(TREE).unwrap(), &checksums(LOCK).unwrap()).unwrap();
        assert_eq!(bill["metadata"]["component"]["purl"], "pkg:cargo/tollgate@0.1.0");
        let bytes = &bill["components"][0];
        assert_eq!(bytes["hashes"][0]["content"], "abc");
        assert_eq!(bytes["externalReferences"][0]["url"], "https://github.com/tokio-rs/bytes");
        assert_eq!(bill["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        let of = |name: &str| {
            let all = bill["dependencies"].as_array().unwrap().iter();
            all.clone().find(|d| d["ref"].as_str().unwrap().contains(name)).unwrap()["dependsOn"].clone()
        };
        assert_eq!(of("tollgate"), json!(["pkg:cargo/bytes@1.2.3", "pkg:cargo/hyper@1.0.0"]));
        assert_eq!(of("hyper"), json!(["pkg:cargo/bytes@1.2.3"]));
    }

    #[test]
    fn what_is_really_linked_is_there_and_nothing_of_the_tests() {
        let tree = linked().unwrap();
        let has = |name: &str| tree.crates.keys().any(|of| of.name == name);
        for linked in ["aws-lc-rs", "tollgate-core", "tokio", "libsqlite3-sys"] {
            assert!(has(linked), "{linked}");
        }
        for other in ["proptest", "jsonwebtoken", "serde_derive", "cc", "ring", "xtask"] {
            assert!(!has(other), "{other}");
        }
    }
}
