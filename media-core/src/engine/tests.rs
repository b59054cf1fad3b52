use std::time::Duration;

use super::*;
use crate::units::{PayloadType, RtpTimestamp, SeqNo, ShardId, Ssrc};
use crate::wire::rtp::{RtpBuilder, RtpHeader};

pub(super) fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do as virtual time's origin"
    )]
    Instant::now()
}

pub(super) fn route(call: u64) -> Route {
    Route {
        call: CallKey::new(call),
        component: Component::Rtp,
        endpoint: None,
        learning: Learning {
            mode: LearnMode::Delayed,
            strict_source: false,
            media_handover: false,
        },
        learn_epoch: 0,
        blocked: false,
        pierce_nat: false,
        protection: Protection::None,
        untouched: false,
        drops_feedback: false,
        transcode: None,
        ice: None,
        alternates: Box::default(),
        media: None,
        rtcp_interval: None,
        rtp_sinks: Sinks::None,
        rtcp_sinks: Sinks::None,
        clocks: Arc::default(),
        counters: Arc::default(),
    }
}

pub(super) fn socket(index: u32) -> SocketId {
    SocketId::new(ShardId::new(0), index, 0)
}

fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

struct Bench {
    engine: Engine,
    slab: Slab,
    out: Egress,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let slab = Slab::new(64);
        let now = start();
        let engine = Engine::new(slab.clone(), now, Arc::default());
        Self {
            engine,
            slab,
            out: Egress::new(),
            now,
        }
    }

    /// A call with stream 2n towards peer 1000 and stream 2n+1 towards peer 2000, joined.
    fn call(&mut self, n: u32) -> [Arc<StreamCounters>; 2] {
        let (a, b) = (socket(2 * n), socket(2 * n + 1));
        [(a, b, 1000), (b, a, 2000)].map(|(socket, sink, port)| {
            let mut r = route(n.into());
            r.endpoint = Some(peer(port));
            r.rtp_sinks = SinkAction { socket: sink }.into();
            r.rtcp_sinks.clone_from(&r.rtp_sinks);
            let counters = Arc::clone(&r.counters);
            self.command(Command::Route {
                socket,
                route: Box::new(r),
            });
            counters
        })
    }

    fn command(&mut self, command: Command) {
        self.engine.handle_command(self.now, command, &mut self.out);
    }

    fn rtp(&self, seq: u16) -> PacketBuf {
        let header = RtpHeader::new(
            PayloadType::new(0).unwrap(),
            SeqNo::new(seq),
            RtpTimestamp::new(0),
            Ssrc::new(7),
        );
        let bytes = RtpBuilder::new(header, &[0; 160]).to_vec().unwrap();
        self.packet(&bytes)
    }

    fn packet(&self, bytes: &[u8]) -> PacketBuf {
        let mut packet = self.slab.allocate().unwrap();
        assert!(packet.fill(bytes));
        packet
    }

    fn receive(&mut self, index: u32, from: u16, packet: PacketBuf) -> Verdict {
        let datagram = Datagram {
            socket: socket(index),
            from: peer(from),
            packet,
        };
        self.engine
            .handle_datagram(self.now, datagram, &mut self.out)
    }

    fn sent(&mut self) -> Vec<(u32, SocketAddr)> {
        self.out
            .transmits()
            .map(|t| (t.socket.index(), t.to))
            .collect()
    }

    fn closed(&mut self) -> Vec<u32> {
        let mut closed: Vec<u32> = std::iter::from_fn(|| self.out.next_close())
            .map(|s| s.index())
            .collect();
        closed.sort_unstable();
        closed
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.poll_event()).collect()
    }

    fn advance(&mut self, d: Duration) {
        self.now += d;
        self.engine.handle_timeout(self.now, &mut self.out);
    }
}

#[test]
fn a_packet_leaves_through_the_other_socket_to_its_endpoint() {
    let mut t = Bench::new();
    let [a, b] = t.call(0);
    let packet = t.rtp(1);
    assert_eq!(t.receive(0, 1000, packet), Verdict::Forwarded);
    assert_eq!(t.sent(), [(1, peer(2000))]);
    assert_eq!(
        (a.packets.get(), a.octets.get(), b.packets_sent.get()),
        (1, 172, 1)
    );
    assert_eq!(t.slab.free_slots(), t.slab.slots());
}

