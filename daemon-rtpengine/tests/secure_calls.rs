//! Secured calls that go wrong, over the real daemon's real protocol. Whatever happens to one: it is counted,
//! `query` and the log say why there is no audio, nobody hears what is not meant for him, the call beside it goes
//! on, and no key is in the log.

mod support;

use std::time::{Duration, Instant};

use media_core::dtls::{ClientOffer, DtlsEvent};
use media_core::srtp::{CryptoSuite, MasterKey};
use media_core::wire::demux::{PacketKind, classify};
use serde_json::json;

use support::PATIENCE;
use support::call::{audio_address, sdp};
use support::rtp::Endpoint;
use support::scene::{Scene, Sides};
use support::secure::{
    Handshake, Srtp, certificate, crypto_line, dtls_lines, endpoint, first_key, keys_of, rtp,
    secured,
};
use support::wait_for;

const CM_80: CryptoSuite = CryptoSuite::AesCm128HmacSha1_80;
const CM_32: CryptoSuite = CryptoSuite::AesCm128HmacSha1_32;
const GCM_128: CryptoSuite = CryptoSuite::AeadAes128Gcm;
const GCM_256: CryptoSuite = CryptoSuite::AeadAes256Gcm;

const DTLS: &str = "UDP/TLS/RTP/SAVP";
const MUX: &str = "a=rtcp-mux";

/// A call from SDES to plain RTP.
struct SdesCall {
    id: String,
    a: Endpoint,
    b: Endpoint,
    sides: Sides,
    /// What a was told to protect with, and what it is answered.
    keys: [MasterKey; 2],
    srtp: Srtp,
}

impl SdesCall {
    fn new(scene: &Scene, id: &str, suite: CryptoSuite) -> Self {
        let own = MasterKey::generate(suite);
        Self::offering(scene, id, &[crypto_line(&own), MUX.to_owned()], own)
    }

    /// a offers these lines; `own` is the key among them that is to be chosen.
    fn offering(scene: &Scene, id: &str, lines: &[String], own: MasterKey) -> Self {
        let (a, b) = (endpoint(), endpoint());
        let sides = scene.secured_to_plain(id, (&a, "RTP/SAVP", lines), &b, &json!({}));
        let daemon = first_key(&sides.answer);
        assert_eq!(daemon.suite(), own.suite(), "{}", sides.answer);
        Self {
            id: id.to_owned(),
            a,
            b,
            sides,
            srtp: Srtp::new(&own, &daemon),
            keys: [own, daemon],
        }
    }

    /// a's packet; b must hear it.
    fn b_hears(&mut self, plain: &[u8]) {
        let packet = self.srtp.protect(plain);
        self.a.send(self.sides.to_a, &packet);
        let heard = self.b.receive(1, PATIENCE);
        assert_eq!(heard, [(self.sides.to_b, plain.to_vec())]);
    }

    /// b's packet; a must hear it, protected.
    fn a_hears(&mut self, plain: &[u8]) {
        self.b.send(self.sides.to_b, plain);
        let heard = self.a.receive(1, PATIENCE);
        let [(from, packet)] = &heard[..] else {
            panic!("a hears nothing");
        };
        assert_eq!(*from, self.sides.to_a);
        assert!(
            !packet.windows(16).any(|part| part == &plain[12..28]),
            "in clear"
        );
        assert_eq!(self.srtp.unprotect(packet), Ok(plain.to_vec()));
    }

    fn b_hears_nothing(&self) {
        assert_eq!(self.b.drain(), []);
    }
}

/// Whatever came to `endpoint` so far is of this kind.
fn only(endpoint: &Endpoint, kind: PacketKind) {
    for (_, datagram) in endpoint.drain() {
        assert_eq!(classify(&datagram), kind, "{datagram:02x?}");
    }
}

