//! Calls over the real protocol: the daemon in-process, requests over UDP, media over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ffi::OsString;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use common::{Controller, DEADLINE};
use daemon_rtpengine::Daemon;
use daemon_rtpengine::config::{Config, Outcome};
use serde_json::{Value, json};

fn daemon(extra: &[&str]) -> Daemon {
    let base = [
        "test",
        "--config-file=none",
        "-f",
        "-i",
        "127.0.0.1",
        "--delete-delay=0",
        "--listen-ng=127.0.0.1:0",
    ];
    let args = base.iter().chain(extra).map(OsString::from);
    match Config::from_args(args).unwrap() {
        Outcome::Run(config) => Daemon::start(&config).unwrap(),
        Outcome::Print(text) => panic!("should run, prints {text}"),
    }
}

/// A controller that speaks JSON with a new cookie each time.
struct Ng {
    controller: Controller,
    sent: std::cell::Cell<u32>,
}

impl Ng {
    fn of(daemon: &Daemon) -> Ng {
        Ng {
            controller: Controller::of(daemon.addresses().ng[0]),
            sent: std::cell::Cell::new(0),
        }
    }
    fn ask(&self, request: &Value) -> Value {
        self.sent.set(self.sent.get() + 1);
        let cookie = format!("cookie{}", self.sent.get());
        serde_json::from_str(&self.controller.ask(&cookie, &request.to_string())).unwrap()
    }
    fn offer(&self, call_id: &str, port: u16) -> Value {
        self.ask(
            &json!({"command": "offer", "call-id": call_id, "from-tag": "A",
            "supports": ["load limit"], "sdp": sdp(port)}),
        )
    }
    fn answer(&self, call_id: &str, port: u16) -> Value {
        self.ask(
            &json!({"command": "answer", "call-id": call_id, "from-tag": "A", "to-tag": "B",
            "sdp": sdp(port)}),
        )
    }
}

fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
    )
}

fn media_port(reply: &Value) -> SocketAddr {
    let sdp = reply["sdp"]
        .as_str()
        .unwrap_or_else(|| panic!("no sdp in {reply}"));
    let line = sdp
        .lines()
        .find(|line| line.starts_with("m=audio "))
        .unwrap();
    let port: u16 = line.split(' ').nth(1).unwrap().parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn phone() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

fn rtp(seq: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, seq, 0, 0, 0, seq, 0, 0, 0x11, 0x11];
    packet.extend([0xd5; 160]);
    packet
}

#[test]
fn call_is_set_up_carries_media_and_ends() {
    let daemon = daemon(&["--port-min=25100", "--port-max=25149"]);
    let ng = Ng::of(&daemon);
    let (a, b) = (phone(), phone());
    let to_b = media_port(&ng.offer("call", a.local_addr().unwrap().port()));
    let to_a = media_port(&ng.answer("call", b.local_addr().unwrap().port()));
    assert_ne!(to_a, to_b);

    let mut buffer = [0; 2048];
    a.send_to(&rtp(1), to_a).unwrap();
    let (len, from) = b.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from), (&rtp(1)[..], to_b));
    b.send_to(&rtp(2), to_b).unwrap();
    let (len, from) = a.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from), (&rtp(2)[..], to_a));

    assert_eq!(
        ng.ask(&json!({"command": "list"}))["calls"],
        json!(["call"])
    );
    let query = ng.ask(&json!({"command": "query", "call-id": "call"}));
    assert_eq!(query["result"], "ok");
    assert_eq!(query["totals"]["RTP"]["packets"], 2, "{query}");
    assert_eq!(
        query["tags"]["A"]["medias"][0]["streams"][0]["local port"],
        to_a.port()
    );
    assert_eq!(
        query["tags"]["B"]["medias"][0]["streams"][0]["SSRC"],
        0x1111
    );

    let delete = ng.ask(&json!({"command": "delete", "call-id": "call", "from-tag": "A"}));
    assert_eq!(delete["result"], "ok");
    assert_eq!(delete["totals"]["RTP"]["bytes"], 344, "{delete}");
    let deadline = Instant::now() + DEADLINE;
    while ng.ask(&json!({"command": "list"}))["calls"] != json!([]) {
        assert!(Instant::now() < deadline, "the call does not end");
    }
    let after = ng.ask(&json!({"command": "query", "call-id": "call"}));
    assert_eq!(after["error-reason"], "Unknown call-id");
}

