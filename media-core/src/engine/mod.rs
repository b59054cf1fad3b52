//! One shard's brain: takes datagrams, commands and time, gives datagrams and events. No I/O.
//!
//! `handle_*` takes input and `now`; `poll_*` yields until `None`. Drain [`Egress`] and the events
//! after every `handle_*`. `now` never goes backwards. A panic while one call's packet is handled ends
//! that call and no other.
//!
//! The way of a datagram: [`Engine::handle_datagram`] finds the stream by its socket, `ingress`
//! classifies it, judges its source and measures it, `egress` hands it to the route's sinks. One that is
//! to be transcoded waits in between, until [`Engine::transcode`] is called.

mod alternates;
mod call;
mod command;
mod counters;
mod egress;
mod event;
mod guard;
mod handshake;
mod ingress;
mod learning;
mod paths;
mod plane;
mod protection;
mod quality;
mod reporting;
mod reports;
mod rtcp;
mod stream;
#[cfg(test)]
mod tests;
mod timer;
mod transcoding;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::buf::{PacketBuf, Slab};
use crate::units::{CallKey, Roc, SocketId, Ssrc};

use alternates::Owner;
use call::{Call, Due};
use stream::Stream;
use timer::{CallSlot, Timers};
use transcoding::Transcoding;

pub use command::{
    Alternate, CallTimeouts, Command, Component, LearnMode, Learning, PayloadClocks, Route,
    SinkAction, Sinks,
};
pub use counters::{
    Counter, DropReason, ReportCounters, ShardCounters, SsrcCounters, StreamCounters,
};
pub use egress::{Egress, Transmit};
pub use event::{Event, TimeoutReason};
pub use handshake::{DtlsState, DtlsTerms, HandshakeEvent, HandshakeStep};
pub use plane::{BindError, MediaPlane, ShardLoad, SocketOptions};
pub use protection::{Agreement, Handshake, IceRoute, Protection, SrtpKeys};
pub use quality::{QualityCounters, QualityReport};

/// A datagram as it came in.
#[derive(Debug)]
pub struct Datagram {
    /// The local socket that received it.
    pub socket: SocketId,
    /// Who sent it.
    pub from: SocketAddr,
    /// Its payload.
    pub packet: PacketBuf,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Handed to at least one sink.
    Forwarded,
    /// Used up here.
    Consumed,
    /// Dropped and counted.
    Dropped(DropReason),
}

/// One shard's calls, streams and timers.
#[derive(Debug)]
pub struct Engine {
    slab: Slab,
    epoch: Instant,
    /// Since 1970.
    unix_at_epoch: Duration,
    /// By socket index.
    streams: Vec<Option<Stream>>,
    /// By socket index: whose further socket it is. Empty while no stream has any.
    owners: Vec<Option<Owner>>,
    calls: Vec<Option<Call>>,
    free_calls: Vec<u32>,
    by_key: HashMap<CallKey, u32>,
    next_generation: u32,
    timers: Timers<CallSlot>,
    path_timers: Timers<SocketId>,
    /// When our own RTCP is due, by the RTP stream that it is about.
    report_timers: Timers<SocketId>,
    transcoding: Transcoding,
    events: VecDeque<Event>,
    counters: Arc<ShardCounters>,
}

impl Engine {
    /// `slab` is where copies for further sinks come from; `epoch` is what
    /// [`StreamCounters::last_packet_us`] counts from.
    #[must_use]
    pub fn new(slab: Slab, epoch: Instant, counters: Arc<ShardCounters>) -> Self {
        Self {
            slab,
            epoch,
            unix_at_epoch: Duration::ZERO,
            streams: Vec::new(),
            owners: Vec::new(),
            calls: Vec::new(),
            free_calls: Vec::new(),
            by_key: HashMap::new(),
            next_generation: 0,
            timers: Timers::default(),
            path_timers: Timers::default(),
            report_timers: Timers::default(),
            transcoding: Transcoding::default(),
            events: VecDeque::new(),
            counters,
        }
    }

    /// Tells the time of day in sender reports: `unix` is how long after 1970 the epoch is.
    #[must_use]
    pub fn with_wall_clock(mut self, unix: Duration) -> Self {
        self.unix_at_epoch = unix;
        self
    }