#[test]
fn a_wrong_fingerprint_gives_no_keys() {
    let scene = Scene::start("fingerprint", 48);
    let cases = [
        ("active", ClientOffer::Compatible),
        ("passive", ClientOffer::Compatible),
        ("passive", ClientOffer::Modern),
    ];
    for ((role, hello), n) in cases.into_iter().zip(1..) {
        let (said, own) = (certificate(), certificate());
        let (a, b) = (endpoint(), endpoint());
        let id = format!("fingerprint-{n}");
        let lines = [dtls_lines(&said), vec![MUX.to_owned()]].concat();
        let sides = scene.secured_to_plain(&id, (&a, DTLS, &lines), &b, &json!({ "DTLS": role }));
        let event = Handshake::new(&own, hello, &sides.answer, sides.to_a).run(&a);
        scene.await_verdict(&id, "a", "dtls_failed");
        // Who was told of keys before of the failure may even use them.
        let packet = match event {
            DtlsEvent::Connected { keys, .. } => {
                let [own, daemon] = keys_of(&keys);
                scene.keep_secret(&own);
                scene.keep_secret(&daemon);
                Srtp::new(&own, &daemon).protect(&rtp(1, 1))
            }
            _ => rtp(1, 1),
        };
        a.send(sides.to_a, &packet);
        b.send(sides.to_b, &rtp(2, 1));
        scene.await_dropped("no_keys", 2 * n);
        assert_eq!(b.drain(), []);
        only(&a, PacketKind::Dtls);
        let stream = scene.stream(&id, "a");
        assert_eq!(stream["stats"]["errors"], 1, "{stream}");
        assert_eq!(stream["DTLS"], json!(null), "{stream}");
        scene.end(
            &id,
            "a",
            "DTLS failed: the peer's certificate does not match its fingerprint",
        );
        let ended = scene.metric("voxplane_stream_verdicts_total", "\"dtls_failed\"");
        assert_eq!(ended, n);
    }
}

#[test]
fn a_wrong_key_lets_nothing_in() {
    const PACKETS: u16 = 10;
    let scene = Scene::start("key", 48);
    for (suite, n) in [CM_80, CM_32, GCM_128, GCM_256].into_iter().zip(1..) {
        let mut call = SdesCall::new(&scene, &format!("key-{n}"), suite);
        let wrong = MasterKey::generate(suite);
        scene.keep_secret(&wrong);
        let mut forger = Srtp::new(&wrong, &call.keys[1]);
        for seq in 0..PACKETS {
            call.a.send(call.sides.to_a, &forger.protect(&rtp(1, seq)));
        }
        scene.await_dropped("not_authentic", n * u64::from(PACKETS));
        let stream = scene.await_verdict(&call.id, "a", "srtp_authentication_failing");
        assert_eq!(stream["stats"]["errors"], PACKETS, "{stream}");
        assert_eq!(stream["stats"]["packets"], 0, "{stream}");
        call.b_hears_nothing();
        // The way back has nothing to do with it.
        call.a_hears(&rtp(2, 1));
        scene.end(&call.id, "a", "SRTP authentication has been failing for ");
    }
    let verdict = "\"srtp_authentication_failing\"";
    assert_eq!(scene.metric("voxplane_stream_verdicts_total", verdict), 4);
}

