//! The way in: what is it, who sent it, may it pass.

use std::time::Instant;

use super::learning::Source;
use super::reports;
use super::{Component, Datagram, DropReason, Egress, Engine, Event, Verdict};
use crate::units::SocketId;
use crate::wire::demux::{PacketKind, classify};
use crate::wire::rtp::RtpHeader;

/// What the packet is to its route.
#[derive(Clone, Copy)]
enum Kind {
    Rtp(RtpHeader),
    Rtcp,
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
        let Datagram {
            socket,
            from,
            packet,
        } = datagram;
        let epoch = self.epoch;
        let Some(stream) = self.stream_mut(socket) else {
            return Verdict::Dropped(DropReason::NoRoute);
        };
        #[cfg(feature = "testing")]
        assert!(!stream.panic_on_next_packet, "injected by a test");
        let kind = match kind_of(stream.component, packet.as_slice()) {
            Ok(kind) => kind,
            Err(reason) => return Verdict::Dropped(reason),
        };
        let source = stream.learner.observe(now, from);
        match source {
            Source::Endpoint | Source::Learned => {}
            Source::Other => stream.counters.other_source.add(1),
            Source::Refused => return Verdict::Dropped(DropReason::WrongSource),
        }
        let at_us =
            u64::try_from(now.saturating_duration_since(epoch).as_micros()).unwrap_or(u64::MAX);
        stream.last_packet = Some(now);
        stream.counters.last_packet_us.set(at_us.max(1));
        stream.counters.packets.add(1);
        let octets = packet.len() as u64;
        stream.counters.octets.add(octets);
        let rtcp = match kind {
            Kind::Rtp(header) => {
                stream.measure(&header, octets, at_us);
                false
            }
            Kind::Rtcp => {
                stream.counters.rtcp_packets.add(1);
                reports::read(packet.as_slice(), &stream.counters.reports);
                true
            }
            Kind::Other => false,
        };
        if source == Source::Learned {
            self.report_learned(socket);
        }
        self.emit(socket, rtcp, packet, out)
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
        PacketKind::Stun | PacketKind::Dtls => Err(DropReason::NotMedia),
        _ => Err(DropReason::Malformed),
    }
}
