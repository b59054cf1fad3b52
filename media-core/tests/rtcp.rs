//! RTCP of calls that are relayed, transcoded, and reported on by us, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panic"
)]

use std::sync::Arc;
use std::time::Duration;

use codecs::registry::{self, Settings};
use codecs::{Pcm, PcmFormat};
use media_core::engine::{Command, Component, DropReason, QualityReport, Route, StreamCounters};
use media_core::media::transcode::{CodecUse, Plan, Rule};
use media_core::testing::packets::{goodbye, receiver_report, sender_report};
use media_core::testing::{LinkConfig, PeerId, Received, World};
use media_core::units::{CallKey, ClockRate, PayloadType, RtpTimestamp, SeqNo, Ssrc};
use media_core::wire::demux::{PacketKind, classify};
use media_core::wire::rtcp::{
    Compound, PAYLOAD_FEEDBACK, ReportBlock, RtcpPacket, SdesItem, SenderInfo,
};
use media_core::wire::rtp::{RtpBuilder, RtpHeader, RtpPacket};

const CALL: CallKey = CallKey::new(1);
const FRAME: Duration = Duration::from_millis(20);
const DELAY: Duration = Duration::from_millis(30);
const PERFECT: LinkConfig = LinkConfig {
    loss: 0.0,
    duplicate: 0.0,
    reorder: 0.0,
    reorder_hold: Duration::ZERO,
    delay: DELAY,
    jitter: Duration::ZERO,
};
/// The parties' SSRCs.
const SSRC: [Ssrc; 2] = [Ssrc::new(0xaaaa_0001), Ssrc::new(0xbbbb_0002)];
/// First sequence number and time stamp of each.
const FIRST: [(u16, u32); 2] = [(65_500, 5_000), (100, u32::MAX - 9_000)];

/// What a call is to be.
#[derive(Clone, Copy)]
struct Setup {
    transcoded: bool,
    muxed: bool,
    interval: Option<Duration>,
    /// The way of party 0's packets to us.
    uplink: LinkConfig,
}

const RELAYED: Setup = Setup {
    transcoded: false,
    muxed: false,
    interval: None,
    uplink: PERFECT,
};
const TRANSCODED: Setup = Setup {
    transcoded: true,
    ..RELAYED
};

/// Two parties: party 0 has PCMA, and party 1 that or Opus.
struct Call {
    world: World,
    rtp: [PeerId; 2],
    rtcp: [PeerId; 2],
    counters: [Arc<StreamCounters>; 2],
    codecs: [CodecUse; 2],
}

fn codec(name: &str, hz: u32, channels: u8, number: u8, fmtp: &str) -> CodecUse {
    CodecUse {
        codec: registry::by_name(name, hz, channels).unwrap(),
        payload_type: PayloadType::new(number).unwrap(),
        fmtp: fmtp.into(),
        ptime_ms: 20,
    }
}

fn plan(from: &CodecUse, to: &CodecUse) -> Arc<Plan> {
    let mut plan = Plan::new(vec![(from.payload_type, Rule::Decode(from.clone()))]);
    plan.target = Some(to.clone());
    Arc::new(plan)
}

impl Call {
    fn new(setup: Setup) -> Self {
        let pcma = codec("PCMA", 8000, 1, 8, "");
        let opus = codec("opus", 48_000, 2, 96, "useinbandfec=1");
        let other = if setup.transcoded { opus } else { pcma.clone() };
        let codecs = [pcma, other];
        let mut world = World::new(7);
        let rtp = [
            world.peer(setup.uplink, PERFECT),
            world.peer(PERFECT, PERFECT),
        ];
        let rtcp = match setup.muxed {
            true => rtp,
            false => [world.peer(PERFECT, PERFECT), world.peer(PERFECT, PERFECT)],
        };
        let counters: [Arc<StreamCounters>; 2] = Default::default();
        let call = Self {
            world,
            rtp,
            rtcp,
            counters,
            codecs,
        };
        call.routed(setup)
    }

    fn routed(mut self, setup: Setup) -> Self {
        for side in [0, 1] {
            self.route(setup, side);
        }
        self
    }

