//! Many calls, measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::link::{Link, Measured};
use super::{bot, caller};

/// Options of `load`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where bots are served
    #[arg(long)]
    bots: SocketAddr,
    /// The bridge's AudioSocket
    #[arg(long)]
    bridge: SocketAddr,
    /// The bridge's process
    #[arg(long)]
    pid: u32,
    /// Calls at a time
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// Seconds in which delays and clock are measured; as many again for interruptions
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Calls, measures, prints.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.bots).await?;
    let measured = Arc::new(Measured::default());
    let link = |number| Arc::new(Link::new(number, Arc::clone(&measured)));
    let links: Arc<Vec<_>> = Arc::new((0..options.calls).map(link).collect());
    tokio::spawn(bot::serve(listener, Arc::clone(&links)));

    let before = memory(options.pid)?;
    for link in links.iter() {
        tokio::spawn(caller::call(options.bridge, Arc::clone(link)));
        // 140 calls a second, and no two in step: a prime number of microseconds.
        sleep(Duration::from_micros(7103)).await;
    }
    sleep(Duration::from_secs(3)).await;

    let window = Duration::from_secs(options.seconds);
    measured.on.store(true, Ordering::Relaxed);
    let usage = || anyhow::Ok([cpu(options.pid)?, cpu(std::process::id())?]);
    let (before_window, begin) = (usage()?, Instant::now());
    sleep(window).await;
    let used = usage()?;
    let [cores, own_cores] = [0, 1].map(|n| {
        let used = used[n].saturating_sub(before_window[n]);
        used.as_secs_f64() / begin.elapsed().as_secs_f64()
    });
    measured.on.store(false, Ordering::Relaxed);
    let grown = memory(options.pid)?.saturating_sub(before);

    for link in links.iter() {
        link.barge_in.store(true, Ordering::Relaxed);
    }
    sleep(window).await;

    let per_call = |total: f64| total / options.calls.max(1) as f64;
    let report = json!({
        "calls": options.calls,
        "lost": measured.lost.load(Ordering::Relaxed),
        "cores": cores,
        "core_percent_per_call": per_call(cores * 100.0),
        "kib_per_call": per_call(grown as f64),
        "frames_per_call_and_second":
            per_call(measured.frames.load(Ordering::Relaxed) as f64) / window.as_secs_f64(),
        "first_frame_ms": measured.first_frame.summary(),
        "clock_error_ms": measured.clock_error.summary(),
        "uplink_ms": measured.uplink.summary(),
        "downlink_ms": measured.downlink.summary(),
        "barge_in_ms": measured.barge_in.summary(),
        "own_cores": own_cores,
    });
    println!("{report}");
    Ok(())
}

/// Resident memory, KiB.
fn memory(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or_else(|| anyhow::anyhow!("no VmRSS"))?.parse()?)
}

/// CPU time used, from clock ticks of 10 ms.
fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|n| n.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 10))
}