#[test]
fn a_bad_tag_is_dropped_and_moves_nobody() {
    let scene = Scene::start("tag", 48);
    let mut call = SdesCall::new(&scene, "tag", CM_80);
    for seq in 0..5 {
        call.b_hears(&rtp(1, seq));
        call.a_hears(&rtp(2, seq));
    }
    let stranger = endpoint();
    for seq in 5..15 {
        let mut packet = call.srtp.protect(&rtp(1, seq));
        let at = packet.len() - usize::from(seq % 10) - 1;
        packet[at] ^= 0x10;
        call.a.send(call.sides.to_a, &packet);
        stranger.send(call.sides.to_a, &packet);
    }
    scene.await_dropped("not_authentic", 20);
    call.b_hears_nothing();
    // Between good packets they hinder nobody; nor does audio go to whom they came from.
    call.b_hears(&rtp(1, 15));
    call.a_hears(&rtp(2, 15));
    assert_eq!(stranger.drain(), []);
    assert_eq!(scene.stream("tag", "a")["verdict"], "flowing");
    // When nothing else comes any more, they are why.
    let mut seq = 16;
    wait_for("the verdict", || {
        let mut packet = call.srtp.protect(&rtp(1, seq));
        seq += 1;
        packet[20] ^= 1;
        call.a.send(call.sides.to_a, &packet);
        let failing = scene.stream("tag", "a")["verdict"] == "srtp_authentication_failing";
        failing.then_some(())
    });
    call.b_hears_nothing();
    assert_eq!(stranger.drain(), []);
    scene.end("tag", "a", "SRTP authentication has been failing for ");
}

#[test]
fn what_is_replayed_is_heard_once() {
    const PACKETS: u16 = 30;
    const ROUNDS: u16 = 2;
    let scene = Scene::start("replay", 48);
    let mut call = SdesCall::new(&scene, "replay", GCM_128);
    let packets: Vec<Vec<u8>> = (0..PACKETS)
        .map(|seq| call.srtp.protect(&rtp(1, seq)))
        .collect();
    for packet in &packets {
        call.a.send(call.sides.to_a, packet);
    }
    let heard = call.b.receive(PACKETS.into(), PATIENCE);
    let sent: Vec<_> = (0..PACKETS)
        .map(|seq| (call.sides.to_b, rtp(1, seq)))
        .collect();
    assert_eq!(heard, sent);
    call.a_hears(&rtp(2, 1));
    // By whoever has listened in, from wherever.
    let stranger = endpoint();
    for _ in 0..ROUNDS {
        for packet in &packets {
            stranger.send(call.sides.to_a, packet);
            call.a.send(call.sides.to_a, packet);
        }
    }
    scene.await_dropped("replayed", u64::from(2 * ROUNDS * PACKETS));
    call.b_hears_nothing();
    call.a_hears(&rtp(2, 2));
    assert_eq!(stranger.drain(), []);
    let stream = scene.await_verdict("replay", "a", "srtp_replayed");
    assert_eq!(stream["stats"]["packets"], PACKETS, "{stream}");
    scene.end(
        "replay",
        "a",
        "SRTP packets come with sequence numbers that were seen before",
    );
}

#[test]
fn a_weaker_suite_than_agreed_on_is_refused() {
    let scene = Scene::start("downgrade", 48);
    let strong = MasterKey::generate(GCM_256);
    let weak = MasterKey::generate(CM_80);
    let offered = [
        crypto_line(&strong),
        crypto_line(&weak).replace("crypto:1 ", "crypto:2 "),
        MUX.to_owned(),
    ];
    let mut call = SdesCall::offering(&scene, "downgrade", &offered, strong.clone());
    // With the key that was not chosen, with the chosen one under a weaker suite, and in clear.
    let cut = MasterKey::new(CM_32, &strong.key_and_salt()[..30]).expect("30 octets");
    scene.keep_secret(&cut);
    let mut protectors = [weak, cut].map(|own| Srtp::new(&own, &call.keys[1]));
    for seq in 0..10 {
        let plain = rtp(1, seq);
        for packet in protectors.iter_mut().map(|srtp| srtp.protect(&plain)) {
            call.a.send(call.sides.to_a, &packet);
        }
        call.a.send(call.sides.to_a, &plain);
    }
    scene.await_dropped("not_authentic", 30);
    scene.await_verdict("downgrade", "a", "srtp_authentication_failing");
    call.b_hears_nothing();
    call.a_hears(&rtp(2, 1));
    scene.end(
        "downgrade",
        "a",
        "SRTP authentication has been failing for ",
    );
}

