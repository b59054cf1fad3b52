//! PESQ from PyPI, in a Python environment of its own under the target directory.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::shell;

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
    let environment = directory.join("venv");
    let pesq = Pesq {
        python: environment.join("bin/python"),
        script: directory.join("score.py"),
    };
    fs::create_dir_all(directory)?;
    fs::write(&pesq.script, SCRIPT)?;
    // Written last, so it says that all that stands in it is there.
    let installed = environment.join("installed.txt");
    let wanted = [REQUIREMENTS, PESQ].concat();
    if fs::read_to_string(&installed).is_ok_and(|is| is == wanted) {
        return Ok(pesq);
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&environment);
    shell::run(&mut venv).context("is the package python3-venv there?")?;
    let pip = |name: &str, text: &str, options: &[&str]| -> Result<()> {
        let list = directory.join(name);
        fs::write(&list, text)?;
        let mut pip = Command::new(&pesq.python);
        pip.args(["-m", "pip", "install", "--quiet"])
            .arg("--disable-pip-version-check")
            .args(options)
            .arg("-r")
            .arg(list);
        shell::run(&mut pip)
    };
    pip("requirements.txt", REQUIREMENTS, &[])?;
    let as_it_is = ["--require-hashes", "--no-deps", "--no-build-isolation"];
    pip("pesq.txt", PESQ, &as_it_is).context("are the packages python3-dev and gcc there?")?;
    fs::write(installed, wanted)?;
    Ok(pesq)
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
