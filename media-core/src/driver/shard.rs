//! What both drivers share: the engine, its queue, and the order of work within a turn.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::plane::{Message, ShardPort};
use super::{CoreParts, sys};
use crate::buf::Slab;
use crate::engine::{
    Command, Datagram, DropReason, Egress, Engine, Event, HandshakeEvent, HandshakeStep, Route,
    ShardCounters, Transmit,
};
use crate::units::{ShardId, SocketId};

/// How often the thread's CPU clock is read.
const CPU_SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Transcoding that costs more, in microseconds, is worth a system call before it: what was relayed leaves
/// without waiting for it.
const SEND_FIRST_US: u64 = 200;

/// How long to wait for room in the handshakes' queue.
const LATE_RETRY: Duration = Duration::from_millis(5);

/// The system calls of one driver.
pub(super) trait Io {
    /// Takes sockets over, emptying the list; what arrives stays in the kernel.
    fn open(&mut self, sockets: &mut Vec<(SocketId, OwnedFd)>, core: &mut Core);
    /// Receives from the socket from now on. `false`: it is not open (any more).
    fn start(&mut self, socket: SocketId, core: &mut Core) -> bool;
    /// Sends, or queues for the end of the turn. An error is final for this packet.
    fn send(&mut self, transmit: Transmit) -> Result<(), DropReason>;
    /// Sends what is queued, now.
    fn flush(&mut self);
    /// Begins to close; [`Core::closed`] is called once the port is free.
    fn close(&mut self, socket: SocketId, core: &mut Core);
}

/// The part of a shard that knows no system calls.
pub(super) struct Core {
    pub(super) engine: Engine,
    pub(super) counters: Arc<ShardCounters>,
    port: Arc<ShardPort>,
    handshakes: mpsc::SyncSender<HandshakeEvent>,
    /// What did not fit and must not be lost: how streams' handshakes begin, change and end.
    late: VecDeque<HandshakeEvent>,
    events: mpsc::Sender<Vec<Event>>,
    /// Of this turn; one message carries them all, so that the listener wakes once.
    reports: Vec<Event>,
    egress: Egress,
    messages: VecDeque<Message>,
    /// Kept for their capacity.
    opening: Vec<(SocketId, OwnedFd)>,
    commands: Vec<Command>,
    next_cpu_sample: Instant,
    epoch: Instant,
}

impl Core {
    pub(super) fn new(parts: CoreParts, slab: &Slab, now: Instant) -> Self {
        let engine = Engine::new(slab.clone(), parts.epoch, Arc::clone(&parts.counters));
        Self {
            engine: engine.with_wall_clock(parts.unix_at_epoch),
            counters: parts.counters,
            port: parts.port,
            handshakes: parts.handshakes,
            late: VecDeque::new(),
            events: parts.events,
            reports: Vec::new(),
            egress: Egress::new(),
            messages: VecDeque::new(),
            opening: Vec::new(),
            commands: Vec::new(),
            next_cpu_sample: now,
            epoch: parts.epoch,
        }
    }

    pub(super) fn shard(&self) -> ShardId {
        self.port.shard()
    }

    pub(super) fn port(&self) -> &ShardPort {
        &self.port
    }

    /// Brings what a batch of datagrams will need into the cache (see [`Engine::warm`]).
    #[inline]
    pub(super) fn warm(&self, batch: impl Iterator<Item = SocketId>) {
        std::hint::black_box(batch.fold(0, |sum, socket| sum ^ self.engine.warm(socket)));
    }

    /// One datagram.
    #[inline]
    pub(super) fn receive(&mut self, now: Instant, datagram: Datagram, io: &mut impl Io) {
        self.engine.handle_datagram(now, datagram, &mut self.egress);
        self.drain(io);
    }

    /// Messages; `false` when the shard is to end. Taken after a batch was received and before it is
    /// handled: whoever got a reply from the control side and sends a packet because of it finds the
    /// commands behind that reply applied.
    pub(super) fn obey(&mut self, now: Instant, io: &mut impl Io) -> bool {
        let mut messages = std::mem::take(&mut self.messages);
        self.port.take(&mut messages);
        let mut go_on = true;
        // All sockets first, so that they are taken over together: nothing in the same batch can be about
        // an earlier tenant of their places, which was closed before they were given out.
        let mut opening = std::mem::take(&mut self.opening);
        let mut commands = std::mem::take(&mut self.commands);
        for message in messages.drain(..) {
            match message {
                Message::Open(socket, fd) => opening.push((socket, fd)),
                Message::Engine(command) => commands.push(command),
                Message::Shutdown => go_on = false,
            }
        }
        if !opening.is_empty() {
            io.open(&mut opening, self);
        }
        for mut command in commands.drain(..) {
            // A route for a socket that has been closed meanwhile came too late: its place may belong
            // to another call.
            if let Command::Route { socket, route } = &mut command
                && !self.start(*socket, route, io)
            {
                continue;
            }
            self.engine.handle_command(now, command, &mut self.egress);
            self.drain(io);
        }
        self.opening = opening;
        self.commands = commands;
        self.messages = messages;
        go_on
    }

