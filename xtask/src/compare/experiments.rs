//! What is measured, each with a daemon of its own.

use std::time::Duration;

use anyhow::Result;
use benches::CryptoSuite;
use benches::daemon::Daemon;
use benches::measure::{Bench, BenchConfig, CapacityEnd, CapacityLimits, LoadReport, Phases};

use super::Setting;
use super::table::{Better, Value};

/// Makes one experiment with a fresh daemon.
pub(super) type Experiment = fn(&Daemon, &Setting) -> Result<Vec<Value>>;

/// In the order of the table.
pub(super) const EXPERIMENTS: [(&str, Experiment); 12] = [
    ("relay 100", |daemon, setting| {
        relay(daemon, setting, &Load::plain(100), Some(0.75))
    }),
    ("relay 500", |daemon, setting| {
        relay(daemon, setting, &Load::plain(500), Some(0.65))
    }),
    ("relay 1000", |daemon, setting| {
        relay(daemon, setting, &Load::plain(1000), Some(0.65))
    }),
    ("memory", memory),
    ("signalling", signalling),
    ("idle", idle),
    ("capacity", |daemon, setting| {
        capacity(daemon, setting, &Load::plain(0), 1.7)
    }),
    ("srtp 500", |daemon, setting| {
        relay(daemon, setting, &Load::srtp(500), Some(0.60))
    }),
    ("srtp capacity", |daemon, setting| {
        capacity(daemon, setting, &Load::srtp(0), 1.8)
    }),
    ("dtls setup", dtls_setup),
    ("dtls handshakes beside a relay", handshakes),
    ("webrtc first audio", first_audio),
];

/// Of `--calls`.
pub(super) const RELAY_AS_ASKED: (&str, Experiment) = ("relay", |daemon, setting| {
    relay(daemon, setting, &Load::plain(setting.calls), None)
});

/// Calls of the memory experiment: few enough that both daemons relay without trouble.
const MEMORY_CALLS: usize = 500;
const IDLE_CALLS: usize = 2000;
/// Plain calls that are relayed while others shake hands.
const DISTURBED_CALLS: usize = 300;
const HANDSHAKES_PER_SECOND: u32 = 200;
/// Calls of the first audio experiment.
const WEBRTC_CALLS: u32 = 50;

/// What calls carry, and how many there are.
struct Load {
    calls: usize,
    /// Of side A.
    srtp: Option<CryptoSuite>,
    /// Distinguishes the rows.
    name: &'static str,
}

impl Load {
    /// RTP on both sides.
    const fn plain(calls: usize) -> Self {
        Self {
            calls,
            srtp: None,
            name: "",
        }
    }

    /// SRTP with keys in SDP on side A, the suite that everybody has; RTP on side B.
    const fn srtp(calls: usize) -> Self {
        Self {
            calls,
            srtp: Some(CryptoSuite::AesCm128HmacSha1_80),
            name: "SRTP to RTP: ",
        }
    }
}

fn bench(daemon: &Daemon, setting: &Setting, srtp: Option<CryptoSuite>) -> Result<Bench> {
    let mut config = BenchConfig::new(daemon.ng(), daemon.pid());
    config.srtp = srtp;
    config.cpus = vec![setting.generator_cpu];
    Ok(Bench::new(config)?)
}

fn load(daemon: &Daemon, setting: &Setting, load: &Load) -> Result<LoadReport> {
    let mut bench = bench(daemon, setting, load.srtp)?;
    let report = bench.load(load.calls, Phases::measuring(setting.seconds), |_, _| ())?;
    warn(&report);
    Ok(report)
}

/// Says what a run's figures do not.
pub(super) fn warn(report: &LoadReport) {
    if report.generator.limited() {
        eprintln!(
            "  the generator was its own limit: lag p99 {:?}, {:.2} cores, {} drops",
            report.generator.lag_p99, report.generator.cores, report.generator.drops
        );
    }
    if report.faults() > 0 {
        eprintln!(
            "  {} faults: {} unauthentic, {} damaged, {} discontinuous, {} silent streams, {} of another content, {:?}",
            report.faults(),
            report.tally.unauthentic,
            report.tally.damaged,
            report.tally.discontinuous,
            report.tally.silent(),
            report.tally.unfaithful,
            report.leftovers
        );
    }
}

fn relay(
    daemon: &Daemon,
    setting: &Setting,
    with: &Load,
    target: Option<f64>,
) -> Result<Vec<Value>> {
    let report = load(daemon, setting, with)?;
    let calls = with.calls;
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let row = |name: &str| format!("{}{name}, {calls} calls", with.name);
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
    if with.srtp.is_some() {
        values[3] = values[3].clone().limit(0.0);
    }
    if calls == 1000 {
        values[2] = values[2].clone().limit(2.0);
        values[3] = values[3].clone().limit(0.0);
        values[4] = values[4].clone().limit(0.0);
    }
    Ok(values)
}

fn memory(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let report = load(daemon, setting, &Load::plain(MEMORY_CALLS))?;
    let kib = report.rss_growth_bytes as f64 / 1024.0 / MEMORY_CALLS as f64;
    let name = format!("memory per call with media, {MEMORY_CALLS} calls");
    Ok(vec![
        Value::new(name, "KiB", kib)
            .target(Better::Lower, 0.35)
            .limit(16.0),
    ])
}

fn signalling(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let done = bench(daemon, setting, None)?.signalling(Duration::from_secs(setting.seconds))?;
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
    let idle =
        bench(daemon, setting, None)?.idle(IDLE_CALLS, Duration::from_secs(setting.seconds))?;
    let name = format!("idle CPU, {IDLE_CALLS} calls");
    Ok(vec![
        Value::new(name, "% of a core", idle.usage.cores() * 100.0).target(Better::Lower, 1.0),
    ])
}