#[test]
fn a_learned_endpoint_is_used_for_the_way_back() {
    let mut t = Bench::new();
    t.call(0);
    let packet = t.rtp(1);
    t.receive(0, 1234, packet);
    t.sent();
    let packet = t.rtp(1);
    t.receive(1, 2000, packet);
    assert_eq!(t.sent(), [(0, peer(1234))]);
    assert!(
        matches!(t.events()[0], Event::EndpointLearned { endpoint, confirmed: false, .. } if endpoint == peer(1234))
    );
}

#[test]
fn several_sinks_each_get_the_packet() {
    let mut t = Bench::new();
    t.call(0);
    t.call(1);
    let mut r = route(0);
    r.endpoint = Some(peer(1000));
    r.rtp_sinks = [1, 2, 3]
        .map(|n| SinkAction { socket: socket(n) })
        .to_vec()
        .into();
    t.command(Command::Route {
        socket: socket(0),
        route: Box::new(r),
    });
    let packet = t.rtp(1);
    assert_eq!(t.receive(0, 1000, packet), Verdict::Forwarded);
    assert_eq!(
        t.sent(),
        [(1, peer(2000)), (2, peer(1000)), (3, peer(2000))]
    );
    assert_eq!(t.slab.free_slots(), t.slab.slots());
}

#[test]
fn rtcp_on_a_muxed_port_goes_to_the_rtcp_sink() {
    let mut t = Bench::new();
    t.call(0);
    t.call(1);
    let mut r = route(0);
    r.component = Component::RtpAndRtcp;
    r.rtp_sinks = SinkAction { socket: socket(1) }.into();
    r.rtcp_sinks = SinkAction { socket: socket(3) }.into();
    t.command(Command::Route {
        socket: socket(0),
        route: Box::new(r),
    });
    let packet = t.packet(&[0x80, 201, 0, 1, 0, 0, 0, 7]);
    t.receive(0, 1000, packet);
    assert_eq!(t.sent(), [(3, peer(2000))]);
    let packet = t.rtp(1);
    t.receive(0, 1000, packet);
    assert_eq!(t.sent(), [(1, peer(2000))]);
}