    fn route(&mut self, setup: Setup, side: usize) {
        let (own, other) = (self.rtp[side], self.rtp[1 - side]);
        let mut route = self.world.route(CALL, own, &[other]);
        let to_rtcp = self.world.route(CALL, own, &[self.rtcp[1 - side]]);
        route.rtcp_sinks = to_rtcp.rtcp_sinks;
        route.counters = Arc::clone(&self.counters[side]);
        route.rtcp_interval = setup.interval;
        route.transcode = setup
            .transcoded
            .then(|| plan(&self.codecs[side], &self.codecs[1 - side]));
        self.set(own, route);
        if !setup.muxed {
            let mut route = self
                .world
                .route(CALL, self.rtcp[side], &[self.rtcp[1 - side]]);
            route.component = Component::Rtcp;
            route.media = Some(self.world.socket(own));
            route.rtp_sinks = Vec::new().into();
            self.set(self.rtcp[side], route);
        }
    }

    fn set(&mut self, peer: PeerId, route: Route) {
        let (socket, route) = (self.world.socket(peer), Box::new(route));
        self.world.command(Command::Route { socket, route });
    }

    /// The side sends `frames` packets of its codec, from the `first` on.
    fn talk(&mut self, side: usize, first: u16, frames: u16) {
        let packets = speech(&self.codecs[side], side, first, frames);
        self.world.play(self.rtp[side], FRAME, packets);
    }

    fn send_rtcp(&mut self, side: usize, packet: Vec<u8>) {
        self.world.send(self.rtcp[side], Duration::ZERO, packet);
    }

    /// RTP and RTCP that a side has received since this was last asked.
    fn received(&mut self, side: usize) -> (Vec<Vec<u8>>, Vec<Received>) {
        let mut all = self.world.received(self.rtp[side]);
        if self.rtp[side] != self.rtcp[side] {
            all.extend(self.world.received(self.rtcp[side]));
        }
        let is_rtcp = |received: &Received| classify(&received.packet) == PacketKind::Rtcp;
        let (rtcp, rtp): (Vec<_>, Vec<_>) = all.into_iter().partition(is_rtcp);
        (rtp.into_iter().map(|r| r.packet).collect(), rtcp)
    }

    fn quality(&self, side: usize) -> QualityReport {
        self.counters[side].quality[0].report().unwrap()
    }
}

/// Packets of a tone with gaps in its loudness, which no encoder takes for silence.
fn speech(codec: &CodecUse, side: usize, first: u16, frames: u16) -> Vec<Vec<u8>> {
    let mut encoder = codec.codec.encoder(&Settings::default()).unwrap();
    let PcmFormat {
        sample_rate,
        channels,
    } = encoder.format();
    let samples = sample_rate.get() / 50;
    let ticks = codec.codec.clock_rate_hz / 50;
    let packet = |n: u16| {
        let wave: Vec<i16> = (0..samples)
            .flat_map(|k| {
                let at = f64::from(u32::from(n) * samples + k) / f64::from(sample_rate.get());
                let level = 9000.0 + 5000.0 * (at * 25.0).sin();
                let sample = ((at * 1400.0).sin() + (at * 2900.0).sin()) / 2.0 * level;
                std::iter::repeat_n(sample as i16, usize::from(channels))
            })
            .collect();
        let pcm = Pcm {
            format: encoder.format(),
            samples: &wave,
        };
        let mut payload = [0; 1400];
        let len = encoder.encode(pcm, &mut payload).unwrap();
        let (seq, timestamp) = FIRST[side];
        let header = RtpHeader::new(
            codec.payload_type,
            SeqNo::new(seq.wrapping_add(n)),
            RtpTimestamp::new(timestamp.wrapping_add(u32::from(n) * ticks)),
            SSRC[side],
        );
        RtpBuilder::new(header, &payload[..len]).to_vec().unwrap()
    };
    (first..first + frames).map(packet).collect()
}

fn block(ssrc: Ssrc) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_seq: 0,
        jitter_ticks: 0,
        last_sr: 0,
        delay_since_last_sr: 0,
    }
}

/// Sender, what it says it has sent, and how it receives.
type Report = (Ssrc, Option<SenderInfo>, Vec<ReportBlock>);

fn reports(packet: &[u8]) -> Vec<Report> {
    let packets = Compound::parse(packet).unwrap().packets();
    let report = |packet| match packet {
        RtcpPacket::SenderReport(r) => Some((r.ssrc, Some(r.info), r.report_blocks().collect())),
        RtcpPacket::ReceiverReport(r) => Some((r.ssrc, None, r.report_blocks().collect())),
        _ => None,
    };
    packets.filter_map(report).collect()
}

