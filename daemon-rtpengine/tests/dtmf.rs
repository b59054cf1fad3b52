//! DTMF and silence over the real protocol: the daemon in-process, digits in real packets.

mod support;
mod triggers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use codecs::g711::{decode_mu_law, encode_mu_law};
use media_core::wire::rtp::RtpPacket;
use media_core::wire::telephone_event::TelephoneEvent;
use serde_json::{Value, json};
use support::PATIENCE;
use support::call::audio_address;
use support::daemon::Inside;
use support::ng::NgClient;
use support::rtp::Endpoint;
use support::tone::{Recording, Tone};

/// Samples of a packet: 20 ms of PCMU.
const FRAME: u32 = 160;
/// The payload type of events that both sides have.
const EVENTS: u8 = 101;
/// What a party says that says nothing.
const QUIET: u8 = 0xff;

/// An offer or an answer with these formats; 101 and 96 are DTMF.
fn sdp(port: u16, formats: &str) -> String {
    let events = |number: &str| match formats.split(' ').any(|format| format == number) {
        true => format!("a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n"),
        false => String::new(),
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\n{}{}a=ptime:20\r\n",
        events("101"),
        events("96")
    )
}

/// An RTP packet.
#[derive(Clone, Debug, PartialEq)]
struct Packet {
    payload_type: u8,
    marker: bool,
    seq: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

impl Packet {
    fn parse(bytes: &[u8]) -> Self {
        let rtp = RtpPacket::parse(bytes).expect("RTP");
        Self {
            payload_type: rtp.payload_type().get(),
            marker: rtp.marker(),
            seq: rtp.sequence_number().get(),
            timestamp: rtp.timestamp().get(),
            payload: rtp.payload().to_vec(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let marker = u8::from(self.marker) << 7;
        let mut bytes = vec![0x80, self.payload_type | marker];
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend([0, 0, 0x11, 0x11]);
        bytes.extend(&self.payload);
        bytes
    }
}

/// A party: what it sends goes to the daemon's port for it.
struct Party {
    endpoint: Endpoint,
    to: SocketAddr,
    seq: u16,
    timestamp: u32,
}

impl Party {
    fn new(ssrc: u32) -> Self {
        Self {
            endpoint: Endpoint::bind(IpAddr::V4(Ipv4Addr::LOCALHOST), ssrc),
            to: (Ipv4Addr::LOCALHOST, 0).into(),
            seq: 1000,
            timestamp: 5000,
        }
    }

    fn send(&mut self, payload_type: u8, marker: bool, payload: Vec<u8>) -> Packet {
        let packet = Packet {
            payload_type,
            marker,
            seq: self.seq,
            timestamp: self.timestamp,
            payload,
        };
        self.endpoint.send(self.to, &packet.bytes());
        self.seq += 1;
        packet
    }

    /// Packets of this octet.
    fn says(&mut self, octet: u8, packets: u32) -> Vec<Packet> {
        let frames = (0..packets).map(|_| vec![octet; 160]).collect();
        self.speaks(frames)
    }

    /// Packets with these payloads.
    fn speaks(&mut self, frames: Vec<Vec<u8>>) -> Vec<Packet> {
        let speak = |frame| {
            let packet = self.send(0, false, frame);
            self.timestamp += FRAME;
            packet
        };
        frames.into_iter().map(speak).collect()
    }

    /// The key's tones for 100 ms between silences of 100 ms.
    fn sings(&mut self, key: char) -> Vec<Packet> {
        let [row, column] = tones(key).map(|frequency_hz| {
            let tone = Tone {
                frequency_hz,
                amplitude: 0.3,
            };
            tone.samples(8000, 5 * FRAME)
        });
        let both: Vec<u8> = row
            .iter()
            .zip(column)
            .map(|(row, column)| encode_mu_law(row + column))
            .collect();
        let tones = both.chunks(160).map(<[u8]>::to_vec);
        let quiet = || (0..5).map(|_| vec![QUIET; 160]);
        self.speaks(quiet().chain(tones).chain(quiet()).collect())
    }

    /// A key as events of 100 ms, in place of audio.
    fn dials(&mut self, code: u8) -> Vec<Packet> {
        self.dials_as(EVENTS, code)
    }

    fn dials_as(&mut self, payload_type: u8, code: u8) -> Vec<Packet> {
        let durations = [160_u16, 320, 480, 640, 800, 800, 800];
        let sent = (0..).zip(durations).map(|(n, duration_ticks)| {
            let event = TelephoneEvent {
                event: code,
                end: n >= 4,
                volume: 10,
                duration_ticks,
            };
            self.send(payload_type, n == 0, event.to_bytes().to_vec())
        });
        let sent = sent.collect();
        self.timestamp += 5 * FRAME;
        sent
    }

    /// The next packets that come.
    fn hears(&self, count: usize) -> Vec<Packet> {
        let heard = self.endpoint.receive(count, PATIENCE);
        assert_eq!(heard.len(), count, "too few came");
        heard
            .iter()
            .map(|(_, bytes)| Packet::parse(bytes))
            .collect()
    }

    /// Packets up to the one with this payload.
    fn hears_up_to(&self, octet: u8) -> Vec<Packet> {
        let mut all = Vec::new();
        loop {
            let packet = self.hears(1).remove(0);
            let is_last = packet.payload == [octet; 160];
            all.push(packet);
            if is_last {
                return all;
            }
        }
    }
}

/// Hz (ITU-T Q.23).
fn tones(key: char) -> [f64; 2] {
    let at = "123A456B789C*0#D".find(key).expect("a key");
    [
        [697.0, 770.0, 852.0, 941.0][at / 4],
        [1209.0, 1336.0, 1477.0, 1633.0][at % 4],
    ]
}

/// How loud this frequency is in the audio of the packets.
fn amplitude(packets: &[Packet], hz: f64) -> f64 {
    let audio = packets.iter().filter(|packet| packet.payload_type == 0);
    let octets: Vec<u8> = audio.flat_map(|packet| packet.payload.clone()).collect();
    if octets.is_empty() {
        return 0.0;
    }
    let samples = octets
        .iter()
        .map(|octet| f64::from(decode_mu_law(*octet)) / 32_768.0);
    let recording = Recording {
        sample_rate_hz: 8000.0,
        samples: samples.collect(),
    };
    recording.amplitude_at(hz)
}

fn is_quiet(packet: &Packet) -> bool {
    packet
        .payload
        .iter()
        .all(|octet| matches!(octet, 0xff | 0x7f))
}

/// The keys of the events, each once.
fn keys(packets: &[Packet], payload_type: u8) -> String {
    let events = packets
        .iter()
        .filter(|packet| packet.payload_type == payload_type);
    let events: Vec<(u32, TelephoneEvent)> = events
        .map(|packet| {
            let event = TelephoneEvent::parse(&packet.payload).expect("an event");
            (packet.timestamp, event)
        })
        .collect();
    let groups = events.chunk_by(|a, b| a.0 == b.0);
    groups
        .map(|group| {
            let ends = group.iter().filter(|(_, event)| event.end).count();
            assert_eq!(ends, 3, "an end is sent three times: {group:?}");
            group[0].1.digit().expect("a key")
        })
        .collect()
}

/// One sequence without a gap.
fn assert_unbroken(packets: &[Packet]) {
    for pair in packets.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq.wrapping_add(1), "{pair:?}");
    }
}

/// A daemon with a call between A and B, and somebody who is told of digits.
struct Scene {
    daemon: Inside,
    ng: NgClient,
    log: UdpSocket,
    a: Party,
    b: Party,
}

impl Scene {
    fn start() -> Self {
        Self::with("0 101", "0 101", &json!({}))
    }

