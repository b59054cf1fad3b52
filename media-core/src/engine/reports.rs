//! Reads RTCP on its way through: what the parties themselves say about their media (RFC 3550 §6.4).

use super::ReportCounters;
use crate::units::Ssrc;
use crate::wire::rtcp::{Compound, ReportBlock, RtcpPacket};

/// Notes what an RTCP datagram says. A damaged one is relayed all the same; it says nothing.
pub(super) fn read(datagram: &[u8], into: &ReportCounters) {
    // Every type has its sender's SSRC behind the common header, so this holds for feedback too.
    if let Some(&[a, b, c, d]) = datagram.get(4..8) {
        into.set_sender(Ssrc::new(u32::from_be_bytes([a, b, c, d])));
    }
    let Ok(compound) = Compound::parse(datagram) else {
        return;
    };
    for packet in compound.packets() {
        match packet {
            RtcpPacket::SenderReport(report) => {
                into.sender_reports.add(1);
                into.packets_sent.set(report.info.packet_count.into());
                into.octets_sent.set(report.info.octet_count.into());
                report.report_blocks().for_each(|block| note(&block, into));
            }
            RtcpPacket::ReceiverReport(report) => {
                report.report_blocks().for_each(|block| note(&block, into));
            }
            _ => {}
        }
    }
}

fn note(block: &ReportBlock, into: &ReportCounters) {
    into.blocks.add(1);
    into.set_about(block.ssrc);
    into.fraction_lost.set(block.fraction_lost.into());
    into.lost
        .set(u64::try_from(block.cumulative_lost).unwrap_or(0));
    into.jitter_ticks.set(block.jitter_ticks.into());
}
