//! The bridge between callers and voice bots: shown with one call, and measured beside a bridge in Python.

mod table;

use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use benches::host;
use clap::Args;
use serde_json::Value;

use crate::{packages, python, readme, shell};
use table::{Column, markdown, missed};

const PACKAGE: &str = "daemon-audiosocket";
/// What calls, and answers.
const SIMULATOR: &str = "simulate";
const PYTHON_BRIDGE: &str = "benches/python/bridge.py";

/// Options of `cargo xtask demo-bot`.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Seconds of the call, a turn being four
    #[arg(long, default_value_t = 16)]
    seconds: u64,
}

/// Options of `cargo xtask compare-bot`.
#[derive(Args)]
pub(crate) struct CompareArgs {
    /// Calls through ours, and through the bridge in Python, which also carries a tenth of them
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// Seconds measured, once for delays and once for interruptions
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Times that ours is measured; the median counts
    #[arg(long, default_value_t = 3)]
    reps: usize,
    /// Take what tests are built of, not a release build: there at once, and several times slower
    #[arg(long)]
    dev: bool,
    /// Put the table into README.md
    #[arg(long)]
    readme: bool,
    /// Fail if a target is missed
    #[arg(long)]
    check: bool,
}

/// One call through the daemon, live.
pub(crate) fn demo(args: &DemoArgs) -> Result<()> {
    let programs = build(false)?;
    let ports = Ports::free()?;
    let mut bridge = ours(&programs, &ports, &[])?;
    let wav = shell::target_directory()?.join("demo-bot.wav");
    let mut simulator = Command::new(&programs.simulator);
    simulator
        .arg("demo")
        .args(ports.of_simulator())
        .arg(format!("--seconds={}", args.seconds))
        .arg("--wav")
        .arg(&wav);
    shell::run(&mut simulator)?;
    bridge.end()?;
    println!("the same in the daemon's own figures: GET /metrics on port 2112 while it runs");
    Ok(())
}

/// As CI runs it: few calls, one time, no build of its own, and no targets, which are for a quiet machine.
pub(crate) fn compare_short() -> Result<()> {
    compare(&CompareArgs {
        calls: 30,
        seconds: 3,
        reps: 1,
        dev: true,
        readme: false,
        check: false,
    })
}

/// Measures both, prints, and fails if that is wanted and a target is missed.
pub(crate) fn compare(args: &CompareArgs) -> Result<()> {
    packages::install()?;
    let interpreter = python::install_pipecat()?;
    let programs = build(args.dev)?;
    let cpus = host::allowed_cpus()?;
    let cpus = cpus
        .first_chunk::<2>()
        .context("two cores are needed: one for the bridge, one for callers and bots")?;
    host::raise_open_files()?;
    let _ = host::isolate_network();

    let mut columns = Vec::new();
    let mut runs = Vec::new();
    for n in 1..=args.reps.max(1) {
        eprintln!("ours, {} calls, {n} of {}", args.calls, args.reps.max(1));
        let ports = Ports::free()?;
        let bridge = ours(&programs, &ports, &cpus[..1])?;
        runs.push(load(
            &programs,
            bridge,
            &ports,
            args.calls,
            args.seconds,
            cpus,
        )?);
    }
    columns.push(Column::new("ours".into(), runs));
    for calls in [(args.calls / 10).max(1), args.calls] {
        eprintln!("Python, {calls} calls");
        let ports = Ports::free()?;
        let bridge = in_python(&interpreter, &ports, &cpus[..1])?;
        let run = load(&programs, bridge, &ports, calls, args.seconds, cpus)?;
        columns.push(Column::new("Python".into(), vec![run]));
    }
    let about = format!(
        "One core for the bridge, one for callers and bots; ours: the median of {} run(s). {}.",
        args.reps.max(1),
        machine()
    );
    let text = format!("{}\n\n{about}", markdown(&columns));
    println!("{text}");
    if args.readme {
        readme::update("compare-bot", &text)?;
    }
    let ours = &columns[0];
    ensure!(ours.value("/lost") == Some(0.0), "calls were lost");
    let missed = missed(ours);
    ensure!(
        !args.check || missed.is_empty(),
        "targets missed: {}",
        missed.join("; ")
    );
    Ok(())
}

struct Programs {
    daemon: PathBuf,
    simulator: PathBuf,
}

