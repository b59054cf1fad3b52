//! Ours and rtpengine under the same load, in turns, in one run: ratios, because machines differ and this
//! one is noisy.

mod experiments;
mod table;
mod transcode;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use benches::daemon::{self, Daemon, DaemonConfig};
use benches::host;
use clap::Args;

use crate::{packages, readme, shell};
use experiments::{EXPERIMENTS, RELAY_AS_ASKED};
use table::Table;

/// Options of `cargo xtask compare`.
#[derive(Args)]
pub(crate) struct CompareArgs {
    /// Times that each experiment is made with each daemon
    #[arg(long, default_value_t = 3, value_name = "N")]
    reps: usize,
    /// Seconds measured in each experiment
    #[arg(long, default_value_t = 5, value_name = "N")]
    seconds: u64,
    /// One repetition, two seconds, no search for the capacity
    #[arg(long)]
    quick: bool,
    /// Only experiments whose name contains this: relay, memory, idle, signalling, capacity, srtp,
    /// dtls, handshakes, webrtc, transcode
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Only the relay of this many calls
    #[arg(long, value_name = "N", conflicts_with = "only")]
    calls: Option<usize>,
    /// A daemon in place of ours
    #[arg(long, value_name = "PATH")]
    daemon: Option<PathBuf>,
    /// The daemon to compare with
    #[arg(long, value_name = "PATH", default_value = "rtpengine")]
    against: PathBuf,
    /// More options for our daemon, e.g. --ours=--io=epoll
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    ours: Vec<String>,
    /// Put the table into README.md
    #[arg(long)]
    readme: bool,
    /// Fail if a ratio misses its target
    #[arg(long)]
    check: bool,
}

/// What an experiment is told.
pub(crate) struct Setting {
    seconds: u64,
    generator_cpu: usize,
    /// Of the relay experiment that `--calls` asks for.
    calls: usize,
    /// All that there are.
    cpus: Vec<usize>,
    /// How the daemon was started.
    daemon: DaemonConfig,
}

/// One of the two daemons.
struct Contender {
    config: DaemonConfig,
    version: String,
}

/// Measures and prints.
pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    packages::install()?;
    let ours = match &args.daemon {
        Some(program) => program.clone(),
        None => shell::build_daemon()?,
    };
    let cpus = host::allowed_cpus()?;
    let (Some(&daemon_cpu), Some(&generator_cpu)) = (cpus.first(), cpus.get(1)) else {
        anyhow::bail!("two cores are needed: one for the daemon, one for the generator");
    };
    host::raise_open_files()?;
    if let Err(error) = host::isolate_network() {
        eprintln!(
            "no network namespace of our own ({error}): firewall rules may weigh on the figures"
        );
    }
    let contender = |program: &PathBuf, extra: &[String]| {
        let mut config = DaemonConfig::new(program);
        config.cpus = vec![daemon_cpu];
        config.extra = extra.to_vec();
        Contender {
            config,
            version: daemon::version(program),
        }
    };
    let contenders = [contender(&ours, &args.ours), contender(&args.against, &[])];
    let setting = |contender: &Contender| Setting {
        seconds: if args.quick { 2 } else { args.seconds },
        generator_cpu,
        calls: args.calls.unwrap_or(0),
        cpus: cpus.clone(),
        daemon: contender.config.clone(),
    };
    let reps = if args.quick { 1 } else { args.reps.max(1) };

    let mut table = Table::default();
    let wanted = |name: &str| match &args.only {
        Some(only) => name.contains(only.as_str()),
        None => !(args.quick && name.contains("capacity")),
    };
    let chosen: Vec<_> = match args.calls {
        Some(_) => vec![RELAY_AS_ASKED],
        None => EXPERIMENTS
            .into_iter()
            .chain(transcode::EXPERIMENTS)
            .filter(|(name, _)| wanted(name))
            .collect(),
    };
    for (name, experiment) in chosen {
        // The search is long and looks at many loads itself.
        let reps = if name.contains("capacity") { 1 } else { reps };
        for rep in 1..=reps {
            for (side, contender) in contenders.iter().enumerate() {
                eprintln!("{name} {rep}/{reps}: {}", contender.version);
                let daemon = Daemon::start(&contender.config)?;
                let _preferred = host::Preference::begin();
                let values = experiment(&daemon, &setting(contender)).with_context(|| {
                    format!("{name} with {}: {}", contender.version, daemon.log_tail())
                })?;
                for value in values {
                    table.add(side, value);
                }
                drop(daemon);
                // Ports of a daemon that has just ended stay taken for a moment.
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    }
    ensure!(
        !table.is_empty(),
        "no experiment is called {:?}",
        args.only.as_deref().unwrap_or("")
    );
    let about = about(&contenders)?;
    println!("{about}\n\n{}", table.text());
    if args.readme {
        readme::update("compare", &format!("{}\n\n{about}", table.markdown()))?;
    }
    let missed = table.missed();
    if args.check {
        ensure!(missed.is_empty(), "targets missed: {}", missed.join("; "));
    }
    Ok(())
}

/// Where and what was measured.
fn about(contenders: &[Contender; 2]) -> Result<String> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(": "));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut git = std::process::Command::new("git");
    git.args(["describe", "--always", "--dirty"])
        .current_dir(shell::root());
    let commit = shell::read(&mut git).unwrap_or_default();
    Ok(format!(
        "{} at {} against {}; {} × {}, Linux {}; daemon on one core, generator on another.",
        contenders[0].version,
        commit.trim(),
        contenders[1].version,
        host::allowed_cpus()?.len(),
        model.map_or("unknown CPU", |(_, name)| name.trim()),
        kernel.trim(),
    ))
}
