//! Requests that are wrong or too large: each gets a clear error, and the call that it names stays
//! as it was. The texts are rtpengine's, which controllers compare.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write as _;

use media_core::sdp::SessionDescription;
use serde_json::{Value, json};
use support::daemon::Inside;
use support::ng::NgClient;
use support::wait_for;

const SESSION: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";

/// A controller of the call "call".
struct Ng(NgClient);

impl Ng {
    /// Any document.
    fn ask(&self, document: &[u8]) -> Vec<u8> {
        self.0.ask(document)
    }
    fn ask_json(&self, request: &Value) -> Value {
        self.0.request_json(request)
    }
    fn offer(&self, sdp: &str) -> Value {
        self.ask_json(&offer(sdp))
    }
    /// Everything that there is to know of the call.
    fn query(&self) -> Value {
        self.ask_json(&json!({"command": "query", "call-id": "call"}))
    }
    /// A call with two parties.
    fn set_up(&self) -> Value {
        let sdp = format!("{SESSION}m=audio 4000 RTP/AVP 0\r\n");
        assert_eq!(self.offer(&sdp)["result"], "ok");
        let answer = json!({"command": "answer", "call-id": "call", "from-tag": "A",
            "to-tag": "B", "sdp": sdp});
        assert_eq!(self.ask_json(&answer)["result"], "ok");
        self.query()
    }
}

fn offer(sdp: &str) -> Value {
    json!({"command": "offer", "call-id": "call", "from-tag": "A", "sdp": sdp})
}

fn with(request: &Value, key: &str, value: Value) -> Value {
    let mut request = request.clone();
    request[key] = value;
    request
}

fn without(request: &Value, key: &str) -> Value {
    let mut request = request.clone();
    request.as_object_mut().unwrap().remove(key);
    request
}

fn sections(count: usize) -> String {
    (0..count).fold(SESSION.to_owned(), |mut sdp, n| {
        let _ = write!(sdp, "m=audio {} RTP/AVP 0\r\n", 4000 + 2 * n);
        sdp
    })
}

/// One section and so many octets.
fn sized(octets: usize) -> String {
    let mut sdp = format!("{SESSION}m=audio 4000 RTP/AVP 0\r\na=x:");
    sdp.push_str(&"y".repeat(octets - sdp.len() - 2));
    sdp.push_str("\r\n");
    sdp
}

#[test]
fn bad_descriptions_are_refused_and_change_nothing() {
    let daemon = Inside::start(20, &[]);
    let ng = Ng(daemon.client());
    let before = ng.set_up();
    let audio = "m=audio 5000 RTP/AVP 0\r\n";
    let of_connection = |c: &str| SESSION.replace("IN IP4 127.0.0.1\r\nt", &format!("{c}\r\nt"));
    for (sdp, reason) in [
        ("rubbish".to_owned(), "Failed to parse SDP"),
        (audio.to_owned(), "Failed to parse SDP"),
        (format!("{SESSION}{audio}x=1\r\n"), "Failed to parse SDP"),
        (format!("{SESSION}m=audio 5000\r\n"), "Failed to parse SDP"),
        (
            format!("{SESSION}m=audio 65536 RTP/AVP 0\r\n"),
            "Failed to parse SDP",
        ),
        (
            format!("{}{audio}", of_connection("IN IP4 ::1")),
            "Failed to parse SDP",
        ),
        (
            format!("{}{audio}", of_connection("IN IP4 example.com")),
            "Failed to parse SDP",
        ),
        (
            format!("{}{audio}", SESSION.replace("c=IN IP4 127.0.0.1\r\n", "")),
            "Incomplete SDP specification",
        ),
        (
            format!("{SESSION}m=audio 5000 RTP/AVP 128\r\n"),
            "Incomplete SDP specification",
        ),
        (SESSION.to_owned(), "Error rewriting SDP"),
    ] {
        for command in ["offer", "answer"] {
            let request = with(&offer(&sdp), "command", command.into());
            let reply = ng.ask_json(&with(&request, "to-tag", "B".into()));
            assert_eq!(
                reply,
                json!({"result": "error", "error-reason": reason}),
                "{command} {sdp:?}"
            );
        }
    }
    assert_eq!(ng.query(), before);
}

