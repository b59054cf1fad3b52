//! Running other programs, cargo above all.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The daemon's package and binary.
pub(crate) const DAEMON: &str = "daemon-rtpengine";

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map(PathBuf::from).unwrap_or(xtask)
}

/// The cargo that runs us, in the workspace's root.
pub(crate) fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Runs a command, shown first, and insists on success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = show(command);
    eprintln!("$ {line}");
    let status = command
        .status()
        .with_context(|| format!("cannot run {line}"))?;
    ensure!(status.success(), "{line}: {status}");
    Ok(())
}

/// Runs a command and returns what it wrote to stdout.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let line = show(command);
    let output = command
        .output()
        .with_context(|| format!("cannot run {line}"))?;
    ensure!(
        output.status.success(),
        "{line}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let mut cargo = cargo(["metadata", "--format-version=1", "--no-deps"]);
    let metadata: serde_json::Value = serde_json::from_str(&read(&mut cargo)?)?;
    let directory = metadata["target_directory"].as_str();
    Ok(directory
        .context("cargo metadata names no target directory")?
        .into())
}

/// Builds the daemon in release and returns its path.
pub(crate) fn build_daemon() -> Result<PathBuf> {
    run(&mut cargo(["build", "--release", "--package", DAEMON]))?;
    Ok(target_directory()?.join("release").join(DAEMON))
}

/// The command as one would type it, its own environment first.
fn show(command: &Command) -> String {
    let environment = command.get_envs().filter_map(|(key, value)| {
        let value = value?.to_string_lossy().into_owned();
        let quote = if value.contains(' ') { "'" } else { "" };
        Some(format!("{}={quote}{value}{quote}", key.to_string_lossy()))
    });
    let program = PathBuf::from(command.get_program());
    let name = program
        .file_name()
        .map(|n| n.to_string_lossy().into_owned());
    let args = command.get_args().map(|a| a.to_string_lossy().into_owned());
    environment
        .chain(name)
        .chain(args)
        .collect::<Vec<_>>()
        .join(" ")
}
