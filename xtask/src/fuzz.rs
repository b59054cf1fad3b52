//! Fuzzing on a stable compiler.
//!
//! libFuzzer needs LLVM's sanitizer-coverage pass, which is a codegen flag and not a nightly one; only
//! the address sanitizer would need nightly, and safe Rust gives it little to find.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::shell;

/// The coverage that cargo-fuzz asks for, and checks that release builds leave out.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions=yes -Coverflow-checks=yes";

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// Target: a directory of fuzz/corpus
    target: String,
    /// How long to fuzz
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u32,
}

/// Builds and runs a target. A finding is left in fuzz/artifacts and named in the output.
pub(crate) fn run(args: &FuzzArgs) -> Result<()> {
    let fuzz = shell::root().join("fuzz");
    let seeds = fuzz.join("corpus").join(&args.target);
    if !seeds.is_dir() {
        bail!(
            "no target {:?}: there is no {}",
            args.target,
            seeds.display()
        );
    }
    let program = build()?;
    let artifacts = fuzz.join("artifacts").join(&args.target);
    // What the fuzzer finds worth keeping stays out of the repository; seeds are chosen by hand.
    let found = directory()?.join("corpus").join(&args.target);
    for directory in [&artifacts, &found] {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let mut fuzzer = Command::new(program);
    fuzzer
        .env("FUZZ_TARGET", &args.target)
        .args([&found, &seeds])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={}", args.seconds))
        .args(["-timeout=5", "-max_len=4096", "-print_final_stats=1"]);
    shell::run(&mut fuzzer)
}

/// Builds the instrumented binary and returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    let host = host_triple()?;
    let directory = directory()?;
    let mut cargo = shell::cargo([
        "build",
        "--release",
        "--package=fuzz",
        "--features=libfuzzer",
    ]);
    cargo
        .arg("--bin=fuzz-target")
        // Naming the target keeps the flags off build scripts and macros.
        .arg(format!("--target={host}"))
        .arg("--target-dir")
        .arg(&directory)
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    shell::run(&mut cargo)?;
    Ok(directory.join(host).join("release").join("fuzz-target"))
}

/// A target directory of its own: other flags would rebuild everything each time.
fn directory() -> Result<PathBuf> {
    Ok(shell::target_directory()?.join("fuzz"))
}

pub(crate) fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = shell::read(Command::new(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}
