//! A strict caller, a bot, and the daemon between them, on loopback.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "test support: each file uses a part of it, and fails by panic"
)]

pub mod bot;
pub mod caller;
pub mod pipecat;

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use daemon_audiosocket::Daemon;
use daemon_audiosocket::audiosocket::CallId;
use daemon_audiosocket::config::{Config, Outcome};
use tokio::runtime::Runtime;

/// Nothing in a test takes this long, however busy the machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The daemon with these options besides ports of its own.
pub fn start(options: &[&str]) -> Daemon {
    let fixed = [
        "daemon-audiosocket",
        "--listen-audiosocket=127.0.0.1:0",
        "--listen-http=127.0.0.1:0",
        "--listen-metrics=127.0.0.1:0",
        "--threads=2",
    ];
    let args = fixed.iter().chain(options).map(OsString::from);
    match Config::from_args(args).unwrap() {
        Outcome::Run(config) => Daemon::start(&config).unwrap(),
        Outcome::Print(text) => panic!("{text}"),
    }
}

pub fn caller_address(daemon: &Daemon) -> SocketAddr {
    daemon.addresses().audiosocket[0]
}

/// Runs the test's own side.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    run_for(PATIENCE, test)
}

/// The same, with another patience.
pub fn run_for<T>(patience: Duration, test: impl Future<Output = T>) -> T {
    let runtime = Runtime::new().unwrap();
    let out = runtime.block_on(async { tokio::time::timeout(patience, test).await });
    out.expect("the test takes too long")
}

/// Where bots are dialled, and the option that says so.
pub fn run_bots() -> (bot::Bots, String) {
    // On a runtime that lives as long as the test: the listener belongs to it.
    let runtime = Box::leak(Box::new(Runtime::new().unwrap()));
    let bots = runtime.block_on(bot::Bots::start());
    let option = bots.option();
    (bots, option)
}

pub fn id(n: u8) -> CallId {
    CallId::new([n; 16])
}

/// Samples of a sine.
pub fn sine(hz: f64, rate: u32, samples: std::ops::Range<usize>) -> Vec<i16> {
    let at = |n: usize| (n as f64 * hz / f64::from(rate) * std::f64::consts::TAU).sin();
    samples.map(|n| (at(n) * 10_000.0) as i16).collect()
}

/// The part of the energy that is at `hz`, 0 to 1.
pub fn purity(samples: &[i16], hz: f64, rate: u32) -> f64 {
    let step = hz / f64::from(rate) * std::f64::consts::TAU;
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), n as f64 * step);
        re += sample * angle.cos();
        im += sample * angle.sin();
        energy += sample * sample;
    }
    if energy == 0.0 {
        return 0.0;
    }
    2.0 * (re * re + im * im) / (energy * samples.len() as f64)
}

pub fn is_loud(samples: &[i16]) -> bool {
    samples.iter().any(|s| s.unsigned_abs() > 1000)
}

/// An HTTP request; the answer's status and body.
pub fn http(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer[9..12].parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

/// A number of the metrics page.
pub fn metric(daemon: &Daemon, line: &str) -> u64 {
    let (_, page) = http(daemon.addresses().metrics[0], "GET", "/metrics");
    let found = page.lines().find_map(|l| l.strip_prefix(line));
    found
        .unwrap_or_else(|| panic!("no {line}"))
        .trim()
        .parse()
        .unwrap()
}

/// How much a histogram holds, and the bound, in seconds, that this share of it is within.
pub fn histogram(daemon: &Daemon, name: &str, share: f64) -> (u64, f64) {
    let (_, page) = http(daemon.addresses().metrics[0], "GET", "/metrics");
    let prefix = format!("voxplane_audiosocket_{name}_bucket{{le=\"");
    let buckets = page.lines().filter_map(|line| {
        let (bound, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
        Some((bound.parse().unwrap(), count.parse().unwrap()))
    });
    let buckets: Vec<(f64, u64)> = buckets.collect();
    let total = buckets.last().unwrap_or_else(|| panic!("no {name}")).1;
    let within = |(_, count): &&(f64, u64)| *count as f64 >= total as f64 * share;
    (total, buckets.iter().find(within).unwrap().0)
}

/// Waits until calls have ended for this reason this often.
pub fn wait_for_ends(daemon: &Daemon, kind: &str, reason: &str, count: u64) {
    let line = format!("voxplane_audiosocket_{kind}_total{{reason=\"{reason}\"}}");
    let give_up = std::time::Instant::now() + PATIENCE;
    while metric(daemon, &line) != count {
        assert!(std::time::Instant::now() < give_up, "{line} is not {count}");
        std::thread::yield_now();
    }
}