fn build(dev: bool) -> Result<Programs> {
    let mut cargo = shell::cargo(["build", "--package", PACKAGE, "--bin", PACKAGE]);
    cargo.args(["--example", SIMULATOR]);
    if !dev {
        cargo.arg("--release");
    }
    shell::run(&mut cargo)?;
    let profile = if dev { "debug" } else { "release" };
    let built = shell::target_directory()?.join(profile);
    Ok(Programs {
        daemon: built.join(PACKAGE),
        simulator: built.join("examples").join(SIMULATOR),
    })
}

/// Where a bridge listens, and where it finds bots.
struct Ports {
    bridge: SocketAddr,
    bots: SocketAddr,
}

impl Ports {
    fn free() -> Result<Self> {
        // Both at once, lest they be the same.
        let listeners = [
            TcpListener::bind("127.0.0.1:0")?,
            TcpListener::bind("127.0.0.1:0")?,
        ];
        Ok(Self {
            bridge: listeners[0].local_addr()?,
            bots: listeners[1].local_addr()?,
        })
    }

    fn of_simulator(&self) -> [String; 2] {
        [
            format!("--bots={}", self.bots),
            format!("--bridge={}", self.bridge),
        ]
    }
}

/// A bridge that runs. Dropped, it is killed.
struct Bridge(Child);

impl Bridge {
    /// Starts it and waits until it takes calls.
    fn start(mut command: Command, ports: &Ports, cpus: &[usize]) -> Result<Self> {
        let child = spawn(&mut command, cpus)
            .with_context(|| format!("cannot run {:?}", command.get_program()))?;
        let mut bridge = Self(child);
        let give_up = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(ports.bridge).is_err() {
            ensure!(Instant::now() < give_up, "the bridge does not listen");
            ensure!(bridge.0.try_wait()?.is_none(), "the bridge has ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        host::prefer(bridge.0.id());
        Ok(bridge)
    }

    /// Ends it as a supervisor would.
    fn end(&mut self) -> Result<()> {
        let pid = self.0.id().to_string();
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &pid]);
        ensure!(kill.status()?.success(), "the bridge is gone");
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ours(programs: &Programs, ports: &Ports, cpus: &[usize]) -> Result<Bridge> {
    let mut daemon = Command::new(&programs.daemon);
    daemon
        .arg(format!("--listen-audiosocket={}", ports.bridge))
        .arg(format!("--bot-url=ws://{}/{{uuid}}", ports.bots))
        .args(["--listen-http=127.0.0.1:0", "--listen-metrics=127.0.0.1:0"])
        .args(["--log-level=4", "--max-calls=5000", "--drain-timeout=1"])
        .arg(format!("--threads={}", cpus.len()));
    Bridge::start(daemon, ports, cpus)
}

fn in_python(interpreter: &PathBuf, ports: &Ports, cpus: &[usize]) -> Result<Bridge> {
    let mut python = Command::new(interpreter);
    python
        .arg(shell::root().join(PYTHON_BRIDGE))
        .arg(ports.bridge.port().to_string())
        .arg(format!("ws://{}", ports.bots))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Bridge::start(python, ports, cpus)
}

/// Has the simulator make calls through the bridge; what it measured.
fn load(
    programs: &Programs,
    mut bridge: Bridge,
    ports: &Ports,
    calls: usize,
    seconds: u64,
    cpus: &[usize; 2],
) -> Result<Value> {
    let mut simulator = Command::new(&programs.simulator);
    simulator
        .arg("load")
        .args(ports.of_simulator())
        .arg(format!("--pid={}", bridge.0.id()))
        .arg(format!("--calls={calls}"))
        .arg(format!("--seconds={seconds}"))
        .stdout(Stdio::piped());
    let mut child = spawn(&mut simulator, &cpus[1..])?;
    host::prefer(child.id());
    let mut line = String::new();
    let stdout = child.stdout.take().context("no output")?;
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(child.wait()?.success(), "the simulator has failed");
    // Calls that hang in a bridge that is too slow make no difference to how it ends.
    bridge.0.kill()?;
    Ok(serde_json::from_str(&line)?)
}

/// Runs the command on these cores alone; on all, if there are none.
fn spawn(command: &mut Command, cpus: &[usize]) -> io::Result<Child> {
    if cpus.is_empty() {
        return command.spawn();
    }
    // Cores are inherited from the thread that starts a process.
    let all = host::allowed_cpus()?;
    host::pin(cpus)?;
    let child = command.spawn();
    host::pin(&all)?;
    child
}

fn machine() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or_default()
        .trim_start_matches([' ', '\t', ':']);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, Linux {}", kernel.trim())
}
