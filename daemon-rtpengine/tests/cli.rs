//! The command line, as people and packages use it.

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Controller, DEADLINE, Process, command, stderr_of};

const NOBODY: Duration = Duration::from_millis(50);

#[test]
fn help_and_version_print_and_end_well() {
    for args in [["--help"], ["-h"]] {
        let output = command()
            .stdout(Stdio::piped())
            .args(args)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success());
        for piece in ["Usage:", "--listen-ng", "Limits on new calls", "Example"] {
            assert!(text.contains(piece), "no {piece} in\n{text}");
        }
    }
    for args in [["--version"], ["-v"]] {
        let output = command()
            .stdout(Stdio::piped())
            .args(args)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success());
        assert!(text.contains(env!("CARGO_PKG_VERSION")), "{text}");
    }
}

#[test]
fn unknown_option_names_the_nearest_and_fails() {
    let output = command()
        .args(["--listen-nq=127.0.0.1:1"])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("--listen-nq") && text.contains("--listen-ng"),
        "{text}"
    );
}

#[test]
fn port_in_use_fails_and_names_the_address() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:24103").unwrap();
    let output = command()
        .args([
            "--config-file=none",
            "-i",
            "127.0.0.1",
            "-n",
            "127.0.0.1:24103",
            "-f",
        ])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    drop(taken);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("127.0.0.1:24103"), "{text}");
}

/// The command line is the one that packages of rtpengine are started with.
#[test]
fn rtpengines_command_line_starts_answers_and_ends_on_sigterm() {
    let pidfile = std::env::temp_dir().join(format!("voxplane-cli-{}.pid", std::process::id()));
    let mut daemon = Process::start(&[
        "--config-file=none",
        "-f",
        "--table=-1",
        "-i",
        "127.0.0.1",
        "--listen-ng=127.0.0.1:24100",
        "--port-min=24200",
        "--port-max=24299",
        "--log-level=3",
        "-E",
        "--delete-delay=0",
        "--no-fallback=false",
        &format!("--pidfile={}", pidfile.display()),
    ]);
    let controller = Controller::of("127.0.0.1:24100".parse().unwrap());
    controller.wait_for_daemon();
    assert_eq!(controller.ask("a", "d7:command4:pinge"), "d6:result4:ponge");
    let pid = std::fs::read_to_string(&pidfile).unwrap();
    assert_eq!(pid.trim(), daemon.child.id().to_string());

    let asked = Instant::now();
    daemon.signal("-TERM");
    let status = daemon.wait(DEADLINE).expect("it ends");
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "took {:?}",
        asked.elapsed()
    );
    assert_eq!(status.code(), Some(0));
    assert!(!pidfile.exists());
}

#[test]
fn port_alone_listens_on_all_addresses_and_replies_from_the_one_hit() {
    let mut daemon = Process::start(&[
        "--config-file=none",
        "-f",
        "-t",
        "-1",
        "-i",
        "127.0.0.1",
        "-n",
        "24101",
        "-m",
        "24300",
        "-M",
        "24399",
        "-L",
        "3",
    ]);
    // Connected sockets take replies from nowhere else than where they sent to.
    for address in ["127.0.0.1:24101", "127.0.0.9:24101", "[::1]:24101"] {
        Controller::of(address.parse().unwrap()).wait_for_daemon();
    }
    daemon.signal("-INT");
    assert_eq!(
        daemon.wait(DEADLINE).and_then(|status| status.code()),
        Some(0)
    );
}

#[test]
fn notices_are_given_once_and_json_logs_are_json() {
    let mut child = command()
        .args([
            "--config-file=none",
            "-t",
            "0",
            "-i",
            "127.0.0.1",
            "-n",
            "127.0.0.1:24102",
            "-m",
            "24400",
            "-M",
            "24499",
            "--redis=127.0.0.1:6379/1",
            "--log-format=json",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Controller::of("127.0.0.1:24102".parse().unwrap()).wait_for_daemon();
    let mut daemon = Process { child };
    daemon.signal("-TERM");
    assert!(daemon.wait(DEADLINE).is_some());
    child = std::mem::replace(
        &mut daemon.child,
        command().arg("--version").spawn().unwrap(),
    );
    let text = stderr_of(&mut child);
    for line in text.lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "{line}");
    }
    for option in ["--table", "--redis", "foreground"] {
        assert_eq!(text.matches(option).count(), 1, "{option} in\n{text}");
    }
    assert!(text.contains("SIGTERM"), "{text}");
}

#[test]
fn datagram_without_a_cookie_gets_no_reply() {
    let daemon = Process::start(&[
        "--config-file=none",
        "-f",
        "-i",
        "127.0.0.1",
        "-n",
        "127.0.0.1:24104",
        "-m",
        "24500",
        "-M",
        "24599",
        "-L",
        "3",
    ]);
    let controller = Controller::of("127.0.0.1:24104".parse().unwrap());
    controller.wait_for_daemon();
    while controller.receive(NOBODY).is_some() {}
    controller.send("nocookie");
    controller.send(" d7:command4:pinge");
    // The replies come in order, so that only the ping is answered shows that the others are not.
    assert_eq!(
        controller.ask("last", "d7:command4:pinge"),
        "d6:result4:ponge"
    );
    assert_eq!(controller.receive(NOBODY), None);
    drop(daemon);
}
