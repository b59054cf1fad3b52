//! An engine, the parties that talk through it, and the network between, in virtual time.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Link, LinkConfig, LinkCounts, start};
use crate::buf::Slab;
use crate::engine::{
    CallTimeouts, Command, Datagram, Egress, Engine, Event, PayloadClocks, Route, ShardCounters,
    SinkAction, StreamCounters,
};
use crate::units::{CallKey, ClockRate, PayloadType, ShardId, SocketId};

/// A party of a [`World`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId(usize);

/// A datagram that a party received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// When it arrived, since the world began.
    pub at: Duration,
    /// Through which of the engine's sockets it came.
    pub socket: SocketId,
    /// Its payload.
    pub packet: Vec<u8>,
}

/// An engine with parties around it. Each party has an address, a socket of the engine's that it
/// talks to, and a [`Link`] in either direction. Time moves only in [`World::run_for`].
///
/// ```text
/// party --uplink--> engine's socket        engine's socket --downlink--> party
/// ```
///
/// The world does what a driver does: it drains what the engine wants sent and closed, wakes it when
/// it wants to be woken, and throws away what is sent to a closed socket.
#[derive(Debug)]
pub struct World {
    engine: Engine,
    slab: Slab,
    egress: Egress,
    counters: Arc<ShardCounters>,
    epoch: Instant,
    now: Instant,
    seed: u64,
    peers: Vec<Peer>,
    open: HashSet<SocketId>,
    /// What parties will send, by time and then by order.
    planned: BTreeMap<(Instant, u64), (PeerId, Vec<u8>)>,
    next_order: u64,
    events: Vec<Event>,
    undeliverable: Vec<(SocketAddr, Vec<u8>)>,
}

#[derive(Debug)]
struct Peer {
    address: SocketAddr,
    socket: SocketId,
    /// Source address and payload, to the engine's socket.
    uplink: Link<(SocketAddr, Vec<u8>)>,
    /// Socket it left through and payload, to the party.
    downlink: Link<(SocketId, Vec<u8>)>,
    received: Vec<Received>,
}

impl World {
    /// When the world began, since 1970.
    pub const UNIX_AT_EPOCH: Duration = Duration::from_secs(1_700_000_000);

    /// Packet slots of the engine.
    const SLOTS: u16 = 256;