#[test]
fn missing_keys_and_wrong_types_are_refused_and_change_nothing() {
    let daemon = Inside::start(20, &[]);
    let ng = Ng(daemon.client());
    let before = ng.set_up();
    let good = with(
        &offer(&format!("{SESSION}m=audio 5000 RTP/AVP 0\r\n")),
        "to-tag",
        "B".into(),
    );
    let answer = with(&good, "command", "answer".into());
    for (request, key, reason) in [
        (&good, "command", "Dictionary contains no key \"command\""),
        (&good, "sdp", "No SDP body in message"),
        (&good, "call-id", "No call-id in message"),
        (&good, "from-tag", "No from-tag in message"),
        (&answer, "sdp", "No SDP body in message"),
        (&answer, "call-id", "No call-id in message"),
        (&answer, "from-tag", "No from-tag in message"),
        (&answer, "to-tag", "No to-tag in message"),
    ] {
        let error = json!({"result": "error", "error-reason": reason});
        assert_eq!(ng.ask_json(&without(request, key)), error, "no {key}");
        for odd in [json!(1), json!([]), json!(["call"]), json!({"a": "b"})] {
            let odd = with(request, key, odd);
            assert_eq!(ng.ask_json(&odd), error, "{odd}");
        }
    }
    assert_eq!(
        ng.ask_json(&with(&good, "command", "offerr".into()))["error-reason"],
        "Unrecognized command"
    );
    let unknown = with(&answer, "call-id", "another".into());
    assert_eq!(ng.ask_json(&unknown)["error-reason"], "Unknown call-id");
    assert_eq!(ng.query(), before);
}

#[test]
fn options_of_a_wrong_type_are_as_good_as_absent() {
    let daemon = Inside::start(40, &[]);
    let ng = Ng(daemon.client());
    let good = offer(&format!("{SESSION}m=audio 5000 RTP/AVP 0 8\r\n"));
    let plain = ng.ask_json(&good);
    assert_eq!(plain["result"], "ok");
    for key in [
        "flags",
        "replace",
        "codec",
        "direction",
        "rtcp-mux",
        "ICE",
        "transport-protocol",
        "address family",
        "received-from",
        "media address",
        "sdp-attr",
        "ptime",
        "TOS",
        "via-branch",
        "supports",
        "delete delay",
    ] {
        for odd in [
            json!(-1),
            json!("\u{0}"),
            json!([[], {}, [["a", 1]]]),
            json!({"strip": 1, "": {"add": [1, []]}}),
        ] {
            let odd = with(&good, key, odd);
            assert_eq!(ng.ask_json(&odd)["result"], "ok", "{odd}");
        }
    }
}

#[test]
fn truncated_documents_are_refused_and_change_nothing() {
    let daemon = Inside::start(20, &[]);
    let ng = Ng(daemon.client());
    let before = ng.set_up();
    let sdp = format!("{SESSION}m=audio 5000 RTP/AVP 0\r\n");
    let bencode = format!(
        "d7:call-id4:call7:command5:offer8:from-tag1:A6:to-tag1:B3:sdp{}:{sdp}e",
        sdp.len()
    );
    for len in 1..bencode.len() {
        assert_eq!(
            ng.ask(&bencode.as_bytes()[..len]),
            b"d6:result5:error12:error-reason35:Could not decode bencode dictionarye",
            "{len} octets"
        );
    }
    let json = offer(&sdp).to_string();
    for len in 1..json.len() {
        assert_eq!(
            ng.ask(&json.as_bytes()[..len]),
            br#"{"result":"error","error-reason":"Failed to parse JSON document"}"#,
            "{len} octets"
        );
    }
    assert_eq!(ng.query(), before);
    let whole = ng.ask(bencode.as_bytes());
    assert!(whole.ends_with(b"6:result2:oke"));
}