    fn with(offered: &str, answered: &str, more: &Value) -> Self {
        let log = listener();
        let to = log.local_addr().expect("a bound socket");
        let daemon = Inside::start(50, &[&format!("--dtmf-log-dest={to}")]);
        let ng = daemon.client();
        let mut scene = Self {
            daemon,
            ng,
            log,
            a: Party::new(1),
            b: Party::new(2),
        };
        let reply = scene.describe("offer", &sdp(scene.a.endpoint.port(), offered), more);
        scene.b.to = audio_address(&reply);
        let reply = scene.describe("answer", &sdp(scene.b.endpoint.port(), answered), more);
        scene.a.to = audio_address(&reply);
        scene
    }

    fn ask(&self, command: &str, more: &Value) -> Value {
        let mut request = json!({"command": command, "call-id": "call"});
        let fields = request.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        self.ng.request_json(&request)
    }

    fn describe(&self, command: &str, sdp: &str, more: &Value) -> String {
        let mut fields = json!({"from-tag": "A", "sdp": sdp});
        let all = fields.as_object_mut().expect("an object");
        all.extend(more.as_object().expect("an object").clone());
        if command == "answer" {
            all.insert("to-tag".into(), json!("B"));
        }
        let reply = self.ask(command, &fields);
        let text = reply["sdp"].as_str();
        text.unwrap_or_else(|| panic!("no sdp in {reply}"))
            .to_owned()
    }

