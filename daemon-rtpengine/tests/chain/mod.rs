//! Phones with plain RTP at both ends of ours and rtpengine, with a secured leg between the two:
//!
//! ```text
//! phone 0 ── RTP ── ours ══ SRTP, listened to ══ rtpengine ── RTP ── phone 1
//! ```

pub(crate) mod packets;
pub(crate) mod transcode;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use daemon_rtpengine::ng::value::Value;

use crate::support::call::{audio_address, relay, request, sdp};
use crate::support::daemon::{Daemon, Program};
use crate::support::ng::{int_at, text};
use crate::support::process::TempDir;
use crate::support::query::query;
use crate::support::rtp::Endpoint;
use crate::support::tap::{Heard, Running, Tap};
use crate::support::{PATIENCE, poll, wait_for};
use packets::{Numbered, PACKETS, only, word};

/// Index of ours, and of the phone behind it.
pub(crate) const OURS: usize = 0;
/// The same of rtpengine.
pub(crate) const RTPENGINE: usize = 1;
pub(crate) const NAMES: [&str; 2] = ["ours", "rtpengine"];

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A key of a request.
pub(crate) type Pair = (&'static str, Value<'static>);

/// A list of words.
pub(crate) fn words(key: &'static str, words: &[String]) -> Pair {
    let words = words.iter().cloned().map(Value::string).collect();
    (key, Value::List(words))
}

/// Both daemons.
pub(crate) struct Daemons {
    both: [Daemon; 2],
    _dir: TempDir,
}

impl Daemons {
    /// Starts them, rtpengine with more arguments; `name` is of the directory of their logs.
    pub(crate) fn start(name: &str, rtpengine: &[&str]) -> Self {
        let dir = TempDir::new(name);
        let start = |program: &Program, name, more: &[&str]| {
            let arguments = [&["--interface=127.0.0.1"], more].concat();
            Daemon::start(program, name, 198, &arguments, &dir)
        };
        Self {
            both: [
                start(&Program::under_test(), "ours", &[]),
                start(&Program::Rtpengine, "rtpengine", rtpengine),
            ],
            _dir: dir,
        }
    }

    /// Waits until rtpengine answers no more.
    pub(crate) fn await_silence(&self) {
        wait_for("the end of rtpengine", || {
            let answers = self.both[RTPENGINE]
                .client()
                .pings(Duration::from_millis(50));
            (!answers).then_some(())
        });
    }

    /// The signal that has ended rtpengine.
    pub(crate) fn signal_of_rtpengine(&mut self) -> Option<i32> {
        let ended = || self.both[RTPENGINE].exit_status();
        wait_for("the exit status of rtpengine", ended).signal()
    }

    /// The SDP of the reply to an offer or answer.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn ask(
        &self,
        which: usize,
        command: &str,
        id: &str,
        sdp: &str,
        pairs: &[Pair],
    ) -> String {
        let mut request = request(command, id, Some(sdp));
        for (key, value) in pairs {
            request.push(*key, value.clone());
        }
        let reply = self.both[which].client().request(&request);
        // Fails if it is an error.
        relay(&reply);
        text(&reply, "sdp").to_owned()
    }

    /// Ends the call at once, at both.
    pub(crate) fn delete(&self, id: &str) {
        for daemon in &self.both {
            let mut request = request("delete", id, None);
            request.push("delete delay", Value::Int(0));
            daemon.client().request(&request);
        }
    }

    /// Waits until both say of the first `streams` of their secured leg that they have this suite.
    fn await_suite(&self, id: &str, suite: &str, streams: usize) {
        for daemon in &self.both {
            wait_for(&format!("{suite} on {streams} streams"), || {
                let call = query(daemon, id);
                let has_keys = |stream: &&Value<'_>| {
                    text(stream, "crypto suite") == suite
                        && !text(stream, "verdict").starts_with("dtls")
                };
                medias(&call)
                    .any(|media| media.iter().take(streams).filter(has_keys).count() == streams)
                    .then_some(())
            });
        }
    }
}