fn capacity(daemon: &Daemon, setting: &Setting, with: &Load, target: f64) -> Result<Vec<Value>> {
    let bench = bench(daemon, setting, with.srtp)?;
    carried(
        bench,
        setting,
        &CapacityLimits::default(),
        with.name,
        target,
    )
}

/// The most calls that are carried, in rows that begin with `name`.
pub(super) fn carried(
    mut bench: Bench,
    setting: &Setting,
    limits: &CapacityLimits,
    name: &str,
    target: f64,
) -> Result<Vec<Value>> {
    let found = bench.capacity(limits, Phases::measuring(setting.seconds), |run, good| {
        eprintln!(
            "  {} calls: {} ({:.2} cores, {:.4} % lost, p99 {:?})",
            run.calls,
            if good { "carried" } else { "not carried" },
            run.usage.cores(),
            run.tally.loss() * 100.0,
            run.latency(0.99)
        );
    })?;
    let mut values = Vec::new();
    if found.end == CapacityEnd::Generator {
        eprintln!("  the generator ended the search: the daemon may carry more");
    }
    let row = |what: &str| format!("{name}{what}");
    values.push(Value::new(
        row(match found.end {
            CapacityEnd::Daemon => "calls carried by one core",
            // Told apart, so that a limit of the generator never passes for one of the daemon.
            CapacityEnd::Generator | CapacityEnd::Most => {
                "calls carried by one core (generator's limit)"
            }
        }),
        "",
        found.calls() as f64,
    ));
    values.push(
        Value::new(
            row("calls per core, derived from CPU at the largest load"),
            "",
            found.derived_calls() as f64,
        )
        .target(Better::Higher, target),
    );
    Ok(values)
}

fn dtls_setup(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let span = Duration::from_secs(setting.seconds);
    let done = bench(daemon, setting, None)?.dtls_setups(span)?;
    if done.limited() {
        eprintln!(
            "  the generator was its own limit: {:.2} cores; the daemon's {:.2}",
            done.generator_cores,
            done.usage.cores()
        );
    }
    let ms = |q| done.setups.handshake_us.value_at_quantile(q) as f64 / 1e3;
    Ok(vec![
        Value::new(
            "DTLS calls set up and ended per second".into(),
            "",
            done.per_second(),
        )
        .target(Better::Higher, 2.0),
        Value::new(
            "CPU per DTLS call set up and ended".into(),
            "µs",
            done.cpu_per_call().as_secs_f64() * 1e6,
        ),
        Value::new("DTLS handshake p50, 16 at a time".into(), "ms", ms(0.5)),
        Value::new("DTLS handshake p95, 16 at a time".into(), "ms", ms(0.95)),
    ])
}

/// What handshakes on the daemon's one core do to the media of other calls. The generator is the same in
/// both runs: it naps, as it shares its core with the peer of the handshakes.
fn handshakes(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let mut config = BenchConfig::new(daemon.ng(), daemon.pid());
    config.cpus = vec![setting.generator_cpu];
    config.shared = true;
    let mut bench = Bench::new(config)?;
    let phases = Phases::measuring(setting.seconds);
    let quiet = bench.load(DISTURBED_CALLS, phases, |_, _| ())?;
    warn(&quiet);
    let (busy, setups) =
        bench.load_during_setups(DISTURBED_CALLS, phases, HANDSHAKES_PER_SECOND)?;
    warn(&busy);
    eprintln!(
        "  p50, p99, p99.9, most: {:.1?} alone, {:.1?} with {:.0} handshakes per second; lag p99 {:.1?}, {:.1?}",
        [0.5, 0.99, 0.999, 1.0].map(|q| quiet.latency(q)),
        [0.5, 0.99, 0.999, 1.0].map(|q| busy.latency(q)),
        setups.per_second(),
        quiet.generator.lag_p99,
        busy.generator.lag_p99,
    );
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let lost = |run: &LoadReport| (run.tally.sent() - run.tally.received()) as f64;
    let beside = |name: &str| {
        format!("{DISTURBED_CALLS} calls, {HANDSHAKES_PER_SECOND} DTLS calls/s: {name}")
    };
    Ok(vec![
        Value::new(
            format!("{DISTURBED_CALLS} calls alone: added latency p99"),
            "ms",
            ms(quiet.latency(0.99)),
        ),
        Value::new(beside("added latency p99"), "ms", ms(busy.latency(0.99))).limit(5.0),
        Value::new(beside("lost packets"), "", lost(&busy)).limit(0.0),
        Value::new(
            beside("set up and ended per second"),
            "",
            setups.per_second(),
        ),
        Value::new(
            beside("handshake p95"),
            "ms",
            setups.handshake_us.value_at_quantile(0.95) as f64 / 1e3,
        ),
    ])
}

fn first_audio(daemon: &Daemon, setting: &Setting) -> Result<Vec<Value>> {
    let found = bench(daemon, setting, None)?.first_audio(WEBRTC_CALLS)?;
    let rows = [
        ("ICE nominated", &found.ice_us),
        ("DTLS done", &found.dtls_us),
        ("first audio at the phone", &found.phone_audio_us),
        ("first decrypted audio", &found.audio_us),
    ];
    let mut values: Vec<Value> = rows
        .iter()
        .flat_map(|(name, histogram)| {
            [("p50", 0.5), ("p95", 0.95)].map(|(label, quantile)| {
                let ms = histogram.value_at_quantile(quantile) as f64 / 1e3;
                Value::new(format!("WebRTC to RTP: {name} {label}"), "ms", ms)
            })
        })
        .collect();
    if let Some(last) = values.pop() {
        values.push(last.limit(60.0));
    }
    Ok(values)
}