#[test]
fn what_cannot_pass_is_dropped_for_a_reason_and_counted() {
    let mut t = Bench::new();
    let [a, _] = t.call(0);
    let junk = t.packet(b"\xff\xff");
    assert_eq!(
        t.receive(0, 1000, junk),
        Verdict::Dropped(DropReason::Malformed)
    );
    let empty = t.packet(b"");
    assert_eq!(
        t.receive(0, 1000, empty),
        Verdict::Dropped(DropReason::Malformed)
    );
    let stun = t.packet(&[
        0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    assert_eq!(
        t.receive(0, 1000, stun),
        Verdict::Dropped(DropReason::NotMedia)
    );
    let nowhere = t.rtp(1);
    assert_eq!(
        t.receive(9, 1000, nowhere),
        Verdict::Dropped(DropReason::NoRoute)
    );
    assert_eq!(a.dropped_for(DropReason::Malformed), 2);
    assert_eq!(a.dropped_total(), 3);
    assert!(t.sent().is_empty());
}

#[test]
fn blocked_media_is_counted_but_not_sent() {
    let mut t = Bench::new();
    t.call(0);
    let mut r = route(0);
    r.blocked = true;
    r.rtp_sinks = SinkAction { socket: socket(1) }.into();
    let counters = Arc::clone(&r.counters);
    t.command(Command::Route {
        socket: socket(0),
        route: Box::new(r),
    });
    let packet = t.rtp(1);
    assert_eq!(
        t.receive(0, 1000, packet),
        Verdict::Dropped(DropReason::Blocked)
    );
    assert_eq!(
        (
            counters.packets.get(),
            counters.dropped_for(DropReason::Blocked)
        ),
        (1, 1)
    );
}

#[test]
fn a_sink_without_an_endpoint_gets_nothing() {
    let mut t = Bench::new();
    t.call(0);
    let mut r = route(0);
    r.rtp_sinks = SinkAction { socket: socket(0) }.into();
    t.command(Command::Route {
        socket: socket(5),
        route: Box::new(r),
    });
    let mut r = route(0);
    r.rtp_sinks = SinkAction { socket: socket(5) }.into();
    t.command(Command::Route {
        socket: socket(0),
        route: Box::new(r),
    });
    let packet = t.rtp(1);
    assert_eq!(
        t.receive(0, 1000, packet),
        Verdict::Dropped(DropReason::NoEndpoint)
    );
}

#[test]
fn a_call_without_packets_times_out_and_closes_its_sockets() {
    let mut t = Bench::new();
    t.call(0);
    let timeouts = CallTimeouts {
        inactivity: Some(Duration::from_secs(60)),
        lifetime: None,
    };
    t.command(Command::Call {
        call: CallKey::new(0),
        timeouts,
    });
    t.advance(Duration::from_secs(50));
    let packet = t.rtp(1);
    t.receive(0, 1000, packet);
    t.events();
    t.advance(Duration::from_secs(50));
    assert!(t.events().is_empty());
    assert_eq!(
        t.engine.poll_timeout(),
        Some(t.now + Duration::from_secs(10))
    );
    t.advance(Duration::from_secs(10));
    let call = CallKey::new(0);
    assert_eq!(
        t.events(),
        [Event::CallTimedOut {
            call,
            reason: TimeoutReason::Inactivity
        }]
    );
    assert_eq!(t.closed(), [0, 1]);
    let packet = t.rtp(2);
    assert_eq!(
        t.receive(0, 1000, packet),
        Verdict::Dropped(DropReason::NoRoute)
    );
}

#[test]
fn a_delayed_close_lets_media_flow_and_can_be_taken_back() {
    let mut t = Bench::new();
    t.call(0);
    let call = CallKey::new(0);
    t.command(Command::CloseCall {
        call,
        after: Duration::from_secs(30),
    });
    t.advance(Duration::from_secs(29));
    let packet = t.rtp(1);
    assert_eq!(t.receive(0, 1000, packet), Verdict::Forwarded);
    t.command(Command::Call {
        call,
        timeouts: CallTimeouts::default(),
    });
    t.events();
    t.advance(Duration::from_secs(29));
    assert!(t.events().is_empty() && t.closed().is_empty());
    t.command(Command::CloseCall {
        call,
        after: Duration::from_secs(30),
    });
    t.advance(Duration::from_secs(30));
    assert_eq!(t.events(), [Event::CallClosed { call }]);
    assert_eq!(t.closed(), [0, 1]);
}

#[test]
fn a_lifetime_ends_a_call_that_still_talks() {
    let mut t = Bench::new();
    t.call(0);
    let call = CallKey::new(0);
    let timeouts = CallTimeouts {
        inactivity: None,
        lifetime: Some(Duration::from_secs(5)),
    };
    t.command(Command::Call { call, timeouts });
    for n in 0..5 {
        let packet = t.rtp(n);
        t.receive(0, 1000, packet);
        t.events();
        t.advance(Duration::from_secs(1));
    }
    assert_eq!(
        t.events(),
        [Event::CallTimedOut {
            call,
            reason: TimeoutReason::Lifetime
        }]
    );
}

#[test]
fn closing_sockets_leaves_the_rest_of_the_call() {
    let mut t = Bench::new();
    t.call(0);
    t.command(Command::CloseSockets {
        sockets: vec![socket(0), socket(77)],
    });
    assert_eq!(t.closed(), [0, 77]);
    let packet = t.rtp(1);
    assert_eq!(
        t.receive(1, 2000, packet),
        Verdict::Dropped(DropReason::NoSink)
    );
}

#[cfg(feature = "testing")]
#[test]
fn a_panic_ends_its_call_and_no_other() {
    let mut t = Bench::new();
    t.call(0);
    t.call(1);
    t.command(Command::PanicOnNextPacket { socket: socket(0) });
    let packet = t.rtp(1);
    assert!(matches!(t.receive(0, 1000, packet), Verdict::Dropped(_)));
    assert_eq!(
        t.events(),
        [Event::CallPanicked {
            call: CallKey::new(0)
        }]
    );
    assert_eq!(t.closed(), [0, 1]);
    let packet = t.rtp(1);
    assert_eq!(t.receive(2, 1000, packet), Verdict::Forwarded);
    assert_eq!(
        t.slab.free_slots(),
        t.slab.slots() - 1,
        "the one packet in the egress"
    );
}

#[test]
fn reception_is_measured_per_source() {
    let mut t = Bench::new();
    let [a, _] = t.call(0);
    for seq in [1, 2, 4, 3, 3, 7] {
        let packet = t.rtp(seq);
        t.receive(0, 1000, packet);
    }
    let s = &a.ssrcs[0];
    assert_eq!(
        (
            s.packets.get(),
            s.lost.get(),
            s.reordered.get(),
            s.duplicates.get()
        ),
        (6, 2, 1, 1)
    );
}

#[test]
fn what_a_party_reports_by_rtcp_is_noted() {
    let mut t = Bench::new();
    let [a, _] = t.call(0);
    assert_eq!(a.reports.sender(), None);
    // A sender report of SSRC 9 with one block about SSRC 7: 5 lost, 10/256 of late, jitter 33.
    let mut report = vec![0x81, 200, 0, 12, 0, 0, 0, 9];
    report.extend([0; 8]);
    report.extend([0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 31, 64]);
    report.extend([
        0, 0, 0, 7, 10, 0, 0, 5, 0, 0, 0, 99, 0, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    let packet = t.packet(&report);
    assert_eq!(t.receive(0, 1000, packet), Verdict::Forwarded);
    let r = &a.reports;
    assert_eq!(
        (r.sender(), r.about()),
        (Some(Ssrc::new(9)), Some(Ssrc::new(7)))
    );
    assert_eq!((r.packets_sent.get(), r.octets_sent.get()), (50, 8000));
    assert_eq!(
        (r.lost.get(), r.fraction_lost.get(), r.jitter_ticks.get()),
        (5, 10, 33)
    );
    let cut = t.packet(&report[..20]);
    assert_eq!(
        t.receive(0, 1000, cut),
        Verdict::Forwarded,
        "relayed, but it says nothing"
    );
    assert_eq!(r.sender_reports.get(), 1);
}

#[test]
fn pierce_nat_sends_an_empty_datagram() {
    let mut t = Bench::new();
    let mut r = route(0);
    r.endpoint = Some(peer(1000));
    r.pierce_nat = true;
    t.command(Command::Route {
        socket: socket(0),
        route: Box::new(r),
    });
    assert_eq!(t.sent(), [(0, peer(1000))]);
}

#[test]
fn feedback_stays_behind_where_the_other_side_has_none() {
    let mut t = Bench::new();
    t.call(0);
    let mut r = route(0);
    r.drops_feedback = true;
    // As between two sides without protection: there is nothing to undo, and all can be read.
    r.untouched = true;
    r.component = Component::RtpAndRtcp;
    r.endpoint = Some(peer(1000));
    r.rtcp_sinks = SinkAction { socket: socket(1) }.into();
    t.command(Command::Route {
        socket: socket(0),
        route: Box::new(r),
    });
    let report: &[u8] = &[0x80, 201, 0, 1, 0, 0, 0, 7];
    let pli: &[u8] = &[0x81, 206, 0, 2, 0, 0, 0, 7, 0, 0, 0, 8];
    let both = t.packet(&[report, pli].concat());
    assert_eq!(t.receive(0, 1000, both), Verdict::Forwarded);
    let sent: Vec<Vec<u8>> = t
        .out
        .transmits()
        .map(|sent| sent.packet.as_slice().to_vec())
        .collect();
    assert_eq!(sent, [report]);
    let alone = t.packet(pli);
    let verdict = t.receive(0, 1000, alone);
    assert_eq!(verdict, Verdict::Dropped(DropReason::Feedback));
}
