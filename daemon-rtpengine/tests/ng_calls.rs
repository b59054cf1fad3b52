//! Calls over the real protocol: the daemon in-process, requests over UDP, media over real sockets.

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use serde_json::{Value, json};
use support::call::{audio_address, sdp};
use support::daemon::Inside;
use support::ng::NgClient;
use support::rtp::Endpoint;
use support::{PATIENCE, wait_for};

/// A controller that speaks JSON.
struct Ng(NgClient);

impl Ng {
    fn ask(&self, request: &Value) -> Value {
        self.0.request_json(request)
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

fn media_port(reply: &Value) -> SocketAddr {
    let sdp = reply["sdp"].as_str();
    audio_address(sdp.unwrap_or_else(|| panic!("no sdp in {reply}")))
}

fn phone(ssrc: u32) -> Endpoint {
    Endpoint::bind(IpAddr::V4(Ipv4Addr::LOCALHOST), ssrc)
}

fn rtp(seq: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, seq, 0, 0, 0, seq, 0, 0, 0x11, 0x11];
    packet.extend([0xd5; 160]);
    packet
}

#[test]
fn call_is_set_up_carries_media_and_ends() {
    let daemon = Inside::start(50, &[]);
    let ng = Ng(daemon.client());
    let (a, b) = (phone(1), phone(2));
    let to_b = media_port(&ng.offer("call", a.port()));
    let to_a = media_port(&ng.answer("call", b.port()));
    assert_ne!(to_a, to_b);

    a.send(to_a, &rtp(1));
    assert_eq!(b.receive(1, PATIENCE), [(to_b, rtp(1))]);
    b.send(to_b, &rtp(2));
    assert_eq!(a.receive(1, PATIENCE), [(to_a, rtp(2))]);

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
    wait_for("the end of the call", || {
        (ng.ask(&json!({"command": "list"}))["calls"] == json!([])).then_some(())
    });
    let after = ng.ask(&json!({"command": "query", "call-id": "call"}));
    assert_eq!(after["error-reason"], "Unknown call-id");
}

#[test]
fn blocked_media_is_not_relayed_until_it_is_unblocked() {
    let daemon = Inside::start(50, &[]);
    let ng = Ng(daemon.client());
    let (a, b) = (phone(1), phone(2));
    media_port(&ng.offer("call", a.port()));
    let to_a = media_port(&ng.answer("call", b.port()));
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
    a.send(to_a, &rtp(1));
    // Counted although not forwarded: then the packet has been dealt with.
    wait_for("the count of the packet", || {
        let query = ng.ask(&json!({"command": "query", "call-id": "call"}));
        let stream = &query["tags"]["A"]["medias"][0]["streams"][0];
        (stream["stats"]["packets"] == 1).then_some(())
    });
    assert_eq!(
        block("unblock media", json!({"from-tag": "A"})),
        json!({"result": "ok"})
    );
    a.send(to_a, &rtp(2));
    // The blocked packet must not come.
    assert_eq!(b.receive(1, PATIENCE)[0].1, rtp(2));

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
    let daemon = Inside::start(50, &[]);
    let ng = Ng(daemon.client());
    let offer = json!({"command": "offer", "call-id": "call", "from-tag": "A", "sdp": sdp(4000)});
    let first = ng.0.ask_as("same", &offer.to_string());
    let used = |ng: &Ng| {
        let reply = ng.ask(&json!({"command": "statistics"}));
        reply["statistics"]["interfaces"][0]["ports"]["used"].clone()
    };
    let before = used(&ng);
    assert_eq!(ng.0.ask_as("same", &offer.to_string()), first);
    assert_eq!(used(&ng), before);
}

#[test]
fn limits_refuse_new_calls_in_words_that_the_client_knows() {
    let daemon = Inside::start(50, &["--max-sessions=1"]);
    let ng = Ng(daemon.client());
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
    let daemon = Inside::start(40, &["--max-bandwidth=100"]);
    let ready = || daemon.http("GET /ready", "");
    let ng = Ng(daemon.client());
    let to_b = media_port(&ng.offer("first", 4000));
    let phone = phone(1);
    wait_for("the limit to be exceeded", || {
        for seq in 0..10 {
            phone.send(to_b, &rtp(seq));
        }
        (ready().0 != 200).then_some(())
    });
    // Measured once a second: what is true now stays true for that long.
    assert_eq!(
        ng.offer("second", 4000),
        json!({"result": "load limit", "message": "Bandwidth limit exceeded"})
    );
    assert_eq!(ng.offer("first", 4000)["result"], "ok", "a re-offer passes");
    wait_for("the limit to be kept, as nothing is received", || {
        (ready().0 == 200).then_some(())
    });
    assert_eq!(ng.offer("second", 4000)["result"], "ok");
}

#[test]
fn exhausted_ports_are_an_error_that_controllers_know() {
    let daemon = Inside::start(4, &[]);
    let ng = Ng(daemon.client());
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
    let daemon = Inside::start(50, &[]);
    let ng = Ng(daemon.client());
    let to_b = media_port(&ng.offer("call", 4000));
    media_port(&ng.answer("call", 4002));
    // The ports stay reserved, so that it can only be the daemon's socket that is in the way.
    let Inside {
        daemon,
        ports: _ports,
    } = daemon;
    let asked = Instant::now();
    daemon.stop();
    assert!(asked.elapsed().as_secs() < 2, "took {:?}", asked.elapsed());
    // io_uring may let go of a descriptor some milliseconds after it was told to.
    wait_for(&format!("the end of the socket at {to_b}"), || {
        UdpSocket::bind(to_b).ok()
    });
}

#[test]
fn requested_tos_is_on_every_packet() {
    let daemon = Inside::start(50, &[]);
    let ng = Ng(daemon.client());
    let tos_of = |call_id: &str, tos: Value| {
        let (a, b) = (phone(1), phone(2));
        let request = |command: &str, port| {
            let mut request = json!({"command": command, "call-id": call_id, "from-tag": "A",
                "to-tag": "B", "sdp": sdp(port)});
            request["TOS"] = tos.clone();
            media_port(&ng.ask(&request))
        };
        let to_b = request("offer", a.port());
        let to_a = request("answer", b.port());
        [(&a, to_a, &b), (&b, to_b, &a)].map(|(from, to, at)| {
            from.send(to, &rtp(1));
            at.receive_tos(&rtp(1))
        })
    };
    // Expedited forwarding (RFC 3246), as telephony uses it.
    assert_eq!(tos_of("marked", json!(184)), [184, 184]);
    assert_eq!(tos_of("plain", Value::Null), [0, 0]);
}
