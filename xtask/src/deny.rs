//! Licences and duplicate versions of the dependencies, from `cargo metadata`.
//!
//! Every package needs a licence that we may use; only what ships must come in one version. Peers that
//! tests talk to bring along the versions of their time.
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
const DUPLICATES: [(&str, &str); 2] = [
    (
        "getrandom",
        "cargo's metadata counts ring as used, which rustls-webpki would use if it were there; nothing builds it: \
         `cargo tree -i ring`",
    ),
    (
        "syn",
        "derive macros are moving from 2 to 3 one by one; build time only, nothing of it ships",
    ),
];

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
    let shipped = shipped(&metadata).context("no dependency graph in cargo metadata")?;
    let offences = judge(packages, &shipped);
    if !offences.is_empty() {
        bail!("{}", offences.join("\n"));
    }
    eprintln!(
        "{} packages: licences and versions are fine",
        packages.len()
    );
    Ok(())
}

/// Identifiers of the packages that a build of ours takes in: what our own reach without the
/// dependencies of tests and benches.
fn shipped(metadata: &Value) -> Option<BTreeSet<&str>> {
    let mut dependencies: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array()? {
        let ships = |dependency: &&Value| {
            let kinds = dependency["dep_kinds"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|k| k["kind"] != "dev"))
        };
        let of_node = node["deps"].as_array()?.iter().filter(ships);
        let of_node = of_node.filter_map(|d| d["pkg"].as_str()).collect();
        dependencies.insert(node["id"].as_str()?, of_node);
    }
    let members = metadata["workspace_members"].as_array()?;
    let mut ahead: Vec<&str> = members.iter().filter_map(Value::as_str).collect();
    let mut reached = BTreeSet::new();
    while let Some(id) = ahead.pop() {
        if reached.insert(id) {
            ahead.extend(dependencies.get(id).into_iter().flatten());
        }
    }
    Some(reached)
}

fn judge(packages: &[Value], shipped: &BTreeSet<&str>) -> Vec<String> {
    let mut offences = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let (name, version, licence) = (text("name"), text("version"), text("license"));
        if shipped.contains(text("id")) {
            versions.entry(name).or_default().insert(version);
        }
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
            json!({"id": "a1", "name": "a", "version": "1.0.0", "license": "MIT"}),
            json!({"id": "a2", "name": "a", "version": "2.0.0", "license": "MIT"}),
            json!({"id": "b1", "name": "b", "version": "1.0.0", "license": null}),
            json!({"id": "b2", "name": "b", "version": "2.0.0", "license": "MIT"}),
        ];
        assert_eq!(
            judge(&packages, &BTreeSet::from(["a1", "a2", "b1"])),
            [
                "b 1.0.0: licence \"\" is not allowed",
                "a: several versions {\"1.0.0\", \"2.0.0\"}"
            ]
        );
    }

    #[test]
    fn what_only_tests_need_does_not_ship() {
        let edge = |to: &str, kinds: Value| json!({"pkg": to, "dep_kinds": kinds});
        let (normal, dev) = (json!({"kind": null}), json!({"kind": "dev"}));
        let metadata = json!({
            "workspace_members": ["ours"],
            "resolve": {"nodes": [
                {"id": "ours", "deps": [
                    edge("library", json!([normal])),
                    edge("peer", json!([dev])),
                    edge("both", json!([dev, normal])),
                ]},
                {"id": "library", "deps": [edge("builder", json!([{"kind": "build"}]))]},
                {"id": "peer", "deps": [edge("old", json!([normal]))]},
                {"id": "both", "deps": []},
                {"id": "builder", "deps": []},
                {"id": "old", "deps": []},
            ]},
        });
        let expected = BTreeSet::from(["ours", "library", "both", "builder"]);
        assert_eq!(shipped(&metadata), Some(expected));
    }
}
