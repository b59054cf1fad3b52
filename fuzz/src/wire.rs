//! Packet parsers. Each target says what must hold of bytes that were accepted.

use media_core::units::Ssrc;
use media_core::wire::demux::{PacketKind, classify};
use media_core::wire::ext::Elements;
use media_core::wire::rtcp::{
    Compound, ReportBlock, RtcpPacket, SenderInfo, Translation, emit_receiver_report,
    emit_sender_report, translate,
};
use media_core::wire::rtp::{RtpBuilder, RtpHeader, RtpPacket};
use media_core::wire::stun::{
    Attribute, IntegrityKey, MESSAGE_INTEGRITY, PRIORITY, StunMessage, USE_CANDIDATE, USERNAME,
    emit,
};
use media_core::wire::telephone_event::TelephoneEvent;

/// RTP: what is accepted can be written again, and is the same but for padding bytes.
pub fn rtp(data: &[u8]) {
    let Ok(packet) = RtpPacket::parse(data) else {
        return;
    };
    assert_eq!(RtpHeader::parse(data), Ok(packet.header()));
    let csrcs: Vec<Ssrc> = packet.csrcs().collect();
    let mut builder = RtpBuilder::new(packet.header(), packet.payload())
        .csrcs(&csrcs)
        .padding(packet.padding_len());
    if let Some(extension) = packet.extension() {
        builder = builder.extension(extension);
        if let Ok(elements) = Elements::parse(extension) {
            let len: usize = elements.map(|e| 1 + e.data.len()).sum();
            assert!(len <= extension.data.len());
        }
    }
    let written = builder
        .to_vec()
        .expect("accepted packets are within bounds");
    assert_eq!(written.len(), data.len());
    assert_eq!(RtpPacket::parse(&written), Ok(packet));
    if let Ok(event) = TelephoneEvent::parse(packet.payload()) {
        assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Ok(event));
    }
}

/// RTCP: everything in an accepted datagram can be read; reports can be written again.
pub fn rtcp(data: &[u8]) {
    let Ok(compound) = Compound::parse(data) else {
        return;
    };
    assert!(compound.packets().count() > 0);
    translated(data);
    let mut out = [0; 1024];
    for packet in compound {
        match packet {
            RtcpPacket::SenderReport(report) => {
                let blocks: Vec<ReportBlock> = report.report_blocks().collect();
                let len = emit_sender_report(&mut out, report.ssrc, &report.info, &blocks)
                    .expect("at most 31 blocks");
                let Some(RtcpPacket::SenderReport(again)) = only(&out[..len]) else {
                    panic!("a sender report was written");
                };
                assert_eq!((again.ssrc, again.info), (report.ssrc, report.info));
                assert!(again.report_blocks().eq(blocks));
            }
            RtcpPacket::ReceiverReport(report) => {
                let blocks: Vec<ReportBlock> = report.report_blocks().collect();
                let len = emit_receiver_report(&mut out, report.ssrc, &blocks)
                    .expect("at most 31 blocks");
                let Some(RtcpPacket::ReceiverReport(again)) = only(&out[..len]) else {
                    panic!("a receiver report was written");
                };
                assert!(again.report_blocks().eq(blocks));
            }
            RtcpPacket::Sdes(sdes) => {
                let items = sdes.chunks().flat_map(|c| c.items());
                assert!(items.map(|i| i.text.len()).sum::<usize>() < data.len());
            }
            RtcpPacket::Bye(bye) => {
                assert!(bye.sources().len() * 4 + bye.reason().len() < data.len())
            }
            RtcpPacket::ExtendedReport(report) => {
                assert!(report.blocks().all(|b| b.data.len().is_multiple_of(4)));
            }
            _ => {}
        }
    }
}

/// Half of the sources are known to this one.
struct Halving;

impl Translation for Halving {
    fn sender_info(&mut self, sender: Ssrc, info: SenderInfo) -> Option<SenderInfo> {
        Some(info).filter(|_| sender.get().is_multiple_of(2))
    }
    fn report_block(&mut self, block: ReportBlock) -> Option<ReportBlock> {
        Some(block).filter(|block| block.ssrc.get().is_multiple_of(2))
    }
}

/// What is well-formed is so when translated, and then has nothing more to translate.
fn translated(data: &[u8]) {
    let mut once = data.to_vec();
    let len = translate(&mut once, &mut Halving).expect("it was well-formed");
    once.truncate(len);
    if len > 0 {
        Compound::parse(&once).expect("still well-formed");
        let mut twice = once.clone();
        let len = translate(&mut twice, &mut Halving);
        assert_eq!(len, Ok(once.len()));
        assert_eq!(twice, once);
    }
}

fn only(datagram: &[u8]) -> Option<RtcpPacket<'_>> {
    Compound::parse(datagram).ok()?.packets().next()
}

/// STUN: what is accepted can be written again, and is the same but for padding bytes. Typed attributes
/// can be read, and count only in front of the signature.
pub fn stun(data: &[u8]) {
    let Ok(message) = StunMessage::parse(data) else {
        return;
    };
    let signature = message
        .attributes()
        .position(|a| a.attribute_type == MESSAGE_INTEGRITY);
    let covered = |t| {
        let end = signature.unwrap_or(usize::MAX);
        message
            .attributes()
            .take(end)
            .any(|a| a.attribute_type == t)
    };
    assert_eq!(message.use_candidate(), covered(USE_CANDIDATE));
    assert!(message.priority().is_none() || covered(PRIORITY));
    assert!(message.username_fragments().is_none() || covered(USERNAME));
    assert!(message.error_code().is_none_or(|c| (300..700).contains(&c)));
    let _addresses = (message.xor_mapped_address(), message.ice_controlled());
    let key = IntegrityKey::new(b"VOkJxbRl1RmTxUk/WvJxBt");
    assert!(!message.integrity_matches(&key) || signature.is_some());
    let attributes: Vec<Attribute<'_>> = message.attributes().collect();
    for attribute in &attributes {
        assert!(message.attribute(attribute.attribute_type).is_some());
    }
    let mut out = vec![0; data.len()];
    let len = emit(
        &mut out,
        message.class(),
        message.method(),
        message.transaction_id(),
        &attributes,
        false,
    )
    .expect("as long as what was accepted");
    assert_eq!(len, data.len());
    let again = StunMessage::parse(&out).expect("written messages are accepted");
    assert_eq!(again.class(), message.class());
    assert_eq!(again.method(), message.method());
    assert_eq!(again.transaction_id(), message.transaction_id());
    assert!(again.attributes().eq(attributes));
    // Padding is covered by the fingerprint and may have had other bytes.
    if out == data {
        assert_eq!(again.fingerprint_matches(), message.fingerprint_matches());
    }
}

/// Demultiplexing: no parser accepts what was classified as another protocol.
pub fn demux(data: &[u8]) {
    let kind = classify(data);
    if StunMessage::parse(data).is_ok() {
        // RFC 7983 leaves STUN the methods below 0x80 only: first bytes 0–3.
        assert_eq!(kind == PacketKind::Stun, data[0] < 4);
    }
    if RtpHeader::parse(data).is_ok() {
        assert!(matches!(kind, PacketKind::Rtp | PacketKind::Rtcp));
    }
    if matches!(only(data), Some(packet) if !matches!(packet, RtcpPacket::Other(_))) {
        assert_eq!(kind, PacketKind::Rtcp);
    }
}
