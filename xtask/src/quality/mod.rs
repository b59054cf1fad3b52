//! Speech through our daemon and through rtpengine, in one run, judged by PESQ (ITU-T P.862).
//!
//! espeak-ng speaks the sentences. The example `quality` of the benches has them carried by both daemons, over
//! the same networks, and writes what phones of ours hear: it is a program of its own because it codes Opus,
//! which `cargo xtask` must be built without. PESQ comes from PyPI.

mod pesq;
mod sentences;
mod table;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use benches::daemon;
use clap::Args;

use crate::{packages, readme, shell};
use table::{Heard, Table};

/// Options of `cargo xtask quality`.
#[derive(Args)]
pub(crate) struct QualityArgs {
    /// Two sentences instead of all, and bounds on the mean of all codecs
    #[arg(long)]
    short: bool,
    /// A daemon in place of ours
    #[arg(long, value_name = "PATH")]
    daemon: Option<PathBuf>,
    /// The daemon to compare with
    #[arg(long, value_name = "PATH", default_value = "rtpengine")]
    against: PathBuf,
    /// Put the table into README.md
    #[arg(long)]
    readme: bool,
}

/// As CI runs it.
pub(crate) fn run_short() -> Result<()> {
    run(&QualityArgs {
        short: true,
        daemon: None,
        against: "rtpengine".into(),
        readme: false,
    })
}

/// Makes calls, judges, prints the table, and fails if ours is worse than the bounds allow.
pub(crate) fn run(args: &QualityArgs) -> Result<()> {
    packages::install()?;
    let directory = shell::target_directory()?.join("quality");
    let pesq = pesq::install(&directory)?;
    let ours = match &args.daemon {
        Some(program) => program.clone(),
        None => build_daemon()?,
    };
    let sentences = directory.join("sentences");
    let count = sentences::speak(&sentences, if args.short { 2 } else { usize::MAX })?;

    let out = directory.join("heard");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out)?;
    let mut example = shell::cargo([
        "run",
        "--quiet",
        "--package=voxplane-benches",
        "--example=quality",
        "--",
    ]);
    let listing = read(
        example
            .arg(&sentences)
            .arg(&out)
            .args([&ours, &args.against]),
    )?;
    let heard: Vec<Heard> = listing
        .lines()
        .map(|line| Heard::parse(line).with_context(|| format!("unreadable: {line:?}")))
        .collect::<Result<_>>()?;
    let scores = pesq.score(heard.iter().map(|heard| &*heard.files))?;
    let mut table = Table::default();
    for (heard, score) in heard.iter().zip(scores) {
        table.add(heard, score);
    }

    let versions = [&ours, &args.against].map(|program| daemon::version(program));
    let about = format!(
        "PESQ, {} / {}; {count} sentences by espeak-ng each way; 16,000 Hz wideband between G722 and opus, else \
         narrowband. The network is that between the speaker and the daemon.",
        versions[0], versions[1]
    );
    let text = format!("{}\n\n{about}", table.markdown());
    println!("{text}");
    if args.readme {
        readme::update("quality", &text)?;
    }
    let missed = table.missed(args.short);
    ensure!(missed.is_empty(), "bounds missed: {}", missed.join("; "));
    Ok(())
}

/// The daemon as tests have it: optimised or not, it sounds the same.
fn build_daemon() -> Result<PathBuf> {
    shell::run(&mut shell::cargo(["build", "--package", shell::DAEMON]))?;
    Ok(shell::target_directory()?.join("debug").join(shell::DAEMON))
}

/// Runs a command that shows on standard error how far it is.
fn read(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(
        output.status.success(),
        "{}: {}",
        command.get_program().to_string_lossy(),
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}