fn only_report(packets: &[Received]) -> Report {
    let [packet] = packets else {
        panic!("{} packets of RTCP", packets.len());
    };
    let mut reports = reports(&packet.packet);
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

/// The middle of an NTP time stamp.
fn middle(info: &SenderInfo) -> u32 {
    (info.ntp_timestamp >> 16) as u32
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn rtcp_of_a_relayed_call_passes_untouched() {
    for muxed in [false, true] {
        let mut call = Call::new(Setup { muxed, ..RELAYED });
        call.talk(0, 0, 50);
        call.talk(1, 0, 50);
        call.world.run_for(seconds(2));
        call.received(0);
        call.received(1);
        let info = SenderInfo {
            ntp_timestamp: 1 << 40,
            rtp_timestamp: RtpTimestamp::new(77),
            packet_count: 1,
            octet_count: 2,
        };
        let pli = [&[0x81, PAYLOAD_FEEDBACK, 0, 2][..], &[0; 8]].concat();
        let mut cut = sender_report(SSRC[0], &info, &[]);
        cut.truncate(20);
        let sent = [
            sender_report(SSRC[0], &info, &[block(SSRC[1]), block(Ssrc::new(9))]),
            [receiver_report(SSRC[0], &[block(SSRC[1])]), pli].concat(),
            cut,
            goodbye(SSRC[0]),
        ];
        for packet in &sent {
            call.send_rtcp(0, packet.clone());
        }
        call.world.run_for(seconds(1));
        let (_, got) = call.received(1);
        let got: Vec<_> = got.into_iter().map(|r| r.packet).collect();
        assert_eq!(got, sent);
    }
}

#[test]
fn sender_reports_speak_of_what_we_sent_on_our_time_line() {
    for muxed in [false, true] {
        for side in [0, 1] {
            let mut call = Call::new(Setup {
                muxed,
                ..TRANSCODED
            });
            call.talk(side, 0, 100);
            call.world.run_for(seconds(3));
            let (rtp, _) = call.received(1 - side);
            assert_eq!(rtp.len(), 100);
            let ours: Vec<_> = rtp.iter().map(|p| RtpPacket::parse(p).unwrap()).collect();
            let clock = call.codecs[side].codec.clock_rate_hz;
            let info = SenderInfo {
                ntp_timestamp: 0x1234_5678_9abc_def0,
                // The middle of its 80th packet.
                rtp_timestamp: RtpTimestamp::new(
                    FIRST[side].1.wrapping_add(79 * clock / 50 + clock / 100),
                ),
                packet_count: 80,
                octet_count: 12,
            };
            call.send_rtcp(side, sender_report(SSRC[side], &info, &[]));
            call.world.run_for(seconds(1));
            let (ssrc, said, blocks) = only_report(&call.received(1 - side).1);
            let said = said.unwrap();
            assert_eq!((ssrc, blocks.len()), (SSRC[side], 0));
            assert_eq!(said.ntp_timestamp, info.ntp_timestamp);
            let to_clock = call.codecs[1 - side].codec.clock_rate_hz;
            let expected = ours[79].timestamp().get().wrapping_add(to_clock / 100);
            assert_eq!(said.rtp_timestamp.get(), expected);
            assert_eq!(said.packet_count, 100);
            let octets: usize = ours.iter().map(|packet| packet.payload().len()).sum();
            assert_eq!(usize::try_from(said.octet_count).unwrap(), octets);
        }
    }
}

#[test]
fn a_source_that_we_sent_nothing_of_does_not_report_as_a_sender() {
    let mut call = Call::new(TRANSCODED);
    let info = SenderInfo {
        ntp_timestamp: 1,
        rtp_timestamp: RtpTimestamp::new(2),
        packet_count: 3,
        octet_count: 4,
    };
    call.send_rtcp(0, sender_report(SSRC[0], &info, &[]));
    call.world.run_for(seconds(1));
    assert_eq!(only_report(&call.received(1).1), (SSRC[0], None, vec![]));
    call.talk(0, 0, 10);
    call.world.run_for(seconds(1));
    call.received(1);
    call.send_rtcp(0, sender_report(Ssrc::new(5), &info, &[]));
    call.world.run_for(seconds(1));
    assert_eq!(
        only_report(&call.received(1).1),
        (Ssrc::new(5), None, vec![])
    );
}

#[test]
fn counts_go_on_when_transcoding_begins_in_the_middle_of_a_call() {
    let mut call = Call::new(RELAYED);
    call.talk(0, 0, 60);
    call.world.run_for(FRAME * 60 + DELAY * 2);
    call.codecs[1] = codec("PCMU", 8000, 1, 0, "");
    call.route(TRANSCODED, 0);
    call.talk(0, 60, 40);
    call.world.run_for(seconds(2));
    assert_eq!(call.received(1).0.len(), 100);
    let info = SenderInfo {
        ntp_timestamp: 1,
        rtp_timestamp: RtpTimestamp::new(FIRST[0].1),
        packet_count: 100,
        octet_count: 16_000,
    };
    call.send_rtcp(0, sender_report(SSRC[0], &info, &[]));
    call.world.run_for(seconds(1));
    assert_eq!(only_report(&call.received(1).1).1, Some(info));
}

#[test]
fn report_blocks_speak_of_the_packets_that_their_sender_sent() {
    for muxed in [false, true] {
        let uplink = LinkConfig {
            loss: 0.1,
            ..PERFECT
        };
        let mut call = Call::new(Setup {
            muxed,
            uplink,
            ..TRANSCODED
        });
        let mut lost_before = 0;
        let mut told = 0;
        for round in 0..4_u16 {
            call.talk(0, round * 100, 100);
            call.world.run_for(seconds(2) + DELAY);
            let (rtp, _) = call.received(1);
            let highest_ours = RtpPacket::parse(rtp.last().unwrap())
                .unwrap()
                .sequence_number()
                .get();
            let theirs = ReportBlock {
                fraction_lost: 99,
                cumulative_lost: 77,
                highest_seq: highest_ours.into(),
                jitter_ticks: 4711,
                last_sr: 0x0102_0304,
                delay_since_last_sr: 5,
                ..block(SSRC[0])
            };
            let unknown = ReportBlock {
                highest_seq: 9,
                ..block(Ssrc::new(3))
            };
            call.send_rtcp(1, receiver_report(SSRC[1], &[theirs, unknown]));
            call.world.run_for(DELAY * 3);
            let (_, _, blocks) = only_report(&call.received(0).1);
            let [said, same] = blocks[..] else {
                panic!("{blocks:?}")
            };
            assert_eq!(same, unknown);
            let source = &call.counters[0].ssrcs[0];
            let lost = source.lost.get();
            assert_eq!(u64::try_from(said.cumulative_lost).unwrap(), lost);
            let highest = u32::try_from(source.highest_seq.get()).unwrap();
            assert_eq!(said.highest_seq, highest);
            let expected = (lost - lost_before) * 256 / u64::from(highest - told);
            if round > 0 {
                assert_eq!(u64::from(said.fraction_lost), expected);
                assert!(lost > lost_before && said.fraction_lost < 99);
            }
            assert!(said.highest_seq > 65_536, "the wrap is counted");
            assert_eq!(said.jitter_ticks, 0);
            assert_eq!((said.last_sr, said.delay_since_last_sr), (0x0102_0304, 5));
            (lost_before, told) = (lost, highest);
        }
        // Their own numbers would have been others: concealed packets have left under ours.
        assert!(call.counters[0].concealed.get() > 0);
    }
}

#[test]
fn what_cannot_be_translated_does_not_pass() {
    let mut call = Call::new(TRANSCODED);
    call.talk(0, 0, 20);
    call.talk(1, 0, 20);
    call.world.run_for(seconds(1));
    call.received(1);
    let nack = [0x81, 205, 0, 3, 0, 0, 0, 1, 0xaa, 0xaa, 0, 1, 0, 9, 0, 0];
    let report = receiver_report(SSRC[0], &[block(SSRC[1])]);
    call.send_rtcp(0, [&report[..], &nack].concat());
    call.send_rtcp(0, nack.to_vec());
    let mut cut = report.clone();
    cut.truncate(20);
    call.send_rtcp(0, cut);
    call.world.run_for(seconds(1));
    let (_, got) = call.received(1);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].packet.len(), report.len());
    let dropped = |reason: DropReason| call.world.counters().dropped[reason as usize].get();
    assert_eq!(dropped(DropReason::Feedback), 1);
    assert_eq!(dropped(DropReason::Malformed), 1);
    assert_eq!(call.world.slots_in_use(), 0);
}

