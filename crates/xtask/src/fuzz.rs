//! Short fuzz runs on stable Rust: the coverage counters that libFuzzer needs are passed to the compiler by hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

const TARGETS: [&str; 6] = ["parse", "token", "keyset", "wire", "body", "usage"];
/// What `cargo fuzz` passes on a nightly compiler, without the sanitizer.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn host_triple() -> anyhow::Result<String> {
    let rustc = Command::new("rustc").arg("-vV").output().context("asking rustc for its host")?;
    let text = String::from_utf8(rustc.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

/// Builds the targets and runs each for `seconds`, from the committed seeds.
pub fn run(seconds: u64, only: Option<&str>) -> anyhow::Result<()> {
    let targets: Vec<&str> =
        TARGETS.into_iter().filter(|name| only.is_none_or(|only| only == *name)).collect();
    ensure!(!targets.is_empty(), "there is no such target; there are {}", TARGETS.join(", "));
    let dir = fuzz_dir();
    let host = host_triple()?;
    let built = Command::new(env!("CARGO"))
        // Naming the target keeps the counters out of build scripts, which have nothing to count them.
        .args(["build", "--release", "--bins", "--locked", "--target", &host])
        .current_dir(&dir)
        .env("RUSTFLAGS", COVERAGE)
        .status()
        .context("building the fuzz targets")?;
    ensure!(built.success(), "the fuzz targets do not build");
    for target in targets {
        let corpus = dir.join("corpus").join(target);
        let artifacts = dir.join("artifacts").join(target);
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&artifacts)?;
        let ended = Command::new(dir.join("target").join(&host).join("release").join(target))
            .arg(&corpus)
            .arg(dir.join("seeds").join(target))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args([
                "-print_final_stats=1",
                "-rss_limit_mb=1024",
                "-timeout=5",
                "-max_len=8192",
                "-verbosity=0",
            ])
            .output()
            .with_context(|| format!("running {target}"))?;
        let text = String::from_utf8_lossy(&ended.stderr);
        if !ended.status.success() {
            bail!("{target} found an input that fails; it is in {}\n{text}", artifacts.display());
        }
        let runs = text
            .lines()
            .find_map(|l| l.strip_prefix("stat::number_of_executed_units:"))
            .unwrap_or("?")
            .trim();
        println!("fuzz {target}: {runs} runs in {seconds} s, nothing found");
    }
    Ok(())
}
