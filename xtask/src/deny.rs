//! Licences and duplicate versions of the dependencies, from `cargo metadata`.
//!
//! cargo-deny does this and more, but takes minutes to build, and what it does more (advisories) needs a
//! database from the network.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{fuzz, shell};

/// Licences we may ship under our own.
const LICENCES: [&str; 9] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "NCSA",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that may come in several versions, and why.
const DUPLICATES: [(&str, &str); 1] = [(
    "syn",
    "derive macros are moving from 2 to 3 one by one; build time only, nothing of it ships",
)];

/// Fails with every offence named.
pub(crate) fn run() -> Result<()> {
    let host = fuzz::host_triple()?;
    let mut cargo = shell::cargo([
        "metadata",
        "--format-version=1",
        "--locked",
        "--all-features",
    ]);
    cargo.arg(format!("--filter-platform={host}"));
    let metadata: Value = serde_json::from_str(&shell::read(&mut cargo)?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("no packages in cargo metadata")?;
    let offences = judge(packages);
    if !offences.is_empty() {
        bail!("{}", offences.join("\n"));
    }
    eprintln!(
        "{} packages: licences and versions are fine",
        packages.len()
    );
    Ok(())
}

fn judge(packages: &[Value]) -> Vec<String> {
    let mut offences = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let (name, version, licence) = (text("name"), text("version"), text("license"));
        versions.entry(name).or_default().insert(version);
        if !is_allowed(licence) {
            offences.push(format!(
                "{name} {version}: licence {licence:?} is not allowed"
            ));
        }
    }
    for (name, versions) in versions {
        let excused = DUPLICATES.iter().any(|(allowed, _)| *allowed == name);
        match (versions.len() > 1, excused) {
            (true, false) => offences.push(format!("{name}: several versions {versions:?}")),
            (false, true) => offences.push(format!("{name}: needs no exception any more")),
            _ => {}
        }
    }
    offences
}

/// Whether an SPDX expression can be met from [`LICENCES`]: `OR` needs one side, `AND` both. The old
/// spelling `MIT/Apache-2.0` means `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ")
        .replace(" WITH ", "\u{a0}WITH\u{a0}");
    let words: Vec<String> = spaced
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .map(|word| word.replace('\u{a0}', " "))
        .collect();
    let mut rest = &words[..];
    alternatives(&mut rest) == Some(true) && rest.is_empty()
}

/// `terms (OR terms)*`; `None` where it is no expression.
fn alternatives(rest: &mut &[String]) -> Option<bool> {
    let mut met = terms(rest)?;
    while take(rest, "OR") {
        met |= terms(rest)?;
    }
    Some(met)
}

/// `term (AND term)*`, where a term is a licence or an expression in parentheses.
fn terms(rest: &mut &[String]) -> Option<bool> {
    let mut met = true;
    loop {
        if take(rest, "(") {
            met &= alternatives(rest)?;
            if !take(rest, ")") {
                return None;
            }
        } else {
            let (licence, behind) = rest.split_first()?;
            *rest = behind;
            met &= LICENCES.contains(&licence.as_str());
        }
        if !take(rest, "AND") {
            return Some(met);
        }
    }
}

fn take(rest: &mut &[String], word: &str) -> bool {
    match rest.split_first() {
        Some((first, behind)) if first == word => {
            *rest = behind;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_are_met_as_spdx_says() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "GPL-3.0 AND ISC OR MIT",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT OR",
            "(MIT",
            "MIT MIT",
            "GPL-2.0 WITH Classpath-exception-2.0",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn offences_are_named() {
        let packages = [
            json!({"name": "a", "version": "1.0.0", "license": "MIT"}),
            json!({"name": "a", "version": "2.0.0", "license": "MIT"}),
            json!({"name": "b", "version": "1.0.0", "license": null}),
        ];
        assert_eq!(
            judge(&packages),
            [
                "b 1.0.0: licence \"\" is not allowed",
                "a: several versions {\"1.0.0\", \"2.0.0\"}"
            ]
        );
    }
}
