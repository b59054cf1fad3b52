//! A shard that is given more than it can transcode says so.

use std::sync::Arc;

use codecs::registry;

use super::*;
use crate::buf::Slab;
use crate::engine::{Command, Datagram, Route, ShardCounters, SinkAction};
use crate::media::transcode::{CodecUse, Plan, Rule};
use crate::units::{CallKey, PayloadType, RtpTimestamp, SeqNo, ShardId, Ssrc};

const STREAMS: u16 = 100;

struct Shard {
    engine: Engine,
    counters: Arc<ShardCounters>,
    slab: Slab,
    out: Egress,
    now: Instant,
    seq: u16,
}

fn socket(index: u16) -> SocketId {
    SocketId::new(ShardId::new(0), index.into(), 0)
}

fn codec(name: &str, number: u8) -> CodecUse {
    CodecUse {
        codec: registry::by_name(name, 8000, 1).unwrap(),
        payload_type: PayloadType::new(number).unwrap(),
        fmtp: "".into(),
        ptime_ms: 20,
    }
}

impl Shard {
    /// All streams but the first are transcoded from G.722 to PCMU, and heard by that.
    #[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
    fn new() -> Self {
        let now = Instant::now();
        let counters = Arc::new(ShardCounters::default());
        let slab = Slab::new(4096);
        let mut shard = Self {
            engine: Engine::new(slab.clone(), now, Arc::clone(&counters)),
            counters,
            slab,
            out: Egress::new(),
            now,
            seq: 0,
        };
        let number = PayloadType::new(9).unwrap();
        let mut plan = Plan::new(vec![(number, Rule::Decode(codec("G722", 9)))]);
        plan.target = Some(codec("PCMU", 0));
        let plan = Arc::new(plan);
        for index in 0..=STREAMS {
            let peer = ([127, 0, 0, 1], 1000 + index).into();
            let sink = SinkAction { socket: socket(0) };
            let mut route = Route::relay(CallKey::new(1), Some(peer), sink);
            route.transcode = (index > 0).then(|| Arc::clone(&plan));
            let command = Command::Route {
                socket: socket(index),
                route: Box::new(route),
            };
            shard.engine.handle_command(now, command, &mut shard.out);
        }
        shard
    }

    /// A packet of each of the first `streams` that are transcoded.
    fn packets(&mut self, streams: u16) {
        self.seq += 1;
        for index in 1..=streams {
            let header = RtpHeader::new(
                PayloadType::new(9).unwrap(),
                SeqNo::new(self.seq),
                RtpTimestamp::new(u32::from(self.seq) * 160),
                Ssrc::new(index.into()),
            );
            let mut packet = self.slab.allocate().unwrap();
            packet.fill(&[&header.to_bytes()[..], &[0x5a; 160]].concat());
            let datagram = Datagram {
                socket: socket(index),
                from: ([127, 0, 0, 1], 1000 + index).into(),
                packet,
            };
            let verdict = self
                .engine
                .handle_datagram(self.now, datagram, &mut self.out);
            assert_eq!(verdict, Verdict::Consumed);
        }
    }

    /// One share of the work, which takes `took_ms` on this processor; what was sent.
    fn share(&mut self, took_ms: u64) -> usize {
        self.engine.transcode(self.now, &mut self.out);
        self.now += Duration::from_millis(took_ms);
        self.out.transmits().count()
    }

    fn behind_ms(&self) -> u64 {
        self.counters.transcode_behind_us.get() / 1000
    }
}

#[test]
fn a_shard_that_is_given_too_much_is_behind_until_it_has_caught_up() {
    let mut shard = Shard::new();
    let (mut sent, mut given) = (0, 0);
    let begin = shard.now;
    let mut next = shard.now;
    // A share is 125 packets of 4 µs or so. A processor that takes 30 ms for it can do 80 of a hundred streams.
    while shard.now - begin < Duration::from_secs(1) {
        while shard.now >= next {
            shard.packets(STREAMS);
            given += usize::from(STREAMS);
            next += Duration::from_millis(20);
        }
        sent += shard.share(30);
    }
    assert!(shard.behind_ms() > 500, "{} ms", shard.behind_ms());
    // The calls that are there lose nothing while their buffers last.
    let mut rounds = 0;
    while shard.engine.transcoding_us() > 0 {
        sent += shard.share(30);
        rounds += 1;
    }
    assert!(rounds > 1);
    assert_eq!((sent, shard.behind_ms()), (given, 0));
    assert_eq!(shard.counters.transcode_backlog_us.get(), 0);
}

#[test]
fn a_stall_is_not_an_overload() {
    let mut shard = Shard::new();
    shard.packets(STREAMS);
    shard.now += Duration::from_millis(500);
    let mut sent = shard.share(1);
    assert!(sent > 0 && shard.behind_ms() < 2);
    while shard.engine.transcoding_us() > 0 {
        assert!(shard.behind_ms() < 10, "{} ms", shard.behind_ms());
        sent += shard.share(1);
    }
    assert_eq!((sent, shard.behind_ms()), (100, 0));
}

#[test]
fn calls_that_end_take_their_backlog_with_them() {
    let mut shard = Shard::new();
    shard.packets(STREAMS);
    shard.now += Duration::from_millis(100);
    shard.share(300);
    shard.share(0);
    let close = Command::CloseCall {
        call: CallKey::new(1),
        after: Duration::ZERO,
    };
    let now = shard.now;
    shard.engine.handle_command(now, close, &mut shard.out);
    while shard.engine.transcoding_us() > 0 {
        shard.share(0);
    }
    assert_eq!(shard.counters.transcode_behind_us.get(), 0);
    assert_eq!(shard.slab.free_slots(), shard.slab.slots());
}