    fn tell(&self, command: &str, more: &Value) {
        assert_eq!(
            self.ask(command, more),
            json!({"result": "ok"}),
            "{command} {more}"
        );
    }

    /// The keys that were told, which must be these.
    fn told(&self, expected: &str) {
        assert_eq!(told(&self.log, expected.len()), expected);
    }
}

fn listener() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket can be bound");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout above zero");
    socket
}

fn one_digit(log: &UdpSocket) -> Value {
    let mut buffer = [0; 2048];
    let len = log.recv(&mut buffer).expect("a digit");
    serde_json::from_slice(&buffer[..len]).expect("JSON")
}

fn told(log: &UdpSocket, count: usize) -> String {
    let key = |_| {
        let code = one_digit(log)["event"].as_u64().expect("a code");
        "0123456789*#ABCD"
            .chars()
            .nth(usize::try_from(code).expect("small"))
            .expect("a key")
    };
    (0..count).map(key).collect()
}

#[test]
fn digits_of_a_relayed_call_are_told_once_each_and_its_packets_stay_as_they_are() {
    let mut scene = Scene::with("0 101", "0 101", &json!({"label": "door"}));
    let mut sent = scene.a.says(0xd5, 3);
    for code in [1, 5, 5, 11] {
        sent.extend(scene.a.dials(code));
        sent.extend(scene.a.says(0xd5, 1));
    }
    assert_eq!(scene.b.hears(sent.len()), sent);
    let first = one_digit(&scene.log);
    let keys: Vec<&str> = first
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut sorted = [
        "callid",
        "source_tag",
        "source_label",
        "tags",
        "type",
        "timestamp",
        "source_ip",
        "event",
        "duration",
        "volume",
    ];
    sorted.sort_unstable();
    assert_eq!(keys, sorted);
    assert_eq!(first["callid"], "call");
    assert_eq!(first["source_tag"], "A");
    // The label is that of the last description: B's.
    assert_eq!(first["source_label"], "door");
    assert_eq!(first["tags"], json!(["A", "B"]));
    assert_eq!(
        (&first["type"], &first["source_ip"]),
        (&json!("DTMF"), &json!("127.0.0.1"))
    );
    let numbers = [&first["event"], &first["duration"], &first["volume"]];
    assert_eq!(numbers, [&json!(1), &json!(100), &json!(10)]);
    scene.told("55#");
    scene.b.dials(7);
    let seventh = one_digit(&scene.log);
    assert_eq!(
        (&seventh["source_tag"], &seventh["event"]),
        (&json!("B"), &json!(7))
    );
    let (_, _, metrics) = scene.daemon.http("GET /metrics", "");
    assert!(
        metrics.contains("voxplane_dtmf_digits_total 5"),
        "{metrics}"
    );
}

#[test]
fn digits_in_disorder_are_told_in_order_and_once() {
    let mut scene = Scene::start();
    let to = scene.a.to;
    scene.a.to = (Ipv4Addr::LOCALHOST, 9).into();
    let (first, second) = (scene.a.dials(1), scene.a.dials(2));
    // The last end of the first comes after the begin of the second; some come twice.
    let order = [0, 1, 3, 2, 4, 4, 7, 5, 6, 8, 9, 11, 11, 12, 13];
    let all = [first, second].concat();
    for at in order {
        scene.a.endpoint.send(to, &all[at].bytes());
    }
    scene.a.to = to;
    scene.a.dials(3);
    scene.told("123");
}

#[test]
fn call_names_who_is_told() {
    let own = listener();
    let dest = own.local_addr().unwrap().to_string();
    let mut scene = Scene::with("0 101", "0 101", &json!({"DTMF-log-dest": dest}));
    scene.a.dials(4);
    assert_eq!(told(&own, 1), "4");
    scene.log.set_nonblocking(true).unwrap();
    assert!(scene.log.recv(&mut [0; 64]).is_err(), "that one alone");
}

