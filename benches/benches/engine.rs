//! A shard's work per RTP packet, without its I/O: parse, find the route, learn, measure, hand on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media_core::buf::{PacketBuf, Slab};
use media_core::engine::{
    Command, Component, Datagram, Egress, Engine, LearnMode, Learning, PayloadClocks, Route,
    SinkAction, Sinks,
};
use media_core::units::{
    CallKey, ClockRate, PayloadType, RtpTimestamp, SeqNo, ShardId, SocketId, Ssrc,
};
use media_core::wire::rtp::RtpHeader;

const PCMU: PayloadType = PayloadType::new(0).expect("at most 127");
/// 20 ms of G.711 with its header.
const LEN: usize = 172;
const PTIME: Duration = Duration::from_millis(20);
/// As many as the drivers take in at once.
const BATCH: u32 = 32;

/// A shard whose calls have `1 + sinks` streams each: the first one's packets go to all others, theirs
/// to the first.
struct Shard {
    engine: Engine,
    slab: Slab,
    out: Egress,
    now: Instant,
    calls: u32,
    streams: u32,
    /// The call whose packet is next.
    turn: u32,
    seq: u16,
    timestamp: u32,
}

impl Shard {
    fn new(calls: u32, sinks: u32) -> Self {
        let now = Instant::now();
        let slab = Slab::new(1024);
        let mut shard = Self {
            engine: Engine::new(slab.clone(), now, Arc::default()),
            slab,
            out: Egress::new(),
            // Learning is over with the first packet.
            now: now + LearnMode::DELAY,
            calls,
            streams: 1 + sinks,
            turn: 0,
            seq: 0,
            timestamp: 0,
        };
        let clocks = Arc::new(PayloadClocks::new(vec![(PCMU, ClockRate::HZ_8000)]));
        for index in 0..calls * shard.streams {
            let first = index - index % shard.streams;
            let sinks = if index == first {
                first + 1..first + shard.streams
            } else {
                first..first + 1
            };
            let sinks: Vec<_> = sinks.map(|n| SinkAction { socket: socket(n) }).collect();
            let sinks = Sinks::from(sinks);
            let route = Route {
                call: CallKey::new(u64::from(first)),
                component: Component::Rtp,
                endpoint: Some(endpoint(index)),
                learning: Learning {
                    mode: LearnMode::Delayed,
                    strict_source: false,
                    media_handover: false,
                },
                learn_epoch: 0,
                blocked: false,
                pierce_nat: false,
                protection: media_core::engine::Protection::None,
                untouched: false,
                drops_feedback: false,
                transcode: None,
                ice: None,
                alternates: Box::default(),
                media: None,
                rtcp_interval: None,
                rtp_sinks: sinks.clone(),
                rtcp_sinks: sinks,
                clocks: Arc::clone(&clocks),
                counters: Arc::default(),
            };
            let command = Command::Route {
                socket: socket(index),
                route: Box::new(route),
            };
            shard.engine.handle_command(now, command, &mut shard.out);
        }
        // Every source is known, and every slot has been touched.
        let packets: Vec<_> = (0..shard.slab.slots()).map(|_| shard.receive()).collect();
        drop(packets);
        for _ in 0..calls {
            assert_eq!(shard.relay(), sinks as usize);
        }
        while shard.engine.poll_event().is_some() {}
        shard
    }

    /// A packet as the kernel would have left it; its payload is whatever is there.
    fn receive(&self) -> PacketBuf {
        let mut packet = self.slab.allocate().expect("all slots are free again");
        packet.set_len(LEN);
        let (seq, timestamp) = (SeqNo::new(self.seq), RtpTimestamp::new(self.timestamp));
        let header = RtpHeader::new(PCMU, seq, timestamp, Ssrc::new(7)).to_bytes();
        packet.as_mut_slice()[..header.len()].copy_from_slice(&header);
        packet
    }

    /// The next call's first stream gets a packet; returns how many are sent.
    fn relay(&mut self) -> usize {
        let index = self.turn * self.streams;
        let datagram = Datagram {
            socket: socket(index),
            from: endpoint(index),
            packet: self.receive(),
        };
        self.engine
            .handle_datagram(self.now, datagram, &mut self.out);
        self.turn += 1;
        if self.turn == self.calls {
            self.turn = 0;
            self.seq = self.seq.wrapping_add(1);
            self.timestamp = self.timestamp.wrapping_add(160);
            self.now += PTIME;
        }
        self.out.transmits().count()
    }

    /// As a driver does: first a look at all that came in, then the work.
    fn relay_batch(&mut self) -> usize {
        for n in 0..BATCH {
            let call = (self.turn + n) % self.calls;
            std::hint::black_box(self.engine.warm(socket(call * self.streams)));
        }
        (0..BATCH).map(|_| self.relay()).sum()
    }
}

fn socket(index: u32) -> SocketId {
    SocketId::new(ShardId::new(0), index, 0)
}

fn endpoint(index: u32) -> SocketAddr {
    let port = u16::try_from(1024 + index % 60_000).expect("below 65,536");
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn relay(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(1));
    for (name, calls, sinks) in [
        ("relay, 1 call", 1, 1),
        ("relay, 1000 calls in turn", 1000, 1),
        ("relay to 3 sinks, 1 call", 1, 3),
    ] {
        let mut shard = Shard::new(calls, sinks);
        group.bench_function(name, |b| b.iter(|| shard.relay()));
        assert_eq!(
            shard.slab.free_slots(),
            shard.slab.slots(),
            "no slot is lost"
        );
    }
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let mut shard = Shard::new(1000, 1);
    let name = format!("relay {BATCH} at a time, 1000 calls in turn");
    group.bench_function(name, |b| b.iter(|| shard.relay_batch()));
    group.finish();
}

criterion_group!(benches, relay);
criterion_main!(benches);
