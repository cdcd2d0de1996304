//! The container image: built from nothing around the binary that these tests built, run, and compared with the Dockerfile.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{need, scratch, skip, variable};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// buildah with a store of its own.
struct Buildah {
    program: PathBuf,
    dir: TempDir,
}

impl Buildah {
    /// `None` when there is no buildah, or when it cannot make containers on this machine.
    fn new() -> Option<Self> {
        let program = match variable("TOLLGATE_TEST_BUILDAH") {
            Some(program) => program,
            None => need("TOLLGATE_TEST_BUILDAH")?,
        };
        // Layers have files of other users, which only buildah itself can remove where it is not root.
        let buildah = Self { program, dir: scratch("image") };
        let tried = buildah.run(&["from", "--isolation", "chroot", "scratch"]);
        if !tried.status.success() {
            skip(&format!(
                "buildah makes no container here: {}",
                String::from_utf8_lossy(&tried.stderr).trim()
            ));
            return None;
        }
        Some(buildah)
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let store = self.store();
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(store.join("root")).arg("--runroot").arg(store.join("run"));
        command.args(["--storage-driver", "vfs"]).args(arguments).output().unwrap()
    }

    fn must(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "buildah {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// One file out of a tar archive.
fn member(archive: &Path, name: &str) -> String {
    let output = Command::new("tar").arg("-xOf").arg(archive).arg(name).output().unwrap();
    assert!(output.status.success(), "{name} in {}", archive.display());
    String::from_utf8(output.stdout).unwrap()
}

/// Tag and settings of the image in a docker archive; labels that name the builder or the commit left out.
fn settings(archive: &Path) -> (Value, Value) {
    let manifest: Value = serde_json::from_str(&member(archive, "manifest.json")).unwrap();
    let config: Value =
        serde_json::from_str(&member(archive, manifest[0]["Config"].as_str().unwrap())).unwrap();
    let mut config = config["config"].clone();
    let labels = config["Labels"].as_object_mut().unwrap();
    labels.retain(|name, _| name != "io.buildah.version" && name != "org.opencontainers.image.revision");
    // buildah writes a port with its protocol when a Dockerfile exposes it, and without when it is configured.
    let ports = config["ExposedPorts"]
        .as_object()
        .unwrap()
        .keys()
        .map(|port| port.trim_end_matches("/tcp").to_owned());
    let ports: Vec<String> = ports.collect();
    let kept = ["User", "Env", "Cmd", "Entrypoint", "WorkingDir", "Healthcheck", "Labels"];
    let mut settings: Value = kept
        .iter()
        .map(|name| ((*name).to_owned(), config[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    settings["Ports"] = json!(ports);
    (manifest[0]["RepoTags"][0].clone(), settings)
}

#[test]
fn the_image_runs_and_is_the_dockerfiles() {
    let Some(buildah) = Buildah::new() else { return };
    let archive = buildah.dir.path().join("tollgate.tar");
    let output = Command::new("scripts/image")
        .current_dir(repository())
        .args(["--binary", env!("CARGO_BIN_EXE_tollgate"), "--tag", "tollgate:test", "--prove", "--storage"])
        .arg(buildah.store())
        .arg("--output")
        .arg(&archive)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for shown in [
        "version: tollgate",
        "health check: {",
        "user: 65532",
        "served: a permit (200)",
        "authorities: read",
        "exit code 0",
    ] {
        assert!(said.contains(shown), "{shown} is not in {said}");
    }

    let (tag, settings_of_script) = settings(&archive);
    // What `k3s ctr images import` makes docker.io/library/tollgate:test of, which is what a manifest's `tollgate:test` means.
    assert!(["tollgate:test", "docker.io/library/tollgate:test"].contains(&tag.as_str().unwrap()), "{tag}");
    assert_eq!(settings_of_script["User"], "65532:65532");
    assert_eq!(settings_of_script["Healthcheck"]["Test"], json!(["CMD", "tollgate", "healthcheck"]));
    let sbom =
        settings_of_script["Labels"]["tollgate.sbom"].as_str().unwrap().trim_start_matches('/').to_owned();

    // The last stage of the Dockerfile, on a first stage that is made here instead of pulled: the same settings.
    let container = buildah.must(&["from", "--isolation", "chroot", "scratch"]);
    let tree = buildah.dir.path().join("tree");
    std::fs::create_dir_all(tree.join("rootfs/tmp")).unwrap();
    std::fs::write(tree.join("rootfs/tmp/file"), "x").unwrap();
    buildah.must(&["copy", &container, tree.to_str().unwrap(), "/"]);
    buildah.must(&["commit", "--quiet", &container, "localhost/first"]);
    let dockerfile = std::fs::read_to_string(repository().join("Dockerfile")).unwrap();
    let (_, last) = dockerfile.split_once("\nFROM scratch\n").unwrap();
    let file = buildah.dir.path().join("Dockerfile");
    std::fs::write(&file, format!("FROM localhost/first AS build\nFROM scratch\n{last}")).unwrap();
    let (file, context) = (file.to_str().unwrap(), tree.to_str().unwrap());
    let build = [
        "build",
        "--format",
        "docker",
        "--isolation",
        "chroot",
        "--pull-never",
        "-t",
        "localhost/last",
        "-f",
        file,
        context,
    ];
    buildah.must(&build);
    let other = buildah.dir.path().join("dockerfile.tar");
    buildah.must(&[
        "push",
        "--quiet",
        "--format",
        "v2s2",
        "localhost/last",
        &format!("docker-archive:{}:last:1", other.display()),
    ]);
    assert_eq!(settings(&other).1, settings_of_script);

    // The file that the label names is in the layer, and is a bill of materials.
    let manifest: Value = serde_json::from_str(&member(&archive, "manifest.json")).unwrap();
    let layer = buildah.dir.path().join("layer.tar");
    let mut unpack = Command::new("tar");
    unpack.arg("-xOf").arg(&archive).arg(manifest[0]["Layers"][0].as_str().unwrap());
    let wrote = unpack.stdout(std::fs::File::create(&layer).unwrap()).status().unwrap();
    assert!(wrote.success());
    let bill: Value = serde_json::from_str(&member(&layer, &sbom)).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert!(bill["components"].as_array().unwrap().len() > 100);
    buildah.run(&["rm", "--all"]);
    buildah.run(&["rmi", "--all", "--force"]);
}
