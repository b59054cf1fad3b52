//! npm packages that the browser tests run in Chromium and beside it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

/// The two files that say which, by exact version and hash.
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];

/// Installs into `target/browser` what `daemon-rtpengine/tests/browser/package.json` names, unless it is
/// there already.
pub(crate) fn install() -> Result<()> {
    let source = shell::root().join("daemon-rtpengine/tests/browser");
    let into = shell::target_directory()?.join("browser");
    if is_installed(&source, &into) {
        return Ok(());
    }
    fs::create_dir_all(&into)?;
    for name in MANIFESTS {
        fs::copy(source.join(name), into.join(name)).with_context(|| format!("no {name}"))?;
    }
    // No script of a package runs: neither needs one.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&into);
    shell::run(&mut npm).context("the npm packages of the browser tests cannot be installed")
}

/// Whether `into` holds what `source` asks for. npm writes its own list last.
fn is_installed(source: &Path, into: &Path) -> bool {
    let is_same = |name: &str| {
        let asked = fs::read(source.join(name)).ok();
        asked.is_some() && asked == fs::read(into.join(name)).ok()
    };
    MANIFESTS.into_iter().all(is_same) && into.join("node_modules/.package-lock.json").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_file_names_versions_but_no_registry() {
        let source = shell::root().join("daemon-rtpengine/tests/browser");
        let text = fs::read_to_string(source.join("package-lock.json")).expect("the lock file");
        assert!(text.contains("\"integrity\""));
        assert!(!text.contains("\"resolved\"") && !text.contains("http"));
    }

    #[test]
    fn nothing_is_installed_in_an_empty_directory() {
        let source = shell::root().join("daemon-rtpengine/tests/browser");
        assert!(!is_installed(&source, Path::new("/nonexistent")));
        assert!(!is_installed(
            Path::new("/nonexistent"),
            Path::new("/nonexistent")
        ));
    }
}