/// Answers each report that a side receives, `after` it came, as a party does that loses `fraction_lost`.
fn answer_reports(
    call: &mut Call,
    side: usize,
    after: Duration,
    fraction_lost: u8,
) -> Vec<Received> {
    let (_, got) = call.received(side);
    for received in &got {
        for (ssrc, info, _) in reports(&received.packet) {
            let Some(info) = info else { continue };
            let waited = call.world.elapsed() + after - received.at;
            let block = ReportBlock {
                fraction_lost,
                cumulative_lost: 12,
                jitter_ticks: call.codecs[side].codec.clock_rate_hz / 100,
                last_sr: middle(&info),
                delay_since_last_sr: u32::try_from(waited.as_micros() * 65_536 / 1_000_000)
                    .unwrap(),
                ..block(ssrc)
            };
            let packet = receiver_report(SSRC[side], &[block]);
            call.world.send(call.rtcp[side], after, packet);
        }
    }
    got
}

#[test]
fn both_sides_get_reports_of_ours_and_not_each_others() {
    for setup in [RELAYED, TRANSCODED] {
        for muxed in [false, true] {
            let interval = Some(seconds(5));
            let mut call = Call::new(Setup {
                muxed,
                interval,
                ..setup
            });
            call.talk(0, 0, 3000);
            call.talk(1, 0, 3000);
            let mut at: [Vec<Duration>; 2] = Default::default();
            let mut counted = [(0, 0); 2];
            let mut latest = [0_u32; 2];
            for step in 0..59_u64 {
                call.world.run_for(seconds(1));
                for side in [0, 1] {
                    let (rtp, rtcp) = call.received(side);
                    for (received, round) in rtcp.iter().zip(0..) {
                        assert_eq!(round, 0, "one a second at most");
                        at[side].push(received.at);
                        let name = Compound::parse(&received.packet)
                            .unwrap()
                            .into_iter()
                            .find_map(|packet| match packet {
                                RtcpPacket::Sdes(sdes) => sdes.chunks().next(),
                                _ => None,
                            })
                            .unwrap();
                        let item = name.items().next().unwrap();
                        assert_eq!((item.item_type, item.text.len()), (SdesItem::CNAME, 12));
                        assert_eq!(name.ssrc, SSRC[1 - side]);
                        let (ssrc, info, blocks) = reports(&received.packet).remove(0);
                        let info = info.unwrap();
                        assert_eq!(ssrc, SSRC[1 - side]);
                        // As many as had come when it left; it came with the last of them.
                        let before = rtp.iter().filter_map(|p| RtpPacket::parse(p).ok());
                        let before: Vec<_> = before
                            .filter(|p| {
                                let ahead =
                                    p.timestamp().get().wrapping_sub(info.rtp_timestamp.get());
                                ahead.cast_signed() <= 0
                            })
                            .collect();
                        let octets: usize = before.iter().map(|p| p.payload().len()).sum();
                        let (packets, all_octets) = counted[side];
                        assert_eq!(info.packet_count as usize, packets + before.len());
                        assert_eq!(info.octet_count as usize, all_octets + octets);
                        let last = before.last().map_or(latest[side], |p| p.timestamp().get());
                        let clock = call.codecs[side].codec.clock_rate_hz;
                        assert!(info.rtp_timestamp.get().wrapping_sub(last) < clock / 50);
                        let unix = (info.ntp_timestamp >> 32) - 2_208_988_800;
                        assert_eq!(unix, (World::UNIX_AT_EPOCH + received.at - DELAY).as_secs());
                        let [about] = blocks[..] else {
                            panic!("{blocks:?}")
                        };
                        assert_eq!((about.ssrc, about.cumulative_lost), (SSRC[side], 0));
                        let sent = (received.at - DELAY - DELAY).as_millis() / 20;
                        let highest = u32::from(FIRST[side].0) + u32::try_from(sent).unwrap();
                        assert_eq!(about.highest_seq, highest);
                        // The reports that it sends each second reach us, and are named with their age.
                        let since = received.at - DELAY - DELAY;
                        let named = u32::try_from(since.as_secs()).unwrap() << 16;
                        assert_eq!(about.last_sr, named);
                        let age_us = u64::from(about.delay_since_last_sr) * 1_000_000 / 65_536;
                        let expected = if named == 0 { 0 } else { since.subsec_micros() };
                        assert!(age_us.abs_diff(expected.into()) < 20, "{about:?}");
                    }
                    counted[side].0 += rtp.len();
                    if let Some(last) = rtp.last() {
                        latest[side] = RtpPacket::parse(last).unwrap().timestamp().get();
                    }
                    let parsed = rtp.iter().map(|p| RtpPacket::parse(p).unwrap());
                    counted[side].1 += parsed.map(|p| p.payload().len()).sum::<usize>();
                    let info = SenderInfo {
                        ntp_timestamp: (step + 1) << 32,
                        rtp_timestamp: RtpTimestamp::new(0),
                        packet_count: 0,
                        octet_count: 0,
                    };
                    call.send_rtcp(side, sender_report(SSRC[side], &info, &[]));
                }
            }
            for at in &at {
                assert!((9..=16).contains(&at.len()), "{at:?}");
                assert!(at[0] < seconds(4));
                assert!(at.windows(2).all(|pair| pair[1] - pair[0] < seconds(8)));
            }
            assert_ne!(at[0], at[1]);
        }
    }
}