#[test]
fn an_answer_that_downgrades_is_refused() {
    let scene = Scene::start("answer", 48);
    let not_offered = crypto_line(&MasterKey::generate(CM_32));
    let cases = [
        (
            vec![not_offered],
            "SRTP was asked for and cannot be: the key in the answer is for nothing that was offered",
        ),
        (
            Vec::new(),
            "SRTP was asked for and cannot be: no keys and no certificate in the answer",
        ),
    ];
    for ((lines, sentence), n) in cases.into_iter().zip(1..) {
        let id = format!("answer-{n}");
        let (a, b) = (endpoint(), endpoint());
        let wanted = json!({ "transport-protocol": "RTP/SAVP", "SDES": ["only-AEAD_AES_256_GCM"] });
        let offered = scene.describe("offer", &id, &sdp(a.port()), &wanted);
        assert_eq!(first_key(&offered).suite(), GCM_256, "{offered}");
        let answer = secured(b.port(), "RTP/SAVP", &lines);
        let answered = scene.describe("answer", &id, &answer, &json!({}));
        scene.await_verdict(&id, "b", "security_refused");
        a.send(audio_address(&answered), &rtp(1, 1));
        b.send(audio_address(&offered), &rtp(2, 1));
        scene.await_dropped("no_keys", 2 * n);
        assert_eq!((a.drain(), b.drain()), (vec![], vec![]));
        scene.end(&id, "b", sentence);
    }
}

#[test]
fn a_party_that_changes_its_ssrc_is_heard_on() {
    let scene = Scene::start("ssrc", 48);
    for (suite, n) in [CM_80, GCM_256].into_iter().zip(1..) {
        let mut call = SdesCall::new(&scene, &format!("ssrc-{n}"), suite);
        for seq in 0..10 {
            call.b_hears(&rtp(0x1111, 40_000 + seq));
        }
        for seq in 0..10 {
            call.b_hears(&rtp(0x2222, seq));
            call.a_hears(&rtp(3, seq));
        }
        // A change alone is no key.
        let other = MasterKey::generate(suite);
        let forged = Srtp::new(&other, &call.keys[1]).protect(&rtp(0x3333, 1));
        call.a.send(call.sides.to_a, &forged);
        scene.await_dropped("not_authentic", n);
        call.b_hears_nothing();
        let stream = scene.await_verdict(&call.id, "a", "flowing");
        assert_eq!(stream["SSRC"], 0x2222, "{stream}");
        let sources = stream["reception"].as_array().expect("a list");
        let mut heard: Vec<_> = sources
            .iter()
            .map(|s| (&s["SSRC"], &s["packets"]))
            .collect();
        heard.sort_by_key(|(ssrc, _)| ssrc.as_u64());
        let ten = json!(10);
        assert_eq!(heard, [(&json!(0x1111), &ten), (&json!(0x2222), &ten)]);
        scene.end(&call.id, "a", "media flows both ways");
    }
}

