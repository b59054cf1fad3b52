//! The one definition of green.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::{bot, deny, fuzz, packages, quality, shell, suite};

/// A step's name and what it runs.
type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 11] = [
    ("packages", packages::install),
    ("format", || {
        shell::run(&mut shell::cargo(["fmt", "--all", "--check"]))
    }),
    ("lints", || {
        shell::run(&mut shell::cargo(["lint"]))?;
        // The fuzzing binary is behind a feature.
        shell::run(&mut shell::cargo([
            "clippy",
            "--package=fuzz",
            "--features=libfuzzer",
            "--all-targets",
            "--",
            "-Dwarnings",
        ]))
    }),
    ("core without driver", || {
        shell::run(&mut shell::cargo(["core"]))
    }),
    ("docs", || {
        let mut doc = shell::cargo([
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ]);
        shell::run(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
    }),
    ("licences and versions", deny::run),
    ("fuzz build", || fuzz::build().map(drop)),
    ("tests", suite::run),
    ("quality", quality::run_short),
    ("bridges compared", bot::compare_short),
    ("benches run once", || {
        // In the tests' profile: a bench's own takes minutes to link.
        shell::run(&mut shell::cargo([
            "test",
            "--package=voxplane-benches",
            "--benches",
        ]))
    }),
];

/// Runs the steps up to the first that fails.
pub(crate) fn run() -> Result<()> {
    let mut times = Vec::new();
    for (name, step) in STEPS {
        eprintln!("== {name}");
        let begin = Instant::now();
        step().with_context(|| format!("not green: {name}"))?;
        times.push(format!("{name} {} s", begin.elapsed().as_secs()));
    }
    eprintln!("== green: {}", times.join(", "));
    Ok(())
}
