//! Instructions per packet, which no other load on the machine changes.
//!
//! The example `instructions` runs under valgrind with a few packets and with more of them; the difference is
//! the packets'. valgrind's processor has no AVX-512, so that is what these figures are without.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell;

/// Packets of the two runs. The first go by before a codec has settled.
const PACKETS: [u64; 2] = [50, 200];

/// Counts those whose name contains `filter`, and prints them.
pub(crate) fn run(filter: Option<&str>) -> Result<()> {
    shell::run(&mut shell::cargo([
        "build",
        "--release",
        "--package",
        "voxplane-benches",
        "--example",
        "instructions",
    ]))?;
    let directory = shell::target_directory()?;
    let program = directory.join("release/examples/instructions");
    let names = shell::read(&mut Command::new(&program))?;
    let wanted = |name: &&str| filter.is_none_or(|filter| name.contains(filter));
    let mut found = false;
    println!("{:<28} {:>14}", "20 ms", "instructions");
    for name in names.lines().filter(wanted) {
        found = true;
        let [few, many] = PACKETS.map(|packets| count(&program, name, packets));
        let each = many?.saturating_sub(few?) / (PACKETS[1] - PACKETS[0]);
        println!("{name:<28} {each:>14}");
    }
    ensure!(found, "nothing is called {:?}", filter.unwrap_or(""));
    Ok(())
}

fn count(program: &Path, name: &str, packets: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([name, &packets.to_string()])
        .output()
        .context("cannot run valgrind: install the package valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {said}");
    let refs = said.lines().find_map(|line| {
        let (_, number) = line.split_once("Collected : ")?;
        number.trim().parse().ok()
    });
    refs.with_context(|| format!("valgrind counted nothing: {said}"))
}