    /// Forwards one datagram. Allocates nothing.
    #[inline]
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram,
        out: &mut Egress,
    ) -> Verdict {
        let socket = datagram.socket;
        self.counters.packets.add(1);
        self.counters.octets.add(datagram.packet.len() as u64);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.forward(now, datagram, out)));
        let verdict = outcome.unwrap_or_else(|_| {
            self.end_panicked(socket, out);
            Verdict::Dropped(DropReason::NoRoute)
        });
        if let Verdict::Dropped(reason) = verdict {
            self.count_drop(socket, reason);
        }
        verdict
    }

    /// Reads what a datagram on `socket` will need, so that it is in the cache by then. Called for a whole
    /// batch first: the processor waits for many lines of memory at once instead of for one after the
    /// other. Returns a number to be thrown away ([`std::hint::black_box`]), lest the reads go with it.
    #[inline]
    #[must_use]
    pub fn warm(&self, socket: SocketId) -> u64 {
        let Some(stream) = self.stream(socket) else {
            return 0;
        };
        let sink = stream.rtp_sinks.as_slice().first();
        let sink = sink.and_then(|sink| self.stream(sink.socket));
        stream.warm_for_arrival() ^ sink.map_or(0, Stream::warm_for_departure)
    }

    /// Applies one command.
    pub fn handle_command(&mut self, now: Instant, command: Command, out: &mut Egress) {
        match command {
            Command::Call { call, timeouts } => {
                let index = self.call_index(now, call);
                if let Some(call) = &mut self.calls[index as usize] {
                    call.set_timeouts(now, timeouts);
                }
                self.arm(now, index);
            }
            Command::Route { socket, route } => self.set_route(now, socket, *route, out),
            Command::CloseSockets { sockets } => {
                for socket in sockets {
                    self.close_socket(socket, out);
                }
            }
            Command::CloseCall { call, after } => {
                let Some(&index) = self.by_key.get(&call) else {
                    return;
                };
                if after.is_zero() {
                    self.end_call(index, Event::CallClosed { call }, out);
                    return;
                }
                if let Some(call) = &mut self.calls[index as usize] {
                    call.close_after(now, after);
                }
                self.arm(now, index);
            }
            Command::SendFrom {
                socket,
                to,
                datagram,
            } => self.send_from(socket, to, &datagram, out),
            Command::HandshakeEnded {
                socket,
                association,
                outcome,
            } => {
                let outcome = outcome.as_deref().map_err(|failure| *failure);
                self.handshake_ended(socket, association, outcome);
            }
            Command::PlayDigit { socket, play } => {
                if let Some(stream) = self.stream_mut(socket)
                    && let Some(transcoder) = &mut stream.transcoder
                {
                    // The caller was told so before it asked for so many.
                    let _ = transcoder.play(play);
                }
            }
            #[cfg(feature = "testing")]
            Command::PanicOnNextPacket { socket } => {
                if let Some(stream) = self.stream_mut(socket) {
                    stream.panic_on_next_packet = true;
                }
            }
        }
    }

    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Egress) {
        self.run_paths(now, out);
        self.run_reports(now, out);
        self.queue_due(now);
        while let Some(slot) = self.timers.pop_due(now) {
            let Some(Some(call)) = self.calls.get_mut(slot.index as usize) else {
                continue;
            };
            if call.generation != slot.generation {
                continue;
            }
            call.armed = None;
            let key = call.key;
            let reason = match self.due(now, slot.index) {
                Due::Close => {
                    self.end_call(slot.index, Event::CallClosed { call: key }, out);
                    continue;
                }
                Due::Lifetime => TimeoutReason::Lifetime,
                Due::Inactivity => TimeoutReason::Inactivity,
                Due::Later(_) | Due::Never => {
                    self.arm(now, slot.index);
                    continue;
                }
            };
            self.end_call(slot.index, Event::CallTimedOut { call: key, reason }, out);
        }
    }

    /// The next event; drain after every `handle_*`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Engine::handle_timeout`] wants to run next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let paths = self.path_timers.next();
        let held = self.transcoding.next();
        let reports = self.report_timers.next();
        let calls = self.timers.next().into_iter();
        calls.chain(paths).chain(held).chain(reports).min()
    }

    /// To count what the driver did to a stream's packet after the engine let go of it.
    pub fn count_drop(&self, socket: SocketId, reason: DropReason) {
        self.counters.dropped[reason as usize].add(1);
        if let Some(stream) = self.stream(self.stream_of(socket)) {
            stream.count_drop(reason);
        }
    }

    fn stream(&self, socket: SocketId) -> Option<&Stream> {
        self.streams
            .get(socket.index() as usize)?
            .as_ref()
            .filter(|s| s.generation == socket.generation())
    }

    fn stream_mut(&mut self, socket: SocketId) -> Option<&mut Stream> {
        self.streams
            .get_mut(socket.index() as usize)?
            .as_mut()
            .filter(|s| s.generation == socket.generation())
    }

    fn set_route(&mut self, now: Instant, socket: SocketId, mut route: Route, out: &mut Egress) {
        let ice = route.ice.clone();
        let alternates = std::mem::take(&mut route.alternates);
        if ice.is_some() {
            // Only a nominated pair says where to send, neither signalling nor the source of a packet.
            route.endpoint = None;
            route.learning.mode = LearnMode::Off;
        }
        let pierce = route.pierce_nat.then_some(route.endpoint).flatten();
        let index = self.call_index(now, route.call);
        let place = socket.index() as usize;
        let mut before = Protection::None;
        let mut joined = None;
        if self.streams.len() <= place {
            self.streams.resize_with(place + 1, || None);
        }
        match &mut self.streams[place] {
            Some(stream)
                if stream.generation == socket.generation() && stream.call == route.call =>
            {
                before = stream.guard.protection().clone();
                let was_untouched = stream.untouched;
                stream.update(now, route);
                joined = (was_untouched && !stream.untouched).then(|| stream.rollovers());
            }
            vacant => {
                if vacant.is_none() {
                    self.counters.streams.add(1);
                }
                *vacant = Some(Stream::new(now, socket, index, route));
                if let Some(call) = &mut self.calls[index as usize] {
                    call.sockets.push(socket);
                }
            }
        }
        if let Some(call) = &mut self.calls[index as usize] {
            call.touch(now);
        }
        for (ssrc, roc) in joined.into_iter().flatten().flatten() {
            self.join(socket, ssrc, roc);
        }
        self.set_alternates(socket, index, alternates);
        self.set_path(now, socket, ice, out);
        self.restate_handshake(socket, &before);
        self.arm_report(now, socket);
        if let (Some(to), Some(packet)) = (pierce, self.slab.allocate()) {
            out.transmit(Transmit::new(socket, to, packet));
        }
    }

    /// What has passed untouched so far is unprotected and protected from now on.
    #[cold]
    fn join(&mut self, socket: SocketId, ssrc: Ssrc, roc: Roc) {
        let Some(stream) = self.stream_mut(socket) else {
            return;
        };
        stream.guard.join_inbound(ssrc, roc);
        for sink in stream.rtp_sinks.clone().as_slice() {
            if let Some(sink) = self.stream_mut(sink.socket) {
                sink.guard.join_outbound(ssrc, roc);
            }
        }
    }

    /// The call's place in the table; a new call gets one.
    fn call_index(&mut self, now: Instant, key: CallKey) -> u32 {
        if let Some(&index) = self.by_key.get(&key) {
            return index;
        }
        self.next_generation = self.next_generation.wrapping_add(1);
        let call = Some(Call::new(key, self.next_generation, now));
        let index = if let Some(index) = self.free_calls.pop() {
            self.calls[index as usize] = call;
            index
        } else {
            self.calls.push(call);
            u32::try_from(self.calls.len() - 1).expect("invariant: fewer calls than sockets")
        };
        self.by_key.insert(key, index);
        index
    }

    fn due(&self, now: Instant, index: u32) -> Due {
        let Some(call) = &self.calls[index as usize] else {
            return Due::Never;
        };
        let last = call
            .sockets
            .iter()
            .filter_map(|s| self.stream(*s)?.last_packet)
            .max();
        call.due(now, last)
    }

    /// Makes sure that the timer heap has an entry early enough for the call.
    fn arm(&mut self, now: Instant, index: u32) {
        let at = match self.due(now, index) {
            Due::Never => return,
            Due::Later(at) => at,
            Due::Close | Due::Lifetime | Due::Inactivity => now,
        };
        let Some(call) = &mut self.calls[index as usize] else {
            return;
        };
        if call.armed.is_none_or(|armed| at < armed) {
            call.armed = Some(at);
            self.timers.arm(
                at,
                CallSlot {
                    index,
                    generation: call.generation,
                },
            );
        }
    }

    fn close_socket(&mut self, socket: SocketId, out: &mut Egress) {
        if let Some(stream) = self.stream(socket) {
            let index = stream.call_index as usize;
            if let Protection::Dtls(handshake) = stream.guard.protection() {
                let handshake = Arc::clone(handshake);
                self.greet(socket, handshake, HandshakeStep::End);
            }
            self.streams[socket.index() as usize] = None;
            self.counters
                .streams
                .set(self.counters.streams.get().saturating_sub(1));
            if let Some(Some(call)) = self.calls.get_mut(index) {
                call.sockets.retain(|s| *s != socket);
            }
        }
        self.close_alternate(socket);
        // Also one that never got a route: the driver knows whether it is open.
        out.close(socket);
    }

    fn end_call(&mut self, index: u32, event: Event, out: &mut Egress) {
        let Some(call) = self.calls[index as usize].take() else {
            return;
        };
        self.by_key.remove(&call.key);
        self.free_calls.push(index);
        for socket in call.sockets {
            self.close_socket(socket, out);
        }
        self.events.push_back(event);
    }

    #[cold]
    fn end_panicked(&mut self, socket: SocketId, out: &mut Egress) {
        self.counters.panics.add(1);
        let Some(stream) = self.stream(self.stream_of(socket)) else {
            return;
        };
        let (index, call) = (stream.call_index, stream.call);
        self.end_call(index, Event::CallPanicked { call }, out);
    }
}
