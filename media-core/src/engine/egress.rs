//! The way out: which sockets a packet leaves through, and to whom.

use std::net::SocketAddr;

use super::reporting::Outgoing;
use super::{DropReason, Engine, SinkAction, Verdict};
use crate::buf::PacketBuf;
use crate::units::SocketId;
use crate::wire::rtcp::strip_feedback;

/// What a `handle_*` call wants done; the driver drains it before the next call.
#[derive(Debug, Default)]
pub struct Egress {
    transmits: Vec<Transmit>,
    closes: Vec<SocketId>,
}

/// One datagram to send.
#[derive(Debug)]
pub struct Transmit {
    /// The local socket to send from.
    pub socket: SocketId,
    /// Its destination.
    pub to: SocketAddr,
    /// Its payload.
    pub packet: PacketBuf,
    /// An ICE agent's: that it cannot be sent is what checks are to find out, and counts as no drop.
    pub is_check: bool,
}

impl Transmit {
    /// Anything but an ICE agent's message.
    #[must_use]
    pub const fn new(socket: SocketId, to: SocketAddr, packet: PacketBuf) -> Self {
        Self {
            socket,
            to,
            packet,
            is_check: false,
        }
    }
}

impl Egress {
    /// With room for what one datagram can cause, so that the fast path does not allocate.
    #[must_use]
    pub fn new() -> Self {
        Self {
            transmits: Vec::with_capacity(64),
            closes: Vec::with_capacity(64),
        }
    }

    /// Datagrams to send, in order.
    pub fn transmits(&mut self) -> impl Iterator<Item = Transmit> + '_ {
        self.transmits.drain(..)
    }

    /// A socket to close; it is then reported by [`super::Event::SocketClosed`].
    pub fn next_close(&mut self) -> Option<SocketId> {
        self.closes.pop()
    }

    pub(super) fn transmit(&mut self, transmit: Transmit) {
        self.transmits.push(transmit);
    }

    pub(super) fn close(&mut self, socket: SocketId) {
        self.closes.push(socket);
    }
}

impl Engine {
    /// Gives the packet to the sinks of the stream on `socket`: the last one takes the buffer itself,
    /// earlier ones take copies.
    #[inline]
    pub(super) fn emit(
        &mut self,
        socket: SocketId,
        rtcp: bool,
        mut packet: PacketBuf,
        out: &mut Egress,
    ) -> Verdict {
        let Some(stream) = self.stream(socket) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        let untouched = stream.untouched;
        if rtcp && stream.drops_feedback && stream.is_readable() {
            let left = strip_feedback(packet.as_mut_slice());
            if left == 0 {
                return Verdict::Dropped(DropReason::Feedback);
            }
            packet.truncate(left);
        }
        let sinks = stream.sinks(rtcp).len();
        let Some(last) = sinks.checked_sub(1) else {
            return Verdict::Dropped(DropReason::NoSink);
        };
        let mut packet = Some(packet);
        let mut refused = None;
        let mut sent = false;
        for n in 0..sinks {
            // The list is the stream's own, and sending changes other streams.
            let sink = self.stream(socket).and_then(|s| s.sinks(rtcp).get(n));
            let Some(&SinkAction { socket: sink }) = sink else {
                break;
            };
            let for_sink = match &packet {
                Some(whole) if n < last => self.slab.copy(whole),
                _ => packet.take(),
            };
            let result = match for_sink {
                Some(packet) => self.send_to(sink, packet, rtcp, untouched, out),
                None => Err(DropReason::NoBuffer),
            };
            match result {
                Ok(()) => sent = true,
                Err(reason) => refused = Some(reason),
            }
        }
        match refused {
            Some(reason) if !sent => Verdict::Dropped(reason),
            _ => Verdict::Forwarded,
        }
    }

    /// As [`Engine::emit`] does with RTP, for a stream whose party is told what the sinks got.
    #[inline]
    pub(super) fn emit_counted(
        &mut self,
        socket: SocketId,
        packet: PacketBuf,
        at_us: u64,
        out: &mut Egress,
    ) -> Verdict {
        let outgoing = Outgoing::of(packet.as_slice());
        let verdict = self.emit(socket, false, packet, out);
        if verdict == Verdict::Forwarded
            && let Some(outgoing) = outgoing
            && let Some(stream) = self.stream_mut(socket)
        {
            let reporting = stream.reporting.get_or_insert_default();
            reporting.count(outgoing, at_us);
        }
        verdict
    }

    #[inline]
    pub(super) fn send_to(
        &mut self,
        socket: SocketId,
        mut packet: PacketBuf,
        rtcp: bool,
        untouched: bool,
        out: &mut Egress,
    ) -> Result<(), DropReason> {
        let sink = self.stream_mut(socket).ok_or(DropReason::NoSink)?;
        let to = sink.endpoint().ok_or(DropReason::NoEndpoint)?;
        if !untouched {
            sink.guard.protect(&mut packet, rtcp)?;
        }
        let octets = packet.len() as u64;
        let socket = sink.via;
        sink.counters.packets_sent.add(1);
        sink.counters.octets_sent.add(octets);
        self.counters.packets_sent.add(1);
        self.counters.octets_sent.add(octets);
        out.transmit(Transmit::new(socket, to, packet));
        Ok(())
    }
}
