//! Envoy's protobuf files to Rust, without `protoc`. The output is committed, and a test generates it again.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

const ROOTS: [&str; 1] = ["envoy/service/auth/v3/external_auth.proto"];

fn crate_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tollgate-envoy")
}

/// Where the committed bindings are.
pub fn committed() -> PathBuf {
    crate_dir().join("src/generated")
}

/// Generates into `out`, which is created when it does not exist.
pub fn generate(out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    let files = protox::compile(ROOTS, [crate_dir().join("proto")]).context("compiling the .proto files")?;
    tonic_prost_build::configure()
        .build_transport(true)
        .emit_rerun_if_changed(false)
        .out_dir(out)
        .compile_fds(files)
        .context("generating Rust")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use super::*;

    fn read(dir: &Path) -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| {
                (
                    path.file_name().unwrap().to_string_lossy().into_owned(),
                    std::fs::read_to_string(path).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn committed_bindings_are_what_the_protos_give() {
        let scratch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/xtask-bindings");
        let _ = std::fs::remove_dir_all(&scratch);
        generate(&scratch).unwrap();
        let (fresh, known) = (read(&scratch), read(&committed()));
        assert!(fresh == known, "bindings are stale: run `cargo xtask generate` and commit the result");
    }
}
