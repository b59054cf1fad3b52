//! The daemon as a process: floods of connections, and time that stands still.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use daemon_audiosocket::audiosocket::Message;
use media_core::driver::raise_nofile;
use serde_json::Value;
use support::caller::{Caller, Got};
use support::{http, id, is_loud, run_bots, run_for, sine};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(120);

struct Process {
    child: Child,
    caller: SocketAddr,
    metrics: SocketAddr,
}

impl Process {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_daemon-audiosocket"))
            .args([
                "--listen-audiosocket=127.0.0.1:0",
                "--listen-http=127.0.0.1:0",
            ])
            .args(["--listen-metrics=127.0.0.1:0", "--log-level=6"])
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready: Value = loop {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            if line["message"] == "ready for calls" {
                break line;
            }
        };
        // So that its log never fills the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let address = |name: &str| {
            let text = ready[name].as_str().unwrap();
            text.trim_matches(['[', ']']).parse().unwrap()
        };
        Self {
            caller: address("audiosocket"),
            metrics: address("metrics"),
            child,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    fn metric(&self, line: &str) -> u64 {
        let (_, page) = http(self.metrics, "GET", "/metrics");
        let found = page.lines().find_map(|l| l.strip_prefix(line));
        let found = found.unwrap_or_else(|| panic!("no {line}"));
        found.trim().parse().unwrap()
    }

    /// Resident memory, KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn five_thousand_silent_connections_cost_little_and_disturb_no_call() {
    const FLOOD: usize = 5000;
    let files = raise_nofile();
    assert!(
        files > 6000,
        "{files} open files are allowed: ulimit -Hn 8192 is the least"
    );
    let (bots, option) = run_bots();
    let daemon = Process::start(&[&option, "--max-pending=10000", "--uuid-timeout=20000"]);
    run_for(PATIENCE, async {
        let mut caller = Caller::call(daemon.caller, id(1)).await;
        let mut bot = bots.accept().await;
        caller.exchange(10, |_| vec![0; 160]).await;
        let before = daemon.memory();
        let flood = tokio::spawn(async move {
            let mut flood = Vec::new();
            for _ in 0..FLOOD {
                flood.push(TcpStream::connect(daemon.caller).await.unwrap());
            }
            flood
        });
        // The call goes on meanwhile, with its bot.
        while !flood.is_finished() {
            caller.exchange(1, |_| sine(440.0, 8000, 0..160)).await;
        }
        let flood = flood.await.unwrap();
        while daemon.metric("voxplane_audiosocket_pending ") < FLOOD as u64 {
            caller.exchange(1, |_| vec![0; 160]).await;
        }
        let grown = daemon.memory() - before;
        println!(
            "{FLOOD} connections: {grown} KiB, {} B each",
            grown * 1024 / FLOOD as u64
        );
        assert!(grown < 16 * FLOOD as u64, "{grown} KiB");
        bot.say(16_000, 1, &sine(440.0, 16_000, 0..16_000)).await;
        caller.hear_something().await;
        caller.arrivals.clear();
        caller.exchange(100, |_| vec![0; 160]).await;
        let mut jitter = caller.jitter();
        jitter.sort();
        println!("frames meanwhile: p90 within {:?}", jitter[90]);
        assert!(jitter[90] < Duration::from_millis(20), "{jitter:?}");
        // A call among them gets in.
        let mut second = Caller::call(daemon.caller, id(2)).await;
        second.hear().await;
        second.send(Message::Hangup);
        drop(flood);
        while daemon.metric("voxplane_audiosocket_pending ") > 0 {
            caller.exchange(1, |_| vec![0; 160]).await;
        }
        caller.send(Message::Hangup);
    });
    let gone = "voxplane_audiosocket_refused_total{reason=\"caller_hung_up\"}";
    assert_eq!(daemon.metric(gone), FLOOD as u64);
}

#[test]
fn time_that_jumps_is_not_made_up_for() {
    let (bots, option) = run_bots();
    let daemon = Process::start(&[&option, "--playout-cap=5000"]);
    let lasted = run_for(PATIENCE, async {
        let mut caller = Caller::call(daemon.caller, id(1)).await;
        let called = Instant::now();
        let mut bot = bots.accept().await;
        caller.exchange(10, |_| vec![0; 160]).await;
        // As when a machine is suspended, or a debugger holds the process; longer than what is made up for.
        daemon.signal("-STOP");
        let stopped = Instant::now();
        while stopped.elapsed() < Duration::from_millis(1500) {
            let step = Duration::from_millis(100);
            if let Ok(Got::Hangup) = tokio::time::timeout(step, caller.receive()).await {
                panic!("hung up");
            }
        }
        daemon.signal("-CONT");
        bot.say(16_000, 1, &sine(440.0, 16_000, 0..32_000)).await;
        // At most half a second is made up for at once, and the clock is right again.
        caller.hear_something().await;
        caller.exchange(10, |_| vec![0; 160]).await;
        caller.arrivals.clear();
        let begin = Instant::now();
        caller.exchange(50, |_| sine(300.0, 8000, 0..160)).await;
        let took = begin.elapsed();
        assert!(took > Duration::from_millis(900), "50 frames in {took:?}");
        while !is_loud(&bot.heard) {
            bot.hear().await;
        }
        caller.send(Message::Hangup);
        called.elapsed()
    });
    // A second of the 1.5, fifty frames, was let go. Some more may have left before the caller's goodbye came.
    let frames = daemon.metric("voxplane_audiosocket_frames_to_callers_total ");
    let most = (lasted - Duration::from_secs(1)).as_millis() / 20 + 25;
    assert!(u128::from(frames) <= most, "{frames} frames in {lasted:?}");
}
