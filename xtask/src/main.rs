//! The project's own commands. `cargo xtask --help` lists them; two are enough to begin with:
//!
//! ```text
//! cargo xtask demo    # build the daemon, place calls through it, watch them
//! cargo xtask test    # install what is missing, run every test
//! ```

mod bot;
mod ci;
mod compare;
mod demo;
mod deny;
mod fuzz;
mod instructions;
mod npm;
mod packages;
mod python;
mod quality;
mod readme;
mod shell;
mod suite;

use clap::{Parser, Subcommand};

/// Project commands: show it, test it, measure it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the daemon, show ten seconds of 20 calls with audio, then calls from WebRTC to plain RTP
    Demo(demo::DemoArgs),
    /// Build the voice-bot bridge, call a bot through it and interrupt it, live; writes what was heard as WAV
    DemoBot(bot::DemoArgs),
    /// Install missing Debian (as root), npm and Python packages and run every test
    Test,
    /// Run everything a change must pass: format, lints, docs, licences, fuzz build, every test
    Ci,
    /// Check licences and duplicate versions of all dependencies
    Deny,
    /// Run our daemon and rtpengine in turns under the same load and print the ratios
    Compare(compare::CompareArgs),
    /// Load the voice-bot bridge with calls, and one in Python as well, and print the figures of both
    CompareBot(bot::CompareArgs),
    /// Judge by PESQ what our daemon and rtpengine make of speech, and fail if ours is not as good
    Quality(quality::QualityArgs),
    /// Run the micro-benchmarks
    Bench {
        /// Only those whose name contains this
        filter: Option<String>,
        /// Count the instructions of codecs, resampler and transcoder instead (needs valgrind)
        #[arg(long)]
        instructions: bool,
    },
    /// Fuzz one target for a while
    Fuzz(fuzz::FuzzArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Task::Demo(args) => demo::run(&args),
        Task::DemoBot(args) => bot::demo(&args),
        Task::CompareBot(args) => bot::compare(&args),
        Task::Test => suite::run(),
        Task::Ci => ci::run(),
        Task::Deny => deny::run(),
        Task::Compare(args) => compare::run(&args),
        Task::Quality(args) => quality::run(&args),
        Task::Bench {
            filter,
            instructions: true,
        } => instructions::run(filter.as_deref()),
        Task::Bench { filter, .. } => {
            let mut cargo = shell::cargo(["bench", "--package", "voxplane-benches", "--"]);
            shell::run(cargo.args(filter))
        }
        Task::Fuzz(args) => fuzz::run(&args),
    }
}
