//! Parties that report by RTCP (RFC 3550 §6.4), and what of others' reports can be compared: neither SSRCs
//! nor times, but what they say of packets that both daemons have handled alike.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::SystemTime;

use media_core::units::{RtpTimestamp, Ssrc};
use media_core::wire::rtcp::{
    Compound, ReportBlock, RtcpPacket, SenderInfo, emit_cname, emit_sender_report,
};

use crate::support::rtp::Endpoint;

/// What a party says of its reception, as it stands in a case.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reception {
    pub(crate) fraction_lost: u8,
    pub(crate) cumulative_lost: i32,
    pub(crate) jitter_ticks: u32,
}

/// What one party has heard.
#[derive(Debug, Default)]
struct Heard {
    /// Source and highest number of the RTP.
    rtp: Option<(u32, u16)>,
    /// The last sender report, by the middle of its NTP time.
    report: Option<u32>,
}

/// All parties of a dialogue.
#[derive(Debug, Default)]
pub(crate) struct Reports(HashMap<String, Heard>);

impl Reports {
    /// The party has received these packets.
    pub(crate) fn note(&mut self, party: &str, packets: &[(SocketAddr, Vec<u8>)]) {
        let heard = self.0.entry(party.to_owned()).or_default();
        for (_, packet) in packets {
            if let [0x80, payload_type, s0, s1, _, _, _, _, a, b, c, d, ..] = packet[..]
                && !(192..=223).contains(&payload_type)
            {
                let source = u32::from_be_bytes([a, b, c, d]);
                let number = u16::from_be_bytes([s0, s1]);
                let highest = heard.rtp.filter(|(known, _)| *known == source);
                let highest = highest.map_or(number, |(_, highest)| highest.max(number));
                heard.rtp = Some((source, highest));
            }
        }
    }

    /// Sends a sender report from the party's port beside, with a word on what it hears.
    pub(crate) fn send(
        &mut self,
        name: &str,
        party: &Endpoint,
        to: SocketAddr,
        reception: Reception,
    ) {
        let heard = self.0.entry(name.to_owned()).or_default();
        let unix = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        let info = SenderInfo {
            ntp_timestamp: ((unix.as_secs() + 2_208_988_800) << 32)
                | ((u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000),
            rtp_timestamp: RtpTimestamp::new(0),
            packet_count: 5,
            octet_count: 800,
        };
        let blocks: Vec<_> = heard
            .rtp
            .iter()
            .map(|&(source, highest)| ReportBlock {
                ssrc: Ssrc::new(source),
                fraction_lost: reception.fraction_lost,
                cumulative_lost: reception.cumulative_lost,
                highest_seq: highest.into(),
                jitter_ticks: reception.jitter_ticks,
                last_sr: heard.report.unwrap_or(0),
                // Whatever time has passed is said to be the network's: on loopback there is none else. But
                // rtpengine takes a delay of zero for none.
                delay_since_last_sr: 1,
            })
            .collect();
        let ssrc = Ssrc::new(party.ssrc());
        let mut packet = [0; 200];
        let len = emit_sender_report(&mut packet, ssrc, &info, &blocks).expect("room for it");
        let name = emit_cname(&mut packet[len..], ssrc, name.as_bytes()).expect("room for it");
        party.send_beside(to, &packet[..len + name]);
    }

    /// What a datagram at the party's port beside says.
    pub(crate) fn hear(&mut self, name: &str, own: u32, packet: &[u8]) -> Vec<String> {
        let heard = self.0.entry(name.to_owned()).or_default();
        let Ok(compound) = Compound::parse(packet) else {
            return vec!["not RTCP".to_owned()];
        };
        let source = heard.rtp.map(|(source, _)| source);
        let who = |ssrc: Ssrc| match ssrc.get() {
            ssrc if Some(ssrc) == source => "whom it hears",
            ssrc if ssrc == own => "itself",
            _ => "somebody",
        };
        let mut lines = Vec::new();
        for packet in compound {
            match packet {
                RtcpPacket::SenderReport(report) => {
                    let middle = u32::try_from(report.info.ntp_timestamp >> 16 & 0xffff_ffff)
                        .expect("32 bits");
                    heard.report = Some(middle);
                    lines.push(format!(
                        "{} has sent {} packets",
                        who(report.ssrc),
                        report.info.packet_count
                    ));
                    lines.extend(report.report_blocks().map(|block| said(&block, who)));
                }
                RtcpPacket::ReceiverReport(report) => {
                    lines.push(format!("{} has sent nothing", who(report.ssrc)));
                    lines.extend(report.report_blocks().map(|block| said(&block, who)));
                }
                RtcpPacket::Sdes(_) => {}
                other => lines.push(format!("{other:?}")),
            }
        }
        lines
    }
}

fn said(block: &ReportBlock, who: impl Fn(Ssrc) -> &'static str) -> String {
    format!(
        "hears {}: number {}, {} lost, {} of 256 lately, {} its reports",
        who(block.ssrc),
        block.highest_seq,
        block.cumulative_lost,
        block.fraction_lost,
        if block.last_sr == 0 {
            "has none of"
        } else {
            "names one of"
        }
    )
}
