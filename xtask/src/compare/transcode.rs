//! What transcoding costs, how long it takes, and how many calls of it a core carries.

use std::time::Duration;

use anyhow::{Context, Result};
use benches::daemon::{Daemon, DaemonConfig};
use benches::load::Media;
use benches::measure::{Bench, BenchConfig, CapacityLimits, LoadReport, Phases};

use super::Setting;
use super::experiments::{Experiment, carried, warn};
use super::table::{Better, Value};

/// In the order of the table.
pub(super) const EXPERIMENTS: [(&str, Experiment); 8] = [
    ("transcode pcma", |daemon, setting| {
        load(daemon, setting, &PCMA)
    }),
    ("transcode g722", |daemon, setting| {
        load(daemon, setting, &G722)
    }),
    ("transcode opus", |daemon, setting| {
        load(daemon, setting, &OPUS)
    }),
    ("transcode burst", burst),
    ("transcode capacity pcma", |daemon, setting| {
        capacity(daemon, setting, &PCMA)
    }),
    ("transcode capacity g722", |daemon, setting| {
        capacity(daemon, setting, &G722)
    }),
    ("transcode capacity opus", |daemon, setting| {
        capacity(daemon, setting, &OPUS)
    }),
    ("transcode cores", cores),
];

/// Packets that a call of the burst experiment begins with: what a switch has kept while it set the call up.
const BURST: u64 = 10;
const BURST_CALLS: usize = 10;
/// Most memory of a call, KiB: what a relayed one may take, and both states of libopus.
const MEMORY_KIB: f64 = 128.0;
/// Ports of a second daemon, above those of the first and below the generator's.
const MORE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=49_999;

/// A codec that side A has, while side B has PCMU.
struct Pair {
    name: &'static str,
    media: Media,
    calls: usize,
    /// Of CPU per packet, ours over theirs.
    most: f64,
    /// Of calls per core.
    least: f64,
    /// Added audio delay of ours, ms: one frame where the codec has a state, its look-ahead, and 4 ms.
    delay_ms: f64,
}

const PCMA: Pair = Pair {
    name: "PCMA",
    media: Media::PCMA,
    calls: 300,
    most: 0.25,
    least: 3.0,
    delay_ms: 3.0,
};
const G722: Pair = Pair {
    name: "G.722",
    media: Media::G722,
    calls: 100,
    most: 0.40,
    least: 2.2,
    delay_ms: 20.0 + 4.0,
};
const OPUS: Pair = Pair {
    name: "Opus",
    media: Media::OPUS,
    calls: 40,
    most: 0.35,
    least: 2.5,
    delay_ms: 20.0 + 6.5 + 4.0,
};

impl Pair {
    fn row(&self, what: &str) -> String {
        format!("{} and PCMU{what}", self.name)
    }

    fn config(&self, daemon: &Daemon) -> BenchConfig {
        let mut config = BenchConfig::new(daemon.ng(), daemon.pid());
        config.media = self.media.clone();
        config.far = Some(Media::PCMU);
        config
    }

    fn bench(&self, daemon: &Daemon, setting: &Setting) -> Result<Bench> {
        let mut config = self.config(daemon);
        config.cpus = vec![setting.generator_cpu];
        Ok(Bench::new(config)?)
    }
}

fn load(daemon: &Daemon, setting: &Setting, pair: &Pair) -> Result<Vec<Value>> {
    let mut bench = pair.bench(daemon, setting)?;
    let report = bench.load(pair.calls, Phases::measuring(setting.seconds), |_, _| ())?;
    warn(&report);
    let row = |what: &str| pair.row(&format!(", {} calls: {what}", pair.calls));
    let lost = report.tally.sent() - report.tally.received();
    let kib = report.rss_growth_bytes as f64 / 1024.0 / pair.calls as f64;
    Ok(vec![
        Value::new(row("CPU per packet"), "µs", cpu_us(&report)).target(Better::Lower, pair.most),
        Value::new(row("added audio delay p50"), "ms", delay_ms(&report, 0.5)?),
        Value::new(row("added audio delay p99"), "ms", delay_ms(&report, 0.99)?)
            .limit(pair.delay_ms),
        Value::new(row("lost packets"), "", lost as f64).limit(0.0),
        Value::new(row("memory per call"), "KiB", kib).limit(MEMORY_KIB),
    ])
}

/// Whether packets that come too early when a call starts are late ever after.
fn burst(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    for pair in [&PCMA, &G722, &OPUS] {
        let mut config = pair.config(daemon);
        config.cpus = vec![setting.generator_cpu];
        config.burst = BURST;
        let phases = Phases::measuring(setting.seconds.min(4));
        let report = Bench::new(config)?.load(BURST_CALLS, phases, |_, _| ())?;
        warn(&report);
        let row = pair.row(&format!(
            ", {BURST} packets at once when a call starts: added audio delay p50 from then on"
        ));
        values.push(Value::new(row, "ms", delay_ms(&report, 0.5)?).limit(pair.delay_ms));
    }
    Ok(values)
}

fn capacity(daemon: &Daemon, setting: &Setting, pair: &Pair) -> Result<Vec<Value>> {
    let limits = CapacityLimits {
        first: pair.calls,
        // Theirs sends each packet a frame after it came.
        latency_p99: Duration::from_millis(60),
        ..CapacityLimits::default()
    };
    let bench = pair.bench(daemon, setting)?;
    carried(bench, setting, &limits, &pair.row(": "), pair.least)
}

/// What a packet costs when the daemon has all cores, over what it costs on one. The generator naps, as it shares
/// them, in both runs.
fn cores(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let config = DaemonConfig {
        cpus: setting.cpus.clone(),
        ports: MORE_PORTS,
        ..setting.daemon.clone()
    };
    let wide = Daemon::start(&config)?;
    let cores = setting.cpus.len();
    let mut values = Vec::new();
    for pair in [&PCMA, &G722, &OPUS] {
        let run = |daemon: &Daemon, cpus: Vec<usize>, calls: usize| -> Result<LoadReport> {
            let mut config = pair.config(daemon);
            config.cpus = cpus;
            config.shared = true;
            let phases = Phases::measuring(setting.seconds);
            let report = Bench::new(config)?.load(calls, phases, |_, _| ())?;
            warn(&report);
            Ok(report)
        };
        let one = run(daemon, vec![setting.generator_cpu], pair.calls)?;
        let all = run(&wide, setting.cpus.clone(), pair.calls * cores)?;
        eprintln!(
            "  {}: {:.2} µs per packet on one core, {:.2} on {cores}",
            pair.name,
            cpu_us(&one),
            cpu_us(&all)
        );
        let row = pair.row(": CPU per packet with all cores, over that with one");
        values.push(Value::new(row, "", cpu_us(&all) / cpu_us(&one)).limit(1.15));
    }
    Ok(values)
}

fn cpu_us(report: &LoadReport) -> f64 {
    report.cpu_per_packet().as_secs_f64() * 1e6
}

fn delay_ms(report: &LoadReport, quantile: f64) -> Result<f64> {
    let delay: Option<Duration> = report.tally.audio_delay(quantile);
    let delay = delay.context("no stream's sound could be compared")?;
    Ok(delay.as_secs_f64() * 1e3)
}