/// The streams of each section of each party.
fn medias<'v>(call: &'v Value<'static>) -> impl Iterator<Item = &'v [Value<'static>]> {
    let tags = match call.get("tags") {
        Some(Value::Dict(tags)) => tags.as_slice(),
        _ => &[],
    };
    tags.iter()
        .filter_map(|(_, tag)| tag.get("medias")?.as_list())
        .flatten()
        .filter_map(|media| media.get("streams")?.as_list())
}

/// What is asked of the two daemons, besides relaying.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Of whoever offers the secured leg, in its offer.
    pub(crate) offerer: Vec<Pair>,
    /// Of the other, in its offer and its answer.
    pub(crate) answerer: Vec<Pair>,
}

/// A call through ours twice, as two calls of it, with the wire in between; and with rtpengine behind the
/// wire if `through` says so, which then has one key on both sides and neither opens nor makes RTP.
pub(crate) fn twice<'d>(daemons: &'d Daemons, id: &str, suite: &str, through: bool) -> Chain<'d> {
    let far = format!("{id}, far");
    let phones = [1, 2].map(|ssrc| Endpoint::bind(LOCALHOST, ssrc));
    let [near_phone, far_phone] = [0, 1].map(|which: usize| sdp(phones[which].port()));
    let profile = |name| {
        [
            ("transport-protocol", Value::str(name)),
            word("DTLS", "off"),
        ]
    };
    let only = [
        &profile("RTP/SAVP")[..],
        &[words("SDES", &only(suite, true))],
    ]
    .concat();
    let mut tap = Tap::new();
    let offer = daemons.ask(OURS, "offer", id, &near_phone, &only);
    let mut passed = tap.through(&offer);
    if through {
        passed = daemons.ask(RTPENGINE, "offer", id, &passed, &profile("RTP/SAVP"));
    }
    let shown = daemons.ask(OURS, "offer", &far, &passed, &profile("RTP/AVP"));
    let towards_far = audio_address(&shown);
    let mut answer = daemons.ask(OURS, "answer", &far, &far_phone, &[]);
    if through {
        answer = daemons.ask(RTPENGINE, "answer", id, &answer, &[]);
    }
    let passed = tap.through(&answer);
    let wire = tap.run();
    let shown = daemons.ask(OURS, "answer", id, &passed, &[]);
    Chain {
        daemons,
        id: id.to_owned(),
        phones,
        towards: [audio_address(&shown), towards_far],
        wire,
        offerer: OURS,
        offer,
        answer,
        through: if through { &[OURS, RTPENGINE] } else { &[OURS] },
        rtcp: !through,
    }
}

/// An answered call through both.
pub(crate) struct Chain<'d> {
    daemons: &'d Daemons,
    id: String,
    phones: [Endpoint; 2],
    /// Where each phone sends to.
    towards: [SocketAddr; 2],
    wire: Running,
    /// Who offered the secured leg.
    offerer: usize,
    /// What was said on the secured leg.
    pub(crate) offer: String,
    pub(crate) answer: String,
    /// The daemons that it goes through.
    through: &'static [usize],
    /// RTCP can be sent.
    rtcp: bool,
}

impl<'d> Chain<'d> {
    /// Sets the call up; the secured leg is offered by `offerer`.
    pub(crate) fn new(daemons: &'d Daemons, id: &str, offerer: usize, wishes: &Wishes) -> Self {
        let answerer = 1 - offerer;
        let phones = [1, 2].map(|ssrc| Endpoint::bind(LOCALHOST, ssrc));
        let mut tap = Tap::new();
        let plain = [("transport-protocol", Value::str("RTP/AVP"))];
        let to_plain = [&plain[..], &wishes.answerer].concat();

        let phone = |which: usize| sdp(phones[which].port());
        let offer = daemons.ask(offerer, "offer", id, &phone(offerer), &wishes.offerer);
        let through = tap.through(&offer);
        let shown = daemons.ask(answerer, "offer", id, &through, &to_plain);
        let mut towards = [audio_address(&shown); 2];
        let answer = daemons.ask(answerer, "answer", id, &phone(answerer), &wishes.answerer);
        let through = tap.through(&answer);
        let wire = tap.run();
        let shown = daemons.ask(offerer, "answer", id, &through, &[]);
        towards[offerer] = audio_address(&shown);
        Self {
            daemons,
            id: id.to_owned(),
            phones,
            towards,
            wire,
            offerer,
            offer,
            answer,
            through: &[OURS, RTPENGINE],
            rtcp: true,
        }
    }