    /// An engine and nobody around it. Links draw their fates from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let epoch = start();
        let slab = Slab::new(Self::SLOTS);
        let counters: Arc<ShardCounters> = Arc::default();
        Self {
            engine: Engine::new(slab.clone(), epoch, Arc::clone(&counters))
                .with_wall_clock(Self::UNIX_AT_EPOCH),
            slab,
            egress: Egress::new(),
            counters,
            epoch,
            now: epoch,
            seed,
            peers: Vec::new(),
            open: HashSet::new(),
            planned: BTreeMap::new(),
            next_order: 0,
            events: Vec::new(),
            undeliverable: Vec::new(),
        }
    }

    /// Adds a party at an address of its own, which talks to a new socket of the engine's.
    pub fn peer(&mut self, uplink: LinkConfig, downlink: LinkConfig) -> PeerId {
        let n = u16::try_from(self.peers.len()).expect("invariant: a test has few parties");
        let [high, low] = n.to_be_bytes();
        // TEST-NET-2 would hold 256 of them; the benchmark range holds all (RFC 2544).
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 18, high, low)), 4000);
        let socket = SocketId::new(ShardId::new(0), n.into(), 0);
        let seed = self.seed ^ (u64::from(n) << 32);
        self.open.insert(socket);
        self.peers.push(Peer {
            address,
            socket,
            uplink: Link::new(uplink, seed),
            downlink: Link::new(downlink, !seed),
            received: Vec::new(),
        });
        PeerId(self.peers.len() - 1)
    }

    /// The engine's socket that the party talks to.
    #[must_use]
    pub fn socket(&self, peer: PeerId) -> SocketId {
        self.peers[peer.0].socket
    }

    /// Where the party is now.
    #[must_use]
    pub fn address(&self, peer: PeerId) -> SocketAddr {
        self.peers[peer.0].address
    }

    /// Moves the party, as a NAT does that forgot its binding: what it sends from now on comes from
    /// `address`, and what still goes to the old one is undeliverable.
    pub fn relocate(&mut self, peer: PeerId, address: SocketAddr) {
        self.peers[peer.0].address = address;
    }

    /// A route of the party's socket as a plain call has it: endpoint where the party is, delayed
    /// learning, RTP and RTCP muxed, 8000 Hz for PCMU and PCMA, both forwarded to `sinks`.
    #[must_use]
    pub fn route(&self, call: CallKey, peer: PeerId, sinks: &[PeerId]) -> Route {
        let sinks: Vec<_> = sinks
            .iter()
            .map(|sink| SinkAction {
                socket: self.socket(*sink),
            })
            .collect();
        let clocks = [0, 8]
            .into_iter()
            .filter_map(PayloadType::new)
            .map(|payload_type| (payload_type, ClockRate::HZ_8000))
            .collect();
        Route {
            clocks: Arc::new(PayloadClocks::new(clocks)),
            ..Route::relay(call, Some(self.address(peer)), sinks)
        }
    }

    /// Makes a call of two parties, without timeouts; returns what each one's socket counts.
    pub fn call(&mut self, call: CallKey, parties: [PeerId; 2]) -> [Arc<StreamCounters>; 2] {
        let timeouts = CallTimeouts::default();
        self.command(Command::Call { call, timeouts });
        let [a, b] = parties;
        [(a, b), (b, a)].map(|(peer, sink)| {
            let route = self.route(call, peer, &[sink]);
            let counters = Arc::clone(&route.counters);
            self.command(Command::Route {
                socket: self.socket(peer),
                route: Box::new(route),
            });
            counters
        })
    }

    /// Gives the engine a command, now.
    pub fn command(&mut self, command: Command) {
        self.engine
            .handle_command(self.now, command, &mut self.egress);
        self.drain();
    }

    /// The party sends `packet` after `delay`; what is planned for one time leaves in the order of
    /// planning. Run the world to see it happen.
    pub fn send(&mut self, peer: PeerId, delay: Duration, packet: Vec<u8>) {
        let key = (self.now + delay, self.next_order);
        self.planned.insert(key, (peer, packet));
        self.next_order += 1;
    }

    /// The party sends `packets`, the first one now and then one per `interval`.
    pub fn play(
        &mut self,
        peer: PeerId,
        interval: Duration,
        packets: impl IntoIterator<Item = Vec<u8>>,
    ) {
        let mut delay = Duration::ZERO;
        for packet in packets {
            self.send(peer, delay, packet);
            delay += interval;
        }
    }

    /// Lets `time` pass, and with it everything that is due.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.next_due().filter(|next| *next <= until) {
            // Something overdue happens now: time never goes backwards.
            self.now = self.now.max(next);
            self.step();
        }
        self.now = until;
    }

    /// When the next thing happens by itself.
    fn next_due(&self) -> Option<Instant> {
        let planned = self.planned.keys().next().map(|(at, _)| *at);
        let arrivals = self
            .peers
            .iter()
            .flat_map(|p| [p.uplink.next_arrival(), p.downlink.next_arrival()])
            .flatten();
        arrivals
            .chain(planned)
            .chain(self.engine.poll_timeout())
            .min()
    }

    /// Does all that is due now.
    fn step(&mut self) {
        while let Some(entry) = self.planned.first_entry()
            && entry.key().0 <= self.now
        {
            let (PeerId(n), packet) = entry.remove();
            let peer = &mut self.peers[n];
            peer.uplink.send(self.now, (peer.address, packet));
        }
        for n in 0..self.peers.len() {
            while let Some((_, (from, bytes))) = self.peers[n].uplink.poll(self.now) {
                self.deliver(self.peers[n].socket, from, &bytes);
            }
            let peer = &mut self.peers[n];
            while let Some((at, (socket, packet))) = peer.downlink.poll(self.now) {
                peer.received.push(Received {
                    at: at - self.epoch,
                    socket,
                    packet,
                });
            }
        }
        if self.engine.poll_timeout().is_some_and(|at| at <= self.now) {
            self.engine.handle_timeout(self.now, &mut self.egress);
            self.drain();
        }
        while self.engine.transcoding_us() > 0 {
            self.engine.transcode(self.now, &mut self.egress);
            self.drain();
        }
    }

    fn deliver(&mut self, socket: SocketId, from: SocketAddr, bytes: &[u8]) {
        if !self.open.contains(&socket) {
            return;
        }
        let mut packet = self
            .slab
            .allocate()
            .expect("the engine holds no packet between two datagrams");
        assert!(
            packet.fill(bytes),
            "a test's packet of {} bytes is too long",
            bytes.len()
        );
        let datagram = Datagram {
            socket,
            from,
            packet,
        };
        self.engine
            .handle_datagram(self.now, datagram, &mut self.egress);
        self.drain();
    }

    fn drain(&mut self) {
        for transmit in self.egress.transmits() {
            let bytes = transmit.packet.as_slice().to_vec();
            match self.peers.iter_mut().find(|p| p.address == transmit.to) {
                Some(peer) => peer.downlink.send(self.now, (transmit.socket, bytes)),
                None => self.undeliverable.push((transmit.to, bytes)),
            }
        }
        while let Some(socket) = self.egress.next_close() {
            if self.open.remove(&socket) {
                self.events.push(Event::SocketClosed { socket });
            }
        }
        while let Some(event) = self.engine.poll_event() {
            self.events.push(event);
        }
    }

    /// Time since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.epoch
    }

    /// What the party has received since this was last asked.
    pub fn received(&mut self, peer: PeerId) -> Vec<Received> {
        std::mem::take(&mut self.peers[peer.0].received)
    }

    /// What the engine has reported since this was last asked.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What was sent where no party is, since this was last asked.
    pub fn undeliverable(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.undeliverable)
    }

    /// What the link from the party to the engine has done.
    #[must_use]
    pub fn uplink_counts(&self, peer: PeerId) -> LinkCounts {
        self.peers[peer.0].uplink.counts()
    }

    /// What the link from the engine to the party has done.
    #[must_use]
    pub fn downlink_counts(&self, peer: PeerId) -> LinkCounts {
        self.peers[peer.0].downlink.counts()
    }

    /// What the engine has counted.
    #[must_use]
    pub fn counters(&self) -> &ShardCounters {
        &self.counters
    }

    /// Packet slots in use; between two steps of a world, only packets held for transcoding may be.
    #[must_use]
    pub fn slots_in_use(&self) -> usize {
        self.slab.slots() - self.slab.free_slots()
    }
}
