//! NG over UDP, TCP and HTTP: framing, encodings, repetitions, exact errors. Runs in-process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::daemon::{Inside, requested_io};
use support::ng::NgClient;

const PING: &str = "d7:command4:pinge";
const PONG: &str = "d6:result4:ponge";

fn daemon() -> Inside {
    let more = ["--listen-ng=[::1]:0", "--listen-tcp-ng=127.0.0.1:0"];
    Inside::start(50, &more)
}

fn tcp(daemon: &Inside) -> TcpStream {
    support::tcp::connect(daemon.daemon.addresses().tcp_ng[0])
}

fn read_exactly(stream: &mut TcpStream, expected: &str) {
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8_lossy(&got), expected);
}

#[test]
fn udp_answers_in_the_requests_encoding_on_both_families() {
    let daemon = daemon();
    for address in &daemon.daemon.addresses().ng {
        let controller = NgClient::new(*address);
        assert_eq!(controller.ask_as("1", PING), PONG);
        assert_eq!(
            controller.ask_as("2", r#"{"command":"ping"}"#),
            r#"{"result":"pong"}"#
        );
    }
    assert_eq!(daemon.daemon.addresses().ng.len(), 2);
}

/// What rtpengine 10.5.3.5 says to the same requests.
#[test]
fn errors_are_worded_as_rtpengine_words_them() {
    let daemon = daemon();
    let controller = daemon.client();
    let cases = [
        ("", "Invalid data (no payload)"),
        ("   d7:command4:pinge", "Invalid NG data format"),
        ("xyz", "Invalid NG data format"),
        ("le", "Invalid NG data format"),
        ("[\"command\"]", "Invalid NG data format"),
        ("d3:foo", "Could not decode bencode dictionary"),
        ("de", "Dictionary contains no key \"command\""),
        ("d7:commandi3ee", "Dictionary contains no key \"command\""),
        ("d7:command4:frobe", "Unrecognized command"),
        ("d7:command10:play mediae", "Unrecognized command"),
        ("d7:command5:offere", "No SDP body in message"),
        ("d7:command6:answere", "No SDP body in message"),
        ("d7:command6:deletee", "No call-id in message"),
        ("d7:command5:querye", "No call-id in message"),
        ("d7:command11:block mediae", "No call-id in message"),
        ("d7:call-id1:a7:command5:querye", "Unknown call-id"),
        ("d7:call-id1:a7:command11:block mediae", "Unknown call-ID"),
        (
            "d7:address1:x7:call-id1:a7:command11:block mediae",
            "Unknown call-ID",
        ),
        (
            "d7:command4:list5:limiti-1ee",
            "invalid limit, must be >= 0",
        ),
        (
            "d7:call-id1:a7:command6:delete5:flagsl5:fatalee",
            "Call-ID not found or tags didn't match",
        ),
    ];
    for (n, (document, reason)) in cases.into_iter().enumerate() {
        let expected = format!("d6:result5:error12:error-reason{}:{reason}e", reason.len());
        assert_eq!(
            controller.ask_as(&format!("e{n}"), document),
            expected,
            "{document}"
        );
    }
    for (document, reason) in [
        ("{\"command\":", "Failed to parse JSON document"),
        ("{\"command\":\"ping\"} x", "Failed to parse JSON document"),
        ("{}", "Dictionary contains no key \\\"command\\\""),
    ] {
        let expected = format!(r#"{{"result":"error","error-reason":"{reason}"}}"#);
        assert_eq!(
            controller.ask_as(&format!("j{document}").replace(' ', ""), document),
            expected
        );
    }
}

#[test]
fn misses_of_delete_and_list_are_no_errors() {
    let daemon = daemon();
    let controller = daemon.client();
    assert_eq!(
        controller.ask_as("1", "d7:call-id1:a7:command6:deletee"),
        "d7:warning38:Call-ID not found or tags didn't match6:result2:oke"
    );
    assert_eq!(
        controller.ask_as("2", "d7:command4:liste"),
        "d5:callsle6:result2:oke"
    );
    let statistics = controller.ask_as("3", r#"{"command":"statistics"}"#);
    let tree: serde_json::Value = serde_json::from_str(&statistics).unwrap();
    let proxy = &tree["statistics"]["controlstatistics"]["proxies"][0];
    assert_eq!(proxy["proxy"], "127.0.0.1");
    assert_eq!(proxy["deletecount"], 1);
    assert_eq!(
        tree["statistics"]["interfaces"][0]["ports"]["min"],
        daemon.ports.first()
    );
}

#[test]
fn repeated_cookie_gets_the_first_reply_whatever_it_asks() {
    let daemon = daemon();
    let controller = daemon.client();
    let first = controller.ask_as("same", PING);
    assert_eq!(controller.ask_as("same", "d7:command4:frobe"), first);
    assert!(
        controller
            .ask_as("other", "d7:command4:frobe")
            .contains("Unrecognized")
    );
    // Another controller's cookie is its own.
    assert!(
        daemon
            .client()
            .ask_as("same", "d7:command4:frobe")
            .contains("Unrecognized")
    );
    // Nothing ran for the repetition.
    let statistics = controller.ask_as("s", r#"{"command":"statistics"}"#);
    let tree: serde_json::Value = serde_json::from_str(&statistics).unwrap();
    assert_eq!(tree["statistics"]["controlstatistics"]["totalpingcount"], 1);
}

#[test]
fn duplicate_and_unsorted_keys_are_accepted() {
    let daemon = daemon();
    let controller = daemon.client();
    let request = "d5:codecd5:stripl1:aee7:command4:ping5:codecd5:stripl1:beee";
    assert_eq!(controller.ask_as("1", request), PONG);
    assert!(
        controller
            .ask_as("2", "d7:command5:query7:command4:pinge")
            .contains("No call-id"),
        "the first of two counts"
    );
}

#[test]
fn tcp_takes_requests_in_pieces_and_in_bunches() {
    let daemon = daemon();
    let mut stream = tcp(&daemon);
    let bunch = format!("a1 {PING}a2 {{\"command\":\"ping\"}}\na3 {PING}");
    stream.write_all(bunch.as_bytes()).unwrap();
    read_exactly(
        &mut stream,
        &format!("a1 {PONG}a2 {{\"result\":\"pong\"}}a3 {PONG}"),
    );
    for byte in format!("b1 {PING}").bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    read_exactly(&mut stream, &format!("b1 {PONG}"));
    stream.write_all(format!("a1 {PING}").as_bytes()).unwrap();
    read_exactly(&mut stream, &format!("a1 {PONG}"));
}

#[test]
fn tcp_closes_a_stream_that_makes_no_sense() {
    let daemon = daemon();
    let mut stream = tcp(&daemon);
    stream.write_all(b"c1 nonsense").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(
        text,
        "c1 d6:result5:error12:error-reason22:Invalid NG data formate"
    );

    let mut stream = tcp(&daemon);
    stream.write_all(b"c2 d1:a199999:").unwrap();
    let filler = vec![b'x'; 200_000];
    // The daemon may close before all is written; both ends of that are fine.
    let _ = stream.write_all(&filler);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
}

#[test]
fn http_serves_requests_and_pages() {
    let daemon = daemon();
    let ng = "application/x-rtpengine-ng";
    assert_eq!(
        daemon.http("POST /ng", &format!("12 {PING}")),
        (200, ng.into(), format!("12 {PONG}"))
    );
    assert_eq!(
        daemon.http("POST /ng", "12 d7:command4:frobe").2,
        format!("12 {PONG}"),
        "a repeated cookie gets the first reply on any connection"
    );
    assert_eq!(daemon.http("POST /ng", "nocookie").0, 400);
    assert_eq!(
        daemon.http("POST /ng-plain", PING),
        (200, ng.into(), PONG.into())
    );
    assert_eq!(
        daemon.http("POST /ng-plain", r#"{"command":"ping"}"#),
        (
            200,
            "application/json".into(),
            r#"{"result":"pong"}"#.into()
        )
    );
    assert_eq!(daemon.http("POST /ng-plain", &"x".repeat(140_000)).0, 413);
    assert_eq!(daemon.http("GET /ping", "").2, "pong\n");
    assert_eq!(daemon.http("GET /health", "").0, 200);
    assert_eq!(daemon.http("GET /ready", "").0, 200);
    assert_eq!(daemon.http("GET /nowhere", "").0, 404);
    let (status, kind, metrics) = daemon.http("GET /metrics", "");
    assert_eq!(status, 200);
    assert!(kind.starts_with("text/plain"), "{kind}");
    assert!(
        metrics.contains("rtpengine_requests_total{proxy=\"127.0.0.1\",request=\"ping\"} 3\n"),
        "{metrics}"
    );
}

#[test]
fn drained_daemon_is_alive_but_not_ready() {
    let daemon = daemon();
    daemon.daemon.sessions().set_max_sessions(Some(0));
    assert_eq!(daemon.http("GET /health", "").0, 200);
    let (status, _, why) = daemon.http("GET /ready", "");
    assert_eq!((status, why.contains("draining")), (503, true));
    daemon.daemon.sessions().set_max_sessions(None);
    assert_eq!(daemon.http("GET /ready", "").0, 200);
}

#[test]
fn idle_daemon_sleeps() {
    let daemon = daemon();
    let controller = daemon.client();
    let wakeups = || -> u64 {
        let (_, _, metrics) = daemon.http("GET /metrics", "");
        let lines = metrics
            .lines()
            .filter(|l| l.starts_with("voxplane_shard_wakeups_total{"));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };
    let before = wakeups();
    // Nothing comes, so this is three hundred milliseconds of rest.
    let rest = std::time::Duration::from_millis(300);
    assert_eq!(controller.receive(rest), None);
    let woken = wakeups() - before;
    assert!(woken < 30, "{woken} wake-ups although nothing happened");
}

#[test]
fn requested_io_is_in_use() {
    let daemon = daemon();
    let (_, _, metrics) = daemon.http("GET /metrics", "");
    let info = metrics.lines().find(|line| line.contains("_info{"));
    let info = info.unwrap_or_else(|| panic!("no info in {metrics}"));
    let is = |io: &str| info.contains(&format!("io=\"{io}\""));
    match requested_io().as_deref() {
        None | Some("auto") => assert!(is("uring") || is("epoll"), "{info}"),
        Some(io) => assert!(is(io), "{io} is requested: {info}"),
    }
}
