//! An engine with one call of two streams, and parties that know SRTP.
#![allow(unreachable_pub, reason = "test support")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::buf::Slab;
use media_core::engine::{
    Command, Component, Datagram, DropReason, Egress, Engine, Event, LearnMode, Learning,
    Protection, Route, SinkAction, SrtpKeys, StreamCounters, Verdict,
};
use media_core::srtp::{
    CryptoSuite, MasterKey, Protector, SrtpParams, UnprotectError, Unprotector,
};
use media_core::testing::start;
use media_core::units::{CallKey, ShardId, SocketId};

pub const CALL: CallKey = CallKey::new(1);

pub fn socket(n: u32) -> SocketId {
    SocketId::new(ShardId::new(0), n, 0)
}

/// Where the party of stream `n` is.
pub fn party(n: u32) -> SocketAddr {
    SocketAddr::from(([198, 18, 0, 1], 4000 + u16::try_from(n).unwrap()))
}

/// Someone else.
pub fn stranger() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 66], 666))
}

/// The route of stream `n`, which is forwarded to stream `sink`.
pub fn route(n: u32, sink: u32, protection: Protection) -> Route {
    let sink = SinkAction {
        socket: socket(sink),
    };
    Route {
        call: CALL,
        component: Component::RtpAndRtcp,
        endpoint: Some(party(n)),
        learning: Learning {
            mode: LearnMode::Delayed,
            strict_source: false,
            media_handover: false,
        },
        learn_epoch: 0,
        blocked: false,
        pierce_nat: false,
        protection,
        untouched: false,
        drops_feedback: false,
        transcode: None,
        ice: None,
        alternates: Box::default(),
        media: None,
        rtcp_interval: None,
        rtp_sinks: sink.into(),
        rtcp_sinks: sink.into(),
        clocks: Arc::default(),
        counters: Arc::default(),
    }
}

pub struct Bench {
    engine: Engine,
    slab: Slab,
    out: Egress,
    pub now: Instant,
}

/// A datagram that left: through which stream, to whom, what.
pub type Sent = (u32, SocketAddr, Vec<u8>);

impl Bench {
    pub fn new() -> Self {
        let slab = Slab::new(64);
        let epoch = start();
        Self {
            engine: Engine::new(slab.clone(), epoch, Arc::default()),
            slab,
            out: Egress::new(),

            now: epoch,
        }
    }

    /// Streams 0 and 1, joined, and what they count.
    pub fn call(protections: [Protection; 2]) -> (Self, [Arc<StreamCounters>; 2]) {
        let mut bench = Self::new();
        let [a, b] = protections;
        let counters = [(0, 1, a), (1, 0, b)].map(|(n, sink, p)| bench.route(n, route(n, sink, p)));
        (bench, counters)
    }

    pub fn route(&mut self, n: u32, route: Route) -> Arc<StreamCounters> {
        let counters = Arc::clone(&route.counters);
        self.command(Command::Route {
            socket: socket(n),
            route: Box::new(route),
        });
        counters
    }

    pub fn command(&mut self, command: Command) {
        self.engine.handle_command(self.now, command, &mut self.out);
    }

    pub fn receive(&mut self, n: u32, from: SocketAddr, bytes: &[u8]) -> Verdict {
        let mut packet = self.slab.allocate().unwrap();
        assert!(packet.fill(bytes));
        let datagram = Datagram {
            socket: socket(n),
            from,
            packet,
        };
        self.engine
            .handle_datagram(self.now, datagram, &mut self.out)
    }

    pub fn sent(&mut self) -> Vec<Sent> {
        let sent = self.out.transmits();
        sent.map(|t| (t.socket.index(), t.to, t.packet.as_slice().to_vec()))
            .collect()
    }

    /// Sockets closed since, in order.
    pub fn closed(&mut self) -> Vec<u32> {
        let all = std::iter::from_fn(|| self.out.next_close());
        let mut closed: Vec<u32> = all.map(|socket| socket.index()).collect();
        closed.sort_unstable();
        closed
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.poll_event()).collect()
    }

    pub fn advance(&mut self, time: Duration) {
        self.now += time;
        self.engine.handle_timeout(self.now, &mut self.out);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.engine.poll_timeout()
    }

    /// The party of stream `n` sends `bytes`; what the other party gets.
    #[track_caller]
    pub fn relay(&mut self, n: u32, bytes: &[u8]) -> Vec<u8> {
        assert_eq!(self.receive(n, party(n), bytes), Verdict::Forwarded);
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1);
        let (through, to, bytes) = sent.remove(0);
        assert_eq!((through, to), (1 - n, party(1 - n)));
        bytes
    }

    /// A packet of stream `n`'s party that must not pass.
    #[track_caller]
    pub fn refused(&mut self, n: u32, bytes: &[u8], reason: DropReason) {
        self.refused_from(n, party(n), bytes, reason);
    }

    #[track_caller]
    pub fn refused_from(&mut self, n: u32, from: SocketAddr, bytes: &[u8], reason: DropReason) {
        assert_eq!(self.receive(n, from, bytes), Verdict::Dropped(reason));
        assert_eq!(self.sent(), []);
    }
}

/// A party's end of an SRTP stream.
pub struct Party {
    protector: Protector,
    unprotector: Unprotector,
    slab: Slab,
}

impl Party {
    pub fn protect(&mut self, plain: &[u8]) -> Vec<u8> {
        self.work(plain, |party, packet| party.protector.protect_rtp(packet))
            .unwrap()
    }

    pub fn protect_rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.work(plain, |party, packet| party.protector.protect_rtcp(packet))
            .unwrap()
    }

    pub fn unprotect(&mut self, bytes: &[u8]) -> Result<Vec<u8>, UnprotectError> {
        self.work(bytes, |party, packet| {
            party.unprotector.unprotect_rtp(packet).map(|_| ())
        })
    }

    pub fn unprotect_rtcp(&mut self, bytes: &[u8]) -> Result<Vec<u8>, UnprotectError> {
        self.work(bytes, |party, packet| {
            party.unprotector.unprotect_rtcp(packet)
        })
    }

    fn work<E>(
        &mut self,
        bytes: &[u8],
        work: impl FnOnce(&mut Self, &mut media_core::buf::PacketBuf) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let mut packet = self.slab.allocate().unwrap();
        assert!(packet.fill(bytes));
        work(self, &mut packet)?;
        Ok(packet.as_slice().to_vec())
    }
}

/// New keys as the engine takes them.
pub fn keys(suite: CryptoSuite) -> SrtpKeys {
    SrtpKeys {
        send: SrtpParams::new(MasterKey::generate(suite)),
        receive: SrtpParams::new(MasterKey::generate(suite)),
    }
}

/// The party at the other end of these keys.
pub fn party_of(keys: &SrtpKeys) -> Party {
    Party {
        protector: Protector::new(&keys.receive),
        unprotector: Unprotector::new(&keys.send),
        slab: Slab::new(1),
    }
}

/// Keys known by signalling, and the party that has them too.
pub fn sdes(suite: CryptoSuite) -> (Protection, Party) {
    let keys = keys(suite);
    let party = party_of(&keys);
    (Protection::Srtp(Arc::new(keys)), party)
}