#[test]
fn digits_are_hidden_as_asked_and_told_as_dialled() {
    // What B gets of the digit 5: events' keys, or else audio with these frequencies.
    let none: &[f64] = &[];
    for (mode, more, events, sounds) in [
        ("drop", json!({}), "", none),
        ("silence", json!({}), "", none),
        ("tone", json!({"frequency": 600, "volume": 6}), "", &[600.0]),
        ("zero", json!({}), "0", none),
        ("DTMF", json!({"digit": "7"}), "7", none),
        ("off", json!({}), "5", none),
    ] {
        let mut scene = Scene::start();
        scene.a.says(QUIET, 2);
        let mut block = json!({"from-tag": "A", "DTMF-security": mode});
        block
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        scene.b.hears(2);
        scene.tell("block DTMF", &block);
        scene.a.says(QUIET, 2);
        scene.a.dials(5);
        scene.a.says(0x2a, 1);
        let heard = scene.b.hears_up_to(0x2a);
        assert_unbroken(&heard);
        assert_eq!(keys(&heard, EVENTS), events, "{mode}");
        let (_, during) = heard.split_at(2);
        let during = &during[..during.len() - 1];
        match mode {
            "drop" => assert_eq!(during, []),
            "silence" => assert!(during.len() == 5 && during.iter().all(is_quiet), "{mode}"),
            "tone" => assert_eq!(during.len(), 5),
            _ => {}
        }
        for hz in sounds {
            assert!(amplitude(during, *hz) > 0.3, "{mode}: {during:?}");
        }
        for hz in tones('5') {
            assert!(amplitude(during, hz) < 0.02, "{mode}");
        }
        scene.told("5");
        // From where B stands nothing has changed.
        let sent = scene.b.dials(9);
        assert_eq!(scene.a.hears(7), sent);
        scene.told("9");

        scene.tell("unblock DTMF", &json!({"from-tag": "A"}));
        scene.a.dials(6);
        scene.a.says(0x2b, 1);
        let heard = scene.b.hears_up_to(0x2b);
        assert_unbroken(&heard);
        assert_eq!(keys(&heard, EVENTS), "6", "{mode}");
        scene.told("6");
    }
}

#[test]
fn random_digits_stand_in_for_the_true_ones() {
    let mut scene = Scene::start();
    scene.tell("block DTMF", &json!({"DTMF-security": "random"}));
    scene.a.says(QUIET, 1);
    for _ in 0..12 {
        scene.a.dials(5);
        scene.a.says(QUIET, 2);
    }
    scene.a.says(0x2a, 1);
    let shown = keys(&scene.b.hears_up_to(0x2a), EVENTS);
    assert_eq!(shown.len(), 12);
    assert!(shown.chars().any(|key| key != '5'), "{shown}");
    scene.told("555555555555");
}

#[test]
fn digits_are_blocked_for_whom_it_was_asked() {
    for (selector, is_blocked) in [
        (json!({}), [true, true]),
        (json!({"flags": ["all"]}), [true, true]),
        (json!({"from-tag": "A"}), [true, false]),
        (json!({"from-tag": "B"}), [false, true]),
        (json!({"from-tag": "A", "to-tag": "B"}), [true, false]),
        (
            json!({"from-tag": "A", "all": "offer-answer"}),
            [true, false],
        ),
        (
            json!({"from-tag": "A", "all": "except-offer-answer"}),
            [false, false],
        ),
        (json!({"label": "la"}), [false, true]),
        (json!({"address": "127.0.0.1"}), [true, false]),
    ] {
        let mut scene = Scene::with("0 101", "0 101", &json!({"label": "none"}));
        let answer = sdp(scene.b.endpoint.port(), "0 101");
        scene.describe("answer", &answer, &json!({"label": "la"}));
        scene.tell("block DTMF", &selector);
        for (side, is_blocked) in is_blocked.into_iter().enumerate() {
            let (from, to) = match side {
                0 => (&mut scene.a, &scene.b),
                _ => (&mut scene.b, &scene.a),
            };
            from.dials(5);
            from.says(0x2a, 1);
            let shown = keys(&to.hears_up_to(0x2a), EVENTS);
            assert_eq!(shown.is_empty(), is_blocked, "{selector}, side {side}");
        }
        scene.told("55");
    }
}

