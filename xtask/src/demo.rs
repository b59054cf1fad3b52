//! The main job for a newcomer to see: the real daemon with real calls through it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use benches::daemon::{self, Daemon, DaemonConfig};
use benches::host;
use benches::load::{Live, Plan, Progress};
use benches::measure::{Bench, BenchConfig, LoadReport, Phases};
use benches::process::Sample;
use benches::secure::webrtc::{CallOptions, WebrtcCaller};
use clap::Args;

use crate::shell;

/// Part of the packets that may be lost on loopback before the demo calls itself a failure.
const LOSS_LIMIT: f64 = 0.001;

/// Calls of the WebRTC-like client, one after another.
const WEBRTC_CALLS: u32 = 3;

/// Options of `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Calls to place
    #[arg(long, default_value_t = 20)]
    calls: usize,
    /// Seconds of live figures
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Another daemon with the same command line, in place of ours
    #[arg(long, value_name = "PATH")]
    daemon: Option<PathBuf>,
}

/// Builds, runs, shows.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    let program = match &args.daemon {
        Some(program) => program.clone(),
        None => shell::build_daemon()?,
    };
    // A namespace of its own keeps firewalls out and ports free; without root, plain loopback does.
    let _ = host::isolate_network();
    host::raise_open_files()?;
    let daemon = Daemon::start(&DaemonConfig::new(&program))?;
    println!(
        "{} answers NG on {}",
        daemon::version(&program),
        daemon.ng()
    );
    println!(
        "placing {} calls, G.711 both ways, 50 packets/s each way",
        args.calls
    );
    let mut bench = Bench::new(BenchConfig::new(daemon.ng(), daemon.pid()))?;
    let phases = Phases {
        measured: Duration::from_secs(args.seconds),
        ..Phases::measuring(1)
    };
    let report = bench.load(args.calls, phases, |live, plan| {
        watch(live, plan, daemon.pid(), args.seconds);
    })?;
    conclude(&report)?;
    webrtc(&daemon)
}

/// Calls from a party that does what a browser does to a phone with plain RTP.
fn webrtc(daemon: &Daemon) -> Result<()> {
    println!(
        "placing {WEBRTC_CALLS} calls from a client with ICE and DTLS-SRTP to a phone with plain RTP"
    );
    println!("  after the last SDP:  ICE      DTLS     audio at the phone  audio at the client");
    let mut caller = WebrtcCaller::new(daemon.ng())?;
    for number in 1..=WEBRTC_CALLS {
        let times = caller
            .place(&CallOptions::BROWSER)
            .with_context(|| format!("no audio between WebRTC and RTP: {}", daemon.log_tail()))?;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "  call {number}               {:>5.1} ms {:>5.1} ms {:>16.1} ms {:>17.1} ms",
            ms(times.ice.unwrap_or_default()),
            ms(times.dtls),
            ms(times.phone_audio),
            ms(times.audio),
        );
    }
    println!("audio decrypted, checked byte for byte, both ways");
    Ok(())
}

/// Prints a line for each second of the measured phase.
fn watch(live: &Live, plan: &Plan, pid: u32, seconds: u64) {
    println!("  time  packets/s in  packets/s out  missing  jitter  CPU/packet  core");
    let mut before = (live.progress(), Sample::of(pid).ok());
    for second in 1..=seconds {
        // A little before the last second is over: the measured phase must not wait for us.
        let early = Duration::from_millis(if second == seconds { 20 } else { 0 });
        plan.wait_until(plan.steady.start + Duration::from_secs(second) - early);
        let now = (live.progress(), Sample::of(pid).ok());
        line(second, &before, &now);
        before = now;
    }
}

fn line(second: u64, before: &(Progress, Option<Sample>), now: &(Progress, Option<Sample>)) {
    let sent = now.0.sent - before.0.sent;
    let received = now.0.received - before.0.received;
    let (cpu_us, core) = match (&before.1, &now.1) {
        (Some(before), Some(now)) => {
            let usage = now.since(before);
            let each = usage.cpu().as_secs_f64() * 1e6 / received.max(1) as f64;
            (each, usage.cores() * 100.0)
        }
        // The daemon is gone: the numbers beside show it.
        _ => (f64::NAN, f64::NAN),
    };
    println!(
        "{second:>4} s  {sent:>12}  {received:>13}  {:>7}  {:>3} µs  {cpu_us:>7.1} µs  {core:>3.1} %",
        now.0.missing,
        now.0.jitter.as_micros(),
    );
}

fn conclude(report: &LoadReport) -> Result<()> {
    let tally = &report.tally;
    println!(
        "{} calls: {} of {} packets came ({:.3} % lost, {} reordered); {:.1} µs CPU per packet; \
         added latency p50 {} µs, p99 {} µs; {} kB per call",
        report.calls,
        tally.received(),
        tally.sent(),
        tally.loss() * 100.0,
        tally.reordered(),
        report.cpu_per_packet().as_secs_f64() * 1e6,
        report.latency(0.5).as_micros(),
        report.latency(0.99).as_micros(),
        report.rss_growth_bytes / 1024 / report.calls.max(1) as u64,
    );
    ensure!(tally.received() > 0, "no packet came through");
    ensure!(
        report.faults() == 0,
        "packets or calls went wrong: {} silent streams, {} misrouted, {} damaged, {} unauthentic, {} repeated, \
         {} of an unknown source, {} not RTP, {} with a wrong payload type; after the calls {:?}",
        tally.silent(),
        tally.misrouted,
        tally.damaged,
        tally.unauthentic,
        tally.duplicates(),
        tally.unknown_source,
        tally.malformed,
        tally.wrong_payload_type,
        report.leftovers,
    );
    ensure!(
        tally.loss() < LOSS_LIMIT,
        "{:.2} % of the packets were lost",
        tally.loss() * 100.0
    );
    println!("all calls ended, ports free again");
    Ok(())
}
