//! Packets as participants send them, well-formed and not.

use std::time::Duration;

use super::Rng;
use crate::units::{PayloadType, RtpTimestamp, SeqNo, Ssrc};
use crate::wire::rtcp::{
    ReportBlock, SenderInfo, emit_bye, emit_cname, emit_receiver_report, emit_sender_report,
};
use crate::wire::rtp::{RtpBuilder, RtpHeader};
use crate::wire::{EmitError, stun};

/// A G.711 stream: an endless iterator of 20 ms packets of 8000 Hz, 160 bytes of payload each.
///
/// The payload repeats the low byte of the sequence number, so that a packet that was mixed up with
/// another one shows it. The marker is set on the first packet (RFC 3551 §4.1).
#[derive(Clone, Debug)]
pub struct RtpStream {
    ssrc: Ssrc,
    payload_type: PayloadType,
    next_seq: u16,
    next_timestamp: u32,
    first: bool,
}

impl RtpStream {
    /// From one packet to the next.
    pub const INTERVAL: Duration = Duration::from_millis(20);
    /// Payload bytes of a packet, and ticks from one timestamp to the next.
    pub const SAMPLES: u8 = 160;

    /// A stream that begins with sequence number and timestamp 0.
    #[must_use]
    pub const fn new(ssrc: Ssrc, payload_type: PayloadType) -> Self {
        Self {
            ssrc,
            payload_type,
            next_seq: 0,
            next_timestamp: 0,
            first: true,
        }
    }

    /// The same stream beginning elsewhere.
    #[must_use]
    pub const fn starting_at(mut self, seq: SeqNo, timestamp: RtpTimestamp) -> Self {
        self.next_seq = seq.get();
        self.next_timestamp = timestamp.get();
        self
    }

    /// Whose stream it is.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The next packet.
    pub fn next_packet(&mut self) -> Vec<u8> {
        let header = RtpHeader::new(
            self.payload_type,
            SeqNo::new(self.next_seq),
            RtpTimestamp::new(self.next_timestamp),
            self.ssrc,
        )
        .with_marker(self.first);
        let [_, low] = self.next_seq.to_be_bytes();
        let payload = [low; RtpStream::SAMPLES as usize];
        self.first = false;
        self.next_seq = self.next_seq.wrapping_add(1);
        self.next_timestamp = self.next_timestamp.wrapping_add(RtpStream::SAMPLES.into());
        RtpBuilder::new(header, &payload)
            .to_vec()
            .expect("invariant: no CSRCs, no extension")
    }
}

impl Iterator for RtpStream {
    type Item = Vec<u8>;
    fn next(&mut self) -> Option<Vec<u8>> {
        Some(self.next_packet())
    }
}

/// A compound packet of a sender report and the canonical name, as a sender of audio sends it.
///
/// # Panics
/// With more than 31 blocks.
#[must_use]
pub fn sender_report(ssrc: Ssrc, info: &SenderInfo, blocks: &[ReportBlock]) -> Vec<u8> {
    with_cname(ssrc, |out| emit_sender_report(out, ssrc, info, blocks))
}

/// A compound packet of a receiver report and the canonical name.
///
/// # Panics
/// With more than 31 blocks.
#[must_use]
pub fn receiver_report(ssrc: Ssrc, blocks: &[ReportBlock]) -> Vec<u8> {
    with_cname(ssrc, |out| emit_receiver_report(out, ssrc, blocks))
}

/// A compound packet of an empty receiver report, the canonical name and a goodbye.
#[must_use]
pub fn goodbye(ssrc: Ssrc) -> Vec<u8> {
    let mut packet = receiver_report(ssrc, &[]);
    packet.extend(emitted(|out| emit_bye(out, &[ssrc], b"")));
    packet
}