#[test]
fn flag_blocks_the_digits_of_whoever_describes_itself() {
    let more = json!({"flags": ["block-DTMF"], "DTMF-security": "zero"});
    let mut scene = Scene::with("0 101", "0 101", &json!({}));
    let offer = sdp(scene.a.endpoint.port(), "0 101");
    scene.describe("offer", &offer, &more);
    let answer = sdp(scene.b.endpoint.port(), "0 101");
    scene.describe("answer", &answer, &json!({}));
    scene.a.says(QUIET, 1);
    scene.a.dials(5);
    scene.a.says(0x2a, 1);
    assert_eq!(keys(&scene.b.hears_up_to(0x2a), EVENTS), "0");
    scene.b.dials(6);
    assert_eq!(keys(&scene.a.hears(7), EVENTS), "6");
    scene.told("56");
}

#[test]
fn delayed_digits_are_silent_first_and_come_later() {
    let mut scene = Scene::start();
    let block = json!({"from-tag": "A", "DTMF-security": "DTMF", "digit": "3", "DTMF-delay": 200});
    scene.tell("block DTMF", &block);
    scene.a.says(0xd5, 2);
    scene.a.dials(5);
    scene.a.says(0xd5, 20);
    scene.a.says(0x2a, 1);
    let heard = scene.b.hears_up_to(0x2a);
    assert_unbroken(&heard);
    assert!(
        heard[2..7].iter().all(is_quiet),
        "silent while it is dialled"
    );
    assert_eq!(keys(&heard, EVENTS), "3");
    let begin = heard
        .iter()
        .find(|packet| packet.payload_type == EVENTS)
        .unwrap();
    assert_eq!(
        begin.timestamp,
        heard[2].timestamp + 200 * 8,
        "200 ms later"
    );
    scene.told("5");
}

#[test]
fn played_digits_are_heard_at_the_other_side_as_events() {
    let mut scene = Scene::start();
    scene.a.says(0xd5, 2);
    scene.b.hears(2);
    for code in [json!(7), json!("#")] {
        let play =
            json!({"from-tag": "A", "code": code, "duration": 120, "pause": 100, "volume": 12});
        scene.tell("play DTMF", &play);
    }
    scene.a.says(0xd5, 26);
    scene.a.says(0x2a, 1);
    let heard = scene.b.hears_up_to(0x2a);
    assert_unbroken(&heard);
    assert_eq!(keys(&heard, EVENTS), "7#");
    let events: Vec<&Packet> = heard.iter().filter(|p| p.payload_type == EVENTS).collect();
    let last = TelephoneEvent::parse(&events[7].payload).unwrap();
    assert_eq!(
        (last.duration_ticks, last.volume, last.end),
        (960, 12, true)
    );
    assert_eq!(events.iter().filter(|packet| packet.marker).count(), 2);
    assert!(events[0].marker && events[8].marker);
    assert_eq!(events[8].timestamp - events[0].timestamp, (120 + 100) * 8);
    scene.told("7#");
    // Whoever is said to have dialled hears nothing of it.
    let sent = scene.b.says(0xd5, 1);
    assert_eq!(scene.a.hears(1), sent);
}

#[test]
fn played_digits_are_tones_where_there_are_no_events() {
    let mut scene = Scene::with("0", "0", &json!({"flags": ["inject-DTMF"]}));
    let early = scene.ask("play DTMF", &json!({"from-tag": "A", "code": 1}));
    assert_eq!(
        early["error-reason"],
        "No SSRC context present for DTMF injection"
    );
    scene.a.says(QUIET, 2);
    scene.b.hears(2);
    scene.tell(
        "play DTMF",
        &json!({"from-tag": "A", "code": 5, "duration": 100}),
    );
    scene.a.says(0xd5, 12);
    scene.a.says(0x2a, 1);
    let heard = scene.b.hears_up_to(0x2a);
    assert_unbroken(&heard);
    let (sounds, rest) = heard.split_at(5);
    for hz in tones('5') {
        assert!(amplitude(sounds, hz) > 0.1);
    }
    assert!(amplitude(sounds, 697.0) < 0.02);
    assert!(rest[..5].iter().all(is_quiet), "a pause of 100 ms");
    assert!(!is_quiet(&rest[5]));
    scene.told("5");
    for (more, reason) in [
        (json!({"code": 1}), "No participant party specified"),
        (
            json!({"from-tag": "A", "code": 16}),
            "Out of range 'code' specified",
        ),
        (json!({"from-tag": "A"}), "Out of range 'code' specified"),
        (
            json!({"from-tag": "B", "code": 1}),
            "No SSRC context present for DTMF injection",
        ),
    ] {
        assert_eq!(scene.ask("play DTMF", &more)["error-reason"], reason);
    }
}