#[test]
fn a_party_that_has_stopped_sending_is_no_sender_any_more() {
    let mut call = Call::new(Setup {
        interval: Some(seconds(5)),
        ..RELAYED
    });
    call.world.run_for(seconds(20));
    assert!(call.received(0).1.is_empty() && call.received(1).1.is_empty());
    call.talk(0, 0, 500);
    call.world.run_for(seconds(60));
    let (_, to_listener) = call.received(1);
    let (_, to_sender) = call.received(0);
    // Party 1 is told of what party 0 sends for a while, and then no more.
    let infos: Vec<_> = to_listener
        .iter()
        .map(|r| reports(&r.packet).remove(0))
        .collect();
    assert!(
        infos
            .iter()
            .all(|(ssrc, _, blocks)| *ssrc == SSRC[0] && blocks.is_empty())
    );
    let senders = infos.iter().filter(|(_, info, _)| info.is_some()).count();
    assert!(senders >= 2 && senders < infos.len());
    assert!(infos[senders..].iter().all(|(_, info, _)| info.is_none()));
    // Party 0 hears how it is received, from us, as long as there is something to tell.
    assert!(!to_sender.is_empty() && to_sender.len() < to_listener.len());
    for received in &to_sender {
        let (ssrc, info, blocks) = reports(&received.packet).remove(0);
        assert!(info.is_none() && ssrc != SSRC[1]);
        assert_eq!((blocks.len(), blocks[0].ssrc), (1, SSRC[0]));
    }
}