    /// Waits until the handshakes are over and all streams of the secured leg have this suite.
    pub(crate) fn await_suite(&self, suite: &str, streams: usize) {
        self.daemons.await_suite(&self.id, suite, streams);
    }

    /// Sends one packet from a phone, of RTP or of RTCP.
    pub(crate) fn say(&self, side: usize, rtcp: bool) {
        let packet = Numbered::new(1, 0);
        let mut to = self.towards[side];
        if rtcp {
            to.set_port(to.port() + 1);
            self.phones[side].send_beside(to, &packet.rtcp);
        } else {
            self.phones[side].send(to, &packet.rtp);
        }
    }

    /// Sends RTP and RTCP both ways, one after the other, with a sequence number that wraps. Each packet
    /// must come as it was sent, and nothing else.
    pub(crate) fn talk(&self) -> Sent {
        let sent = Sent::new(self.rtcp);
        for number in 0..PACKETS {
            for side in 0..2 {
                let (phone, far) = (&self.phones[side], &self.phones[1 - side]);
                let to = self.towards[side];
                let rtp = &sent.packets[side][number].rtp;
                phone.send(to, rtp);
                let heard = far.receive_one(PATIENCE);
                let from = self.towards[1 - side];
                assert_eq!(heard, Some((from, rtp.clone())), "RTP {number} of {side}");
                if !self.rtcp {
                    continue;
                }
                let rtcp = &sent.packets[side][number].rtcp;
                let beside = |address: SocketAddr| (address.ip(), address.port() + 1).into();
                phone.send_beside(beside(to), rtcp);
                let heard = far.receive_beside(PATIENCE);
                let expected = Some((beside(from), rtcp.clone()));
                assert_eq!(heard, expected, "RTCP {number} of {side}");
            }
        }
        sent
    }

    /// Ends the call, having seen that both daemons counted what went through and nothing more came.
    /// What was on the wire, with the daemon's index in [`Heard::from`].
    pub(crate) fn end(self) -> Vec<Heard> {
        self.expect_counts();
        self.daemons.delete(&self.id);
        for phone in &self.phones {
            assert_eq!(phone.drain(), [], "nothing was sent twice");
        }
        let mut heard = self.wire.end();
        for heard in &mut heard {
            heard.from ^= self.offerer;
        }
        heard
    }

    /// Waits until the daemons have counted what they relayed, in both directions, and no error. On a
    /// muxed leg RTCP counts as what comes to the RTP stream.
    fn expect_counts(&self) {
        let packets = i64::try_from(PACKETS).unwrap_or(0);
        let rtcp = if self.rtcp { packets } else { 0 };
        let muxed = if self.answer.contains("a=rtcp-mux") {
            packets
        } else {
            0
        };
        let expected = [2 * packets + muxed, 0, 2 * rtcp - muxed, 0].map(Some);
        for daemon in self.through.iter().map(|&which| &self.daemons.both[which]) {
            let counts = || {
                let call = query(daemon, &self.id);
                let count = |kind, what| int_at(&call, &["totals", kind, what]);
                ["RTP", "RTCP"].map(|kind| [count(kind, "packets"), count(kind, "errors")])
            };
            let counted = poll(|| (counts().concat() == expected).then_some(()));
            assert!(counted.is_some(), "{:?}, not {expected:?}", counts());
        }
    }
}

/// What each phone sent.
pub(crate) struct Sent {
    pub(crate) packets: [Vec<Numbered>; 2],
    /// The RTCP packets, too.
    pub(crate) rtcp: bool,
}

impl Sent {
    fn new(rtcp: bool) -> Self {
        Self {
            packets: [1, 2].map(|ssrc| (0..PACKETS).map(|n| Numbered::new(ssrc, n)).collect()),
            rtcp,
        }
    }
}