    /// A share of the transcoding, once everything that needs none has left.
    #[inline]
    pub(super) fn transcode(&mut self, now: Instant, io: &mut impl Io) {
        let waiting = self.engine.transcoding_us();
        if waiting > 0 {
            if waiting > SEND_FIRST_US {
                io.flush();
            }
            self.engine.transcode(now, &mut self.egress);
            self.drain(io);
        }
    }

    /// Is there more to do than to wait for what arrives?
    pub(super) fn is_behind(&self) -> bool {
        self.engine.transcoding_us() > 0
    }

    /// Receives for a stream from now on. Its further sockets live no longer than its own: whoever closed
    /// that did not know of them yet.
    fn start(&mut self, socket: SocketId, route: &mut Route, io: &mut impl Io) -> bool {
        let is_open = io.start(socket, self);
        if !route.alternates.is_empty() {
            let mut alternates = std::mem::take(&mut route.alternates).into_vec();
            if is_open {
                alternates.retain(|other| io.start(other.socket, self));
            } else {
                for other in alternates.drain(..) {
                    io.close(other.socket, self);
                }
            }
            route.alternates = alternates.into();
        }
        is_open
    }

    /// When the shard is to wake even if nothing arrives.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let late = (!self.late.is_empty()).then(|| Instant::now() + LATE_RETRY);
        self.engine.poll_timeout().into_iter().chain(late).min()
    }

    /// Timers, once the batch was handled.
    pub(super) fn housekeep(&mut self, now: Instant, io: &mut impl Io) {
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now, &mut self.egress);
            self.drain(io);
        }
        if !self.late.is_empty() {
            self.catch_up();
        }
        if now >= self.next_cpu_sample {
            self.sample_cpu(now);
        }
    }

    /// Passes on what there is to report: last in a turn, or what its transcoding found would wait for the
    /// next one.
    pub(super) fn tell(&mut self) {
        if !self.reports.is_empty() {
            // Nobody listens only when the driver is being dropped.
            let _ = self.events.send(std::mem::take(&mut self.reports));
        }
    }

    #[cold]
    fn sample_cpu(&mut self, now: Instant) {
        let counters = &self.counters;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (cpu_ns, at_us) = (
            sys::thread_cpu_ns(),
            micros(now.saturating_duration_since(self.epoch)),
        );
        let ran_us = cpu_ns.saturating_sub(counters.cpu_ns.get()) / 1000;
        let passed_us = at_us.saturating_sub(counters.cpu_sampled_us.get()).max(1);
        counters
            .cpu_permille
            .set((ran_us.saturating_mul(1000) / passed_us).min(1000));
        counters.cpu_ns.set(cpu_ns);
        counters.cpu_sampled_us.set(at_us);
        self.next_cpu_sample = now + CPU_SAMPLE_INTERVAL;
    }

    /// The kernel has let go of a socket.
    pub(super) fn closed(&mut self, socket: SocketId) {
        self.port.release(socket);
        self.report(Event::SocketClosed { socket });
    }

    pub(super) fn report(&mut self, event: Event) {
        self.reports.push(event);
    }

    /// Tells the handshakes' thread. A full queue loses datagrams, which the peer repeats, and nothing else.
    #[cold]
    fn greet(&mut self, event: HandshakeEvent) {
        self.catch_up();
        let unsent = if self.late.is_empty() {
            match self.handshakes.try_send(event) {
                Err(mpsc::TrySendError::Full(event)) => event,
                Ok(()) | Err(mpsc::TrySendError::Disconnected(_)) => return,
            }
        } else {
            event
        };
        if !matches!(
            unsent.step,
            HandshakeStep::Datagram(..) | HandshakeStep::Stranger(..)
        ) {
            self.late.push_back(unsent);
        }
    }

    fn catch_up(&mut self) {
        while let Some(event) = self.late.pop_front() {
            if let Err(mpsc::TrySendError::Full(event)) = self.handshakes.try_send(event) {
                self.late.push_front(event);
                return;
            }
        }
    }

    #[inline]
    fn drain(&mut self, io: &mut impl Io) {
        for transmit in self.egress.transmits() {
            let socket = transmit.socket;
            let is_check = transmit.is_check;
            if let Err(reason) = io.send(transmit)
                && !is_check
            {
                self.engine.count_drop(socket, reason);
            }
        }
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Handshake(event) => self.greet(event),
                event => self.report(event),
            }
        }
        while let Some(socket) = self.egress.next_close() {
            io.close(socket, self);
        }
    }
}