#[test]
fn quality_is_what_the_parties_report() {
    // Reports of the parties themselves, and of ours.
    for (setup, interval) in [
        (RELAYED, None),
        (TRANSCODED, None),
        (RELAYED, Some(seconds(5))),
        (TRANSCODED, Some(seconds(5))),
    ] {
        let mut call = Call::new(Setup { interval, ..setup });
        call.talk(0, 0, 3000);
        call.talk(1, 0, 3000);
        for step in 0..59_u32 {
            if step % 5 == 1 {
                for (side, ssrc) in SSRC.into_iter().enumerate() {
                    let info = SenderInfo {
                        ntp_timestamp: u64::from(step) << 40 | side as u64,
                        rtp_timestamp: RtpTimestamp::new(FIRST[side].1),
                        packet_count: 1,
                        octet_count: 1,
                    };
                    call.send_rtcp(side, sender_report(ssrc, &info, &[]));
                }
            }
            call.world.run_for(seconds(1));
            answer_reports(&mut call, 0, Duration::from_millis(300), 25);
            answer_reports(&mut call, 1, Duration::from_millis(500), 0);
        }
        for (side, loss, mos) in [(0, 9, 33..=34), (1, 0, 42..=43)] {
            let report = call.quality(side);
            assert_eq!(report.ssrc, SSRC[side]);
            assert!(report.samples >= 8, "{report:?}");
            assert_eq!((report.lost, report.average.loss_percent), (12, loss));
            assert_eq!(report.average.jitter_ms, 10);
            assert!(mos.contains(&report.average.mos), "{report:?}");
            // There and back between us and each is twice the link's delay, and both ways twice that.
            let last = report.progression.last().unwrap();
            assert!(last.leg_us.abs_diff(60_000) < 50, "{report:?}");
            assert!(last.round_trip_us.abs_diff(120_000) < 100, "{report:?}");
            assert!(report.lowest.mos <= report.average.mos);
            assert!(report.highest.mos >= report.average.mos);
        }
    }
}