/// A binding request as an ICE agent's first check, without credentials but with a fingerprint.
#[must_use]
pub fn stun_binding_request(rng: &mut Rng) -> Vec<u8> {
    let mut id = [0; 12];
    rng.fill(&mut id);
    emitted(|out| stun::emit(out, stun::Class::Request, stun::BINDING, &id, &[], true))
}

/// Random bytes, 0 to `longest_len` of them.
#[must_use]
pub fn garbage(rng: &mut Rng, longest_len: u16) -> Vec<u8> {
    let len = rng.below(u64::from(longest_len) + 1);
    let mut bytes = vec![0; usize::try_from(len).expect("invariant: at most 65,535")];
    rng.fill(&mut bytes);
    bytes
}

fn with_cname(ssrc: Ssrc, emit: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>) -> Vec<u8> {
    let mut packet = emitted(emit);
    packet.extend(emitted(|out| emit_cname(out, ssrc, b"test@voxplane")));
    packet
}

/// What `emit` writes; none of ours is longer than a datagram on Ethernet.
fn emitted(emit: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>) -> Vec<u8> {
    let mut out = vec![0; 1500];
    let len = emit(&mut out).expect("packet within its documented bounds");
    out.truncate(len);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::demux::{PacketKind, classify};
    use crate::wire::rtcp::{Compound, RtcpPacket};
    use crate::wire::rtp::RtpPacket;
    use crate::wire::stun::StunMessage;

    const SSRC: Ssrc = Ssrc::new(77);

    #[test]
    fn stream_counts_on_over_the_wrap() {
        let pcma = PayloadType::new(8).expect("below 128");
        let packets: Vec<_> = RtpStream::new(SSRC, pcma)
            .starting_at(SeqNo::new(65535), RtpTimestamp::new(u32::MAX - 159))
            .take(3)
            .collect();
        let parsed: Vec<_> = packets
            .iter()
            .map(|p| RtpPacket::parse(p).expect("well-formed"))
            .collect();
        assert!(
            parsed
                .iter()
                .map(|p| p.sequence_number().get())
                .eq([65535, 0, 1])
        );
        assert!(
            parsed
                .iter()
                .map(|p| p.timestamp().get())
                .eq([u32::MAX - 159, 0, 160])
        );
        assert!(
            parsed
                .iter()
                .map(RtpPacket::marker)
                .eq([true, false, false])
        );
        assert!(
            parsed
                .iter()
                .all(|p| p.ssrc() == SSRC && p.payload_type() == pcma)
        );
        assert_eq!(parsed[2].payload(), [1; 160]);
        assert_eq!(classify(&packets[0]), PacketKind::Rtp);
    }

    #[test]
    fn reports_are_full_compound_packets() {
        let info = SenderInfo {
            ntp_timestamp: 1,
            rtp_timestamp: RtpTimestamp::new(2),
            packet_count: 3,
            octet_count: 4,
        };
        for packet in [
            sender_report(SSRC, &info, &[]),
            receiver_report(SSRC, &[]),
            goodbye(SSRC),
        ] {
            assert_eq!(classify(&packet), PacketKind::Rtcp);
            let compound = Compound::parse(&packet).expect("well-formed");
            assert!(!compound.is_reduced_size());
            assert!(compound.packets().any(|p| matches!(p, RtcpPacket::Sdes(_))));
        }
    }

    #[test]
    fn binding_request_is_stun() {
        let packet = stun_binding_request(&mut Rng::new(1));
        assert_eq!(classify(&packet), PacketKind::Stun);
        let message = StunMessage::parse(&packet).expect("well-formed");
        assert_eq!(message.fingerprint_matches(), Some(true));
    }

    #[test]
    fn garbage_stays_within_its_length() {
        let mut rng = Rng::new(1);
        let lengths: Vec<_> = (0..500).map(|_| garbage(&mut rng, 40).len()).collect();
        assert_eq!(lengths.iter().max(), Some(&40));
        assert_eq!(lengths.iter().min(), Some(&0));
    }
}
