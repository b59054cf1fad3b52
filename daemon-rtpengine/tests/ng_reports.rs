//! RTCP over the real daemon and real sockets: reports of a transcoded call, ours and the parties' own, and
//! what `query` makes of them.

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use media_core::media::quality::mos;
use media_core::units::{RtpTimestamp, Ssrc};
use media_core::wire::rtcp::{Compound, ReportBlock, RtcpPacket, SenderInfo, emit_sender_report};
use serde_json::{Value, json};
use support::daemon::Inside;
use support::ng::NgClient;
use support::rtp::Endpoint;
use support::{PATIENCE, wait_for};

const SSRC: [u32; 2] = [0xaaaa_0001, 0xbbbb_0002];

/// A call whose caller has PCMU and whose callee has PCMA.
struct Call<'c> {
    ng: &'c NgClient,
    id: &'static str,
    ends: [Endpoint; 2],
    /// Where each end sends its media; RTCP goes to the port above.
    to: [SocketAddr; 2],
    /// Packets sent by each.
    talked: u32,
}

fn sdp(port: u16, format: u8) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {format}\r\n"
    )
}

impl<'c> Call<'c> {
    fn new(ng: &'c NgClient, id: &'static str, flags: &[&str]) -> Self {
        let ends = SSRC.map(|ssrc| Endpoint::bind(IpAddr::V4(Ipv4Addr::LOCALHOST), ssrc));
        let offered = ng.request_json(&json!({
            "command": "offer", "call-id": id, "from-tag": "A", "flags": flags,
            "codec": {"transcode": ["PCMA"], "mask": ["all"]}, "sdp": sdp(ends[0].port(), 0),
        }));
        let answered = ng.request_json(&json!({
            "command": "answer", "call-id": id, "from-tag": "A", "to-tag": "B",
            "sdp": sdp(ends[1].port(), 8),
        }));
        let to = [answered, offered].map(|reply| {
            let text = reply["sdp"].as_str();
            support::call::audio_address(text.unwrap_or_else(|| panic!("no sdp in {reply}")))
        });
        Self {
            ng,
            id,
            ends,
            to,
            talked: 0,
        }
    }

    /// Both sides send a packet, and get the other's.
    fn talk(&mut self) {
        self.talked += 1;
        for (side, payload_type) in [(0, 0), (1, 8)] {
            self.ends[side].send_rtp_of(self.to[side], 1, payload_type);
            let got = self.ends[1 - side].receive(1, PATIENCE);
            let [(_, packet)] = &got[..] else {
                panic!("{} packets at {side}", got.len())
            };
            assert_eq!(packet[1] & 0x7f, if payload_type == 0 { 8 } else { 0 });
            assert_eq!(packet[8..12], SSRC[side].to_be_bytes());
        }
    }

    fn rtcp_of(&self, side: usize) -> SocketAddr {
        SocketAddr::new(self.to[side].ip(), self.to[side].port() + 1)
    }

    /// The side says that it has sent `packets`, and how it hears the other.
    fn report(&self, side: usize, packets: u32, block: ReportBlock) {
        let info = SenderInfo {
            ntp_timestamp: 0x0102_0304_0506_0708,
            rtp_timestamp: RtpTimestamp::new(80),
            packet_count: packets,
            octet_count: 1,
        };
        let mut packet = [0; 100];
        let ssrc = Ssrc::new(SSRC[side]);
        let len = emit_sender_report(&mut packet, ssrc, &info, &[block]).expect("room for it");
        self.ends[side].send_beside(self.rtcp_of(side), &packet[..len]);
    }

    /// The next sender report that comes to a side, and its only block.
    fn reported(&self, side: usize) -> (Ssrc, SenderInfo, ReportBlock) {
        let (_, packet) = self.ends[side].receive_beside(PATIENCE).expect("a report");
        let mut packets = Compound::parse(&packet).expect("RTCP").packets();
        let Some(RtcpPacket::SenderReport(report)) = packets.next() else {
            panic!("no sender report")
        };
        let blocks: Vec<_> = report.report_blocks().collect();
        (report.ssrc, report.info, blocks[0])
    }

