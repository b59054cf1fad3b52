//! PESQ from PyPI, in a Python environment of its own under the target directory.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::python::{self, List};

const REQUIREMENTS: &str = include_str!("requirements.txt");
const PESQ: &str = include_str!("pesq.txt");
const SCRIPT: &str = include_str!("score.py");

/// The interpreter that has PESQ, and the script for it.
pub(super) struct Pesq {
    python: PathBuf,
    script: PathBuf,
}

/// Installs into `directory` unless it has been, and of the same versions.
pub(super) fn install(directory: &Path) -> Result<Pesq> {
    fs::create_dir_all(directory)?;
    let script = directory.join("score.py");
    fs::write(&script, SCRIPT)?;
    let as_it_is = ["--require-hashes", "--no-deps", "--no-build-isolation"];
    let lists = [
        List::new("requirements.txt", REQUIREMENTS, &[]),
        List::new("pesq.txt", PESQ, &as_it_is),
    ];
    let python = python::install(directory, &lists)?;
    Ok(Pesq { python, script })
}

impl Pesq {
    /// A score for each line of `sample rate, reference, degraded`.
    pub(super) fn score<'a>(&self, files: impl Iterator<Item = &'a str>) -> Result<Vec<f64>> {
        let lines: Vec<&str> = files.collect();
        let mut python = Command::new(&self.python)
            .arg(&self.script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.python.display()))?;
        // It reads all before it writes, so this cannot block for good.
        if let Some(mut stdin) = python.stdin.take() {
            stdin.write_all(lines.join("\n").as_bytes())?;
        }
        let output = python.wait_with_output()?;
        ensure!(output.status.success(), "score.py: {}", output.status);
        let text = String::from_utf8(output.stdout)?;
        let scores = text
            .lines()
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>()?;
        ensure!(scores.len() == lines.len(), "score.py gave too few scores");
        Ok(scores)
    }
}