#[test]
fn a_rollover_loses_nothing_but_what_the_network_lost() {
    const PACKETS: u16 = 3000;
    const BATCH: usize = 25;
    // In the middle.
    const FIRST: u16 = u16::MAX - PACKETS / 2;
    let scene = Scene::start("rollover", 48);
    for (suite, n) in [CM_80, GCM_128].into_iter().zip(1..) {
        let mut call = SdesCall::new(&scene, &format!("rollover-{n}"), suite);
        // 5 %, and all of them around the wrap. The first one comes: it says where the stream begins.
        let all: Vec<u16> = (0..PACKETS).map(|n| FIRST.wrapping_add(n)).collect();
        let lost = |seq: u16| {
            let around = !(6..u16::MAX - 7).contains(&seq);
            seq != FIRST && (around || u32::from(seq).wrapping_mul(0x9e37_79b9) >> 16 & 0xff < 13)
        };
        let kept: Vec<u16> = all.iter().copied().filter(|seq| !lost(*seq)).collect();
        let missing = all.len() - kept.len();
        assert!((100..250).contains(&missing), "{missing} lost");
        let mut up = all
            .iter()
            .map(|seq| (*seq, call.srtp.protect(&rtp(1, *seq))));
        let arriving: Vec<Vec<u8>> = up
            .by_ref()
            .filter(|(seq, _)| !lost(*seq))
            .map(|(_, p)| p)
            .collect();
        drop(up);
        for (packets, seqs) in arriving.chunks(BATCH).zip(kept.chunks(BATCH)) {
            for packet in packets {
                call.a.send(call.sides.to_a, packet);
            }
            let heard = call.b.receive(seqs.len(), PATIENCE);
            let sent: Vec<_> = seqs
                .iter()
                .map(|seq| (call.sides.to_b, rtp(1, *seq)))
                .collect();
            assert_eq!(heard, sent);
        }
        // The other way the loss is behind the daemon.
        for seqs in all.chunks(BATCH) {
            for seq in seqs {
                call.b.send(call.sides.to_b, &rtp(2, *seq));
            }
            let heard = call.a.receive(seqs.len(), PATIENCE);
            assert_eq!(heard.len(), seqs.len());
            for ((_, packet), seq) in heard.iter().zip(seqs).filter(|(_, seq)| !lost(**seq)) {
                assert_eq!(call.srtp.unprotect(packet), Ok(rtp(2, *seq)), "{seq}");
            }
        }
        let stream = scene.await_verdict(&call.id, "a", "flowing");
        assert_eq!(stream["reception"][0]["lost"], missing, "{stream}");
        assert_eq!(stream["stats"]["errors"], 0, "{stream}");
        scene.end(&call.id, "a", "media flows both ways");
    }
    for reason in ["not_authentic", "replayed", "key_expired"] {
        assert_eq!(scene.dropped(reason), 0, "{reason}");
    }
}

#[test]
fn nothing_passes_before_the_handshake_ends() {
    let scene = Scene::start("early", 48);
    let cases = [
        ("passive", ClientOffer::Compatible, "1.2"),
        ("passive", ClientOffer::Modern, "1.3"),
        ("active", ClientOffer::Compatible, "1.2"),
    ];
    for ((role, hello, version), n) in cases.into_iter().zip(1..) {
        let own = certificate();
        let (a, b) = (endpoint(), endpoint());
        let lines = [dtls_lines(&own), vec![MUX.to_owned()]].concat();
        let more = json!({ "DTLS": role });
        let sides = scene.secured_to_plain(&format!("early-{n}"), (&a, DTLS, &lines), &b, &more);
        let id = format!("early-{n}");
        // Without keys everything is refused, whatever it looks like.
        let guessed = MasterKey::generate(CM_80);
        let mut guess = Srtp::new(&guessed, &guessed);
        for seq in 0..5 {
            a.send(sides.to_a, &rtp(1, seq));
            a.send(sides.to_a, &guess.protect(&rtp(1, seq)));
            b.send(sides.to_b, &rtp(2, seq));
        }
        scene.await_dropped("no_keys", 15 * n);
        scene.await_verdict(&id, "a", "dtls_waiting");
        assert_eq!(b.drain(), []);
        let mut handshake = Handshake::new(&own, hello, &sides.answer, sides.to_a);
        let DtlsEvent::Connected { keys, .. } = handshake.run(&a) else {
            panic!("no keys");
        };
        let [key, daemon] = keys_of(&keys);
        scene.keep_secret(&key);
        scene.keep_secret(&daemon);
        let mut srtp = Srtp::new(&key, &daemon);
        wait_for("the daemon's keys", || {
            let stream = scene.stream(&id, "a");
            (stream["DTLS"] == json!({ "version": version, "role": role })).then_some(())
        });
        a.send(sides.to_a, &srtp.protect(&rtp(1, 100)));
        assert_eq!(b.receive(1, PATIENCE), [(sides.to_b, rtp(1, 100))]);
        only(&a, PacketKind::Dtls);
        b.send(sides.to_b, &rtp(2, 100));
        let heard = a.receive(1, PATIENCE);
        assert_eq!(srtp.unprotect(&heard[0].1), Ok(rtp(2, 100)));
        scene.await_verdict(&id, "a", "flowing");
        scene.end(&id, "a", "media flows both ways");
    }
    // One whose party never begins.
    let (a, b) = (endpoint(), endpoint());
    let lines = [dtls_lines(&certificate()), vec![MUX.to_owned()]].concat();
    let more = json!({ "DTLS": "passive" });
    let sides = scene.secured_to_plain("never", (&a, DTLS, &lines), &b, &more);
    b.send(sides.to_b, &rtp(2, 1));
    scene.await_dropped("no_keys", 46);
    assert_eq!(a.drain(), []);
    scene.end(
        "never",
        "a",
        "the DTLS handshake has not ended: no keys yet",
    );
}

