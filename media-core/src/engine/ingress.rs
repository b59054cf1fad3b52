//! The way in: what is it, who sent it, may it pass.

use std::time::Instant;

use super::learning::Source;
use super::reports;
use super::{Component, Datagram, DropReason, Egress, Engine, Event, Verdict};
use crate::buf::PacketBuf;
use crate::media::transcode::Rule;
use crate::units::SocketId;
use crate::wire::demux::{PacketKind, classify};
use crate::wire::rtp::RtpHeader;

/// What the packet is to its route.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Rtp(RtpHeader),
    Rtcp,
    Stun,
    Dtls,
    Other,
}

impl Engine {
    /// Judges one datagram and hands it on. The caller counts what is dropped.
    #[inline]
    pub(super) fn forward(
        &mut self,
        now: Instant,
        datagram: Datagram,
        out: &mut Egress,
    ) -> Verdict {
        self.forward_on(now, datagram.socket, datagram, out)
    }

    /// The same for the stream of `socket`, whichever of its sockets the datagram came to.
    #[inline]
    pub(super) fn forward_on(
        &mut self,
        now: Instant,
        socket: SocketId,
        datagram: Datagram,
        out: &mut Egress,
    ) -> Verdict {
        let epoch = self.epoch;
        let Some(stream) = self.stream_mut(socket) else {
            return self.forward_alternate(now, datagram, out);
        };
        let Datagram {
            socket: arrived,
            from,
            mut packet,
        } = datagram;
        #[cfg(feature = "testing")]
        assert!(!stream.panic_on_next_packet, "injected by a test");
        let kind = match kind_of(stream.component, packet.as_slice()) {
            Ok(kind) => kind,
            Err(reason) => return Verdict::Dropped(reason),
        };
        let at_us =
            u64::try_from(now.saturating_duration_since(epoch).as_micros()).unwrap_or(u64::MAX);
        let rtcp = match kind {
            Kind::Rtp(_) => false,
            Kind::Rtcp => true,
            Kind::Stun if stream.passes() => false,
            Kind::Dtls if stream.passes() => false,
            Kind::Stun => return self.handle_stun(now, socket, arrived, from, &packet, out),
            Kind::Dtls => return self.handle_dtls(now, socket, arrived, from, &packet),
            Kind::Other => false,
        };
        // Before its source is believed: what is authentic may move the endpoint, a forgery may not.
        if let Err(reason) = stream.admit(kind, &mut packet, at_us) {
            return Verdict::Dropped(reason);
        }
        let source = stream.learner.observe(now, from);
        match source {
            Source::Endpoint | Source::Learned => {}
            Source::Other => {
                stream.counters.other_source.add(1);
                stream.follow(from, arrived);
            }
            Source::Refused => return Verdict::Dropped(DropReason::WrongSource),
        }
        stream.last_packet = Some(now);
        stream.counters.last_packet_us.set(at_us.max(1));
        stream.counters.packets.add(1);
        let octets = packet.len() as u64;
        stream.counters.octets.add(octets);
        match kind {
            Kind::Rtp(header) => stream.measure(&header, octets, at_us),
            Kind::Rtcp => {
                stream.counters.rtcp_packets.add(1);
                if stream.is_readable() {
                    reports::read(packet.as_slice(), &stream.counters.reports);
                }
            }
            Kind::Stun | Kind::Dtls => stream.answer_via(from, arrived),
            Kind::Other => {}
        }
        let (blocked, readable) = (stream.blocked, rtcp && stream.is_readable());
        let has_more_to_do = stream.has_more_to_do;
        if source == Source::Learned {
            self.report_learned(socket);
        }
        match kind {
            Kind::Rtp(header) if has_more_to_do => {
                self.work_on(socket, &header, packet, at_us, out)
            }
            Kind::Rtcp if readable => match self.hear_rtcp(socket, &mut packet, at_us) {
                Ok(()) if blocked => Verdict::Dropped(DropReason::Blocked),
                Ok(()) => self.emit(socket, rtcp, packet, out),
                Err(verdict) => verdict,
            },
            _ if blocked => Verdict::Dropped(DropReason::Blocked),
            _ => self.emit(socket, rtcp, packet, out),
        }
    }

    /// An RTP packet of a stream that is more than relayed.
    fn work_on(
        &mut self,
        socket: SocketId,
        header: &RtpHeader,
        packet: PacketBuf,
        at_us: u64,
        out: &mut Egress,
    ) -> Verdict {
        let Some(stream) = self.stream_mut(socket) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        let readable = stream.is_readable();
        let listener = stream.listener.as_deref_mut();
        let listener = listener.filter(|listener| listener.is_event(header));
        if stream.blocked && listener.is_none() {
            return Verdict::Dropped(DropReason::Blocked);
        }
        let transcoder = stream.transcoder.as_deref();
        // A transcoder tells of the events that it treats itself.
        let is_told = || {
            transcoder.is_some_and(|transcoder| {
                let rule = transcoder.plan().rule(header.payload_type());
                matches!(rule, Some(Rule::Events(_)))
            })
        };
        let digit = listener
            .filter(|_| readable && !is_told())
            .and_then(|listener| listener.hear(header, packet.as_slice()));
        let (call, transcodes) = (stream.call, transcoder.is_some());
        let counts_sent = stream.counts_sent;
        if let Some(digit) = digit {
            self.report_digit(call, socket, digit);
        }
        match (transcodes, counts_sent) {
            (true, _) => self.defer(socket, header, packet, at_us, out),
            (false, true) => self.emit_counted(socket, packet, at_us, out),
            (false, false) => self.emit(socket, false, packet, out),
        }
    }

    #[cold]
    fn report_learned(&mut self, socket: SocketId) {
        let Some(stream) = self.stream(socket) else {
            return;
        };
        if let Some(endpoint) = stream.endpoint() {
            let (call, confirmed) = (stream.call, stream.learner.confirmed());
            self.events.push_back(Event::EndpointLearned {
                call,
                socket,
                endpoint,
                confirmed,
            });
        }
    }
}

/// Tells packets apart as the component allows (RFC 7983, RFC 5761 §4).
#[inline]
fn kind_of(component: Component, packet: &[u8]) -> Result<Kind, DropReason> {
    if component == Component::Opaque {
        return Ok(Kind::Other);
    }
    match classify(packet) {
        PacketKind::Rtp if component == Component::Rtcp => Err(DropReason::Malformed),
        PacketKind::Rtp => RtpHeader::parse(packet)
            .map(Kind::Rtp)
            .map_err(|_| DropReason::Malformed),
        PacketKind::Rtcp => Ok(Kind::Rtcp),
        // Key agreement between the ends themselves (RFC 6189): none of our business.
        PacketKind::Zrtp => Ok(Kind::Other),
        PacketKind::Stun => Ok(Kind::Stun),
        PacketKind::Dtls => Ok(Kind::Dtls),
        _ => Err(DropReason::Malformed),
    }
}