#[test]
fn silenced_party_is_not_heard_but_dials() {
    let mut scene = Scene::start();
    scene.a.says(0xd5, 1);
    scene.b.hears(1);
    scene.tell("silence media", &json!({"from-tag": "A"}));
    scene.a.says(0xd5, 3);
    scene.a.dials(8);
    scene.a.says(0xd5, 3);
    let heard = scene.b.hears(13);
    assert_unbroken(&heard);
    assert_eq!(keys(&heard, EVENTS), "8");
    let audio: Vec<&Packet> = heard
        .iter()
        .filter(|packet| packet.payload_type == 0)
        .collect();
    assert_eq!(audio.len(), 6);
    assert!(audio.into_iter().all(is_quiet));
    let sent = scene.b.says(0xd5, 2);
    assert_eq!(scene.a.hears(2), sent, "the other one is heard");
    scene.tell("unsilence media", &json!({"from-tag": "A"}));
    scene.a.says(0xd5, 2);
    assert!(
        scene
            .b
            .hears(2)
            .iter()
            .all(|packet| packet.payload == [0xd5; 160])
    );
    scene.told("8");
}

#[test]
fn digits_pass_while_media_is_blocked() {
    let mut scene = Scene::start();
    scene.tell("block media", &json!({"from-tag": "A"}));
    scene.a.says(0xd5, 2);
    let sent = scene.a.dials(8);
    assert_eq!(scene.b.hears(7), sent);
    scene.tell("block DTMF", &json!({"from-tag": "A"}));
    scene.a.says(0xd5, 2);
    scene.a.dials(9);
    // Both have been dealt with when both are told.
    scene.told("89");
    scene.tell("unblock media", &json!({"from-tag": "A"}));
    scene.a.says(0x2a, 1);
    assert_eq!(scene.b.hears_up_to(0x2a).len(), 1);
}

#[test]
fn tones_become_events_and_events_tones() {
    // B takes events, A does not.
    let transcode = json!({"codec": {"transcode": ["telephone-event"]}});
    let mut scene = Scene::with("0", "0 96", &transcode);
    scene.a.sings('6');
    scene.a.says(0x2a, 1);
    let heard = scene.b.hears_up_to(0x2a);
    assert_unbroken(&heard);
    assert_eq!(keys(&heard, 96), "6");
    scene.b.says(QUIET, 3);
    scene.b.dials_as(96, 4);
    scene.b.says(0x2a, 1);
    let heard = scene.a.hears_up_to(0x2a);
    assert_unbroken(&heard);
    assert_eq!(heard.len(), 9);
    assert!(heard.iter().all(|packet| packet.payload_type == 0));
    for hz in tones('4') {
        assert!(amplitude(&heard[3..8], hz) > 0.1);
    }
    scene.told("64");
}

#[test]
fn tones_are_found_where_it_is_asked_and_stay_as_they_are() {
    let mut scene = Scene::with("0 101", "0 101", &json!({"flags": ["detect-DTMF"]}));
    let mut sent = scene.a.sings('*');
    sent.extend(scene.a.dials(2));
    sent.extend(scene.a.says(0xd5, 1));
    let heard = scene.b.hears(sent.len());
    assert_eq!(heard, sent);
    scene.told("*2");
}

#[test]
fn tones_are_hidden_where_there_are_no_events() {
    let mut scene = Scene::with("0", "0", &json!({}));
    scene.tell("block DTMF", &json!({"from-tag": "A"}));
    scene.a.sings('5');
    scene.a.says(0x2a, 1);
    let heard = scene.b.hears_up_to(0x2a);
    assert_eq!(heard.len(), 16);
    // Until the tones are found, which takes less than a key needs to be one.
    assert!(heard[7..15].iter().all(is_quiet), "{heard:?}");
    scene.told("5");
}