/// The lines of an ICE agent with one candidate at this port.
fn ice_lines(port: u16) -> Vec<String> {
    vec![
        "a=ice-ufrag:shut".to_owned(),
        "a=ice-pwd:neverAnswersNeverAnswers".to_owned(),
        format!("a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host"),
        MUX.to_owned(),
    ]
}

#[test]
fn candidates_that_never_answer_get_nothing_but_checks() {
    let scene = Scene::start("ice", 48);
    let (a, b) = (endpoint(), endpoint());
    let lines = [dtls_lines(&certificate()), ice_lines(a.port())].concat();
    let more = json!({ "ICE": "force" });
    let sides = scene.secured_to_plain("ice", (&a, "UDP/TLS/RTP/SAVPF", &lines), &b, &more);
    scene.await_verdict("ice", "a", "ice_checking");
    b.send(sides.to_b, &rtp(2, 1));
    // A second call ends while it is still checking.
    let (c, d) = (endpoint(), endpoint());
    let lines = [dtls_lines(&certificate()), ice_lines(c.port())].concat();
    scene.secured_to_plain("checking", (&c, "UDP/TLS/RTP/SAVPF", &lines), &d, &more);
    scene.await_verdict("checking", "a", "ice_checking");
    scene.end("checking", "a", "ICE is checking: no pair is nominated yet");
    // ICE gives up after half a minute at most.
    let stream = scene.await_verdict_for(Duration::from_secs(30), "ice", "a", "ice_failed");
    assert_eq!(
        stream["reason"], "ICE failed: nothing came from the peer",
        "{stream}"
    );
    b.send(sides.to_b, &rtp(2, 2));
    scene.await_dropped("no_endpoint", 2);
    only(&a, PacketKind::Stun);
    scene.end("ice", "a", "ICE failed: nothing came from the peer");
}

/// The first half of a ClientHello as a fragment of its own (RFC 6347 §4.2.3).
fn half(hello: &[u8]) -> Vec<u8> {
    /// Record header, handshake header (RFC 6347 §4.1, §4.2.2).
    const HEADERS: [usize; 2] = [13, 12];
    let (head, body) = hello.split_at(HEADERS[0] + HEADERS[1]);
    let body = &body[..body.len() / 2];
    let [high, low] = u16::try_from(HEADERS[1] + body.len())
        .expect("a datagram")
        .to_be_bytes();
    let mut fragment = head.to_vec();
    fragment[11..13].copy_from_slice(&[high, low]);
    let [high, low] = u16::try_from(body.len()).expect("a datagram").to_be_bytes();
    fragment[22..25].copy_from_slice(&[0, high, low]);
    fragment.extend(body);
    fragment
}

/// What a process holds in memory.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse().ok()).expect("its memory")
}

