//! The command line, as people and packages use it.

mod support;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use support::daemon::{io_argument, own_path, requested_io};
use support::ng::NgClient;
use support::ports::PortBlock;
use support::process::{Guard, TempDir};

const NOBODY: Duration = Duration::from_millis(50);

/// Runs the daemon to its end.
fn output(args: &[&str]) -> Output {
    let output = Command::new(own_path()).args(args).output();
    output.expect("the daemon starts")
}

/// Starts the daemon with no more than these arguments; its log goes into `dir`.
fn start(dir: &TempDir, args: &[&str]) -> Guard {
    let mut command = Command::new(own_path());
    command.args(args);
    Guard::start(command, "voxplane", &dir.join("log"))
}

/// The same with ports of its own, in short options; listens at `listen`.
fn start_at(dir: &TempDir, ports: &PortBlock, listen: &str, extra: &[&str]) -> Guard {
    let (min, max) = ((ports.first() + 2).to_string(), ports.last().to_string());
    let io = io_argument();
    let base = [
        "--config-file=none",
        "-i",
        "127.0.0.1",
        "-n",
        listen,
        "-m",
        &min,
        "-M",
        &max,
        &io,
    ];
    start(dir, &[&base, extra].concat())
}

/// A client at the first port of `ports`, of a daemon that answers.
fn client(host: &str, ports: &PortBlock) -> NgClient {
    let address = format!("{host}:{}", ports.first());
    let client = NgClient::new(address.parse().expect("an address"));
    client.await_pong();
    client
}

#[test]
fn help_and_version_print_and_end_well() {
    let usage = ["Usage:", "--listen-ng", "Limits on new calls", "Example"];
    let version = [env!("CARGO_PKG_VERSION")];
    for (arg, pieces) in [
        ("--help", &usage[..]),
        ("-h", &usage),
        ("--version", &version),
        ("-v", &version),
        (
            "--codecs",
            &["PCMU: fully", "opus: fully", "telephone-event: fully"],
        ),
    ] {
        let output = output(&[arg]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success());
        for piece in pieces {
            assert!(text.contains(piece), "no {piece} in\n{text}");
        }
    }
}

#[test]
fn unknown_option_names_the_nearest_and_fails() {
    let output = output(&["--listen-nq=127.0.0.1:1"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("--listen-nq") && text.contains("--listen-ng"),
        "{text}"
    );
}

#[test]
fn port_in_use_fails_and_names_the_address() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let output = output(&[
        "--config-file=none",
        "-i",
        "127.0.0.1",
        "-n",
        &address,
        "-f",
        &io_argument(),
    ]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains(&address), "{text}");
}

/// The command line is the one that packages of rtpengine are started with.
#[test]
fn rtpengines_command_line_starts_answers_and_ends_on_sigterm() {
    let dir = TempDir::new("cli-packages");
    let pidfile = dir.join("pid");
    // As it is used, thus without the way to the network that this run of the tests asks for.
    let args = [
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
    ];
    let mut daemon = start(&dir, &args);
    let client = NgClient::new("127.0.0.1:24100".parse().expect("an address"));
    client.await_pong();
    let pid = std::fs::read_to_string(&pidfile).expect("the file is there");
    assert_eq!(pid.trim(), daemon.id().to_string());

    let asked = Instant::now();
    assert!(daemon.signal("TERM"));
    let status = daemon.wait();
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
    let dir = TempDir::new("cli-port");
    let ports = PortBlock::take(50);
    let port = ports.first().to_string();
    let mut daemon = start_at(&dir, &ports, &port, &["-f", "-t", "-1", "-L", "3"]);
    // Connected sockets take replies from nowhere else than where they sent to.
    for host in ["127.0.0.1", "127.0.0.9", "[::1]"] {
        client(host, &ports);
    }
    assert!(daemon.signal("INT"));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn notices_are_given_once_and_json_logs_are_json() {
    let dir = TempDir::new("cli-notices");
    let ports = PortBlock::take(50);
    let address = format!("127.0.0.1:{}", ports.first());
    let extra = ["-t", "0", "--redis=127.0.0.1:6379/1", "--log-format=json"];
    let mut daemon = start_at(&dir, &ports, &address, &extra);
    client("127.0.0.1", &ports);
    assert!(daemon.signal("TERM"));
    daemon.wait();
    let text = daemon.log();
    let mut io = None;
    for line in text.lines() {
        let parsed: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let fields = parsed.get("fields").unwrap_or(&parsed);
        if let Some(used) = fields.get("io").and_then(serde_json::Value::as_str) {
            io = Some(used.to_owned());
        }
    }
    let io = io.unwrap_or_else(|| panic!("no io in\n{text}"));
    match requested_io() {
        Some(requested) if requested != "auto" => assert_eq!(io, requested),
        _ => assert!(["uring", "epoll"].contains(&io.as_str()), "{io}"),
    }
    for option in ["--table", "--redis", "foreground"] {
        assert_eq!(text.matches(option).count(), 1, "{option} in\n{text}");
    }
    assert!(text.contains("SIGTERM"), "{text}");
}

#[test]
fn datagram_without_a_cookie_gets_no_reply() {
    let dir = TempDir::new("cli-cookie");
    let ports = PortBlock::take(50);
    let address = format!("127.0.0.1:{}", ports.first());
    let _daemon = start_at(&dir, &ports, &address, &["-f", "-L", "3"]);
    let client = client("127.0.0.1", &ports);
    for datagram in ["nocookie", " d7:command4:pinge"] {
        assert_eq!(client.send_raw(datagram.as_bytes(), NOBODY), None);
    }
    assert!(client.pings(support::PATIENCE), "the daemon is up");
}
