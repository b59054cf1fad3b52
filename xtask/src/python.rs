//! Python packages of tests and measurements, each set in an environment of its own under the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell;

/// pipecat-ai, whose bots `daemon-audiosocket/tests/interop_pipecat.rs` calls.
const PIPECAT: &str = include_str!("../../daemon-audiosocket/tests/pipecat/requirements.txt");

/// Installs pipecat-ai into `target/pipecat/venv`, unless it is there already; returns its interpreter.
pub(crate) fn install_pipecat() -> Result<PathBuf> {
    let directory = shell::target_directory()?.join("pipecat");
    let mut python = Command::new("python3");
    let version = shell::read(python.args(["-c", "import sys; print(*sys.version_info[:2])"]))?;
    // Other Pythons take other files, whose hashes nobody has written down.
    let has_hashes = version.trim() == "3 11";
    let text = match has_hashes {
        true => PIPECAT.to_owned(),
        false => without_hashes(PIPECAT),
    };
    let options: &[&str] = match has_hashes {
        true => &["--require-hashes", "--no-deps"],
        false => &["--no-deps"],
    };
    install(&directory, &[List::new("pipecat.txt", &text, options)])
}

/// A list of packages and how pip is to install them.
pub(crate) struct List<'a> {
    name: &'a str,
    text: &'a str,
    options: &'a [&'a str],
}

impl<'a> List<'a> {
    pub(crate) fn new(name: &'a str, text: &'a str, options: &'a [&'a str]) -> Self {
        Self {
            name,
            text,
            options,
        }
    }
}

/// Installs these lists, in order, into `directory/venv` unless they have been; returns the interpreter.
pub(crate) fn install(directory: &Path, lists: &[List<'_>]) -> Result<PathBuf> {
    let environment = directory.join("venv");
    let python = environment.join("bin/python");
    // Written last, so it says that all that stands in it is there.
    let installed = environment.join("installed.txt");
    let wanted: String = lists.iter().map(|list| list.text).collect();
    if fs::read_to_string(&installed).is_ok_and(|is| is == wanted) {
        return Ok(python);
    }
    fs::create_dir_all(directory)?;
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&environment);
    shell::run(&mut venv).context("is the package python3-venv there?")?;
    for list in lists {
        let file = directory.join(list.name);
        fs::write(&file, list.text)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet"])
            .arg("--disable-pip-version-check")
            .args(list.options)
            .arg("-r")
            .arg(file);
        shell::run(&mut pip).context("are the packages python3-dev and gcc there?")?;
    }
    ensure!(python.is_file(), "no {}", python.display());
    fs::write(installed, wanted)?;
    Ok(python)
}

fn without_hashes(list: &str) -> String {
    let names = list.lines().filter(|line| line.contains("=="));
    names
        .map(|line| format!("{}\n", line.trim_end_matches(['\\', ' '])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_its_version_and_hash() {
        let mut lines = PIPECAT.lines().filter(|line| !line.starts_with('#'));
        while let Some(line) = lines.next() {
            let package = line.contains("==") && line.ends_with(" \\");
            assert!(package || line.starts_with("    --hash=sha256:"), "{line}");
            assert!(!package || lines.next().is_some_and(|l| l.contains("--hash=sha256:")));
        }
        assert!(PIPECAT.contains("\npipecat-ai=="));
    }

    #[test]
    fn hashes_are_left_out_where_they_do_not_fit() {
        let list = "# about\na==1 \\\n    --hash=sha256:0 \\\n    --hash=sha256:1\nb==2 \\\n    --hash=sha256:2\n";
        assert_eq!(without_hashes(list), "a==1\nb==2\n");
    }
}