#[test]
fn a_thousand_half_open_calls_hinder_nobody() {
    const CALLS: usize = 1000;
    const MOST_KIB: u64 = 200 * 1024;
    // Four ports each, and some for those who talk.
    let scene = Scene::start("half-open", 4200);
    let before = resident_kib(scene.daemon().id());
    let (a, b, own) = (endpoint(), endpoint(), certificate());
    let dtls = [dtls_lines(&own), vec![MUX.to_owned()]].concat();
    let ice = [dtls_lines(&own), ice_lines(a.port())].concat();
    let began = Instant::now();
    for n in 0..CALLS {
        let id = format!("half-{n}");
        if n % 3 == 0 {
            let more = json!({ "ICE": "force" });
            scene.secured_to_plain(&id, (&a, "UDP/TLS/RTP/SAVPF", &ice), &b, &more);
            continue;
        }
        let more = json!({ "DTLS": "passive" });
        let sides = scene.secured_to_plain(&id, (&a, DTLS, &dtls), &b, &more);
        let mut handshake =
            Handshake::new(&own, ClientOffer::Compatible, &sides.answer, sides.to_a);
        let hello = handshake.first_datagram();
        let datagram = if n % 3 == 1 { hello } else { half(&hello) };
        a.send(sides.to_a, &datagram);
        if n % 100 == 1 {
            scene.bystander_talks();
        }
    }
    println!("{CALLS} half-open calls in {:?}", began.elapsed());
    // In the midst of them one that is meant.
    let (party, phone) = (endpoint(), endpoint());
    let more = json!({ "DTLS": "passive" });
    let sides = scene.secured_to_plain("meant", (&party, DTLS, &dtls), &phone, &more);
    let mut handshake = Handshake::new(&own, ClientOffer::Compatible, &sides.answer, sides.to_a);
    let DtlsEvent::Connected { keys, .. } = handshake.run(&party) else {
        panic!("no keys");
    };
    let [key, daemon] = keys_of(&keys);
    scene.keep_secret(&key);
    let mut srtp = Srtp::new(&key, &daemon);
    scene.await_verdict("half-1", "a", "dtls_waiting");
    scene.await_verdict("half-2", "a", "dtls_waiting");
    wait_for("the daemon's keys", || {
        (scene.stream("meant", "a")["DTLS"]["role"] == "passive").then_some(())
    });
    party.send(sides.to_a, &srtp.protect(&rtp(1, 1)));
    assert_eq!(phone.receive(1, PATIENCE), [(sides.to_b, rtp(1, 1))]);
    phone.send(sides.to_b, &rtp(2, 1));
    let heard = party.receive(1, PATIENCE);
    assert_eq!(srtp.unprotect(&heard[0].1), Ok(rtp(2, 1)));
    let grown = resident_kib(scene.daemon().id()).saturating_sub(before);
    println!("{grown} KiB for {CALLS} half-open calls");
    assert!(grown < MOST_KIB, "{grown} KiB for {CALLS} half-open calls");
    scene.end("meant", "a", "media flows both ways");
    assert_eq!(b.drain(), []);
    for n in 0..CALLS {
        scene.ask(&json!({ "command": "delete", "call-id": format!("half-{n}") }));
    }
    let last = scene.logged_end(&format!("half-{}", CALLS - 2));
    assert!(
        last.contains("the DTLS handshake has not ended: no keys yet"),
        "{last}"
    );
    let first = scene.logged_end("half-0");
    assert!(first.contains(": ICE "), "{first}");
    let ended =
        |verdict: &str| scene.metric("voxplane_stream_verdicts_total", &format!("\"{verdict}\""));
    assert_eq!(ended("dtls_waiting"), 666);
    // Slow machines are done with checking before the last call is there.
    assert_eq!(ended("ice_checking") + ended("ice_failed"), 334);
    // The bystander's.
    scene.daemon().await_bound_media_ports(4);
    scene.is_well();
}
