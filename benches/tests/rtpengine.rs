//! The generator against the real rtpengine, which is known to relay well.

use std::time::Duration;

use benches::CryptoSuite;
use benches::daemon::{Daemon, DaemonConfig};
use benches::load::{Media, StreamTally};
use benches::measure::{Bench, BenchConfig, CapacityEnd, CapacityLimits, Phases};

const PHASES: Phases = Phases {
    rampup: Duration::from_millis(200),
    warmup: Duration::from_millis(300),
    measured: Duration::from_secs(1),
};

fn start(daemon_port: u16, own_port: u16) -> (Daemon, Bench) {
    start_with(daemon_port, own_port, |_| ())
}

fn start_with(
    daemon_port: u16,
    own_port: u16,
    change: impl FnOnce(&mut BenchConfig),
) -> (Daemon, Bench) {
    let mut config = DaemonConfig::new("rtpengine");
    config.ports = daemon_port..=daemon_port + 99;
    let daemon = Daemon::start(&config)
        .unwrap_or_else(|e| panic!("{e}; is the package rtpengine-daemon installed?"));
    let mut config = BenchConfig::new(daemon.ng(), daemon.pid());
    config.first_port = own_port;
    change(&mut config);
    let bench = Bench::new(config).expect("sockets for the generator");
    (daemon, bench)
}

#[test]
fn media_flows_and_every_figure_is_there() {
    let (_daemon, mut bench) = start(31_000, 32_000);
    let mut heard = 0;
    let report = bench
        .load(5, PHASES, |live, _| heard = live.progress().heard)
        .unwrap();
    assert_eq!(heard, 10, "all streams flow before measuring begins");
    assert_eq!(
        report.faults(),
        0,
        "{:?} {:?}",
        report.tally,
        report.leftovers
    );
    assert_eq!(report.tally.received(), report.tally.sent());
    assert!(
        (450..=550).contains(&report.tally.relayed),
        "{}",
        report.tally.relayed
    );
    let per_packet = report.cpu_per_packet();
    assert!(
        per_packet > Duration::ZERO && per_packet < Duration::from_millis(2),
        "{per_packet:?}"
    );
    assert!(report.usage.switches() > 0);
}

#[test]
fn srtp_of_side_a_is_relayed_as_rtp_and_back() {
    let (_daemon, mut bench) = start_with(31_600, 32_600, |config| {
        config.srtp = Some(CryptoSuite::AesCm128HmacSha1_80);
    });
    let report = bench.load(5, PHASES, |_, _| ()).unwrap();
    let tally = &report.tally;
    assert_eq!(report.faults(), 0, "{tally:?} {:?}", report.leftovers);
    assert_eq!(tally.received(), tally.sent());
    assert!(tally.latency_us.iter().all(|h| h.len() > 200), "both ways");
}

#[test]
fn transcoded_calls_are_heard_in_the_other_codec() {
    let (_daemon, mut bench) = start_with(31_800, 32_800, |config| {
        config.media = Media::G722;
        config.far = Some(Media::PCMU);
    });
    let report = bench.load(3, PHASES, |_, _| ()).unwrap();
    let tally = &report.tally;
    assert_eq!(report.faults(), 0, "{tally:?} {:?}", report.leftovers);
    let faithful = |s: &&StreamTally| s.content.is_some_and(|c| c.is_faithful());
    assert!(
        tally.streams.iter().filter(faithful).count() > 0,
        "{tally:?}"
    );
    // It sends each packet when the next one is due, and its filters take some of that.
    let delay = tally.audio_delay(0.5).unwrap();
    assert!(delay > Duration::from_micros(500), "{delay:?}");
}

#[test]
fn calls_come_and_go() {
    let (_daemon, mut bench) = start(31_200, 32_200);
    let run = bench.signalling(Duration::from_millis(300)).unwrap();
    assert!(run.cycles.completed > 10, "{run:?}");
    assert!(run.cycles_per_second() > 33.0 && run.cpu_per_cycle() > Duration::ZERO);
    let idle = bench.idle(10, Duration::from_millis(200)).unwrap();
    assert_eq!(idle.leftovers.total(), 0);
    assert!(idle.usage.cores() < 0.5, "{idle:?}");
}

#[test]
fn capacity_ends_where_the_ports_do() {
    let (_daemon, mut bench) = start(31_400, 32_400);
    let limits = CapacityLimits {
        first: 20,
        most: 60,
        resolution: 0.5,
        tries: 1,
        // Other tests share the machine: only refusal counts here, however late anybody is.
        loss: 1.1,
        latency_p99: Duration::from_secs(60),
        lag_p99: Duration::from_secs(60),
    };
    let phases = Phases {
        measured: Duration::from_millis(200),
        ..PHASES
    };
    let mut runs = 0;
    let capacity = bench.capacity(&limits, phases, |_, _| runs += 1).unwrap();
    // A hundred ports are 25 calls.
    assert_eq!((capacity.calls(), capacity.end), (20, CapacityEnd::Daemon));
    assert_eq!(runs, 1);
}