#[test]
fn octets_that_are_no_text_come_back_as_they_are() {
    let daemon = Inside::start(20, &[]);
    let ng = Ng(daemon.client());
    let mut sdp = SESSION.replace("s=-", "s=B?ro").into_bytes();
    sdp.extend_from_slice(b"m=audio 5000 RTP/AVP 0\r\na=x:?\r\n");
    for octet in &mut sdp {
        if *octet == b'?' {
            *octet = 0xfc;
        }
    }
    let mut request = format!(
        "d7:call-id4:call7:command5:offer8:from-tag1:A3:sdp{}:",
        sdp.len()
    )
    .into_bytes();
    request.extend_from_slice(&sdp);
    request.push(b'e');
    let reply = ng.ask(&request);
    let has = |what: &[u8]| reply.windows(what.len()).any(|octets| octets == what);
    assert!(has(b"\r\ns=B\xfcro\r\n") && has(b"\r\na=x:\xfc\r\n"));
    assert!(has(b"6:result2:oke"));
}

#[test]
fn a_hundred_sections_are_a_call_and_too_many_are_refused() {
    let daemon = Inside::start(680, &[]);
    let ng = Ng(daemon.client());
    let reply = ng.offer(&sections(100));
    let sdp = reply["sdp"].as_str().unwrap();
    assert_eq!(sdp.matches("m=audio ").count(), 100);
    // So much is known of them that a datagram cannot hold it.
    let query = json!({"command": "query", "call-id": "call"});
    assert_eq!(
        ng.ask_json(&query)["error-reason"],
        "Reply is too long for UDP, ask over TCP or HTTP"
    );
    let bencode = ng.ask(b"d7:call-id4:call7:command5:querye");
    assert!(bencode.starts_with(b"d6:result5:error12:error-reason47:Reply is too long"));
    let everything = || -> Value {
        let (_, _, body) = daemon.http("POST /ng-plain", &query.to_string());
        serde_json::from_str(&body).unwrap()
    };
    let before = everything();
    let medias = &before["tags"]["A"]["medias"];
    assert_eq!(medias.as_array().unwrap().len(), 100);

    let refused = ng.offer(&sections(SessionDescription::MAX_MEDIA + 1));
    assert_eq!(
        refused,
        json!({"result": "error", "error-reason": "Failed to parse SDP"})
    );
    assert_eq!(everything(), before);
}

#[test]
fn too_few_ports_for_all_sections_leave_none_in_use() {
    let daemon = Inside::start(20, &[]);
    let ng = Ng(daemon.client());
    assert_eq!(
        ng.offer(&sections(100)),
        json!({"result": "error", "error-reason": "Ran out of ports"})
    );
    assert_eq!(ng.query()["error-reason"], "Unknown call-id");
    // Five sections of two pairs each take the whole range, once the shard has closed the others.
    wait_for("the ports of the refused call", || {
        (ng.offer(&sections(5))["result"] == "ok").then_some(())
    });
}

#[test]
fn descriptions_of_64_kib_are_rewritten_and_longer_ones_refused() {
    let daemon = Inside::start(20, &[]);
    let ng = Ng(daemon.client());
    // A datagram holds a little less.
    let long = sized(60_000);
    let reply = ng.offer(&long);
    assert!(reply["sdp"].as_str().unwrap().len() > 60_000);
    let before = ng.query();

    let post = |sdp: &str| -> Value {
        let (status, _, body) = daemon.http(
            "POST /ng-plain",
            &with(&offer(sdp), "to-tag", "B".into()).to_string(),
        );
        assert_eq!(status, 200);
        serde_json::from_str(&body).unwrap()
    };
    let most = SessionDescription::MAX_LEN;
    assert_eq!(most, 65_536);
    let refused = post(&sized(most + 1));
    assert_eq!(
        refused,
        json!({"result": "error", "error-reason": "Failed to parse SDP"})
    );
    assert_eq!(ng.query(), before);
    let reply = post(&sized(most));
    let sdp = reply["sdp"].as_str().expect("a description");
    assert!(sdp.len() > most && sdp.ends_with("\r\n"));
}