#[test]
fn quality_is_measured_where_nobody_reports() {
    for setup in [RELAYED, TRANSCODED] {
        let uplink = LinkConfig {
            loss: 0.1,
            jitter: Duration::from_millis(30),
            ..PERFECT
        };
        let mut call = Call::new(Setup { uplink, ..setup });
        call.talk(0, 0, 3000);
        call.talk(1, 0, 3000);
        call.world.run_for(seconds(61));
        let [bad, good] = [call.quality(0), call.quality(1)];
        assert_eq!((bad.ssrc, good.ssrc), (SSRC[0], SSRC[1]));
        assert!((11..=13).contains(&bad.samples));
        assert_eq!(bad.samples, bad.progression.len() as u64);
        assert!((8..=12).contains(&bad.average.loss_percent), "{bad:?}");
        assert!((5..=15).contains(&bad.average.jitter_ms), "{bad:?}");
        assert_eq!(bad.average.round_trip_us, 0);
        assert!((30..=38).contains(&bad.average.mos), "{bad:?}");
        assert!(bad.lowest.mos < bad.highest.mos);
        let lost = call.counters[0].ssrcs[0].lost.get();
        assert!(bad.lost <= lost && bad.lost > lost / 2);
        assert_eq!((good.average.mos, good.lowest.mos, good.lost), (44, 44, 0));
    }
}

#[test]
fn an_encoder_learns_of_the_receivers_losses() {
    let mut call = Call::new(TRANSCODED);
    call.talk(0, 0, 1200);
    let mut with_copy = Vec::new();
    for second in 0..24 {
        call.world.run_for(seconds(1));
        let (rtp, _) = call.received(1);
        let has_copy = |packet: &&Vec<u8>| {
            let rtp = RtpPacket::parse(packet).unwrap();
            let &[toc, flags, ..] = rtp.payload() else {
                panic!("an empty packet of Opus")
            };
            // Behind the TOC a SILK frame of 20 ms begins with its VAD and LBRR flags (RFC 6716 §4.2.3).
            toc >> 3 < 16 && flags & 0x40 != 0
        };
        with_copy.push(rtp.iter().filter(has_copy).count() * 100 / rtp.len().max(1));
        if (8..12).contains(&second) {
            let block = ReportBlock {
                fraction_lost: 64,
                ..block(SSRC[0])
            };
            call.send_rtcp(1, receiver_report(SSRC[1], &[block]));
        }
        if second >= 12 {
            call.send_rtcp(1, receiver_report(SSRC[1], &[block(SSRC[0])]));
        }
    }
    assert!(
        with_copy[..8].iter().all(|percent| *percent == 0),
        "{with_copy:?}"
    );
    assert!(
        with_copy[10..14].iter().all(|percent| *percent > 40),
        "{with_copy:?}"
    );
    assert_eq!(with_copy.last(), Some(&0), "{with_copy:?}");
}

#[test]
fn hostile_reports_are_bounded_and_do_no_harm() {
    let mut call = Call::new(TRANSCODED);
    call.talk(0, 0, 100);
    call.talk(1, 0, 100);
    call.world.run_for(seconds(1));
    for n in 0..2000_u32 {
        let blocks: Vec<_> = (0..31)
            .map(|k| ReportBlock {
                fraction_lost: u8::MAX,
                cumulative_lost: i32::MIN,
                highest_seq: u32::MAX,
                jitter_ticks: u32::MAX,
                last_sr: n,
                delay_since_last_sr: u32::MAX,
                ..block(if k % 2 == 0 { SSRC[1] } else { Ssrc::new(n) })
            })
            .collect();
        let info = SenderInfo {
            ntp_timestamp: u64::MAX - u64::from(n),
            rtp_timestamp: RtpTimestamp::new(n << 20),
            packet_count: u32::MAX,
            octet_count: u32::MAX,
        };
        call.send_rtcp(0, sender_report(Ssrc::new(n % 5), &info, &blocks));
        call.world.run_for(Duration::from_micros(500));
    }
    call.world.run_for(seconds(2));
    for quality in &call.counters[0].quality {
        let report = quality.report().unwrap();
        assert!(report.progression.len() <= 32);
        assert_eq!((report.average.mos, report.lost), (10, 0));
    }
    let clock = ClockRate::HZ_8000.get();
    assert!(u64::from(call.quality(0).average.jitter_ms) <= u64::from(u32::MAX / clock));
    assert_eq!(call.world.slots_in_use(), 0);
}