#[test]
fn blocked_media_is_not_relayed_until_it_is_unblocked() {
    let daemon = daemon(&["--port-min=25150", "--port-max=25199"]);
    let ng = Ng::of(&daemon);
    let (a, b) = (phone(), phone());
    media_port(&ng.offer("call", a.local_addr().unwrap().port()));
    let to_a = media_port(&ng.answer("call", b.local_addr().unwrap().port()));
    let block = |command: &str, extra: Value| {
        let mut request = json!({"command": command, "call-id": "call"});
        request
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        ng.ask(&request)
    };
    assert_eq!(
        block("block media", json!({"from-tag": "A"})),
        json!({"result": "ok"})
    );
    a.send_to(&rtp(1), to_a).unwrap();
    // Counted although not forwarded: then the packet has been dealt with.
    let deadline = Instant::now() + DEADLINE;
    loop {
        let query = ng.ask(&json!({"command": "query", "call-id": "call"}));
        let stream = &query["tags"]["A"]["medias"][0]["streams"][0];
        if stream["stats"]["packets"] == 1 {
            break;
        }
        assert!(Instant::now() < deadline, "{query}");
    }
    assert_eq!(
        block("unblock media", json!({"from-tag": "A"})),
        json!({"result": "ok"})
    );
    a.send_to(&rtp(2), to_a).unwrap();
    let mut buffer = [0; 2048];
    let (len, _) = b.recv_from(&mut buffer).unwrap();
    assert_eq!(
        &buffer[..len],
        &rtp(2)[..],
        "the blocked packet must not come"
    );

    for (extra, reason) in [
        (
            json!({"from-tag": "x"}),
            "From-tag given, but no such tag exists",
        ),
        (
            json!({"label": "x"}),
            "No monologue matching the given label",
        ),
        (json!({"address": "x"}), "Failed to parse network address"),
        (
            json!({"address": "192.0.2.9"}),
            "Failed to match address to any tag",
        ),
    ] {
        assert_eq!(block("block media", extra)["error-reason"], reason);
    }
}

#[test]
fn repeated_offer_gets_the_same_reply_and_no_second_port() {
    let daemon = daemon(&["--port-min=25200", "--port-max=25249"]);
    let ng = Ng::of(&daemon);
    let offer = json!({"command": "offer", "call-id": "call", "from-tag": "A", "sdp": sdp(4000)});
    let first = ng.controller.ask("same", &offer.to_string());
    let used = |ng: &Ng| {
        let reply = ng.ask(&json!({"command": "statistics"}));
        reply["statistics"]["interfaces"][0]["ports"]["used"].clone()
    };
    let before = used(&ng);
    assert_eq!(ng.controller.ask("same", &offer.to_string()), first);
    assert_eq!(used(&ng), before);
}

#[test]
fn limits_refuse_new_calls_in_words_that_the_client_knows() {
    let daemon = daemon(&["--port-min=25250", "--port-max=25299", "--max-sessions=1"]);
    let ng = Ng::of(&daemon);
    assert_eq!(ng.offer("one", 4000)["result"], "ok");
    assert_eq!(
        ng.offer("two", 4000),
        json!({"result": "load limit", "message": "Parallel session limit reached"})
    );
    let plain = json!({"command": "offer", "call-id": "two", "from-tag": "A", "sdp": sdp(4000)});
    assert_eq!(
        ng.ask(&plain),
        json!({"result": "error", "error-reason": "Parallel session limit reached"})
    );
    assert_eq!(ng.offer("one", 4002)["result"], "ok", "a re-offer passes");
    let bad = json!({"command": "offer", "call-id": "two", "from-tag": "A", "sdp": "foo",
        "supports": ["load limit"]});
    assert_eq!(ng.ask(&bad)["error-reason"], "Failed to parse SDP");
}

#[test]
fn bandwidth_limit_refuses_new_calls_while_it_is_exceeded() {
    let http = "--listen-http=127.0.0.1:0";
    let ports = ["--port-min=25360", "--port-max=25399"];
    let daemon = daemon(&[ports[0], ports[1], "--max-bandwidth=100", http]);
    let ready = || common::http(daemon.addresses().http[0], "GET /ready", "");
    let ng = Ng::of(&daemon);
    let to_b = media_port(&ng.offer("first", 4000));
    let phone = phone();
    let deadline = Instant::now() + DEADLINE;
    while ready().0 == 200 {
        for seq in 0..10 {
            phone.send_to(&rtp(seq), to_b).unwrap();
        }
        assert!(Instant::now() < deadline, "the limit is never exceeded");
    }
    // Measured once a second: what is true now stays true for that long.
    assert_eq!(
        ng.offer("second", 4000),
        json!({"result": "load limit", "message": "Bandwidth limit exceeded"})
    );
    assert_eq!(ng.offer("first", 4000)["result"], "ok", "a re-offer passes");
    while ready().0 != 200 {
        assert!(
            Instant::now() < deadline,
            "still exceeded although nothing is received"
        );
    }
    assert_eq!(ng.offer("second", 4000)["result"], "ok");
}

#[test]
fn exhausted_ports_are_an_error_that_controllers_know() {
    let daemon = daemon(&["--port-min=25300", "--port-max=25303"]);
    let ng = Ng::of(&daemon);
    let replies: Vec<Value> = (0..4)
        .map(|n| ng.offer(&format!("call{n}"), 4000))
        .collect();
    let last = replies.last().unwrap();
    assert_eq!(
        last,
        &json!({"result": "error", "error-reason": "Ran out of ports"})
    );
}

#[test]
fn daemon_with_calls_stops_in_time_and_frees_its_ports() {
    let daemon = daemon(&["--port-min=25310", "--port-max=25359"]);
    let ng = Ng::of(&daemon);
    let to_b = media_port(&ng.offer("call", 4000));
    media_port(&ng.answer("call", 4002));
    let asked = Instant::now();
    daemon.stop();
    assert!(asked.elapsed().as_secs() < 2, "took {:?}", asked.elapsed());
    // io_uring may let go of a descriptor some milliseconds after it was told to.
    let deadline = Instant::now() + DEADLINE;
    while UdpSocket::bind(to_b).is_err() {
        assert!(Instant::now() < deadline, "{to_b} is still bound");
        std::thread::yield_now();
    }
}
