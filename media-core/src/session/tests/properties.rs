//! Whatever is asked in whatever order, from however many threads: no panic, no port lost.

use proptest::prelude::*;

use super::*;
use crate::engine::TimeoutReason;
use crate::sdp::{IceOption, RtcpMuxOptions};

#[derive(Clone, Debug)]
enum Step {
    Offer(Words),
    Answer(Words),
    Delete {
        words: Words,
        after: u64,
        with_from: bool,
    },
    Query(Words),
    Block(Words),
    Wait(u64),
    Settle,
    TimeOut,
    Full(bool),
}

/// Small numbers, so that steps meet.
#[derive(Clone, Debug)]
struct Words {
    call: u8,
    from: u8,
    to: u8,
    branch: u8,
    port: u16,
    sections: u8,
    kind: u8,
    mux: u8,
    options: u8,
    secure: u16,
}

fn words() -> impl Strategy<Value = Words> {
    (
        0..3u8,
        0..4u8,
        0..5u8,
        0..3u8,
        0..4u16,
        0..4u8,
        0..6u8,
        any::<u8>(),
        any::<(u8, u16)>(),
    )
        .prop_map(
            |(call, from, to, branch, port, sections, kind, mux, (options, secure))| Words {
                call,
                from,
                to,
                branch,
                port,
                sections,
                kind,
                mux,
                options,
                secure,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => words().prop_map(Step::Offer),
        8 => words().prop_map(Step::Answer),
        3 => (words(), 0..3u64, any::<bool>()).prop_map(|(words, after, with_from)| Step::Delete {
            words,
            after,
            with_from,
        }),
        1 => words().prop_map(Step::Query),
        1 => words().prop_map(Step::Block),
        2 => (0..4u64).prop_map(Step::Wait),
        2 => Just(Step::Settle),
        1 => Just(Step::TimeOut),
        1 => any::<bool>().prop_map(Step::Full),
    ]
}

impl Words {
    fn sdp(&self) -> String {
        let more = [
            "",
            "a=rtcp-mux\r\n",
            "a=inactive\r\n",
            "a=sendonly\r\na=rtcp:77\r\n",
        ];
        let address = [
            "127.0.0.9",
            "0.0.0.0",
            "::1",
            "127.0.0.9",
            "127.0.0.8",
            "127.0.0.9",
        ];
        let address = address[usize::from(self.kind)];
        let base = [4000, 4002, 0, 4004][usize::from(self.port)];
        let more = more[usize::from(self.mux % 4)].to_owned() + &self.secure_lines();
        let mut text = sdp_at(address, base, &more);
        if self.secure & 1 != 0 {
            text = text.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF");
        }
        for section in 0..self.sections {
            let line = [
                "video 4100 RTP/AVP 96",
                "image 4102 udptl t38",
                "video 0 RTP/AVPF 96",
            ];
            text.push_str(&format!("m={}\r\n", line[usize::from(section)]));
        }
        text
    }
    fn secure_lines(&self) -> String {
        let bit = |n: u8| self.secure & (1 << n) != 0;
        let mut lines = String::new();
        for tag in 1..=(self.secure >> 1) & 3 {
            let suite = ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"];
            let suite = suite[(usize::from(tag) + usize::from(self.secure)) % 2];
            let key = "QUFB".repeat(10);
            lines.push_str(&format!("a=crypto:{tag} {suite} inline:{key}\r\n"));
        }
        if bit(3) {
            let setup = ["actpass", "active", "passive", "x"][usize::from(self.secure >> 4) & 3];
            let digest = ["AA"; 20].join(":");
            lines.push_str(&format!(
                "a=setup:{setup}\r\na=fingerprint:sha-1 {digest}\r\n"
            ));
        }
        if bit(6) {
            let ufrag = ["aaaa", "bbbb"][usize::from(bit(7))];
            lines.push_str(&format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:p\r\n"));
        }
        lines
    }
    fn options(&self) -> Options {
        let bit = |n: u8| self.options & (1 << n) != 0;
        let mut options = Options {
            port_latching: bit(0).then_some(true),
            strict_source: bit(1),
            address_family_v6: bit(2).then_some(bit(3)),
            ..Options::default()
        };
        let name = ["two", "rr", "nope", "six"][usize::from(self.options >> 6)];
        let secure = |n: u8| usize::from(self.secure >> n);
        options.sdp.ice = [
            IceOption::Default,
            IceOption::Force,
            IceOption::Remove,
            IceOption::Optional,
        ][secure(8) & 3];
        options.transport_protocol = [
            None,
            Some(TransportProtocol::RtpAvp),
            Some(TransportProtocol::Secure(SecureProfile::RtpSavp)),
            Some(TransportProtocol::Accept),
        ][secure(10) & 3];
        options.dtls = [None, Some(DtlsOption::Off)][secure(12) & 1];
        options.sdes.off = secure(13) & 1 == 1;
        options.reject_ice = secure(14) & 3 == 3;
        options.direction = [None, bit(4).then(|| name.to_owned())];
        options.sdp.rtcp_mux = RtcpMuxOptions {
            offer: self.mux & 16 != 0,
            require: self.mux & 32 != 0,
            demux: self.mux & 64 != 0,
            accept: self.mux & 128 != 0,
            reject: self.mux & 8 != 0,
        };
        options
    }
    fn said<'a>(&'a self, sdp: &'a str) -> Said<'a> {
        Said {
            call_id: ["a", "b", "c"][usize::from(self.call)],
            from: ["f", "t", "u", "v"][usize::from(self.from)],
            to: ["", "f", "t", "u", "w"][usize::from(self.to)],
            branch: ["", "b1", "b2"][usize::from(self.branch)],
            sdp,
            options: self.options(),
        }
    }
}

fn perform(desk: &Desk, step: &Step) {
    match step {
        Step::Offer(words) => drop(desk.offer(words.said(&words.sdp()))),
        Step::Answer(words) => {
            let sdp = words.sdp();
            let mut answer = words.said(&sdp);
            if answer.to.is_empty() {
                answer.to = "t";
            }
            drop(desk.answer(answer));
        }
        Step::Delete {
            words,
            after,
            with_from,
        } => {
            let said = words.said("");
            let options = DeleteOptions {
                delete_delay: Some(Duration::from_secs(*after)),
                ..DeleteOptions::default()
            };
            let request = DeleteRequest {
                call_id: said.call_id,
                from_tag: with_from.then_some(said.from),
                to_tag: (!said.to.is_empty()).then_some(said.to),
                via_branch: (!said.branch.is_empty()).then_some(said.branch),
                options: &options,
            };
            drop(desk.sessions.delete(desk.now(), &request));
        }
        Step::Query(words) => {
            let said = words.said("");
            let request = QueryRequest {
                call_id: said.call_id,
                from_tag: Some(said.from),
                to_tag: Some(said.to),
            };
            drop(desk.sessions.query(desk.now(), &request));
        }
        Step::Block(words) => {
            let said = words.said("");
            let selector = Selector {
                from_tag: Some(said.from.into()),
                ..Selector::default()
            };
            drop(
                desk.sessions
                    .block_media(desk.now(), said.call_id, &selector),
            );
        }
        Step::Wait(seconds) => {
            desk.wait(Duration::from_secs(*seconds));
            let due: Vec<CallKey> = desk.plane.lock().draining.keys().copied().collect();
            for call in due {
                let mut inner = desk.plane.lock();
                inner.end(call);
                inner.events.push_back(Event::CallClosed { call });
            }
        }
        Step::Settle => desk.settle(),
        Step::TimeOut => {
            let mut inner = desk.plane.lock();
            let first = inner.calls.keys().next().copied();
            if let Some(call) = first {
                inner.end(call);
                let reason = TimeoutReason::Inactivity;
                inner.events.push_back(Event::CallTimedOut { call, reason });
            }
        }
        Step::Full(full) => desk.plane.full.store(*full, Ordering::Relaxed),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_port_is_lost_and_nothing_panics(steps in prop::collection::vec(step(), 1..60)) {
        let desk = Desk::with(SessionConfig {
            interfaces: config()
                .interfaces
                .into_iter()
                .chain([interface("six", "127.0.0.6"), interface("two", "::2")])
                .map(|i| InterfaceConfig { port_max: 30029, ..i })
                .collect(),
            ..config()
        });
        for step in &steps {
            perform(&desk, step);
        }
        desk.settle();
        for call_id in ["a", "b", "c"] {
            for plan in desk.sessions.plans(call_id).unwrap_or_default() {
                if let Security::Sdes(keys) = plan.security {
                    prop_assert_eq!(keys.send.suite, keys.receive.suite);
                }
            }
        }
        // Every open socket has a route or is a further one of it, and every port in use a socket.
        {
            let inner = desk.plane.lock();
            let further = inner.routes.values().map(|route| route.alternates.len());
            prop_assert_eq!(inner.open.len(), inner.routes.len() + further.sum::<usize>());
        }
        prop_assert_eq!(desk.ports_used() as usize, desk.open_sockets());
        desk.sessions.close_all(desk.now());
        desk.assert_empty();
    }
}

#[test]
fn threads_work_on_the_same_and_on_different_calls_at_once() {
    let desk = Desk::new();
    std::thread::scope(|scope| {
        for thread in 0..8u16 {
            let desk = &desk;
            scope.spawn(move || {
                for round in 0..60u16 {
                    let own = format!("own-{thread}");
                    let (to_t, to_f) = desk.call(&own);
                    assert_ne!(to_t, to_f);
                    let sdp4 = sdp(4000 + 2 * (round % 3));
                    let call_id = "shared";
                    let offered = desk.offer(Said {
                        call_id,
                        ..said("f", "", &sdp4)
                    });
                    assert!(offered.is_ok(), "{offered:?}");
                    let answered = desk.answer(Said {
                        call_id,
                        ..said("f", "t", &sdp(5000))
                    });
                    assert!(matches!(answered, Ok(_) | Err(SessionError::UnknownCall)));
                    if round % 7 == thread {
                        desk.delete(call_id, None, 0);
                    }
                    desk.delete(&own, None, 0);
                    desk.settle();
                    assert!(desk.sessions.statistics(desk.now()).current.sessions <= 9);
                }
            });
        }
    });
    desk.sessions.close_all(desk.now());
    desk.assert_empty();
    let total = desk.sessions.statistics(desk.now()).total;
    assert_eq!(total.created, total.managed);
    assert!(total.created >= 8 * 60);
}