    fn ask(&self, command: &str) -> Value {
        self.ng
            .request_json(&json!({"command": command, "call-id": self.id, "from-tag": "A"}))
    }
}

fn hearing(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc: Ssrc::new(ssrc),
        fraction_lost: 25,
        cumulative_lost: 3,
        highest_seq: 777,
        jitter_ticks: 80,
        last_sr: 0x0304_0506,
        delay_since_last_sr: 0,
    }
}

#[test]
fn reports_of_a_transcoded_call_speak_of_what_their_readers_know() {
    let daemon = Inside::start(50, &[]);
    let ng = daemon.client();
    let mut call = Call::new(&ng, "translated", &[]);
    for _ in 0..5 {
        call.talk();
    }
    for side in [0, 1] {
        call.report(side, 1000, hearing(SSRC[1 - side]));
        let (ssrc, info, block) = call.reported(1 - side);
        assert_eq!(ssrc.get(), SSRC[side]);
        assert_eq!(info.ntp_timestamp, 0x0102_0304_0506_0708);
        assert_eq!((info.packet_count, info.octet_count), (5, 800));
        assert_eq!(info.rtp_timestamp, RtpTimestamp::new(80));
        assert_eq!(block.ssrc.get(), SSRC[1 - side]);
        assert_eq!((block.highest_seq, block.cumulative_lost), (4, 0));
        assert_eq!((block.fraction_lost, block.last_sr), (0, 0x0304_0506));
    }
    // Each has been given the other's report that the next one names.
    call.report(0, 1000, hearing(SSRC[1]));
    call.reported(1);
    let scored = call.ask("query")["SSRC"].clone();
    let figures = &scored[SSRC[0].to_string()];
    assert_eq!(figures["cumulative loss"], 3, "{scored}");
    for kind in ["average MOS", "lowest MOS", "highest MOS"] {
        let figures = &figures[kind];
        assert_eq!(
            (&figures["jitter"], &figures["packet loss"]),
            (&json!(10), &json!(9))
        );
        assert_eq!(figures["MOS"], 35, "{scored}");
        assert!(figures["round-trip time"].as_u64() > figures["round-trip time leg"].as_u64());
    }
    assert_eq!(
        figures["MOS progression"]["entries"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(call.ask("delete")["SSRC"], scored);
}

#[test]
fn both_sides_get_reports_of_ours_if_asked_for() {
    let daemon = Inside::start(50, &["--rtcp-interval=200"]);
    let ng = daemon.client();
    let mut call = Call::new(&ng, "generated", &["generate-RTCP"]);
    for _ in 0..5 {
        call.talk();
    }
    for side in [0, 1] {
        let (ssrc, info, block) = call.reported(side);
        assert_eq!(ssrc.get(), SSRC[1 - side]);
        // It may have left before the last of them came.
        let known = 1..=call.talked;
        assert!(known.contains(&info.packet_count), "{info:?}");
        assert_eq!(info.octet_count, info.packet_count * 160);
        assert_eq!((block.ssrc.get(), block.cumulative_lost), (SSRC[side], 0));
        assert!(known.contains(&(block.highest_seq + 1)), "{block:?}");
        // A party's own report ends here, and is named in the next one of ours.
        call.report(
            side,
            1000,
            ReportBlock {
                last_sr: u32::try_from(info.ntp_timestamp >> 16 & 0xffff_ffff).unwrap(),
                ..hearing(SSRC[1 - side])
            },
        );
        wait_for("our next report", || {
            call.talk();
            let (_, info, block) = call.reported(side);
            assert_ne!(info.packet_count, 1000);
            (block.last_sr == 0x0304_0506).then_some(())
        });
    }
    let query = call.ask("query");
    let figures = &query["SSRC"][SSRC[1].to_string()]["highest MOS"];
    assert_eq!(figures["packet loss"], 9, "{query}");
    let round_trip_us = figures["round-trip time"].as_u64().unwrap();
    // The other side's report may have waited in its socket, which counts as the way.
    let expected = mos(u32::try_from(round_trip_us).unwrap(), 10, 9);
    assert!(round_trip_us > 0 && figures["MOS"] == expected, "{query}");
}
