//! What is measured, each with a daemon of its own.

use std::time::Duration;

use anyhow::Result;
use benches::daemon::Daemon;
use benches::measure::{Bench, BenchConfig, CapacityEnd, CapacityLimits, LoadReport, Phases};

use super::Setting;
use super::table::{Better, Value};

/// Makes one experiment with a fresh daemon.
type Experiment = fn(&Daemon, &Setting) -> Result<Vec<Value>>;

/// In the order of the table.
pub(super) const EXPERIMENTS: [(&str, Experiment); 7] = [
    ("relay 100", |daemon, setting| {
        relay(daemon, setting, 100, Some(0.75))
    }),
    ("relay 500", |daemon, setting| {
        relay(daemon, setting, 500, Some(0.65))
    }),
    ("relay 1000", |daemon, setting| {
        relay(daemon, setting, 1000, Some(0.65))
    }),
    ("memory", memory),
    ("signalling", signalling),
    ("idle", idle),
    ("capacity", capacity),
];

/// Of `--calls`.
pub(super) const RELAY_AS_ASKED: (&str, Experiment) = ("relay", |daemon, setting| {
    relay(daemon, setting, setting.calls, None)
});

/// Calls of the memory experiment: few enough that both daemons relay without trouble.
const MEMORY_CALLS: usize = 500;
const IDLE_CALLS: usize = 2000;

fn bench(daemon: &Daemon, setting: &Setting) -> Result<Bench> {
    let mut config = BenchConfig::new(daemon.ng(), daemon.pid());
    config.cpus = vec![setting.generator_cpu];
    Ok(Bench::new(config)?)
}

fn load(daemon: &Daemon, setting: &Setting, calls: usize) -> Result<LoadReport> {
    let report =
        bench(daemon, setting)?.load(calls, Phases::measuring(setting.seconds), |_, _| ())?;
    if report.generator.limited() {
        eprintln!(
            "  the generator was its own limit: lag p99 {:?}, {:.2} cores, {} drops",
            report.generator.lag_p99, report.generator.cores, report.generator.drops
        );
    }
    Ok(report)
}

fn relay(
    daemon: &Daemon,
    setting: &Setting,
    calls: usize,
    target: Option<f64>,
) -> Result<Vec<Value>> {
    let report = load(daemon, setting, calls)?;
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let row = |name: &str| format!("{name}, {calls} calls");
    let mut values = vec![
        Value::new(
            row("CPU per relayed packet"),
            "µs",
            report.cpu_per_packet().as_secs_f64() * 1e6,
        ),
        Value::new(row("added latency p50"), "ms", ms(report.latency(0.5))),
        Value::new(row("added latency p99"), "ms", ms(report.latency(0.99))),
        Value::new(
            row("lost packets"),
            "",
            (report.tally.sent() - report.tally.received()) as f64,
        ),
        Value::new(
            row("reordered packets"),
            "",
            report.tally.reordered() as f64,
        ),
    ];
    if let Some(target) = target {
        values[0] = values[0].clone().target(Better::Lower, target);
    }
    if calls == 1000 {
        values[2] = values[2].clone().limit(2.0);
        values[3] = values[3].clone().limit(0.0);
        values[4] = values[4].clone().limit(0.0);
    }
    Ok(values)
}

fn memory(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let report = load(daemon, setting, MEMORY_CALLS)?;
    let kib = report.rss_growth_bytes as f64 / 1024.0 / MEMORY_CALLS as f64;
    let name = format!("memory per call with media, {MEMORY_CALLS} calls");
    Ok(vec![
        Value::new(name, "KiB", kib)
            .target(Better::Lower, 0.35)
            .limit(16.0),
    ])
}

fn signalling(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let done = bench(daemon, setting)?.signalling(Duration::from_secs(setting.seconds))?;
    let cpu = done.cpu_per_cycle().as_secs_f64() * 1e6;
    Ok(vec![
        Value::new(
            "offer + answer + delete per second".into(),
            "",
            done.cycles_per_second(),
        )
        .target(Better::Higher, 2.0),
        Value::new("CPU per offer + answer + delete".into(), "µs", cpu),
    ])
}

fn idle(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let idle = bench(daemon, setting)?.idle(IDLE_CALLS, Duration::from_secs(setting.seconds))?;
    let name = format!("idle CPU, {IDLE_CALLS} calls");
    Ok(vec![
        Value::new(name, "% of a core", idle.usage.cores() * 100.0).target(Better::Lower, 1.0),
    ])
}

fn capacity(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let limits = CapacityLimits::default();
    let found = bench(daemon, setting)?.capacity(
        &limits,
        Phases::measuring(setting.seconds),
        |run, good| {
            eprintln!(
                "  {} calls: {} ({:.2} cores, {:.4} % lost, p99 {:?})",
                run.calls,
                if good { "carried" } else { "not carried" },
                run.usage.cores(),
                run.tally.loss() * 100.0,
                run.latency(0.99)
            );
        },
    )?;
    let mut values = Vec::new();
    if found.end == CapacityEnd::Generator {
        eprintln!("  the generator ended the search: the daemon may carry more");
    }
    values.push(Value::new(
        match found.end {
            CapacityEnd::Daemon => "calls carried by one core",
            // Told apart, so that a limit of the generator never passes for one of the daemon.
            CapacityEnd::Generator | CapacityEnd::Most => {
                "calls carried by one core (generator's limit)"
            }
        }
        .into(),
        "",
        found.calls() as f64,
    ));
    values.push(
        Value::new(
            "calls per core, derived from CPU at the largest load".into(),
            "",
            found.derived_calls() as f64,
        )
        .target(Better::Higher, 1.7),
    );
    Ok(values)
}
