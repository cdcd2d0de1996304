//! The integration guide, held to: what `deployment/` must contain, and what the commands on its page do when they are run.

mod broken;
mod clients;
mod contract;
mod envoy;
mod isolation;
mod machine;
pub mod objects;
mod page;
mod pasted;
mod pods;
mod realm;
mod settings;
mod systemd;
mod tls;

use objects::{NINE, Objects, VARIANTS, deployment};
use page::{TESTS, blocks, guide};

fn report(objects: &Objects) {
    let findings: Vec<String> = contract::findings(objects).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn the_nine_files_hold_the_contract() {
    report(&Objects::shipped());
}

#[test]
fn each_variant_holds_it_too() {
    for file in VARIANTS {
        report(&Objects::shipped().with(file));
    }
}

#[test]
fn the_kustomization_names_exactly_the_nine() {
    let text = std::fs::read_to_string(deployment().join("kustomization.yaml")).unwrap();
    let kustomization: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(kustomization["resources"], serde_json::json!(NINE));
}

#[test]
fn every_file_says_what_it_is_for() {
    for file in NINE.iter().chain(&VARIANTS) {
        let text = std::fs::read_to_string(deployment().join(file)).unwrap();
        assert!(text.starts_with("# "), "{file} does not open with a comment");
    }
}

/// Images are pinned to what was tested.
#[test]
fn versions_are_the_tested_ones() {
    let setup = std::fs::read_to_string(objects::root().join("scripts/setup-tests")).unwrap();
    let keycloak = setup.lines().find_map(|line| line.strip_prefix("keycloak=")).unwrap();
    let objects = Objects::shipped();
    let images = objects.workloads().flat_map(objects::Object::containers);
    for image in images.map(|container| container["image"].as_str().unwrap()) {
        let (name, tag) = image.rsplit_once(':').unwrap();
        match name {
            "tollgate" => assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{image}"),
            "quay.io/keycloak/keycloak" => assert_eq!(tag, keycloak, "{image}"),
            _ => {}
        }
    }
}

/// The commands of Step 6 and of the two tests, byte for byte as the guide has always printed them.
#[test]
fn step_6_is_as_printed() {
    let page = guide();
    let printed = [
        include_str!("as_printed/1-gateway.sh"),
        include_str!("as_printed/2-token.sh"),
        include_str!("as_printed/3-test-1.sh"),
        include_str!("as_printed/4-test-2.sh"),
    ];
    for (heading, printed) in TESTS.iter().zip(printed) {
        let found: Vec<_> = blocks(&page).into_iter().filter(|block| block.heading == *heading).collect();
        let commands: Vec<_> = found.iter().filter(|block| block.language == "bash").collect();
        assert_eq!(commands.len(), 1, "'{heading}' has {} blocks of commands", commands.len());
        assert_eq!(commands[0].text, printed, "'{heading}'");
    }
}

/// Files that the page applies are there, and objects that it names are in them.
#[test]
fn the_page_names_what_exists() {
    let page = guide();
    let objects = VARIANTS.iter().fold(Objects::shipped(), |objects, file| objects.with(file));
    let commands: String =
        blocks(&page).into_iter().filter(|block| block.language == "bash").map(|block| block.text).collect();
    for file in
        commands.split_whitespace().filter(|word| word.starts_with("deployment/") && word.ends_with(".yaml"))
    {
        assert!(file.contains('*') || objects::root().join(file).is_file(), "{file}");
    }
    for file in NINE {
        assert!(
            commands.contains(&format!("kubectl apply -f deployment/{file}")),
            "no command applies {file}"
        );
    }
    for (kind, plural) in [
        ("Deployment", "deployment/"),
        ("Service", "service/"),
        ("SecurityPolicy", "securitypolicy "),
        ("HTTPRoute", "httproute "),
    ] {
        for (at, _) in commands.match_indices(plural) {
            let name = commands[at + plural.len()..].split_whitespace().next().unwrap_or_default();
            if name.starts_with('-') || name.ends_with(".yaml") || name.contains('/') {
                continue;
            }
            assert!(
                objects.of_kind(kind).any(|object| object.name() == name),
                "the page names the {kind} {name}"
            );
        }
    }
}

/// Links lead to files of this repository, and the tests that the page calls as witnesses are there.
#[test]
fn the_page_leads_somewhere() {
    let page = guide();
    let (docs, tests) = (objects::root().join("docs"), objects::root().join("crates/tollgate/tests/it"));
    for (at, _) in page.match_indices("](") {
        let target = page[at + 2..].split(')').next().unwrap();
        let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
        if !file.contains("://") {
            assert!(file.is_empty() || docs.join(file).exists(), "{target}");
            let heading =
                |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-") == fragment;
            let headings = page.lines().filter(|line| line.starts_with('#'));
            assert!(!file.is_empty() || headings.into_iter().any(heading), "no heading for {target}");
        }
    }
    let ours = |word: &&str| word.starts_with("guide::") || word.starts_with("kube_stage::");
    let witnesses = page.split('`').filter(ours).filter(|word| !word.ends_with('…'));
    for witness in witnesses {
        let (module, function) = witness.rsplit_once("::").unwrap();
        let file = tests.join(module.replace("::", "/"));
        let file = if file.is_dir() { file.join("mod.rs") } else { file.with_extension("rs") };
        let source = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{witness}: {error}"));
        assert!(source.contains(&format!("fn {function}()")), "{witness}");
    }
}
